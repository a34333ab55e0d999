// SPDX-License-Identifier: GPL-2.0
/*
 * Every call of the library is made to fail in every way it can: each pass of each point of failure,
 * with each errno that there is. It must return a negative errno, leak nothing, and leave the
 * context usable.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>

#include <libdaxlease.h>

#include "fake.h"
#include "points.h"

static struct daxlease_ctx *ctx;

static int open_ctx(void **state)
{
	(void)state;
	points_init();
	fake_reset();
	return daxlease_open(NULL, &ctx);
}

static int close_ctx(void **state)
{
	(void)state;
	daxlease_close(ctx);
	ctx = NULL;
	return fake.open_fds;
}

/* A call: 0 if it did what it should; a context that it makes is closed again */

static int call_open(void)
{
	struct daxlease_ctx *other = NULL;
	int ret = daxlease_open(NULL, &other);

	assert_int_equal(!!other, !ret);
	daxlease_close(other);
	return ret;
}

static int call_from_fd(void)
{
	struct daxlease_ctx *other = NULL;
	int ret = daxlease_from_fd(fake_device(), &other);

	assert_int_equal(!!other, !ret);
	daxlease_close(other);
	fake.open_fds += !ret;	/* it was not opened by the library */
	return ret;
}

static int call_info(void)
{
	struct daxlease_info info;

	return daxlease_get_info(ctx, &info, sizeof(info));
}

static int call_acquire(void)
{
	struct daxlease_acquire args = { .fd = 5, .length = 4096 };

	return daxlease_lease_acquire(ctx, &args, sizeof(args));
}

static int call_release(void)
{
	return daxlease_lease_release(ctx, FAKE_ID);
}

static int call_query(void)
{
	struct daxlease_query query;
	unsigned char bitmap[8];

	return daxlease_lease_query(ctx, FAKE_ID, &query, sizeof(query), bitmap, sizeof(bitmap));
}

static int call_ack(void)
{
	return daxlease_lease_ack(ctx, FAKE_ID, 1, 1);
}

static int call_rearm(void)
{
	uint64_t generation;

	return daxlease_lease_rearm(ctx, FAKE_ID, 0, 4096, &generation);
}

static int call_export(void)
{
	int ret = daxlease_lease_export(ctx, FAKE_ID, 0, 4096, O_CLOEXEC);

	return ret > 0 ? 0 : ret;
}

static int call_flush(void)
{
	return daxlease_lease_flush(ctx, FAKE_ID, 0, 4096);
}

static int call_watch_pid(void)
{
	return daxlease_watch_pid(ctx, 1, 0);
}

static int call_watch_pidfd(void)
{
	return daxlease_watch_pidfd(ctx, 9, 0);
}

static int call_watch_all(void)
{
	return daxlease_watch_all(ctx, 0);
}

static int call_vfio_check(void)
{
	fake.extension = 1;
	return daxlease_vfio_check(3);
}

static int call_vfio_map(void)
{
	struct vfio_iommu_type1_dma_map map = { .size = 4096 };

	return daxlease_vfio_map(ctx, 3, &map, 0);
}

static int call_vfio_rearm(void)
{
	struct daxlease_event event = {
		.bits = DAXLEASE_EVENT_CLEARED, .id = FAKE_ID, .lost_length = 4096
	};
	int ret = daxlease_vfio_rearm(ctx, &event);

	return ret == 1 ? 0 : ret;
}

static int call_break(void)
{
	uint64_t leases;

	return daxlease_break_range(ctx, 6, 0, 4096, &leases);
}

/* With an event waiting: it is returned, or it is still there after an error */
static int call_event(void)
{
	struct daxlease_event event;
	int ret, left;

	fake_queue_event(DAXLEASE_EVENT_BREAK, 1);
	ret = daxlease_next_event(ctx, &event, sizeof(event), 10);
	if (ret == 1) {
		assert_int_equal(event.break_id, 1);
		return 0;
	}
	left = daxlease_next_event(ctx, &event, sizeof(event), 0);
	assert_int_equal(left, 1);
	return ret;
}

static int call_no_event(void)
{
	struct daxlease_event event;

	return daxlease_next_event(ctx, &event, sizeof(event), 10);
}

/*
 * What is no failure by design: close() of a descriptor is; read() says EAGAIN when another thread
 * was faster.
 */
static bool overcome(const char *point, int err)
{
	if (!strcmp(point, "posix/close"))
		return true;
	return !strcmp(point, "posix/read") && err == EAGAIN;
}

static const struct {
	const char *desc;
	int (*call)(void);
	const char *passes[5];	/* the points that it must pass */
} calls[] = {
	{ "open, close", call_open, { "posix/open", "libc/mm/malloc", "posix/close" } },
	{ "from_fd, close", call_from_fd,
	  { "posix/ioctl", "posix/fcntl", "libc/mm/malloc", "posix/close" } },
	{ "get_info", call_info, { "posix/ioctl" } },
	{ "acquire", call_acquire, { "posix/ioctl" } },
	{ "release", call_release, { "posix/ioctl" } },
	{ "query", call_query, { "posix/ioctl" } },
	{ "ack", call_ack, { "posix/ioctl" } },
	{ "rearm", call_rearm, { "posix/ioctl" } },
	{ "export", call_export, { "posix/ioctl" } },
	{ "flush", call_flush, { "posix/ioctl" } },
	{ "watch_pid", call_watch_pid, { "posix/pidfd_open", "posix/ioctl", "posix/close" } },
	{ "watch_pidfd", call_watch_pidfd, { "posix/ioctl" } },
	{ "watch_all", call_watch_all, { "posix/ioctl" } },
	{ "vfio_check", call_vfio_check, { "posix/ioctl" } },
	{ "vfio_map", call_vfio_map, { "posix/pidfd_open", "posix/ioctl", "posix/close" } },
	{ "vfio_rearm", call_vfio_rearm, { "posix/ioctl" } },
	{ "break_range", call_break, { "posix/ioctl" } },
	{ "next_event", call_event, { "posix/read" } },
	{ "next_event, none there", call_no_event, { "posix/read", "posix/poll" } },
};

/* How often a call that works passes a point */
static unsigned int passes(size_t i, const char *point)
{
	unsigned int n;

	fake.nr_requests = 0;
	point_fail(point, 0, EIO);
	assert_int_equal(calls[i].call(), 0);
	n = point_passes();
	assert_false(point_failed(point));
	return n;
}

/* The points are really in the way: or none of the failures below would be one */
static void every_call_passes_its_points(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		unsigned int expected = 0, found = 0;

		for (const char *const *p = calls[i].passes; *p; p++)
			expected += passes(i, *p) > 0;
		for (const char *const *p = points; *p; p++)
			found += passes(i, *p) > 0;
		print_message("%s: %u points\n", calls[i].desc, found);
		assert_int_equal(found, expected);
		assert_null(calls[i].passes[expected]);
	}
}

static unsigned int fail_once(size_t i, const char *point, unsigned int n, int err)
{
	int fds = fake.open_fds, ret;
	bool fine;

	if (!strcmp(point, "libc/mm/malloc"))
		err = ENOMEM;	/* the one that it has */
	fake.nr_requests = 0;
	point_fail(point, n, err);
	ret = calls[i].call();
	if (!point_failed(point))
		return 0;
	fine = overcome(point, err) ||
	       (calls[i].call == call_vfio_map && n == 1 && err == EEXIST);	/* watched already */
	if (ret != (fine ? 0 : -err))
		fail_msg("%s: pass %u of %s fails with %d, call returns %d", calls[i].desc, n, point, err,
			 ret);
	assert_int_equal(fake.open_fds, fds);
	/* The context is as good as before */
	fake.nr_requests = 0;
	assert_int_equal(call_info(), 0);
	assert_int_equal(call_event(), 0);
	assert_int_equal(call_no_event(), 0);
	return 1;
}

static void every_failure_is_returned_and_does_no_harm(void **state)
{
	unsigned int total = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (const char *const *p = points; *p; p++)
			for (const int *err = errnos; *err; err++)
				for (unsigned int n = 1; fail_once(i, *p, n, *err); n++)
					total++;
	print_message("%u failures\n", total);
	assert_true(total >= 500);
}

#define WITH_CTX(test) cmocka_unit_test_setup_teardown(test, open_ctx, close_ctx)

static const struct CMUnitTest tests[] = {
	WITH_CTX(every_call_passes_its_points),
	WITH_CTX(every_failure_is_returned_and_does_no_harm),
};

SUITE(tests)
