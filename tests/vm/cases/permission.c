// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what. The table below is that of Documentation.md, which the static checks compare; each of its cells
 * is tried by a process that has become the actor of the row. It has the descriptors of file and context from root,
 * so what answers is the module's own rule and not the mode of a file.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER		1000
#define OTHER		1001
#define MAPPED		2000	/* the owner on the idmapped mount */
#define LONG_GRACE	(2000 * MS)
#define FILE_SIZE	(8 * MIB)
#define SOON_MS		10000

static const char table[] =
"| caller | INFO | ACQUIRE, BREAK | grace above the limit | QUERY, ACK, FLUSH, RELEASE | REARM | WATCH a process of the owner | WATCH one that ran a setuid program | WATCH all |\n"
"| root | ok | ok | ok | ok | ok | ok | ok | ok |\n"
"| owner of the file | ok | ok | EPERM | ok | ok | ok | EACCES | EPERM |\n"
"| another user | ok | EACCES | EACCES | ok | EACCES | EACCES | EACCES | EPERM |\n"
"| another user with CAP_LEASE | ok | ok | ok | ok | EACCES | EACCES | EACCES | EPERM |\n"
"| root of a user namespace made by another user | ok | EACCES | EACCES | ok | EACCES | EACCES | EACCES | EPERM |\n"
"| root of a container, who is the owner outside | ok | ok | EPERM | ok | ok | EACCES | EACCES | EPERM |\n"
"| owner by an idmapped mount | ok | ok | EPERM | ok | ok | EACCES | EACCES | EPERM |\n"
"| owner by uid, on an idmapped mount that says otherwise | ok | EACCES | EACCES | ok | EACCES | ok | EACCES | EPERM |\n";

/* What a row's process is given */
struct stage {
	int fd;			/* of the file, by the mount of the row */
	int ctx;		/* opened by root */
	uint64_t lease;		/* granule 0 is lost, granule 1 live */
	uint64_t generation;
	uint64_t break_id;	/* that is over */
	uint64_t spare;		/* a lease to release */
	pid_t plain;		/* a process of the owner */
	pid_t setuid;		/* one that has executed a setuid program */
};

static int do_info(const struct stage *s)
{
	struct daxlease_info info;

	return lease_info(s->ctx, &info);
}

static int acquire(const struct stage *s, uint64_t grace)
{
	struct daxlease_acquire a;
	int ret = lease_acquire(s->ctx, s->fd, 6 * MIB, 2 * MIB, DAXLEASE_WRITE, grace, &a);

	return ret ?: lease_release(s->ctx, a.id);
}

/* One rule for both */
static int do_acquire(const struct stage *s)
{
	int ret = acquire(s, 0);

	CHECK_RET(lease_break(s->ctx, s->fd, 6 * MIB, 2 * MIB, NULL), ret, "BREAK");
	CHECK_RET(lease_acquire(s->ctx, s->fd, 6 * MIB, 2 * MIB, DAXLEASE_READ, 1, NULL), ret, "for reading");
	return ret;
}

static int do_long_grace(const struct stage *s)
{
	return acquire(s, LONG_GRACE);
}

static int do_own(const struct stage *s)
{
	struct daxlease_query q;

	CHECK_RET(lease_query(s->ctx, s->lease, &q, NULL, 0), 0);
	CHECK_RET(lease_ack(s->ctx, s->lease, s->generation, s->break_id), 0);
	CHECK_RET(lease_flush(s->ctx, s->lease, 2 * MIB, 2 * MIB), 0);
	return lease_release(s->ctx, s->spare);
}

static int do_rearm(const struct stage *s)
{
	return lease_rearm(s->ctx, s->lease, 0, 2 * MIB, NULL);
}

static int watch(const struct stage *s, pid_t pid)
{
	int pidfd = CHECK_SYS(pidfd_open(pid, 0)), ret = lease_watch(s->ctx, pidfd, 0, 1);

	close(pidfd);
	return ret;
}

static int do_watch(const struct stage *s)
{
	return watch(s, s->plain);
}

static int do_watch_setuid(const struct stage *s)
{
	return watch(s, s->setuid);
}

static int do_watch_all(const struct stage *s)
{
	return lease_watch(s->ctx, -1, DAXLEASE_WATCH_ALL, 1);
}

static int (*const columns[])(const struct stage *s) = {
	do_info, do_acquire, do_long_grace, do_own, do_rearm, do_watch, do_watch_setuid, do_watch_all,
};

#define COLUMNS	(sizeof(columns) / sizeof(*columns))

/* ---- who ---- */

static void be_user(uid_t uid)
{
	CHECK_SYS(setgroups(0, NULL));
	CHECK_SYS(setresgid(uid, uid, uid));
	CHECK_SYS(setresuid(uid, uid, uid));
	CHECK_SYS(prctl(PR_SET_DUMPABLE, 1));	/* else its files in proc are root's, and nobody may trace it */
}

static void keep_cap_lease(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = {
		{ .effective = 1U << CAP_LEASE, .permitted = 1U << CAP_LEASE },
	};

	CHECK_SYS(prctl(PR_SET_KEEPCAPS, 1));
	be_user(OTHER);
	CHECK_SYS(syscall(SYS_capset, &head, caps));
}

static void be_namespace_root(uid_t outside)
{
	char map[32];

	be_user(outside);
	CHECK_SYS(unshare(CLONE_NEWUSER | CLONE_NEWNS));
	snprintf(map, sizeof(map), "0 %u 1", outside);
	CHECK_RET(write_text("/proc/self/setgroups", "deny"), 0);
	CHECK_RET(write_text("/proc/self/uid_map", map), 0);
	CHECK_RET(write_text("/proc/self/gid_map", map), 0);
	CHECK_EQ(getuid(), 0);
}

static void be_other(void) { be_user(OTHER); }
static void be_owner(void) { be_user(OWNER); }
static void be_mapped(void) { be_user(MAPPED); }
static void be_other_root(void) { be_namespace_root(OTHER); }
static void be_owner_root(void) { be_namespace_root(OWNER); }
static void be_root(void) { }

static const struct {
	void (*become)(void);
	bool idmapped;
} rows[] = {
	{ be_root, false }, { be_owner, false }, { be_other, false }, { keep_cap_lease, false }, { be_other_root, false },
	{ be_owner_root, false }, { be_mapped, true }, { be_owner, true },
};

#define ROWS	(sizeof(rows) / sizeof(*rows))

/* ---- the stage ---- */

/* A user namespace in which the owner is MAPPED: what an idmapped mount wants. Its process may go */
static int mapping_namespace(void)
{
	int ends[2], fd;
	char path[64], c = 0;
	pid_t pid;

	CHECK_SYS(pipe2(ends, O_CLOEXEC));
	pid = CHECK_SYS(fork());
	if (!pid) {
		CHECK_SYS(unshare(CLONE_NEWUSER));
		CHECK_EQ(write(ends[1], &c, 1), 1);
		pause();
	}
	CHECK_EQ(read(ends[0], &c, 1), 1);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, i ? "gid_map" : "uid_map");
		CHECK_RET(write_text(path, "1000 2000 1"), 0);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_SYS(kill(pid, SIGKILL));
	CHECK_SYS(waitpid(pid, NULL, 0));
	return fd;
}

static int open_idmapped(const char *dir, const char *name)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = mapping_namespace() };
	int tree = CHECK_SYS(open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)), fd;

	CHECK_SYS(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
	fd = CHECK_SYS(openat(tree, name, O_RDWR));
	close(attr.userns_fd);
	close(tree);
	return fd;
}

/* A process of the owner; with @program it has executed that */
static pid_t start_target(const char *program)
{
	int ends[2];
	pid_t pid;
	char c;

	CHECK_SYS(pipe2(ends, O_CLOEXEC));
	pid = CHECK_SYS(fork());
	if (!pid) {
		be_user(OWNER);
		close(ends[0]);
		if (program)
			execl(program, program, "1000", NULL);	/* closes the pipe */
		close(ends[1]);
		pause();
		_exit(1);
	}
	close(ends[1]);
	CHECK_EQ(read(ends[0], &c, 1), 0);
	close(ends[0]);
	return pid;
}

static void set_stage(struct stage *s)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;

	s->ctx = lease_open();
	CHECK_RET(lease_acquire(s->ctx, s->fd, 0, 4 * MIB, DAXLEASE_WRITE, 0, &a), 0);
	CHECK_RET(lease_break(s->ctx, s->fd, 0, 2 * MIB, NULL), 0);
	CHECK(lease_wait(s->ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_ack(s->ctx, a.id, a.generation, ev.break_id), 0);
	s->lease = a.id;
	s->generation = a.generation;
	s->break_id = ev.break_id;
	CHECK_RET(lease_acquire(s->ctx, s->fd, 4 * MIB, 2 * MIB, DAXLEASE_WRITE, 0, &a), 0);
	s->spare = a.id;
}

/* The next cell of a line of the table, trimmed */
static char *cell(char **line)
{
	char *from = *line + strspn(*line, "| "), *end = from + strcspn(from, "|");

	*line = end;
	while (end > from && end[-1] == ' ')
		end--;
	if (**line)
		(*line)++;
	*end = 0;
	return from;
}

static void try_row(const struct stage *s, unsigned int row, char *text)
{
	const char *who = cell(&text), *want;
	pid_t pid;
	int ret, status;

	pid = CHECK_SYS(fork());
	if (pid) {
		CHECK_SYS(waitpid(pid, &status, 0));
		CHECK_EQ(status, 0, "%s", who);
		return;
	}
	rows[row].become();
	for (unsigned int c = 0; c < COLUMNS; c++) {
		want = cell(&text);
		ret = columns[c](s);
		CHECK(!strcmp(ret ? ret_name(ret) + 1 : "ok", ret ? want + 1 : want), "%s, column %u: %s, not %s", who, c + 1,
		      ret_name(ret), want);
	}
	_exit(0);
}

static void permissions(const struct test *t)
{
	struct stage s = { 0 };
	char text[sizeof(table)], *save, *row;
	int plain = file_create(path_in(t->dir, "file"), FILE_SIZE, 1), mapped;

	CHECK_SYS(fchown(plain, OWNER, OWNER));
	CHECK_SYS(fchmod(plain, 0600));
	mapped = open_idmapped(t->dir, "file");
	CHECK_EQ(shell("cp /bin/sleep /run/setuid-sleep && chmod 4755 /run/setuid-sleep"), 0);
	s.plain = start_target(NULL);
	s.setuid = start_target("/run/setuid-sleep");
	memcpy(text, table, sizeof(table));
	row = strtok_r(text, "\n", &save);	/* the headings */
	CHECK(row);
	for (unsigned int i = 0; i < ROWS; i++) {
		row = strtok_r(NULL, "\n", &save);
		CHECK(row, "the table has fewer rows");
		s.fd = rows[i].idmapped ? mapped : plain;
		set_stage(&s);
		try_row(&s, i, row);
		close(s.ctx);
	}
	CHECK(!strtok_r(NULL, "\n", &save), "the table has more rows");
	CHECK_SYS(kill(s.plain, SIGKILL));
	CHECK_SYS(kill(s.setuid, SIGKILL));
}

/* ---- who is named ---- */

/* In a pid namespace of its own: the breaker is outside */
static int read_event_inside(void *arg)
{
	struct daxlease_event ev;
	int ctx = *(int *)arg, status;
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		return -errno;
	pid = fork();
	if (!pid) {
		CHECK_EQ(lease_event(ctx, &ev, SOON_MS), 1);
		CHECK(ev.bits & DAXLEASE_EVENT_BREAK);
		CHECK_EQ(ev.pid, 0, "a process is named that this namespace does not have");
		CHECK_EQ(strlen(ev.comm), 0, "%s", ev.comm);
		CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -EINVAL;
}

static void named_where_visible(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .length = 2 * MIB };
	int fd = file_create(op.path, 4 * MIB, 1), ctx = lease_open();
	struct breaker reader, breaker;
	struct daxlease_event ev;

	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, 900 * MS, NULL), 0);
	breaker_start_fn(&reader, read_event_inside, &ctx, ctx);
	breaker_start(&breaker, &op);
	CHECK_RET(breaker_join(&reader, SOON_MS).ret, 0);
	CHECK_RET(breaker_join(&breaker, SOON_MS).ret, 0);

	op.offset = 2 * MIB;
	breaker_start(&breaker, &op);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.pid, breaker.pid);
	CHECK(!strcmp(ev.comm, "breaker"));
	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&breaker, SOON_MS).ret, 0);
}

const struct testcase permission_cases[] = {
	{ "permissions-are-as-documented",
	  "each caller of the table in Documentation.md is allowed each ioctl, or gets the error, that the table says",
	  permissions, ON_ANY | NEEDS_CORE, 60 },
	{ "breaker-is-named-where-visible",
	  "a reader in another pid namespace is told neither pid nor name of the breaker",
	  named_where_visible, ON_ANY | NEEDS_CORE, 0 },
	{ 0 }
};
