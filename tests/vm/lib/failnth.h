/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failing allocations and user copies of a system call, one after the other: /proc/thread-self/fail-nth,
 * over failslab, fail_page_alloc and fail_usercopy. Only what a module asked for fails, and nothing that
 * ext4 asked for: our modules are what is under test, not how a filesystem ends a transaction.
 */
#ifndef FAILNTH_H
#define FAILNTH_H

#include <stdbool.h>

/* Sets the debug kernel up for it, or fails the case */
void failnth_setup(void);

/* From now on the @n-th injectable point that this thread passes fails, once; 0: none */
void failnth_arm(unsigned int n);

/* Ends that: has it failed? If not, fewer than @n points were passed */
bool failnth_disarm(void);

#endif /* FAILNTH_H */
