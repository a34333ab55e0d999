/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ioctls of /dev/daxlease, without the library: 0 or -errno. No flags means no flags.
 */
#ifndef LEASE_H
#define LEASE_H

#include "daxlease.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS	1000000ULL	/* in nanoseconds */

/* Opens a context, close-on-exec and non-blocking, or fails the case */
int lease_open(void);

/* The same, and it watches this process with a grace of @grace_ns */
int lease_open_watching(uint64_t grace_ns);

int lease_info(int ctx, struct daxlease_info *info);

/* @out: may be NULL; has id and generation */
int lease_acquire(int ctx, int fd, uint64_t offset, uint64_t length, uint32_t flags, uint64_t grace_ns,
		  struct daxlease_acquire *out);
int lease_release(int ctx, uint64_t id);

/* @bitmap: may be NULL */
int lease_query(int ctx, uint64_t id, struct daxlease_query *query, void *bitmap, size_t bitmap_size);
int lease_ack(int ctx, uint64_t id, uint64_t generation, uint64_t break_id);
int lease_rearm(int ctx, uint64_t id, uint64_t offset, uint64_t length, uint64_t *generation);
int lease_export(int ctx, uint64_t id, uint64_t offset, uint64_t length, uint32_t fd_flags, int *fd);
int lease_flush(int ctx, uint64_t id, uint64_t offset, uint64_t length);
int lease_watch(int ctx, int pidfd, uint32_t flags, uint64_t grace_ns);

/* @leases: may be NULL */
int lease_break(int ctx, int fd, uint64_t offset, uint64_t length, uint64_t *leases);

/* Reads one event: 1, 0 when none came in @timeout_ms, or -errno */
int lease_event(int ctx, struct daxlease_event *event, int timeout_ms);

/*
 * Reads events until one of @id (0: any) has one of @bits; others are dropped. False after @timeout_ms.
 */
bool lease_wait(int ctx, uint64_t id, uint32_t bits, struct daxlease_event *event, int timeout_ms);

/* The state of a lease, or fails the case */
enum daxlease_state lease_state(int ctx, uint64_t id);

/* How many granules of a lease are lost, and whether number @granule is, or fails the case */
uint64_t lease_lost(int ctx, uint64_t id);
bool lease_granule_lost(int ctx, uint64_t id, unsigned int granule);

/* Lines of the debugfs table: all leases of the machine */
unsigned int lease_count(void);

#endif /* LEASE_H */
