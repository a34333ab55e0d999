/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdaxlease: revocable DMA leases on files of DAX filesystems, from user space.
 *
 * A struct daxlease_ctx is an open /dev/daxlease: it owns the leases acquired through it and has
 * one queue of events. Words, structures and flags are those of <daxlease.h>, which this header
 * includes; libdaxlease(7) is the overview.
 *
 * Conventions:
 *  - Functions return 0 or a count, or a negative errno; daxlease_explain() says what one means
 *    for leases. The library neither prints, nor exits, nor touches signals.
 *  - Any thread may use a context at any time, except that daxlease_close() must be the last call.
 *  - Offsets and lengths are in bytes; times are in nanoseconds, absolute ones of CLOCK_MONOTONIC.
 *  - A structure that is filled in is passed with the size the caller was compiled with, so that
 *    program, library and kernel may be of different age.
 */
#ifndef LIBDAXLEASE_H
#define LIBDAXLEASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daxlease.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DAXLEASE_DEVICE	"/dev/daxlease"

struct daxlease_ctx;

/* The context */

int daxlease_open(const char *path, struct daxlease_ctx **ctx);
int daxlease_from_fd(int fd, struct daxlease_ctx **ctx);
void daxlease_close(struct daxlease_ctx *ctx);
int daxlease_fd(const struct daxlease_ctx *ctx);
int daxlease_get_info(struct daxlease_ctx *ctx, struct daxlease_info *info, size_t size);

/* Leases */

int daxlease_lease_acquire(struct daxlease_ctx *ctx, struct daxlease_acquire *args, size_t size);
int daxlease_lease_release(struct daxlease_ctx *ctx, uint64_t id);
int daxlease_lease_query(struct daxlease_ctx *ctx, uint64_t id, struct daxlease_query *query,
			 size_t size, void *bitmap, size_t bitmap_size);
int daxlease_lease_ack(struct daxlease_ctx *ctx, uint64_t id, uint64_t generation,
		       uint64_t break_id);
int daxlease_lease_rearm(struct daxlease_ctx *ctx, uint64_t id, uint64_t offset, uint64_t length,
			 uint64_t *generation);
int daxlease_lease_export(struct daxlease_ctx *ctx, uint64_t id, uint64_t offset, uint64_t length,
			  int fd_flags);
int daxlease_lease_flush(struct daxlease_ctx *ctx, uint64_t id, uint64_t offset, uint64_t length);
int daxlease_granule_range(const struct daxlease_query *query, uint64_t granule, uint64_t n,
			   uint64_t *offset, uint64_t *length);

/* Other parties: speaking for a process, breaking by hand */

int daxlease_watch_pid(struct daxlease_ctx *ctx, pid_t pid, uint64_t grace_ns);
int daxlease_watch_pidfd(struct daxlease_ctx *ctx, int pidfd, uint64_t grace_ns);
int daxlease_watch_all(struct daxlease_ctx *ctx, uint64_t grace_ns);
int daxlease_break_range(struct daxlease_ctx *ctx, int fd, uint64_t offset, uint64_t length,
			 uint64_t *leases);

/* Users of VFIO */

struct vfio_iommu_type1_dma_map;

int daxlease_vfio_check(int container);
int daxlease_vfio_map(struct daxlease_ctx *ctx, int container,
		      struct vfio_iommu_type1_dma_map *map, uint64_t grace_ns);
int daxlease_vfio_rearm(struct daxlease_ctx *ctx, const struct daxlease_event *event);

/* Events */

int daxlease_next_event(struct daxlease_ctx *ctx, struct daxlease_event *event, size_t size,
			int timeout_ms);

/* Words for people */

const char *daxlease_state_name(uint32_t state);
const char *daxlease_reason_name(uint32_t reason);
const char *daxlease_event_bit_name(uint64_t bit);
const char *daxlease_event_flag_name(uint64_t flag);
const char *daxlease_capability_name(uint64_t capability);
const char *daxlease_explain(unsigned int cmd, int err);

#ifdef __cplusplus
}
#endif

#endif /* LIBDAXLEASE_H */
