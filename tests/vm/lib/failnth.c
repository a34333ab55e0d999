// SPDX-License-Identifier: GPL-2.0
#include "failnth.h"
#include "harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEBUGFS		"/sys/kernel/debug/"
#define NEAR		(16ULL << 20)	/* from any function of a filesystem to any other, init text apart */

/* Where modules live: MODULES_VADDR in Documentation/arch/x86/x86_64/mm.rst, no KASLR on the debug kernel */
#define MODULES_START	"0xffffffffa0000000"
#define MODULES_END	"0xffffffffff000000"

static void set(const char *attr, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", attr, name);
	CHECK_RET(write_text(path, value), 0, "%s", path);
}

/* First and last function whose name begins with @prefix, around @anchor */
static void text_of(const char *prefix, const char *anchor, uint64_t *first, uint64_t *last)
{
	char l[512], name[256], type;
	uint64_t addr, middle = 0;
	FILE *f;

	*first = UINT64_MAX;
	*last = 0;
	for (int pass = 0; pass < 2; pass++) {
		f = fopen("/proc/kallsyms", "re");
		CHECK(f);
		while (fgets(l, sizeof(l), f)) {
			if (sscanf(l, "%" SCNx64 " %c %255s", &addr, &type, name) != 3)
				continue;
			if (!pass && !strcmp(name, anchor))
				middle = addr;
			if (!pass || strncmp(name, prefix, strlen(prefix)) || strchr(name, '.') ||
			    !strchr("tT", type) || addr + NEAR < middle || addr > middle + NEAR)
				continue;
			*first = addr < *first ? addr : *first;
			*last = addr > *last ? addr : *last;
		}
		fclose(f);
		CHECK(middle, "no %s in /proc/kallsyms", anchor);
	}
	CHECK(*first < *last);
}

void failnth_setup(void)
{
	static const char *const attrs[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	char from[32], to[32];
	uint64_t first, last;

	text_of("ext4_", "ext4_punch_hole", &first, &last);
	snprintf(from, sizeof(from), "0x%" PRIx64, first);
	snprintf(to, sizeof(to), "0x%" PRIx64, last);
	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		set(attrs[i], "probability", "0");
		set(attrs[i], "times", "-1");
		set(attrs[i], "verbose", "0");
		set(attrs[i], "stacktrace-depth", "32");
		set(attrs[i], "require-start", MODULES_START);
		set(attrs[i], "require-end", MODULES_END);
		set(attrs[i], "reject-start", from);
		set(attrs[i], "reject-end", to);
	}
	set("failslab", "ignore-gfp-wait", "N");
	set("fail_page_alloc", "ignore-gfp-wait", "N");
	set("fail_page_alloc", "ignore-gfp-highmem", "N");
	set("fail_page_alloc", "min-order", "0");
}

void failnth_arm(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	CHECK_RET(write_text("/proc/thread-self/fail-nth", text), 0);
}

bool failnth_disarm(void)
{
	char text[16];
	int left;

	CHECK(read_text("/proc/thread-self/fail-nth", text, sizeof(text)) > 0);
	left = atoi(text);
	failnth_arm(0);
	return !left;
}
