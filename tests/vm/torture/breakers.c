// SPDX-License-Identifier: GPL-2.0
/*
 * One round of a breaker: punch a range; somebody else gets its blocks, and must find in them what he wrote. The
 * holder's file has a hole there and nothing else has changed. Then the pattern is written again, into new blocks:
 * the device must not reach them where the lease is fenced, and reaches them after a re-arm.
 */
#include "torture.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE		(MIB + MIB / 2) /* of free blocks a victim takes more than were freed */
#define NEIGHBOURS	(MIB / PAGE)
#define FULL_TRIES	500	/* batches to wait for blocks of the other breaker's victim */

/* A punch, in pages of the file */
struct hole {
	uint64_t first;
	uint64_t last;
};

struct round {
	struct actor *a;
	struct torture *t;
	int ctx;		/* watches this process */
	int victim;
	struct hole hole;
};

static uint64_t hole_bytes(const struct hole *h)
{
	return (h->last - h->first + 1) * PAGE;
}

/* Half of them up to 64 KiB, a quarter up to 2 MiB, the rest one or two whole granules */
static struct hole choose(struct actor *a)
{
	uint64_t zone = ZONE / PAGE, granule = GRANULE / PAGE, base = a->number * zone;
	struct hole h;
	uint64_t n;

	switch (pick(a, 4)) {
	case 3:
		n = 1 + pick(a, 2);
		h.first = pick(a, zone / granule - n + 1) * granule;
		n *= granule;
		break;
	case 2:
		n = 1 + pick(a, granule);
		h.first = pick(a, zone - n + 1);
		break;
	default:
		n = 1 + pick(a, 16);
		h.first = pick(a, zone - n + 1);
	}
	h.first += base;
	h.last = h.first + n - 1;
	return h;
}

/* The first byte that is neither that of @a nor of @b, both a page */
static int64_t neither(const unsigned char *page, const unsigned char *a, const unsigned char *b)
{
	const volatile unsigned char *byte = page;

	for (unsigned int i = 0; i < PAGE; i++) {
		unsigned char c = byte[i];

		if (c != a[i] && c != b[i])
			return i;
	}
	return -1;
}

/*
 * One page has the bytes of @want, or of @too as well. Bytes, not words: the device's copy may be held up anywhere, and
 * meet what a processor writes in the middle of a word.
 */
static void check_page(const struct torture *t, uint64_t p, const char *what, const void *want, const void *too)
{
	const unsigned char *page = t->map + p * PAGE;
	int64_t at;

	if (!memcmp(page, want, PAGE) || !memcmp(page, too, PAGE))
		return;
	at = neither(page, want, too);
	CHECK(at < 0, "page %llu, %s, has 0x%x in byte %lld", (unsigned long long)p, what, page[at < 0 ? 0 : at],
	      (long long)at);
}

void check_pattern_pages(struct torture *t, uint64_t first, uint64_t last)
{
	for (uint64_t p = first; p <= last; p++) {
		const unsigned char *want = t->pattern + p * PAGE;

		check_page(t, p, "not punched", want, p & 1 ? want : nvme_page(&t->nvme));
	}
	t->n.bytes += (last - first + 1) * PAGE;
}

/* A hole is empty; a granule may have been re-armed meanwhile, and the device writes there again */
static void check_hole(struct torture *t, const struct hole *h)
{
	static const unsigned char zeroes[PAGE];

	for (uint64_t p = h->first; p <= h->last; p++)
		check_page(t, p, "punched", zeroes, p & 1 ? zeroes : nvme_page(&t->nvme));
	t->n.bytes += hole_bytes(h);
}

static unsigned long long free_bytes(const struct torture *t)
{
	struct statvfs fs;

	CHECK_SYS(fstatvfs(t->fd, &fs));
	return fs.f_bavail * fs.f_frsize;
}

/* pwrite(); waits for blocks when there are none, unless @partly: then it ends. Bytes */
static uint64_t fill(struct torture *t, int fd, uint64_t offset, const void *from, uint64_t len, bool partly)
{
	uint64_t done = 0;
	int tries = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)from + done, len - done, offset + done);
		if (n < 0 && errno == ENOSPC) {
			if (partly)
				break;
			CHECK(tries++ < FULL_TRIES, "no blocks for %llu bytes, %llu are free",
			      (unsigned long long)(len - done), free_bytes(t));
			CHECK_SYS(syncfs(fd));
			wait_batches(t, 10);
			continue;
		}
		CHECK(n > 0, "pwrite: %s", strerror(errno));
		done += n;
	}
	return done;
}

/* The pattern where it belongs */
static void fill_arena(struct torture *t, uint64_t first, uint64_t last)
{
	fill(t, t->fd, first * PAGE, t->pattern + first * PAGE, (last - first + 1) * PAGE, false);
}

static void punch(struct round *r)
{
	bool zero = one_in(r->a, 8);
	int mode = zero ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE, tries = 0;

	/* Both need a few blocks for a while; XFS for zeroes as many as the extent size hint says */
	while (fallocate(r->t->fd, mode | FALLOC_FL_KEEP_SIZE, r->hole.first * PAGE, hole_bytes(&r->hole))) {
		CHECK_EQ(errno, ENOSPC);
		CHECK(tries++ < FULL_TRIES, "no space; %llu KiB are free", free_bytes(r->t) >> 10);
		wait_batches(r->t, 10);
		mode = FALLOC_FL_PUNCH_HOLE;
		zero = false;
	}
	if (zero)
		r->t->n.zeroes++;
	else
		r->t->n.punches++;
}

/* Up to @n even pages of the hole: how many */
static unsigned int even_pages(struct round *r, uint64_t *pages, unsigned int n)
{
	uint64_t first = (r->hole.first + 1) / 2, last = r->hole.last / 2;

	for (unsigned int i = 0; first <= last && i < n; i++)
		pages[i] = (first + pick(r->a, last - first + 1)) * 2;
	return first <= last ? n : 0;
}

/* The freed blocks are in a file of others, and the device is sent where it reached them */
static void check_victim(struct round *r)
{
	struct torture *t = r->t;
	uint64_t size = hole_bytes(&r->hole) + SPARE, len, pages[4];
	const unsigned char *want = t->pattern + pick(r->a, (ARENA - size) / 8) * 8;
	void *map;

	CHECK_SYS(syncfs(r->victim));	/* blocks can be used again when their transaction is committed */
	len = fill(t, r->victim, 0, want, size, true);
	dma_now(t, pages, even_pages(r, pages, 4));
	if (len) {
		map = file_map(r->victim, 0, len);
		CHECK(!memcmp(map, want, len), "the device has written into a file of which it has no lease");
		CHECK_SYS(munmap(map, len));
		CHECK_SYS(ftruncate(r->victim, 0));
		t->n.victims++;
		t->n.bytes += len;
	}
}

/* The granule of a page in its lease: lost or live, and by which generation; its region is read-locked and mapped */
static bool is_lost(struct round *r, uint64_t page, uint64_t *generation)
{
	unsigned int region = page * PAGE / REGION, granule = page * PAGE % REGION / GRANULE;
	unsigned char bitmap[REGION / GRANULE / 8 + 1] = { 0 };
	struct daxlease_query q;

	CHECK_RET(lease_query(r->ctx, r->t->regions[region].lease, &q, bitmap, sizeof(bitmap)), 0);
	*generation = q.generation;
	return bitmap[granule / 8] >> granule % 8 & 1;
}

/* A write that was directed to a page has arrived if the lease was live all the time, and not if it was lost */
static void check_reach(struct round *r, uint64_t page, bool lost, uint64_t generation)
{
	const unsigned char *map = r->t->map + page * PAGE;
	uint64_t later;

	if (lost && memcmp(map, r->t->pattern + page * PAGE, PAGE)) {
		CHECK(!is_lost(r, page, &later) || later != generation,
		      "the device reaches page %llu, which is fenced", (unsigned long long)page);
	} else if (lost) {
		r->t->n.dead++;
	} else if (memcmp(map, nvme_page(&r->t->nvme), PAGE)) {
		CHECK(is_lost(r, page, &later) || later != generation,
		      "the device does not reach page %llu, which is leased", (unsigned long long)page);
	} else {
		r->t->n.live++;
	}
}

/* A zone is one region, so all of them are in that */
_Static_assert(ZONE == REGION, "a breaker looks at one lease");

static void check_reaches(struct round *r)
{
	struct region *region;
	uint64_t pages[4], generation[4];
	unsigned int n = even_pages(r, pages, 4), i;
	bool lost[4];

	if (!n)
		return;
	region = &r->t->regions[r->a->number];
	pthread_rwlock_rdlock(&region->lock);
	if (region->mapped) {
		for (i = 0; i < n; i++) {
			lost[i] = is_lost(r, pages[i], &generation[i]);
			fill_arena(r->t, pages[i], pages[i]);
		}
		dma_now(r->t, pages, n);
		for (i = 0; i < n; i++)
			check_reach(r, pages[i], lost[i], generation[i]);
	}
	pthread_rwlock_unlock(&region->lock);
}

static void rearm(struct round *r)
{
	struct region *region = &r->t->regions[r->a->number];

	pthread_rwlock_rdlock(&region->lock);
	if (region->mapped)
		rearmed(r->t, lease_rearm(r->ctx, region->lease, r->hole.first * PAGE, hole_bytes(&r->hole), NULL));
	pthread_rwlock_unlock(&region->lock);
}

static void check_neighbours(struct round *r)
{
	uint64_t zone = r->a->number * ZONE / PAGE, last = zone + ZONE / PAGE - 1;
	uint64_t from = r->hole.first - zone > NEIGHBOURS ? r->hole.first - NEIGHBOURS : zone;
	uint64_t to = last - r->hole.last > NEIGHBOURS ? r->hole.last + NEIGHBOURS : last;

	check_pattern_pages(r->t, from, to);
}

void *breaker_actor(void *actor)
{
	struct actor *a = actor;
	struct round r = { .a = a, .t = a->t, .ctx = lease_open_watching(1) };
	char name[32];

	snprintf(name, sizeof(name), "victim%u", a->number);
	r.victim = CHECK_SYS(openat(a->t->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	while (!a->t->stop) {
		r.hole = choose(a);
		punch(&r);
		check_hole(a->t, &r.hole);
		check_victim(&r);
		fill_arena(a->t, r.hole.first, r.hole.last);
		check_reaches(&r);
		check_neighbours(&r);
		if (one_in(a, 2)) {
			rearm(&r);
			check_reaches(&r);
		}
	}
	close(r.victim);
	close(r.ctx);
	return NULL;
}
