/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Points of failure (libfiu) in the library's own syscall.c and in malloc().
 *
 * For the suites that use it syscall.c is compiled with each system call under another name, point_*,
 * which fails as its point says and else asks the fake device. So the library is tested whole, the
 * translation of errno included. Nothing of it is in the product.
 */
#ifndef POINTS_H
#define POINTS_H

#include <stdbool.h>
#include <stddef.h>

/* Names of all points, ended by NULL */
extern const char *const points[];

/* The errno dictionary of <daxlease.h>, and what else system calls may say; 0 ends it */
extern const int errnos[];

void points_init(void);

/* The @n-th pass of @point from now on fails with @err, in this process or its children; once */
void point_fail(const char *point, unsigned int n, int err);

/* Ends that: has it failed? */
bool point_failed(const char *point);

/* How often @point was passed since point_fail() */
unsigned int point_passes(void);

#endif /* POINTS_H */
