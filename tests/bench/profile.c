// SPDX-License-Identifier: GPL-2.0
/* The guest's part of a profile: marks around what is measured, and the names of the kernel's functions. */
#include "bench.h"
#include "plugin/mark.h"

#include <stdio.h>
#include <string.h>

static const char *asked[PROFILES];	/* "ROW=VARIANT" */
static bool begun[PROFILES];		/* by this process */
static bool named[PROFILES];
static bool running;

void profile_ask(const char *what)
{
	int i = 0;

	while (i < PROFILES && asked[i])
		i++;
	CHECK(i < PROFILES, "more than %d profiles", PROFILES);
	asked[i] = what;
}

static bool same(const char *what, const char *row, const char *variant)
{
	size_t n = strlen(row);

	return what && !strncmp(what, row, n) && what[n] == '=' && !strcmp(what + n + 1, variant);
}

void profile_start(const char *row, const char *variant)
{
	bool first = same(asked[0], row, variant), second = same(asked[1], row, variant);

	running = first || second;
	begun[0] |= first;
	begun[1] |= second;
	if (first)
		MARK(1);
	else if (second)
		MARK(2);
}

void profile_stop(void)
{
	if (running)
		MARK(0);
	running = false;
}

/* As it is at this moment: modules come and go, and so does ftrace's trampoline */
static void names(FILE *out, int profile)
{
	char line[512], name[256], module[80], type;
	unsigned long long address;
	FILE *f = fopen("/proc/kallsyms", "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		module[0] = 0;
		if (sscanf(line, "%llx %c %255s %79s", &address, &type, name, module) >= 3 && strchr("tTwW", type))
			fprintf(out, "name\t%d\t%llx\t%s\t%s\n", profile, address, name, module);
	}
	fclose(f);
}

void profile_names(FILE *out)
{
	for (int i = 0; i < PROFILES; i++) {
		if (!begun[i] || named[i])
			continue;
		names(out, i);
		named[i] = true;
	}
}
