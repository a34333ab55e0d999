// SPDX-License-Identifier: GPL-2.0
/* The helpers for users of VFIO: what they ask of the kernel, in which order. */
#include "context.h"

#include <errno.h>
#include <linux/vfio.h>

#define CONTAINER	55

static void check_tells_the_drop_in_from_stock(void **state)
{
	(void)state;
	fake.extension = 1;
	assert_int_equal(daxlease_vfio_check(CONTAINER), 0);
	assert_int_equal(fake.number, 0x4458);
	fake.extension = 0;
	assert_int_equal(daxlease_vfio_check(CONTAINER), -EOPNOTSUPP);
	fake_fail_nth(1, ENOTTY);
	assert_int_equal(daxlease_vfio_check(CONTAINER), -ENOTTY);
}

static int map_one(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.flags = VFIO_DMA_MAP_FLAG_READ, .vaddr = 0x1000, .iova = 0x2000, .size = 0x3000,
	};

	return daxlease_vfio_map(ctx, CONTAINER, &map, 5000000);
}

static void mapping_watches_first(void **state)
{
	const struct vfio_iommu_type1_dma_map *map = (void *)fake.arg;

	(void)state;
	assert_int_equal(map_one(), 0);
	assert_int_equal(fake.nr_requests, 2);
	assert_int_equal(fake.requests[0], DAXLEASE_WATCH);
	assert_int_equal(fake.requests[1], VFIO_IOMMU_MAP_DMA);
	assert_int_equal(map->argsz, sizeof(*map));
	assert_int_equal(map->flags, VFIO_DMA_MAP_FLAG_READ);
	assert_int_equal(map->vaddr, 0x1000);
	assert_int_equal(map->iova, 0x2000);
	assert_int_equal(map->size, 0x3000);
	assert_int_equal(fake.open_fds, 1);	/* the context's alone: no pidfd is left */
}

static void watching_already_is_fine(void **state)
{
	(void)state;
	fake.ioctl_err = EEXIST;
	fake.ioctl_err_cmd = DAXLEASE_CMD_WATCH;
	assert_int_equal(map_one(), 0);
	assert_int_equal(fake.requests[1], VFIO_IOMMU_MAP_DMA);
}

static void nothing_is_mapped_unwatched(void **state)
{
	(void)state;
	fake.ioctl_err = EPERM;
	fake.ioctl_err_cmd = DAXLEASE_CMD_WATCH;
	assert_int_equal(map_one(), -EPERM);
	assert_int_equal(fake.nr_requests, 1);
	fake.ioctl_err = 0;
	for (unsigned int n = 1; n <= 3; n++) {	/* pidfd_open, WATCH, MAP_DMA */
		fake.nr_requests = 0;
		fake_fail_nth(n, ENOMEM);
		assert_int_equal(map_one(), -ENOMEM);
		assert_int_equal(fake.nr_requests, n - 1);
	}
}

static void rearm_waits_for_cleared(void **state)
{
	static const struct {
		const char *desc;
		uint32_t bits;
		uint64_t lost;
		int err, ret;
		unsigned int requests;
	} rows[] = {
		{ "a break", DAXLEASE_EVENT_BREAK, 4096, 0, 0, 0 },
		{ "fenced, the operation goes on", DAXLEASE_EVENT_FENCED, 4096, 0, 0, 0 },
		{ "the bar has gone", DAXLEASE_EVENT_CLEARED, 4096, 0, 1, 1 },
		{ "all at once", DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED |
		  DAXLEASE_EVENT_REVOKED | DAXLEASE_EVENT_CLEARED, 4096, 0, 1, 1 },
		{ "nothing is lost", DAXLEASE_EVENT_CLEARED, 0, 0, 0, 0 },
		{ "barred anew", DAXLEASE_EVENT_CLEARED, 4096, EAGAIN, -EAGAIN, 1 },
		{ "the file is too short now", DAXLEASE_EVENT_CLEARED, 4096, EINVAL, -EINVAL, 1 },
	};
	const struct daxlease_rearm *args = (void *)fake.arg;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct daxlease_event event = {
			.bits = rows[i].bits, .id = FAKE_ID,
			.lost_offset = 8192, .lost_length = rows[i].lost,
		};

		print_message("%s\n", rows[i].desc);
		fake.nr_requests = 0;
		fake.ioctl_err = rows[i].err;
		fake.ioctl_err_cmd = DAXLEASE_CMD_REARM;
		assert_int_equal(daxlease_vfio_rearm(ctx, &event), rows[i].ret);
		assert_int_equal(fake.nr_requests, rows[i].requests);
		if (!rows[i].requests)
			continue;
		assert_int_equal(fake.requests[0], DAXLEASE_REARM);
		assert_int_equal(args->id, FAKE_ID);
		assert_int_equal(args->offset, 8192);
		assert_int_equal(args->length, rows[i].lost);
	}
}

static const struct CMUnitTest tests[] = {
	WITH_CTX(check_tells_the_drop_in_from_stock),
	WITH_CTX(mapping_watches_first),
	WITH_CTX(watching_already_is_fine),
	WITH_CTX(nothing_is_mapped_unwatched),
	WITH_CTX(rearm_waits_for_cleared),
};

SUITE(tests)
