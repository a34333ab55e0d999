// SPDX-License-Identifier: GPL-2.0
/*
 * File operations against the memory of a running QEMU: it survives, the device loses the granules that were hit and
 * nothing else, and gets them back by re-arming.
 */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "qemu.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define FENCED_ACCESS	"/sys/module/vfio_iommu_type1/parameters/fenced_access"
#define BREAKS		"/sys/kernel/debug/daxlease/breaks"
#define RAM		(64 * MIB)
#define SOON_MS		10000
#define BLOCK		512
#define LONG_GRACE	(25000 * MS)

static void start(struct qemu *q, const struct test *t)
{
	qemu_prepare(q, t->dir, "q35", RAM);
	qemu_words(q, "-device %s,addr=%d -S", qemu_edu(0), QEMU_SLOT);
	CHECK(qemu_start(q), "%s", qemu_log(q));
	qemu_enable_edu(q);
}

static void quit(struct qemu *q)
{
	qemu_qmp(q, "{\"execute\": \"quit\"}");
	CHECK_EQ(qemu_wait(q), 0, "%s", qemu_log(q));
	CHECK_EQ(lease_count(), 0);
}

static void punch(const struct qemu *q, uint64_t offset, uint64_t length)
{
	struct op op = { .kind = OP_PUNCH, .path = op_path(q->ram), .offset = offset, .length = length };

	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
}

/* The grace that the last break had */
static uint64_t last_grace_us(void)
{
	static char text[1 << 17];
	uint64_t grace;
	char *row;

	CHECK(read_text(BREAKS, text, sizeof(text)) > 0);
	row = strchr(text, '\n');
	row = row ? strchr(row + 1, '\n') : NULL;
	CHECK(row && sscanf(row, "%*u %*u %*s %*u %*u %*u %*d %*d %*u %" SCNu64, &grace) == 1, "%s", text);
	return grace;
}

static void survives(const struct test *t)
{
	struct op truncate = { .kind = OP_TRUNCATE, .offset = 48 * MIB };
	struct qemu q;

	start(&q, t);
	punch(&q, 8 * MIB, 2 * MIB);
	CHECK_EQ(last_grace_us(), 0, "a grace that nobody can use");
	qemu_check_fenced(&q, 8 * MIB);
	qemu_check_fenced(&q, 10 * MIB - BLOCK);
	qemu_check_live(&q, q.ram, 8 * MIB - BLOCK, 8 * MIB - BLOCK, 0x21);
	qemu_check_live(&q, q.ram, 10 * MIB, 10 * MIB, 0x22);
	story("2 MiB of guest memory punched under QEMU, unwatched: no grace, that granule is lost to the device");

	truncate.path = op_path(q.ram);
	CHECK_RET(breaker_run(&truncate, SOON_MS).ret, 0);
	qemu_check_fenced(&q, 48 * MIB);
	qemu_check_fenced(&q, RAM - PAGE);
	qemu_check_live(&q, q.ram, 48 * MIB - PAGE, 48 * MIB - PAGE, 0x23);
	CHECK_PATTERN(q.ram, 10 * MIB + PAGE, 38 * MIB - 2 * PAGE, QEMU_SEED);
	story("the file truncated from 64 to 48 MiB: what is left works, and QEMU answers");
	CHECK(strstr(qemu_qmp(&q, "{\"execute\": \"query-status\"}"), "\"running\": false"));
	quit(&q);
}

static void scratch(const struct test *t)
{
	unsigned char got[BLOCK], zero[BLOCK] = { 0 };
	int64_t end = now_ns() + SOON_MS * (int64_t)MS;
	unsigned int faults = 1;
	struct fault_log log;
	struct qemu q;

	CHECK_RET(write_text(FENCED_ACCESS, "scratch"), 0);
	start(&q, t);
	punch(&q, 8 * MIB, 2 * MIB);
	fault_mark(&log);
	/* The work that maps it is not waited for by anybody: until then accesses fault */
	while (faults) {
		CHECK(now_ns() < end, "no scratch memory");
		qemu_device_read(&q, 8 * MIB, got, sizeof(got));
		faults = fault_count(&log);
	}
	CHECK(!memcmp(got, zero, sizeof(got)), "the device does not read zeroes");
	qemu_device_fill(&q, 9 * MIB, 0xee, BLOCK);
	CHECK_EQ(fault_count(&log), 0, "a write to scratch memory faulted");
	fault_close(&log);
	CHECK_EQ(file_differs_from_byte(q.ram, 8 * MIB, 2 * MIB, 0), -1, "the device wrote to the file");
	CHECK_PATTERN(q.ram, 10 * MIB, RAM - 10 * MIB, QEMU_SEED);
	quit(&q);
	CHECK_RET(write_text(FENCED_ACCESS, "fault"), 0);
}

static void rearm(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .offset = 8 * MIB, .length = 2 * MIB };
	struct daxlease_event ev, cleared;
	uint64_t before, generation;
	struct breaker b;
	int ctx, pidfd;
	struct qemu q;

	start(&q, t);
	ctx = lease_open();
	pidfd = CHECK_SYS(pidfd_open(q.pid, 0));
	CHECK_RET(lease_watch(ctx, pidfd, 0, LONG_GRACE), 0);
	before = file_physical(q.ram, 8 * MIB);
	op.path = op_path(q.ram);
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, 0, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	qemu_check_live(&q, q.ram, 8 * MIB, 8 * MIB, 0x31);
	qemu_check_live(&q, q.ram, 10 * MIB, 10 * MIB, 0x32);
	CHECK(!breaker_done(&b));
	story("punch waits while QEMU's watcher has its grace: the device still reaches everything");

	CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK(lease_wait(ctx, ev.id, DAXLEASE_EVENT_CLEARED, &cleared, SOON_MS));
	qemu_check_fenced(&q, 8 * MIB);
	qemu_check_live(&q, q.ram, 10 * MIB, 10 * MIB, 0x33);

	CHECK_RET(lease_rearm(ctx, ev.id, 8 * MIB, 2 * MIB, &generation), 0);
	CHECK_EQ(generation, ev.generation + 1);
	CHECK(file_physical(q.ram, 8 * MIB), "nothing is allocated");
	qemu_check_live(&q, q.ram, 8 * MIB, 8 * MIB, 0x34);
	qemu_check_live(&q, q.ram, 10 * MIB - BLOCK, 10 * MIB - BLOCK, 0x35);
	qemu_check_live(&q, q.ram, 10 * MIB, 10 * MIB, 0x36);
	story("re-armed: the same guest address, block %#" PRIx64 " before, %#" PRIx64 " now, generation %" PRIu64, before,
	      file_physical(q.ram, 8 * MIB), generation);
	CHECK_EQ(file_differs_from_byte(q.ram, 8 * MIB + PAGE, 2 * MIB - 2 * PAGE, 0), -1);
	CHECK_PATTERN(q.ram, 10 * MIB + PAGE, RAM - 10 * MIB - PAGE, QEMU_SEED);
	quit(&q);
}

const struct testcase qemu_break_cases[] = {
	{ "qemu-survives-punch-and-truncate",
	  "punch and truncate of guest memory cost a running QEMU the granules they hit, without a grace nobody could use",
	  survives, ON_ANY | STOCK_ONLY | NEEDS_VFIO | DEMO_QEMU, 60 },
	{ "qemu-device-meets-scratch",
	  "with scratch memory a passed-through device gets no fault where guest memory was punched",
	  scratch, ON_XFS | STOCK_ONLY | NEEDS_VFIO, 60 },
	{ "qemu-rearmed",
	  "guest memory that was punched comes back at the same guest address on the file's new blocks",
	  rearm, ON_XFS | STOCK_ONLY | NEEDS_VFIO | DEMO_QEMU, 60 },
	{ 0 }
};
