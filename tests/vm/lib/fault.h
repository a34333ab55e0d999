/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults that the IOMMU reports for DMA it refused.
 *
 * The kernel prints them ("DMAR: [DMA Write NO_PASID] Request device ...") under a rate limit of its own
 * that cannot be changed: about three faults in five seconds. So each fault is also taken from a kprobe
 * on the handler, dmar_fault(), which records the IOMMU's fault register, and is never limited.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct fault - one refused access
 * @iova: page-aligned address the device used
 * @write: the device wanted to write
 * @source: bus/device/function of the device
 * @reason: fault reason of the VT-d specification
 */
struct fault {
	uint64_t iova;
	bool write;
	unsigned int source;
	unsigned int reason;
};

/**
 * struct fault_log - faults since fault_mark()
 * @pipe: trace_pipe of the kprobe's own trace instance
 * @kmsg: kernel log from the mark on
 */
struct fault_log {
	int pipe;
	int kmsg;
};

/* Once a boot, by the runner: makes the kprobe */
void fault_setup(void);

/* Forgets the faults so far. Close with fault_close() */
void fault_mark(struct fault_log *log);
void fault_close(struct fault_log *log);

/* The next fault: false if none comes within @timeout_ms (0: only those already there) */
bool fault_next(struct fault_log *log, struct fault *f, int timeout_ms);

/* Waits for a fault of this direction within [iova, iova + len), skipping others: 15 s at most */
bool fault_wait(struct fault_log *log, uint64_t iova, uint64_t len, bool write);

/* How many faults have come since the last call */
unsigned int fault_count(struct fault_log *log);

/*
 * Waits for the kernel's printed line about @iova; false if none came in 2 s, which proves nothing (see
 * above) unless there were few faults in the last 5 s.
 */
bool fault_line(struct fault_log *log, uint64_t iova, char *buf, unsigned int size);

#endif /* FAULT_H */
