// SPDX-License-Identifier: GPL-2.0
#include "writer.h"
#include "harness.h"

#include <unistd.h>

#define SOON_NS	(20 * 1000000000LL)

static void *write_on(void *arg)
{
	struct writer *w = arg;

	while (!w->stop) {
		device_fill(&w->h->edu, HELD_IOVA + w->offset, WRITER_BYTE, WRITER_LENGTH);
		w->writes++;
	}
	return NULL;
}

void writer_start(struct writer *w, struct held *h, uint64_t offset)
{
	w->h = h;
	w->offset = offset;
	w->writes = 0;
	w->stop = false;
	CHECK_EQ(pthread_create(&w->thread, NULL, write_on, w), 0);
	writer_wait(w);
}

void writer_wait(struct writer *w)
{
	unsigned int before = w->writes;

	/* The one under way may have begun earlier */
	for (int64_t end = now_ns() + SOON_NS; w->writes - before < 2; usleep(10000))
		CHECK(now_ns() < end, "the device does not write any more");
}

void writer_stop(struct writer *w)
{
	w->stop = true;
	pthread_join(w->thread, NULL);
}
