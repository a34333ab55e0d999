// SPDX-License-Identifier: GPL-2.0
/*
 * Several groups, several containers, several leases on one file: each of them sees what concerns it, whenever
 * it came. The second device is in a group of its own behind the same IOMMU, so that a container has one domain
 * for both, unless an allocation is made to fail (debug kernel): then stock gives the newcomer its own, and
 * replays all mappings into it.
 */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
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

/* ---- replay, on the debug kernel ---- */

/* The @n-th allocation or user access of this task fails; by a descriptor that stays open, since opens allocate */
static void fail_nth(int fd, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	CHECK_EQ(pwrite(fd, text, strlen(text), 0), (int)strlen(text), "no fault injection");
}

/* Ends that. False if the call before came through without reaching it; this function may reach it itself */
static bool fail_end(int fd)
{
	char text[16] = "";
	bool reached = pread(fd, text, sizeof(text) - 1, 0) > 0 && text[0] == '0';

	if (pwrite(fd, "0", 1, 0) != 1)
		fail_nth(fd, 0);
	return reached;
}

static void inject_into_pages(void)
{
	CHECK_RET(write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", "N"), 0);
	CHECK_RET(write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N"), 0);
	CHECK_RET(write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0"), 0);
	CHECK_RET(write_text("/sys/kernel/debug/failslab/verbose", "0"), 0);
	CHECK_RET(write_text("/sys/kernel/debug/fail_page_alloc/verbose", "0"), 0);
	CHECK_RET(write_text("/sys/kernel/debug/fail_usercopy/verbose", "0"), 0);
}

/* Punches granules 4 to 15 one after the other */
static int punch_many(void *arg)
{
	struct op op = { .kind = OP_PUNCH, .path = arg, .length = 2 * MIB };
	int ret = 0;

	for (op.offset = 8 * MIB; op.offset < 32 * MIB && !ret; op.offset += 2 * MIB)
		ret = op_do(&op);
	return ret;
}

/* The second device joins while granules are fenced one after the other, by the failure that makes it replay */
static void replay_against_fences(struct held *h, int fail, unsigned int n)
{
	unsigned int before = probe_hits();
	struct held second = *h;
	struct breaker b;
	int err;

	vfio_prepare(&second.edu.vfio, &h->edu.vfio, 1);
	breaker_start_fn(&b, punch_many, h->path, -1);
	fail_nth(fail, n);
	err = vfio_attach(&second.edu.vfio);
	fail_end(fail);
	CHECK_RET(breaker_join(&b, 60000).ret, 0);
	/* Allocations are not the same in number each time: the failure may have hit another one */
	story("an attach during fences: %s, %s", ret_name(err), probe_hits() != before ? "replayed" : "no replay");
	if (err) {
		vfio_abandon(&second.edu.vfio);
		held_check_fenced(h, 31 * MIB);
		return;
	}
	vfio_start(&second.edu.vfio);
	for (uint64_t at = 9 * MIB; at < 32 * MIB; at += 4 * MIB)
		held_check_fenced(&second, at);
	held_check_live(&second, h->fd, 7 * MIB);
	held_check_fenced(h, 31 * MIB);
	vfio_close(&second.edu.vfio);
}

#define ROUNDS	8

/* Each allocation of an attach fails once: some give the newcomer a domain of its own, some fail its replay */
static void replay(const struct test *t)
{
	unsigned int refused = 0, joined = 0, own = 0, makes_own = 0, attaches = 0, rounds, n, before;
	struct held h, second;
	bool reached = true;
	void *anon;
	int fail, err;

	inject_into_pages();
	probe_start("vfio_iommu_type1:dl_domain_ready");	/* all is replayed into a new domain */
	fail = CHECK_SYS(open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC));
	held_open(&h, t->dir, 32 * MIB, 0);
	anon = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(anon != MAP_FAILED);
	CHECK_RET(vfio_map(&h.edu.vfio, anon, HELD_IOVA + 64 * MIB, MIB, VFIO_RW), 0);
	punch(&h, 0);
	/* Which allocation it is that makes it need one of its own is not the same each time, nor is one there always */
	for (rounds = 0, n = 1; reached || (!own && ++rounds < ROUNDS); n++, attaches++) {
		CHECK(n < 300, "allocations without end");
		if (!reached)
			n = 1;
		second = h;
		vfio_prepare(&second.edu.vfio, &h.edu.vfio, 1);
		before = probe_hits();
		fail_nth(fail, n);
		err = vfio_attach(&second.edu.vfio);
		reached = fail_end(fail);
		if (err) {
			CHECK(reached, "%s", ret_name(err));
			refused++;
			vfio_abandon(&second.edu.vfio);
			continue;
		}
		joined++;
		vfio_start(&second.edu.vfio);
		if (probe_hits() != before && !own++) {
			makes_own = n;
			check_both(&h, &second, MIB, 7 * MIB);
			punch(&h, 2 * MIB);
			check_both(&h, &second, 3 * MIB, 7 * MIB);
		}
		vfio_close(&second.edu.vfio);
	}
	story("of %u attaches in which one allocation failed, %u were refused; of the others %u needed a domain of "
	      "their own", attaches, refused, own);
	CHECK(refused && joined && own);
	held_check_live(&h, h.fd, 7 * MIB);
	replay_against_fences(&h, fail, makes_own);
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_EQ(lease_count(), 0);
	probe_stop();
}

const struct testcase type1_groups_cases[] = {
	{ "second-group-sees-what-is-live",
	  "a device put into a live container reaches what is live, not what is fenced, and leaves without harm",
	  hot_plug, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "first-group-leaves",
	  "when the first of two devices leaves, the other keeps the mapping, and is fenced",
	  first_leaves, ON_ANY | NEEDS_VFIO, 30 },
	{ "two-containers-on-one-file",
	  "two containers have a lease each on one file, and lose and release them on their own",
	  two_containers, ON_ANY | NEEDS_VFIO, 60 },
	{ "explicit-and-implicit-lease",
	  "ACQUIRE and MAP_DMA on the same range: both are broken, and neither ends the other",
	  explicit_and_implicit, ON_ANY | NEEDS_VFIO, 30 },
	{ "container-closed-during-break",
	  "a container that is closed during a break lets the operation go on at once",
	  closed_during_break, ON_ANY | NEEDS_VFIO, 0 },
	{ "replay-maps-what-is-live",
	  "a new domain gets what is live and not what is fenced, also during the replay; a failed replay is undone",
	  replay, ON_ANY | NEEDS_VFIO | DEBUG_ONLY, 120 },
	{ 0 }
};
