/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which cases a run has, and in which order. The host asks for the same plan as the guest carries out,
 * so that a case which does not report is missed.
 */
#ifndef SELECT_H
#define SELECT_H

#include "harness.h"

/* Checks of the runner itself, reported like cases after the last one that leaves the kernel sound */
#define CASE_NO_LEAK	"no-memory-leaked"	/* debug kernel only */
#define CASE_CLEAN	"machine-left-clean"

/**
 * struct selection - what the command line asked for
 * @fs: "ext4" or "xfs"
 * @debug: the debug kernel
 * @demo: only cases with this flag: a demonstration's; 0: no demonstration
 * @turns: the machine's processors take turns
 * @every: all cases on this filesystem, those too that would do with one filesystem a kernel
 * @alone: the cases that need a machine of their own, instead of all others
 * @minutes: for the cases, see struct test
 * @seed: likewise
 * @names: names of cases, ended by NULL; empty: all but the self-test's
 */
struct selection {
	const char *fs;
	bool debug;
	unsigned int demo;
	bool turns;
	bool every;
	bool alone;
	unsigned int minutes;
	uint64_t seed;
	char **names;
};

/* The flag of the demonstration of this name, or 0 */
unsigned int select_demo(const char *group);

/*
 * The selected cases, those for the stock type1 first and those that break the kernel last, ended by NULL. To be
 * freed. Exits with a message if a name is unknown.
 */
const struct testcase **select_cases(const struct selection *s);

/* How many of them leave the kernel sound: those before the first that breaks it */
size_t select_sound(const struct testcase **list);

/* Whether the checks after them belong to this selection */
bool select_checks(const struct testcase **list);

/*
 * Prints all cases for a person, or the plan of a selection, a line each: name, "case" or "check" (after the last case),
 * description
 */
void select_list(void);
void select_plan(const struct selection *s);

#endif /* SELECT_H */
