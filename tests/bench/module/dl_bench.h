/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmark asks of dl_bench.ko. Test equipment: no stable interface, root only. */
#ifndef DL_BENCH_H
#define DL_BENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dl_bench_span - lease a mapping, map it in the IOMMU, undo both; ns of each step
 * @addr: a shared fs-dax mapping of the caller
 * @size: bytes
 * @iova: unused addresses of its domain, congruent to the offset modulo 2 MiB; 0: lease only
 * @device: PCI address, zero-terminated; its IOMMU domain
 * @acquire: daxlease_acquire_vma()
 * @map: iommu_map_sg(), in the calls that vfio_iommu_type1 would make
 * @unmap: one iommu_unmap() of everything
 * @put: daxlease_put()
 * @calls: number of calls of iommu_map_sg()
 */
struct dl_bench_span {
	__aligned_u64 addr;
	__aligned_u64 size;
	__aligned_u64 iova;
	char device[16];
	__aligned_u64 acquire;
	__aligned_u64 map;
	__aligned_u64 unmap;
	__aligned_u64 put;
	__aligned_u64 calls;
};

#define DL_BENCH_SPAN	_IOWR('b', 1, struct dl_bench_span)

/* Argument: an eventfd. Signals it; returns the CLOCK_MONOTONIC ns of that moment */
#define DL_BENCH_SIGNAL	_IOWR('b', 2, __u64)

#endif /* DL_BENCH_H */
