// SPDX-License-Identifier: GPL-2.0
/*
 * The tools of the other cases do what they say: breakers really change the file, blocks really are where
 * they are said to be, a file that fills the filesystem gets the blocks that were freed.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OP(kind_, path_, ...) breaker_run(&(struct op){ .kind = kind_, .path = path_, __VA_ARGS__ }, 10000).ret

static uint64_t size_of(int fd)
{
	struct stat st;

	CHECK_SYS(fstat(fd, &st));
	return st.st_size;
}

static void breakers_change_files(const struct test *t)
{
	const char *path = path_in(t->dir, "file"), *other = path_in(t->dir, "other");
	int fd = file_create(path, 8 * MIB, 1);

	CHECK_RET(OP(OP_PUNCH, path, .offset = 2 * MIB, .length = PAGE), 0);
	CHECK_EQ(file_physical(fd, 2 * MIB), 0, "punched, so no block is there");
	CHECK_EQ(file_differs_from_byte(fd, 2 * MIB, PAGE, 0), -1);
	CHECK_PATTERN(fd, 2 * MIB + PAGE, 6 * MIB - PAGE, 1);
	CHECK_RET(OP(OP_ALLOCATE, path, .offset = 8 * MIB, .length = MIB), 0);
	CHECK_EQ(size_of(fd), 9 * MIB);
	CHECK_RET(OP(OP_ZERO, path, .offset = 4 * MIB, .length = MIB), 0);
	CHECK_EQ(file_differs_from_byte(fd, 4 * MIB, MIB, 0), -1);
	CHECK_RET(OP(OP_COLLAPSE, path, .offset = 0, .length = 2 * MIB), 0);
	CHECK_EQ(size_of(fd), 7 * MIB);
	CHECK_RET(OP(OP_INSERT, path, .offset = 0, .length = 2 * MIB), 0);
	CHECK_EQ(size_of(fd), 9 * MIB);
	CHECK_RET(OP(OP_WRITE, path, .offset = 6 * MIB, .length = PAGE), 0);
	CHECK_EQ(file_differs_from_byte(fd, 6 * MIB, PAGE, 0), -1);
	CHECK_RET(OP(OP_READ, path, .offset = 6 * MIB, .length = PAGE), 0);
	CHECK_RET(OP(OP_FSYNC, path), 0);
	CHECK_RET(OP(OP_TRUNCATE, path, .offset = 3 * MIB), 0);
	CHECK_EQ(size_of(fd), 3 * MIB);
	CHECK_RET(OP(OP_TRUNCATE, path, .offset = 3 * MIB, .uid = 1000), -EACCES);
	CHECK_RET(OP(OP_RENAME, path, .other = other), 0);
	CHECK_RET(OP(OP_FSYNC, path), -ENOENT);
	CHECK_RET(OP(OP_UNLINK, other), 0);
	CHECK_RET(OP(OP_TRUNCATE, op_path(fd), .offset = MIB), 0, "a file without a name");
	CHECK_EQ(size_of(fd), MIB);
	CHECK_RET(OP(OP_OPEN_TRUNC, op_path(fd)), 0);
	CHECK_EQ(size_of(fd), 0);
	CHECK_RET(OP(OP_CREATE, path), 0);
	CHECK_RET(OP(OP_CREATE, path), -EEXIST);
}

static void remaps_move_blocks(const struct test *t)
{
	const char *a = path_in(t->dir, "a"), *b = path_in(t->dir, "b"), *c = path_in(t->dir, "c");
	int fa = file_create(a, 4 * MIB, 1), fb = file_create(b, 4 * MIB, 2), fc;
	uint64_t pa = file_physical(fa, 0), pb = file_physical(fb, 0);

	CHECK(pa && pb && pa != pb);
	CHECK_RET(OP(OP_SWAPEXT, a, .other = b), 0);
	CHECK_EQ(file_physical(fa, 0), pb);
	CHECK_EQ(file_physical(fb, 0), pa);
	CHECK(file_owns(fa, pb, PAGE) && !file_owns(fa, pa, PAGE));
	CHECK_PATTERN(fa, 0, 4 * MIB, 2);

	CHECK(!file_shared(fa, 0, 4 * MIB));
	CHECK_RET(OP(OP_CLONE, a, .other = c), 0);
	CHECK(file_shared(fa, 0, 4 * MIB));
	fc = CHECK_SYS(open(c, O_RDWR | O_CLOEXEC));
	CHECK_PATTERN(fc, 0, 4 * MIB, 2);
	CHECK_RET(OP(OP_UNSHARE, c, .offset = 0, .length = 4 * MIB), 0);
	CHECK(!file_shared(fa, 0, 4 * MIB));
}

static void freed_blocks_are_filled(const struct test *t)
{
	const char *path = path_in(t->dir, "file");
	int fd = file_create(path, 16 * MIB, 1), filler;
	uint64_t freed = file_physical(fd, 4 * MIB), size;

	CHECK_RET(OP(OP_PUNCH, path, .offset = 4 * MIB, .length = 2 * MIB), 0);
	filler = file_fill_free(path_in(t->dir, "filler"), 7, &size);
	CHECK(file_owns(filler, freed, 2 * MIB), "the freed blocks are not in the file that fills the rest");
	CHECK_PATTERN(filler, 0, size, 7);
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
	story("%llu MiB filled", (unsigned long long)(size / MIB));
}

static int wait_for_ever(void *arg)
{
	(void)arg;
	return pause();	/* until killed */
}

static int give_number(void *arg)
{
	return -*(int *)arg;
}

static void breakers_are_watched(const struct test *t)
{
	struct breaker_result r;
	int number = ENOTTY;
	struct breaker b;

	(void)t;
	breaker_start_fn(&b, wait_for_ever, NULL, -1);
	CHECK(!breaker_done(&b));
	breaker_kill(&b, SIGKILL);
	r = breaker_join(&b, 5000);
	CHECK(r.killed);
	breaker_start_fn(&b, give_number, &number, -1);
	r = breaker_join(&b, 5000);
	CHECK(!r.killed && r.start_ns <= r.end_ns && r.end_ns <= now_ns());
	CHECK_RET(r.ret, -ENOTTY);
}

const struct testcase tools_cases[] = {
	{ "breakers-change-files", "each file operation of the library does what its name says",
	  breakers_change_files, ON_ANY | STOCK_ONLY, 0 },
	{ "breakers-are-watched", "a breaker's end, result and death are seen",
	  breakers_are_watched, ON_ANY | STOCK_ONLY, 0 },
	{ "remaps-move-blocks", "swapext swaps blocks and clone shares them, as fiemap shows",
	  remaps_move_blocks, ON_XFS | STOCK_ONLY, 0 },
	{ "freed-blocks-are-filled", "a file that fills the filesystem gets the blocks freed before",
	  freed_blocks_are_filled, ON_ANY | STOCK_ONLY, 60 },
	{ 0 }
};
