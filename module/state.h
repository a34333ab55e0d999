/* SPDX-License-Identifier: GPL-2.0 */
/*
 * state: the life of a lease as a table. Pure.
 *
 *	ACQUIRING -> ACTIVE <-> BREAKING -> REVOKED; REVOKED -> ACTIVE by REARM, and back if it
 *	fails at a consumer; RELEASED from any.
 */
#ifndef _DAXLEASE_STATE_H
#define _DAXLEASE_STATE_H

#include <linux/types.h>
#include <daxlease.h>

bool dl_state_may(enum daxlease_state from, enum daxlease_state to);
const char *dl_state_name(enum daxlease_state state);

#endif /* _DAXLEASE_STATE_H */
