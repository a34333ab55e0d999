/* SPDX-License-Identifier: GPL-2.0 */
/* A command of the administrator's, run at a step and given a time. */
#ifndef DAXLEASE_QEMU_HOOK_H
#define DAXLEASE_QEMU_HOOK_H

#include <stdint.h>

int hook_run(const char *command, const char *step, uint64_t time_ns);

#endif /* DAXLEASE_QEMU_HOOK_H */
