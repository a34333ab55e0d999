/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The companion at work: hears of breaks, stops the machine, gives way, waits for the operation, re-arms, lets the machine
 * go on. One loop; between two steps nothing is decided but by what is in here.
 *
 *     break -> [hook] -> [device_del] -> stop -> [drain] -> ack -> (operation) -> cleared -> rearm -> cont -> [hook]
 */
#ifndef DAXLEASE_QEMU_COMPANION_H
#define DAXLEASE_QEMU_COMPANION_H

#include <libdaxlease.h>

#include "broken.h"
#include "machine.h"
#include "policy.h"

enum rearm_when {
	REARM_ALWAYS,
	REARM_CLONE,	/* after clone and dedupe; what was punched or truncated stays lost until SIGUSR1 */
	REARM_NEVER,	/* until SIGUSR1 */
};

enum on_loss {
	LOSS_CONT,
	LOSS_STOP,	/* leave the machine stopped if something did not come back */
};

/**
 * struct settings - from the command line; times in nanoseconds, 0: see there
 * @policy: what to do to the machine
 * @grace_ns: asked of the kernel; 0: its default
 * @drain_ns: from stopping to giving way, for transfers that the device has begun
 * @unplug_ns: how long the guest may take; 0: half of what is left of the grace
 * @pause_max_ns: how long the machine may stand; 0: until everything is back
 * @hook: command, or NULL
 * @hook_ns: how long the hook may take; 0: a quarter of what is left of the grace
 * @rearm: enum rearm_when (an int, as options are)
 * @on_loss: enum on_loss
 */
struct settings {
	struct policy policy;
	uint64_t grace_ns;
	uint64_t drain_ns;
	uint64_t unplug_ns;
	uint64_t pause_max_ns;
	const char *hook;
	uint64_t hook_ns;
	int rearm;
	int on_loss;
};

/**
 * struct companion - one QEMU
 * @settings: how
 * @ctx: the watching context
 * @machine: QEMU
 * @pidfd: QEMU's process
 * @signals: signalfd: SIGUSR1 re-arms everything, the others end
 * @broken: leases that are not whole
 * @start_ns: when the first break of this episode was noticed by the kernel; 0: none is open
 * @stopped_ns: when the machine was asked to stop; 0: it runs, or was not stopped by us
 * @pause_ns: how long it has stood in this episode
 * @loss: something did not come back in this episode
 */
struct companion {
	const struct settings *settings;
	struct daxlease_ctx *ctx;
	struct machine machine;
	int pidfd;
	int signals;
	struct broken_list broken;
	uint64_t start_ns;
	uint64_t stopped_ns;
	uint64_t pause_ns;
	bool loss;
};

int companion_run(struct companion *c);

#endif /* DAXLEASE_QEMU_COMPANION_H */
