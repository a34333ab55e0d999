// SPDX-License-Identifier: GPL-2.0
#include "file.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CHUNK		(1 * MIB)
#define EXTENTS_MAX	512

const char *path_in(const char *dir, const char *name)
{
	static char path[8][512];
	static unsigned int next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

/* One 64-bit word: the odd multipliers make neighbours and seeds differ in every byte, mostly */
static uint64_t pattern_word(unsigned int seed, uint64_t index)
{
	uint64_t x = (index + 1) * 0x9e3779b97f4a7c15ULL ^ (seed + 1) * 0xc2b2ae3d27d4eb4fULL;

	return x ^ x >> 29;
}

static unsigned char pattern_byte(unsigned int seed, uint64_t offset)
{
	return pattern_word(seed, offset / 8) >> (offset % 8 * 8);
}

void pattern_fill(void *buf, size_t len, unsigned int seed, uint64_t offset)
{
	unsigned char *p = buf;
	uint64_t w;

	for (; len && offset % 8; len--)
		*p++ = pattern_byte(seed, offset++);
	for (; len >= 8; len -= 8, offset += 8, p += 8) {
		w = pattern_word(seed, offset / 8);
		memcpy(p, &w, 8);
	}
	for (; len; len--)
		*p++ = pattern_byte(seed, offset++);
}

int64_t pattern_differs(const void *buf, size_t len, unsigned int seed, uint64_t offset)
{
	unsigned char want[4096];
	const unsigned char *p = buf;
	size_t n;

	for (size_t done = 0; done < len; done += n) {
		n = len - done < sizeof(want) ? len - done : sizeof(want);
		pattern_fill(want, n, seed, offset + done);
		if (!memcmp(want, p + done, n))
			continue;
		for (size_t i = 0; i < n; i++)
			if (want[i] != p[done + i])
				return done + i;
	}
	return -1;
}

static int create(const char *path, uint32_t extsize)
{
	int fd = CHECK_SYS(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	struct fsxattr attr;
	struct statfs fs;

	CHECK_SYS(fstatfs(fd, &fs));
	if (extsize && fs.f_type == XFS_SUPER_MAGIC) {
		CHECK_SYS(ioctl(fd, FS_IOC_FSGETXATTR, &attr));
		attr.fsx_xflags |= FS_XFLAG_EXTSIZE;
		attr.fsx_extsize = extsize;
		CHECK_SYS(ioctl(fd, FS_IOC_FSSETXATTR, &attr));
	}
	return fd;
}

int file_create_empty(const char *path)
{
	return create(path, GRANULE);
}

/* Writes the pattern from @offset on until @end or a full filesystem; returns where it stopped */
static uint64_t write_pattern(int fd, uint64_t offset, uint64_t end, unsigned int seed)
{
	size_t chunk = CHUNK;
	char *buf = malloc(chunk);
	ssize_t n;

	CHECK(buf);
	while (offset < end) {
		size_t len = end - offset < chunk ? end - offset : chunk;

		pattern_fill(buf, len, seed, offset);
		n = pwrite(fd, buf, len, offset);
		if (n < 0 && errno == ENOSPC) {
			if (chunk == PAGE)
				break;
			chunk = PAGE;
			continue;
		}
		CHECK(n > 0, "pwrite: %s", strerror(errno));
		offset += n;
	}
	free(buf);
	return offset;
}

int file_create(const char *path, uint64_t size, unsigned int seed)
{
	int fd = file_create_empty(path);
	struct extent e[EXTENTS_MAX];
	unsigned int n;

	CHECK_SYS(fallocate(fd, 0, 0, size));
	CHECK_EQ(write_pattern(fd, 0, size, seed), size, "filesystem full");
	CHECK_SYS(fsync(fd));
	n = file_extents(fd, 0, size, e, EXTENTS_MAX);
	CHECK(n && n <= EXTENTS_MAX);
	for (unsigned int i = 0; i < n; i++)
		CHECK_EQ((e[i].physical - e[i].offset) % GRANULE, 0,
			 "%s: extent %u of %u is not aligned to 2 MiB", path, i, n);
	return fd;
}

int64_t file_differs(int fd, uint64_t offset, uint64_t len, unsigned int seed)
{
	char *buf = malloc(CHUNK);
	int64_t where = -1;
	ssize_t n;

	CHECK(buf);
	for (; len && where < 0; len -= n, offset += n) {
		n = pread(fd, buf, len < CHUNK ? len : CHUNK, offset);
		CHECK(n > 0, "pread at 0x%llx: %s", (unsigned long long)offset, n ? strerror(errno) : "end of file");
		where = pattern_differs(buf, n, seed, offset);
		if (where >= 0)
			where += offset;
	}
	free(buf);
	return where;
}

int64_t file_differs_from_byte(int fd, uint64_t offset, uint64_t len, unsigned char byte)
{
	unsigned char buf[65536];
	ssize_t n;

	for (; len; len -= n, offset += n) {
		n = pread(fd, buf, len < sizeof(buf) ? len : sizeof(buf), offset);
		CHECK(n > 0, "pread at 0x%llx: %s", (unsigned long long)offset, n ? strerror(errno) : "end of file");
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != byte)
				return offset + i;
	}
	return -1;
}

void file_take_free(const char *path)
{
	int fd = create(path, 0);
	off_t at = 0;

	for (off_t chunk = 64 * MIB; chunk >= (off_t)PAGE; chunk /= 2)
		while (!fallocate(fd, 0, at, chunk))
			at += chunk;
	close(fd);
}

int file_fill_free(const char *path, unsigned int seed, uint64_t *size)
{
	int fd = create(path, 0);

	/* Blocks freed in a transaction can be used again when it is committed */
	CHECK_SYS(syncfs(fd));
	*size = write_pattern(fd, 0, UINT64_MAX, seed);
	CHECK_SYS(fsync(fd));
	return fd;
}

void *file_map(int fd, uint64_t offset, uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	CHECK(p != MAP_FAILED, "mmap: %s", strerror(errno));
	return p;
}

unsigned int file_extents(int fd, uint64_t offset, uint64_t len, struct extent *e, unsigned int max)
{
	struct fiemap *map = calloc(1, sizeof(*map) + EXTENTS_MAX * sizeof(struct fiemap_extent));
	unsigned int n;

	CHECK(map);
	map->fm_start = offset;
	map->fm_length = len;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = EXTENTS_MAX;
	CHECK_SYS(ioctl(fd, FS_IOC_FIEMAP, map));
	n = map->fm_mapped_extents;
	CHECK(n < EXTENTS_MAX, "too many extents");
	for (unsigned int i = 0; i < n && i < max; i++) {
		e[i].offset = map->fm_extents[i].fe_logical;
		e[i].physical = map->fm_extents[i].fe_physical;
		e[i].length = map->fm_extents[i].fe_length;
		e[i].flags = map->fm_extents[i].fe_flags;
	}
	free(map);
	return n;
}

uint64_t file_physical(int fd, uint64_t offset)
{
	struct extent e;

	if (!file_extents(fd, offset, 1, &e, 1) || e.offset > offset || offset >= e.offset + e.length)
		return 0;
	return e.physical + (offset - e.offset);
}

bool file_shared(int fd, uint64_t offset, uint64_t len)
{
	struct extent e[EXTENTS_MAX];
	unsigned int n = file_extents(fd, offset, len, e, EXTENTS_MAX);

	for (unsigned int i = 0; i < n; i++)
		if (e[i].flags & FIEMAP_EXTENT_SHARED)
			return true;
	return false;
}

bool file_owns(int fd, uint64_t physical, uint64_t len)
{
	struct extent e[EXTENTS_MAX];
	unsigned int n = file_extents(fd, 0, UINT64_MAX >> 1, e, EXTENTS_MAX);

	for (unsigned int i = 0; i < n; i++)
		if (e[i].physical < physical + len && physical < e[i].physical + e[i].length)
			return true;
	return false;
}

ino_t file_ino(int fd)
{
	struct stat st;

	CHECK_SYS(fstat(fd, &st));
	return st.st_ino;
}
