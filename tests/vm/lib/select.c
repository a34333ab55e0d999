// SPDX-License-Identifier: GPL-2.0
#include "select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A demonstration is a group of cases, told for people */
static const struct {
	const char *name;
	unsigned int flag;
} demo_groups[] = {
	{ "leases", DEMO },
	{ "qemu", DEMO_QEMU },
	{ "rdma", DEMO_RDMA },
};

unsigned int select_demo(const char *group)
{
	for (size_t i = 0; i < sizeof(demo_groups) / sizeof(demo_groups[0]); i++)
		if (!strcmp(demo_groups[i].name, group))
			return demo_groups[i].flag;
	return 0;
}

static bool named(const struct selection *s, const char *name)
{
	for (char **n = s->names; *n; n++)
		if (!strcmp(*n, name))
			return true;
	return false;
}

static bool needs_own_machine(const struct selection *s, const struct testcase *c)
{
	return c->flags & TURNS && !s->turns;
}

static bool on_xfs(const struct selection *s)
{
	return !strcmp(s->fs, "xfs");
}

/* Whether this kernel runs the @nth case that will do with one filesystem on this one: the other kernel does on the other */
static bool falls_to(const struct selection *s, unsigned int nth)
{
	return (nth % 2 == on_xfs(s)) == s->debug;
}

static bool wanted(const struct selection *s, const struct testcase *c, unsigned int nth)
{
	if (!(c->flags & (on_xfs(s) ? ON_XFS : ON_EXT4)) || needs_own_machine(s, c) != s->alone)
		return false;
	if ((c->flags & ON_ONE) && !s->every && !s->demo && !*s->names && !falls_to(s, nth))
		return false;
	if (c->flags & (s->debug ? STOCK_ONLY : DEBUG_ONLY))
		return false;
	if (s->demo && !(c->flags & s->demo))
		return false;
	return *s->names ? named(s, c->name) : !(c->flags & SELFTEST);
}

/* Those for stock modules come first, those that break the kernel last */
static int rank(const struct testcase *c)
{
	if (c->flags & BROKEN)
		return 2;
	return !(c->flags & NEEDS_STOCK) && c->flags & (NEEDS_CORE | NEEDS_VFIO | NEEDS_RXE);
}

static const struct testcase *find(const char *name)
{
	for (const struct testcase *const *t = case_tables; *t; t++)
		for (const struct testcase *c = *t; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

const struct testcase **select_cases(const struct selection *s)
{
	const struct testcase **list;
	unsigned int nth;
	size_t n = 0;

	for (char **name = s->names; *name; name++) {
		if (!find(*name)) {
			fprintf(stderr, "no case is called %s (tests/vm/run --list)\n", *name);
			exit(2);
		}
	}
	for (const struct testcase *const *t = case_tables; *t; t++)
		for (const struct testcase *c = *t; c->name; c++)
			n++;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		abort();
	n = 0;
	for (int r = 0; r < 3; r++) {
		nth = 0;
		for (const struct testcase *const *t = case_tables; *t; t++) {
			for (const struct testcase *c = *t; c->name; c++) {
				nth += !!(c->flags & ON_ONE);
				if (rank(c) == r && wanted(s, c, nth))
					list[n++] = c;
			}
		}
	}
	return list;
}

size_t select_sound(const struct testcase **list)
{
	size_t n = 0;

	while (list[n] && !(list[n]->flags & BROKEN))
		n++;
	return n;
}

bool select_checks(const struct testcase **list)
{
	return select_sound(list) && !(list[0]->flags & SELFTEST);
}

void select_list(void)
{
	for (const struct testcase *const *t = case_tables; *t; t++)
		for (const struct testcase *c = *t; c->name; c++)
			if (!(c->flags & SELFTEST))
				printf("%-44s %-9s%s %s\n", c->name,
				       (c->flags & ON_BOTH) == ON_BOTH ? "ext4,xfs" :
				       c->flags & ON_XFS ? "xfs" : "ext4",
				       c->flags & DEMO ? "demo" : "    ", c->desc);
}

static void print_cases(const struct testcase **list, size_t n)
{
	for (; n-- && *list; list++)
		printf("%s\tcase\t%s\n", (*list)->name, (*list)->desc);
}

void select_plan(const struct selection *s)
{
	const struct testcase **list = select_cases(s);
	size_t sound = select_sound(list);

	print_cases(list, sound);
	if (select_checks(list)) {
		if (s->debug)
			printf("%s\tcheck\t%s\n", CASE_NO_LEAK, "the modules leave no memory behind when they are unloaded");
		printf("%s\tcheck\t%s\n", CASE_CLEAN,
		       "modules unload, the filesystem unmounts and is consistent");
	}
	print_cases(list + sound, SIZE_MAX);
	free(list);
}
