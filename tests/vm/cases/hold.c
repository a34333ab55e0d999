// SPDX-License-Identifier: GPL-2.0
/* The device holds a file: it works, and what does not concern the lease goes on undisturbed. */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONG_GRACE	(20000 * MS)	/* whoever waits for it has failed the case by then */
#define SOON_MS		10000

static void dma_lands_in_file(const struct test *t)
{
	unsigned char buf[2 * PAGE];
	struct held h;

	held_open(&h, t->dir, 8 * MIB, 0);
	pattern_fill(buf, sizeof(buf), 21, 0);
	device_write(&h.edu, HELD_IOVA + 3 * MIB - PAGE, buf, sizeof(buf));
	CHECK_EQ(pread(h.fd, buf, sizeof(buf), 3 * MIB - PAGE), (int)sizeof(buf));
	CHECK_EQ(pattern_differs(buf, sizeof(buf), 21, 0), -1, "what the device wrote");
	CHECK_PATTERN(h.fd, 0, 3 * MIB - PAGE, HELD_SEED);
	CHECK_PATTERN(h.fd, 3 * MIB + PAGE, 5 * MIB - PAGE, HELD_SEED);
	story("VFIO_IOMMU_MAP_DMA of the same kind of file: works; 8 KiB written by the device are "
	      "read(2) from the file, no other byte changed");
	device_read(&h.edu, HELD_IOVA + 5 * MIB, buf, sizeof(buf));
	CHECK_EQ(pattern_differs(buf, sizeof(buf), HELD_SEED, 5 * MIB), -1, "what the device read");
	story("8 KiB of the file's data reached the device");
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_EQ(lease_count(), 0, "UNMAP_DMA left the lease");
	held_check_fenced(&h, 0);
}

/* A lease in the middle of a file, and operations around it */
static void outside_does_not_wait(const struct test *t)
{
	const char *path = path_in(t->dir, "file");
	const struct op ops[] = {
		{ .kind = OP_PUNCH, .path = path, .offset = 0, .length = 8 * MIB },
		{ .kind = OP_PUNCH, .path = path, .offset = 16 * MIB, .length = 4 * MIB },
		{ .kind = OP_ZERO, .path = path, .offset = 4 * MIB, .length = PAGE },
		{ .kind = OP_TRUNCATE, .path = path, .offset = 16 * MIB },
		{ .kind = OP_TRUNCATE, .path = path, .offset = 24 * MIB },
		{ .kind = OP_WRITE, .path = path, .offset = 9 * MIB, .length = 2 * PAGE },
		{ .kind = OP_WRITE, .path = path, .offset = 24 * MIB, .length = 2 * PAGE },
		{ .kind = OP_FSYNC, .path = path },
		{ .kind = OP_ALLOCATE, .path = path, .offset = 0, .length = 32 * MIB },
	};
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx, fd;

	fd = file_create(path, 24 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 8 * MIB, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		CHECK_RET(breaker_run(&ops[i], SOON_MS).ret, 0, "operation %u", i);
		CHECK_EQ(lease_event(ctx, &ev, 0), 0, "operation %u broke the lease", i);
	}
	CHECK_EQ(lease_lost(ctx, a.id), 0);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_ACTIVE);
	story("8 MiB leased in the middle of 24: punch before and behind, truncate to its very end, "
	      "growing, write(2) into it, append, fsync and plain fallocate over it: no event, no wait");
	CHECK_RET(lease_release(ctx, a.id), 0);
}

static void small_punch(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .offset = 33 * MIB + PAGE, .length = PAGE };
	struct held h;

	held_open(&h, t->dir, 64 * MIB, 100 * MS);
	op.path = h.path;
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK_EQ(lease_lost(h.ctx, h.lease), 1);
	CHECK(lease_granule_lost(h.ctx, h.lease, 16));
	CHECK_EQ(lease_state(h.ctx, h.lease), DAXLEASE_ACTIVE);
	held_check_fenced(&h, 32 * MIB);
	held_check_fenced(&h, 34 * MIB - PAGE);
	held_check_live(&h, h.fd, 32 * MIB - PAGE);
	held_check_live(&h, h.fd, 34 * MIB);
	CHECK_EQ(file_differs_from_byte(h.fd, 33 * MIB + PAGE, PAGE, 0), -1);
	CHECK_PATTERN(h.fd, 0, 33 * MIB + PAGE, HELD_SEED);
	CHECK_PATTERN(h.fd, 33 * MIB + 2 * PAGE, 31 * MIB - 2 * PAGE, HELD_SEED);
	story("4 KiB punched in 64 MiB held by the device: 1 of 32 granules lost; its neighbours work, "
	      "and no byte but those punched has changed");
}

/* IOVA and file offset differ modulo 2 MiB: calls of the IOMMU end at granule edges, small pages */
static void incongruent_mapping(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .offset = 2 * MIB, .length = 2 * MIB };
	const uint64_t iova = HELD_IOVA + 5 * PAGE;
	unsigned char buf[512];
	struct fault_log log;
	struct edu e;
	void *map;
	int fd;

	fd = file_create(path_in(t->dir, "file"), 6 * MIB, 1);
	op.path = path_in(t->dir, "file");
	map = file_map(fd, 0, 6 * MIB);
	edu_open(&e);
	CHECK_RET(vfio_map(&e.vfio, map, iova, 6 * MIB, VFIO_RW), 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	fault_mark(&log);
	device_read(&e, iova + 2 * MIB - 512, buf, 512);
	CHECK_EQ(pattern_differs(buf, 512, 1, 2 * MIB - 512), -1);
	device_read(&e, iova + 4 * MIB, buf, 512);
	CHECK_EQ(pattern_differs(buf, 512, 1, 4 * MIB), -1);
	CHECK_EQ(fault_count(&log), 0);
	device_read(&e, iova + 2 * MIB, buf, 512);
	CHECK(fault_wait(&log, iova + 2 * MIB, PAGE, false), "the lost granule can be read");
	device_read(&e, iova + 4 * MIB - 512, buf, 512);
	CHECK(fault_wait(&log, iova + 4 * MIB - 512, 512, false), "the lost granule can be read");
	CHECK_EQ(vfio_unmap(&e.vfio, iova, 6 * MIB), (int64_t)(6 * MIB));
	fault_close(&log);
}

static void fenced_address_stays_reserved(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 0 };
	struct held h;
	void *anon;

	held_open(&h, t->dir, 4 * MIB, 0);
	op.path = h.path;
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	anon = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(anon != MAP_FAILED);
	CHECK_RET(vfio_map(&h.edu.vfio, anon, HELD_IOVA + MIB, PAGE, VFIO_RW), -EEXIST,
		  "a fenced address was given to other memory");
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_RET(vfio_map(&h.edu.vfio, anon, HELD_IOVA + MIB, PAGE, VFIO_RW), 0);
}

const struct testcase hold_cases[] = {
	{ "device-dma-lands-in-file",
	  "with ours the same program maps the file, and the device writes to it and reads from it",
	  dma_lands_in_file, ON_ANY | NEEDS_VFIO | DEMO, 0 },
	{ "operations-outside-do-not-wait",
	  "what does not take blocks from the lease neither waits nor breaks it",
	  outside_does_not_wait, ON_ANY | NEEDS_CORE | DEMO, 0 },
	{ "small-punch-costs-one-granule",
	  "4 KiB punched in the middle of a 64 MiB lease costs one granule",
	  small_punch, ON_ANY | NEEDS_VFIO | DEMO, 40 },
	{ "granules-of-an-incongruent-mapping",
	  "a mapping whose IOVA and file offset differ modulo 2 MiB loses whole granules and no more",
	  incongruent_mapping, ON_ANY | NEEDS_VFIO, 0 },
	{ "fenced-address-stays-reserved",
	  "a fenced device address cannot be mapped again before it is unmapped",
	  fenced_address_stays_reserved, ON_ANY | NEEDS_VFIO, 0 },
	{ 0 }
};
