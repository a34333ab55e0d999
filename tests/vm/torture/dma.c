// SPDX-License-Identifier: GPL-2.0
/* The device, and the clock that its batches are */
#include "torture.h"

#include <string.h>
#include <unistd.h>

_Static_assert(WANTED <= BATCH && BATCH <= NVME_BATCH, "what is wanted fits in a batch, and that in a queue");

uint64_t pick(struct actor *a, uint64_t below)
{
	uint64_t x = a->random += 0x9e3779b97f4a7c15ULL;	/* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (x ^ x >> 31) % below;
}

bool one_in(struct actor *a, unsigned int n)
{
	return !pick(a, n);
}

void wait_batches(struct torture *t, unsigned int n)
{
	uint64_t until;

	pthread_mutex_lock(&t->lock);
	until = t->batches + n;
	while (t->batches < until && !t->stop)
		pthread_cond_wait(&t->batch, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

void dma_now(struct torture *t, const uint64_t *pages, unsigned int n)
{
	uint64_t until;

	pthread_mutex_lock(&t->lock);
	while (t->nr_wanted + n > WANTED)
		pthread_cond_wait(&t->batch, &t->lock);
	memcpy(t->wanted + t->nr_wanted, pages, n * sizeof(*pages));
	t->nr_wanted += n;
	until = t->batches + 2;		/* the batch under way was made before */
	while (t->batches < until)
		pthread_cond_wait(&t->batch, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

/*
 * Goes on until everybody else has ended: they wait for its batches. QEMU carries out a batch under the lock that both
 * processors need for a flush, a timer or a fault, and a write that the IOMMU refuses is 512 faults. So it pauses for
 * twice as long as that took: without, the device had nine tenths of the machine, and there was a break in ten seconds
 * on the debug kernel in place of seven.
 */
void *dma_actor(void *actor)
{
	struct actor *a = actor;
	struct torture *t = a->t;
	const struct sched_param first = { .sched_priority = 1 };
	uint64_t iova[BATCH];
	unsigned int n;
	int64_t begun;

	/* It stands for hardware, which does not queue for a processor */
	CHECK_EQ(pthread_setschedparam(pthread_self(), SCHED_RR, &first), 0);
	while (!t->device_stop) {
		begun = now_ns();
		pthread_mutex_lock(&t->lock);
		for (n = 0; n < t->nr_wanted; n++)
			iova[n] = ARENA_IOVA + t->wanted[n] * PAGE;
		t->nr_wanted = 0;
		pthread_mutex_unlock(&t->lock);
		for (; n < BATCH; n++)
			iova[n] = ARENA_IOVA + pick(a, ARENA / PAGE / 2) * 2 * PAGE;
		nvme_write_pages(&t->nvme, iova, BATCH);
		t->n.commands += BATCH;
		pthread_mutex_lock(&t->lock);
		t->batches++;
		pthread_cond_broadcast(&t->batch);
		pthread_mutex_unlock(&t->lock);
		usleep(2 * (now_ns() - begun) / 1000);
	}
	return NULL;
}
