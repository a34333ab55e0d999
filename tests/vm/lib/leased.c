// SPDX-License-Identifier: GPL-2.0
#include "leased.h"
#include "file.h"
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>

#define SOON_MS		10000

void leased_open(struct leased *l, const char *dir, uint32_t flags)
{
	bool write = flags & DAXLEASE_WRITE;

	snprintf(l->path, sizeof(l->path), "%s/leased", dir);
	l->fd = file_create(l->path, LEASED_SIZE, LEASED_SEED);
	l->ctx = lease_open();
	CHECK_RET(lease_acquire(l->ctx, l->fd, 0, LEASED_SIZE, flags, LEASED_GRACE, &l->lease), 0);
	CHECK_RET(lease_export(l->ctx, l->lease.id, 0, LEASED_SIZE, O_CLOEXEC | (write ? O_RDWR : O_RDONLY),
			       &l->dmabuf), 0);
	verbs_open(&l->v);
	CHECK_RET(verbs_reg(&l->v, l->dmabuf, 0, LEASED_SIZE, LEASED_IOVA, write ? VERBS_ALL : VERBS_READ,
			    &l->r), 0);
}

void leased_give_way(struct leased *l)
{
	struct daxlease_event ev;

	CHECK(lease_wait(l->ctx, l->lease.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "no break event");
	CHECK_RET(lease_ack(l->ctx, ev.id, ev.generation, ev.break_id), 0);
}

void leased_take_back(struct leased *l, uint64_t offset, uint64_t length)
{
	CHECK_RET(lease_break(l->ctx, l->fd, offset, length, NULL), 0);
	leased_give_way(l);
}
