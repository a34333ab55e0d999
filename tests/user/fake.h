/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device without a module: takes the place of the library's syscall.c.
 *
 * One lease at most exists: FAKE_ID. Events are queued by the test. The clock stands still and
 * jumps over the time that a poll would have waited. Faults are counted: the n-th call from now on
 * that can fail (all but close, and malloc of the library) fails with the errno asked for.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daxlease.h>

#define FAKE_ID		7
#define FAKE_GRANULES	4
#define FAKE_DMABUF	99
#define FAKE_REQUESTS	32

struct fake {
	int open_fds;		/* opened less closed, by the library */
	bool nonblock;		/* set on a descriptor by the library */
	int open_flags;
	char open_path[64];

	unsigned int nr_requests;
	unsigned long requests[FAKE_REQUESTS];
	unsigned char arg[256];	/* of the last request, as the library passed it */
	size_t arg_size;
	unsigned char acquire[256];	/* of the last ACQUIRE */
	int leases;		/* acquired less released */

	int ioctl_err;		/* positive: every request in ioctl_err_cmd, or all if 0, fails */
	unsigned int ioctl_err_cmd;
	int rearm_errs[8];	/* positive: of the first REARMs, one by one */
	uint32_t lost;		/* bitmap of QUERY */
	int extension;		/* answer to a request that takes a number, which is in number */
	unsigned long number;
	bool fence_on_ack;	/* an ACK queues an event: fenced, and revoked if all is lost */
	uint32_t clear_with;	/* the first request of this kind queues an event: fenced and cleared */
	uint32_t break_with;	/* the first request of this kind queues another break */
	uint64_t deadline_ns;	/* of the events that are queued; 0: 2 */

	unsigned int reads;
	size_t read_len;	/* of the last read */
	int polls;
	uint64_t poll_cost_ns;	/* of a poll that finds something */
	int poll_revents;	/* if not 0: what poll says instead of the truth */
	uint64_t now_ns;
};

extern struct fake fake;

void fake_reset(void);
int fake_device(void);
void fake_fail_nth(unsigned int n, int err);
bool fake_fault_hit(void);
int fake_fault(void);
void fake_queue_bytes(const void *record, size_t len);
void fake_queue_error(int err);
void fake_queue_event(uint32_t bits, uint64_t break_id);

#endif /* FAKE_H */
