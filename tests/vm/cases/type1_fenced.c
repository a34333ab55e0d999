// SPDX-License-Identifier: GPL-2.0
/*
 * What a device meets where a lease was fenced: a fault, or with the module parameter fenced_access=scratch
 * zeroed memory of its container, until the range is re-armed or unmapped.
 */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "testmodule.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FENCED_ACCESS	"/sys/module/vfio_iommu_type1/parameters/fenced_access"
#define SOON_MS		10000
#define BLOCK		512

static void choose(const char *how)
{
	CHECK_RET(write_text(FENCED_ACCESS, how), 0);
}

static void punch(const struct held *h, uint64_t offset)
{
	struct op op = { .kind = OP_PUNCH, .path = h->path, .offset = offset, .length = 2 * MIB };

	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
}

/* The device reads @len bytes of @byte at @offset, without a fault */
static bool reads(struct held *h, uint64_t offset, unsigned char byte)
{
	unsigned char got[BLOCK];
	struct fault_log log;
	unsigned int faults;

	fault_mark(&log);
	device_read(&h->edu, HELD_IOVA + offset, got, BLOCK);
	faults = fault_count(&log);
	fault_close(&log);
	for (unsigned int i = 0; i < BLOCK; i++)
		if (got[i] != byte)
			return false;
	return !faults;
}

/* The work that maps it is not waited for by anybody: until then accesses fault */
static void wait_for_scratch(struct held *h, uint64_t offset)
{
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;

	while (!reads(h, offset, 0))
		CHECK(now_ns() < end, "no scratch memory at %llu", (unsigned long long)offset);
}

static void check_no_faults(struct held *h, uint64_t offset, unsigned char byte)
{
	struct fault_log log;

	fault_mark(&log);
	device_fill(&h->edu, HELD_IOVA + offset, byte, BLOCK);
	CHECK_EQ(fault_count(&log), 0, "a write to scratch memory faulted");
	fault_close(&log);
}

static void scratch(const struct test *t)
{
	struct held h, other;
	uint64_t size;
	int victim;

	choose("scratch");
	held_open(&h, t->dir, 8 * MIB, 0);
	punch(&h, 2 * MIB);
	wait_for_scratch(&h, 2 * MIB);
	CHECK(reads(&h, 4 * MIB - BLOCK, 0));
	story("2 MiB of a held file punched: the device reads zeroes there, and no fault is raised");

	/* The freed blocks become another file's; the device writes, and writes nothing of it */
	victim = file_fill_free(path_in(t->dir, "victim"), 9, &size);
	check_no_faults(&h, 2 * MIB, 0xee);
	check_no_faults(&h, 3 * MIB, 0xee);
	CHECK(reads(&h, 3 * MIB, 0xee), "what the device wrote is not there");
	CHECK_PATTERN(victim, 0, size, 9);
	CHECK_PATTERN(h.fd, 0, 2 * MIB, HELD_SEED);
	CHECK_PATTERN(h.fd, 4 * MIB, 4 * MIB, HELD_SEED);
	close(victim);
	CHECK_SYS(unlink(path_in(t->dir, "victim")));
	held_check_live(&h, h.fd, 2 * MIB - BLOCK);
	held_check_live(&h, h.fd, 4 * MIB);
	story("it writes there: no file has changed, neither this one nor the one that has the freed blocks");

	/* Another container's is another */
	other = h;
	vfio_open_nth(&other.edu.vfio, 1);
	CHECK_RET(vfio_map(&other.edu.vfio, h.edu.stage, EDU_STAGE, PAGE, VFIO_RW), 0);
	CHECK_RET(vfio_map(&other.edu.vfio, h.map + 4 * MIB, HELD_IOVA + 4 * MIB, 4 * MIB, VFIO_RW), 0);
	punch(&h, 6 * MIB);
	wait_for_scratch(&other, 6 * MIB);
	CHECK(reads(&other, 6 * MIB, 0) && reads(&other, 7 * MIB, 0), "a container reads another's scratch memory");
	story("a second container reads zeroes where it was fenced, not what the first has written");
	vfio_close(&other.edu.vfio);

	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_EQ(lease_count(), 0);
	held_check_fenced(&h, 3 * MIB);
	held_check_fenced(&h, 7 * MIB);
	story("unmapped: these addresses fault like any other");
	choose("fault");
}

/* A device that comes later sees the scratch memory, too, and neighbours are fenced next to it */
static void scratch_and_groups(const struct test *t)
{
	struct held h, second;

	choose("scratch");
	held_open(&h, t->dir, 8 * MIB, 0);
	punch(&h, 2 * MIB);
	wait_for_scratch(&h, 2 * MIB);
	check_no_faults(&h, 2 * MIB, 0xee);
	second = h;
	CHECK_RET(vfio_join(&second.edu.vfio, &h.edu.vfio, 1), 0);
	CHECK(reads(&second, 2 * MIB, 0xee));
	held_check_live(&second, h.fd, 0);
	choose("fault");
	punch(&h, 4 * MIB);
	held_check_fenced(&second, 5 * MIB);
	held_check_fenced(&h, 5 * MIB);
	CHECK(reads(&h, 2 * MIB, 0xee), "the neighbour's fence took the scratch memory");
	held_check_live(&h, h.fd, 2 * MIB - BLOCK);
	held_check_live(&h, h.fd, 6 * MIB);
	vfio_close(&second.edu.vfio);
	vfio_close(&h.edu.vfio);
	CHECK_EQ(lease_count(), 0);
}

/* IOVA and file are not congruent, the lease begins and ends within granules */
static void scratch_of_odd_granules(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 0, .path = path_in(t->dir, "file") };
	const uint64_t size = 3 * MIB + 5 * PAGE;
	struct held h = { 0 };
	unsigned char *map;
	int fd;

	choose("scratch");
	fd = file_create(op.path, 8 * MIB, 1);
	map = file_map(fd, MIB + 3 * PAGE, size);
	edu_open(&h.edu);
	CHECK_RET(vfio_map(&h.edu.vfio, map, HELD_IOVA + PAGE, size, VFIO_RW), 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	wait_for_scratch(&h, PAGE + size - BLOCK);
	for (uint64_t at = PAGE; at < PAGE + size; at += 511 * PAGE)
		CHECK(reads(&h, at, 0), "at %llu", (unsigned long long)at);
	held_check_fenced(&h, 0);
	held_check_fenced(&h, PAGE + size);
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA + PAGE, size), (int64_t)size);
	held_check_fenced(&h, PAGE + MIB);
	choose("fault");
}

/* Fill what was punched, and re-arm it */
static void refill(struct held *h, uint64_t offset)
{
	static unsigned char buf[2 * MIB];

	pattern_fill(buf, sizeof(buf), HELD_SEED, offset);
	CHECK_EQ(pwrite(h->fd, buf, sizeof(buf), offset), (int)sizeof(buf));
}

static void rearm_by(const struct test *t, const char *how)
{
	uint64_t generation;
	struct held h;

	choose(how);
	held_open(&h, t->dir, 8 * MIB, 300 * MS);
	punch(&h, 2 * MIB);
	punch(&h, 6 * MIB);
	if (!strcmp(how, "scratch")) {
		wait_for_scratch(&h, 2 * MIB);
		wait_for_scratch(&h, 6 * MIB);
	}
	refill(&h, 2 * MIB);
	CHECK_RET(lease_rearm(h.ctx, h.lease, 2 * MIB, 2 * MIB, &generation), 0);
	held_check_live(&h, h.fd, 2 * MIB);
	held_check_live(&h, h.fd, 4 * MIB - BLOCK);
	held_check_live(&h, h.fd, 0);
	if (!strcmp(how, "scratch"))
		CHECK(reads(&h, 6 * MIB, 0), "a granule that was not re-armed");
	else
		held_check_fenced(&h, 6 * MIB);
	story("2 MiB punched, filled again and re-armed: the device works on the new blocks");
	punch(&h, 2 * MIB);
	if (!strcmp(how, "scratch"))
		wait_for_scratch(&h, 2 * MIB);
	else
		held_check_fenced(&h, 2 * MIB);
	held_check_live(&h, h.fd, 4 * MIB);
	story("and can be fenced again");
	choose("fault");
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_EQ(lease_count(), 0);
}

static void rearm_fault(const struct test *t)
{
	rearm_by(t, "fault");
}

/* Taken back by hand: the blocks are those from before */
static void rearm_same_blocks(const struct test *t)
{
	uint64_t generation;
	struct held h;
	int ret;

	for (unsigned int i = 0; i < 2; i++) {
		choose(i ? "scratch" : "fault");
		held_open(&h, t->dir, 8 * MIB, 300 * MS);
		CHECK_RET(lease_break(h.ctx, h.fd, 2 * MIB, 6 * MIB, NULL), 0);
		CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_FENCED, &(struct daxlease_event){ 0 }, SOON_MS));
		if (i) {
			wait_for_scratch(&h, 2 * MIB);
			wait_for_scratch(&h, 6 * MIB);
		}
		ret = lease_rearm(h.ctx, h.lease, 2 * MIB, 4 * MIB, &generation);
		choose("fault");
		CHECK_RET(ret, 0);
		held_check_live(&h, h.fd, 2 * MIB);
		held_check_live(&h, h.fd, 6 * MIB - BLOCK);
		if (i)
			CHECK(reads(&h, 6 * MIB, 0), "a granule that was not re-armed");
		else
			held_check_fenced(&h, 6 * MIB);
		punch(&h, 4 * MIB);
		held_check_fenced(&h, 5 * MIB);
		held_check_live(&h, h.fd, 3 * MIB);
		CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
		CHECK_EQ(lease_count(), 0);
		close(h.ctx);
		vfio_close(&h.edu.vfio);
		held_forget(&h);
		CHECK_SYS(unlink(h.path));
	}
}

static void rearm_scratch(const struct test *t)
{
	rearm_by(t, "scratch");
}

static void parameter(const struct test *t)
{
	char text[32];

	(void)t;
	choose("fault");
	CHECK_RET(write_text(FENCED_ACCESS, "anything"), -EINVAL);
	CHECK(read_text(FENCED_ACCESS, text, sizeof(text)) > 0);
	CHECK(!strcmp(text, "fault\n"), "%s", text);
}

struct rearmer {
	struct held *h;
	uint64_t offset;
	int ret;
};

static void *rearm_page(void *rearmer)
{
	struct rearmer *r = rearmer;

	r->ret = lease_rearm(r->h->ctx, r->h->lease, r->offset, PAGE, NULL);
	return NULL;
}

static void *unmap_all(void *held)
{
	struct held *h = held;

	return (void *)(intptr_t)vfio_unmap(&h->edu.vfio, HELD_IOVA, h->size);
}

static uint64_t generation(const struct held *h)
{
	struct daxlease_query q;

	CHECK_RET(lease_query(h->ctx, h->lease, &q, NULL, 0), 0);
	return q.generation;
}

/* While the re-arm waits for its consumer it has the lease, so the unmapping comes to no end before it has its answer */
static void rearm_during_unmap(const struct test *t)
{
	struct held h;
	struct rearmer r = { .h = &h, .offset = 2 * MIB };
	pthread_t unmapper, rearmer;
	uint64_t before;
	void *ret;

	held_open(&h, t->dir, 6 * MIB, MS);
	punch(&h, r.offset);
	before = generation(&h);
	test_module_load(t, "dl_test_iommu", "unmap_iova=%llu", HELD_IOVA);
	CHECK_EQ(pthread_create(&unmapper, NULL, unmap_all, &h), 0);
	while (!test_module_holds("dl_test_iommu"))
		CHECK(pthread_tryjoin_np(unmapper, &ret) == EBUSY, "the unmapping has ended");
	CHECK_EQ(pthread_create(&rearmer, NULL, rearm_page, &r), 0);
	while (generation(&h) == before)
		CHECK(pthread_tryjoin_np(rearmer, NULL) == EBUSY, "the re-arm has ended: %s", ret_name(r.ret));
	story("a mapping with a fenced granule is being unmapped; in its midst the granule is re-armed");
	test_module_go_on("dl_test_iommu");
	CHECK_EQ(pthread_join(rearmer, NULL), 0);
	CHECK_RET(r.ret, -EAGAIN);
	CHECK_EQ(pthread_join(unmapper, &ret), 0);
	CHECK_EQ((intptr_t)ret, (intptr_t)h.size);
	test_module_unload("dl_test_iommu");
	CHECK_EQ(lease_count(), 0);
	held_check_fenced(&h, r.offset);
	story("it is told to try again, and nothing is mapped: the device faults there, and the lease has gone");
	CHECK_RET(lease_rearm(h.ctx, h.lease, r.offset, PAGE, NULL), -ENOENT);
}

const struct testcase type1_fenced_cases[] = {
	{ "scratch-memory-in-place-of-faults",
	  "with fenced_access=scratch a fenced granule is zeroed memory of that container, and of no other",
	  scratch, ON_ANY | NEEDS_VFIO | DEMO, 90 },
	{ "scratch-memory-and-other-groups",
	  "a device that comes later has the scratch memory, too; a fence next to it leaves it alone",
	  scratch_and_groups, ON_ANY | NEEDS_VFIO, 60 },
	{ "scratch-memory-of-odd-granules",
	  "scratch memory fills exactly what was lost, whatever its alignment",
	  scratch_of_odd_granules, ON_ANY | NEEDS_VFIO, 60 },
	{ "rearm-maps-new-blocks",
	  "a granule that is re-armed works on the file's new blocks, and can be fenced again",
	  rearm_fault, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "rearm-after-break-by-hand",
	  "granules taken back by hand work again when they are re-armed, others do not",
	  rearm_same_blocks, ON_ANY | NEEDS_VFIO, 90 },
	{ "rearm-replaces-scratch-memory",
	  "the same where scratch memory was mapped",
	  rearm_scratch, ON_ANY | NEEDS_VFIO, 60 },
	{ "rearm-in-the-midst-of-an-unmapping",
	  "what is re-armed while its mapping goes is not mapped: the re-arm may be tried again, and finds no lease then",
	  rearm_during_unmap, ON_ANY | NEEDS_VFIO, 60 },
	{ "fenced-access-is-chosen-by-name",
	  "the parameter takes fault and scratch",
	  parameter, ON_ANY | NEEDS_VFIO, 0 },
	{ 0 }
};
