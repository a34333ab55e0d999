// SPDX-License-Identifier: GPL-2.0
/* What one user can have of leases and watches, and of the memory for them, whoever he pretends to be. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "param.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER		1000
#define SUBUID		100000
#define LIMIT		3
#define SOON_MS		20000
#define LONG_GRACE	(25000 * MS)

static int acquire(int ctx, int fd)
{
	return lease_acquire(ctx, fd, 0, PAGE, DAXLEASE_READ, 1, NULL);
}

/* ---- who is counted ---- */

/* A user namespace made by @creator, who is its root; its user 1 is SUBUID + 1. Returns in it, as that user */
static void enter_namespace(uid_t creator, uid_t root)
{
	int made[2], mapped[2];
	char path[64], map[64], c = 0;
	pid_t pid;

	CHECK_SYS(pipe(made));
	CHECK_SYS(pipe(mapped));
	pid = CHECK_SYS(fork());
	if (!pid) {	/* stands for newuidmap(1) */
		CHECK_EQ(read(made[0], &c, 1), 1);
		for (int i = 0; i < 2; i++) {
			snprintf(path, sizeof(path), "/proc/%d/%s", getppid(), i ? "gid_map" : "uid_map");
			snprintf(map, sizeof(map), "0 %u 1\n1 %u 1000\n", root, SUBUID + 1);
			CHECK_RET(write_text(path, map), 0);
		}
		CHECK_EQ(write(mapped[1], &c, 1), 1);
		_exit(0);
	}
	CHECK_SYS(setresgid(creator, creator, creator));
	CHECK_SYS(setresuid(creator, creator, creator));
	CHECK_SYS(prctl(PR_SET_DUMPABLE, 1));
	CHECK_SYS(unshare(CLONE_NEWUSER));
	CHECK_EQ(write(made[1], &c, 1), 1);
	CHECK_EQ(read(mapped[0], &c, 1), 1);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

struct member {
	const char *path;
	int ctx;
	int keep;	/* how many leases it takes and keeps with @ctx */
	uid_t creator, root, user;
};

/* Takes leases as @user of a namespace, on a file of that user's, with the context of the case */
static int member(void *arg)
{
	struct member *m = arg;
	int fd = CHECK_SYS(open(m->path, O_RDWR | O_CLOEXEC)), ret = 0;

	if (m->creator || m->root)
		enter_namespace(m->creator, m->root);
	CHECK_SYS(setresuid(m->user, m->user, m->user));
	for (int i = 0; !ret && i < m->keep; i++)
		ret = acquire(m->ctx, fd);
	return ret;
}

static int take(struct member *m, uid_t owner, int n)
{
	struct breaker b;

	CHECK_SYS(chown(m->path, owner, owner));
	m->keep = n;
	breaker_start_fn(&b, member, m, m->ctx);
	return breaker_join(&b, SOON_MS).ret;
}

static void counted(const struct test *t)
{
	struct member plain = { .path = path_in(t->dir, "file"), .user = USER };
	struct member subuid = { .path = plain.path, .creator = USER, .root = USER, .user = 1 };
	struct member ns_root = { .path = plain.path, .creator = USER, .root = USER, .user = 0 };
	struct member boxed = { .path = plain.path, .root = SUBUID, .user = 1 };
	struct member boxed_too = { .path = plain.path, .root = SUBUID, .user = 2 };
	struct member *all[] = { &plain, &subuid, &ns_root, &boxed, &boxed_too };
	int fd = file_create(plain.path, 2 * MIB, 1), ctx = lease_open();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		all[i]->ctx = ctx;
	param_set("max_leases_per_user", LIMIT);
	/* Each is another process, which has been forked and has the context from this one */
	CHECK_RET(take(&plain, USER, 1), 0);
	CHECK_RET(take(&subuid, SUBUID + 1, 1), 0, "a user of the namespace of %u", USER);
	CHECK_RET(take(&ns_root, USER, 1), 0);
	CHECK_RET(take(&plain, USER, 1), -ENOSPC, "its subordinate users have taken them");
	CHECK_RET(take(&subuid, SUBUID + 1, 1), -ENOSPC, "a subordinate user has a limit of his own");
	/* A container that root has made has one limit for all of its users, and takes nothing from root */
	CHECK_RET(take(&boxed, SUBUID + 1, 2), 0);
	CHECK_RET(take(&boxed_too, SUBUID + 2, 1), 0);
	CHECK_RET(take(&boxed_too, SUBUID + 2, 1), -ENOSPC, "each user of a container has a limit of his own");
	CHECK_SYS(fchown(fd, 0, 0));
	act_as(USER + 1);
	CHECK_RET(acquire(ctx, fd), -EACCES);
	act_as(0);
	CHECK_RET(acquire(ctx, fd), 0, "root pays for others");
	close(ctx);
	ctx = lease_open();
	plain.ctx = ctx;
	CHECK_RET(take(&plain, USER, LIMIT), 0, "leases that are gone are still counted");
	param_reset();
}

/* ---- watches ---- */

/* Waits until @pid has become a process that the caller may trace */
static int watch(int ctx, pid_t pid)
{
	int pidfd = CHECK_SYS(pidfd_open(pid, 0)), ret;

	while ((ret = lease_watch(ctx, pidfd, 0, 1)) == -EACCES)
		sched_yield();
	close(pidfd);
	return ret;
}

static void watches(const struct test *t)
{
	pid_t pid[LIMIT + 1];
	int ctx[2];

	(void)t;
	ctx[0] = lease_open();
	ctx[1] = lease_open();
	param_set("max_watches_per_user", LIMIT);
	CHECK_SYS(setresgid(USER, USER, 0));
	act_as(USER);
	for (int i = 0; i <= LIMIT; i++) {
		pid[i] = CHECK_SYS(fork());
		if (!pid[i]) {
			act_as(0);
			close(ctx[0]);
			close(ctx[1]);
			CHECK_SYS(setresgid(USER, USER, USER));
			CHECK_SYS(setresuid(USER, USER, USER));
			CHECK_SYS(prctl(PR_SET_DUMPABLE, 1));
			pause();
		}
	}
	for (int i = 0; i < LIMIT; i++)
		CHECK_RET(watch(ctx[i & 1], pid[i]), 0);
	CHECK_RET(watch(ctx[0], pid[LIMIT]), -ENOSPC);
	CHECK_RET(watch(ctx[1], pid[LIMIT]), -ENOSPC, "each context has a limit of its own");
	CHECK_RET(watch(ctx[0], pid[0]), -EEXIST);
	for (int i = 0; i < LIMIT; i++) {
		CHECK_SYS(kill(pid[i], SIGKILL));
		CHECK_EQ(waitpid(pid[i], NULL, 0), pid[i]);
	}
	CHECK_RET(watch(ctx[0], pid[LIMIT]), -ENOSPC, "a watch is kept as long as its context, and counts");
	close(ctx[0]);
	CHECK_RET(watch(ctx[1], pid[LIMIT]), 0);
	act_as(0);
	CHECK_RET(watch(ctx[1], getpid()), 0, "another user pays for this one");
	param_reset();
	CHECK_SYS(kill(pid[LIMIT], SIGKILL));
}

/* ---- memory ---- */

#define CGROUP		"/run/cgroup/daxlease"
#define CGROUP_MAX	(2 * MIB)
#define FAR_TOO_MANY	6000	/* leases; each takes more than half a KiB */

/* Joins the group and takes leases until it may not or is killed: 0 if neither has come */
static int fill_memory(void *arg)
{
	int fd = CHECK_SYS(open(arg, O_RDWR | O_CLOEXEC)), ctx = lease_open(), ret = 0;

	CHECK_RET(write_text(CGROUP "/cgroup.procs", "0"), 0);
	for (int i = 0; !ret && i < FAR_TOO_MANY; i++)
		ret = acquire(ctx, fd);
	return ret;
}

static void charged(const struct test *t)
{
	char *path = (char *)path_in(t->dir, "file"), text[256];
	int fd = file_create(path, 2 * MIB, 1), ctx = lease_open();
	struct breaker_result r;
	struct breaker b;

	CHECK_EQ(shell("mkdir -p /run/cgroup && mount -t cgroup2 none /run/cgroup && "
		       "echo +memory >/run/cgroup/cgroup.subtree_control && mkdir " CGROUP), 0);
	snprintf(text, sizeof(text), "%llu", CGROUP_MAX);
	CHECK_RET(write_text(CGROUP "/memory.max", text), 0);
	breaker_start_fn(&b, fill_memory, path, -1);
	r = breaker_join(&b, 60000);
	CHECK(r.killed || r.ret == -ENOMEM, "%d leases do not fill a cgroup of %llu bytes: %s", FAR_TOO_MANY, CGROUP_MAX,
	      ret_name(r.ret));
	CHECK(read_text(CGROUP "/memory.events", text, sizeof(text)) > 0);
	CHECK(!strstr(text, "\nmax 0\n"), "the limit was not met");
	story("a cgroup of 2 MiB is full: the process that takes leases %s", r.killed ? "is killed" : "gets ENOMEM");
	CHECK_RET(acquire(ctx, fd), 0, "somebody else has to pay");
	CHECK_EQ(lease_count(), 1);
	CHECK_EQ(shell("rmdir " CGROUP " && umount /run/cgroup"), 0);
}

/* ---- a process that was watched becomes another user's ---- */

#define SETUID_PROGRAM	"/run/setuid-cases"

static void setuid_exec(const struct test *t)
{
	char container[16], path[256];
	struct daxlease_query q;
	struct daxlease_event ev;
	uint64_t before, after;
	struct held h = { .size = 4 * MIB };
	char report[16], kind[16];
	int ctx, go[2], done[2];
	pid_t pid;
	char c = 0;

	CHECK_SYS(pipe(done));
	snprintf(report, sizeof(report), "%d", done[1]);
	snprintf(kind, sizeof(kind), "%d", OP_MAP);
	snprintf(path, sizeof(path), "%s/held", t->dir);
	CHECK_EQ(shell("cp /proc/%d/exe " SETUID_PROGRAM " && chmod 4755 " SETUID_PROGRAM, getpid()), 0);
	h.fd = file_create(path, h.size, HELD_SEED);
	CHECK_SYS(fchown(h.fd, USER, USER));
	edu_open(&h.edu);
	CHECK_SYS(fcntl(h.edu.vfio.container, F_SETFD, 0));
	snprintf(container, sizeof(container), "%d", h.edu.vfio.container);
	CHECK_SYS(pipe(go));
	pid = CHECK_SYS(fork());
	if (!pid) {
		CHECK_SYS(setresgid(USER, USER, USER));
		CHECK_SYS(setresuid(USER, USER, USER));
		CHECK_SYS(prctl(PR_SET_DUMPABLE, 1));
		CHECK_EQ(read(go[0], &c, 1), 1);
		CHECK_RET(vfio_map(&h.edu.vfio, file_map(h.fd, 0, 2 * MIB), HELD_IOVA, 2 * MIB, VFIO_RW), 0);
		execl(SETUID_PROGRAM, SETUID_PROGRAM, "--op", report, kind, path, container, "0x200000", "0x200000", "0", NULL);
		_exit(1);
	}
	ctx = lease_open();
	CHECK_SYS(setresgid(USER, USER, 0));
	act_as(USER);
	CHECK_RET(watch(ctx, pid), 0);
	act_as(0);
	CHECK_EQ(write(go[1], &c, 1), 1);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	before = held_lease_at(file_ino(h.fd), 0);
	after = held_lease_at(file_ino(h.fd), 2 * MIB);
	CHECK(before);
	CHECK(after, "the setuid program could not map");
	CHECK_RET(lease_query(ctx, before, &q, NULL, 0), 0, "the lease of the process that was watched");
	CHECK_RET(lease_query(ctx, after, &q, NULL, 0), -ENOENT, "the watcher may act for a setuid program");
	CHECK_RET(lease_ack(ctx, after, 1, 1), -ENOENT);
	CHECK_RET(lease_break(ctx, h.fd, 2 * MIB, 2 * MIB, NULL), 0);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0, "the watcher hears of a setuid program's leases");
	CHECK_RET(lease_break(ctx, h.fd, 0, 2 * MIB, NULL), 0);
	CHECK(lease_wait(ctx, before, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_SYS(unlink(SETUID_PROGRAM));
}

const struct testcase limits_cases[] = {
	{ "subordinate-users-share-a-limit",
	  "whoever a process is in user namespaces, their maker pays; a container has one limit",
	  counted, ON_EXT4 | NEEDS_CORE, 60 },
	{ "watches-are-limited",
	  "watches are limited per user, whatever the number of contexts, and dead processes count",
	  watches, ON_EXT4 | NEEDS_CORE, 60 },
	{ "leases-are-charged-to-the-cgroup",
	  "a memory cgroup bounds the leases of its tasks, and nobody else has to pay",
	  charged, ON_XFS | NEEDS_CORE | STOCK_ONLY, 90 },
	{ "watch-ends-with-setuid-exec",
	  "who watched a process has no say over the leases that it takes as a setuid program",
	  setuid_exec, ON_EXT4 | NEEDS_VFIO, 60 },
	{ 0 }
};
