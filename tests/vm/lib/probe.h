/* SPDX-License-Identifier: GPL-2.0 */
/* Counts the calls of a function of the kernel or of a module, by a kprobe that records nothing else. */
#ifndef PROBE_H
#define PROBE_H

/* @symbol: "function", or "module:function" of one that is loaded. One at a time; fails the case itself */
void probe_start(const char *symbol);
void probe_stop(void);

/* Calls since probe_start() */
unsigned int probe_hits(void);

#endif /* PROBE_H */
