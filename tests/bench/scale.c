// SPDX-License-Identifier: GPL-2.0
/* Many leases, many files, many contexts; memory of each. */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBES	9	/* measurements at each size */

/* Bytes of slab objects in use: number times size, over all caches (of caches merged, each once) */
static double slab_bytes(void)
{
	unsigned long active, total, size;
	char line[512], name[64];
	double sum = 0;
	FILE *f = fopen("/proc/slabinfo", "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lu %lu %lu", name, &active, &total, &size) == 4)
			sum += (double)active * size;
	fclose(f);
	return sum;
}

/* Runs of more than a page come from vmalloc */
static double kernel_bytes(void)
{
	static char text[65536];
	char *p;

	CHECK(read_text("/proc/meminfo", text, sizeof(text)) > 0);
	p = strstr(text, "VmallocUsed:");
	CHECK(p);
	return slab_bytes() + strtod(p + strlen("VmallocUsed:"), NULL) * 1024;
}

static void scaled(const char *kind, const char *what, unsigned int n, uint64_t value)
{
	char row[64], variant[16];

	snprintf(row, sizeof(row), "%s: %s", kind, what);
	snprintf(variant, sizeof(variant), "%u", n);
	sample(row, variant, value, 1);
}

static void acquire_page(int ctx, int fd, uint64_t page, struct daxlease_acquire *a)
{
	CHECK_RET(lease_acquire(ctx, fd, page * PAGE, PAGE, DAXLEASE_READ, 1000 * MS, a), 0, "page %llu",
		  (unsigned long long)page);
}

/* With @n of @kind in being, one more lease, on a page without any, is taken, broken, given up and released */
static void probe(int ctx, int fd, uint64_t page, const char *kind, unsigned int n)
{
	struct daxlease_acquire a;
	struct daxlease_event ev;
	uint64_t t[5], hit;

	for (unsigned int i = 0; i < PROBES; i++) {
		t[0] = meter();
		acquire_page(ctx, fd, page, &a);
		t[1] = meter();
		CHECK_RET(lease_break(ctx, fd, page * PAGE, PAGE, &hit), 0);
		t[2] = meter();
		CHECK_EQ(hit, 1);
		CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, 10000));
		t[3] = meter();
		CHECK_RET(lease_ack(ctx, a.id, ev.generation, ev.break_id), 0);
		t[4] = meter();
		scaled(kind, "acquire", n, t[1] - t[0]);
		scaled(kind, "break", n, t[2] - t[1]);
		scaled(kind, "fence", n, t[4] - t[3]);
		t[0] = meter();
		CHECK_RET(lease_release(ctx, a.id), 0);
		scaled(kind, "release", n, meter() - t[0]);
	}
}

/* Decades up to @many: 100, 1000, ... */
static bool at_decade(unsigned int n, unsigned int many)
{
	for (unsigned int d = 100; d < many; d *= 10)
		if (n == d)
			return true;
	return n == many;
}

/* The page behind those @n that are leased is the probe's */
static int paged_file(const struct bench *b, const char *name, uint64_t n)
{
	return memory_file(path_in(b->dir, name), (n * PAGE / GRANULE + 1) * GRANULE);
}

static void one_file(const struct bench *b)
{
	int fd = paged_file(b, "many", b->many), ctx = lease_open();
	struct daxlease_acquire a;

	for (unsigned int n = 1; n <= b->many; n++) {
		acquire_page(ctx, fd, n - 1, &a);
		if (at_decade(n, b->many))
			probe(ctx, fd, b->many, "leases in a file", n);
	}
	close(ctx);
	close(fd);
}

/* A file whose @n holders have lost all they had of it and released nothing: an operation that meets nobody */
static void lost_leases(const struct bench *b)
{
	for (unsigned int n = 1; n <= b->many / 10; n *= 10) {
		const char *path = path_in(b->dir, "lost");
		int fd = memory_file(path, 16 * MIB), ctx = lease_open();
		struct daxlease_acquire a;

		for (unsigned int i = 0; i < n; i++)
			CHECK_RET(lease_acquire(ctx, fd, 0, 16 * MIB, DAXLEASE_READ, 0, &a), 0);
		CHECK_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16 * MIB));
		for (unsigned int i = 0; i < PROBES; i++) {
			uint64_t start = meter();

			CHECK_SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16 * MIB));
			scaled("lost leases in a file", "punch", n, meter() - start);
		}
		close(ctx);
		close(fd);
		CHECK_SYS(unlink(path));
	}
}

static int small_file(const struct bench *b, unsigned int n)
{
	static char block[PAGE];
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/d%u", b->dir, n / 1000);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/d%u/f%u", b->dir, n / 1000, n);
	fd = CHECK_SYS(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	CHECK_EQ(pwrite(fd, block, PAGE, 0), PAGE);
	return fd;
}

static void many_files(const struct bench *b)
{
	int fd, spare = small_file(b, 0), ctx = lease_open();
	struct daxlease_acquire a;

	for (unsigned int n = 1; n <= b->files; n++) {
		fd = small_file(b, n);
		acquire_page(ctx, fd, 0, &a);
		close(fd);
		if (at_decade(n, b->files))
			probe(ctx, spare, 0, "leased files", n);
	}
	close(ctx);
	close(spare);
}

static void many_contexts(const struct bench *b)
{
	int *ctx = calloc(b->contexts, sizeof(int)), fd = paged_file(b, "contexts", b->contexts);
	struct daxlease_acquire a;

	CHECK(ctx);
	for (unsigned int n = 1; n <= b->contexts; n++) {
		ctx[n - 1] = lease_open();
		acquire_page(ctx[n - 1], fd, n - 1, &a);
		if (at_decade(n, b->contexts))
			probe(ctx[n - 1], fd, b->contexts, "contexts", n);
	}
	for (unsigned int i = 0; i < b->contexts; i++)
		close(ctx[i]);
	free(ctx);
	close(fd);
}

void bench_scale(const struct bench *b)
{
	one_file(b);
	lost_leases(b);
	many_files(b);
	many_contexts(b);
}

/*
 * What the kernel uses more of after each of some rounds. Nothing is given back in between: what RCU frees
 * would be counted for a while.
 */
static void grow(const char *row, unsigned int rounds, double amount, void (*round)(void *arg), void *arg)
{
	double with, before = kernel_bytes();

	for (unsigned int r = 0; r < rounds; r++, before = with) {
		round(arg);
		with = kernel_bytes();
		sample(row, "bytes", with > before ? with - before : 0, amount);
	}
}

/* Leases on ranges of one file, each of @step pages, @n in a round */
struct leases {
	int ctx;
	int fd;
	uint64_t next;
	uint64_t step;
	unsigned int n;
};

static void take(void *arg)
{
	struct leases *l = arg;

	for (unsigned int i = 0; i < l->n; i++, l->next += l->step)
		CHECK_RET(lease_acquire(l->ctx, l->fd, l->next * PAGE, l->step * PAGE, DAXLEASE_READ, MS, NULL), 0);
}

/* Leases of one run each; then of many runs */
void bench_memory(const struct bench *b)
{
	struct leases one = { .ctx = lease_open(), .step = 1, .n = b->small ? 200 : 10000 };
	struct leases runs = { .ctx = one.ctx, .step = b->fragments / PAGE / 6, .n = 1 };

	one.fd = paged_file(b, "memory", 6ULL * one.n);
	take(&one);	/* the first brings slabs into being, and arms the hooks */
	grow("memory of a lease with one run", 5, one.n, take, &one);
	runs.fd = memory_small_blocks(b);
	munmap(memory_map(runs.fd, b->fragments, true), b->fragments);	/* the page cache's tree is not ours */
	take(&runs);
	grow("memory of a run", 5, runs.step, take, &runs);
	close(runs.fd);
	close(one.fd);
	close(one.ctx);
}
