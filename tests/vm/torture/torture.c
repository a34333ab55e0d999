// SPDX-License-Identifier: GPL-2.0
#include "torture.h"
#include "held.h"
#include "lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SHORT_BATCHES	50		/* of the device, at least, in a run of all cases */
#define SLACK		(8 * MIB)	/* of free blocks, so that freed ones are soon somebody else's */
#define REPORT_NS	60000000000LL
#define BREAKS		"/sys/kernel/debug/daxlease/breaks"
#define HOOKS		"/sys/kernel/debug/daxlease/hooks"

static const struct {
	const char *name;
	void *(*fn)(void *actor);
	unsigned int number;
} cast[] = {
	{ "t-breaker", breaker_actor, BREAKERS },
	{ "t-watcher", watcher_actor, 1 },
	{ "t-lessee", lessee_actor, 1 },
	{ "t-mapper", mapper_actor, 1 },
	{ "t-grouper", grouper_actor, 1 },
};

#define ACTORS_MAX	(BREAKERS + 4)

static void leave_little_space(const struct torture *t)
{
	struct statvfs fs;
	uint64_t free;
	int fd;

	CHECK_SYS(syncfs(t->fd));
	CHECK_SYS(fstatvfs(t->fd, &fs));
	free = fs.f_bavail * fs.f_frsize;
	CHECK(free > SLACK);
	fd = CHECK_SYS(openat(t->dir, "ballast", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	CHECK_SYS(fallocate(fd, 0, 0, (free - SLACK) & -PAGE));
	close(fd);
}

static void set_up(struct torture *t, const struct test *test)
{
	struct stat st;

	t->test = test;
	t->dir = CHECK_SYS(open(test->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	t->fd = file_create(path_in(test->dir, "arena"), ARENA, ARENA_SEED);
	t->map = file_map(t->fd, 0, ARENA);
	t->pattern = malloc(ARENA);
	CHECK(t->pattern);
	pattern_fill(t->pattern, ARENA, ARENA_SEED, 0);
	CHECK_SYS(fstat(t->fd, &st));
	t->ino = st.st_ino;
	leave_little_space(t);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->batch, NULL);
	nvme_open(&t->nvme);
	for (unsigned int r = 0; r < REGIONS; r++) {
		pthread_rwlock_init(&t->regions[r].lock, NULL);
		region_map(t, r);
	}
}

/* The id of the last break: ids count them */
static uint64_t last_break(void)
{
	unsigned long long id = 0;
	char text[65536];

	CHECK(read_text(BREAKS, text, sizeof(text)) > 0);
	for (char *save, *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (*l != '#' && sscanf(l, "%llu", &id) == 1)
			break;
	return id;
}

static unsigned long long emergencies(void)
{
	unsigned long long n;
	char text[4096], *at;

	CHECK(read_text(HOOKS, text, sizeof(text)) > 0);
	at = strstr(text, "emergencies");
	CHECK(at && sscanf(at, "emergencies %llu", &n) == 1, "%s", text);
	return n;
}

static void report_progress(const struct torture *t, uint64_t breaks)
{
	dprintf(STDERR_FILENO, "torture: %llu commands, %llu breaks, %llu re-arms, %llu victims\n", t->n.commands,
		(unsigned long long)breaks, t->n.rearms, t->n.victims);
}

/* Each thing that is meant to happen has */
static bool all_happened(const struct torture *t)
{
	const struct counts *n = &t->n;

	return n->victims && n->dead && n->live && n->rearms && n->acks && n->joins && n->maps > REGIONS;
}

static void go_on(struct torture *t, uint64_t breaks_before)
{
	int64_t end = now_ns() + t->test->minutes * 60000000000LL, next = now_ns() + REPORT_NS;

	if (!t->test->minutes) {
		do
			wait_batches(t, SHORT_BATCHES);
		while (!all_happened(t));
	}
	while (t->test->minutes && now_ns() < end) {
		wait_batches(t, 100);
		if (now_ns() > next) {
			report_progress(t, last_break() - breaks_before);
			next += REPORT_NS;
		}
	}
}

/* Mapped afresh, all of it is within reach; and no odd page has changed in all the time */
static void check_end(struct torture *t)
{
	uint64_t page;

	for (unsigned int r = 0; r < REGIONS; r++) {
		if (t->regions[r].mapped)
			region_unmap(t, r);
		region_map(t, r);
		CHECK(t->regions[r].mapped);
		for (uint64_t at = r * REGION; at < (r + 1) * REGION; at += GRANULE) {
			page = ARENA_IOVA + at;
			nvme_write_pages(&t->nvme, &page, 1);
			CHECK(!memcmp(t->map + at, nvme_page(&t->nvme), PAGE));
		}
	}
	check_pattern_pages(t, 0, ARENA / PAGE - 1);
	for (unsigned int r = 0; r < REGIONS; r++)
		region_unmap(t, r);
	CHECK_EQ(lease_count(), 0);
}

static void tell(const struct torture *t, uint64_t breaks)
{
	const struct counts *n = &t->n;

	story("seed %llu: %llu DMA commands of 4 KiB; %llu breaks; %llu punches, %llu zeroed ranges",
	      (unsigned long long)t->test->seed, n->commands, (unsigned long long)breaks, n->punches, n->zeroes);
	story("%llu acks, %llu re-arms (%llu refused), %llu contexts, %llu leases (%llu refused), %llu mappings "
	      "(%llu refused), %llu devices joined and left", n->acks, n->rearms, n->rearms_refused, n->contexts,
	      n->acquires, n->acquires_refused, n->maps, n->maps_refused, n->joins);
	story("checked: %llu files that got freed blocks, %llu MiB; %llu directed writes stopped where fenced, %llu "
	      "arrived where live", n->victims, n->bytes / MIB, n->dead, n->live);
}

static void torture(const struct test *test)
{
	static struct torture t;
	static struct actor actors[ACTORS_MAX];
	pthread_t threads[ACTORS_MAX], device;
	struct actor dma = { .t = &t, .random = test->seed };
	unsigned long long emergencies_before;
	unsigned int n = 0;
	uint64_t before;

	prctl(PR_SET_NAME, "torture");
	set_up(&t, test);
	before = last_break();
	emergencies_before = emergencies();
	CHECK_EQ(pthread_create(&device, NULL, dma_actor, &dma), 0);
	for (unsigned int i = 0; i < sizeof(cast) / sizeof(*cast); i++) {
		for (unsigned int k = 0; k < cast[i].number; k++, n++) {
			actors[n] = (struct actor){ .t = &t, .number = k, .random = test->seed + (n + 1) * 1000003ULL };
			CHECK_EQ(pthread_create(&threads[n], NULL, cast[i].fn, &actors[n]), 0);
			pthread_setname_np(threads[n], cast[i].name);
		}
	}
	go_on(&t, before);
	pthread_mutex_lock(&t.lock);
	t.stop = true;
	pthread_cond_broadcast(&t.batch);
	pthread_mutex_unlock(&t.lock);
	while (n)
		pthread_join(threads[--n], NULL);
	t.device_stop = true;
	pthread_join(device, NULL);
	tell(&t, last_break() - before);
	CHECK_EQ(emergencies(), emergencies_before, "punches are announced");
	CHECK(all_happened(&t));
	check_end(&t);
}

const struct testcase torture_cases[] = {
	{ "torture-writes-nothing-astray",
	  "a device writes without end while ranges are punched, leases come, go and are re-armed, next to mappings and "
	  "devices that come and go: no byte of anybody else changes, and fenced is fenced",
	  torture, ON_ANY | NEEDS_VFIO, 60 },
	{ 0 }
};
