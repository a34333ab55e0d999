/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * daxlease: revocable DMA leases on files of DAX filesystems.
 *
 * A lease is the right to DMA to a byte range of one fs-dax file that the kernel can take back.
 * What is taken back is counted in granules: DAXLEASE_GRANULE-aligned ranges of the file, clipped
 * to the lease. An operation that needs the blocks (the breaker) starts a break: the holder gets an
 * event, has the lease's grace to let go by itself, and is fenced at the deadline. Documentation.md
 * has the semantics.
 *
 * This interface is frozen: what a program does with it works with every later module. Numbers of
 * ioctls, values, sizes, offsets and meanings stay. It grows like this:
 *  - Structures of ioctls grow at their end. A longer one works with an older module as long as
 *    the program leaves what that does not know zero.
 *  - There may be new ioctls (ENOTTY before), flags and meanings of reserved members (EINVAL
 *    before). What cannot be tried has a bit in daxlease_info.capabilities.
 *  - Events stay 128 bytes long for everybody who does not ask for longer ones, by means that
 *    there are not yet; their reserved bytes may get a meaning.
 *  - The module may come to say what a program does not know. Ignore unknown capabilities and
 *    unknown bits and flags of an event; take an unknown reason for a break like others, an
 *    unknown state for not usable now, an unknown error for a failure.
 *
 * Conventions, for every ioctl on /dev/daxlease:
 *  - The structure begins with its size in bytes, as the caller was compiled; then flags. A
 *    shorter structure than the kernel knows is zero-extended, a longer one must be zero beyond
 *    what it knows. Members marked "out" are not read; what is in them counts only if
 *    the call returns 0.
 *  - Reserved members and unknown flags must be zero.
 *  - Offsets and lengths are in bytes; times are in nanoseconds, points in time those of
 *    CLOCK_MONOTONIC as the initial time namespace has it.
 *
 * Errors, the same for all ioctls:
 *  EINVAL      a size below the first version's, a non-zero reserved member, an unknown flag, an
 *              unaligned, empty or overflowing range, a range that ends past the last whole page
 *  E2BIG       the structure is longer than a page, or longer than the kernel knows and not zero
 *              there; a bitmap of more than 16 MiB
 *  EFAULT      a pointer to memory that cannot be read: nothing has happened; or where the answer
 *              cannot be written: ACQUIRE and EXPORT_DMABUF have left nothing, REARM and BREAK
 *              have happened (QUERY has the generation); structures without "out" members are
 *              never written to. The filesystem cannot provide a page of the range; somebody has
 *              unmapped what ACQUIRE looks through
 *  ENOTTY      no such ioctl
 *  EOPNOTSUPP  known and not built, or not possible for this file: not ext4 or XFS, no DAX,
 *              realtime device, device mapper, overlayfs, swap file, block device
 *  EBADF       not an open file, or not opened for the access asked for
 *  EISDIR      a directory
 *  ENODEV      the hooks of the module could not be armed or failed their self-test, or the memory
 *              is being removed: no leases
 *  ENOENT      no such lease in this context
 *  EACCES      not the owner of the file and no CAP_LEASE; a file that may be appended to only,
 *              opened for writing; REARM by who may not open the file; the target of WATCH may
 *              not be traced; a dma-buf for writing (O_RDWR) of a read lease
 *  EPERM       CAP_SYS_ADMIN is missing (WATCH of all), or a grace above the limit
 *  ENODATA     a read lease over a hole or over blocks allocated but not written
 *  EMLINK      a read lease over blocks shared with another file
 *  EEXIST      this context watches that process already
 *  EAGAIN      the range is barred, an unfenced break stands in the way, or what REARM would map is
 *              being unmapped: try again
 *  EBUSY       RELEASE of an implicit lease: unmap it instead
 *  ESTALE      a generation or break that is over; FLUSH of a range of which a part is lost
 *  EKEYREVOKED EXPORT_DMABUF of a range of which a part is lost: re-arm it first
 *  EHWPOISON   a page of the range has failed: overwrite it with write(2), or punch it, and try
 *              again
 *  ESRCH       the process of a pidfd has exited
 *  ENOSPC      too many leases or watches
 *  ENOMEM      out of memory, or above RLIMIT_MEMLOCK in a process that locks what it maps
 *              (mlockall(2))
 *  EMFILE      EXPORT_DMABUF: the process has too many open files (ENFILE: the system has)
 *  EINTR       killed while waiting
 *  EIO         a consumer did not confirm that device access has ended; the kernel goes on trying.
 *              The filesystem has failed or is shut down
 *  EROFS       ACQUIRE, REARM: ext4 has gone read-only after an error
 *  EUCLEAN     ACQUIRE, REARM: the filesystem finds itself damaged
 *
 * read(2) returns whole events: EINVAL if the buffer is shorter than one, EAGAIN if there is none
 * and the file is non-blocking, EINTR, and EFAULT, after which the event is still there.
 * poll(2): POLLIN.
 */
#ifndef _UAPI_DAXLEASE_H
#define _UAPI_DAXLEASE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DAXLEASE_TYPE		0xDA
#define DAXLEASE_GRANULE	0x200000ULL	/* 2 MiB, the PMD size of x86-64 */
#define DAXLEASE_COMM_LEN	16		/* TASK_COMM_LEN */
/* VFIO_CHECK_EXTENSION: 1 if VFIO_IOMMU_MAP_DMA of this container takes leases */
#define DAXLEASE_VFIO_EXTENSION	0x4458

enum {
	DAXLEASE_CMD_INFO = 0x80,
	DAXLEASE_CMD_ACQUIRE,
	DAXLEASE_CMD_RELEASE,
	DAXLEASE_CMD_QUERY,
	DAXLEASE_CMD_ACK,
	DAXLEASE_CMD_REARM,
	DAXLEASE_CMD_EXPORT_DMABUF,
	DAXLEASE_CMD_FLUSH,
	DAXLEASE_CMD_WATCH,
	DAXLEASE_CMD_BREAK,
};

/**
 * enum daxlease_capability - what this module was built with, in daxlease_info.capabilities
 * @DAXLEASE_CAP_REARM: REARM works
 * @DAXLEASE_CAP_DMABUF: EXPORT_DMABUF works
 * @DAXLEASE_CAP_FLUSH: FLUSH works
 * @DAXLEASE_CAP_WATCH: WATCH of one process works
 * @DAXLEASE_CAP_WATCH_ALL: WATCH of all processes works
 * @DAXLEASE_CAP_EARLY: truncate and fallocate wait with no inode lock held; unset when
 *	another user of ftrace (a livepatch) owns those functions
 */
enum daxlease_capability {
	DAXLEASE_CAP_REARM	= 1 << 0,
	DAXLEASE_CAP_DMABUF	= 1 << 1,
	DAXLEASE_CAP_FLUSH	= 1 << 2,
	DAXLEASE_CAP_WATCH	= 1 << 3,
	DAXLEASE_CAP_WATCH_ALL	= 1 << 4,
	DAXLEASE_CAP_EARLY	= 1 << 5,
};

/**
 * struct daxlease_info - DAXLEASE_INFO: what the module can do
 * @size: sizeof(struct daxlease_info)
 * @flags: must be 0
 * @capabilities: out: bits of enum daxlease_capability
 * @granule: out: unit of loss in bytes
 * @grace_default_ns: out: grace of an ACQUIRE that asks for 0
 * @grace_max_ns: out: longest grace this caller may ask for
 */
struct daxlease_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 capabilities;
	__aligned_u64 granule;
	__aligned_u64 grace_default_ns;
	__aligned_u64 grace_max_ns;
};

#define DAXLEASE_INFO		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_INFO)

/**
 * enum daxlease_acquire_flags - for daxlease_acquire.flags; at least one of the first two
 * @DAXLEASE_READ: the device may read; blocks must be allocated, written and not shared
 * @DAXLEASE_WRITE: the device may write (implies READ); holes are allocated, shared blocks copied
 * @DAXLEASE_SYNC: the block map is on the medium before ACQUIRE returns
 * @DAXLEASE_WAIT: wait (killably) for bars and breaks instead of EAGAIN
 */
enum daxlease_acquire_flags {
	DAXLEASE_READ	= 1 << 0,
	DAXLEASE_WRITE	= 1 << 1,
	DAXLEASE_SYNC	= 1 << 2,
	DAXLEASE_WAIT	= 1 << 3,
};

/**
 * struct daxlease_acquire - DAXLEASE_ACQUIRE: lease a range of a file
 * @size: sizeof(struct daxlease_acquire)
 * @flags: enum daxlease_acquire_flags
 * @fd: the file; the lease keeps it open, closing @fd does not matter
 * @__reserved: must be 0
 * @offset: first byte, a multiple of the page size
 * @length: bytes, a multiple of the page size
 * @grace_ns: from a break event being readable to the forced fence; 0: the default
 * @cookie: the caller's; returned with every event of this lease
 * @id: out: the lease, unique for the life of the module
 * @generation: out: 1; one more at each REARM
 */
struct daxlease_acquire {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 __reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 grace_ns;
	__aligned_u64 cookie;
	__aligned_u64 id;
	__aligned_u64 generation;
};

#define DAXLEASE_ACQUIRE	_IO(DAXLEASE_TYPE, DAXLEASE_CMD_ACQUIRE)

/**
 * struct daxlease_release - DAXLEASE_RELEASE: give a lease back
 * @size: sizeof(struct daxlease_release)
 * @flags: must be 0
 * @id: the lease; device access has ended when the call returns
 */
struct daxlease_release {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
};

#define DAXLEASE_RELEASE	_IO(DAXLEASE_TYPE, DAXLEASE_CMD_RELEASE)

/**
 * enum daxlease_state - life of a lease, in daxlease_query.state
 * @DAXLEASE_ACQUIRING: not visible to its owner yet
 * @DAXLEASE_ACTIVE: no break is open (some granules may be lost)
 * @DAXLEASE_BREAKING: a break is open
 * @DAXLEASE_REVOKED: all granules are lost
 * @DAXLEASE_RELEASED: gone
 */
enum daxlease_state {
	DAXLEASE_ACQUIRING	= 0,
	DAXLEASE_ACTIVE		= 1,
	DAXLEASE_BREAKING	= 2,
	DAXLEASE_REVOKED	= 3,
	DAXLEASE_RELEASED	= 4,
};

/**
 * struct daxlease_query - DAXLEASE_QUERY: state of a lease
 * @size: sizeof(struct daxlease_query)
 * @flags: must be 0
 * @id: the lease
 * @bitmap: user address of the bitmap of lost granules, or 0. Bit n, counted from the least
 *	significant bit of byte 0, is the n-th granule of the file that the lease touches
 * @bitmap_size: size of that memory in bytes; what does not fit is left out, the rest zeroed
 * @granules: out: number of granules the lease touches
 * @granules_lost: out: how many of them are lost
 * @state: out: enum daxlease_state
 * @access: out: DAXLEASE_READ and DAXLEASE_WRITE as granted
 * @generation: out
 * @offset: out: first byte
 * @length: out: bytes
 * @grace_ns: out
 * @break_id: out: the open break, or 0
 * @deadline_ns: out: when the open break ends, or 0
 */
struct daxlease_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 bitmap;
	__aligned_u64 bitmap_size;
	__aligned_u64 granules;
	__aligned_u64 granules_lost;
	__u32 state;
	__u32 access;
	__aligned_u64 generation;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 grace_ns;
	__aligned_u64 break_id;
	__aligned_u64 deadline_ns;
};

#define DAXLEASE_QUERY		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_QUERY)

/**
 * struct daxlease_ack - DAXLEASE_ACK: give way to a break now
 * @size: sizeof(struct daxlease_ack)
 * @flags: must be 0
 * @id: the lease
 * @generation: of the lease, as the event said
 * @break_id: as the event said. Returns 0 when the fence of that break is confirmed, also if it was
 *	already; repeating it does no harm
 */
struct daxlease_ack {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 generation;
	__aligned_u64 break_id;
};

#define DAXLEASE_ACK		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_ACK)

/**
 * struct daxlease_rearm - DAXLEASE_REARM: map lost granules again, to the blocks the file has now
 * @size: sizeof(struct daxlease_rearm)
 * @flags: must be 0
 * @id: the lease
 * @offset: first byte, within the lease
 * @length: bytes
 * @generation: out: the new one; what was fenced stays dead under the old
 *
 * Granules that are not neighbours come back one run after the other, each under a generation of
 * its own: after an error some may be back, which QUERY tells. Where nothing is lost, nothing is
 * done.
 */
struct daxlease_rearm {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 generation;
};

#define DAXLEASE_REARM		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_REARM)

/**
 * struct daxlease_export_dmabuf - DAXLEASE_EXPORT_DMABUF: a dma-buf of a lease or part of it
 * @size: sizeof(struct daxlease_export_dmabuf)
 * @flags: must be 0
 * @id: the lease
 * @offset: first byte, within the lease
 * @length: bytes
 * @fd_flags: O_CLOEXEC, and O_RDWR for a write lease
 * @fd: out: the dma-buf
 *
 * The dma-buf is revoked whole when any part of its range is lost or the lease is released, and
 * remains so: re-arm and export again. Implicit leases cannot be exported (EOPNOTSUPP).
 */
struct daxlease_export_dmabuf {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32 fd_flags;
	__s32 fd;
};

#define DAXLEASE_EXPORT_DMABUF	_IO(DAXLEASE_TYPE, DAXLEASE_CMD_EXPORT_DMABUF)

/**
 * struct daxlease_flush - DAXLEASE_FLUSH: write CPU caches of a range back to the medium
 * @size: sizeof(struct daxlease_flush)
 * @flags: must be 0
 * @id: the lease
 * @offset: first byte, within the lease
 * @length: bytes
 */
struct daxlease_flush {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 offset;
	__aligned_u64 length;
};

#define DAXLEASE_FLUSH		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_FLUSH)

/**
 * enum daxlease_watch_flags - for daxlease_watch.flags
 * @DAXLEASE_WATCH_ALL: every process; pidfd must be -1. Needs CAP_SYS_ADMIN
 */
enum daxlease_watch_flags {
	DAXLEASE_WATCH_ALL	= 1 << 0,
};

/**
 * struct daxlease_watch - DAXLEASE_WATCH: speak for the implicit leases of a process
 * @size: sizeof(struct daxlease_watch)
 * @flags: enum daxlease_watch_flags
 * @pidfd: the process; the caller must be allowed to ptrace-attach to it (itself: always)
 * @__reserved: must be 0
 * @grace_ns: grace of its implicit leases from now on, present and future; 0: the default of
 *	ACQUIRE. Of several watchers' graces the longest counts. Ends when the context closes
 */
struct daxlease_watch {
	__u32 size;
	__u32 flags;
	__s32 pidfd;
	__u32 __reserved;
	__aligned_u64 grace_ns;
};

#define DAXLEASE_WATCH		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_WATCH)

/**
 * struct daxlease_break - DAXLEASE_BREAK: start a break by hand
 * @size: sizeof(struct daxlease_break)
 * @flags: must be 0
 * @fd: the file; permission as for a write ACQUIRE
 * @__reserved: must be 0
 * @offset: first byte, a multiple of the page size
 * @length: bytes, a multiple of the page size
 * @leases: out: how many leases the break hit. The call does not wait for them
 */
struct daxlease_break {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 __reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 leases;
};

#define DAXLEASE_BREAK		_IO(DAXLEASE_TYPE, DAXLEASE_CMD_BREAK)

/**
 * enum daxlease_event_bits - what has happened since the last read, coalesced per lease
 * @DAXLEASE_EVENT_BREAK: a break has begun or was joined; act before deadline_ns
 * @DAXLEASE_EVENT_FENCED: device access to the lost range has ended
 * @DAXLEASE_EVENT_CLEARED: the operation has returned: re-arming makes sense
 * @DAXLEASE_EVENT_REVOKED: nothing of the lease is left
 *
 * A break takes back what the record says of earlier ones: BREAK with FENCED is over, BREAK without
 * is not.
 */
enum daxlease_event_bits {
	DAXLEASE_EVENT_BREAK	= 1 << 0,
	DAXLEASE_EVENT_FENCED	= 1 << 1,
	DAXLEASE_EVENT_CLEARED	= 1 << 2,
	DAXLEASE_EVENT_REVOKED	= 1 << 3,
};

/**
 * enum daxlease_event_flags - exceptions from the rule that a holder gets its whole grace
 * @DAXLEASE_FLAG_EMERGENCY: fenced at once, by a last-resort hook
 * @DAXLEASE_FLAG_NO_GRACE: fenced at once: freeze, a spent budget, device removal, failure of
 *	memory or of a hook, or a grace of zero
 * @DAXLEASE_FLAG_JOINED: a second operation met an open break and shares its deadline
 */
enum daxlease_event_flags {
	DAXLEASE_FLAG_EMERGENCY	= 1 << 0,
	DAXLEASE_FLAG_NO_GRACE	= 1 << 1,
	DAXLEASE_FLAG_JOINED	= 1 << 2,
};

/**
 * enum daxlease_reason - why a break began
 * @DAXLEASE_REASON_NONE: no break yet
 * @DAXLEASE_REASON_TRUNCATE: truncate(2), ftruncate(2), O_TRUNC
 * @DAXLEASE_REASON_FALLOCATE: fallocate(2): punch, zero, collapse, insert, unshare
 * @DAXLEASE_REASON_REMAP: clone or dedupe
 * @DAXLEASE_REASON_LAYOUT: the filesystem's break-layout path, for an operation not recorded before
 * @DAXLEASE_REASON_INVALIDATE: pages were about to be invalidated without asking
 * @DAXLEASE_REASON_REMOVE: the device goes away
 * @DAXLEASE_REASON_MANUAL: DAXLEASE_BREAK
 * @DAXLEASE_REASON_HOOK: a hook of the module does not work any more, so every lease is revoked
 * @DAXLEASE_REASON_FAILURE: the hardware reports that memory is bad; hit_offset and hit_length are
 *	the pages
 */
enum daxlease_reason {
	DAXLEASE_REASON_NONE		= 0,
	DAXLEASE_REASON_TRUNCATE	= 1,
	DAXLEASE_REASON_FALLOCATE	= 2,
	DAXLEASE_REASON_REMAP		= 3,
	DAXLEASE_REASON_LAYOUT		= 4,
	DAXLEASE_REASON_INVALIDATE	= 5,
	DAXLEASE_REASON_REMOVE		= 6,
	DAXLEASE_REASON_MANUAL		= 7,
	DAXLEASE_REASON_HOOK		= 8,
	DAXLEASE_REASON_FAILURE		= 9,
};

/**
 * struct daxlease_event - one record of read(2); only whole records are returned
 * @size: sizeof(struct daxlease_event), 128
 * @bits: enum daxlease_event_bits
 * @flags: enum daxlease_event_flags
 * @reason: enum daxlease_reason
 * @id: the lease
 * @cookie: its cookie; 0 for an implicit lease
 * @generation: of the lease
 * @break_id: for ACK
 * @hit_offset: first byte the operation changes, clipped to the lease
 * @hit_length: bytes; covers everything since the last read
 * @lost_offset: first byte of the granules that are or will be lost by it
 * @lost_length: bytes
 * @time_ns: when the first bit of this record was set
 * @deadline_ns: when the lease is fenced if nobody gives way
 * @pid: the breaker, or 0 if it is not visible in the pid namespace of the reader
 * @comm: its name, zero-terminated; empty with pid 0
 * @__reserved: 0
 */
struct daxlease_event {
	__u32 size;
	__u32 bits;
	__u32 flags;
	__u32 reason;
	__aligned_u64 id;
	__aligned_u64 cookie;
	__aligned_u64 generation;
	__aligned_u64 break_id;
	__aligned_u64 hit_offset;
	__aligned_u64 hit_length;
	__aligned_u64 lost_offset;
	__aligned_u64 lost_length;
	__aligned_u64 time_ns;
	__aligned_u64 deadline_ns;
	__s32 pid;
	char comm[DAXLEASE_COMM_LEN];
	__u32 __reserved[3];
};

#endif /* _UAPI_DAXLEASE_H */
