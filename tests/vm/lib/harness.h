/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a case is, and what it may say. A case is a function that runs in a process of its own; returning
 * means that it passed. A failed CHECK ends the process (also from a child that the case has forked) and
 * fails the case. Nothing needs to be cleaned up: the process group is killed, the directory removed.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* struct testcase.flags */
#define ON_EXT4		(1U << 0)
#define ON_XFS		(1U << 1)
#define ON_BOTH		(ON_EXT4 | ON_XFS)
#define ON_ONE		(1U << 15)	/* of all cases, a kernel runs it on one filesystem, the other kernel on the other one */
#define ON_ANY		(ON_BOTH | ON_ONE)
#define NEEDS_STOCK	(1U << 2)	/* the distribution's modules (vfio_iommu_type1), without daxlease */
#define NEEDS_CORE	(1U << 3)	/* daxlease.ko */
#define NEEDS_VFIO	(1U << 4)	/* daxlease.ko and our vfio_iommu_type1 */
#define DEMO		(1U << 5)	/* part of the demonstration; demo_groups[] has the others' */
#define DEBUG_ONLY	(1U << 6)	/* needs the debug kernel */
#define SELFTEST	(1U << 7)	/* for run --self-test: runs only if named */
#define NEEDS_RXE	(1U << 8)	/* daxlease.ko and our rdma_rxe, with a device: lib/verbs.h; or the stock one, beside NEEDS_STOCK */
#define DEMO_QEMU	(1U << 12)	/* part of the demonstration "qemu" */
#define DEMO_RDMA	(1U << 13)	/* part of the demonstration "rdma" */
#define STOCK_ONLY	(1U << 14)	/* of user space, or too slow with the debug kernel's checks */
#define TURNS		(1U << 17)	/* where processors take turns, since it patches the kernel all the time (tests/vm/boot) */
#define BROKEN		(1U << 18)	/* after the checks, as it leaves a kernel that is good for nothing; looks at the log itself */

/**
 * struct test - what a running case is told
 * @dir: a fresh directory on /mnt/dax
 * @fs: "ext4" or "xfs"
 * @debug: on the debug kernel
 * @demo: in a demonstration
 * @tools: directory of the programs of user space, daxlease-qemu among them
 * @modules: directory of the modules that cases load (testmodule.h)
 * @core: daxlease.ko, for a case that loads it by itself
 * @minutes: that a case which can go on for ever is given; 0: it is one of many
 * @seed: of random numbers
 */
struct test {
	const char *dir;
	const char *fs;
	bool debug;
	bool demo;
	const char *tools;
	const char *modules;
	const char *core;
	unsigned int minutes;
	uint64_t seed;
};

/**
 * struct testcase - one row of a table of cases; the last row has no name
 * @name: the property it proves, in kebab-case
 * @desc: the same in a sentence, for people
 * @fn: the case
 * @flags: as above
 * @seconds: time limit on the stock kernel; 0: the default
 */
struct testcase {
	const char *name;
	const char *desc;
	void (*fn)(const struct test *t);
	unsigned int flags;
	unsigned int seconds;
};

/* The tables, ended by NULL; cases/table.c */
extern const struct testcase *const case_tables[];

/* CHECK(expr [, fmt, ...]): @expr holds, or the case fails here */
#define CHECK(expr, ...) do {							\
	if (!(expr))								\
		check_failed(__FILE__, __LINE__, #expr, "" __VA_ARGS__);	\
} while (0)

/* CHECK_EQ(got, want [, fmt, ...]): two integers are equal */
#define CHECK_EQ(got, want, ...) do {						\
	long long got_ = (long long)(got), want_ = (long long)(want);		\
	if (got_ != want_)							\
		check_eq_failed(__FILE__, __LINE__, #got, got_, want_, "" __VA_ARGS__); \
} while (0)

/* CHECK_RET(call, want [, fmt, ...]): 0 or -errno as expected; says the names of the errors */
#define CHECK_RET(call, want, ...) do {						\
	long long got_ = (long long)(call), want_ = (long long)(want);		\
	if (got_ != want_)							\
		check_ret_failed(__FILE__, __LINE__, #call, got_, want_, "" __VA_ARGS__); \
} while (0)

/* CHECK_SYS(call): a system call that must not return -1; evaluates to what it returned */
#define CHECK_SYS(call) ({							\
	long long ret_ = (long long)(call);					\
	if (ret_ == -1)								\
		check_sys_failed(__FILE__, __LINE__, #call);			\
	ret_;									\
})

void check_failed(const char *file, int line, const char *expr, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 4, 5)));
void check_eq_failed(const char *file, int line, const char *expr, long long got, long long want,
		     const char *fmt, ...) __attribute__((noreturn, format(printf, 6, 7)));
void check_ret_failed(const char *file, int line, const char *expr, long long got, long long want,
		      const char *fmt, ...) __attribute__((noreturn, format(printf, 6, 7)));
void check_sys_failed(const char *file, int line, const char *expr) __attribute__((noreturn));

/* Ends the case as skipped */
void skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A detail of the story: shown in the demonstration, and when the case fails */
void story(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A PASS or FAIL line of its own within the case; FAIL fails the case, which goes on */
void line(bool pass, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "EBUSY" for -EBUSY, "0" for 0, a number for the rest; one static buffer per thread */
const char *ret_name(long long ret);

/* CLOCK_MONOTONIC in nanoseconds */
int64_t now_ns(void);

/* Waits until @fd is readable: true, or false after @timeout_ms */
bool wait_readable(int fd, int timeout_ms);

/* False if the process does not sleep, within the time, in the kernel where its stack names both (@and may be NULL) */
bool wait_asleep_in(pid_t pid, const char *what, const char *and, int timeout_ms);

/* Writes a string to a file of proc, sysfs or tracefs: 0 or -errno */
int write_text(const char *path, const char *text);

/* Opens a file with O_TRUNC, which empties a trace buffer: 0 or -errno */
int empty_file(const char *path);

/* Reads at most @size - 1 bytes, zero-terminated: bytes or -errno */
int read_text(const char *path, char *buf, size_t size);

/* Runs a shell command made from @fmt, its output to the console: exit status, or -1 */
int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* HARNESS_H */
