/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that writes without end: a thread has the edu device of a held file fill a block of it, again and
 * again. Meanwhile the device is the thread's alone.
 */
#ifndef WRITER_H
#define WRITER_H

#include "held.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define WRITER_BYTE	0x5a
#define WRITER_LENGTH	512

/**
 * struct writer - a running one
 * @h: the held file
 * @offset: in the file, where it writes
 * @writes: commands that the device has completed, whether the IOMMU let them through or not
 */
struct writer {
	struct held *h;
	uint64_t offset;
	atomic_uint writes;
	atomic_bool stop;
	pthread_t thread;
};

void writer_start(struct writer *w, struct held *h, uint64_t offset);

/* Returns when a command has been completed that was begun after the call */
void writer_wait(struct writer *w);

void writer_stop(struct writer *w);

#endif /* WRITER_H */
