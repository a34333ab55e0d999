// SPDX-License-Identifier: GPL-2.0
/* MAP_DMA of ranges that mix fs-dax files and other memory: leased in part, pinned in part, or nothing at all. */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SOON_MS		10000
#define ANON		0	/* seed of what is in no file */

/* One part of a mixed range */
struct part {
	uint64_t size;
	int fd;			/* -1: anonymous */
	uint64_t offset;	/* in the file */
	unsigned int seed;
	uint64_t at;		/* in the range; filled */
};

/* Maps the parts one behind the other, @flags for those of files, and fills what is anonymous */
static unsigned char *mix(struct part *p, unsigned int n, uint64_t *size, int flags)
{
	unsigned char *base;

	*size = 0;
	for (unsigned int i = 0; i < n; i++) {
		p[i].at = *size;
		*size += p[i].size;
	}
	/* 2 MiB-aligned, so that huge pages and large entries can arise */
	base = mmap(NULL, *size + GRANULE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(base != MAP_FAILED);
	base = (unsigned char *)(((uintptr_t)base + GRANULE - 1) & ~(GRANULE - 1));
	for (unsigned int i = 0; i < n; i++) {
		int how = MAP_FIXED | (p[i].fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : flags);

		CHECK(mmap(base + p[i].at, p[i].size, PROT_READ | PROT_WRITE, how, p[i].fd, p[i].offset) !=
		      MAP_FAILED, "part %u", i);
		if (p[i].fd < 0)
			pattern_fill(base + p[i].at, p[i].size, ANON, p[i].at);
	}
	return base;
}

/* As held_check_live(), the processor looking through @mem */
static void check_live(struct edu *e, unsigned char *mem, uint64_t at)
{
	unsigned char want[512], got[512];

	memcpy(want, mem + at, sizeof(want));
	for (unsigned int i = 0; i < sizeof(want); i++)
		got[i] = want[i] ^ 0xff;
	device_write(e, HELD_IOVA + at, got, sizeof(got));
	CHECK(!memcmp(mem + at, got, sizeof(got)), "a device write at %#llx did not arrive", (unsigned long long)at);
	memcpy(mem + at, want, sizeof(want));
	device_take(e, HELD_IOVA + at, got, sizeof(got));
	CHECK(!memcmp(want, got, sizeof(got)), "the device reads something else at %#llx", (unsigned long long)at);
}

static void check_dead(struct edu *e, uint64_t at)
{
	unsigned char got[512];
	struct fault_log log;

	fault_mark(&log);
	device_fill(e, HELD_IOVA + at, 0xee, sizeof(got));
	CHECK(fault_wait(&log, HELD_IOVA + at, sizeof(got), true), "a write at %#llx raised no fault",
	      (unsigned long long)at);
	fault_close(&log);
}

/* Kilobytes of locked memory that the process is charged for */
static long charged(void)
{
	char text[8192], *at;

	CHECK(read_text("/proc/self/status", text, sizeof(text)) > 0);
	at = strstr(text, "VmLck:");
	CHECK(at);
	return strtol(at + strlen("VmLck:"), NULL, 10);
}

static void check_content(unsigned char *mem, const struct part *p, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t offset = p[i].fd < 0 ? p[i].at : p[i].offset;

		CHECK_EQ(pattern_differs(mem + p[i].at, p[i].size, p[i].seed, offset), -1, "part %u", i);
	}
}

static void mixed_range(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "a"), .offset = 4 * MIB, .length = 2 * MIB };
	int a = file_create(op.path, 16 * MIB, 1), b = file_create(path_in(t->dir, "b"), 4 * MIB, 2);
	struct part p[] = {
		{ .size = 2 * MIB, .fd = -1 },
		{ .size = 6 * MIB, .fd = a, .offset = 2 * MIB, .seed = 1 },	/* congruent: 2 MiB pages */
		{ .size = 16 * PAGE, .fd = -1 },
		{ .size = 2 * MIB, .fd = b, .offset = PAGE, .seed = 2 },	/* not congruent */
		{ .size = 2 * MIB, .fd = a, .offset = 10 * MIB, .seed = 1 },	/* next to it, no gap */
		{ .size = MIB, .fd = -1 },
	};
	const unsigned int n = sizeof(p) / sizeof(p[0]);
	const uint64_t hole = 4 * MIB;	/* the punched granule, in the range */
	struct fault_log log;
	unsigned char *mem;
	uint64_t size;
	struct edu e;
	long before;

	mem = mix(p, n, &size, MAP_SHARED);
	edu_open(&e);
	before = charged();
	CHECK_RET(vfio_map(&e.vfio, mem, HELD_IOVA, size, VFIO_RW), 0);
	CHECK_EQ(lease_count(), 3, "a lease for each stretch of a file");
	CHECK_EQ(charged() - before, (long)(3 * MIB + 16 * PAGE) / 1024, "what is pinned is charged, no more");
	for (unsigned int i = 0; i < n; i++) {
		check_live(&e, mem, p[i].at);
		check_live(&e, mem, p[i].at + p[i].size - 512);
	}
	story("one MAP_DMA of anonymous memory, a file, anonymous memory, two files and anonymous memory: 3 "
	      "leases; the device reaches all of it");

	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	check_dead(&e, hole);
	check_dead(&e, hole + 2 * MIB - 512);
	fault_mark(&log);
	check_live(&e, mem, hole - 512);
	check_live(&e, mem, hole + 2 * MIB);
	for (unsigned int i = 0; i < n; i++)
		check_live(&e, mem, p[i].at);
	CHECK_EQ(fault_count(&log), 0);
	fault_close(&log);
	story("2 MiB punched in one of them: that granule faults, everything else works");

	CHECK_EQ(vfio_unmap(&e.vfio, HELD_IOVA, size), (int64_t)size);
	CHECK_EQ(lease_count(), 0);
	CHECK_EQ(charged(), before);
	for (unsigned int i = 0; i < n; i++)
		check_dead(&e, p[i].at);
	CHECK_EQ(file_differs_from_byte(a, 4 * MIB, 2 * MIB, 0), -1, "the hole");
	CHECK_PATTERN(a, 0, 4 * MIB, 1);
	CHECK_PATTERN(a, 6 * MIB, 10 * MIB, 1);
	p[1].size = 2 * MIB;	/* up to the hole */
	check_content(mem, p, n);
	story("unmapped whole, with the hole in it: no lease, no charge, no byte changed");
}

/* Fails half-way: what came before is unwound */
static void check_unwound(struct edu *e, unsigned char *mem, const struct part *p, unsigned int n, uint64_t size,
			  int want, long before)
{
	CHECK_RET(vfio_map(&e->vfio, mem, HELD_IOVA, size, VFIO_RW), want);
	CHECK_EQ(lease_count(), 0, "leases are left");
	CHECK_EQ(charged(), before, "a charge is left");
	for (unsigned int i = 0; i < n; i++)
		check_dead(e, p[i].at);
	CHECK_EQ(vfio_unmap(&e->vfio, HELD_IOVA, size), 0, "something is mapped");
}

static void refused_whole(const struct test *t)
{
	int a = file_create(path_in(t->dir, "a"), 4 * MIB, 1), b = file_create(path_in(t->dir, "b"), 4 * MIB, 2);
	struct part p[] = {
		{ .size = MIB, .fd = -1 },
		{ .size = 2 * MIB, .fd = a, .seed = 1 },
		{ .size = MIB, .fd = -1 },
		{ .size = 2 * MIB, .fd = b, .seed = 2 },
	};
	const unsigned int n = sizeof(p) / sizeof(p[0]);
	unsigned char *mem;
	uint64_t size;
	struct edu e;
	long before;

	mem = mix(p, n, &size, MAP_SHARED);
	edu_open(&e);
	before = charged();

	/* The last part private; then out of reach; the first private */
	CHECK(mmap(mem + p[3].at, p[3].size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, b, 0) != MAP_FAILED);
	check_unwound(&e, mem, p, n, size, -EOPNOTSUPP, before);
	story("a private mapping of an fs-dax file at the end: EOPNOTSUPP, nothing is mapped, leased or charged");
	CHECK_SYS(munmap(mem + p[3].at, p[3].size));
	check_unwound(&e, mem, p, n, size, -EFAULT, before);
	CHECK(mmap(mem + p[3].at, p[3].size, PROT_READ, MAP_SHARED | MAP_FIXED, b, 0) != MAP_FAILED);
	check_unwound(&e, mem, p, n, size, -EFAULT, before);
	CHECK(mmap(mem + p[3].at, p[3].size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, b, 0) != MAP_FAILED);
	CHECK_SYS(mprotect(mem + p[2].at, p[2].size, PROT_NONE));
	check_unwound(&e, mem, p, n, size, -EFAULT, before);
	story("a part that cannot be reached or written: EFAULT, the same");
	CHECK_SYS(mprotect(mem + p[2].at, p[2].size, PROT_READ | PROT_WRITE));
	CHECK_RET(vfio_map(&e.vfio, mem, HELD_IOVA, size, VFIO_RW), 0, "the addresses are not free");
	check_content(mem, p, n);
}

const struct testcase type1_cases[] = {
	{ "mixed-range-is-leased-in-part",
	  "one mapping of anonymous memory and several fs-dax files works, loses a granule, and is unmapped whole",
	  mixed_range, ON_ANY | NEEDS_VFIO, 60 },
	{ "failing-mixed-range-leaves-nothing",
	  "a mixed range with a part that cannot be mapped is refused, nothing stays mapped, leased or charged",
	  refused_whole, ON_ANY | NEEDS_VFIO, 60 },
	{ 0 }
};
