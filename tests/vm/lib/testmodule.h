/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Modules of tests/vm/modules/: what a case has to do inside the kernel. Each is called dl_test_..., and is
 * unloaded after its case if the case has not done so.
 */
#ifndef TESTMODULE_H
#define TESTMODULE_H

#include <stdbool.h>

struct test;

/* Loads one with the parameters of @fmt; fails the case itself */
void test_module_load(const struct test *t, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void test_module_unload(const char *name);

/* Those that stop something in its midst: has it come to that (parameter "held"); let it go on ("go") */
bool test_module_holds(const char *name);
void test_module_go_on(const char *name);

#endif /* TESTMODULE_H */
