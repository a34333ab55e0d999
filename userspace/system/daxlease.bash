# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of daxlease(1) for bash. Commands, options and choices come from the tool's own help.

_daxlease()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} tool=${COMP_WORDS[0]}
	local cmd=${COMP_WORDS[1]} words=

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words="$("$tool" --help 2>/dev/null | sed -n 's/^  \([a-z-]*\) .*/\1/p') --help --version"
	elif [[ $prev == --on-break ]]; then
		words=$("$tool" "$cmd" --help 2>/dev/null | sed -n 's/^  --on-break \([a-z|]*\).*/\1/p' | tr '|' ' ')
	elif [[ $prev == --@(offset|length|grace|after|timeout|count) ]]; then
		compopt +o default 2>/dev/null	# a number: no file names
	elif [[ $prev == --@(from|hooks|preload) ]]; then
		:	# a file
	elif [[ $cmd == run && $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		return
	elif [[ $cur == -* ]]; then
		words=$("$tool" "$cmd" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')
	elif [[ $cmd == watch ]]; then
		words=$(cd /proc && printf '%s ' [0-9]*)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _daxlease daxlease
