// SPDX-License-Identifier: GPL-2.0
/*
 * daxlease-qemu at work on an unmodified QEMU with a running guest, whose device does DMA all the time: snapshots by
 * reflink, discards by punching holes, and what happens when somebody does not answer.
 */
#include "breaker.h"
#include "companion.h"
#include "fault.h"
#include "file.h"
#include "guest.h"
#include "harness.h"
#include "lease.h"
#include "trace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAM	(16 * MIB)
#define SOON_MS	60000

/*
 * The time that emulation needs for everything is many times a machine's; a transfer of the device takes 0.1 s, and
 * more if the host is busy.
 */
#define PATIENT	"--grace 20s --drain 1s"

static void start(struct qemu *q, const struct test *t)
{
	qemu_prepare(q, t->dir, "q35", RAM);
	guest_install(q);
	companion_prepare(q);
	qemu_words(q, "-device %s,addr=%d,id=edu", qemu_edu(0), QEMU_SLOT);
	CHECK(qemu_start(q), "%s", qemu_log(q));
	guest_wait(q, GUEST_NR_CELLS + 1);
}

static void quit(struct qemu *q, struct companion *c)
{
	qemu_qmp(q, "{\"execute\": \"quit\"}");
	CHECK_EQ(qemu_wait(q), 0, "%s", qemu_log(q));
	CHECK_EQ(companion_end(c, 0), 0, "the companion of a QEMU that has ended");
	CHECK_EQ(lease_count(), 0);
}

/* FNV-1a of a whole file */
static uint64_t sum(int fd)
{
	static unsigned char buf[MIB];
	uint64_t hash = 0xcbf29ce484222325ULL;
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, buf, sizeof(buf), at)) > 0; at += n)
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ buf[i]) * 0x100000001b3ULL;
	CHECK_EQ(n, 0);
	return hash;
}

static void snapshot(const struct test *t)
{
	uint32_t before, image, after;
	struct companion c;
	struct fault_log log;
	uint64_t hash;
	struct qemu q;
	int copy;

	start(&q, t);
	companion_start(&c, t, &q, PATIENT);
	before = guest_word(q.ram, GUEST_DONE);
	fault_mark(&log);
	CHECK(trace_start(), "no tracepoints");
	trace_mark("cp --reflink=always of the memory of a running guest begins; the guest has done %u rounds", before);
	CHECK_EQ(shell("cp --reflink=always %s/ram %s/snapshot", t->dir, t->dir), 0);
	trace_mark("cp has returned");
	companion_step(&c, "stop", "machine=stopped");
	companion_step(&c, "ack", "result=fenced");
	companion_step(&c, "rearm", "still_lost=0");
	companion_step(&c, "cont", "");
	story("the guest stood for %.0f ms", companion_number(&c, "pause"));
	companion_step(&c, "done", "");
	copy = CHECK_SYS(open(path_in(t->dir, "snapshot"), O_RDONLY | O_CLOEXEC));
	image = guest_check_image(copy);
	hash = sum(copy);
	CHECK(image >= before);

	/* Twice around the cells: the device has written to each */
	after = guest_wait(&q, 2 * GUEST_NR_CELLS);
	trace_mark("the guest has done %u rounds", after);
	CHECK_EQ(guest_word(q.ram, GUEST_ERRORS), 0, "the guest has missed data of the device");
	CHECK_EQ(fault_count(&log), 0, "the device met a fault");
	fault_close(&log);
	CHECK_EQ(sum(copy), hash, "the snapshot has changed");
	for (uint32_t n = 0; n < GUEST_NR_CELLS; n++) {
		uint64_t at = GUEST_CELLS + n * GUEST_STRIDE;

		CHECK(!file_shared(q.ram, at, PAGE), "the device writes to a shared block");
		CHECK(file_physical(q.ram, at) != file_physical(copy, at));
	}
	story("the copy is the memory after round %u, and has not changed while the guest went on to round %u", image, after);
	if (t->demo)
		CHECK(trace_tell() > 8, "the timeline is too short");
	quit(&q, &c);
}

/* A range that the guest gave up is discarded, and comes back empty when it is wanted */
static void discard(const struct test *t)
{
	const uint64_t gone = 12 * MIB;
	struct op op = { .kind = OP_PUNCH, .offset = gone, .length = 4 * MIB };
	struct companion c;
	struct qemu q;

	start(&q, t);
	companion_start(&c, t, &q, PATIENT " --rearm clone");
	op.path = op_path(q.ram);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	companion_step(&c, "left-lost", "");
	companion_step(&c, "done", "");
	CHECK_EQ(file_physical(q.ram, gone), 0, "the blocks are still there");
	guest_wait(&q, GUEST_NR_CELLS);
	CHECK_EQ(guest_word(q.ram, GUEST_ERRORS), 0);
	story("4 MiB discarded: the blocks are free, and the guest runs on");

	CHECK_SYS(kill(c.pid, SIGUSR1));
	companion_step(&c, "rearm", "still_lost=0");
	companion_step(&c, "done", "");
	CHECK(file_physical(q.ram, gone), "no blocks");
	CHECK_EQ(file_differs_from_byte(q.ram, gone, 4 * MIB, 0), -1);
	guest_wait(&q, GUEST_NR_CELLS);
	CHECK_EQ(guest_word(q.ram, GUEST_ERRORS), 0);
	quit(&q, &c);
}

/* QEMU does not answer: the companion says so, gives no way, and the kernel fences; later everything comes back */
static void silent(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .offset = GUEST_CELLS, .length = 2 * MIB };
	struct companion c;
	struct breaker b;
	struct qemu q;

	start(&q, t);
	companion_start(&c, t, &q, "--grace 1s");
	CHECK_SYS(kill(q.pid, SIGSTOP));
	op.path = op_path(q.ram);
	breaker_start(&b, &op);
	companion_step(&c, "stop", "no answer in time");
	companion_step(&c, "no-ack", "the kernel fences");
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_SYS(kill(q.pid, SIGCONT));
	companion_step(&c, "rearm", "still_lost=0");
	companion_step(&c, "cont", "");
	companion_step(&c, "done", "");
	CHECK(strstr(qemu_qmp(&q, "{\"execute\": \"query-status\"}"), "\"running\": true"));
	guest_wait(&q, GUEST_NR_CELLS);
	quit(&q, &c);
}

/* Whoever stopped the machine lets it go on: nobody else does */
static void stopped_by_others(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .offset = 12 * MIB, .length = 2 * MIB };
	struct companion c;
	struct qemu q;

	start(&q, t);
	companion_start(&c, t, &q, PATIENT);
	qemu_qmp(&q, "{\"execute\": \"stop\"}");
	op.path = op_path(q.ram);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	companion_step(&c, "stop", "stood already");
	companion_step(&c, "rearm", "still_lost=0");
	companion_step(&c, "done", "");
	CHECK(strstr(qemu_qmp(&q, "{\"execute\": \"query-status\"}"), "\"running\": false"));
	CHECK_EQ(companion_end(&c, SIGTERM), 0);
	qemu_qmp(&q, "{\"execute\": \"cont\"}");
	guest_wait(&q, GUEST_NR_CELLS);
	CHECK_EQ(guest_word(q.ram, GUEST_ERRORS), 0);
	CHECK_SYS(kill(q.pid, SIGKILL));
	CHECK_EQ(qemu_wait(&q), 128 + SIGKILL);
	CHECK_EQ(lease_count(), 0);
}

const struct testcase qemu_companion_cases[] = {
	{ "qemu-discard",
	  "a range that the guest gave up is discarded under a running guest and comes back empty when wanted",
	  discard, ON_XFS | STOCK_ONLY | NEEDS_VFIO | DEMO_QEMU, 240 },
	{ "qemu-silent",
	  "when QEMU does not answer, the companion says so and the kernel fences; later everything comes back",
	  silent, ON_XFS | STOCK_ONLY | NEEDS_VFIO, 240 },
	{ "qemu-stopped-by-others",
	  "a machine that somebody else has stopped is re-armed and stays stopped",
	  stopped_by_others, ON_XFS | STOCK_ONLY | NEEDS_VFIO, 240 },
	{ "qemu-live-snapshot",
	  "cp --reflink of a running guest's memory is an image of one moment, and neither guest nor device notices",
	  snapshot, ON_XFS | STOCK_ONLY | NEEDS_VFIO | DEMO_QEMU, 240 },
	{ 0 }
};
