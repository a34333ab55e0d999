// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA as its users have it: programs of the distribution, those that register files under "daxlease run",
 * and examples of ours. The client is on rxe0, the server on rxe1, at the other end of the wire (lib/verbs.h).
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "program.h"
#include "verbs.h"

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
#define TESTS		"/usr/share/doc/rdma-core/tests"
#define EXAMPLES	"/usr/share/doc/python3-pyverbs/examples"
#define COUNTER		"/sys/class/infiniband/rxe1/ports/1/hw_counters/rcvd_pkts"
#define USERS		(NEEDS_RXE | STOCK_ONLY)

static void prepare_link(void)
{
	verbs_second_device();
	CHECK_EQ(shell("ip link set lo up"), 0);
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

static void stock_refuses_files(const struct test *t)
{
	static struct perftest p = { .name = "ib_write_bw", .options = "-n 20 -s 4096" };
	const char *path = path_in(t->dir, "file");

	prepare_link();
	close(file_create(path, SIZE, SEED));
	/* Not the program's fault, nor the network's: it works with a file of ordinary memory */
	CHECK_EQ(shell("head -c 1M /dev/zero >/run/file"), 0);
	start_server(&p, "", "/run/file");
	start_client(&p, "", NULL);
	CHECK_EQ(program_join(&p.client, SOON_MS), 0, "%s", p.client.text);
	CHECK_EQ(program_join(&p.server, SOON_MS), 0, "%s", p.server.text);
	story("ib_write_bw --mmap=/run/file, on tmpfs: works");
	/* It registers when its client has come */
	start_server(&p, "", path);
	start_client(&p, "", NULL);
	CHECK(program_join(&p.server, SOON_MS) != 0, "%s", p.server.text);
	CHECK(program_said(&p.server, "Couldn't allocate MR"), "%s", p.server.text);
	story("ib_write_bw --mmap=%s, on %s with DAX: \"Couldn't allocate MR\"", path, t->fs);
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
	line(true, "daxlease run -- %s %s --mmap=FILE: the data is in the file", p->name, p->options);
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

static void truncate_under_traffic(const struct test *t, const char *options)
{
	struct perftest p = { .name = "ib_write_bw", .options = "-n 1000000 -s 4096 -Q 1" };
	const char *path = path_in(t->dir, "file");
	struct op op = { .kind = OP_TRUNCATE, .path = path };
	int fd = file_create(path, SIZE, SEED), filler;
	uint64_t before, freed = file_physical(fd, 0), size;

	prepare_link();
	file_take_free(path_in(t->dir, "rest"));
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
	file_take_free(path_in(t->dir, "rest"));
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

static uint64_t last_acked(struct program *writer)
{
	const char *at, *next;
	uint64_t acked = 0;

	program_said(writer, "");	/* takes what there is */
	at = writer->text;
	while ((next = strstr(at, "acked ")) && sscanf(next, "acked %" SCNu64, &acked) == 1)
		at = next + 1;
	return acked;
}

static void wait_for_acked(struct program *writer, uint64_t n)
{
	int64_t end = now_ns() + SOON_MS * 1000000LL;

	while (last_acked(writer) < n) {
		CHECK(now_ns() < end, "%" PRIu64 " records acknowledged, not %" PRIu64 ": %s", last_acked(writer), n,
		      writer->text);
		usleep(20000);
	}
}

#define RECORDS		8000U	/* more than are written */
#define DROPPED		512U	/* a granule */

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
	CHECK_EQ(shell("'%s/examples/rdma-pmem-log' format '%s' %u && '%s/examples/rdma-pmem-log' format '%s' %u",
		       t->tools, a, RECORDS, t->tools, b, RECORDS), 0);
	start_log(t, &target, b);
	program_start(&writer, "writer", "'%s/examples/rdma-pmem-log' writer rxe0 127.0.0.1 7472 '%s' %u",
		      t->tools, a, RECORDS);
	wait_for_acked(&writer, DROPPED);
	CHECK_EQ(shell("'%s/examples/rdma-pmem-log' compact '%s' %u", t->tools, b, DROPPED), 0);
	program_wait_for(&target, "gave way", SOON_MS);
	acked = last_acked(&writer);
	CHECK(acked < RECORDS, "the log was not compacted in the middle of traffic");
	CHECK(!program_said(&writer, "ended"), "%s", writer.text);
	story("compacted at record %" PRIu64 ": the target gave way, the connection stayed", acked);

	wait_for_acked(&writer, acked + 160);
	program_kill(&target, SIGKILL);
	CHECK_EQ(program_join(&target, SOON_MS), 128 + SIGKILL);
	program_wait_for(&writer, "ended", SOON_MS);
	acked = last_acked(&writer);
	check_log(t, b, &first, &end);
	CHECK_EQ(first, DROPPED);
	CHECK(end >= acked, "the target has %" PRIu64 " records, %" PRIu64 " were acknowledged", end, acked);
	CHECK(acked < RECORDS);
	story("killed: %" PRIu64 " acknowledged, %" PRIu64 " there", acked, end);

	start_log(t, &target, b);
	wait_for_acked(&writer, end + 160);
	program_kill(&writer, SIGKILL);
	CHECK_EQ(program_join(&writer, SOON_MS), 128 + SIGKILL);
	acked = last_acked(&writer);
	program_kill(&target, SIGTERM);
	program_join(&target, SOON_MS);
	check_log(t, b, &first, &end);
	CHECK_EQ(first, DROPPED);
	CHECK(end >= acked, "the target has %" PRIu64 " records, %" PRIu64 " were acknowledged", end, acked);
	CHECK_EQ(shell("cmp -i %llu -n %llu '%s' '%s'", GRANULE + DROPPED * PAGE, (acked - DROPPED) * PAGE, a, b), 0);
	story("started again: %" PRIu64 " are acknowledged, and the same in both files", acked);
}

static void utilities_work(const struct test *t)
{
	static const char *const kinds[] = { "rc", "uc", "srq", "ud" };
	static struct program server, client;

	(void)t;
	prepare_link();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *more = strcmp(kinds[i], "ud") ? "" : "-s 512";

		program_start(&server, "server", "ibv_%s_pingpong -d rxe1 -g 0 -n 20 %s", kinds[i], more);
		wait_for_listener();
		program_start(&client, "client", "ibv_%s_pingpong -d rxe0 -g 0 -n 20 %s 127.0.0.1", kinds[i], more);
		CHECK_EQ(program_join(&client, SOON_MS), 0, "%s: %s", kinds[i], client.text);
		CHECK_EQ(program_join(&server, SOON_MS), 0, "%s: %s", kinds[i], server.text);
		CHECK(program_said(&client, "20 iters in"), "%s", client.text);
		line(true, "ibv_%s_pingpong", kinds[i]);
	}
}

/*
 * rdma-core's tests in Python, as Debian has them in its documentation, and the example of python3-pyverbs. Of the
 * tests those of what the drop-in changes: regions, memory windows, atomics.
 */
static void pyverbs_works(const struct test *t)
{
	static struct program tests;
	unsigned int ran;
	const char *at;

	(void)t;
	prepare_link();
	CHECK_EQ(shell("rm -rf /run/tests && cp -r " TESTS " /run/tests && gunzip /run/tests/*.gz"), 0);
	program_start(&tests, "tests", "/usr/bin/python3 /run/tests/run_tests.py --dev rxe0 --port 1 --gid 0 -v "
		      "test_pd test_mr test_atomic");
	CHECK_EQ(program_join(&tests, 2 * SOON_MS), 0, "%s", tests.text);
	at = strstr(tests.text, "\nRan ");
	CHECK(at && sscanf(at, "\nRan %u tests", &ran) == 1 && ran >= 30, "%s", tests.text);
	CHECK(strstr(tests.text, "test_mw_type2_invalidate_remote) ... ok") &&
	      strstr(tests.text, "test_atomic_fetch_and_add) ... ok"), "%s", tests.text);
	story("%u tests of pd, mr, atomic", ran);
	program_start(&tests, "devices", "/usr/bin/python3 " EXAMPLES "/ib_devices.py");
	CHECK_EQ(program_join(&tests, SOON_MS), 0, "%s", tests.text);
	CHECK(strstr(tests.text, "rxe0"), "%s", tests.text);
}

const struct testcase rdma_user_cases[] = {
	{ "rdma-stock-refuses-files", "stock rdma_rxe: ib_write_bw --mmap cannot register a file on fs-dax, only one of ordinary memory",
	  stock_refuses_files, ON_XFS | NEEDS_STOCK | USERS | DEMO_RDMA, 90 },
	{ "rdma-unmodified-programs-move-data", "ours: perftest, unmodified, under daxlease run writes, reads, sends and counts in a file on fs-dax",
	  unmodified_programs_move_data, ON_ANY | USERS | DEMO_RDMA, 120 },
	{ "rdma-truncate-is-given-way-to", "a truncate while a peer writes by RDMA: the write ends in an access error, and not in the file that gets the blocks",
	  truncate_is_given_way_to, ON_BOTH | USERS | DEMO_RDMA, 90 },
	{ "rdma-truncate-waits-for-the-deadline", "the same when the holder does not react: it is fenced at the end of the grace",
	  truncate_waits_for_the_deadline, ON_XFS | USERS | DEMO_RDMA, 90 },
	{ "rdma-cooperative-target-moves", "a target that gives way goes on in another range, on the same connection",
	  cooperative_target_keeps_its_connection, ON_ANY | USERS | DEMO_RDMA, 90 },
	{ "rdma-log-loses-no-acked-record", "a replicated log is compacted under traffic and its target killed: no acknowledged record is lost",
	  log_loses_no_acknowledged_record, ON_ANY | USERS | DEMO_RDMA, 120 },
	{ "rdma-utilities-work", "rdma-core's pingpong programs (RC, UC, SRQ, UD) work on the rebuilt rdma_rxe",
	  utilities_work, ON_EXT4 | USERS, 90 },
	{ "rdma-pyverbs-works", "pyverbs' example and rdma-core's tests of regions, windows and atomics work on the rebuilt rdma_rxe",
	  pyverbs_works, ON_XFS | USERS, 150 },
	{ 0 }
};
