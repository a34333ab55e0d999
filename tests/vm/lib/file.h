/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files on /mnt/dax with known content and known blocks. Content is a pattern made from a seed and the
 * offset, so that a byte tells which file and which place it comes from. All of this fails the case
 * itself when something does not work.
 */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MIB		(1ULL << 20)
#define GRANULE		(2 * MIB)
#define PAGE		4096ULL

/* "DIR/NAME" in one of eight static buffers */
const char *path_in(const char *dir, const char *name);

/* The pattern: @len bytes as a file of @seed has them at @offset */
void pattern_fill(void *buf, size_t len, unsigned int seed, uint64_t offset);

/* Where @buf differs from it first, or -1 */
int64_t pattern_differs(const void *buf, size_t len, unsigned int seed, uint64_t offset);

/*
 * A new file of @size bytes, all written with the pattern of @seed, in extents that begin on 2 MiB of the
 * medium. Returns it open for reading and writing, close-on-exec.
 */
int file_create(const char *path, uint64_t size, unsigned int seed);

/* A new, empty file, open for reading and writing; extents as for file_create() */
int file_create_empty(const char *path);

/* The range has the pattern of @seed, by pread(): -1, or the offset of the first byte that differs */
int64_t file_differs(int fd, uint64_t offset, uint64_t len, unsigned int seed);

/* The range consists of @byte: -1, or the offset of the first that does not */
int64_t file_differs_from_byte(int fd, uint64_t offset, uint64_t len, unsigned char byte);

/* Fails the case if the range has not the pattern */
#define CHECK_PATTERN(fd, offset, len, seed) \
	CHECK_EQ(file_differs(fd, offset, len, seed), -1, "first offset that differs")

/* A file that takes all free space, unwritten: what others free later is all that file_fill_free() finds */
void file_take_free(const char *path);

/*
 * Fills all free space with a file of the pattern of @seed, so that blocks freed before are in it.
 * Returns it open; its size in *@size.
 */
int file_fill_free(const char *path, unsigned int seed, uint64_t *size);

/* mmap of a range, shared, read and write; munmap is the caller's */
void *file_map(int fd, uint64_t offset, uint64_t len);

/**
 * struct extent - one row of fiemap
 * @offset: in the file, bytes
 * @physical: on the device, bytes
 * @length: bytes
 * @flags: FIEMAP_EXTENT_*
 */
struct extent {
	uint64_t offset;
	uint64_t physical;
	uint64_t length;
	uint32_t flags;
};

/* The extents that meet a range, in order: how many; at most @max are stored. Syncs the file */
unsigned int file_extents(int fd, uint64_t offset, uint64_t len, struct extent *e, unsigned int max);

/* Inode number */
ino_t file_ino(int fd);

/* Where the byte at @offset is on the device, or 0 for a hole */
uint64_t file_physical(int fd, uint64_t offset);

/* Whether any of the range is shared with another file */
bool file_shared(int fd, uint64_t offset, uint64_t len);

/* Whether any extent of @fd lies in [physical, physical + len) of the device */
bool file_owns(int fd, uint64_t physical, uint64_t len);

#endif /* FILE_H */
