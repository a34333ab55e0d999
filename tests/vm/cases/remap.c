// SPDX-License-Identifier: GPL-2.0
/* Clone, dedupe, copy, copy on write, extent moves: operations that share or move blocks. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SHORT_GRACE	(200 * MS)
#define SOON_MS		10000

static void clone_waits(const struct test *t)
{
	struct op op = { .kind = OP_CLONE, .path = path_in(t->dir, "file"), .other = path_in(t->dir, "copy"),
			 .offset = 0, .length = 2 * MIB };
	struct op read = { .kind = OP_READ, .path = op.path, .offset = 0, .length = PAGE };
	struct daxlease_acquire a, dst;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd, copy;

	fd = file_create(op.path, 8 * MIB, 1);
	copy = file_create(op.other, 8 * MIB, 2);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(lease_acquire(ctx, copy, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &dst), 0);
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.reason, DAXLEASE_REASON_REMAP);
	CHECK_EQ(ev.hit_length, 2 * MIB);
	CHECK_RET(breaker_run(&read, SOON_MS).ret, 0, "the source cannot be read during grace");
	CHECK(!breaker_done(&b));
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	CHECK(lease_wait(ctx, dst.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK(!breaker_done(&b), "it did not wait for the destination");
	CHECK_RET(lease_ack(ctx, dst.id, dst.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_EQ(lease_lost(ctx, a.id), 1);
	CHECK_EQ(lease_lost(ctx, dst.id), 1);
	CHECK(file_shared(fd, 0, 2 * MIB) && !file_shared(fd, 2 * MIB, 6 * MIB));
	CHECK_PATTERN(copy, 0, 2 * MIB, 1);
	CHECK_PATTERN(copy, 2 * MIB, 6 * MIB, 2);
}

static void clone_to_the_end(const struct test *t)
{
	struct op op = { .kind = OP_CLONE, .path = path_in(t->dir, "file"), .other = path_in(t->dir, "copy") };
	struct daxlease_acquire a;
	int ctx, fd;

	fd = file_create(op.path, 8 * MIB, 1);
	close(file_create_empty(op.other));
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 4 * MIB, 4 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK_EQ(lease_lost(ctx, a.id), 2, "FICLONE has length 0: to the end");
}

/* A user who may read the file: may copy it, may not take it from its holder */
static void reader_cannot_break(const struct test *t)
{
	struct op op = { .kind = OP_CLONE, .path = path_in(t->dir, "file"), .other = path_in(t->dir, "copy"),
			 .uid = 1000 };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx, fd, copy;

	fd = file_create(op.path, 4 * MIB, 1);
	copy = file_create_empty(op.other);
	CHECK_SYS(fchmod(fd, 0644));
	CHECK_SYS(fchmod(copy, 0666));
	CHECK_SYS(chmod(t->dir, 0777));
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, -EBUSY);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "a reader has broken a lease");
	CHECK_EQ(shell("setpriv --reuid=1000 --regid=1000 --clear-groups cp --reflink=auto %s %s/copied",
		       op.path, t->dir), 0);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "a copy has broken a lease");
	CHECK(!file_shared(fd, 0, 4 * MIB));
	CHECK_RET(lease_release(ctx, a.id), 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0, "without a lease a reader may clone");
}

static int dedupe(int from, int to, uint64_t len)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} d = { .range = { .src_length = len, .dest_count = 1 }, .info = { .dest_fd = to } };

	if (ioctl(from, FIDEDUPERANGE, &d))
		return -errno;
	return d.info.status;
}

/* A descriptor without write access, of a user who could not have one: whatever it is thrown at, nothing breaks */
static int throw_at_remaps(void *arg)
{
	const char *const *path = arg;
	struct file_clone_range c = { .src_length = 2 * MIB };
	int leased = CHECK_SYS(open(path[0], O_RDONLY)), own = CHECK_SYS(open(path[1], O_RDWR));

	CHECK_SYS(setresuid(1000, 1000, 1000));
	c.src_fd = own;
	CHECK_RET(ioctl(leased, FICLONERANGE, &c) ? -errno : 0, -EBADF, "clone into it");
	c.src_fd = leased;
	CHECK_RET(ioctl(own, FICLONERANGE, &c) ? -errno : 0, -EBUSY, "clone of it");
	CHECK_RET(dedupe(leased, own, 2 * MIB), -EBUSY, "dedupe with it as the source");
	CHECK_RET(dedupe(own, leased, 2 * MIB), -EBUSY, "dedupe into it");
	return 0;
}

static void readonly_remaps_nothing(const struct test *t)
{
	const char *path[] = { path_in(t->dir, "file"), path_in(t->dir, "own") };
	int fd = file_create(path[0], 4 * MIB, 1), own = file_create(path[1], 4 * MIB, 1), ctx = lease_open();
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;

	CHECK_SYS(fchmod(fd, 0644));
	CHECK_SYS(fchown(own, 1000, 1000));
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start_fn(&b, throw_at_remaps, path, -1);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "a read-only descriptor has broken a lease");
	CHECK_EQ(lease_lost(ctx, a.id), 0);
	CHECK(!file_shared(fd, 0, 4 * MIB));
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
}

struct pair {
	const char *from;
	const char *to;
};

static int run_dedupe(void *arg)
{
	struct pair *p = arg;
	int from = CHECK_SYS(open(p->from, O_RDWR)), to = CHECK_SYS(open(p->to, O_RDWR));

	return dedupe(from, to, 2 * MIB);
}

static void dedupe_breaks_both(const struct test *t)
{
	struct pair p = { path_in(t->dir, "file"), path_in(t->dir, "twin") };
	struct daxlease_acquire a, dst;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd, twin;

	fd = file_create(p.from, 4 * MIB, 1);
	twin = file_create(p.to, 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_RET(lease_acquire(ctx, twin, 0, 4 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &dst), 0);
	breaker_start_fn(&b, run_dedupe, &p, -1);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.reason, DAXLEASE_REASON_REMAP);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_EQ(lease_lost(ctx, a.id), 1);
	CHECK_EQ(lease_lost(ctx, dst.id), 1);
	CHECK(file_shared(fd, 0, 2 * MIB));
	CHECK(!file_shared(fd, 2 * MIB, 2 * MIB));
}

static void copy_shares_nothing(const struct test *t)
{
	int fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	int copy = file_create_empty(path_in(t->dir, "copy"));
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx = lease_open();
	uint64_t done = 0;

	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	while (done < 4 * MIB)
		done += CHECK_SYS(copy_file_range(fd, NULL, copy, NULL, 4 * MIB - done, 0));
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "copy_file_range broke a lease");
	CHECK(!file_shared(fd, 0, 4 * MIB), "copy_file_range shared leased blocks");
	CHECK_PATTERN(copy, 0, 4 * MIB, 1);
}

/* From another filesystem nothing can be shared: the call answers as if there were no lease */
static void copy_from_elsewhere(const struct test *t)
{
	int fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	int proc = CHECK_SYS(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
	struct daxlease_acquire a;
	int ctx = lease_open();
	loff_t to = 0;
	ssize_t before;

	before = copy_file_range(proc, NULL, fd, &to, PAGE, 0) < 0 ? -errno : 0;
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(copy_file_range(proc, NULL, fd, &to, PAGE, 0) < 0 ? -errno : 0, before);
	CHECK(before < 0, "the kernel copies from proc: nothing was shown");
}

static int store_in_page_10(void *arg)
{
	int fd = CHECK_SYS(open(arg, O_RDWR));
	unsigned char *map = file_map(fd, 0, MIB);

	map[10 * PAGE] ^= 0xff;
	return 0;
}

/*
 * A write next to a shared block leaves a preallocation for copies on write over its neighbours; a store to an unshared
 * neighbour then moves it, and its old block is freed. Nothing but the unmapping of page tables tells of it.
 */
static void cow_preallocation(const struct test *t)
{
	char *path = (char *)path_in(t->dir, "file");
	struct op clone = { .kind = OP_CLONE, .path = path, .other = path_in(t->dir, "copy"),
			    .offset = 0, .length = PAGE };
	struct op write = { .kind = OP_WRITE, .path = path, .offset = 0, .length = PAGE };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	uint64_t before;
	int ctx, fd;

	fd = file_create(path, 4 * MIB, 1);
	close(file_create_empty(clone.other));
	CHECK_RET(op_do(&clone), 0);
	before = file_physical(fd, 10 * PAGE);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 8 * PAGE, 8 * PAGE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(breaker_run(&write, SOON_MS).ret, 0);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "a write to a neighbour broke the lease");
	breaker_start_fn(&b, store_in_page_10, path, -1);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	if (file_physical(fd, 10 * PAGE) == before)
		skip("this XFS did not move the block");
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "a leased block moved unnoticed");
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
}

struct move_extent {	/* EXT4_IOC_MOVE_EXT, Documentation/admin-guide/ext4.rst */
	uint32_t reserved;
	uint32_t donor_fd;
	uint64_t orig_start, donor_start, len, moved_len;
};

#define MOVE_EXT	_IOWR('f', 15, struct move_extent)

static void move_extents(const struct test *t)
{
	struct move_extent m = { .len = 16 };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct statx st;
	int ctx, fd, orig;

	/* The kernel's own check looks at the original only: one that is not DAX lets a DAX donor pass */
	orig = CHECK_SYS(open("/mnt/dax/plain", O_RDWR | O_CLOEXEC));
	CHECK_SYS(statx(orig, "", AT_EMPTY_PATH, STATX_SIZE, &st));
	CHECK(!(st.stx_attributes & STATX_ATTR_DAX) && st.stx_size >= 16 * PAGE,
	      "no use as an original: attributes %#llx, %llu bytes", (unsigned long long)st.stx_attributes,
	      (unsigned long long)st.stx_size);
	fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	m.donor_fd = fd;
	CHECK(ioctl(orig, MOVE_EXT, &m) && errno == EOPNOTSUPP, "leased donor: %s", strerror(errno));
	m.donor_fd = orig;
	CHECK(ioctl(fd, MOVE_EXT, &m) && errno == EOPNOTSUPP, "leased original: %s", strerror(errno));
	CHECK_EQ(lease_event(ctx, &ev, 0), 0);
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
}

const struct testcase remap_cases[] = {
	{ "clone-waits-without-inode-lock",
	  "a clone breaks the ranges of both files, and waits with neither locked",
	  clone_waits, ON_XFS | NEEDS_CORE | DEMO, 60 },
	{ "clone-of-length-zero-reaches-the-end",
	  "FICLONE breaks to the end of the source",
	  clone_to_the_end, ON_XFS | NEEDS_CORE, 60 },
	{ "reader-cannot-break-by-clone",
	  "who may only read a leased file gets EBUSY for a clone, and can copy it",
	  reader_cannot_break, ON_XFS | NEEDS_CORE | DEMO, 60 },
	{ "read-only-descriptor-remaps-nothing",
	  "a read-only descriptor of a leased file is of no use for clone and dedupe, in either direction",
	  readonly_remaps_nothing, ON_XFS | NEEDS_CORE, 60 },
	{ "dedupe-breaks-both-files",
	  "a dedupe breaks the ranges of both files",
	  dedupe_breaks_both, ON_XFS | NEEDS_CORE, 60 },
	{ "copy-file-range-shares-nothing",
	  "copy_file_range of a leased file copies, and breaks nothing",
	  copy_shares_nothing, ON_BOTH | NEEDS_CORE | DEMO, 60 },
	{ "copy-from-elsewhere-as-without-lease",
	  "copy_file_range from another filesystem to a leased file answers as without the lease",
	  copy_from_elsewhere, ON_ANY | NEEDS_CORE, 0 },
	{ "cow-preallocation-is-fenced",
	  "a store that moves an unshared leased block is met by the last resort",
	  cow_preallocation, ON_XFS | NEEDS_CORE | DEMO, 60 },
	{ "move-extents-refused",
	  "EXT4_IOC_MOVE_EXT with a leased file is refused, as donor too",
	  move_extents, ON_EXT4 | NEEDS_CORE | DEMO, 60 },
	{ 0 }
};
