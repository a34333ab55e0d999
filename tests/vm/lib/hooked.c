// SPDX-License-Identifier: GPL-2.0
#include "hooked.h"
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOKS		"/sys/kernel/debug/daxlease/hooks"
#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000

bool hooked_say(const char *text)
{
	char all[4096];

	return read_text(HOOKS, all, sizeof(all)) > 0 && strstr(all, text);
}

void hooked_wait(const char *text)
{
	int64_t end = now_ns() + 3 * SOON_MS * (int64_t)MS;

	while (!hooked_say(text)) {
		CHECK(now_ns() < end, "the hooks never say: %s", text);
		usleep(20000);
	}
}

int module_remove(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

void module_remove_users(void)
{
	shell("for m in vfio_iommu_type1 rdma_rxe; do rmmod $m 2>/dev/null; done; true");
}

void hooked_check(const struct test *t, int ctx, enum daxlease_reason reason, const char *when)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "hooked"), .offset = 0, .length = PAGE };
	int fd = file_create(op.path, 2 * MIB, 1);
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;

	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0, "%s", when);
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "%s", when);
	CHECK_EQ(ev.reason, reason, "%s", when);
	CHECK_EQ(ev.flags, 0, "%s", when);
	CHECK(!breaker_done(&b), "%s", when);
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0, "%s", when);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0, "%s", when);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED, "%s", when);
	CHECK_EQ(file_differs_from_byte(fd, 0, PAGE, 0), -1, "%s", when);
	CHECK_RET(lease_release(ctx, a.id), 0);
	close(fd);
	CHECK_SYS(unlink(op.path));
}
