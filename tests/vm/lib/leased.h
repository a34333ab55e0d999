/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file with a lease on all of it, a dma-buf of that, and a memory region of rxe0 on that, at LEASED_IOVA.
 */
#ifndef LEASED_H
#define LEASED_H

#include "lease.h"
#include "verbs.h"

#define LEASED_SIZE	(8ULL << 20)
#define LEASED_SEED	21
#define LEASED_IOVA	0x700000000000ULL
#define LEASED_GRACE	(25000 * MS)	/* no case waits for its end */

/**
 * struct leased - all of it
 * @path: of the file
 * @fd: of the file: LEASED_SIZE bytes of pattern LEASED_SEED
 * @ctx: the context
 * @lease: what ACQUIRE said
 * @dmabuf: of the whole lease, O_RDWR for a write lease
 * @v: rxe0
 * @r: the region, with all rights or for reading
 * @mw: for a case's window
 */
struct leased {
	char path[256];
	int fd;
	int ctx;
	struct daxlease_acquire lease;
	int dmabuf;
	struct verbs v;
	struct region r;
	struct ibv_mw *mw;
};

/* @flags: DAXLEASE_READ or DAXLEASE_WRITE. Fails the case if anything does not work */
void leased_open(struct leased *l, const char *dir, uint32_t flags);

/* Waits for a break of the lease and gives way */
void leased_give_way(struct leased *l);

/* Breaks a range of the lease by hand and gives way; nothing of the file changes */
void leased_take_back(struct leased *l, uint64_t offset, uint64_t length);

#endif /* LEASED_H */
