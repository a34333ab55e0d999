// SPDX-License-Identifier: GPL-2.0
/*
 * Fault sweeps: a chain of calls that works is repeated, and each time the next allocation or user copy
 * that our modules make in it fails, until none is left. However a chain ends: no lease is left, no
 * device reaches what was taken, the kernel has nothing to complain of (the runner looks), and a chain
 * that asked for nothing impossible works afterwards.
 */
#include "failnth.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "leased.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE		(4 * MIB)
#define MAX_POINTS	1000
#define AT_ONCE		1	/* ns of grace */
#define LONG_GRACE	(25000 * MS)

/**
 * struct chain - one attempt
 * @fd: the file, of SIZE bytes, allocated
 * @ctx: a context of the chain's own, or -1; closed after it
 * @kept: leases that are there before and after
 * @held: for chains with a device
 * @second: a second device
 * @other: for chains with another process: a socket to it
 * @leased: for chains with a memory region
 * @region: the region
 * @stage: how far the chain got
 */
struct chain {
	int fd;
	int ctx;
	unsigned int kept;
	struct held *held;
	struct vfio *second;
	int other;
	struct leased *leased;
	struct region region;
	enum { NOTHING, MAPPED, PUNCHED, UNMAPPED, REGISTERED } stage;
};

/* What a call may say when memory is short or user memory cannot be read */
static bool is_honest(int ret)
{
	return ret == -ENOMEM || ret == -EFAULT || ret == -ENODEV || ret == -EAGAIN;
}

/*
 * Runs @chain with its first, second, ... point failing; @after checks what it left, each time, and
 * @ret tells it how the chain went. The last run is the one in which nothing fails: it must work.
 */
static void sweep(struct chain *c, int (*chain)(struct chain *c), void (*after)(struct chain *c, int ret))
{
	unsigned int n, failures = 0;
	bool hit;
	int ret;

	failnth_setup();
	for (n = 1; n < MAX_POINTS; n++) {
		c->ctx = -1;
		failnth_arm(n);
		ret = chain(c);
		hit = failnth_disarm();
		if (c->ctx >= 0)
			close(c->ctx);
		if (after)
			after(c, ret);
		CHECK_EQ(lease_count(), c->kept, "leases left when point %u has failed", n);
		if (!hit)
			break;
		CHECK(!ret || is_honest(ret), "point %u: %s", n, ret_name(ret));
		failures += !!ret;
	}
	CHECK(!hit, "still failing after %u points", n);
	CHECK_RET(ret, 0, "nothing fails any more");
	CHECK(failures, "no point that matters");
	story("%u points of failure, %u of them end the chain with an error", n - 1, failures);
}

/* A lease that keeps the hooks armed, so that a sweep is not about arming them */
static int keep_armed(const struct test *t)
{
	int ctx = lease_open(), fd = file_create(path_in(t->dir, "keeper"), SIZE, 1);

	CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_READ, LONG_GRACE, NULL), 0);
	return ctx;
}

static int open_context(struct chain *c)
{
	c->ctx = open("/dev/daxlease", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return c->ctx < 0 ? -errno : 0;
}

static int chain_hold(struct chain *c)
{
	struct daxlease_acquire a;
	struct daxlease_query q;
	struct daxlease_info info;
	unsigned char bitmap[8];
	int ret;

	ret = open_context(c);
	if (!ret)
		ret = lease_info(c->ctx, &info);
	if (!ret)
		ret = lease_acquire(c->ctx, c->fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a);
	if (!ret)
		ret = lease_query(c->ctx, a.id, &q, bitmap, sizeof(bitmap));
	if (!ret)
		ret = lease_flush(c->ctx, a.id, 0, SIZE);
	if (!ret)
		ret = lease_release(c->ctx, a.id);
	return ret;
}

static void hold(const struct test *t)
{
	struct chain c = { .fd = file_create(path_in(t->dir, "file"), SIZE, 1), .kept = 1 };

	keep_armed(t);
	sweep(&c, chain_hold, NULL);
	CHECK_PATTERN(c.fd, 0, SIZE, 1);
}

/* A break by hand, given way to, and re-armed; read(2) of the event is part of it */
static int chain_break(struct chain *c)
{
	struct daxlease_acquire a;
	struct daxlease_event ev = { 0 };
	uint64_t leases, generation;
	int ret;

	ret = open_context(c);
	if (!ret)
		ret = lease_acquire(c->ctx, c->fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a);
	if (!ret)
		ret = lease_break(c->ctx, c->fd, 0, PAGE, &leases);
	if (!ret)
		ret = read(c->ctx, &ev, sizeof(ev)) < 0 ? -errno : 0;
	if (!ret)
		ret = lease_ack(c->ctx, a.id, a.generation, ev.break_id);
	if (!ret)
		ret = lease_rearm(c->ctx, a.id, 0, SIZE, &generation);
	return ret;
}

static void break_and_rearm(const struct test *t)
{
	struct chain c = { .fd = file_create(path_in(t->dir, "file"), SIZE, 1), .kept = 1 };

	keep_armed(t);
	sweep(&c, chain_break, NULL);
	CHECK_PATTERN(c.fd, 0, SIZE, 1);
}

static void allocate_again(struct chain *c)
{
	unsigned char block[4096];

	pattern_fill(block, sizeof(block), HELD_SEED, 0);
	for (uint64_t at = 0; at < GRANULE; at += sizeof(block))
		if (!file_physical(c->fd, at))
			CHECK_EQ(pwrite(c->fd, block, sizeof(block), at), (ssize_t)sizeof(block));
}

/* The device writes at @offset of the mapping, and the IOMMU refuses it */
static void expect_refused(struct chain *c, uint64_t offset, const char *what)
{
	struct fault_log log;

	fault_mark(&log);
	edu_dma(&c->held->edu, HELD_IOVA + offset, 512, true);
	CHECK(fault_wait(&log, HELD_IOVA + offset, 512, true), "the device reaches %s", what);
	fault_close(&log);
}

/* The same, and it arrives in the file */
static void expect_arrives(struct chain *c, uint64_t offset)
{
	unsigned char was[512], is[512];
	struct fault_log log;

	CHECK_EQ(pread(c->fd, was, sizeof(was), offset), (ssize_t)sizeof(was));
	fault_mark(&log);
	device_fill(&c->held->edu, HELD_IOVA + offset, (unsigned char)~was[0], sizeof(is));
	CHECK_EQ(fault_count(&log), 0);
	fault_close(&log);
	CHECK_EQ(pread(c->fd, is, sizeof(is), offset), (ssize_t)sizeof(is));
	CHECK_EQ(is[0], (unsigned char)~was[0], "the device does not reach what is live");
	CHECK_EQ(pwrite(c->fd, was, sizeof(was), offset), (ssize_t)sizeof(was));
}

static int watch_self(struct chain *c)
{
	int pidfd = pidfd_open(getpid(), 0), ret;

	if (pidfd < 0)
		return -errno;
	ret = lease_watch(c->ctx, pidfd, 0, AT_ONCE);
	close(pidfd);
	return ret;
}

/* Map through VFIO, watched; punch a granule, which nobody can delay; unmap */
static int chain_map(struct chain *c)
{
	struct held *h = c->held;
	int64_t n;
	int ret;

	ret = open_context(c) ?: watch_self(c);
	if (!ret)
		ret = vfio_map(&h->edu.vfio, h->map, HELD_IOVA, SIZE, VFIO_RW);
	if (ret)
		return ret;
	c->stage = MAPPED;
	if (fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE))
		return -errno;
	c->stage = PUNCHED;
	n = vfio_unmap(&h->edu.vfio, HELD_IOVA, SIZE);
	if (n < 0)
		return n;
	c->stage = UNMAPPED;
	return 0;
}

static void after_map(struct chain *c, int ret)
{
	int64_t n;

	if (c->stage == PUNCHED)
		expect_refused(c, 0, "what was punched");
	if (c->stage == MAPPED || c->stage == PUNCHED) {
		n = vfio_unmap(&c->held->edu.vfio, HELD_IOVA, SIZE);
		/* Done, and could not say so */
		CHECK(n == (int64_t)SIZE || (n == 0 && ret == -EFAULT), "%s", ret_name(n));
	}
	expect_refused(c, GRANULE, "what is not mapped");
	c->stage = NOTHING;
	allocate_again(c);
}

static void map(const struct test *t)
{
	struct chain c = { .kept = 1 };
	struct held h;

	keep_armed(t);
	held_open(&h, t->dir, SIZE, 0);
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, SIZE), (int64_t)SIZE);
	c.held = &h;
	c.fd = h.fd;
	sweep(&c, chain_map, after_map);
}

/* What fails leaves nothing of the watch: it can be asked for again */
static int chain_watch(struct chain *c)
{
	int ret = open_context(c);

	if (ret)
		return ret;
	ret = watch_self(c);
	if (ret)
		CHECK_RET(watch_self(c), 0, "after %s", ret_name(ret));
	return ret;
}

static void watch(const struct test *t)
{
	struct chain c = { .kept = 2 };
	struct held h;

	held_open(&h, t->dir, SIZE, 0);
	CHECK_RET(vfio_map(&h.edu.vfio, h.map, HELD_IOVA + SIZE, SIZE, VFIO_RW), 0);
	sweep(&c, chain_watch, NULL);
}

/* This process takes the mapping over, and with it the lease */
static int chain_move(struct chain *c)
{
	struct held *h = c->held;

	return vfio_map(&h->edu.vfio, h->map, HELD_IOVA, SIZE, VFIO_DMA_MAP_FLAG_VADDR);
}

/* The other process does, where nothing fails */
static void move_back(struct chain *c)
{
	struct vfio *v = &c->held->edu.vfio;
	char done;

	CHECK_RET(vfio_unmap_vaddr(v, HELD_IOVA, SIZE), 0);
	CHECK_EQ(write(c->other, "", 1), 1);
	CHECK_EQ(read(c->other, &done, 1), 1);
	CHECK_RET(vfio_unmap_vaddr(v, HELD_IOVA, SIZE), 0);
}

static void other_process(struct chain *c)
{
	char go;

	while (read(c->other, &go, 1) == 1) {
		CHECK_RET(chain_move(c), 0);
		CHECK_EQ(write(c->other, "", 1), 1);
	}
}

/* What fails leaves it the former process's, and who watches both, or all, listens as before */
static void after_move(struct chain *c, int ret)
{
	struct daxlease_query q;

	CHECK_RET(lease_query(c->held->ctx, c->held->lease, &q, NULL, 0), 0);
	CHECK_EQ(q.grace_ns, ret ? LONG_GRACE / 2 : LONG_GRACE, "after %s", ret_name(ret));
	if (!ret)
		move_back(c);
}

static void move(const struct test *t)
{
	struct chain c = { .kept = 1 };
	struct held h;
	int pair[2], pidfd, all;
	pid_t pid;

	held_open(&h, t->dir, SIZE, AT_ONCE);
	c.held = &h;
	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = CHECK_SYS(fork());
	c.other = pair[!pid];
	close(pair[!!pid]);
	if (!pid) {
		other_process(&c);
		_exit(0);
	}
	pidfd = CHECK_SYS(pidfd_open(pid, 0));
	CHECK_RET(lease_watch(h.ctx, pidfd, 0, LONG_GRACE / 2), 0);
	all = lease_open();
	CHECK_RET(lease_watch(all, -1, DAXLEASE_WATCH_ALL, LONG_GRACE), 0);
	CHECK_RET(lease_watch(all, pidfd, 0, AT_ONCE), 0);
	/* This one needs a slot of its own each time */
	lease_open_watching(AT_ONCE);
	move_back(&c);
	sweep(&c, chain_move, after_move);
}

/* A fenced granule re-armed by a watcher: what fails leaves the granule fenced, or live as it should be */
static int chain_rearm(struct chain *c)
{
	struct held *h = c->held;
	uint64_t generation;

	return lease_rearm(h->ctx, h->lease, 0, GRANULE, &generation);
}

static void after_rearm(struct chain *c, int ret)
{
	struct held *h = c->held;
	bool lost = lease_granule_lost(h->ctx, h->lease, 0);
	struct daxlease_event ev;
	uint64_t leases;

	/* What is done may be unable to say so */
	CHECK(lost == !!ret || ret == -EFAULT, "%s, and the granule is %s", ret_name(ret), lost ? "lost" : "live");
	if (lost) {
		expect_refused(c, 0, "a granule whose re-arm has failed");
		return;
	}
	expect_arrives(c, 0);
	CHECK_RET(lease_break(h->ctx, h->fd, 0, PAGE, &leases), 0);
	CHECK(lease_wait(h->ctx, h->lease, DAXLEASE_EVENT_FENCED, &ev, 10000));
}

static void rearm(const struct test *t)
{
	struct chain c = { .kept = 1 };
	struct held h;

	held_open(&h, t->dir, SIZE, AT_ONCE);
	c.held = &h;
	c.fd = h.fd;
	after_rearm(&c, chain_rearm(&c));
	sweep(&c, chain_rearm, after_rearm);
}

/* A second device joins a container in which one granule is fenced */
static int chain_join(struct chain *c)
{
	return vfio_attach(c->second);
}

static void after_join(struct chain *c, int ret)
{
	(void)ret;
	vfio_abandon(c->second);
	expect_refused(c, 0, "what was fenced");
	expect_arrives(c, GRANULE);
	vfio_prepare(c->second, &c->held->edu.vfio, 1);
}

static void join(const struct test *t)
{
	struct chain c = { .kept = 1 };
	struct daxlease_event ev;
	struct vfio second;
	uint64_t leases;
	struct held h;

	held_open(&h, t->dir, SIZE, AT_ONCE);
	CHECK_RET(lease_break(h.ctx, h.fd, 0, PAGE, &leases), 0);
	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_FENCED, &ev, 10000));
	c.held = &h;
	c.fd = h.fd;
	c.second = &second;
	vfio_prepare(&second, &h.edu.vfio, 1);
	sweep(&c, chain_join, after_join);
}

/* Export, register, deregister */
static int chain_register(struct chain *c)
{
	struct leased *l = c->leased;
	int buf, ret;

	ret = lease_export(l->ctx, l->lease.id, 0, LEASED_SIZE, O_RDWR | O_CLOEXEC, &buf);
	if (ret)
		return ret;
	ret = verbs_reg(&l->v, buf, 0, LEASED_SIZE, LEASED_IOVA, VERBS_ALL, &c->region);
	close(buf);
	if (ret)
		return ret;
	c->stage = REGISTERED;
	ret = verbs_dereg(&l->v, &c->region);
	if (!ret)
		c->stage = NOTHING;
	return ret;
}

static bool dma_bufs_are(unsigned int n)
{
	char text[8192], want[32];

	CHECK(read_text("/sys/kernel/debug/dma_buf/bufinfo", text, sizeof(text)) > 0);
	snprintf(want, sizeof(want), "\nTotal %u objects", n);
	return strstr(text, want);
}

static void after_register(struct chain *c, int ret)
{
	(void)ret;
	if (c->stage == REGISTERED)
		CHECK_RET(verbs_dereg(&c->leased->v, &c->region), 0, "once more");
	c->stage = NOTHING;
	/* Of all dma-bufs the one that leased_open() has made is left */
	CHECK(dma_bufs_are(1), "a dma-buf is left");
}

static void register_region(const struct test *t)
{
	static struct leased l;
	struct chain c = { .kept = 1, .leased = &l };

	leased_open(&l, t->dir, DAXLEASE_WRITE);
	sweep(&c, chain_register, after_register);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 4096, LEASED_IOVA, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_RET(verbs_dereg(&l.v, &l.r), 0);
	close(l.dmabuf);
	CHECK(dma_bufs_are(0));
}

#define SWEEP	(ON_EXT4 | DEBUG_ONLY)

const struct testcase failnth_cases[] = {
	{ "sweep-hold", "each allocation and user copy of open, acquire, query, flush, release fails in turn",
	  hold, SWEEP | NEEDS_CORE, 40 },
	{ "sweep-break", "each of acquire, break, read, ack, re-arm, close fails in turn",
	  break_and_rearm, SWEEP | NEEDS_CORE, 40 },
	{ "sweep-map", "each of watch, MAP_DMA, punch, UNMAP_DMA fails in turn: the device reaches nothing it must not",
	  map, SWEEP | NEEDS_VFIO, 60 },
	{ "sweep-watch", "each of a watch of leases that exist fails in turn: there is none then, and the next succeeds",
	  watch, SWEEP | NEEDS_VFIO, 40 },
	{ "sweep-move", "each of a mapping's going over to another process fails in turn: its lease stays as it was",
	  move, SWEEP | NEEDS_VFIO, 40 },
	{ "sweep-rearm", "each of a re-arm of a mapped granule fails in turn: it is wholly fenced or wholly live",
	  rearm, SWEEP | NEEDS_VFIO, 60 },
	{ "sweep-join", "each of a second device's joining fails in turn: the first goes on as before",
	  join, SWEEP | NEEDS_VFIO, 60 },
	{ "sweep-register", "each of export, registering with rxe, deregistering fails in turn: no dma-buf and no region is left",
	  register_region, SWEEP | NEEDS_RXE, 60 },
	{ 0 }
};
