// SPDX-License-Identifier: GPL-2.0
#include "testmodule.h"
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>

void test_module_load(const struct test *t, const char *name, const char *fmt, ...)
{
	char parameters[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(parameters, sizeof(parameters), fmt, ap);
	va_end(ap);
	CHECK_EQ(shell("insmod '%s/%s.ko' %s", t->modules, name, parameters), 0, "%s", name);
}

void test_module_unload(const char *name)
{
	CHECK_EQ(shell("rmmod %s", name), 0, "%s", name);
}

static const char *parameter(const char *module, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	return path;
}

bool test_module_holds(const char *name)
{
	char text[8] = "";

	return read_text(parameter(name, "held"), text, sizeof(text)) > 0 && *text == 'Y';
}

void test_module_go_on(const char *name)
{
	CHECK_RET(write_text(parameter(name, "go"), "1"), 0);
}
