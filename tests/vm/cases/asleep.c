// SPDX-License-Identifier: GPL-2.0
/* Holders that cannot answer, and a filesystem that is frozen under a break: neither keeps anybody waiting. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "nvdimm.h"
#include "stall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SHORT_GRACE	(300 * MS)
#define SOON_MS		10000

/* A file that the device of this process has, mapped by a child, which then goes to sleep */
struct sleeper {
	struct held h;		/* the device; ctx watches the child */
	pid_t pid;
	int go;			/* a byte, and the child does what puts it to sleep */
};

static void sleeper_start(struct sleeper *s, const struct test *t, void (*sleep)(void *arg), void *arg)
{
	int ready[2], go[2], pidfd;
	char c = 0;

	s->h = (struct held){ .size = 4 * MIB };
	snprintf(s->h.path, sizeof(s->h.path), "%s/held", t->dir);
	s->h.fd = file_create(s->h.path, s->h.size, HELD_SEED);
	edu_open(&s->h.edu);
	CHECK_SYS(pipe2(ready, O_CLOEXEC));
	CHECK_SYS(pipe2(go, O_CLOEXEC));
	s->go = go[1];
	s->pid = CHECK_SYS(fork());
	if (!s->pid) {
		CHECK_EQ(read(go[0], &c, 1), 1);
		CHECK_RET(vfio_map(&s->h.edu.vfio, file_map(s->h.fd, 0, s->h.size), HELD_IOVA, s->h.size, VFIO_RW), 0);
		CHECK_EQ(write(ready[1], &c, 1), 1);
		CHECK_EQ(read(go[0], &c, 1), 1);
		sleep(arg);
		_exit(1);
	}
	s->h.ctx = lease_open();
	pidfd = CHECK_SYS(pidfd_open(s->pid, 0));
	CHECK_RET(lease_watch(s->h.ctx, pidfd, 0, SHORT_GRACE), 0);
	close(pidfd);
	CHECK_EQ(write(s->go, &c, 1), 1);
	CHECK_EQ(read(ready[0], &c, 1), 1);
	s->h.lease = held_lease_on(file_ino(s->h.fd));
	CHECK(s->h.lease);
	held_check_live(&s->h, s->h.fd, 0);
}

/* Nothing announces that a task sleeps: look until it does */
static void sleeper_wait(const struct sleeper *s, char state)
{
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;
	char path[64], text[512], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", s->pid);
	do {
		CHECK(read_text(path, text, sizeof(text)) > 0);
		at = strrchr(text, ')');
		CHECK(at && now_ns() < end, "the holder is not in state %c: %s", state, text);
		usleep(10000);
	} while (at[2] != state);
}

static void check_fenced_asleep(struct sleeper *s, char state)
{
	struct op op = { .kind = OP_TRUNCATE, .path = s->h.path };
	struct breaker_result r = breaker_run(&op, SOON_MS);
	struct daxlease_event ev;

	CHECK_RET(r.ret, 0);
	CHECK(lease_wait(s->h.ctx, s->h.lease, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.flags, 0, "it had no grace");
	CHECK_EQ(ev.deadline_ns - ev.time_ns, SHORT_GRACE);
	CHECK(r.end_ns >= (int64_t)ev.deadline_ns, "the truncate did not wait");
	sleeper_wait(s, state);
	held_check_fenced(&s->h, 0);
	held_check_fenced(&s->h, s->h.size - PAGE);
}

static void sleeper_end(struct sleeper *s)
{
	CHECK_SYS(kill(s->pid, SIGKILL));
	CHECK_EQ(waitpid(s->pid, NULL, 0), s->pid);
}

static void stop_myself(void *arg)
{
	(void)arg;
	raise(SIGSTOP);
}

static void stopped(const struct test *t)
{
	struct sleeper s;
	int status;
	char c = 0;

	sleeper_start(&s, t, stop_myself, NULL);
	CHECK_EQ(write(s.go, &c, 1), 1);
	CHECK_EQ(waitpid(s.pid, &status, WUNTRACED), s.pid);
	CHECK(WIFSTOPPED(status));
	check_fenced_asleep(&s, 'T');
	sleeper_end(&s);
	story("the holder is stopped by SIGSTOP: fenced at its deadline");
}

static void write_to_frozen(void *arg)
{
	int fd = *(int *)arg;

	if (write(fd, "x", 1) != 1)
		_exit(1);
	pause();
}

static void in_the_kernel(const struct test *t)
{
	struct sleeper s;
	int fd, root;
	char c = 0;

	nvdimm_filesystem(1, t->fs);
	fd = CHECK_SYS(open(path_in(nvdimm_path(1), "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	root = CHECK_SYS(open(nvdimm_path(1), O_RDONLY | O_CLOEXEC));
	sleeper_start(&s, t, write_to_frozen, &fd);
	CHECK_SYS(ioctl(root, FIFREEZE, 0));
	CHECK_EQ(write(s.go, &c, 1), 1);
	sleeper_wait(&s, 'D');
	check_fenced_asleep(&s, 'D');
	CHECK_SYS(ioctl(root, FITHAW, 0));
	sleeper_end(&s);
	close(root);
	close(fd);
	nvdimm_unmount(1);
	story("the holder sleeps in the kernel, uninterruptibly: fenced at its deadline");
}

/* Reads its event into the page: read(2) never comes back */
static void read_into_missing(void *arg)
{
	int ctx = lease_open(), pidfd = CHECK_SYS(pidfd_open(getpid(), 0));
	int uffd;
	void *page = stall_page(&uffd);

	CHECK_RET(lease_watch(ctx, pidfd, 0, SHORT_GRACE), 0);
	CHECK_SYS(fcntl(ctx, F_SETFL, 0));
	CHECK_EQ(write(*(int *)arg, "x", 1), 1);
	CHECK_SYS(read(ctx, page, PAGE));
}

static void reading_for_ever(const struct test *t)
{
	struct sleeper s;
	int watching[2];
	char c = 0;

	CHECK_SYS(pipe2(watching, O_CLOEXEC));
	sleeper_start(&s, t, read_into_missing, &watching[1]);
	CHECK_EQ(write(s.go, &c, 1), 1);
	CHECK_EQ(read(watching[0], &c, 1), 1);
	check_fenced_asleep(&s, 'S');
	sleeper_end(&s);
	story("the holder reads its event into a page that never comes: fenced at its deadline");
}

/* ---- freeze ---- */

static int freeze(void *arg)
{
	return ioctl(*(int *)arg, FIFREEZE, 0) ? -errno : 0;
}

/*
 * @op waits for a lease; the filesystem is frozen under it, and thawed. Who waits with write access to the filesystem
 * (truncate) goes first, then the freeze; who asks for it later (fallocate) goes on after the thaw.
 */
static void freeze_under(const struct op *op, int ctx, int root)
{
	struct breaker b, freezer;
	struct breaker_result r;
	struct daxlease_event ev, end;

	breaker_start(&b, op);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.flags, 0);
	CHECK(!breaker_done(&b));
	breaker_start_fn(&freezer, freeze, &root, root);
	CHECK(lease_wait(ctx, ev.id, DAXLEASE_EVENT_FENCED, &end, SOON_MS), "the freeze does not end the grace");
	CHECK_EQ(end.break_id, ev.break_id);
	CHECK(end.flags & DAXLEASE_FLAG_NO_GRACE, "nobody says why the grace was cut");
	CHECK_RET(breaker_join(&freezer, SOON_MS).ret, 0);
	CHECK_SYS(ioctl(root, FITHAW, 0));
	r = breaker_join(&b, SOON_MS);
	CHECK_RET(r.ret, 0);
	CHECK(r.end_ns < (int64_t)ev.deadline_ns, "it waited for the deadline");
	CHECK_RET(op_do(op), 0, "after the thaw");
	while (lease_event(ctx, &ev, 0) == 1)
		;
}

static void freeze_during_break(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .length = PAGE }, truncate = { .kind = OP_TRUNCATE };
	struct daxlease_event ev;
	int ctx = lease_open(), fd, root;

	CHECK_SYS(unshare(CLONE_NEWNS));
	CHECK_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	nvdimm_filesystem(1, t->fs);
	CHECK_EQ(shell("cd %s && mkdir -p /run/ovl /run/low up work && "
		       "mount -t overlay -o lowerdir=/run/low,upperdir=up,workdir=work o /run/ovl", nvdimm_path(1)), 0);
	punch.path = path_in(nvdimm_path(1), "up/file");
	fd = file_create(punch.path, 8 * MIB, 1);
	root = CHECK_SYS(open(nvdimm_path(1), O_RDONLY | O_CLOEXEC));

	for (int i = 0; i < 4; i++)
		CHECK_RET(lease_acquire(ctx, fd, i * 2 * MIB, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, NULL), 0);
	freeze_under(&punch, ctx, root);
	truncate.path = punch.path;
	truncate.offset = 6 * MIB;
	freeze_under(&truncate, ctx, root);
	CHECK_SYS(ioctl(root, FIFREEZE, 0));
	CHECK_RET(lease_break(ctx, fd, 4 * MIB, 2 * MIB, NULL), 0);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK(ev.flags & DAXLEASE_FLAG_NO_GRACE, "a break of a frozen filesystem has a grace");
	CHECK_EQ(ev.deadline_ns, ev.time_ns);
	CHECK_SYS(ioctl(root, FITHAW, 0));
	while (lease_event(ctx, &ev, 0) == 1)
		;
	truncate.path = "/run/ovl/file";
	truncate.offset = 0;
	freeze_under(&truncate, ctx, root);
	close(ctx);
	close(root);
	close(fd);
	CHECK_SYS(umount("/run/ovl"));
	nvdimm_unmount(1);
	story("frozen while a punch waits, a truncate, and one that holds the inode lock: the holder is fenced at once");
}

const struct testcase asleep_cases[] = {
	{ "stopped-holder-is-fenced",
	  "a holder stopped by a signal is fenced at its deadline",
	  stopped, ON_ANY | NEEDS_VFIO, 60 },
	{ "holder-asleep-in-the-kernel-is-fenced",
	  "so is one in uninterruptible sleep on a frozen filesystem",
	  in_the_kernel, ON_ANY | NEEDS_VFIO, 40 },
	{ "holder-that-reads-for-ever-is-fenced",
	  "so is one whose read of the event hangs on a page of userfaultfd",
	  reading_for_ever, ON_ANY | NEEDS_VFIO, 60 },
	{ "freeze-ends-the-grace",
	  "freezing a filesystem ends the graces of its holders, and deadlocks with no operation that waits",
	  freeze_during_break, ON_ANY | NEEDS_CORE, 60 },
	{ 0 }
};
