// SPDX-License-Identifier: GPL-2.0
/*
 * What others pay: system calls on a file without leases, while the module is not loaded, is loaded and idle,
 * and has its hooks armed for a lease on another file. Always the same file, its changes on the medium before
 * each call, so that the filesystem does the same each time, or nearly.
 */
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SIZE	(8 * MIB)

static void measure(const struct bench *b, const char *state)
{
	int file = CHECK_SYS(open(path_in(b->dir, "others"), O_RDWR | O_CLOEXEC));
	unsigned int n = b->small ? 5 : 201;
	static char block[PAGE];
	uint64_t t;

	for (unsigned int i = 0; i < n; i++) {
		/* Refused by the first lines of vfs_fallocate(): what one hook that has nothing to do costs */
		t = meter_of("others: one hooked function", state);
		CHECK_EQ(fallocate(file, 0x4000, 0, PAGE), -1);
		sample("others: one hooked function", state, meter() - t, 1);

		CHECK_SYS(fsync(file));
		t = meter_of("others: write", state);
		CHECK_EQ(pwrite(file, block, PAGE, 0), PAGE);
		sample("others: write", state, meter() - t, 1);

		CHECK_SYS(fsync(file));
		t = meter_of("others: punch", state);
		CHECK_SYS(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, PAGE));
		sample("others: punch", state, meter() - t, 1);

		CHECK_SYS(fsync(file));
		t = meter_of("others: fallocate", state);
		CHECK_SYS(fallocate(file, 0, MIB, PAGE));
		sample("others: fallocate", state, meter() - t, 1);
		CHECK_EQ(pwrite(file, block, PAGE, MIB), PAGE);

		CHECK_SYS(fsync(file));
		t = meter_of("others: truncate", state);
		CHECK_SYS(ftruncate(file, SIZE - PAGE));
		sample("others: truncate", state, meter() - t, 1);
		CHECK_EQ(pwrite(file, block, PAGE, SIZE - PAGE), PAGE);
	}
	close(file);
}

void bench_others_none(const struct bench *b)
{
	close(file_create(path_in(b->dir, "others"), SIZE, 1));
	measure(b, "not loaded");
}

void bench_others_idle(const struct bench *b)
{
	measure(b, "idle");
}

void bench_others_armed(const struct bench *b)
{
	int fd = file_create(path_in(b->dir, "leased"), GRANULE, 2);
	int ctx = lease_open();

	CHECK_RET(lease_acquire(ctx, fd, 0, GRANULE, DAXLEASE_READ, MS, NULL), 0);
	measure(b, "armed");
	close(ctx);
	close(fd);
}
