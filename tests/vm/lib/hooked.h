/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hooks of the module, from outside: whether they are armed, and whether they work.
 */
#ifndef HOOKED_H
#define HOOKED_H

#include "daxlease.h"

#include <stdbool.h>

struct test;

/* Whether /sys/kernel/debug/daxlease/hooks has this text: "armed 1\n" */
bool hooked_say(const char *text);

/* Waits until it has; nothing announces that, so it is looked for. Fails the case after a while */
void hooked_wait(const char *text);

/* rmmod without waiting: 0 or -errno */
int module_remove(const char *name);

/* Unloads the drop-ins, which use daxlease.ko, if they are there */
void module_remove_users(void);

/*
 * One break from beginning to end, of a file of its own, by a punch that is heard as @reason. That ACQUIRE works says
 * that each hook has passed its self-test. @when: for people.
 */
void hooked_check(const struct test *t, int ctx, enum daxlease_reason reason, const char *when);

#endif /* HOOKED_H */
