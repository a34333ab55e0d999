// SPDX-License-Identifier: GPL-2.0
/*
 * The machine as it is without this project: the stock vfio_iommu_type1 refuses fs-dax memory, and the
 * edu device really reads and writes memory through the IOMMU. What the other cases show rests on this.
 */
#include "edu.h"
#include "fault.h"
#include "file.h"
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IOVA	0x100000000ULL

static void refuses_fsdax(const struct test *t)
{
	struct vfio v;
	int fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	void *dax = file_map(fd, 0, 4 * MIB), *anon;

	vfio_open(&v);
	anon = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(anon != MAP_FAILED);

	CHECK_RET(vfio_map(&v, dax, IOVA, 4 * MIB, VFIO_RW), -EOPNOTSUPP, "4 MiB of fs-dax");
	CHECK_RET(vfio_map(&v, dax, IOVA, PAGE, VFIO_DMA_MAP_FLAG_READ), -EOPNOTSUPP, "a page, read-only");
	story("VFIO_IOMMU_MAP_DMA of 4 MiB of a file on %s with DAX: EOPNOTSUPP", t->fs);
	CHECK_RET(vfio_map(&v, anon, IOVA, 4 * MIB, VFIO_RW), 0, "anonymous memory");
	CHECK_EQ(vfio_unmap(&v, IOVA, 4 * MIB), 4 * MIB);
	story("the same call with anonymous memory: works");
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
}

static void device_moves_data(const struct test *t)
{
	unsigned char want[2 * PAGE], got[2 * PAGE], *mem;
	struct edu e;

	(void)t;
	edu_open(&e);
	mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	memset(mem, 0x11, 4 * PAGE);
	CHECK_RET(vfio_map(&e.vfio, mem, IOVA, 4 * PAGE, VFIO_RW), 0);

	pattern_fill(want, sizeof(want), 2, 0);
	device_write(&e, IOVA + PAGE, want, sizeof(want));
	CHECK_EQ(pattern_differs(mem + PAGE, sizeof(want), 2, 0), -1, "what the device wrote");
	for (size_t i = 0; i < PAGE; i++)
		CHECK(mem[i] == 0x11 && mem[3 * PAGE + i] == 0x11, "written outside the range, at %zu", i);
	story("the device wrote 8 KiB; they are in memory, and nothing around them has changed");

	pattern_fill(mem + PAGE, sizeof(got), 3, 0);
	device_read(&e, IOVA + PAGE, got, sizeof(got));
	CHECK_EQ(pattern_differs(got, sizeof(got), 3, 0), -1, "what the device read");
	story("the device read 8 KiB: what the processor had put there");
	edu_close(&e);
}

static void faults_are_seen(const struct test *t)
{
	unsigned char buf[PAGE] = { 0 }, *mem;
	struct fault_log log;
	char text[256];
	struct edu e;

	(void)t;
	edu_open(&e);
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	memset(mem, 0x22, PAGE);
	fault_mark(&log);

	/* Mapped: works, and raises nothing */
	CHECK_RET(vfio_map(&e.vfio, mem, IOVA, PAGE, VFIO_RW), 0);
	device_read(&e, IOVA, buf, 64);
	CHECK(!memcmp(buf, mem, 64));
	CHECK_EQ(fault_count(&log), 0);

	/* Unmapped: the same accesses fault, and memory is not touched */
	CHECK_EQ(vfio_unmap(&e.vfio, IOVA, PAGE), PAGE);
	device_fill(&e, IOVA, 0x33, 64);
	CHECK(fault_wait(&log, IOVA, PAGE, true), "a write to an unmapped IOVA raised no fault");
	CHECK(fault_line(&log, IOVA, text, sizeof(text)), "no line of the kernel about it");
	CHECK(strstr(text, "DMA Write"), "%s", text);
	CHECK(strstr(text, e.vfio.address + strlen("0000:")), "not this device: %s", text);
	story("a device write to an unmapped IOVA: %s", text);
	device_read(&e, IOVA, buf, 64);
	CHECK(fault_wait(&log, IOVA, PAGE, false), "a read of an unmapped IOVA raised no fault");
	CHECK(memcmp(buf, mem, 64), "the device read what it may not");
	for (size_t i = 0; i < PAGE; i++)
		CHECK_EQ(mem[i], 0x22, "written at %zu", i);

	/* Faults come faster than the kernel prints them: each is counted all the same */
	fault_count(&log);
	for (int i = 0; i < 8; i++) {
		device_fill(&e, IOVA + i * PAGE, 0x44, 64);
		CHECK(fault_wait(&log, IOVA + i * PAGE, PAGE, true), "fault %d of 8 was not seen", i);
	}
	fault_close(&log);
	edu_close(&e);
}

const struct testcase stock_cases[] = {
	{ "stock-type1-refuses-fsdax",
	  "stock type1 refuses to map a file on fs-dax with EOPNOTSUPP, and maps anonymous memory",
	  refuses_fsdax, ON_ANY | NEEDS_STOCK | STOCK_ONLY | DEMO, 0 },
	{ "device-moves-data-both-ways",
	  "the device reads and writes the memory mapped for it, and no other",
	  device_moves_data, ON_ANY | NEEDS_STOCK | STOCK_ONLY, 0 },
	{ "unmapped-access-faults",
	  "a device access to an unmapped address faults, is seen, and touches no memory",
	  faults_are_seen, ON_ANY | NEEDS_STOCK | STOCK_ONLY, 60 },
	{ 0 }
};
