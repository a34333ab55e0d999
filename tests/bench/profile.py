#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of a measurement go.

    profile.py SAMPLES COUNTS ROW=VARIANT...

SAMPLES has the names of the kernel's functions, as each profiled group saw them (tests/bench/profile.c), COUNTS what was
executed where (tests/bench/plugin). An inlined function counts as the one it is part of. Of two profiles, the second is
what the first is compared with: also prints the difference, function by function.
"""
import bisect
import collections
import sys

TOP = 25


def names_of(path):
    """For each profile: addresses, ascending, and what begins there: (function, owner)."""
    found = collections.defaultdict(dict)
    for line in open(path):
        fields = line.rstrip("\n").split("\t")
        if fields[0] == "name":
            found[int(fields[1])].setdefault(int(fields[2], 16), (fields[3], fields[4].strip("[]") or "kernel"))
    return {p: (sorted(at), at) for p, at in found.items()}


def profile(index, what, names, lines):
    """Instructions of one measurement, by (function, owner)."""
    if index not in names:
        sys.exit(f"profile: nothing was measured as '{what}'")
    order, at = names[index]
    spans, executed = 0, collections.Counter()
    for fields in lines:
        if int(fields[1]) != index:
            continue
        if fields[0] == "spans":
            spans = int(fields[2])
            continue
        address = int(fields[2], 16)
        place = bisect.bisect_right(order, address) - 1
        executed[at[order[place]] if address and place >= 0 else ("user space", "user space")] += int(fields[3])
    if not spans:
        sys.exit(f"profile: nothing was counted for '{what}'")
    return spans, {where: n / spans for where, n in executed.items()}


def show(what, rows, whole):
    """Shares are of @whole."""
    print(f"\n{what}: {sum(rows.values()):,.0f} instructions")
    owners = collections.Counter()
    for (_, owner), n in rows.items():
        owners[owner] += n
    for owner, n in owners.most_common():
        if abs(n) >= whole / 1000:
            print(f"    {n / whole:6.1%} {n:14,.0f}  {owner}")
    print()
    for (function, owner), n in sorted(rows.items(), key=lambda r: -abs(r[1]))[:TOP]:
        print(f"    {n / whole:6.1%} {n:14,.0f}  {function}" + ("" if owner == "kernel" else f" [{owner}]"))


def main():
    samples, counts, *wanted = sys.argv[1:]
    names = names_of(samples)
    lines = [line.rstrip("\n").split("\t") for line in open(counts)]
    each = []
    for index, what in enumerate(wanted):
        spans, rows = profile(index, what, names, lines)
        show(f"{what}, mean of {spans}", rows, sum(rows.values()))
        each.append(rows)
    if len(each) == 2:
        both = {where: each[0].get(where, 0) - each[1].get(where, 0) for where in each[0] | each[1]}
        show(f"{wanted[0]} less {wanted[1]}, in shares of the latter", both, sum(each[1].values()))


main()
