// SPDX-License-Identifier: GPL-2.0
/* A truncate or punch meets a lease: who is told what, how long it waits, and what the device can do after. */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)	/* whoever waits for it is seen */
#define SHORT_GRACE	(300 * MS)	/* for those who are to wait for it */
#define SOON_MS		10000
#define FILL_SEED	9

static void wait_for_break(struct held *h, struct daxlease_event *ev)
{
	CHECK(lease_wait(h->ctx, h->lease, DAXLEASE_EVENT_BREAK, ev, SOON_MS), "no break event");
}

/* While the break is open the file can be used, and others can use the filesystem */
static void check_grace(const struct test *t, struct held *h)
{
	struct op others[] = {
		{ .kind = OP_RENAME, .path = path_in(t->dir, "a"), .other = path_in(t->dir, "sub/b"),
		  .uid = 1000 },
		{ .kind = OP_CREATE, .path = path_in(t->dir, "new"), .uid = 1000 },
		{ .kind = OP_READ, .path = h->path, .offset = 12 * MIB, .length = PAGE },
		{ .kind = OP_WRITE, .path = h->path, .offset = 12 * MIB, .length = PAGE },
	};

	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK_RET(breaker_run(&others[i], SOON_MS).ret, 0, "operation %u during grace", i);
	h->map[13 * MIB] ^= 0xff;
	h->map[13 * MIB] ^= 0xff;
}

static void cooperative_holder(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 8 * MIB };
	struct breaker_result result;
	struct daxlease_event ev;
	struct breaker b;
	struct stat st;
	struct held h;

	CHECK_SYS(chmod(t->dir, 0777));
	CHECK_SYS(mkdir(path_in(t->dir, "sub"), 0777));
	CHECK_SYS(chmod(path_in(t->dir, "sub"), 0777));
	CHECK_SYS(chown(path_in(t->dir, "sub"), 1000, 1000));
	close(file_create_empty(path_in(t->dir, "a")));
	CHECK_SYS(chown(path_in(t->dir, "a"), 1000, 1000));
	held_open(&h, t->dir, 16 * MIB, LONG_GRACE);
	op.path = h.path;

	breaker_start(&b, &op);
	wait_for_break(&h, &ev);
	CHECK_EQ(ev.reason, DAXLEASE_REASON_TRUNCATE);
	CHECK_EQ(ev.flags, 0);
	CHECK_EQ(ev.pid, b.pid);
	CHECK(ev.comm[0]);
	CHECK_EQ(ev.hit_offset, 8 * MIB);
	CHECK_EQ(ev.hit_length, 8 * MIB);
	CHECK_EQ(ev.lost_offset, 8 * MIB);
	CHECK_EQ(ev.lost_length, 8 * MIB);
	CHECK_EQ(ev.deadline_ns, ev.time_ns + LONG_GRACE);
	story("truncate of 16 MiB to 8: event at once: bytes %llu to %llu, by process %d (%s), "
	      "deadline in 25 s", (unsigned long long)ev.hit_offset,
	      (unsigned long long)(ev.hit_offset + ev.hit_length), ev.pid, ev.comm);

	check_grace(t, &h);
	held_check_live(&h, h.fd, 12 * MIB + PAGE);
	CHECK(!breaker_done(&b), "truncate returned before the holder gave way");
	CHECK_SYS(fstat(h.fd, &st));
	CHECK_EQ(st.st_size, 16 * MIB);
	story("while it waits: the holder reads and writes the file, another user renames and creates "
	      "files next to it, the device still works");

	CHECK_RET(lease_ack(h.ctx, ev.id, ev.generation, ev.break_id), 0);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	CHECK(result.end_ns < (int64_t)ev.deadline_ns, "it waited for the deadline");
	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_CLEARED, &ev, SOON_MS));
	CHECK_EQ(lease_lost(h.ctx, h.lease), 4);
	held_check_fenced(&h, 8 * MIB);
	held_check_live(&h, h.fd, 8 * MIB - PAGE);
	CHECK_PATTERN(h.fd, 0, 8 * MIB, HELD_SEED);
	story("the holder acks: truncate returns, %lld ms before the deadline; bytes 0 to 8 MiB are still "
	      "with the device", (long long)((int64_t)ev.deadline_ns - result.end_ns) / 1000000);
}

/* The freed blocks belong to somebody else now; the device tries to write them all the same */
static void check_victim(const struct test *t, struct held *h, const struct extent *freed, uint64_t offset,
			 uint64_t len)
{
	uint64_t size;
	int victim;

	victim = file_fill_free(path_in(t->dir, "victim"), FILL_SEED, &size);
	CHECK(file_owns(victim, freed->physical, freed->length), "the freed blocks were not reused");
	held_check_fenced(h, offset);
	held_check_fenced(h, offset + len / 2);
	held_check_fenced(h, offset + len - PAGE);
	CHECK_PATTERN(victim, 0, size, FILL_SEED);
	CHECK_SYS(unlink(path_in(t->dir, "victim")));
	close(victim);
}

static void uncooperative_holder(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 8 * MIB };
	struct breaker_result result;
	struct daxlease_event ev;
	struct extent freed;
	struct fault_log log;
	struct fault fault;
	struct breaker b;
	struct held h;

	held_open(&h, t->dir, 16 * MIB, SHORT_GRACE);
	op.path = h.path;
	CHECK(file_extents(h.fd, 8 * MIB, 8 * MIB, &freed, 1));
	held_check_live(&h, h.fd, 8 * MIB);
	held_check_live(&h, h.fd, 16 * MIB - PAGE);

	breaker_start(&b, &op);
	wait_for_break(&h, &ev);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	CHECK(result.end_ns >= (int64_t)ev.deadline_ns, "it did not wait out the grace");
	story("truncate waited %lld ms for a grace of 300 ms, then went on",
	      (long long)(result.end_ns - result.start_ns) / 1000000);

	held_check_fenced(&h, 8 * MIB);
	held_check_fenced(&h, 16 * MIB - PAGE);
	fault_mark(&log);
	device_fill(&h.edu, HELD_IOVA + 12 * MIB, 0xee, 64);
	CHECK(fault_next(&log, &fault, SOON_MS));
	CHECK_EQ(fault.iova, HELD_IOVA + 12 * MIB);
	fault_close(&log);
	story("device accesses that worked before now fault: the IOMMU reports a refused %s of %#llx by %02x:%02x.%x",
	      fault.write ? "write" : "read", (unsigned long long)fault.iova, fault.source >> 8,
	      fault.source >> 3 & 31, fault.source & 7);
	check_victim(t, &h, &freed, 8 * MIB, 8 * MIB);
	story("the freed blocks belong to another file: the device's attempts to write them change nothing");
	held_check_live(&h, h.fd, 0);
	held_check_live(&h, h.fd, 8 * MIB - PAGE);
	CHECK_PATTERN(h.fd, 0, 8 * MIB, HELD_SEED);
	story("what was not truncated still works for the device, and no byte of it has changed");
}

/* The holder has given up every handle on the file but the device's */
static void check_without(const struct test *t, struct held *h, const char *path)
{
	struct op op = { .kind = OP_TRUNCATE, .path = path, .offset = 0 };
	struct breaker_result result;
	struct daxlease_event ev;
	struct extent freed;
	struct breaker b;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0, "open of %s: %s", path, strerror(errno));
	CHECK(file_extents(fd, 0, h->size, &freed, 1));
	close(fd);
	breaker_start(&b, &op);
	wait_for_break(h, &ev);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	CHECK(result.end_ns >= (int64_t)ev.deadline_ns, "it did not wait out the grace");
	check_victim(t, h, &freed, 0, h->size);
}

static void munmapped(const struct test *t)
{
	struct held h;

	held_open(&h, t->dir, 4 * MIB, SHORT_GRACE);
	held_forget(&h);
	check_without(t, &h, h.path);
	story("the holder had munmapped and closed the file: the same wait, fence and intact blocks");
}

static int sit(void *arg)
{
	(void)arg;
	pause();
	return 0;
}

static void forked(const struct test *t)
{
	struct breaker child;
	struct held h;

	held_open(&h, t->dir, 4 * MIB, SHORT_GRACE);
	breaker_start_fn(&child, sit, NULL, -1);	/* has the mapping, too */
	held_forget(&h);
	check_without(t, &h, h.path);
	breaker_kill(&child, SIGKILL);
	breaker_join(&child, SOON_MS);
	story("after fork, with the mapping left in the child only: the same");
}

/* The last name goes while the device holds the file; the file goes when the device lets go */
static void unlinked(const struct test *t)
{
	struct stat st;
	struct held h;
	int fd;

	held_open(&h, t->dir, 4 * MIB, SHORT_GRACE);
	fd = CHECK_SYS(open(h.path, O_RDWR | O_CLOEXEC));
	held_forget(&h);
	CHECK_SYS(unlink(h.path));
	check_without(t, &h, op_path(fd));
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	story("unlinked, and truncated through /proc: the same");
}

/* Nobody has the file open and it has no name: the lease alone keeps its blocks */
static void unlinked_keeps_blocks(const struct test *t)
{
	unsigned char buf[512];
	struct extent held_blocks;
	uint64_t size;
	struct held h;
	int other;

	held_open(&h, t->dir, 4 * MIB, SHORT_GRACE);
	CHECK(file_extents(h.fd, 0, h.size, &held_blocks, 1));
	CHECK_SYS(unlink(h.path));
	held_forget(&h);
	other = file_fill_free(path_in(t->dir, "other"), FILL_SEED, &size);
	CHECK(!file_owns(other, held_blocks.physical, held_blocks.length), "blocks under a lease were reused");
	device_read(&h.edu, HELD_IOVA + MIB, buf, sizeof(buf));
	CHECK_EQ(pattern_differs(buf, sizeof(buf), HELD_SEED, MIB), -1);
	device_fill(&h.edu, HELD_IOVA + MIB, 0x55, sizeof(buf));
	CHECK_PATTERN(other, 0, size, FILL_SEED);
}

struct kill_arg {
	const struct test *t;
	int ready;		/* written when the file is held */
};

static int hold_until_killed(void *arg)
{
	struct kill_arg *k = arg;
	struct held h;

	held_open(&h, k->t->dir, 4 * MIB, LONG_GRACE);
	CHECK_EQ(write(k->ready, "x", 1), 1);
	CHECK(lease_wait(h.ctx, 0, DAXLEASE_EVENT_BREAK, &(struct daxlease_event){ 0 }, SOON_MS));
	CHECK_EQ(write(k->ready, "x", 1), 1);
	pause();
	return 0;
}

static void killed_during_grace(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 0 };
	struct breaker_result result;
	struct breaker holder, b;
	struct kill_arg k = { .t = t };
	int64_t before;
	int pipefd[2];
	char c;

	CHECK_SYS(pipe(pipefd));
	k.ready = pipefd[1];
	breaker_start_fn(&holder, hold_until_killed, &k, pipefd[1]);
	CHECK_EQ(read(pipefd[0], &c, 1), 1);
	op.path = path_in(t->dir, "held");
	before = now_ns();
	breaker_start(&b, &op);
	CHECK_EQ(read(pipefd[0], &c, 1), 1);
	CHECK(!breaker_done(&b));
	breaker_kill(&holder, SIGKILL);
	CHECK(breaker_join(&holder, SOON_MS).killed);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	CHECK(result.end_ns < before + (int64_t)LONG_GRACE, "it waited for the deadline of a dead holder");
	CHECK_EQ(lease_count(), 0);
	story("the holder is killed during its grace: the device is stopped, truncate returns at once, no "
	      "lease is left");
}

static void two_leases_one_grace(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .offset = 0, .path = path_in(t->dir, "file") };
	struct daxlease_event ev[2];
	struct breaker_result result;
	struct daxlease_acquire a[2];
	struct breaker b;
	int ctx[2], fd;

	fd = file_create(op.path, 8 * MIB, 1);
	for (int i = 0; i < 2; i++) {
		ctx[i] = lease_open();
		CHECK_RET(lease_acquire(ctx[i], fd, i * 4 * MIB, 4 * MIB, DAXLEASE_READ, SHORT_GRACE, &a[i]), 0);
	}
	breaker_start(&b, &op);
	result = breaker_join(&b, SOON_MS);
	CHECK_RET(result.ret, 0);
	for (int i = 0; i < 2; i++)
		CHECK(lease_wait(ctx[i], a[i].id, DAXLEASE_EVENT_BREAK, &ev[i], SOON_MS));
	/* Both were told before the first grace was over: the waits ran side by side */
	CHECK(ev[1].time_ns < ev[0].deadline_ns && ev[0].time_ns < ev[1].deadline_ns);
	CHECK(ev[0].bits & DAXLEASE_EVENT_REVOKED);
	CHECK_EQ(lease_state(ctx[0], a[0].id), DAXLEASE_REVOKED);
}

static void joined_break(const struct test *t)
{
	struct op first = { .kind = OP_PUNCH, .offset = 0, .length = MIB, .path = path_in(t->dir, "file") };
	struct op second = { .kind = OP_PUNCH, .offset = 4 * MIB, .length = MIB, .path = first.path };
	struct daxlease_event ev, ev2;
	struct daxlease_acquire a;
	struct breaker b, b2;
	int ctx, fd;

	fd = file_create(first.path, 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start(&b, &first);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	breaker_start(&b2, &second);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev2, SOON_MS));
	CHECK(ev2.flags & DAXLEASE_FLAG_JOINED);
	CHECK_EQ(ev2.break_id, ev.break_id);
	CHECK_EQ(ev2.deadline_ns, ev.deadline_ns);
	CHECK(!breaker_done(&b) && !breaker_done(&b2));
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_RET(breaker_join(&b2, SOON_MS).ret, 0);
	CHECK_EQ(lease_lost(ctx, a.id), 2);
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0, "ack is idempotent");
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id + 1000), -ESTALE);
	CHECK_RET(lease_ack(ctx, a.id, a.generation + 1, ev.break_id), -ESTALE);
}

static void manual_break(const struct test *t)
{
	struct daxlease_event ev;
	struct daxlease_acquire a;
	uint64_t leases;
	int ctx, fd;

	fd = file_create(path_in(t->dir, "file"), 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK_RET(lease_break(ctx, fd, 2 * MIB, PAGE, &leases), 0);
	CHECK_EQ(leases, 1);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.reason, DAXLEASE_REASON_MANUAL);
	CHECK_EQ(ev.pid, getpid());
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	CHECK_EQ(lease_lost(ctx, a.id), 1);
	CHECK_RET(lease_break(ctx, fd, 2 * MIB, PAGE, &leases), 0);
	CHECK_EQ(leases, 0, "what is lost cannot be broken again");
	CHECK_PATTERN(fd, 0, 8 * MIB, 1);
}

struct ended {
	unsigned long long id, lease, allowed, waited, notice, grace, fence, lost;
	int reason, flags, holder, breaker;
};

/* The break that was over last */
static struct ended last_ended(void)
{
	static char table[65536];
	struct ended e;
	char *row;

	CHECK(read_text("/sys/kernel/debug/daxlease/breaks", table, sizeof(table)) > 0);
	row = strchr(strchr(table, '\n') + 1, '\n') + 1;
	CHECK_EQ(sscanf(row, "%llu %llu %*s %*u %d %d %d %d %*u %llu %llu %llu %llu %llu %llu", &e.id, &e.lease,
			&e.reason, &e.flags, &e.holder, &e.breaker, &e.allowed, &e.waited, &e.notice, &e.grace,
			&e.fence, &e.lost), 12, "%.80s", row);
	return e;
}

static void history(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .offset = 0, .length = MIB };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	struct ended e;
	int ctx, fd;

	fd = file_create(op.path, 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	e = last_ended();
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(e.id, ev.break_id);
	CHECK_EQ(e.lease, a.id);
	CHECK_EQ(e.reason, DAXLEASE_REASON_FALLOCATE);
	CHECK_EQ(e.holder, getpid());
	CHECK_EQ(e.breaker, ev.pid);
	CHECK_EQ(e.allowed, SHORT_GRACE / 1000);
	CHECK(e.notice >= e.allowed && e.grace == 0, "nobody read: notice %llu us, grace %llu", e.notice, e.grace);
	CHECK_EQ(e.lost, 1);

	/* Each part is rounded down to a microsecond, and so is the sum */
	op.offset = 2 * MIB;
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_ack(ctx, a.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	e = last_ended();
	CHECK_EQ(e.id, ev.break_id);
	CHECK(e.grace, "read and acked: no time between");
	CHECK(e.waited - e.notice - e.grace - e.fence <= 2, "%llu us are not %llu of notice, %llu of grace, %llu of fence",
	      e.waited, e.notice, e.grace, e.fence);
	CHECK_EQ(e.lost, 2);
	story("%llu us: %llu until the holder read of it, %llu until it acked, %llu for the fence", e.waited, e.notice,
	      e.grace, e.fence);
}

const struct testcase break_cases[] = {
	{ "cooperative-holder-releases-truncate",
	  "truncate waits for a cooperative holder, and for no longer than it takes",
	  cooperative_holder, ON_BOTH | NEEDS_VFIO | DEMO, 60 },
	{ "uncooperative-holder-is-fenced",
	  "truncate of a file whose holder does nothing returns after the grace, the device fenced",
	  uncooperative_holder, ON_BOTH | NEEDS_VFIO | DEMO, 60 },
	{ "fenced-after-munmap-and-close",
	  "the same with the file munmapped and closed by its holder",
	  munmapped, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "fenced-after-unlink",
	  "the same with the file unlinked",
	  unlinked, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "fenced-after-fork",
	  "the same after fork, the mapping in the child alone",
	  forked, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "fenced-when-holder-is-killed",
	  "the same with the holder killed during its grace",
	  killed_during_grace, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "lease-keeps-blocks-of-unlinked-file",
	  "a file without name or descriptor keeps its blocks as long as the device has them",
	  unlinked_keeps_blocks, ON_ANY | NEEDS_VFIO, 60 },
	{ "operation-pays-one-grace",
	  "an operation that meets several leases waits for them side by side",
	  two_leases_one_grace, ON_ANY | NEEDS_CORE, 0 },
	{ "second-operation-joins-break",
	  "an operation that meets an open break shares its deadline, and the event says so",
	  joined_break, ON_ANY | NEEDS_CORE, 60 },
	{ "history-tells-who-waited-for-whom",
	  "the operator can see afterwards who waited for whom: notice, grace, fence",
	  history, ON_ANY | NEEDS_CORE, 0 },
	{ "break-by-hand",
	  "DAXLEASE_BREAK takes a granule back without touching the file",
	  manual_break, ON_ANY | NEEDS_CORE, 60 },
	{ 0 }
};
