// SPDX-License-Identifier: GPL-2.0
/* What cannot be leased is refused with the errno that uapi/daxlease.h documents, and leaves no lease. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ	DAXLEASE_READ
#define WRITE	DAXLEASE_WRITE

static int open_file(const char *path, int flags)
{
	return CHECK_SYS(open(path, flags | O_CLOEXEC, 0600));
}

static void ranges_and_files(const struct test *t)
{
	const char *path = path_in(t->dir, "file");
	int fd = file_create(path, 4 * MIB, 1);
	int hole = file_create_empty(path_in(t->dir, "hole"));
	int unwritten = file_create_empty(path_in(t->dir, "unwritten"));
	int ro = open_file(path, O_RDONLY), wo = open_file(path, O_WRONLY), opath = open_file(path, O_PATH);
	int dir = open_file(t->dir, O_RDONLY | O_DIRECTORY), zero = open_file("/dev/zero", O_RDWR);
	int tmpfs = open_file("/run/daxlease-test", O_RDWR | O_CREAT);
	int over = open_file("/root/daxlease-test", O_RDWR | O_CREAT);
	int proc = open_file("/proc/self/maps", O_RDONLY);
	const struct {
		const char *desc;
		int fd;
		uint64_t offset, length;
		uint32_t flags;
		int want;
	} rows[] = {
		{ "a file on tmpfs", tmpfs, 0, MIB, READ, -EOPNOTSUPP },
		{ "a file on overlayfs", over, 0, MIB, READ, -EOPNOTSUPP },
		{ "a file of proc", proc, 0, MIB, READ, -EOPNOTSUPP },
		{ "a device", zero, 0, MIB, READ, -EOPNOTSUPP },
		{ "a directory", dir, 0, MIB, READ, -EISDIR },
		{ "an unaligned offset", fd, 100, MIB, READ, -EINVAL },
		{ "an unaligned length", fd, 0, 100, READ, -EINVAL },
		{ "an empty range", fd, 0, 0, READ, -EINVAL },
		{ "a range that overflows", fd, -(uint64_t)PAGE, 2 * PAGE, READ, -EINVAL },
		{ "a negative offset", fd, 1ULL << 63, PAGE, READ, -EINVAL },
		{ "a range past the last whole page", fd, 4 * MIB, PAGE, WRITE, -EINVAL },
		{ "a range past the end of the file", fd, 0, 1024 * MIB, READ, -EINVAL },
		{ "a hole, to read", hole, 0, MIB, READ, -ENODATA },
		{ "unwritten blocks, to read", unwritten, 0, MIB, READ, -ENODATA },
		{ "a read-only descriptor, to write", ro, 0, MIB, WRITE, -EBADF },
		{ "a write-only descriptor", wo, 0, MIB, WRITE, -EBADF },
		{ "an O_PATH descriptor", opath, 0, MIB, READ, -EBADF },
		{ "no descriptor", -1, 0, MIB, READ, -EBADF },
		{ "neither read nor write", fd, 0, MIB, 0, -EINVAL },
	};
	int ctx = lease_open();

	CHECK_SYS(ftruncate(fd, 4 * MIB + 100));
	CHECK_SYS(ftruncate(tmpfs, 2 * MIB));
	CHECK_SYS(ftruncate(over, 2 * MIB));
	CHECK_SYS(ftruncate(hole, 2 * MIB));
	CHECK_SYS(fallocate(unwritten, 0, 0, 2 * MIB));
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_RET(lease_acquire(ctx, rows[i].fd, rows[i].offset, rows[i].length, rows[i].flags, 0, NULL),
			  rows[i].want, "%s", rows[i].desc);
		story("%s: %s", rows[i].desc, ret_name(rows[i].want));
	}
	CHECK_EQ(lease_count(), 0);
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);

	/* What is refused for reading is allocated for writing */
	CHECK_RET(lease_acquire(ctx, hole, 0, MIB, WRITE, 0, NULL), 0);
	CHECK_RET(lease_acquire(ctx, unwritten, 0, MIB, WRITE, 0, NULL), 0);
	CHECK_RET(lease_acquire(ctx, ro, 0, MIB, READ, 0, NULL), 0);
	CHECK_EQ(file_differs_from_byte(hole, 0, 2 * MIB, 0), -1);
	unlink("/run/daxlease-test");
	unlink("/root/daxlease-test");
}

static void nondax(const struct test *t)
{
	int ctx = lease_open(), fd;

	CHECK_EQ(shell("mkdir -p /run/img /run/nodax && truncate -s 320M /run/img/disk && mkfs.%s -q /run/img/disk "
		       "&& modprobe -C /dev/null loop; mount -o loop /run/img/disk /run/nodax", t->fs), 0,
		 "cannot mount %s without DAX", t->fs);
	fd = open_file("/run/nodax/file", O_RDWR | O_CREAT);
	CHECK_SYS(ftruncate(fd, 2 * MIB));
	CHECK_RET(lease_acquire(ctx, fd, 0, MIB, READ, 0, NULL), -EOPNOTSUPP);
	CHECK_RET(lease_acquire(ctx, fd, 0, MIB, WRITE, 0, NULL), -EOPNOTSUPP);
	close(fd);
	CHECK_EQ(shell("umount /run/nodax && rm /run/img/disk"), 0);
	story("a file on %s without DAX: EOPNOTSUPP", t->fs);
}

static void shared_extents(const struct test *t)
{
	struct op clone = { .kind = OP_CLONE, .path = path_in(t->dir, "file"), .other = path_in(t->dir, "copy") };
	struct daxlease_acquire a;
	int ctx = lease_open();
	int fd = file_create(clone.path, 4 * MIB, 1), copy = file_create_empty(clone.other);

	CHECK_RET(op_do(&clone), 0);
	CHECK(file_shared(fd, 0, 4 * MIB));
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, READ, 0, NULL), -EMLINK);
	CHECK_RET(lease_acquire(ctx, copy, 0, 4 * MIB, READ, 0, NULL), -EMLINK);
	story("shared extents, to read: EMLINK");
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, WRITE, 0, &a), 0);
	CHECK(!file_shared(fd, 0, 2 * MIB), "a write lease over shared blocks");
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
	CHECK_PATTERN(copy, 0, 4 * MIB, 1);
	CHECK_RET(lease_release(ctx, a.id), 0);
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, READ, 0, &a), 0, "after a copy on write");
}

/* Copying what is shared around a lease leaves the lease alone, though it is in the same granule */
static void unshare_around(const struct test *t)
{
	struct op clone = { .kind = OP_CLONE, .path = path_in(t->dir, "file"), .other = path_in(t->dir, "copy") };
	int fd = file_create(clone.path, 4 * MIB, 1), copy = file_create_empty(clone.other);
	struct daxlease_acquire inner;
	int ctx = lease_open();

	CHECK_RET(op_do(&clone), 0);
	CHECK_RET(lease_acquire(ctx, fd, MIB, 16 * PAGE, WRITE, 0, &inner), 0);
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, WRITE, 0, NULL), 0);
	CHECK(!file_shared(fd, 0, 4 * MIB));
	CHECK_EQ(lease_lost(ctx, inner.id), 0);
	CHECK_EQ(lease_event(ctx, &(struct daxlease_event){ 0 }, 0), 0, "somebody lost something");
	CHECK_PATTERN(fd, 0, 4 * MIB, 1);
	CHECK_PATTERN(copy, 0, 4 * MIB, 1);
}

static void private_mapping(const struct test *t)
{
	int fd = file_create(path_in(t->dir, "file"), 4 * MIB, 1);
	struct vfio v;
	void *map;

	vfio_open(&v);
	map = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_RET(vfio_map(&v, map, HELD_IOVA, 4 * MIB, VFIO_RW), -EOPNOTSUPP);
	CHECK_RET(vfio_map(&v, map, HELD_IOVA, 4 * MIB, VFIO_DMA_MAP_FLAG_READ), -EOPNOTSUPP);
	CHECK_EQ(lease_count(), 0);
	munmap(map, 4 * MIB);
	map = mmap(NULL, 4 * MIB, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_RET(vfio_map(&v, map, HELD_IOVA, 4 * MIB, VFIO_RW), -EFAULT, "write through a read-only mapping");
	CHECK_EQ(lease_count(), 0);
	CHECK_RET(vfio_map(&v, map, HELD_IOVA, 4 * MIB, VFIO_DMA_MAP_FLAG_READ), 0);
	story("a private mapping: EOPNOTSUPP; a read-only mapping, for the device to write: EFAULT");
}

struct as_user {
	const char *path;
	int pidfd;
};

/* Somebody who may open the device and the file, and owns neither the file nor the process */
static int stranger(void *arg)
{
	struct as_user *u = arg;
	struct daxlease_info info;
	int ctx, fd;

	ctx = lease_open();
	fd = open_file(u->path, O_RDWR);
	CHECK_SYS(setresgid(1000, 1000, 1000));
	CHECK_SYS(setresuid(1000, 1000, 1000));
	CHECK_RET(lease_acquire(ctx, fd, 0, MIB, READ, 0, NULL), -EACCES);
	CHECK_RET(lease_break(ctx, fd, 0, MIB, NULL), -EACCES);
	CHECK_RET(lease_watch(ctx, CHECK_SYS(pidfd_open(getppid(), 0)), 0, 0), -EACCES);
	CHECK_RET(lease_info(ctx, &info), 0);
	CHECK_RET(lease_watch(ctx, CHECK_SYS(pidfd_open(getpid(), 0)), 0, info.grace_max_ns + 1), -EPERM);
	return 0;
}

static void strangers(const struct test *t)
{
	struct as_user u = { .path = path_in(t->dir, "file") };
	struct breaker b;

	close(file_create(u.path, 4 * MIB, 1));
	breaker_start_fn(&b, stranger, &u, -1);
	CHECK_RET(breaker_join(&b, 10000).ret, 0);
	CHECK_EQ(lease_count(), 0);
	story("a user who owns neither file nor process: ACQUIRE, BREAK and WATCH: EACCES; a grace above "
	      "the limit: EPERM");
}

/* A process that locks what it maps, and may not lock as much. Called by who owns the file */
static int locks_all(void *arg)
{
	const struct rlimit limit = { 4 * MIB, 4 * MIB };
	int ctx = lease_open(), fd = open_file(arg, O_RDWR);

	CHECK_SYS(setresuid(1000, 1000, 1000));
	CHECK_SYS(setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK_SYS(mlockall(MCL_FUTURE));
	return lease_acquire(ctx, fd, 0, 8 * MIB, WRITE | DAXLEASE_WAIT, 0, NULL);
}

/* mmap(2) says EAGAIN, which here is worth another try */
static void locked_memory(const struct test *t)
{
	char *path = (char *)path_in(t->dir, "file");
	struct breaker b;

	close(file_create(path, 8 * MIB, 1));
	CHECK_SYS(chown(path, 1000, 1000));
	breaker_start_fn(&b, locks_all, path, -1);
	CHECK_RET(breaker_join(&b, 10000).ret, -ENOMEM);
}

static int too_many(void *arg)
{
	const char *path = arg;
	int ctx = lease_open(), fd;

	fd = open_file(path, O_RDWR);
	CHECK_SYS(setresuid(1000, 1000, 1000));
	for (int i = 0; i < 3; i++)
		CHECK_RET(lease_acquire(ctx, fd, 0, PAGE, READ, 0, NULL), 0, "lease %d", i);
	return lease_acquire(ctx, fd, 0, PAGE, READ, 0, NULL);
}

static void limits(const struct test *t)
{
	static const char *const names[] = { "max_leases_per_user", "max_leases_per_fs", "max_leases" };
	char *path = (char *)path_in(t->dir, "file"), parameter[128], old[32];
	struct breaker b;

	close(file_create(path, 4 * MIB, 1));
	CHECK_SYS(chown(path, 1000, 1000));
	for (int i = 0; i < 3; i++) {
		snprintf(parameter, sizeof(parameter), "/sys/module/daxlease/parameters/%s", names[i]);
		CHECK(read_text(parameter, old, sizeof(old)) > 0);
		CHECK_RET(write_text(parameter, "3"), 0);
		breaker_start_fn(&b, too_many, path, -1);
		CHECK_RET(breaker_join(&b, 10000).ret, -ENOSPC, "%s", names[i]);
		CHECK_RET(write_text(parameter, old), 0);
	}
}

/* A descriptor without write access must not be a way to break leases */
static void readonly_breaks_nothing(const struct test *t)
{
	const char *path = path_in(t->dir, "file");
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx, fd, ro;

	fd = file_create(path, 4 * MIB, 1);
	ro = open_file(path, O_RDONLY);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, WRITE, 0, &a), 0);
	CHECK(fallocate(ro, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MIB) && errno == EBADF);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, MIB) && errno == EOPNOTSUPP);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, -1, MIB) && errno == EINVAL);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1LL << 62, 1LL << 62) && errno == EFBIG);
	CHECK(ftruncate(ro, 0) && errno == EINVAL);
	CHECK(ftruncate(fd, -1) && errno == EINVAL);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "an operation that fails its checks broke the lease");
	CHECK_EQ(lease_lost(ctx, a.id), 0);
}

const struct testcase refuse_cases[] = {
	{ "unfit-files-and-ranges-refused",
	  "what cannot be leased is refused with the documented errno",
	  ranges_and_files, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ "file-without-dax-refused",
	  "a file on the same kind of filesystem without DAX is refused",
	  nondax, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ "unsharing-leaves-neighbours-alone",
	  "a write lease that copies shared blocks takes nothing from a lease in the middle of them",
	  unshare_around, ON_XFS | NEEDS_CORE, 60 },
	{ "shared-extents-refused-to-read",
	  "shared blocks are refused to a read lease and copied for a write lease",
	  shared_extents, ON_XFS | NEEDS_CORE | DEMO, 60 },
	{ "private-mapping-refused",
	  "a private mapping is refused to the device",
	  private_mapping, ON_ANY | NEEDS_VFIO | DEMO, 0 },
	{ "strangers-refused",
	  "who owns neither the file nor the process gets an errno",
	  strangers, ON_ANY | NEEDS_CORE | DEMO, 0 },
	{ "locked-memory-is-limited",
	  "a process that locks what it maps is refused above its limit, for good",
	  locked_memory, ON_ANY | NEEDS_CORE, 0 },
	{ "too-many-leases-refused",
	  "leases are limited per user, per filesystem and in all",
	  limits, ON_ANY | NEEDS_CORE, 0 },
	{ "failing-operations-break-nothing",
	  "an operation that fails its own checks breaks no lease",
	  readonly_breaks_nothing, ON_ANY | NEEDS_CORE, 0 },
	{ 0 }
};
