// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA as its users have it: programs of the distribution under "daxlease run", and examples of ours, on
 * two soft RoCE devices that are joined by a pair of virtual network devices:
 *
 *	client on rxe0 - rxe-a ====== rxe-b - rxe1, server
 *
 * Both are in one network namespace, since rxe of Linux 6.12 has its sockets and its routes in the first
 * one only. Packets go over the wire nevertheless: the addresses are link-local.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "program.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED		31
#define FILL_SEED	32
#define SIZE		(4 * MIB)
#define HALF		16384ULL	/* of perftest's buffer */
#define SOON_MS		(60 * 1000)
#define COUNTER		"/sys/class/infiniband/rxe1/ports/1/hw_counters/rcvd_pkts"
#define USERS		(NEEDS_RXE | STOCK_ONLY)

/* The second device, and addresses that may be used */
static void prepare_link(void)
{
	CHECK_EQ(shell("ip link set lo up; rdma link show rxe1/1 2>/dev/null || rdma link add rxe1 type rxe netdev rxe-b"), 0);
	/* Duplicate address detection: a second or two */
	while (!shell("ip -6 addr show tentative | grep -q inet6"))
		usleep(50000);
}

/* A server listens on the port of perftest and the pingpong programs */
static void wait_for_listener(void)
{
	for (int tries = 0; shell("ss -Hltn sport = :18515 | grep -q LISTEN"); tries++) {
		CHECK(tries < 200, "the server does not listen");
		usleep(50000);
	}
}

/**
 * struct perftest - a server and its client
 * @name: program of Debian's package perftest
 * @options: of both
 */
struct perftest {
	struct program server;
	struct program client;
	const char *name;
	const char *options;
};

/* @run: what stands before the command, with a blank; @file: that the server registers */
static void start_server(struct perftest *p, const char *run, const char *file)
{
	program_start(&p->server, "server", "%s%s %s -F -d rxe1 -x 0 --mmap='%s'", run, p->name, p->options,
		      file);
}

/* @file: NULL for memory of its own */
static void start_client(struct perftest *p, const char *run, const char *file)
{
	wait_for_listener();
	program_start(&p->client, "client", "%s%s %s -F -d rxe0 -x 0 %s%s 127.0.0.1", run, p->name, p->options,
		      file ? "--mmap=" : "", file ?: "");
}

static const char *under_run(const struct test *t, const char *options)
{
	static char text[512];

	snprintf(text, sizeof(text), "'%s/daxlease' run %s -- ", t->tools, options);
	return text;
}

static void read_half(const char *path, uint64_t offset, unsigned char half[HALF])
{
	int fd = CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));

	CHECK_EQ(pread(fd, half, HALF, offset), HALF);
	close(fd);
}

/*
 * Both sides under daxlease run, each with a file that perftest fills with random numbers first. Its buffer is two
 * halves: requests go from or to the first of the client and to or from the second of the server. Atomics are 8 bytes.
 */
static void run_perftest(const struct test *t, struct perftest *p, uint64_t second)
{
	static unsigned char asked[HALF], asker[HALF];
	const char *server = path_in(t->dir, "server"), *client = path_in(t->dir, "client");

	unlink(server);
	unlink(client);
	close(file_create(server, SIZE, SEED));
	close(file_create(client, SIZE, SEED));
	start_server(p, under_run(t, ""), server);
	start_client(p, under_run(t, ""), client);
	if (program_join(&p->client, SOON_MS) || program_join(&p->server, SOON_MS)) {
		program_tell(&p->server);
		program_tell(&p->client);
		CHECK(false, "%s failed", p->name);
	}
	read_half(server, second, asked);
	read_half(client, 0, asker);
	if (second == HALF)
		CHECK(!memcmp(asked, asker, HALF), "%s: what was moved is not in the file", p->name);
	else
		CHECK_EQ(*(uint64_t *)asked, *(uint64_t *)asker + 1, "the last fetch and what it added to");
	line(true, "%s: the data is in the file", p->name);
	/* Nothing beyond the buffer was touched */
	CHECK_EQ(shell("cmp -i %llu '%s' '%s'", 2 * HALF, server, client), 0);
}

static void unmodified_programs_move_data(const struct test *t)
{
	static struct perftest rows[] = {
		{ .name = "ib_write_bw", .options = "-n 5 -s 16384" },
		{ .name = "ib_read_bw", .options = "-n 5 -s 16384" },
		{ .name = "ib_send_bw", .options = "-n 5 -s 16384" },
		{ .name = "ib_atomic_bw", .options = "-n 5" },
	};

	prepare_link();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_perftest(t, &rows[i], i < 3 ? HALF : PAGE);
	CHECK_EQ(lease_count(), 0);
}

static uint64_t packets(void)
{
	char text[32];

	CHECK(read_text(COUNTER, text, sizeof(text)) > 0);
	return strtoull(text, NULL, 10);
}

/* Until the server's device has received @n packets more than @before */
static void wait_for_traffic(uint64_t before, uint64_t n)
{
	while (packets() < before + n)
		usleep(20000);
}

/* Leaves no space but what @fd and later files give back */
static void take_free_space(const struct test *t)
{
	int fd = CHECK_SYS(open(path_in(t->dir, "rest"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	off_t at = 0;

	for (off_t chunk = 64 * MIB; chunk >= (off_t)PAGE; chunk /= 2)
		while (!fallocate(fd, 0, at, chunk))
			at += chunk;
	close(fd);
}

static void truncate_under_traffic(const struct test *t, const char *options)
{
	struct perftest p = { .name = "ib_write_bw", .options = "-n 1000000 -s 4096 -Q 1" };
	const char *path = path_in(t->dir, "file");
	struct op op = { .kind = OP_TRUNCATE, .path = path };
	int fd = file_create(path, SIZE, SEED), filler;
	uint64_t before, freed = file_physical(fd, 0), size;

	prepare_link();
	take_free_space(t);
	before = packets();
	start_server(&p, under_run(t, options), path);
	start_client(&p, "", NULL);
	wait_for_traffic(before, 200);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	story("truncated while a peer writes");
	filler = file_fill_free(path_in(t->dir, "filler"), FILL_SEED, &size);
	CHECK(file_owns(filler, freed, PAGE), "the freed blocks are not in the other file");
	CHECK(program_join(&p.client, SOON_MS) != 0);
	CHECK(program_said(&p.client, "status 10"), "%s", p.client.text);
	story("the peer's write: status 10, remote access error");
	CHECK_PATTERN(filler, 0, size, FILL_SEED);
	story("the freed blocks are in another file, whose %" PRIu64 " KiB are intact", size / 1024);
	program_kill(&p.server, SIGTERM);
	program_join(&p.server, SOON_MS);
}

static void truncate_is_given_way_to(const struct test *t)
{
	/* No case lasts that long: it is the ack that ends the break */
	truncate_under_traffic(t, "--grace 25s");
}

static void truncate_waits_for_the_deadline(const struct test *t)
{
	truncate_under_traffic(t, "--grace 100ms --on-break ignore");
}

static void cooperative_target_keeps_its_connection(const struct test *t)
{
	static struct program target, writer;
	const char *path = path_in(t->dir, "file");
	struct op op = { .kind = OP_PUNCH, .path = path, .length = GRANULE };
	int fd = file_create(path, 3 * GRANULE, SEED), filler;
	uint64_t before, freed = file_physical(fd, 0), size;
	unsigned char block[PAGE];

	prepare_link();
	take_free_space(t);
	program_start(&target, "target", "'%s/examples/rdma-mover' target rxe1 7471 '%s' 25000", t->tools, path);
	program_wait_for(&target, "listening", SOON_MS);
	before = packets();
	program_start(&writer, "writer", "'%s/examples/rdma-mover' writer rxe0 127.0.0.1 7471 3000", t->tools);
	wait_for_traffic(before, 400);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	filler = file_fill_free(path_in(t->dir, "filler"), FILL_SEED, &size);
	CHECK(file_owns(filler, freed, PAGE), "the freed blocks are not in the other file");
	program_wait_for(&target, "moved", SOON_MS);
	CHECK(program_said(&target, "moving to 1"), "%s", target.text);
	CHECK(!program_said(&writer, "written"), "the break was not in the middle of the traffic");
	CHECK_EQ(program_join(&writer, SOON_MS), 0, "%s", writer.text);
	CHECK_EQ(program_join(&target, SOON_MS), 0, "%s", target.text);
	CHECK(program_said(&target, "done, moved 1 times"), "%s", target.text);
	CHECK_PATTERN(filler, 0, size, FILL_SEED);
	CHECK_PATTERN(fd, 2 * GRANULE, GRANULE, SEED);
	/* The last blocks that were written, each in its place in the new window */
	for (uint64_t n = 2900; n < 3000; n++) {
		CHECK_EQ(pread(fd, block, PAGE, GRANULE + n % 512 * PAGE), PAGE);
		CHECK_EQ(block[0], 1 + n % 255);
		CHECK_EQ(block[PAGE - 1], 1 + n % 255);
	}
	story("moved to another window, one connection, 3000 blocks; the old window's blocks belong to another file");
}

/* "FIRST END" of rdma-pmem-log check */
static void check_log(const struct test *t, const char *path, uint64_t *first, uint64_t *end)
{
	static struct program check;

	program_start(&check, "check", "'%s/examples/rdma-pmem-log' check '%s'", t->tools, path);
	CHECK_EQ(program_join(&check, SOON_MS), 0, "%s", check.text);
	CHECK_EQ(sscanf(check.text, "%" SCNu64 " %" SCNu64, first, end), 2, "%s", check.text);
}

static uint64_t last_acked(const struct program *writer)
{
	const char *at = writer->text, *next;
	uint64_t acked = 0;

	while ((next = strstr(at, "acked ")) && sscanf(next, "acked %" SCNu64, &acked) == 1)
		at = next + 1;
	return acked;
}

static void start_log(const struct test *t, struct program *target, const char *path)
{
	program_start(target, "target", "'%s/examples/rdma-pmem-log' target rxe1 7472 '%s' 25000", t->tools, path);
	program_wait_for(target, "listening", SOON_MS);
}

static void log_loses_no_acknowledged_record(const struct test *t)
{
	static struct program target, writer;
	const char *a = path_in(t->dir, "a"), *b = path_in(t->dir, "b");
	uint64_t first, end, acked;

	prepare_link();
	CHECK_EQ(shell("'%s/examples/rdma-pmem-log' format '%s' 3000 && '%s/examples/rdma-pmem-log' format '%s' 3000",
		       t->tools, a, t->tools, b), 0);
	start_log(t, &target, b);
	program_start(&writer, "writer", "'%s/examples/rdma-pmem-log' writer rxe0 127.0.0.1 7472 '%s' 2800",
		      t->tools, a);
	program_wait_for(&writer, "acked 640\n", SOON_MS);
	CHECK_EQ(shell("'%s/examples/rdma-pmem-log' compact '%s' 600", t->tools, b), 0);
	program_wait_for(&target, "gave way", SOON_MS);
	CHECK(!program_said(&writer, "acked 2800"), "the log was not compacted in the middle of traffic");
	CHECK(!program_said(&writer, "ended"), "%s", writer.text);
	story("compacted at record %" PRIu64 ": the target gave way, the connection stayed", last_acked(&writer));

	program_wait_for(&writer, "acked 960\n", SOON_MS);
	program_kill(&target, SIGKILL);
	CHECK_EQ(program_join(&target, SOON_MS), 128 + SIGKILL);
	program_wait_for(&writer, "ended", SOON_MS);
	acked = last_acked(&writer);
	check_log(t, b, &first, &end);
	CHECK_EQ(first, 600);
	CHECK(end >= acked, "the target has %" PRIu64 " records, %" PRIu64 " were acknowledged", end, acked);
	CHECK(acked < 2800);
	story("killed: %" PRIu64 " acknowledged, %" PRIu64 " there", acked, end);

	start_log(t, &target, b);
	CHECK_EQ(program_join(&writer, SOON_MS), 0, "%s", writer.text);
	CHECK_EQ(last_acked(&writer), 2800);
	program_kill(&target, SIGTERM);
	program_join(&target, SOON_MS);
	check_log(t, b, &first, &end);
	CHECK_EQ(first, 600);
	CHECK_EQ(end, 2800);
	CHECK_EQ(shell("cmp -i %llu -n %llu '%s' '%s'", GRANULE + 600 * PAGE, 2200 * PAGE, a, b), 0);
	story("started again: all 2800 are acknowledged, and the same in both files");
}

const struct testcase rdma_user_cases[] = {
	{ "rdma-unmodified-programs-move-data", "perftest under daxlease run writes, reads, sends and counts in a file",
	  unmodified_programs_move_data, ON_XFS | USERS | DEMO_RDMA, 120 },
	{ "rdma-truncate-is-given-way-to", "a truncate during RDMA writes: the peer meets an access error, freed blocks stay intact",
	  truncate_is_given_way_to, ON_XFS | USERS | DEMO_RDMA, 90 },
	{ "rdma-truncate-waits-for-the-deadline", "the same when nobody gives way: the fence comes at the end of the grace",
	  truncate_waits_for_the_deadline, ON_XFS | USERS | DEMO_RDMA, 90 },
	{ "rdma-cooperative-target-moves", "a target that gives way goes on in another range, on the same connection",
	  cooperative_target_keeps_its_connection, ON_XFS | USERS | DEMO_RDMA, 90 },
	{ "rdma-log-loses-no-acked-record", "a replicated log is compacted under traffic and its target killed: no acknowledged record is lost",
	  log_loses_no_acknowledged_record, ON_XFS | USERS | DEMO_RDMA, 120 },
	{ 0 }
};
