/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Breakers: file operations carried out by another process, which may have to wait.
 *
 * The process is a fresh image of this program (exec), so it shares neither descriptors nor mappings with
 * the case: a file that the case has closed and unmapped is so. It says when it is about to make the call
 * and what came of it. That a breaker waits is known from its break event, which the kernel sends first.
 */
#ifndef BREAKER_H
#define BREAKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum op_kind {
	OP_TRUNCATE,		/* truncate(path, offset) */
	OP_OPEN_TRUNC,		/* open(path, O_WRONLY | O_TRUNC) */
	OP_PUNCH,		/* fallocate(), KEEP_SIZE where the mode wants it */
	OP_ZERO,
	OP_COLLAPSE,
	OP_INSERT,
	OP_UNSHARE,
	OP_ALLOCATE,
	OP_WRITE,		/* pwrite() of zeroes */
	OP_READ,		/* pread(); fails with ENODATA at the end of the file */
	OP_FSYNC,
	OP_CLONE,		/* FICLONERANGE of the range of path to other, at the same offset; length 0: FICLONE */
	OP_SWAPEXT,		/* XFS_IOC_SWAPEXT of path (target) with other (donor), of equal size */
	OP_RENAME,		/* rename(path, other) */
	OP_UNLINK,
	OP_CREATE,		/* open(path, O_CREAT | O_EXCL) */
	OP_MAP,			/* VFIO_IOMMU_MAP_DMA of the range at HELD_IOVA + offset; other: number of the container */
};

/**
 * struct op - what a breaker does
 * @kind: above
 * @path: the file; op_path() makes one of a descriptor, also of an unlinked file
 * @other: for CLONE, SWAPEXT, RENAME and MAP
 * @offset: bytes
 * @length: bytes
 * @uid: user to be, with all capabilities dropped unless 0
 */
struct op {
	enum op_kind kind;
	const char *path;
	const char *other;
	uint64_t offset;
	uint64_t length;
	uid_t uid;
};

/**
 * struct breaker - a running one
 * @pid: its process
 * @pipe: where it reports
 */
struct breaker {
	pid_t pid;
	int pipe;
};

/**
 * struct breaker_result - how it went
 * @ret: 0 or -errno; -EINTR and @killed when a signal ended the process
 * @start_ns: just before the call, CLOCK_MONOTONIC
 * @end_ns: just after it
 */
struct breaker_result {
	int ret;
	bool killed;
	int64_t start_ns;
	int64_t end_ns;
};

/* Starts it; returns when it is about to make the call */
void breaker_start(struct breaker *b, const struct op *op);

/* The call has returned (or the process has died): does not wait */
bool breaker_done(const struct breaker *b);

/* Waits for its end; fails the case if it does not come within @timeout_ms */
struct breaker_result breaker_join(struct breaker *b, int timeout_ms);

void breaker_kill(const struct breaker *b, int sig);

/* Start and join: the result */
struct breaker_result breaker_run(const struct op *op, int timeout_ms);

/*
 * The same with a function of the case, in a forked process. It inherits mappings; descriptors from 3 on
 * are closed but @keep_fd (-1: none). @fn returns 0 or -errno.
 */
void breaker_start_fn(struct breaker *b, int (*fn)(void *arg), void *arg, int keep_fd);

/* "/proc/PID/fd/N" in one of eight static buffers: opens the file of @fd, even without a name */
const char *op_path(int fd);

/* The operation in this process: 0 or -errno */
int op_do(const struct op *op);

/* main() of vm-cases --op */
int breaker_main(int argc, char **argv);

#endif /* BREAKER_H */
