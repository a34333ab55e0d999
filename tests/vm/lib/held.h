/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that the device holds: written, mapped, given to the edu device through VFIO at HELD_IOVA, and
 * its implicit lease watched, so that this process hears of breaks and has a grace.
 */
#ifndef HELD_H
#define HELD_H

#include "edu.h"

#include <sys/types.h>

#define HELD_IOVA	0x100000000ULL	/* congruent to the file, so that 2 MiB IOMMU pages arise */
#define HELD_SEED	7

/**
 * struct held - all of it
 * @edu: device and container
 * @path: of the file
 * @fd: of the file; -1 after held_forget()
 * @map: the mapping; NULL after held_forget()
 * @size: bytes
 * @ctx: the watching context, or -1
 * @lease: id of the implicit lease
 */
struct held {
	struct edu edu;
	char path[256];
	int fd;
	unsigned char *map;
	uint64_t size;
	int ctx;
	uint64_t lease;
};

/*
 * A new file "held" in @dir of @size bytes of pattern HELD_SEED. @grace_ns 0: nobody watches.
 * Fails the case if anything does not work.
 */
void held_open(struct held *h, const char *dir, uint64_t size, uint64_t grace_ns);

/* Unmaps and closes the file; the device keeps it */
void held_forget(struct held *h);

/* The implicit lease on an inode, any or the one that begins at @offset, from the table of the machine: id or 0 */
uint64_t held_lease_on(ino_t ino);
uint64_t held_lease_at(ino_t ino, uint64_t offset);

/* The device reads what the file has, and writes a block there that read(2) sees, at @offset */
void held_check_live(struct held *h, int fd, uint64_t offset);

/* The device can neither read nor write at @offset: each attempt raises a fault */
void held_check_fenced(struct held *h, uint64_t offset);

#endif /* HELD_H */
