/* SPDX-License-Identifier: GPL-2.0 */
/* Parameters of daxlease.ko, and users to try its limits with. All of this fails the case itself. */
#ifndef PARAM_H
#define PARAM_H

#include <sys/types.h>

/* Sets a parameter; param_reset() gives all that were set their first values back */
void param_set(const char *name, unsigned int value);
void param_reset(void);

/* This process is user @uid, without capabilities, until act_as(0) */
void act_as(uid_t uid);

#endif /* PARAM_H */
