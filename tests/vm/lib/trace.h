/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's tracepoints, in a trace instance of their own, as a timeline.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>

/* Empties the buffer and enables all events of daxlease: false if there are none */
bool trace_start(void);

/* Puts a line of the case itself into the timeline */
void trace_mark(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Stops, and tells the buffer as story lines: microseconds since the first event, the process, what.
 * Returns how many.
 */
unsigned int trace_tell(void);

#endif /* TRACE_H */
