// SPDX-License-Identifier: GPL-2.0
/*
 * The clock. With -icount the time stamp counter of QEMU's processor advances by one for each instruction
 * (shift=0: 1 ns, and the counter runs at 1 GHz), and by more only while the processor idles. That is tried
 * here with a loop of known length. Otherwise ns of CLOCK_MONOTONIC_RAW.
 */
#include "bench.h"

#include <time.h>
#include <x86intrin.h>

#define LOOPS	100000ULL	/* two instructions each */

static bool instructions;
static FILE *out;

static uint64_t now(void)
{
	struct timespec ts;

	if (instructions)
		return __rdtsc();
	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t meter(void)
{
	uint64_t t = now();

	profile_stop();
	return t;
}

uint64_t meter_of(const char *row, const char *variant)
{
	profile_stop();
	profile_start(row, variant);
	return now();
}

static uint64_t loop(uint64_t n)
{
	uint64_t start = meter();

	asm volatile("1: dec %0; jnz 1b" : "+r" (n));
	return meter() - start;
}

/* The least of several: a timer tick in between is no instruction of the loop */
static uint64_t least(uint64_t n)
{
	uint64_t best = UINT64_MAX, t;

	for (int i = 0; i < 10; i++) {
		t = loop(n);
		best = t < best ? t : best;
	}
	return best;
}

void meter_init(bool icount)
{
	uint64_t t;

	instructions = icount;
	if (!icount)
		return;
	t = least(2 * LOOPS) - least(LOOPS);
	CHECK(t >= 2 * LOOPS * 9999 / 10000 && t <= 2 * LOOPS * 10001 / 10000,
	      "%llu instructions counted as %llu", 2 * LOOPS, (unsigned long long)t);
	for (int i = 0; i < 10; i++)
		sample("meter", "nothing", least(1), 1);
}

void samples_to(const char *path)
{
	out = fopen(path, "w");
	CHECK(out, "%s", path);
}

void sample(const char *row, const char *variant, uint64_t value, double amount)
{
	fprintf(out, "sample\t%s\t%s\t%.2f\n", row, variant, value / amount);
	profile_names(out);
	fflush(out);
}

void samples_end(void)
{
	fputs("end\n", out);
	fflush(out);
}
