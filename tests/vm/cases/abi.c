// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input to each ioctl: the errno that uapi/daxlease.h promises, and nothing changed.
 *
 * Every test starts from a call that is right (its reason to fail, if it does, is in the table), spoils
 * one thing, and expects the error. The lease that all of it happens to is compared before and after.
 */
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SIZE	(8 * MIB)

/**
 * struct abi - what the tests share
 * @ctx: a context that holds one lease over [0, 4 MiB) of the file
 * @other: another context, empty
 * @fd: the file, read and write
 * @ro: the file, read only
 * @dir: its directory
 * @pidfd: this process
 * @lease: as acquired
 */
struct abi {
	int ctx;
	int other;
	int fd;
	int ro;
	int dir;
	int pidfd;
	struct daxlease_acquire lease;
};

union arg {
	struct daxlease_info info;
	struct daxlease_acquire acquire;
	struct daxlease_release release;
	struct daxlease_query query;
	struct daxlease_ack ack;
	struct daxlease_rearm rearm;
	struct daxlease_export_dmabuf export;
	struct daxlease_flush flush;
	struct daxlease_watch watch;
	struct daxlease_break brk;
	uint32_t size;
	unsigned char bytes[512];
};

/**
 * struct abi_ioctl - one ioctl and a right call of it
 * @name: for messages
 * @cmd: its number
 * @size: of its structure
 * @fill: makes @arg right; it is zero but for the size. NULL: that is right
 * @right: what the right call returns
 */
struct abi_ioctl {
	const char *name;
	unsigned long cmd;
	size_t size;
	void (*fill)(const struct abi *a, union arg *arg);
	int right;
};

static void fill_acquire(const struct abi *a, union arg *arg)
{
	arg->acquire.flags = DAXLEASE_WRITE;
	arg->acquire.fd = a->fd;
	arg->acquire.offset = 4 * MIB;
	arg->acquire.length = 2 * MIB;
}

static void fill_release(const struct abi *a, union arg *arg)
{
	arg->release.id = a->lease.id + 1000000;	/* not to release the lease of the test */
}

static void fill_query(const struct abi *a, union arg *arg)
{
	arg->query.id = a->lease.id;
}

static void fill_ack(const struct abi *a, union arg *arg)
{
	arg->ack.id = a->lease.id;
	arg->ack.generation = a->lease.generation;
	arg->ack.break_id = 1000000;			/* there was no break */
}

static void fill_rearm(const struct abi *a, union arg *arg)
{
	arg->rearm.id = a->lease.id + 1000000;
	arg->rearm.length = 2 * MIB;
}

static void fill_export(const struct abi *a, union arg *arg)
{
	arg->export.id = a->lease.id + 1000000;
	arg->export.length = 2 * MIB;
	arg->export.fd_flags = O_CLOEXEC | O_RDWR;
}

static void fill_flush(const struct abi *a, union arg *arg)
{
	arg->flush.id = a->lease.id;
	arg->flush.length = 2 * MIB;
}

static void fill_watch(const struct abi *a, union arg *arg)
{
	arg->watch.pidfd = a->pidfd;
}

static void fill_break(const struct abi *a, union arg *arg)
{
	arg->brk.fd = a->fd;
	arg->brk.offset = 6 * MIB;			/* beyond the lease */
	arg->brk.length = 2 * MIB;
}

enum { INFO, ACQUIRE, RELEASE, QUERY, ACK, REARM, EXPORT, FLUSH, WATCH, BREAK, IOCTLS };

static const struct abi_ioctl ioctls[IOCTLS] = {
	[INFO] = { "INFO", DAXLEASE_INFO, sizeof(struct daxlease_info), NULL, 0 },
	[ACQUIRE] = { "ACQUIRE", DAXLEASE_ACQUIRE, sizeof(struct daxlease_acquire), fill_acquire, 0 },
	[RELEASE] = { "RELEASE", DAXLEASE_RELEASE, sizeof(struct daxlease_release), fill_release, -ENOENT },
	[QUERY] = { "QUERY", DAXLEASE_QUERY, sizeof(struct daxlease_query), fill_query, 0 },
	[ACK] = { "ACK", DAXLEASE_ACK, sizeof(struct daxlease_ack), fill_ack, -ESTALE },
	[REARM] = { "REARM", DAXLEASE_REARM, sizeof(struct daxlease_rearm), fill_rearm, -ENOENT },
	[EXPORT] = { "EXPORT_DMABUF", DAXLEASE_EXPORT_DMABUF, sizeof(struct daxlease_export_dmabuf), fill_export, -ENOENT },
	[FLUSH] = { "FLUSH", DAXLEASE_FLUSH, sizeof(struct daxlease_flush), fill_flush, 0 },
	[WATCH] = { "WATCH", DAXLEASE_WATCH, sizeof(struct daxlease_watch), fill_watch, 0 },
	[BREAK] = { "BREAK", DAXLEASE_BREAK, sizeof(struct daxlease_break), fill_break, 0 },
};

/* What is put into the spoilt member: a constant, or something that only exists at run time */
enum source { CONSTANT, FD_RO, FD_DIR, FD_PATH, FD_MEMFD, FD_PIPE, FD_FILE, FD_CTX, PIDFD_DEAD };

/**
 * struct bad - one thing spoilt
 * @nr: in a right call of this ioctl
 * @desc: what is wrong
 * @offset: member of the structure
 * @width: its bytes
 * @source: what to put there
 * @value: for CONSTANT
 * @want: the errno
 */
struct bad {
	int nr;
	const char *desc;
	size_t offset;
	size_t width;
	enum source source;
	uint64_t value;
	int want;
};

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define UNKNOWN_FLAG	0x40000000

static const struct bad bads[] = {
	{ INFO, "unknown flag", AT(daxlease_info, flags), CONSTANT, 1, -EINVAL },

	{ ACQUIRE, "unknown flag", AT(daxlease_acquire, flags), CONSTANT, UNKNOWN_FLAG | DAXLEASE_WRITE, -EINVAL },
	{ ACQUIRE, "neither READ nor WRITE", AT(daxlease_acquire, flags), CONSTANT, 0, -EINVAL },
	{ ACQUIRE, "only SYNC", AT(daxlease_acquire, flags), CONSTANT, DAXLEASE_SYNC, -EINVAL },
	{ ACQUIRE, "reserved member", AT(daxlease_acquire, __reserved), CONSTANT, 1, -EINVAL },
	{ ACQUIRE, "fd -1", AT(daxlease_acquire, fd), CONSTANT, -1, -EBADF },
	{ ACQUIRE, "fd not open", AT(daxlease_acquire, fd), CONSTANT, 99999, -EBADF },
	{ ACQUIRE, "read-only fd for a write lease", AT(daxlease_acquire, fd), FD_RO, 0, -EBADF },
	{ ACQUIRE, "O_PATH fd", AT(daxlease_acquire, fd), FD_PATH, 0, -EBADF },
	{ ACQUIRE, "directory", AT(daxlease_acquire, fd), FD_DIR, 0, -EISDIR },
	{ ACQUIRE, "memfd", AT(daxlease_acquire, fd), FD_MEMFD, 0, -EOPNOTSUPP },
	{ ACQUIRE, "pipe", AT(daxlease_acquire, fd), FD_PIPE, 0, -EOPNOTSUPP },
	{ ACQUIRE, "/dev/daxlease itself", AT(daxlease_acquire, fd), FD_CTX, 0, -EOPNOTSUPP },
	{ ACQUIRE, "unaligned offset", AT(daxlease_acquire, offset), CONSTANT, 4 * MIB + 1, -EINVAL },
	{ ACQUIRE, "unaligned length", AT(daxlease_acquire, length), CONSTANT, 2 * MIB - 1, -EINVAL },
	{ ACQUIRE, "empty range", AT(daxlease_acquire, length), CONSTANT, 0, -EINVAL },
	{ ACQUIRE, "end overflows 64 bits", AT(daxlease_acquire, offset), CONSTANT, -PAGE, -EINVAL },
	{ ACQUIRE, "offset above 2^63", AT(daxlease_acquire, offset), CONSTANT, 1ULL << 63, -EINVAL },
	{ ACQUIRE, "length above 2^63", AT(daxlease_acquire, length), CONSTANT, -2 * MIB, -EINVAL },
	{ ACQUIRE, "offset at the end of the file", AT(daxlease_acquire, offset), CONSTANT, FILE_SIZE, -EINVAL },
	{ ACQUIRE, "a page past the end", AT(daxlease_acquire, length), CONSTANT, 4 * MIB + PAGE, -EINVAL },

	{ RELEASE, "unknown flag", AT(daxlease_release, flags), CONSTANT, 1, -EINVAL },
	{ RELEASE, "id 0", AT(daxlease_release, id), CONSTANT, 0, -ENOENT },
	{ RELEASE, "id -1", AT(daxlease_release, id), CONSTANT, -1, -ENOENT },

	{ QUERY, "unknown flag", AT(daxlease_query, flags), CONSTANT, 1, -EINVAL },
	{ QUERY, "id 0", AT(daxlease_query, id), CONSTANT, 0, -ENOENT },
	{ QUERY, "id -1", AT(daxlease_query, id), CONSTANT, -1, -ENOENT },

	{ ACK, "unknown flag", AT(daxlease_ack, flags), CONSTANT, 1, -EINVAL },
	{ ACK, "id 0", AT(daxlease_ack, id), CONSTANT, 0, -ENOENT },
	{ ACK, "generation 0", AT(daxlease_ack, generation), CONSTANT, 0, -ESTALE },
	{ ACK, "a later generation", AT(daxlease_ack, generation), CONSTANT, 99, -ESTALE },
	{ ACK, "break 0", AT(daxlease_ack, break_id), CONSTANT, 0, -ESTALE },

	{ REARM, "unknown flag", AT(daxlease_rearm, flags), CONSTANT, 1, -EINVAL },
	{ EXPORT, "unknown flag", AT(daxlease_export_dmabuf, flags), CONSTANT, 1, -EINVAL },
	{ EXPORT, "unknown fd flag", AT(daxlease_export_dmabuf, fd_flags), CONSTANT, UNKNOWN_FLAG, -EINVAL },

	{ FLUSH, "unknown flag", AT(daxlease_flush, flags), CONSTANT, 1, -EINVAL },
	{ FLUSH, "id 0", AT(daxlease_flush, id), CONSTANT, 0, -ENOENT },
	{ FLUSH, "empty range", AT(daxlease_flush, length), CONSTANT, 0, -EINVAL },
	{ FLUSH, "end overflows 64 bits", AT(daxlease_flush, offset), CONSTANT, -PAGE, -EINVAL },
	{ FLUSH, "past the lease", AT(daxlease_flush, length), CONSTANT, 4 * MIB + PAGE, -EINVAL },

	{ WATCH, "unknown flag", AT(daxlease_watch, flags), CONSTANT, UNKNOWN_FLAG, -EINVAL },
	{ WATCH, "reserved member", AT(daxlease_watch, __reserved), CONSTANT, 1, -EINVAL },
	{ WATCH, "pidfd -1 without WATCH_ALL", AT(daxlease_watch, pidfd), CONSTANT, -1, -EBADF },
	{ WATCH, "pidfd not open", AT(daxlease_watch, pidfd), CONSTANT, 99999, -EBADF },
	{ WATCH, "pidfd is a file", AT(daxlease_watch, pidfd), FD_FILE, 0, -EBADF },
	{ WATCH, "the process has exited", AT(daxlease_watch, pidfd), PIDFD_DEAD, 0, -ESRCH },

	{ BREAK, "unknown flag", AT(daxlease_break, flags), CONSTANT, 1, -EINVAL },
	{ BREAK, "reserved member", AT(daxlease_break, __reserved), CONSTANT, 1, -EINVAL },
	{ BREAK, "fd -1", AT(daxlease_break, fd), CONSTANT, -1, -EBADF },
	{ BREAK, "read-only fd", AT(daxlease_break, fd), FD_RO, 0, -EBADF },
	{ BREAK, "O_PATH fd", AT(daxlease_break, fd), FD_PATH, 0, -EBADF },
	{ BREAK, "directory", AT(daxlease_break, fd), FD_DIR, 0, -EISDIR },
	{ BREAK, "memfd", AT(daxlease_break, fd), FD_MEMFD, 0, -EOPNOTSUPP },
	{ BREAK, "unaligned offset", AT(daxlease_break, offset), CONSTANT, 1, -EINVAL },
	{ BREAK, "unaligned length", AT(daxlease_break, length), CONSTANT, 1, -EINVAL },
	{ BREAK, "empty range", AT(daxlease_break, length), CONSTANT, 0, -EINVAL },
	{ BREAK, "end overflows 64 bits", AT(daxlease_break, offset), CONSTANT, -PAGE, -EINVAL },
};

static void set_up(struct abi *a, const struct test *t)
{
	const uint64_t all = DAXLEASE_CAP_REARM | DAXLEASE_CAP_DMABUF | DAXLEASE_CAP_FLUSH | DAXLEASE_CAP_WATCH |
			     DAXLEASE_CAP_WATCH_ALL;
	const char *path = path_in(t->dir, "file");
	struct daxlease_info info;

	a->fd = file_create(path, FILE_SIZE, 1);
	a->ro = CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	a->dir = CHECK_SYS(open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	a->pidfd = CHECK_SYS(pidfd_open(getpid(), 0));
	a->ctx = lease_open();
	a->other = lease_open();
	CHECK_RET(lease_info(a->ctx, &info), 0);
	CHECK_EQ(info.capabilities & all, all);
	CHECK_RET(lease_acquire(a->ctx, a->fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a->lease), 0);
}

/* A right call of @i, except that @arg is for the caller to spoil */
static void make_right(const struct abi *a, const struct abi_ioctl *i, union arg *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->size = i->size;
	if (i->fill)
		i->fill(a, arg);
}

static int do_ioctl(int ctx, unsigned long cmd, void *arg)
{
	return ioctl(ctx, cmd, arg) ? -errno : 0;
}

/* A call with a right @arg that succeeded may have to be undone */
static void undo(const struct abi *a, const struct abi_ioctl *i, const union arg *arg)
{
	if (i == &ioctls[ACQUIRE])
		CHECK_RET(lease_release(a->ctx, arg->acquire.id), 0);
}

/* The lease of the test is what it was, and there is no other */
static void check_unchanged(const struct abi *a, const struct daxlease_query *before, const char *what,
			    const char *desc)
{
	struct daxlease_query after;

	CHECK_RET(lease_query(a->ctx, a->lease.id, &after, NULL, 0), 0);
	CHECK(!memcmp(before, &after, sizeof(after)), "%s: %s: the lease has changed", what, desc);
	CHECK_EQ(lease_count(), 1, "%s: %s: leases", what, desc);
}

static void sizes_checked(const struct test *t)
{
	struct daxlease_query before;
	struct abi a;

	set_up(&a, t);
	CHECK_RET(lease_query(a.ctx, a.lease.id, &before, NULL, 0), 0);
	for (const struct abi_ioctl *i = ioctls; i < ioctls + IOCTLS; i++) {
		const struct {
			const char *desc;
			uint32_t size;
			unsigned char beyond;
			int want;
		} rows[] = {
			{ "exact", i->size, 0, i->right },
			{ "0", 0, 0, -EINVAL },
			{ "4", 4, 0, -EINVAL },
			{ "1 less", i->size - 1, 0, -EINVAL },
			{ "1 more, zero", i->size + 1, 0, i->right },
			{ "8 more, zero", i->size + 8, 0, i->right },
			{ "1 more, not zero", i->size + 1, 1, -E2BIG },
		};

		for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
			/* A context watches a process once only */
			int ret, ctx = i == &ioctls[WATCH] ? lease_open() : a.ctx;
			union arg arg;

			make_right(&a, i, &arg);
			arg.size = rows[n].size;
			arg.bytes[i->size] = rows[n].beyond;
			ret = do_ioctl(ctx, i->cmd, &arg);
			CHECK_RET(ret, rows[n].want, "%s of size %s", i->name, rows[n].desc);
			if (!ret)
				undo(&a, i, &arg);
			if (ctx != a.ctx)
				close(ctx);
			check_unchanged(&a, &before, i->name, rows[n].desc);
		}
	}
}

static void pointers_checked(const struct test *t)
{
	struct daxlease_query before, q;
	struct abi a;
	char *page;

	set_up(&a, t);
	CHECK_RET(lease_query(a.ctx, a.lease.id, &before, NULL, 0), 0);
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	CHECK_SYS(munmap(page + PAGE, PAGE));
	for (const struct abi_ioctl *i = ioctls; i < ioctls + IOCTLS; i++) {
		union arg arg;
		char *cut = page + PAGE - 8;

		CHECK_RET(do_ioctl(a.ctx, i->cmd, NULL), -EFAULT, "%s of NULL", i->name);
		make_right(&a, i, &arg);
		memcpy(cut, &arg, 8);
		CHECK_RET(do_ioctl(a.ctx, i->cmd, cut), -EFAULT, "%s cut off by the end of the mapping", i->name);
		check_unchanged(&a, &before, i->name, "bad pointer");
	}
	CHECK_RET(lease_query(a.ctx, a.lease.id, &q, page + PAGE, 8), -EFAULT, "bitmap");
}

static uint64_t take(const struct abi *a, enum source source, uint64_t value)
{
	static int pipes[2] = { -1, -1 };
	pid_t pid;
	int fd;

	switch (source) {
	case CONSTANT: return value;
	case FD_RO: return a->ro;
	case FD_DIR: return a->dir;
	case FD_FILE: return a->fd;
	case FD_CTX: return a->other;
	case FD_PATH: return CHECK_SYS(open("/proc/self/exe", O_PATH | O_CLOEXEC));
	case FD_MEMFD:
		fd = CHECK_SYS(memfd_create("abi", MFD_CLOEXEC));
		CHECK_SYS(ftruncate(fd, FILE_SIZE));
		return fd;
	case FD_PIPE:
		CHECK_SYS(pipe2(pipes, O_CLOEXEC));
		return pipes[1];
	case PIDFD_DEAD:
		pid = fork();
		if (!pid)
			_exit(0);
		fd = CHECK_SYS(pidfd_open(pid, 0));
		CHECK_SYS(waitpid(pid, NULL, 0));
		return fd;
	}
	return 0;
}

static void bad_members_refused(const struct test *t)
{
	struct daxlease_query before;
	unsigned int done = 0;
	struct abi a;

	set_up(&a, t);
	CHECK_RET(lease_query(a.ctx, a.lease.id, &before, NULL, 0), 0);
	for (size_t n = 0; n < sizeof(bads) / sizeof(bads[0]); n++) {
		const struct abi_ioctl *i = &ioctls[bads[n].nr];
		union arg arg, copy;
		uint64_t value;

		make_right(&a, i, &arg);
		value = take(&a, bads[n].source, bads[n].value);
		memcpy(arg.bytes + bads[n].offset, &value, bads[n].width);
		copy = arg;
		CHECK_RET(do_ioctl(a.ctx, i->cmd, &arg), bads[n].want, "%s: %s", i->name, bads[n].desc);
		CHECK(!memcmp(&arg, &copy, sizeof(arg)), "%s: %s: the structure was written", i->name, bads[n].desc);
		check_unchanged(&a, &before, i->name, bads[n].desc);
		done++;
	}
	CHECK_PATTERN(a.fd, 0, FILE_SIZE, 1);
	story("%u kinds of bad input: each got its errno and changed nothing", done);
}

static void foreign_ids_refused(const struct test *t)
{
	struct daxlease_query before, q;
	uint64_t id, generation;
	struct abi a;

	set_up(&a, t);
	id = a.lease.id;
	generation = a.lease.generation;
	CHECK_RET(lease_query(a.ctx, id, &before, NULL, 0), 0);
	CHECK_RET(lease_query(a.other, id, &q, NULL, 0), -ENOENT);
	CHECK_RET(lease_ack(a.other, id, generation, 1), -ENOENT);
	CHECK_RET(lease_release(a.other, id), -ENOENT);
	CHECK_RET(lease_rearm(a.other, id, 0, 2 * MIB, NULL), -ENOENT);
	CHECK_RET(lease_flush(a.other, id, 0, 2 * MIB), -ENOENT);
	check_unchanged(&a, &before, "another context", "foreign id");

	/* An id is never used again */
	CHECK_RET(lease_release(a.ctx, id), 0);
	CHECK_RET(lease_query(a.ctx, id, &q, NULL, 0), -ENOENT);
	CHECK_RET(lease_release(a.ctx, id), -ENOENT);
	CHECK_RET(lease_acquire(a.ctx, a.fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a.lease), 0);
	CHECK(a.lease.id != id, "the id of a released lease was used again");
}

static void unknown_ioctls_refused(const struct test *t)
{
	struct daxlease_event event;
	struct abi a;
	union arg arg;
	int fd;

	set_up(&a, t);
	memset(&arg, 0, sizeof(arg));
	arg.size = 16;
	CHECK_RET(do_ioctl(a.ctx, _IO(DAXLEASE_TYPE, 0), &arg), -ENOTTY);
	CHECK_RET(do_ioctl(a.ctx, _IO(DAXLEASE_TYPE, DAXLEASE_CMD_INFO - 1), &arg), -ENOTTY);
	CHECK_RET(do_ioctl(a.ctx, _IO(DAXLEASE_TYPE, DAXLEASE_CMD_BREAK + 1), &arg), -ENOTTY);
	CHECK_RET(do_ioctl(a.ctx, _IO(DAXLEASE_TYPE + 1, DAXLEASE_CMD_INFO), &arg), -ENOTTY);
	CHECK_RET(do_ioctl(a.ctx, _IOWR(DAXLEASE_TYPE, DAXLEASE_CMD_INFO, arg.info), &arg), -ENOTTY);

	/* Events: whole records only, and none is there */
	CHECK_EQ(read(a.ctx, &event, sizeof(event) - 1), -1);
	CHECK_EQ(errno, EINVAL, "a buffer too small for a record");
	CHECK_EQ(read(a.ctx, &event, sizeof(event)), -1);
	CHECK_EQ(errno, EAGAIN, "no event");
	fd = memfd_create("none", MFD_CLOEXEC);
	CHECK_RET(do_ioctl(fd, DAXLEASE_INFO, &arg), -ENOTTY, "not our device");
}

const struct testcase abi_cases[] = {
	{ "abi-sizes-are-checked",
	  "a structure too short, too long with zeroes, too long with more: EINVAL, works, E2BIG",
	  sizes_checked, ON_ANY | NEEDS_CORE, 0 },
	{ "abi-pointers-are-checked", "a pointer to nothing gives EFAULT",
	  pointers_checked, ON_ANY | NEEDS_CORE, 0 },
	{ "abi-bad-members-are-refused",
	  "bad fds, ranges, flags, ids and reserved members give the documented errno and change nothing",
	  bad_members_refused, ON_ANY | NEEDS_CORE | DEMO, 0 },
	{ "abi-foreign-ids-are-refused", "a lease can only be used through its own context; ids do not return",
	  foreign_ids_refused, ON_ANY | NEEDS_CORE, 0 },
	{ "abi-unknown-ioctls-are-refused", "unknown ioctls give ENOTTY",
	  unknown_ioctls_refused, ON_ANY | NEEDS_CORE, 0 },
	{ 0 }
};
