// SPDX-License-Identifier: GPL-2.0
/*
 * A lease as a dma-buf, and a dma-buf as a memory region: who may have which rights, what a part of a lease
 * is when another is lost, and what ends when.
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "leased.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define IOVA		LEASED_IOVA
#define SOON_MS		20000
#define FILL_SEED	22
#define WRITING		(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static const struct {
	const char *what;
	uint64_t offset, length;
	uint32_t fd_flags;
	int ret;
} exports[] = {
	{ "for writing, of a read lease", 0, PAGE, O_RDWR, -EACCES },
	{ "for writing only", 0, PAGE, O_WRONLY, -EINVAL },
	{ "no access mode", 0, PAGE, O_ACCMODE, -EINVAL },
	{ "unknown flag", 0, PAGE, O_TRUNC, -EINVAL },
	{ "nothing", 0, 0, 0, -EINVAL },
	{ "half a page", 0, PAGE / 2, 0, -EINVAL },
	{ "past the end", LEASED_SIZE - PAGE, 2 * PAGE, 0, -EINVAL },
	{ "overflow", PAGE, -(uint64_t)PAGE, 0, -EINVAL },
};

static const struct {
	const char *what;
	uint64_t offset, length;
	int access;
	int ret;
} registrations[] = {
	{ "local write", 0, PAGE, IBV_ACCESS_LOCAL_WRITE, -EACCES },
	{ "remote write", 0, PAGE, WRITING, -EACCES },
	{ "atomics", 0, PAGE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC, -EACCES },
	{ "nothing", 0, 0, VERBS_READ, -EINVAL },
	{ "past the end", LEASED_SIZE - PAGE, PAGE + 1, VERBS_READ, -EINVAL },
	{ "overflow", PAGE, -(uint64_t)PAGE, VERBS_READ, -EINVAL },
	{ "more than there is", 0, 1ULL << 50, VERBS_READ, -EINVAL },
};

#define ROWS(table)	(sizeof(table) / sizeof((table)[0]))

static int reg(struct leased *l, int fd, uint64_t offset, uint64_t length, int access)
{
	struct region r;
	int ret = verbs_reg(&l->v, fd, offset, length, IOVA, access, &r);

	if (!ret)
		CHECK_RET(verbs_dereg(&l->v, &r), 0);
	return ret;
}

static void read_lease_gives_no_write(const struct test *t)
{
	struct leased l;
	int fd;

	leased_open(&l, t->dir, DAXLEASE_READ);
	for (unsigned int i = 0; i < ROWS(exports); i++)
		CHECK_RET(lease_export(l.ctx, l.lease.id, exports[i].offset, exports[i].length, exports[i].fd_flags,
				       &fd), exports[i].ret, "%s", exports[i].what);
	for (unsigned int i = 0; i < ROWS(registrations); i++)
		CHECK_RET(reg(&l, l.dmabuf, registrations[i].offset, registrations[i].length,
			      registrations[i].access), registrations[i].ret, "%s", registrations[i].what);
	CHECK_RET(reg(&l, l.fd, 0, PAGE, VERBS_READ), -EINVAL, "a file");
	CHECK_RET(reg(&l, -1, 0, PAGE, VERBS_READ), -EBADF);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, l.dmabuf, 0) == MAP_FAILED, "a dma-buf was mapped");
	story("%zu exports and %zu registrations that would give too much: refused", ROWS(exports),
	      ROWS(registrations));

	CHECK_RET(verbs_rereg(&l.v, &l.r, VERBS_READ | IBV_ACCESS_LOCAL_WRITE), -EACCES, "local write");
	CHECK_RET(verbs_rereg(&l.v, &l.r, WRITING), -EACCES, "remote write");
	CHECK_RET(verbs_rereg(&l.v, &l.r, VERBS_READ | IBV_ACCESS_MW_BIND), -EACCES, "windows");
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 4096, IOVA, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_WRITE, 4096, IOVA, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
	verbs_connect(&l.v);
	CHECK_RET(verbs_rereg(&l.v, &l.r, 0), 0, "fewer rights");
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 4096, IOVA, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
	CHECK_PATTERN(l.fd, 0, LEASED_SIZE, LEASED_SEED);
}

static int export_part(struct leased *l, uint64_t offset, uint64_t length)
{
	int fd, ret = lease_export(l->ctx, l->lease.id, offset, length, O_RDWR | O_CLOEXEC, &fd);

	return ret ?: fd;
}

static void reg_part(struct leased *l, uint64_t offset, uint64_t length, struct region *r)
{
	int fd = export_part(l, offset, length);

	CHECK(fd >= 0, "export: %s", ret_name(fd));
	CHECK_RET(verbs_reg(&l->v, fd, 0, length, IOVA + offset, VERBS_ALL, r), 0);
	close(fd);
}

static enum ibv_wc_status read_at(struct leased *l, uint64_t offset, const struct region *r)
{
	enum ibv_wc_status status = verbs_do(&l->v, IBV_WR_RDMA_READ, 4096, IOVA + offset, r->rkey);

	if (status != IBV_WC_SUCCESS)
		verbs_connect(&l->v);
	return status;
}

static void parts_are_lost_whole(const struct test *t)
{
	struct region first, last, again;
	struct leased l;
	uint64_t gen;
	int fd;

	leased_open(&l, t->dir, DAXLEASE_WRITE);
	reg_part(&l, 0, 2 * GRANULE, &first);
	reg_part(&l, 2 * GRANULE, 2 * GRANULE, &last);
	leased_take_back(&l, GRANULE, PAGE);
	CHECK_WC(read_at(&l, 0, &first), IBV_WC_REM_ACCESS_ERR, "the other granule of a region");
	CHECK_WC(read_at(&l, 3 * GRANULE, &l.r), IBV_WC_REM_ACCESS_ERR, "of the region over all");
	CHECK_WC(read_at(&l, 2 * GRANULE, &last), IBV_WC_SUCCESS, "the region next to it");
	CHECK_EQ(lease_lost(l.ctx, l.lease.id), 1);
	story("a granule is lost: the regions over it are dead, the one next to it works");

	CHECK_RET(reg(&l, l.dmabuf, 2 * GRANULE, PAGE, VERBS_READ), -EKEYREVOKED);
	CHECK_RET(export_part(&l, 0, 2 * GRANULE), -EKEYREVOKED, "over the lost granule");
	fd = export_part(&l, 0, GRANULE);
	CHECK(fd >= 0, "export of what is left: %s", ret_name(fd));
	close(fd);

	CHECK_RET(lease_rearm(l.ctx, l.lease.id, 0, LEASED_SIZE, &gen), 0, "with dead regions around");
	CHECK_EQ(gen, 2);
	CHECK_WC(read_at(&l, 0, &first), IBV_WC_REM_ACCESS_ERR, "after the re-arm");
	CHECK_RET(reg(&l, l.dmabuf, 0, PAGE, VERBS_READ), -EKEYREVOKED, "the old dma-buf after the re-arm");
	reg_part(&l, 0, 2 * GRANULE, &again);
	CHECK_WC(read_at(&l, GRANULE, &again), IBV_WC_SUCCESS);
	story("re-armed: the old regions and the old dma-buf stay dead, new ones work");

	fd = export_part(&l, 0, PAGE);
	CHECK(fd >= 0);
	close(l.ctx);
	CHECK_WC(read_at(&l, GRANULE, &again), IBV_WC_REM_ACCESS_ERR, "after the context was closed");
	CHECK_RET(reg(&l, fd, 0, PAGE, VERBS_READ), -EKEYREVOKED, "after the context was closed");
}

/* Writes without end, with new queue pairs after each error */
struct traffic {
	struct leased *l;
	atomic_bool stop;
	atomic_uint done;
	atomic_uint refused;
	atomic_int strange;
};

static void *traffic_main(void *arg)
{
	struct traffic *tr = arg;
	uint64_t at = 0;

	while (!tr->stop) {
		enum ibv_wc_status status = verbs_do(&tr->l->v, IBV_WR_RDMA_WRITE, 256 * 1024, IOVA + at, tr->l->r.rkey);

		at = (at + 256 * 1024) % LEASED_SIZE;
		if (status == IBV_WC_SUCCESS) {
			tr->done++;
			continue;
		}
		tr->refused++;
		if (status != IBV_WC_REM_ACCESS_ERR)
			tr->strange = (int)status;
		verbs_connect(&tr->l->v);
	}
	return NULL;
}

static void wait_for(const atomic_uint *count, unsigned int at_least)
{
	int64_t end = now_ns() + SOON_MS * 1000000LL;

	while (*count < at_least) {
		CHECK(now_ns() < end, "the traffic stands still");
		usleep(1000);
	}
}

static void truncate_against_traffic(const struct test *t)
{
	static struct leased l;
	struct op op = { .kind = OP_TRUNCATE, .path = l.path, .offset = 0 };
	struct traffic tr = { .l = &l };
	struct extent freed;
	struct breaker b;
	pthread_t thread;
	uint64_t size;
	int victim;

	leased_open(&l, t->dir, DAXLEASE_WRITE);
	CHECK(file_extents(l.fd, 0, LEASED_SIZE, &freed, 1) > 0);
	file_take_free(path_in(t->dir, "rest"));
	memset(l.v.buf, 0x99, l.v.buf_len);
	CHECK_EQ(pthread_create(&thread, NULL, traffic_main, &tr), 0);
	wait_for(&tr.done, 4);
	breaker_start(&b, &op);
	leased_give_way(&l);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	victim = file_fill_free(path_in(t->dir, "victim"), FILL_SEED, &size);
	CHECK(file_owns(victim, freed.physical, freed.length), "the freed blocks were not reused");
	wait_for(&tr.refused, 4);
	tr.stop = true;
	pthread_join(thread, NULL);
	CHECK(!tr.strange, "an access ended with %s", ibv_wc_status_str((enum ibv_wc_status)tr.strange));
	CHECK_PATTERN(victim, 0, size, FILL_SEED);
	story("truncate under RDMA writes: %u done, then %u refused; the file that has the blocks now is intact",
	      (unsigned int)tr.done, (unsigned int)tr.refused);
}

/* What asks nobody: the hook takes the lease back with the filesystem's locks held */
static void emergency_takes_region(const struct test *t)
{
	struct op op = { .kind = OP_SWAPEXT, .other = path_in(t->dir, "donor") };
	static struct leased l;
	struct daxlease_event ev;
	int donor;

	leased_open(&l, t->dir, DAXLEASE_WRITE);
	op.path = l.path;
	donor = file_create(op.other, LEASED_SIZE, FILL_SEED);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_READ, 4096, IOVA, l.r.rkey), IBV_WC_SUCCESS);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK(lease_wait(l.ctx, l.lease.id, DAXLEASE_EVENT_FENCED, &ev, SOON_MS));
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	memset(l.v.buf, 0x99, l.v.buf_len);
	CHECK_WC(verbs_do(&l.v, IBV_WR_RDMA_WRITE, 4096, IOVA, l.r.rkey), IBV_WC_REM_ACCESS_ERR);
	CHECK_PATTERN(donor, 0, LEASED_SIZE, LEASED_SEED);
	CHECK_PATTERN(l.fd, 0, LEASED_SIZE, FILL_SEED);
}

/* In a process of its own: holds a lease and a region, and writes until it is killed */
static int hold_and_write(void *arg)
{
	struct traffic tr = { .l = calloc(1, sizeof(struct leased)) };

	leased_open(tr.l, arg, DAXLEASE_WRITE);
	CHECK_WC(verbs_do(&tr.l->v, IBV_WR_RDMA_WRITE, 4096, IOVA, tr.l->r.rkey), IBV_WC_SUCCESS);
	close(open(path_in(arg, "ready"), O_CREAT | O_WRONLY, 0600));
	traffic_main(&tr);
	return 0;
}

static void killed_holder_lets_go(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .path = path_in(t->dir, "leased"), .offset = 0 };
	int64_t end = now_ns() + SOON_MS * 1000000LL;
	pid_t pid = fork();

	if (!pid)
		_exit(hold_and_write((void *)t->dir));
	while (access(path_in(t->dir, "ready"), F_OK)) {
		CHECK(now_ns() < end, "the holder does not write");
		usleep(1000);
	}
	CHECK_SYS(kill(pid, SIGKILL));
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK_SYS(waitpid(pid, NULL, 0));
	CHECK_EQ(lease_count(), 0);
}

const struct testcase rdma_rights_cases[] = {
	{ "rdma-read-lease-gives-no-write", "no dma-buf, region, or change of a region gives more than the lease",
	  read_lease_gives_no_write, ON_EXT4 | NEEDS_RXE, 0 },
	{ "rdma-parts-are-lost-whole", "what has lost a part is dead for ever, also after a re-arm; what lies beside it lives",
	  parts_are_lost_whole, ON_EXT4 | NEEDS_RXE, 0 },
	{ "rdma-truncate-against-traffic", "a truncate under RDMA writes: the file that gets the freed blocks stays intact",
	  truncate_against_traffic, ON_XFS | STOCK_ONLY | NEEDS_RXE, 60 },
	{ "rdma-emergency-takes-region", "a swap of extents, which asks nobody: the region is dead when it returns",
	  emergency_takes_region, ON_XFS | NEEDS_RXE, 0 },
	{ "rdma-killed-holder-lets-go", "SIGKILL of a process with a region under traffic: nothing is left of lease and region",
	  killed_holder_lets_go, ON_EXT4 | NEEDS_RXE, 0 },
	{ 0 }
};
