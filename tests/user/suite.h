/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A suite is a program: `suite --list` prints its cases, `suite CASE` runs one, `suite` runs all.
 * Exit code 0: passed.
 */
#ifndef SUITE_H
#define SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define SUITE(tests)									\
int main(int argc, char **argv)								\
{											\
	if (argc > 1 && !strcmp(argv[1], "--list")) {					\
		for (size_t i = 0; i < ARRAY_SIZE(tests); i++)				\
			puts(tests[i].name);						\
		return 0;								\
	}										\
	if (argc > 1)									\
		cmocka_set_test_filter(argv[1]);					\
	return cmocka_run_group_tests(tests, NULL, NULL);				\
}

#endif /* SUITE_H */
