/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's part of the benchmark. A group measures one thing, many times, and reports each measurement as
 * a sample of a row and a variant; tests/bench/table.py makes the table. Nothing is asserted about a figure.
 *
 * What is measured is instructions or nanoseconds (meter.c), of this process and of whatever else the one
 * processor does meanwhile.
 */
#ifndef BENCH_H
#define BENCH_H

#include "file.h"
#include "harness.h"
#include "lease.h"
#include "vfio.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define GIB		(1ULL << 30)
#define IOVA		0x1000000000ULL	/* 64 GiB: congruent modulo any page size */

/**
 * struct bench - what a group is told
 * @dir: a directory on /mnt/dax
 * @small: only prove that it runs
 * @big: bytes of the ranges in 2 MiB extents
 * @fragments: bytes of the ranges in 4 KiB pieces
 * @reps: measurements of each kind
 * @many: leases in one file
 * @files: files with a lease each
 * @contexts: opens of /dev/daxlease
 */
struct bench {
	const char *dir;
	bool small;
	uint64_t big;
	uint64_t fragments;
	unsigned int reps;
	unsigned int many;
	unsigned int files;
	unsigned int contexts;
};

/* meter.c */
/* Instructions or ns from now on; calibrates. @icount: the machine counts instructions */
void meter_init(bool icount);

/* Now: instructions executed, or ns. Ends what is being profiled */
uint64_t meter(void);

/* The same; from here to the next call of either is @variant in @row, and profiled if that was asked for */
uint64_t meter_of(const char *row, const char *variant);

/* One measurement of @variant in @row, of @amount times what the row is about (GiB, calls) */
void sample(const char *row, const char *variant, uint64_t value, double amount);

/* Where samples go: the port of the machine; and the last record */
void samples_to(const char *path);
void samples_end(void);

/* profile.c */
/* @what: "ROW=VARIANT", kept */
void profile_ask(const char *what);
void profile_start(const char *row, const char *variant);
void profile_stop(void);

/* After the first of each profile, a line for each function of the kernel */
void profile_names(FILE *out);

/* memory.c: @size bytes in 2 MiB units but for anonymous pages, all of them touched */
void *memory_huge_pages(uint64_t size);		/* hugetlbfs */
void *memory_thp(uint64_t size);
void *memory_devdax(uint64_t size);
void *memory_pages(uint64_t size);		/* anonymous, 4 KiB */
void *memory_scattered(uint64_t size);		/* the same, as scattered as the blocks of memory_fragments() */
void memory_free(void *p, uint64_t size);

/* A written file in 2 MiB extents; one in which no two blocks are neighbours. Fails if they are not so */
int memory_file(const char *path, uint64_t size);
int memory_fragments(const char *path, uint64_t size);

/* The same, each made once for all groups: of @big and of @fragments bytes */
int memory_big(const struct bench *b);
int memory_small_blocks(const struct bench *b);

/* A mapping of a file, at an address congruent modulo 2 MiB; @touched: the page tables are filled */
void *memory_map(int fd, uint64_t size, bool touched);

/* The groups; those of stock first */
void bench_stock_map(const struct bench *b);
void bench_others_none(const struct bench *b);
void bench_others_idle(const struct bench *b);
void bench_others_armed(const struct bench *b);
void bench_map(const struct bench *b);
void bench_dma(const struct bench *b);
void bench_fence(const struct bench *b);
void bench_break(const struct bench *b);
void bench_memory(const struct bench *b);
void bench_scale(const struct bench *b);
void bench_rdma_stock(const struct bench *b);
void bench_rdma(const struct bench *b);

#endif /* BENCH_H */
