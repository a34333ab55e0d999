// SPDX-License-Identifier: GPL-2.0
#include "param.h"
#include "harness.h"

#include <stdio.h>
#include <unistd.h>

#define MAX	8

static struct { char path[128], old[32]; } changed[MAX];
static unsigned int nr;

void param_set(const char *name, unsigned int value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/module/daxlease/parameters/%s", name);
	CHECK(nr < MAX);
	CHECK(read_text(path, changed[nr].old, sizeof(changed[nr].old)) > 0, "%s", name);
	snprintf(changed[nr].path, sizeof(changed[nr].path), "%s", path);
	nr++;
	snprintf(text, sizeof(text), "%u", value);
	CHECK_RET(write_text(path, text), 0, "%s", name);
}

void param_reset(void)
{
	while (nr--)
		CHECK_RET(write_text(changed[nr].path, changed[nr].old), 0, "%s", changed[nr].path);
	nr = 0;
}

void act_as(uid_t uid)
{
	CHECK_SYS(setresuid(uid, uid, 0));
}
