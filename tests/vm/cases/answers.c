// SPDX-License-Identifier: GPL-2.0
/* Answers that cannot be copied out: what only they would have named is taken back, what asks for none needs none. */
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000

static void *page;

/* The call with a structure, its size before all, that the kernel can read and not write: 0 or -errno */
static int call(int ctx, unsigned long cmd, const void *arg)
{
	uint32_t size = *(const uint32_t *)arg;
	int ret;

	memcpy(page, arg, size);
	CHECK_SYS(mprotect(page, PAGE, PROT_READ));
	ret = ioctl(ctx, cmd, page) ? -errno : 0;
	CHECK(!memcmp(page, arg, size), "the structure was written");
	CHECK_SYS(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	return ret;
}

#define CALL(ctx, cmd, type, ...) \
	call(ctx, cmd, &(struct type){ .size = sizeof(struct type), __VA_ARGS__ })

/* What DAXLEASE_ACQUIRE and EXPORT_DMABUF make, only their answer names */
static void nothing_is_left(int ctx, int fd, const struct daxlease_acquire *a)
{
	int next = CHECK_SYS(dup(fd)), spare;

	close(next);
	CHECK_RET(CALL(ctx, DAXLEASE_ACQUIRE, daxlease_acquire, .flags = DAXLEASE_WRITE, .fd = fd, .length = GRANULE,
		       .grace_ns = LONG_GRACE), -EFAULT);
	CHECK_EQ(lease_count(), 1, "a lease that nobody knows of");
	CHECK_RET(CALL(ctx, DAXLEASE_EXPORT_DMABUF, daxlease_export_dmabuf, .id = a->id, .length = GRANULE,
		       .fd_flags = O_RDWR | O_CLOEXEC), -EFAULT);
	spare = CHECK_SYS(dup(fd));
	CHECK_EQ(spare, next, "a descriptor that nobody knows of");
	close(spare);
	story("ACQUIRE and EXPORT_DMABUF that cannot answer: EFAULT, and no lease and no descriptor is left");
}

/* These have happened, and other calls tell what came of them */
static void can_be_asked(int ctx, int fd, const struct daxlease_acquire *a)
{
	struct daxlease_event ev;
	struct daxlease_query q;

	CHECK_RET(CALL(ctx, DAXLEASE_INFO, daxlease_info), -EFAULT);
	CHECK_RET(CALL(ctx, DAXLEASE_QUERY, daxlease_query, .id = a->id), -EFAULT);
	CHECK_RET(CALL(ctx, DAXLEASE_BREAK, daxlease_break, .fd = fd, .length = PAGE), -EFAULT);
	CHECK(lease_wait(ctx, a->id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "the break has not begun");
	CHECK_RET(CALL(ctx, DAXLEASE_ACK, daxlease_ack, .id = a->id, .generation = a->generation,
		       .break_id = ev.break_id), 0);
	CHECK_EQ(lease_lost(ctx, a->id), 1);
	CHECK_RET(CALL(ctx, DAXLEASE_REARM, daxlease_rearm, .id = a->id, .length = GRANULE), -EFAULT);
	CHECK_RET(lease_query(ctx, a->id, &q, NULL, 0), 0);
	CHECK_EQ(q.granules_lost, 0);
	CHECK_EQ(q.generation, a->generation + 1);
	story("BREAK and REARM that cannot answer: EFAULT; they have happened, and QUERY says so");
}

static void needs_no_answer(int ctx, const struct daxlease_acquire *a)
{
	int pidfd = CHECK_SYS(pidfd_open(getpid(), 0));

	CHECK_RET(CALL(ctx, DAXLEASE_FLUSH, daxlease_flush, .id = a->id, .length = GRANULE), 0);
	CHECK_RET(CALL(ctx, DAXLEASE_WATCH, daxlease_watch, .pidfd = pidfd), 0);
	CHECK_RET(CALL(ctx, DAXLEASE_RELEASE, daxlease_release, .id = a->id), 0);
	CHECK_EQ(lease_count(), 0);
	close(pidfd);
	story("ACK, FLUSH, WATCH, RELEASE only read: a constant will do");
}

static void unwritable(const struct test *t)
{
	int fd = file_create(path_in(t->dir, "file"), 2 * GRANULE, 1), ctx = lease_open();
	struct daxlease_acquire a;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * GRANULE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	nothing_is_left(ctx, fd, &a);
	can_be_asked(ctx, fd, &a);
	needs_no_answer(ctx, &a);
	CHECK_PATTERN(fd, 0, 2 * GRANULE, 1);
}

const struct testcase answers_cases[] = {
	{ "answers-that-cannot-be-given-leave-nothing",
	  "a structure that cannot be written: no lease and no dma-buf that nobody knows of; what only reads, works",
	  unwritable, ON_ANY | NEEDS_CORE, 0 },
	{ 0 }
};
