/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file is mapped at an address, and a descriptor of it. */
#ifndef DAXLEASE_MAPPING_H
#define DAXLEASE_MAPPING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct mapping - one shared mapping of one file, perhaps in several pieces
 * @dev: of the file
 * @ino: of the file
 * @offset: in the file, of the address asked for
 * @readable: all of it
 * @writable: all of it
 * @first: first address of the piece that has the address asked for
 * @end: the address after that piece
 * @path: name when it was mapped, as the kernel writes it: empty if it is too long
 */
struct mapping {
	dev_t dev;
	ino_t ino;
	uint64_t offset;
	bool readable;
	bool writable;
	uint64_t first;
	uint64_t end;
	char path[PATH_MAX];
};

int mapping_find(const char *maps, uint64_t address, uint64_t length, struct mapping *mapping);
int mapping_open(const struct mapping *mapping, int flags);

#endif /* DAXLEASE_MAPPING_H */
