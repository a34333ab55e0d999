/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU's machine: does it run, stop it, let it go on, unplug its devices. */
#ifndef DAXLEASE_QEMU_MACHINE_H
#define DAXLEASE_QEMU_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"
#include "qmp.h"

#define MACHINE_DEVICES	64
#define MACHINE_NAME	256

/**
 * struct machine - a QEMU that we speak to
 * @qmp: the connection
 * @running: the guest runs, as QEMU's last event or answer said
 * @late: it has not answered stop or cont, and may still do it: what it says of itself until then does not hold
 * @ours: we have asked it to stop, and not yet to go on
 * @devices: passed-through devices, from machine_find_devices()
 * @nr_devices: of them
 * @unlisted: there are more, or one's name is too long
 */
struct machine {
	struct qmp qmp;
	bool running;
	bool late;
	bool ours;
	char devices[MACHINE_DEVICES][MACHINE_NAME];
	size_t nr_devices;
	bool unlisted;
};

int machine_open(struct machine *m, const char *path);
int machine_hello(struct machine *m, uint64_t until_ns);
void machine_close(struct machine *m);
int machine_stop(struct machine *m, uint64_t until_ns);
int machine_cont(struct machine *m, uint64_t until_ns);
int machine_find_devices(struct machine *m, uint64_t until_ns);
bool machine_wants(const struct machine *m, const struct policy *p, enum action action);
int machine_unplug(struct machine *m, const struct policy *p, uint64_t until_ns);

#endif /* DAXLEASE_QEMU_MACHINE_H */
