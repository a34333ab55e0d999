/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What to do to a machine when memory of one of its devices is taken back. A container of VFIO has the devices of a whole
 * machine, and a lease belongs to the container: a break concerns them all. Pure.
 */
#ifndef DAXLEASE_QEMU_POLICY_H
#define DAXLEASE_QEMU_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#define POLICY_CHOICES	"stop|device_del|ack"

enum action {
	ACTION_STOP,	/* stop the machine until everything is back */
	ACTION_DEL,	/* unplug the device; the guest has to agree */
	ACTION_ACK,	/* give way, the machine goes on; its device meets faults or scratch memory */
};

/**
 * struct policy - for all devices, and exceptions
 * @fallback: for devices that are not named (an int, as options are)
 * @names: "ID=ACTION,...", checked by policy_check(); NULL: no exceptions
 */
struct policy {
	int fallback;
	const char *names;
};

bool policy_check(const struct policy *p);
enum action policy_of(const struct policy *p, const char *id);
bool policy_is_uniform(const struct policy *p);

#endif /* DAXLEASE_QEMU_POLICY_H */
