// SPDX-License-Identifier: GPL-2.0
/*
 * The module goes while operations, leases and readers come as ever. A round of the load:
 *
 *	main	insmod; go            hooks armed? rmmod: busy     rmmod until it works
 *	lessees	       leases, breaks .............. last close
 *	breakers	punch, truncate, write: leased files and others, whether there is a module or not
 *	reader		reads all that debugfs has, if it has anything
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "hooked.h"
#include "lease.h"
#include "nvdimm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		20000
#define LATE_MS		60000
#define LESSEES		2
#define REST_US		5000
#define SIZE		(2 * GRANULE)
#define CUT		(SIZE / 2 + PAGE)	/* to which a leased file is truncated: into the lease of all of it */
#define PERIOD		"hook_period_ms=10"
#define PARAMETER	"/sys/module/daxlease/parameters/hook_period_ms"
#define DEBUGFS		"/sys/kernel/debug/daxlease/"
#define TRACE		"/sys/kernel/tracing/instances/unload"

static int load(const struct test *t)
{
	int fd = CHECK_SYS(open(t->core, O_RDONLY | O_CLOEXEC)), ret;

	ret = syscall(SYS_finit_module, fd, PERIOD, 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Nothing announces that the hooks are gone: try until they are */
static unsigned int unload(void)
{
	int64_t end = now_ns() + LATE_MS * (int64_t)MS;
	unsigned int refused = 0;
	int ret;

	while ((ret = module_remove("daxlease")) == -EAGAIN) {
		CHECK(now_ns() < end, "the module stays busy");
		refused++;
		usleep(REST_US);
	}
	CHECK_RET(ret, 0, "rmmod");
	return refused;
}

/* ---- under load ---- */

/**
 * struct crowd - shared by all processes of the case
 * @stop: of breakers and reader
 * @leases: taken by lessees
 * @breaks: of these, heard of
 * @operations: of breakers
 * @reads: files of debugfs read
 * @turn: a breaker is to change the leased file once: when ACQUIRE begins, and when there is a lease
 * @unloading: ns, from the last check that the module is busy until it is gone
 */
struct crowd {
	atomic_bool stop, turn[LESSEES];
	atomic_uint leases, breaks, operations, reads;
	int64_t unloading;
};

/**
 * struct lessee - a process that has leases in each round
 * @nr: its number
 * @path: of its file ([true]), and of one that nobody leases, for its breaker
 * @go: a byte: a round begins
 * @says: a byte when it has a lease, and one when it has none any more
 */
struct lessee {
	int nr;
	char path[2][256];
	int go[2];
	int says[2];
};

static struct crowd *crowd;

static void say(int fd, const char *what)
{
	CHECK_EQ(write(fd, what, 1), 1);
}

static void acquire_some(const struct lessee *l, int ctx, int fd, struct daxlease_acquire *a)
{
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;
	int ret;

	crowd->turn[l->nr] = true;
	/* The file may be short at the moment, or become so */
	while ((ret = lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE | DAXLEASE_WAIT, LONG_GRACE, a))) {
		CHECK(ret == -EINVAL || ret == -EAGAIN || ret == -EFAULT, "ACQUIRE: %s", ret_name(ret));
		CHECK(now_ns() < end, "no lease: %s", ret_name(ret));
		sched_yield();
	}
	crowd->turn[l->nr] = true;
	atomic_fetch_add(&crowd->leases, 1);
}

/* One lease given back after it was broken, one that ends with its context in the middle of a break */
static void hold_leases(struct lessee *l, int fd)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx = lease_open();

	for (int i = 0; i < 2; i++) {
		acquire_some(l, ctx, fd, &a);
		if (!i)
			say(l->says[1], "h");
		CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "nobody breaks the lease");
		atomic_fetch_add(&crowd->breaks, 1);
		if (i)
			break;
		CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
		CHECK_RET(lease_release(ctx, a.id), 0);
	}
	close(ctx);
	say(l->says[1], "d");
}

static void be_lessee(struct lessee *l)
{
	int fd = CHECK_SYS(open(l->path[true], O_RDWR | O_CLOEXEC));
	char c;

	close(l->go[1]);
	while (read(l->go[0], &c, 1) == 1)
		hold_leases(l, fd);
}

/*
 * Whatever it does to its two files, then they are as they were. The leased one has to wait for its turn: an ACQUIRE that is
 * disturbed again and again comes to no end on a slow machine. Between two steps it rests, since the module, on its way
 * out, waits several times for every task to do so.
 */
static void be_breaker(const struct lessee *l)
{
	static unsigned char pattern[SIZE];
	uint64_t at, end;
	int fd[2];

	pattern_fill(pattern, SIZE, 1, 0);
	for (int k = 0; k < 2; k++)
		fd[k] = CHECK_SYS(open(l->path[k], O_RDWR | O_CLOEXEC));
	for (unsigned int n = 0; !crowd->stop; n++) {
		int f = fd[atomic_exchange(&crowd->turn[l->nr], false)];

		at = n * 7 % (CUT / PAGE) * PAGE;
		end = at + PAGE;
		if (n % 4 == 3) {
			at = CUT;
			end = SIZE;
			CHECK_SYS(ftruncate(f, CUT));
		} else {
			CHECK_SYS(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, PAGE));
			CHECK_EQ(file_differs_from_byte(f, at, PAGE, 0), -1);
		}
		CHECK_EQ(pwrite(f, pattern + at, end - at, at), end - at);
		atomic_fetch_add(&crowd->operations, 1);
		usleep(REST_US);
	}
}

static void be_reader(void)
{
	static const char *const files[] = { DEBUGFS "leases", DEBUGFS "breaks", DEBUGFS "hooks", PARAMETER };
	char text[65536];

	for (unsigned int n = 0; !crowd->stop; n++) {
		if (read_text(files[n % 4], text, sizeof(text)) > 0)
			atomic_fetch_add(&crowd->reads, 1);
		usleep(REST_US);
	}
}

static void expect(int fd, char what)
{
	char c;

	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, what);
}

/* Returns how often rmmod said busy while the module was on its way out */
static unsigned int load_and_unload(const struct test *t, struct lessee *lessees, int fd)
{
	unsigned int leases = crowd->leases, breaks = crowd->breaks, refused;
	int64_t start;
	int ctx;

	CHECK_RET(load(t), 0, "insmod");
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_READ, LONG_GRACE, NULL), 0);
	for (int i = 0; i < LESSEES; i++)
		say(lessees[i].go[1], "g");
	for (int i = 0; i < LESSEES; i++)
		expect(lessees[i].says[0], 'h');
	CHECK(hooked_say("armed 1\n"), "the hooks are not armed");
	CHECK_RET(module_remove("daxlease"), -EAGAIN, "rmmod while there are leases");
	close(ctx);
	start = now_ns();
	refused = unload();
	crowd->unloading += now_ns() - start;
	for (int i = 0; i < LESSEES; i++)
		expect(lessees[i].says[0], 'd');
	CHECK_EQ(crowd->leases - leases, 2 * LESSEES, "leases of this round");
	CHECK_EQ(crowd->breaks - breaks, 2 * LESSEES, "breaks of this round");
	return refused;
}

static void join(pid_t pid, const char *who)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0, "%s", who);
}

static void under_load(const struct test *t)
{
	unsigned int rounds = 0, refused = 0, wanted = t->debug ? 1 : 49;
	int64_t begun = now_ns(), end = begun + t->minutes * 60000000000LL;
	pid_t lessee[LESSEES], breaker[LESSEES], reader;
	int fd = file_create(path_in(t->dir, "kept"), SIZE, 1);
	struct lessee l[LESSEES];

	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(crowd != MAP_FAILED);
	module_remove_users();
	unload();
	for (int i = 0; i < LESSEES; i++) {
		l[i].nr = i;
		for (int k = 0; k < 2; k++) {
			snprintf(l[i].path[k], sizeof(l[i].path[k]), "%s/file%d%s", t->dir, i, k ? "" : "-other");
			close(file_create(l[i].path[k], SIZE, 1));
		}
		CHECK_SYS(pipe2(l[i].go, O_CLOEXEC));
		CHECK_SYS(pipe2(l[i].says, O_CLOEXEC));
	}
	for (int i = 0; i < LESSEES; i++) {
		lessee[i] = CHECK_SYS(fork());
		if (!lessee[i]) {
			for (int k = 0; k < i; k++)
				close(l[k].go[1]);
			be_lessee(&l[i]);
			_exit(0);
		}
		breaker[i] = CHECK_SYS(fork());
		if (!breaker[i]) {
			be_breaker(&l[i]);
			_exit(0);
		}
	}
	reader = CHECK_SYS(fork());
	if (!reader) {
		be_reader();
		_exit(0);
	}
	while (t->minutes ? now_ns() < end : rounds < wanted) {
		refused += load_and_unload(t, l, fd);
		dprintf(STDERR_FILENO, "unload: round %u\n", ++rounds);
	}
	crowd->stop = true;
	join(reader, "the reader");
	for (int i = 0; i < LESSEES; i++) {
		join(breaker[i], "a breaker");
		close(l[i].go[1]);
		join(lessee[i], "a lessee");
	}
	for (int i = 0; i < LESSEES; i++) {
		for (int k = 0; k < 2; k++) {
			fd = CHECK_SYS(open(l[i].path[k], O_RDONLY | O_CLOEXEC));
			CHECK_PATTERN(fd, 0, SIZE, 1);
			close(fd);
		}
	}
	story("%u times loaded and unloaded in %.0f s, %.0f s of it on the way out, where rmmod was refused %u times", rounds,
	      (now_ns() - begun) / 1e9, crowd->unloading / 1e9, refused);
	story("meanwhile %u leases, %u breaks, %u punches and truncates, %u reads of debugfs", crowd->leases, crowd->breaks,
	      crowd->operations, crowd->reads);
}

/* ---- with a task inside ---- */

/* How often the module has looked whether its hooks are needed still */
static unsigned int looks(void)
{
	char text[65536], *at = text;
	unsigned int n = 0;

	CHECK(read_text(TRACE "/trace", text, sizeof(text)) >= 0);
	while ((at = strstr(at, "function watch_work [daxlease]"))) {
		at++;
		n++;
	}
	return n;
}

/*
 * A punch has waited for a lease, and sleeps now in the fallocate that the hook has called, for its filesystem is
 * frozen: it is to return through the module's text. The lease is gone.
 */
static void asleep_inside(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .length = PAGE };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd, root, ret;

	module_remove_users();
	unload();
	CHECK_RET(load(t), 0);
	nvdimm_filesystem(1, t->fs);
	punch.path = path_in(nvdimm_path(1), "file");
	fd = file_create(punch.path, SIZE, 1);
	root = CHECK_SYS(open(nvdimm_path(1), O_RDONLY | O_CLOEXEC));
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, SIZE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_SYS(ioctl(root, FIFREEZE, 0));
	breaker_start(&b, &punch);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS));
	CHECK(wait_asleep_in(b.pid, "percpu_rwsem_wait", "[daxlease]", SOON_MS), "it does not sleep there");

	CHECK_SYS(mkdir(TRACE, 0700));
	CHECK_RET(write_text(TRACE "/events/workqueue/workqueue_execute_end/enable", "1"), 0);
	close(ctx);
	for (int64_t end = now_ns() + SOON_MS * (int64_t)MS; looks() < 2 && hooked_say("armed 1\n"); usleep(10000))
		CHECK(now_ns() < end, "the module does not look after its hooks");
	ret = module_remove("daxlease");
	CHECK_SYS(rmdir(TRACE));
	CHECK_SYS(ioctl(root, FITHAW, 0));
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_RET(ret, -EAGAIN, "rmmod while a task sleeps in a hook");
	story("no lease is left, but a task sleeps inside a hook: the module stays");
	unload();
	CHECK_EQ(file_differs_from_byte(fd, 0, PAGE, 0), -1);
	CHECK_PATTERN(fd, PAGE, SIZE - PAGE, 1);
	close(fd);
	close(root);
	nvdimm_unmount(1);
	story("it has returned: the module goes");
}

const struct testcase removal_unload_cases[] = {
	{ "removal-unload-under-load",
	  "the module is loaded, used and unloaded again and again, while operations go on and debugfs is read",
	  under_load, ON_ANY | NEEDS_CORE | TURNS, 300 },
	{ "removal-waits-for-who-sleeps-in-a-hook",
	  "the module cannot go while a task sleeps in an operation that a hook has let through",
	  asleep_inside, ON_ANY | NEEDS_CORE, 60 },
	{ 0 }
};
