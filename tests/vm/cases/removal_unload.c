// SPDX-License-Identifier: GPL-2.0
/* The module stays while a task is to return through its text, whether or not there are leases. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "hooked.h"
#include "lease.h"
#include "nvdimm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		20000
#define LATE_MS		60000
#define SIZE		(2 * GRANULE)
#define PERIOD		"hook_period_ms=10"
#define TRACE		"/sys/kernel/tracing/instances/unload"

static int load(const struct test *t)
{
	int fd = CHECK_SYS(open(t->core, O_RDONLY | O_CLOEXEC)), ret;

	ret = syscall(SYS_finit_module, fd, PERIOD, 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Nothing announces that the hooks are gone: try until they are */
static void unload(void)
{
	int64_t end = now_ns() + LATE_MS * (int64_t)MS;
	int ret;

	while ((ret = module_remove("daxlease")) == -EAGAIN) {
		CHECK(now_ns() < end, "the module stays busy");
		usleep(1000);
	}
	CHECK_RET(ret, 0, "rmmod");
}

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

static void wait_asleep_inside(const struct breaker *b)
{
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;
	char path[64], stack[4096];

	snprintf(path, sizeof(path), "/proc/%d/stack", b->pid);
	for (;; usleep(10000)) {
		/* Empty while it runs */
		if (read_text(path, stack, sizeof(stack)) > 0 && strstr(stack, "percpu_rwsem_wait") &&
		    strstr(stack, "[daxlease]"))
			return;
		CHECK(now_ns() < end, "it does not sleep there");
	}
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
	wait_asleep_inside(&b);

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
	{ "removal-waits-for-who-sleeps-in-a-hook",
	  "the module cannot go while a task sleeps in an operation that a hook has let through",
	  asleep_inside, ON_ANY | NEEDS_CORE, 60 },
	{ 0 }
};
