// SPDX-License-Identifier: GPL-2.0
#include "lease.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define LEASES	"/sys/kernel/debug/daxlease/leases"

static int call(int ctx, unsigned long cmd, void *arg)
{
	return ioctl(ctx, cmd, arg) ? -errno : 0;
}

int lease_open(void)
{
	return CHECK_SYS(open("/dev/daxlease", O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

int lease_open_watching(uint64_t grace_ns)
{
	int pidfd = CHECK_SYS(pidfd_open(getpid(), 0));
	int ctx = lease_open();

	CHECK_RET(lease_watch(ctx, pidfd, 0, grace_ns), 0);
	close(pidfd);
	return ctx;
}

int lease_info(int ctx, struct daxlease_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return call(ctx, DAXLEASE_INFO, info);
}

int lease_acquire(int ctx, int fd, uint64_t offset, uint64_t length, uint32_t flags, uint64_t grace_ns,
		  struct daxlease_acquire *out)
{
	struct daxlease_acquire a = {
		.size = sizeof(a), .flags = flags, .fd = fd, .offset = offset, .length = length,
		.grace_ns = grace_ns,
	};
	int ret = call(ctx, DAXLEASE_ACQUIRE, &a);

	if (out)
		*out = a;
	return ret;
}

int lease_release(int ctx, uint64_t id)
{
	struct daxlease_release r = { .size = sizeof(r), .id = id };

	return call(ctx, DAXLEASE_RELEASE, &r);
}

int lease_query(int ctx, uint64_t id, struct daxlease_query *query, void *bitmap, size_t bitmap_size)
{
	memset(query, 0, sizeof(*query));
	query->size = sizeof(*query);
	query->id = id;
	query->bitmap = (uintptr_t)bitmap;
	query->bitmap_size = bitmap_size;
	return call(ctx, DAXLEASE_QUERY, query);
}

int lease_ack(int ctx, uint64_t id, uint64_t generation, uint64_t break_id)
{
	struct daxlease_ack a = {
		.size = sizeof(a), .id = id, .generation = generation, .break_id = break_id,
	};

	return call(ctx, DAXLEASE_ACK, &a);
}

int lease_rearm(int ctx, uint64_t id, uint64_t offset, uint64_t length, uint64_t *generation)
{
	struct daxlease_rearm r = { .size = sizeof(r), .id = id, .offset = offset, .length = length };
	int ret = call(ctx, DAXLEASE_REARM, &r);

	if (generation)
		*generation = r.generation;
	return ret;
}

int lease_export(int ctx, uint64_t id, uint64_t offset, uint64_t length, uint32_t fd_flags, int *fd)
{
	struct daxlease_export_dmabuf e = {
		.size = sizeof(e), .id = id, .offset = offset, .length = length, .fd_flags = fd_flags,
	};
	int ret = call(ctx, DAXLEASE_EXPORT_DMABUF, &e);

	*fd = ret ? -1 : e.fd;
	return ret;
}

int lease_flush(int ctx, uint64_t id, uint64_t offset, uint64_t length)
{
	struct daxlease_flush f = { .size = sizeof(f), .id = id, .offset = offset, .length = length };

	return call(ctx, DAXLEASE_FLUSH, &f);
}

int lease_watch(int ctx, int pidfd, uint32_t flags, uint64_t grace_ns)
{
	struct daxlease_watch w = {
		.size = sizeof(w), .flags = flags, .pidfd = pidfd, .grace_ns = grace_ns,
	};

	return call(ctx, DAXLEASE_WATCH, &w);
}

int lease_break(int ctx, int fd, uint64_t offset, uint64_t length, uint64_t *leases)
{
	struct daxlease_break b = { .size = sizeof(b), .fd = fd, .offset = offset, .length = length };
	int ret = call(ctx, DAXLEASE_BREAK, &b);

	if (leases)
		*leases = b.leases;
	return ret;
}

int lease_event(int ctx, struct daxlease_event *event, int timeout_ms)
{
	ssize_t n;

	if (!wait_readable(ctx, timeout_ms))
		return 0;
	n = read(ctx, event, sizeof(*event));
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	CHECK_EQ(n, sizeof(*event), "not a whole record");
	CHECK_EQ(event->size, sizeof(*event));
	return 1;
}

bool lease_wait(int ctx, uint64_t id, uint32_t bits, struct daxlease_event *event, int timeout_ms)
{
	int64_t end = now_ns() + timeout_ms * (int64_t)MS;
	int64_t left;
	int ret;

	do {
		left = (end - now_ns()) / (int64_t)MS;
		ret = lease_event(ctx, event, left > 0 ? (int)left : 0);
		CHECK(ret >= 0, "read of events: %s", ret_name(ret));
		if (ret && (!id || event->id == id) && (event->bits & bits))
			return true;
	} while (left > 0);
	return false;
}

enum daxlease_state lease_state(int ctx, uint64_t id)
{
	struct daxlease_query q;

	CHECK_RET(lease_query(ctx, id, &q, NULL, 0), 0);
	return q.state;
}

uint64_t lease_lost(int ctx, uint64_t id)
{
	struct daxlease_query q;

	CHECK_RET(lease_query(ctx, id, &q, NULL, 0), 0);
	return q.granules_lost;
}

bool lease_granule_lost(int ctx, uint64_t id, unsigned int granule)
{
	unsigned char bitmap[256] = { 0 };
	struct daxlease_query q;

	CHECK(granule < sizeof(bitmap) * 8);
	CHECK_RET(lease_query(ctx, id, &q, bitmap, sizeof(bitmap)), 0);
	CHECK(granule < q.granules, "the lease has %llu granules", (unsigned long long)q.granules);
	return bitmap[granule / 8] >> granule % 8 & 1;
}

unsigned int lease_count(void)
{
	char table[65536];
	unsigned int n = 0;

	CHECK(read_text(LEASES, table, sizeof(table)) >= 0);
	for (char *save, *l = strtok_r(table, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		n += *l != '#';
	return n;
}
