// SPDX-License-Identifier: GPL-2.0
/*
 * The same VFIO program against the stock type1 and ours: every ioctl of the container, errors included. The
 * stock phase records the results in RECORD; ours must be the same, line by line, for anonymous memory, for a
 * leased file, and for a leased file of which a granule has been fenced.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORD	"/run/type1-stock"
#define SIZE	(8 * MIB)
#define A	HELD_IOVA
#define B	(HELD_IOVA + 64 * MIB)
#define RW	VFIO_RW

/**
 * struct program - what it runs on
 * @out: where its results go
 * @v: the container
 * @mem: SIZE bytes
 * @mapped: called each time that @mem has been mapped; or NULL
 */
struct program {
	FILE *out;
	struct vfio v;
	unsigned char *mem;
	void (*mapped)(const struct program *p);
	const char *path;
};

static void say(struct program *p, const char *what, long long ret)
{
	fprintf(p->out, "%s: %s\n", what, ret_name(ret));
}

static int map(struct program *p, uint64_t vaddr, uint64_t iova, uint64_t size, uint32_t flags)
{
	int ret = vfio_map(&p->v, (void *)(uintptr_t)vaddr, iova, size, flags);

	if (!ret && vaddr == (uintptr_t)p->mem && p->mapped && !(flags & VFIO_DMA_MAP_FLAG_VADDR))
		p->mapped(p);
	return ret;
}

static int64_t unmap(struct program *p, uint64_t iova, uint64_t size, uint32_t flags, uint32_t argsz)
{
	struct vfio_iommu_type1_dma_unmap u = { .argsz = argsz ?: sizeof(u), .flags = flags, .iova = iova, .size = size };

	return ioctl(p->v.container, VFIO_IOMMU_UNMAP_DMA, &u) ? -errno : (int64_t)u.size;
}

static void info(struct program *p)
{
	union {
		struct vfio_iommu_type1_info i;
		unsigned char bytes[1024];
	} u = { .i = { .argsz = sizeof(u) } };
	unsigned long sum = 5381;

	say(p, "info", ioctl(p->v.container, VFIO_IOMMU_GET_INFO, &u) ? -errno : 0);
	fprintf(p->out, "argsz %u flags %#x page sizes %#llx capabilities at %u\n", u.i.argsz, u.i.flags,
		(unsigned long long)u.i.iova_pgsizes, u.i.cap_offset);
	for (unsigned int i = sizeof(u.i); i < sizeof(u); i++)
		sum = sum * 33 + u.bytes[i];
	fprintf(p->out, "capabilities %#lx\n", sum);
	u.i.argsz = 4;
	say(p, "info with a short argsz", ioctl(p->v.container, VFIO_IOMMU_GET_INFO, &u) ? -errno : 0);
	for (int e = 0; e < 20; e++) {
		fprintf(p->out, "extension %d ", e);
		say(p, "is", ioctl(p->v.container, VFIO_CHECK_EXTENSION, e));
	}
	say(p, "no ioctl", ioctl(p->v.container, _IO(VFIO_TYPE, VFIO_BASE + 99)) ? -errno : 0);
}

static void bad_maps(struct program *p)
{
	struct vfio_iommu_type1_dma_map m = { .argsz = 8, .flags = RW, .vaddr = (uintptr_t)p->mem, .iova = A,
					      .size = SIZE };
	uint64_t mem = (uintptr_t)p->mem;

	say(p, "map: short argsz", ioctl(p->v.container, VFIO_IOMMU_MAP_DMA, &m) ? -errno : 0);
	say(p, "map: bad address", ioctl(p->v.container, VFIO_IOMMU_MAP_DMA, NULL) ? -errno : 0);
	say(p, "map: empty", map(p, mem, A, 0, RW));
	say(p, "map: unaligned iova", map(p, mem, A + 1, PAGE, RW));
	say(p, "map: unaligned size", map(p, mem, A, PAGE + 1, RW));
	say(p, "map: unaligned vaddr", map(p, mem + 8, A, PAGE, RW));
	say(p, "map: neither read nor write", map(p, mem, A, PAGE, 0));
	say(p, "map: unknown flag", map(p, mem, A, PAGE, RW | 0x100));
	say(p, "map: iova wraps", map(p, mem, -(uint64_t)PAGE, 2 * PAGE, RW));
	say(p, "map: vaddr wraps", map(p, -(uint64_t)PAGE, A, 2 * PAGE, RW));
	say(p, "map: the interrupt range", map(p, mem, 0xfee00000, PAGE, RW));
	say(p, "map: past the aperture", map(p, mem, 1ULL << 62, PAGE, RW));
	say(p, "map: no memory there", map(p, 0x1000, A, PAGE, RW));
	say(p, "map: vaddr flag and write", map(p, mem, A, PAGE, RW | VFIO_DMA_MAP_FLAG_VADDR));
	say(p, "map: vaddr of nothing", map(p, mem, A, PAGE, VFIO_DMA_MAP_FLAG_VADDR));
}

static void map_and_unmap(struct program *p)
{
	uint64_t mem = (uintptr_t)p->mem;

	say(p, "unmap: nothing there", unmap(p, A, SIZE, 0, 0));
	say(p, "map", map(p, mem, A, SIZE, RW));
	info(p);
	say(p, "map: the same again", map(p, mem, A, SIZE, RW));
	say(p, "map: overlap in front", map(p, mem, A - PAGE, 2 * PAGE, RW));
	say(p, "map: overlap within", map(p, mem, A + MIB, PAGE, RW));
	say(p, "unmap: first part", unmap(p, A, MIB, 0, 0));
	say(p, "unmap: last part", unmap(p, A + MIB, SIZE - MIB, 0, 0));
	say(p, "unmap: middle", unmap(p, A + 2 * MIB, 2 * MIB, 0, 0));
	say(p, "unmap: cut in front", unmap(p, A - MIB, 2 * MIB, 0, 0));
	say(p, "unmap: unaligned iova", unmap(p, A + 8, SIZE, 0, 0));
	say(p, "unmap: unaligned size", unmap(p, A, SIZE + 8, 0, 0));
	say(p, "unmap: empty", unmap(p, A, 0, 0, 0));
	say(p, "unmap: wraps", unmap(p, A, -(uint64_t)PAGE, 0, 0));
	say(p, "unmap: short argsz", unmap(p, A, SIZE, 0, 8));
	say(p, "unmap: unknown flag", unmap(p, A, SIZE, 0x100, 0));
	say(p, "unmap: all, with a size", unmap(p, A, SIZE, VFIO_DMA_UNMAP_FLAG_ALL, 0));
	say(p, "unmap: whole", unmap(p, A, SIZE, 0, 0));
	say(p, "unmap: whole again", unmap(p, A, SIZE, 0, 0));
	say(p, "map: to read", map(p, mem, A, SIZE, VFIO_DMA_MAP_FLAG_READ));
	say(p, "map: second place", map(p, mem, B, SIZE, VFIO_DMA_MAP_FLAG_WRITE));
	say(p, "unmap: more than both", unmap(p, A - MIB, B + SIZE + MIB - A, 0, 0));
	say(p, "map: first", map(p, mem, A, SIZE, RW));
	say(p, "map: second", map(p, mem, B, 2 * MIB, RW));
	say(p, "unmap: all", unmap(p, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL, 0));
	say(p, "unmap: all again", unmap(p, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL, 0));
}

/* As a program does that is replaced by a new one by exec() */
static void update_vaddr(struct program *p)
{
	const uint32_t flag = VFIO_DMA_UNMAP_FLAG_VADDR;
	uint64_t mem = (uintptr_t)p->mem;

	say(p, "vaddr: map", map(p, mem, A, SIZE, RW));
	say(p, "vaddr: set while valid", map(p, mem, A, SIZE, VFIO_DMA_MAP_FLAG_VADDR));
	say(p, "vaddr: invalidate a part", unmap(p, A, MIB, flag, 0));
	say(p, "vaddr: invalidate", unmap(p, A, SIZE, flag, 0));
	say(p, "vaddr: invalidate twice", unmap(p, A, SIZE, flag, 0));
	say(p, "vaddr: set a part", map(p, mem, A, MIB, VFIO_DMA_MAP_FLAG_VADDR));
	say(p, "vaddr: map over it", map(p, mem, A, SIZE, RW));
	say(p, "vaddr: set", map(p, mem, A, SIZE, VFIO_DMA_MAP_FLAG_VADDR));
	say(p, "vaddr: invalidate all", unmap(p, 0, 0, flag | VFIO_DMA_UNMAP_FLAG_ALL, 0));
	say(p, "vaddr: unmap while invalid", unmap(p, A, SIZE, 0, 0));
	say(p, "vaddr: map again", map(p, mem, A, SIZE, RW));
	say(p, "vaddr: unmap", unmap(p, A, SIZE, 0, 0));
}

static int dirty(struct program *p, uint32_t flag)
{
	struct vfio_iommu_type1_dirty_bitmap d = { .argsz = sizeof(d), .flags = flag };

	return ioctl(p->v.container, VFIO_IOMMU_DIRTY_PAGES, &d) ? -errno : 0;
}

static void get_dirty(struct program *p, const char *what, uint64_t iova, uint64_t size, uint64_t pgsize)
{
	union {
		struct vfio_iommu_type1_dirty_bitmap d;
		char bytes[sizeof(struct vfio_iommu_type1_dirty_bitmap) +
			   sizeof(struct vfio_iommu_type1_dirty_bitmap_get)];
	} u = { .d = { .argsz = sizeof(u), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP } };
	uint64_t map[SIZE / PAGE / 64 * 2] = { 0 };
	struct vfio_iommu_type1_dirty_bitmap_get get = {
		.iova = iova, .size = size, .bitmap = { .pgsize = pgsize, .size = sizeof(map), .data = (void *)map },
	};
	unsigned int bits = 0;
	int ret;

	memcpy(u.d.data, &get, sizeof(get));
	ret = ioctl(p->v.container, VFIO_IOMMU_DIRTY_PAGES, &u) ? -errno : 0;
	for (unsigned int i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		bits += __builtin_popcountll(map[i]);
	say(p, what, ret);
	fprintf(p->out, "%u pages are dirty\n", bits);
}

static void unmap_dirty(struct program *p, const char *what, uint64_t size)
{
	union {
		struct vfio_iommu_type1_dma_unmap u;
		char bytes[sizeof(struct vfio_iommu_type1_dma_unmap) + sizeof(struct vfio_bitmap)];
	} u = { .u = { .argsz = sizeof(u), .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, .iova = A, .size = size } };
	uint64_t map[SIZE / PAGE / 64] = { 0 };
	struct vfio_bitmap b = { .pgsize = PAGE, .size = sizeof(map), .data = (void *)map };
	unsigned int bits = 0;
	long long ret;

	memcpy(u.u.data, &b, sizeof(b));
	ret = ioctl(p->v.container, VFIO_IOMMU_UNMAP_DMA, &u) ? -errno : (long long)u.u.size;
	for (unsigned int i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		bits += __builtin_popcountll(map[i]);
	say(p, what, ret);
	fprintf(p->out, "%u pages were dirty\n", bits);
}

static void track_dirty(struct program *p)
{
	uint64_t mem = (uintptr_t)p->mem;

	say(p, "dirty: stop what is stopped", dirty(p, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	say(p, "dirty: two flags", dirty(p, 3));
	say(p, "dirty: unknown flag", dirty(p, 8));
	say(p, "dirty: map", map(p, mem, A, SIZE, RW));
	get_dirty(p, "dirty: get while stopped", A, SIZE, PAGE);
	unmap_dirty(p, "dirty: unmap while stopped", SIZE);
	say(p, "dirty: start", dirty(p, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	say(p, "dirty: start again", dirty(p, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	get_dirty(p, "dirty: get", A, SIZE, PAGE);
	get_dirty(p, "dirty: get again", A, SIZE, PAGE);
	get_dirty(p, "dirty: more than is mapped", A, 2 * SIZE, PAGE);
	get_dirty(p, "dirty: a part", A, SIZE - PAGE, PAGE);
	get_dirty(p, "dirty: another page size", A, SIZE, GRANULE);
	get_dirty(p, "dirty: unaligned", A + 8, SIZE, PAGE);
	say(p, "dirty: map another", map(p, mem, B, 2 * MIB, RW));
	get_dirty(p, "dirty: get that", B, 2 * MIB, PAGE);
	unmap_dirty(p, "dirty: unmap a part", SIZE - MIB);
	unmap_dirty(p, "dirty: unmap", SIZE);
	say(p, "dirty: stop", dirty(p, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	say(p, "dirty: unmap all", unmap(p, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL, 0));
}

static void run(struct program *p, const char *result)
{
	p->out = fopen(result, "w");
	CHECK(p->out);
	vfio_open(&p->v);
	info(p);
	bad_maps(p);
	map_and_unmap(p);
	update_vaddr(p);
	track_dirty(p);
	info(p);
	vfio_close(&p->v);
	CHECK(!fclose(p->out));
}

static unsigned char *anonymous(void)
{
	unsigned char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mem != MAP_FAILED);
	memset(mem, 0x5a, SIZE);
	return mem;
}

static void compare(const char *ours)
{
	char want[256], got[256];
	FILE *a = fopen(RECORD, "r"), *b = fopen(ours, "r");
	unsigned int n = 0;

	CHECK(b);
	CHECK(a, "nothing to compare with: the case stock-type1-is-recorded has to run first");
	while (fgets(want, sizeof(want), a)) {
		n++;
		CHECK(fgets(got, sizeof(got), b), "%s ends before: %s", ours, want);
		CHECK(!strcmp(want, got), "line %u: stock says %sours says %s", n, want, got);
	}
	CHECK(!fgets(got, sizeof(got), b), "%s goes on: %s", ours, got);
	CHECK(n > 100, "the record is too short");
	fclose(a);
	fclose(b);
}

static void record(const struct test *t)
{
	struct program p = { .mem = anonymous() };

	(void)t;
	run(&p, RECORD);
}

static void anonymous_as_stock(const struct test *t)
{
	struct program p = { .mem = anonymous() };

	(void)t;
	run(&p, "/run/type1-anonymous");
	compare("/run/type1-anonymous");
	CHECK_EQ(lease_count(), 0);
}

static void leased_as_stock(const struct test *t)
{
	struct program p = { 0 };
	int fd = file_create(path_in(t->dir, "file"), SIZE, 1);

	p.mem = file_map(fd, 0, SIZE);
	run(&p, "/run/type1-leased");
	compare("/run/type1-leased");
	CHECK_EQ(lease_count(), 0);
	CHECK_PATTERN(fd, 0, SIZE, 1);
}

/* Fences a granule; a hole could not be mapped to read later, so it is filled again */
static void punch(const struct program *p)
{
	struct op op = { .kind = OP_PUNCH, .path = p->path, .offset = MIB, .length = PAGE };

	CHECK(lease_count(), "no lease");
	CHECK_RET(op_do(&op), 0);
	op.kind = OP_WRITE;
	CHECK_RET(op_do(&op), 0);
}

static void fenced_as_stock(const struct test *t)
{
	struct program p = { .mapped = punch, .path = path_in(t->dir, "file") };
	int fd = file_create(p.path, SIZE, 1);

	p.mem = file_map(fd, 0, SIZE);
	run(&p, "/run/type1-fenced");
	compare("/run/type1-fenced");
	CHECK_EQ(lease_count(), 0);
	CHECK_PATTERN(fd, 2 * MIB, SIZE - 2 * MIB, 1);
}

const struct testcase type1_stock_cases[] = {
	{ "stock-type1-is-recorded",
	  "results of every ioctl of a container with the stock module, to compare with",
	  record, ON_BOTH | NEEDS_STOCK, 0 },
	{ "anonymous-memory-as-stock",
	  "every ioctl of a container answers for anonymous memory as stock does, errors included",
	  anonymous_as_stock, ON_ANY | NEEDS_VFIO, 0 },
	{ "leased-memory-as-stock",
	  "every ioctl of a container answers for leased memory as stock does for anonymous memory",
	  leased_as_stock, ON_ANY | NEEDS_VFIO, 0 },
	{ "fenced-memory-as-stock",
	  "the same after a granule of the memory has been fenced",
	  fenced_as_stock, ON_ANY | NEEDS_VFIO, 0 },
	{ 0 }
};
