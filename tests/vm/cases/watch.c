// SPDX-License-Identifier: GPL-2.0
/* Who speaks for an implicit lease: WATCH of one process and of all, and a mapping that is handed on. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <libdaxlease.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SHORT_GRACE	(300 * MS)
#define SOON_MS		10000

static int watch_self(int ctx, uint64_t grace)
{
	int pidfd = CHECK_SYS(pidfd_open(getpid(), 0)), ret;

	ret = lease_watch(ctx, pidfd, 0, grace);
	close(pidfd);
	return ret;
}

/* In the child: takes the mapping over, watches itself, and answers a break of it */
static int take_over(void *arg)
{
	struct held *h = arg;
	struct op op = { .kind = OP_PUNCH, .path = h->path, .offset = 2 * MIB, .length = MIB };
	int ctx = lease_open(), fd = CHECK_SYS(open(h->path, O_RDWR | O_CLOEXEC));
	struct daxlease_query q;
	struct daxlease_event ev;
	struct breaker b;
	void *map = file_map(fd, 0, h->size);

	CHECK_RET(watch_self(ctx, LONG_GRACE), 0);
	CHECK_RET(lease_query(ctx, h->lease, &q, NULL, 0), -ENOENT, "it is still the parent's");
	CHECK_RET(vfio_map(&h->edu.vfio, map, HELD_IOVA, h->size, VFIO_DMA_MAP_FLAG_VADDR), 0);
	CHECK_RET(lease_query(ctx, h->lease, &q, NULL, 0), 0, "WATCH does not find the lease");
	CHECK_EQ(q.grace_ns, LONG_GRACE);
	CHECK_EQ(q.granules_lost, 0);
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, h->lease, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "no break event");
	CHECK_EQ(ev.flags, 0);
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	return breaker_join(&b, SOON_MS).ret;
}

/* To a child, whose address space is as new as one after exec */
static void mapping_handed_on(const struct test *t)
{
	struct daxlease_query q;
	struct daxlease_event ev;
	struct breaker child;
	struct held h;

	held_open(&h, t->dir, 8 * MIB, SHORT_GRACE);
	CHECK_RET(vfio_unmap_vaddr(&h.edu.vfio, HELD_IOVA, h.size), 0);
	CHECK_RET(lease_query(h.ctx, h.lease, &q, NULL, 0), 0);
	breaker_start_fn(&child, take_over, &h, h.edu.vfio.container);
	CHECK_RET(breaker_join(&child, 30000).ret, 0);
	CHECK_EQ(lease_event(h.ctx, &ev, 0), 0, "who watches the former process hears of it");
	CHECK_RET(lease_query(h.ctx, h.lease, &q, NULL, 0), -ENOENT, "and may act for it");
	held_check_fenced(&h, 3 * MIB);
	held_check_live(&h, h.fd, 5 * MIB);
}

/* A mapping of anonymous memory and of a file */
struct mixed {
	struct edu edu;
	void *mem;
	uint64_t size;
};

/* In the child, which may lock no memory */
static int take_over_unpaid(void *arg)
{
	const struct rlimit limit = { 0, 0 };
	struct mixed *m = arg;

	CHECK_SYS(setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK_SYS(setresuid(1000, 1000, 1000));
	return vfio_map(&m->edu.vfio, m->mem, HELD_IOVA, m->size, VFIO_DMA_MAP_FLAG_VADDR);
}

static void handing_on_refused(const struct test *t)
{
	int fd = file_create(path_in(t->dir, "file"), GRANULE, 1), ctx = lease_open_watching(LONG_GRACE);
	struct mixed m = { .size = 2 * GRANULE };
	struct daxlease_query q;
	struct breaker child;

	m.mem = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m.mem != MAP_FAILED);
	CHECK(mmap((char *)m.mem + GRANULE, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
	      MAP_FAILED);
	edu_open(&m.edu);
	CHECK_RET(vfio_map(&m.edu.vfio, m.mem, HELD_IOVA, m.size, VFIO_RW), 0);
	CHECK_RET(vfio_unmap_vaddr(&m.edu.vfio, HELD_IOVA, m.size), 0);
	breaker_start_fn(&child, take_over_unpaid, &m, m.edu.vfio.container);
	CHECK_RET(breaker_join(&child, SOON_MS).ret, -ENOMEM);
	CHECK_RET(lease_query(ctx, held_lease_on(file_ino(fd)), &q, NULL, 0), 0, "the lease has gone over alone");
}

static void one_over_all(const struct test *t)
{
	struct daxlease_query q;
	struct held h;
	int ctx = lease_open();

	CHECK_RET(lease_watch(ctx, -1, DAXLEASE_WATCH_ALL, LONG_GRACE), 0);
	held_open(&h, t->dir, 4 * MIB, 0);
	CHECK_RET(lease_query(ctx, h.lease, &q, NULL, 0), 0);
	CHECK_EQ(q.grace_ns, LONG_GRACE);
	CHECK_RET(watch_self(ctx, SHORT_GRACE), 0);
	CHECK_RET(lease_query(ctx, h.lease, &q, NULL, 0), 0);
	CHECK_EQ(q.grace_ns, SHORT_GRACE, "the watch of one process does not reach a lease that was there");

	/* and neither order nor age of the lease matters */
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_RET(vfio_map(&h.edu.vfio, h.map, HELD_IOVA, h.size, VFIO_RW), 0);
	close(ctx);
	ctx = lease_open();
	CHECK_RET(watch_self(ctx, SHORT_GRACE), 0);
	CHECK_RET(lease_watch(ctx, -1, DAXLEASE_WATCH_ALL, LONG_GRACE), 0);
	CHECK_RET(lease_query(ctx, held_lease_on(file_ino(h.fd)), &q, NULL, 0), 0);
	CHECK_EQ(q.grace_ns, SHORT_GRACE);
}

/* The library's way: watched before mapped, re-armed when the operation is over */
static void by_library(const struct test *t)
{
	struct vfio_iommu_type1_dma_map map = { .flags = VFIO_RW, .iova = HELD_IOVA, .size = 8 * MIB };
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "held"), .offset = 2 * MIB, .length = MIB };
	struct held h = { .size = map.size };
	struct daxlease_event ev;
	struct daxlease_ctx *ctx;
	struct breaker b;
	int ret = 0;

	edu_open(&h.edu);
	CHECK_RET(daxlease_vfio_check(h.edu.vfio.container), 0);
	CHECK_RET(daxlease_open(NULL, &ctx), 0);
	h.fd = file_create(op.path, h.size, HELD_SEED);
	h.map = file_map(h.fd, 0, h.size);
	map.vaddr = (uintptr_t)h.map;
	CHECK_RET(daxlease_vfio_map(ctx, h.edu.vfio.container, &map, LONG_GRACE), 0);
	CHECK_RET(daxlease_vfio_map(ctx, h.edu.vfio.container, &map, 0), -EEXIST, "mapped twice");

	breaker_start(&b, &op);
	CHECK_EQ(daxlease_next_event(ctx, &ev, sizeof(ev), SOON_MS), 1);
	CHECK_EQ(ev.bits, DAXLEASE_EVENT_BREAK);
	CHECK_EQ(ev.flags, 0, "no grace");
	CHECK_EQ(daxlease_vfio_rearm(ctx, &ev), 0, "too early");
	CHECK_RET(daxlease_lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	held_check_fenced(&h, 2 * MIB);
	while (!ret) {
		CHECK_EQ(daxlease_next_event(ctx, &ev, sizeof(ev), SOON_MS), 1, "never cleared");
		while ((ret = daxlease_vfio_rearm(ctx, &ev)) == -EAGAIN)
			;
	}
	CHECK_EQ(ret, 1);
	held_check_live(&h, h.fd, 2 * MIB);
	CHECK_EQ(file_differs_from_byte(h.fd, 2 * MIB + PAGE, PAGE, 0), -1, "these are not the new blocks");
	daxlease_close(ctx);
}

const struct testcase watch_cases[] = {
	{ "lease-follows-vaddr-update",
	  "a mapping handed on to another process takes its lease along: that process watches it, the former cannot",
	  mapping_handed_on, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "refused-vaddr-update-moves-no-lease",
	  "a process that may not lock the memory of a mapping does not take over the mapping, nor its lease",
	  handing_on_refused, ON_ANY | NEEDS_VFIO, 40 },
	{ "watch-of-one-over-watch-of-all",
	  "a context that watches all and one process gives the leases of that one the grace it asked for them",
	  one_over_all, ON_ANY | NEEDS_VFIO, 60 },
	{ "library-maps-and-rearms",
	  "a VFIO user of libdaxlease is told, gives way, and gets its device addresses back",
	  by_library, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ 0 }
};
