/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/daxlease-importer: a driver of QEMU's edu device that imports a dma-buf and lets the device
 * write into it, for tests. Each open file is one importer.
 */
#ifndef IMPORTER_H
#define IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IMPORTER_BYTE	0x5a	/* what the device writes */
#define IMPORTER_MAX	2048	/* bytes a command, at most */

/* What it does when it is told to let go */
enum importer_temper {
	IMPORTER_LETS_GO,
	IMPORTER_NEVER,		/* nothing, until IMPORTER_UNMAP */
	IMPORTER_AGAIN,		/* lets go, and maps again at once */
	IMPORTER_STRANGER,	/* nothing, and its function has a name that nobody knows */
};

/**
 * struct importer_attach - once a file
 * @fd: the dma-buf
 * @temper: enum importer_temper
 */
struct importer_attach {
	__s32 fd;
	__u32 temper;
};

/**
 * struct importer_dma - the device writes IMPORTER_BYTE
 * @offset: from the address that was mapped last, also if it is not mapped any more
 * @length: bytes, up to IMPORTER_MAX
 * @pad: 0
 */
struct importer_dma {
	__u64 offset;
	__u32 length;
	__u32 pad;
};

/**
 * struct importer_state - what has happened
 * @address: that was mapped last, for the device
 * @mapped: it is mapped
 * @notified: times it was told to let go
 * @again: 0 or -errno of mapping again
 * @move_notify: the kernel has CONFIG_DMABUF_MOVE_NOTIFY
 */
struct importer_state {
	__u64 address;
	__u32 mapped;
	__u32 notified;
	__s32 again;
	__u32 move_notify;
};

#define IMPORTER_ATTACH		_IOW('i', 0, struct importer_attach)
#define IMPORTER_MAP		_IO('i', 1)
#define IMPORTER_UNMAP		_IO('i', 2)
#define IMPORTER_DMA		_IOW('i', 3, struct importer_dma)
#define IMPORTER_STATE		_IOR('i', 4, struct importer_state)

#endif /* IMPORTER_H */
