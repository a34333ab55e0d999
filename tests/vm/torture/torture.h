/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Torture: a device writes without end into a leased file while everything else happens to it.
 *
 *	device		even pages of the arena, everywhere, whether live, fenced or unmapped (dma.c)
 *	4 breakers	each punches its own quarter of the arena, gives the freed blocks to another file, and
 *			looks that no byte went astray (breakers.c)
 *	watcher		hears of breaks; gives way, or not; re-arms (holders.c)
 *	lessee		takes and releases leases of its own on the same ranges (holders.c)
 *	mapper		unmaps one region and maps it again, next to those in use (neighbours.c)
 *	grouper		puts two more devices into the container and takes them out (neighbours.c)
 *
 * The arena is one file in REGIONS mappings, which is full of a pattern. No one but a breaker writes to odd
 * pages, and only in its quarter: what they have is known to the byte at any time. An even page has bytes of the
 * pattern, of the hole that was there, or of the device.
 *
 * Each actor decides by random numbers of its own, made from the seed, so the same seed makes the same decisions;
 * what meets what is up to the scheduler. Nobody waits for time: the clock of the actors is the device's batches.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "file.h"
#include "harness.h"
#include "nvme.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define ARENA		(32 * MIB)
#define ARENA_IOVA	0x100000000ULL	/* congruent to the file */
#define ARENA_SEED	7
#define REGIONS		4U
#define REGION		(ARENA / REGIONS)
#define BREAKERS	4U
#define ZONE		(ARENA / BREAKERS)
#define WANTED		64U		/* pages that others may ask the device for, in one batch */
#define BATCH		64U		/* commands */

/**
 * struct region - one MAP_DMA
 * @lock: for writing by whoever maps and unmaps; for reading by whoever needs the mapping as it is
 * @mapped: it is mapped
 * @lease: its implicit lease
 */
struct region {
	pthread_rwlock_t lock;
	bool mapped;
	uint64_t lease;
};

/* What happened how often */
struct counts {
	atomic_ullong commands, punches, zeroes, victims, bytes, dead, live, breaks,
		      acks, rearms, rearms_refused, acquires, acquires_refused, maps, maps_refused, joins, contexts;
};

struct torture {
	const struct test *test;
	struct nvme nvme;
	int dir;			/* of the case */
	int fd;				/* of the arena */
	ino_t ino;
	unsigned char *map;		/* all of it */
	unsigned char *pattern;		/* what it should have, in memory of our own */
	struct region regions[REGIONS];
	struct counts n;
	atomic_bool stop;		/* of all but the device */
	atomic_bool device_stop;

	pthread_mutex_t lock;		/* what follows */
	pthread_cond_t batch;		/* batches has grown */
	uint64_t batches;		/* of the device, complete */
	uint64_t wanted[WANTED];	/* pages of the arena, for the next one */
	unsigned int nr_wanted;
};

/**
 * struct actor - one thread
 * @t: all
 * @number: among its kind
 * @random: state of its random numbers
 */
struct actor {
	struct torture *t;
	unsigned int number;
	uint64_t random;
};

/* A random number from 0 to @below - 1; true once in @n */
uint64_t pick(struct actor *a, uint64_t below);
bool one_in(struct actor *a, unsigned int n);

/* Waits for @n more batches of the device, or the end */
void wait_batches(struct torture *t, unsigned int n);

/* The device writes to these even pages of the arena, now; returns when it has tried. Up to 8 */
void dma_now(struct torture *t, const uint64_t *pages, unsigned int n);

/* Maps a region, which its lock protects, or fails as MAP_DMA may in a crowd: then it stays unmapped */
void region_map(struct torture *t, unsigned int r);
void region_unmap(struct torture *t, unsigned int r);

/* What a re-arm may answer in a crowd; counts it. True if it came through */
bool rearmed(struct torture *t, int ret);

/* The actors */
void *dma_actor(void *actor);
void *breaker_actor(void *actor);
void *watcher_actor(void *actor);
void *lessee_actor(void *actor);
void *mapper_actor(void *actor);
void *grouper_actor(void *actor);

/* Every odd page of [first, last] has the pattern; each byte of the even ones is the pattern's or the device's */
void check_pattern_pages(struct torture *t, uint64_t first, uint64_t last);

#endif /* TORTURE_H */
