// SPDX-License-Identifier: GPL-2.0
/*
 * Several groups, several containers, several leases on one file: each of them sees what concerns it, whenever
 * it came. The second device is in a group of its own behind the same IOMMU, so that a container has one domain
 * for both, unless the newcomer is made to fail in it (dl_test_iommu): then stock gives it its own, and replays all
 * mappings into it.
 */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "testmodule.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000

static void punch(const struct held *h, uint64_t offset)
{
	struct op op = { .kind = OP_PUNCH, .path = h->path, .offset = offset, .length = 2 * MIB };

	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
}

/* @second, a device in the container of @h: @dead is out of its reach, @live is not */
static void check_both(struct held *h, struct held *second, uint64_t dead, uint64_t live)
{
	held_check_fenced(h, dead);
	held_check_live(h, h->fd, live);
	held_check_fenced(second, dead);
	held_check_live(second, h->fd, live);
}

/* The second device joins the container of @h; its staging page is mapped there already */
static int join(struct held *second, struct held *h)
{
	*second = *h;
	return vfio_join(&second->edu.vfio, &h->edu.vfio, 1);
}

static void hot_plug(const struct test *t)
{
	struct held h, second;

	held_open(&h, t->dir, 8 * MIB, 0);
	punch(&h, 0);
	CHECK_RET(join(&second, &h), 0);
	check_both(&h, &second, MIB, 3 * MIB);
	story("a second device joins a container with a leased file of which a granule is fenced: it reaches what "
	      "is live and not what is fenced");
	punch(&h, 4 * MIB);
	check_both(&h, &second, 5 * MIB, 7 * MIB);
	story("the next fence stops both");

	vfio_close(&second.edu.vfio);
	held_check_live(&h, h.fd, 7 * MIB);
	punch(&h, 6 * MIB);
	held_check_fenced(&h, 6 * MIB);
	held_check_live(&h, h.fd, 2 * MIB);
	CHECK_EQ(lease_count(), 1);
	story("it leaves: the first goes on, and is fenced as before");
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_EQ(lease_count(), 0);
}

/* The first device goes, the second stays: the domain and what is mapped in it stay, too */
static void first_leaves(const struct test *t)
{
	struct held h, second;

	held_open(&h, t->dir, 4 * MIB, 0);
	CHECK_RET(join(&second, &h), 0);
	vfio_close(&h.edu.vfio);
	held_check_live(&second, h.fd, MIB);
	punch(&h, 0);
	held_check_fenced(&second, MIB);
	held_check_live(&second, h.fd, 2 * MIB);
	vfio_close(&second.edu.vfio);
	CHECK_EQ(lease_count(), 0);
}

static void two_containers(const struct test *t)
{
	struct held h, other;
	struct stat st;

	held_open(&h, t->dir, 8 * MIB, 0);
	other = h;
	vfio_open_nth(&other.edu.vfio, 1);
	CHECK_RET(vfio_map(&other.edu.vfio, h.edu.stage, EDU_STAGE, PAGE, VFIO_RW), 0);
	CHECK_RET(vfio_map(&other.edu.vfio, h.map, HELD_IOVA, h.size, VFIO_RW), 0);
	CHECK_EQ(lease_count(), 2);
	punch(&h, 2 * MIB);
	check_both(&h, &other, 3 * MIB, MIB);
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	held_check_fenced(&h, MIB);
	held_check_live(&other, h.fd, MIB);
	punch(&h, 4 * MIB);
	held_check_fenced(&other, 5 * MIB);
	CHECK_EQ(lease_count(), 1);
	CHECK_SYS(fstat(h.fd, &st));
	CHECK(held_lease_on(st.st_ino));
	vfio_close(&other.edu.vfio);
	CHECK_EQ(lease_count(), 0);
}

static void explicit_and_implicit(const struct test *t)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct held h;
	int ctx = lease_open();

	held_open(&h, t->dir, 4 * MIB, 0);
	CHECK_RET(lease_acquire(ctx, h.fd, 0, 4 * MIB, DAXLEASE_WRITE, 300 * MS, &a), 0);
	punch(&h, 2 * MIB);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS));
	CHECK(lease_granule_lost(ctx, a.id, 1));
	held_check_fenced(&h, 3 * MIB);
	CHECK_RET(lease_release(ctx, a.id), 0);
	held_check_live(&h, h.fd, MIB);
	punch(&h, 0);
	held_check_fenced(&h, MIB);
}

static void closed_during_break(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 0 };
	struct breaker_result result;
	struct daxlease_event ev;
	struct breaker b;
	struct held h;

	held_open(&h, t->dir, 4 * MIB, LONG_GRACE);
	op.path = h.path;
	breaker_start(&b, &op);
	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK(!breaker_done(&b));
	vfio_close(&h.edu.vfio);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	CHECK(result.end_ns < (int64_t)ev.deadline_ns, "it waited for the deadline of a container that is gone");
	CHECK_EQ(lease_count(), 0);
}

/* ---- replay ---- */

#define PIECE		(6 * MIB)
#define BETWEEN		(HELD_IOVA + PIECE)	/* anonymous memory, between two leased pieces of the file */

/* The whole of the file goes, two pieces of it come back, with other memory between them */
static void hold_in_pieces(struct held *h, const char *dir)
{
	void *anon = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(anon != MAP_FAILED);
	held_open(h, dir, 3 * PIECE, 0);
	CHECK_EQ(vfio_unmap(&h->edu.vfio, HELD_IOVA, h->size), (int64_t)h->size);
	CHECK_RET(vfio_map(&h->edu.vfio, h->map, HELD_IOVA, PIECE, VFIO_RW), 0);
	CHECK_RET(vfio_map(&h->edu.vfio, anon, BETWEEN, MIB, VFIO_RW), 0);
	CHECK_RET(vfio_map(&h->edu.vfio, h->map + 2 * PIECE, HELD_IOVA + 2 * PIECE, PIECE, VFIO_RW), 0);
	CHECK_EQ(lease_count(), 2);
}

static void *attach(void *vfio)
{
	return (void *)(intptr_t)vfio_attach(vfio);
}

/* Fenced before the replay, and in its midst: in what has been replayed, and in what is still to come */
static void replay_and_fences(const struct test *t)
{
	struct held h, second;
	pthread_t thread;
	void *ret;

	hold_in_pieces(&h, t->dir);
	punch(&h, 2 * MIB);
	second = h;
	vfio_prepare(&second.edu.vfio, &h.edu.vfio, 1);
	test_module_load(t, "dl_test_iommu", "iova=%llu", BETWEEN);
	CHECK_EQ(pthread_create(&thread, NULL, attach, &second.edu.vfio), 0);
	while (!test_module_holds("dl_test_iommu"))
		CHECK(pthread_tryjoin_np(thread, &ret) == EBUSY, "the attach ended without a replay");
	story("a second device gets a domain of its own; its replay stands between two leases");
	punch(&h, 4 * MIB);
	punch(&h, 2 * PIECE);
	story("two granules are fenced meanwhile, one on either side");
	test_module_go_on("dl_test_iommu");
	CHECK_EQ(pthread_join(thread, &ret), 0);
	CHECK_RET((intptr_t)ret, 0);
	test_module_unload("dl_test_iommu");

	vfio_start(&second.edu.vfio);
	held_check_fenced(&second, 3 * MIB);
	check_both(&h, &second, 5 * MIB, MIB);
	check_both(&h, &second, 2 * PIECE + MIB, 2 * PIECE + 2 * MIB);
	story("neither device reaches what was fenced, both what was not");
	punch(&h, 2 * PIECE + 2 * MIB);
	held_check_fenced(&second, 2 * PIECE + 3 * MIB);
	vfio_close(&second.edu.vfio);
}

/* The replay fails when one of the leases is in the new domain already */
static void replay_fails(const struct test *t)
{
	struct held h, second;

	hold_in_pieces(&h, t->dir);
	second = h;
	vfio_prepare(&second.edu.vfio, &h.edu.vfio, 1);
	test_module_load(t, "dl_test_iommu", "iova=%llu fail=1", BETWEEN);
	CHECK_RET(vfio_attach(&second.edu.vfio), -ENOMEM);
	test_module_unload("dl_test_iommu");
	held_check_live(&h, h.fd, 3 * MIB);
	punch(&h, 0);
	held_check_fenced(&h, MIB);

	CHECK_RET(vfio_attach(&second.edu.vfio), 0);
	vfio_start(&second.edu.vfio);
	check_both(&h, &second, MIB, 3 * MIB);
	vfio_close(&second.edu.vfio);
}

const struct testcase type1_groups_cases[] = {
	{ "second-group-sees-what-is-live",
	  "a device put into a live container reaches what is live, not what is fenced, and leaves without harm",
	  hot_plug, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "first-group-leaves",
	  "when the first of two devices leaves, the other keeps the mapping, and is fenced",
	  first_leaves, ON_ANY | NEEDS_VFIO, 60 },
	{ "two-containers-on-one-file",
	  "two containers have a lease each on one file, and lose and release them on their own",
	  two_containers, ON_ANY | NEEDS_VFIO, 60 },
	{ "explicit-and-implicit-lease",
	  "ACQUIRE and MAP_DMA on the same range: both are broken, and neither ends the other",
	  explicit_and_implicit, ON_ANY | NEEDS_VFIO, 60 },
	{ "container-closed-during-break",
	  "a container that is closed during a break lets the operation go on at once",
	  closed_during_break, ON_ANY | NEEDS_VFIO, 0 },
	{ "replay-maps-what-is-live",
	  "a new domain gets what is live and not what is fenced, also by fences in the midst of the replay",
	  replay_and_fences, ON_ANY | NEEDS_VFIO, 60 },
	{ "failed-replay-is-undone",
	  "a device whose replay fails is refused, the other goes on, and the next attach works",
	  replay_fails, ON_ANY | NEEDS_VFIO, 60 },
	{ 0 }
};
