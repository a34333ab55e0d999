/* SPDX-License-Identifier: GPL-2.0 */
/* params: module parameters (main.c), read at each use. */
#ifndef _DAXLEASE_PARAMS_H
#define _DAXLEASE_PARAMS_H

#include <linux/types.h>

u64 dl_grace_default(void);
u64 dl_grace_max(void);
u64 dl_leases_max(void);
u64 dl_leases_per_user(void);
u64 dl_leases_per_fs(void);
unsigned long dl_hook_period(void);
unsigned int dl_watches_per_user(void);

#endif /* _DAXLEASE_PARAMS_H */
