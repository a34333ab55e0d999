// SPDX-License-Identifier: GPL-2.0
/* MAP_DMA and UNMAP_DMA: leased memory, and what stock type1 maps. Per GiB. */
#include "bench.h"
#include "edu.h"
#include "module/dl_bench.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

static void map_unmap(const struct bench *b, struct vfio *v, const char *kind, const char *variant, void *p,
		      uint64_t size)
{
	double gib = (double)size / GIB;
	char map[32], unmap[32];
	uint64_t t0, t1, t2;

	snprintf(map, sizeof(map), "map-%s", kind);
	snprintf(unmap, sizeof(unmap), "unmap-%s", kind);
	for (unsigned int i = 0; i < b->reps + 1; i++) {
		t0 = i ? meter_of(map, variant) : meter();
		CHECK_RET(vfio_map(v, p, IOVA, size, VFIO_RW), 0, "%s %s", kind, variant);
		t1 = i ? meter_of(unmap, variant) : meter();
		CHECK_EQ(vfio_unmap(v, IOVA, size), size);
		t2 = meter();
		if (!i)
			continue;	/* first: page tables of the IOMMU, slabs */
		sample(map, variant, t1 - t0, gib);
		sample(unmap, variant, t2 - t1, gib);
	}
}

void bench_stock_map(const struct bench *b)
{
	static const struct {
		const char *kind;
		const char *name;
		void *(*get)(uint64_t size);
	} kinds[] = {
		{ "2m", "hugetlbfs", memory_huge_pages },
		{ "2m", "thp", memory_thp },
		{ "2m", "device-dax", memory_devdax },
		{ "4k", "anonymous", memory_pages },
		{ "4k", "anonymous, scattered", memory_scattered },
	};
	struct vfio v;

	vfio_open(&v);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint64_t size = strcmp(kinds[i].kind, "4k") ? b->big : b->fragments;
		void *p = kinds[i].get(size);

		map_unmap(b, &v, kinds[i].kind, kinds[i].name, p, size);
		memory_free(p, size);
	}
	vfio_close(&v);
}

static int open_module(void)
{
	return CHECK_SYS(open("/dev/dl_bench", O_RDWR | O_CLOEXEC));
}

/* Lease and IOMMU apart */
static void parts(const struct bench *b, struct vfio *v, const char *kind, void *p, uint64_t size)
{
	struct dl_bench_span s = { .addr = (uintptr_t)p, .size = size, .iova = 2 * IOVA };
	double gib = (double)size / GIB;
	int dev = open_module();
	char row[32];

	snprintf(s.device, sizeof(s.device), "%.15s", v->address);
	for (unsigned int i = 0; i < b->reps + 1; i++) {
		CHECK_SYS(ioctl(dev, DL_BENCH_SPAN, &s));
		if (!i)
			continue;
		snprintf(row, sizeof(row), "map-%s", kind);
		sample(row, "of it lease", s.acquire, gib);
		sample(row, "of it iommu_map_sg", s.map, gib);
		snprintf(row, sizeof(row), "unmap-%s", kind);
		sample(row, "of it iommu_unmap", s.unmap, gib);
		sample(row, "of it release", s.put, gib);
	}
	close(dev);
}

/* The file's page cache entries are there, this mapping's page tables are not */
static void cold(const struct bench *b, struct vfio *v, int fd, uint64_t size)
{
	uint64_t t;
	void *p;

	for (unsigned int i = 0; i < b->reps; i++) {
		p = memory_map(fd, size, false);
		t = meter();
		CHECK_RET(vfio_map(v, p, IOVA, size, VFIO_RW), 0);
		sample("map-2m", "lease, not faulted in", meter() - t, (double)size / GIB);
		CHECK_EQ(vfio_unmap(v, IOVA, size), size);
		munmap(p, size);
	}
}

static void explicit_lease(const struct bench *b, const char *kind, int fd, uint64_t size)
{
	double gib = (double)size / GIB;
	struct daxlease_acquire a;
	int ctx = lease_open();
	uint64_t t0, t1, t2;
	char row[32];

	for (unsigned int i = 0; i < b->reps; i++) {
		t0 = meter();
		CHECK_RET(lease_acquire(ctx, fd, 0, size, DAXLEASE_WRITE, MS, &a), 0);
		t1 = meter();
		CHECK_RET(lease_release(ctx, a.id), 0);
		t2 = meter();
		snprintf(row, sizeof(row), "map-%s", kind);
		sample(row, "ACQUIRE alone", t1 - t0, gib);
		snprintf(row, sizeof(row), "unmap-%s", kind);
		sample(row, "RELEASE alone", t2 - t1, gib);
	}
	close(ctx);
}

/* What acquire's last step asks of the filesystem, seen as a system call that counts the extents */
static void block_map(const struct bench *b, const char *kind, int fd, uint64_t size)
{
	char row[32];
	uint64_t t;

	snprintf(row, sizeof(row), "map-%s", kind);
	for (unsigned int i = 0; i < b->reps + 1; i++) {
		struct fiemap map = { .fm_length = size };

		t = meter();
		CHECK_SYS(ioctl(fd, FS_IOC_FIEMAP, &map));
		t = meter() - t;
		if (i)
			sample(row, "FIEMAP alone", t, (double)size / GIB);
	}
}

static void leased(const struct bench *b, struct vfio *v, const char *kind, int fd, uint64_t size)
{
	void *p = memory_map(fd, size, true);

	map_unmap(b, v, kind, "lease", p, size);
	parts(b, v, kind, p, size);
	munmap(p, size);
	explicit_lease(b, kind, fd, size);
	block_map(b, kind, fd, size);
}

void bench_map(const struct bench *b)
{
	struct vfio v;
	int fd;

	vfio_open(&v);
	fd = memory_big(b);
	leased(b, &v, "2m", fd, b->big);
	cold(b, &v, fd, b->big);
	close(fd);
	fd = memory_small_blocks(b);
	leased(b, &v, "4k", fd, b->fragments);
	close(fd);
	vfio_close(&v);
}

/* Each command takes 0.1 s of the machine's time; what the processor does besides is what differs, if anything */
void bench_dma(const struct bench *b)
{
	uint64_t t, size = 2 * GRANULE;
	void *leased, *stock;
	struct edu e;
	int fd;

	edu_open(&e);
	fd = memory_file(path_in(b->dir, "dma"), size);
	leased = memory_map(fd, size, true);
	stock = memory_thp(size);
	CHECK_RET(vfio_map(&e.vfio, leased, IOVA, size, VFIO_RW), 0);
	CHECK_RET(vfio_map(&e.vfio, stock, 2 * IOVA, size, VFIO_RW), 0);
	for (unsigned int i = 0; i < 2 * (b->small ? 1 : 5); i++) {
		t = meter();
		edu_dma(&e, (i % 2 + 1) * IOVA + i * PAGE, EDU_BLOCK, true);
		sample("device writes 2 KiB", i % 2 ? "stock memory" : "leased memory", meter() - t, 1);
	}
	edu_close(&e);
	munmap(leased, size);
	memory_free(stock, size);
	close(fd);
}

static int watching(void)
{
	int ctx = lease_open();

	CHECK_RET(lease_watch(ctx, CHECK_SYS(pidfd_open(getpid(), 0)), 0, 1000 * MS), 0);
	return ctx;
}

/* Breaks and gives away by ACK, so that a system call is all that is measured besides the fence */
static uint64_t give_away(int ctx, int fd, uint64_t size, const char *variant)
{
	struct daxlease_event ev;
	uint64_t leases, t;

	CHECK_RET(lease_break(ctx, fd, 0, size, &leases), 0);
	CHECK_EQ(leases, 1);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, &ev, 10000));
	t = meter_of("fence", variant);
	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	t = meter() - t;
	CHECK(lease_wait(ctx, ev.id, DAXLEASE_EVENT_FENCED, &ev, 10000));
	return t;
}

/* An explicit lease: everything that an ACK does but the fence */
static void nothing_mapped(const struct bench *b, int fd)
{
	struct daxlease_acquire a;
	int ctx = lease_open();

	for (unsigned int i = 0; i < b->reps; i++) {
		CHECK_RET(lease_acquire(ctx, fd, 0, b->big, DAXLEASE_WRITE, 1000 * MS, &a), 0);
		sample("fence", "ACK, nothing mapped", give_away(ctx, fd, b->big, "ACK, nothing mapped"),
		       (double)b->big / GIB);
		CHECK_RET(lease_release(ctx, a.id), 0);
	}
	close(ctx);
}

void bench_fence(const struct bench *b)
{
	struct dl_bench_span s = { .size = b->big, .iova = 2 * IOVA };
	double gib = (double)b->big / GIB;
	int ctx = watching(), dev = open_module(), fd = memory_big(b);
	struct vfio v;
	uint64_t t;
	void *p;

	vfio_open(&v);
	p = memory_map(fd, b->big, true);
	s.addr = (uintptr_t)p;
	snprintf(s.device, sizeof(s.device), "%.15s", v.address);
	for (unsigned int i = 0; i < b->reps + 1; i++) {
		CHECK_RET(vfio_map(&v, p, IOVA, b->big, VFIO_RW), 0);
		t = give_away(ctx, fd, b->big, i ? "ACK, mapped" : "");
		CHECK_EQ(vfio_unmap(&v, IOVA, b->big), b->big);
		CHECK_SYS(ioctl(dev, DL_BENCH_SPAN, &s));
		if (!i)
			continue;
		sample("fence", "ACK, mapped", t, gib);
		sample("fence", "iommu_unmap", s.unmap, gib);
	}
	vfio_close(&v);
	munmap(p, b->big);
	nothing_mapped(b, fd);
	close(fd);
	close(ctx);
	close(dev);
}
