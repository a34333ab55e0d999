// SPDX-License-Identifier: GPL-2.0
/* Memory of the kinds that are compared. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGES	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static void touch(volatile char *p, uint64_t size, uint64_t step)
{
	for (uint64_t i = 0; i < size; i += step)
		p[i] = 1;
}

/* Address space that begins on 2 MiB; what lies around it stays reserved and untouched */
static void *reserve(uint64_t size)
{
	uintptr_t p = (uintptr_t)mmap(NULL, size + GRANULE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				      -1, 0);

	CHECK(p != (uintptr_t)MAP_FAILED);
	return (void *)((p + GRANULE - 1) & ~(GRANULE - 1));
}

static void *place(uint64_t size, int flags, int fd)
{
	void *p = mmap(reserve(size), size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);

	CHECK(p != MAP_FAILED, "mmap: %s", strerror(errno));
	return p;
}

void *memory_huge_pages(uint64_t size)
{
	char text[32];
	void *p;

	shell("echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(size / GRANULE));
	CHECK_RET(write_text(HUGE_PAGES, text), 0);
	p = place(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	touch(p, size, GRANULE);
	return p;
}

/* Not touched yet */
static void *anonymous(uint64_t size, int advice)
{
	void *p = place(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	CHECK_SYS(madvise(p, size, advice));
	return p;
}

void *memory_thp(uint64_t size)
{
	void *p = anonymous(size, MADV_HUGEPAGE);

	touch(p, size, PAGE);
	return p;
}

void *memory_devdax(uint64_t size)
{
	struct dirent **names;
	char path[300] = "";
	void *p;
	int n, fd;

	n = scandir("/dev", &names, NULL, alphasort);
	for (int i = 0; i < n; i++)
		if (!strncmp(names[i]->d_name, "dax", 3) && strcmp(names[i]->d_name, "daxlease"))
			snprintf(path, sizeof(path), "/dev/%s", names[i]->d_name);
	CHECK(path[0], "no device-dax");
	fd = CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
	p = place(size, MAP_SHARED, fd);
	close(fd);
	touch(p, size, PAGE);
	return p;
}

void *memory_pages(uint64_t size)
{
	void *p = anonymous(size, MADV_NOHUGEPAGE);

	touch(p, size, PAGE);
	return p;
}

/* Each page between two of another mapping, so that no two of them are neighbours */
void *memory_scattered(uint64_t size)
{
	char *p = anonymous(size, MADV_NOHUGEPAGE), *other = anonymous(size, MADV_NOHUGEPAGE);

	for (uint64_t i = 0; i < size; i += PAGE) {
		touch(p + i, PAGE, PAGE);
		touch(other + i, PAGE, PAGE);
	}
	munmap(other, size);
	return p;
}

void memory_free(void *p, uint64_t size)
{
	munmap(p, size);
	write_text(HUGE_PAGES, "0");
}

void *memory_map(int fd, uint64_t size, bool touched)
{
	void *p = place(size, MAP_SHARED, fd);

	if (touched)
		touch(p, size, PAGE);
	return p;
}

/* Written by faults: a whole extent at once */
int memory_file(const char *path, uint64_t size)
{
	struct extent e[64];
	int fd = file_create_empty(path);
	unsigned int n;
	void *p;

	CHECK_SYS(fallocate(fd, 0, 0, size));
	p = memory_map(fd, size, true);
	munmap(p, size);
	CHECK_SYS(fsync(fd));
	n = file_extents(fd, 0, size, e, 64);
	CHECK(n && n <= 64);
	for (unsigned int i = 0; i < n; i++)
		CHECK_EQ((e[i].physical - e[i].offset) % GRANULE, 0, "extent %u of %u is not aligned", i, n);
	return fd;
}

static uint64_t count_extents(int fd)
{
	struct fiemap map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC };

	CHECK_SYS(ioctl(fd, FS_IOC_FIEMAP, &map));
	return map.fm_mapped_extents;
}

/* Two files take turns; only one is kept. Within their size: at its end XFS allocates whole stripes */
int memory_fragments(const char *path, uint64_t size)
{
	char other[512], block[PAGE] = { 1 };
	int fd[2];

	snprintf(other, sizeof(other), "%s.other", path);
	for (int i = 0; i < 2; i++) {
		fd[i] = CHECK_SYS(open(i ? other : path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
		CHECK_SYS(ftruncate(fd[i], size));
	}
	for (uint64_t at = 0; at < size; at += PAGE)
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pwrite(fd[i], block, PAGE, at), PAGE);
	CHECK_SYS(fsync(fd[0]));
	CHECK(count_extents(fd[0]) >= size / PAGE * 9 / 10, "%llu extents in %llu pages",
	      (unsigned long long)count_extents(fd[0]), (unsigned long long)(size / PAGE));
	close(fd[1]);
	return fd[0];
}

int memory_big(const struct bench *b)
{
	const char *path = path_in(b->dir, "big");
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd : memory_file(path, b->big);
}

int memory_small_blocks(const struct bench *b)
{
	const char *path = path_in(b->dir, "fragments");
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd : memory_fragments(path, b->fragments);
}
