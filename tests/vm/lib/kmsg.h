/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the kernel log from a mark on, and knowing a report that must fail a case when one is seen.
 */
#ifndef KMSG_H
#define KMSG_H

#include <stdbool.h>
#include <stddef.h>

/* Opens /dev/kmsg at its end: that is the mark. Returns the descriptor or -errno. Close it */
int kmsg_open(void);

/*
 * The text of the next record into @buf: 1, 0 when there is none yet, -EPIPE when records were lost
 * (reading goes on with the oldest that is left), or another -errno.
 */
int kmsg_next(int fd, char *buf, size_t size);

/*
 * Waits until a record contains both @a and @b (NULL: anything), skipping others. True and the text in
 * @buf, or false after @timeout_ms.
 */
bool kmsg_wait(int fd, const char *a, const char *b, int timeout_ms, char *buf, size_t size);

/* Whether a line of the log is a report (WARNING, BUG, lockdep, KASAN, hung task...) */
bool kmsg_is_report(const char *text);

#endif /* KMSG_H */
