// SPDX-License-Identifier: GPL-2.0
/* Contexts and ioctls: what reaches the kernel, what comes back, what a failure leaves behind. */
#include "context.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

static void open_is_cloexec_nonblocking_and_of_the_default_device(void **state)
{
	(void)state;
	assert_string_equal(fake.open_path, "/dev/daxlease");
	assert_int_equal(fake.open_flags, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_int_equal(daxlease_fd(ctx), fake_device());
}

static void open_takes_another_path(void **state)
{
	struct daxlease_ctx *other;

	(void)state;
	assert_int_equal(daxlease_open("/other", &other), 0);
	assert_string_equal(fake.open_path, "/other");
	daxlease_close(other);
}

static void close_of_null_does_nothing(void **state)
{
	(void)state;
	fake_reset();
	daxlease_close(NULL);
	assert_int_equal(fake.open_fds, 0);
}

static void from_fd_checks_the_device_and_sets_nonblock(void **state)
{
	struct daxlease_ctx *mine;

	(void)state;
	fake_reset();
	assert_int_equal(daxlease_from_fd(fake_device(), &mine), 0);
	assert_int_equal(fake.requests[0], DAXLEASE_INFO);
	assert_true(fake.nonblock);
	daxlease_close(mine);
	assert_int_equal(fake.open_fds, -1);
}

static void from_fd_leaves_a_foreign_descriptor_alone(void **state)
{
	struct daxlease_ctx *mine = (void *)1;

	(void)state;
	fake_reset();
	fake.ioctl_err = ENOTTY;
	assert_int_equal(daxlease_from_fd(fake_device(), &mine), -ENOTTY);
	assert_false(fake.nonblock);
	assert_ptr_equal(mine, (void *)1);
	assert_int_equal(fake.open_fds, 0);
}

/* The calls, as thunks: for the tables of arguments and of faults. */

static int call_info(void)
{
	struct daxlease_info info;

	return daxlease_get_info(ctx, &info, sizeof(info));
}

static int call_acquire(void)
{
	struct daxlease_acquire args = {
		.flags = DAXLEASE_WRITE, .fd = 5, .offset = 4096, .length = 8192, .grace_ns = 11,
		.cookie = 12,
	};
	int ret = daxlease_lease_acquire(ctx, &args, sizeof(args));

	if (!ret) {
		assert_int_equal(args.id, FAKE_ID);
		assert_int_equal(args.generation, 1);
	}
	return ret;
}

static int call_release(void)
{
	return daxlease_lease_release(ctx, 21);
}

static unsigned char bitmap[8];

static int call_query(void)
{
	struct daxlease_query query;

	return daxlease_lease_query(ctx, 22, &query, sizeof(query), bitmap, sizeof(bitmap));
}

static int call_ack(void)
{
	return daxlease_lease_ack(ctx, 23, 24, 25);
}

static int call_rearm(void)
{
	uint64_t generation = 77;
	int ret = daxlease_lease_rearm(ctx, 26, 4096, 8192, &generation);

	assert_int_equal(generation, ret ? 77 : 2);
	return ret;
}

static int call_export(void)
{
	int ret = daxlease_lease_export(ctx, 27, 4096, 8192, O_CLOEXEC | O_RDWR);

	return ret == 99 ? 0 : ret;
}

static int call_flush(void)
{
	return daxlease_lease_flush(ctx, 28, 4096, 8192);
}

static int call_watch_pidfd(void)
{
	return daxlease_watch_pidfd(ctx, 9, 29);
}

static int call_watch_pid(void)
{
	return daxlease_watch_pid(ctx, 1, 30);
}

static int call_watch_all(void)
{
	return daxlease_watch_all(ctx, 31);
}

static int call_break(void)
{
	uint64_t leases = 77;
	int ret = daxlease_break_range(ctx, 6, 4096, 8192, &leases);

	assert_int_equal(leases, ret ? 77 : 3);
	return ret;
}

static int call_event(void)
{
	struct daxlease_event event;
	int ret;

	fake_queue_event(DAXLEASE_EVENT_BREAK, 1);
	ret = daxlease_next_event(ctx, &event, sizeof(event), 10);
	if (ret == 1)
		return 0;
	/* Whatever failed, the event is still there. */
	assert_int_equal(daxlease_next_event(ctx, &event, sizeof(event), 0), 1);
	assert_int_equal(event.break_id, 1);
	return ret;
}

static int call_event_wait(void)
{
	struct daxlease_event event;

	return daxlease_next_event(ctx, &event, sizeof(event), 10);
}

static int call_open(void)
{
	struct daxlease_ctx *other = (void *)1;
	int ret = daxlease_open(NULL, &other);

	if (ret)
		assert_ptr_equal(other, (void *)1);
	else
		daxlease_close(other);
	return ret;
}

static int call_from_fd(void)
{
	struct daxlease_ctx *other = (void *)1;
	int ret = daxlease_from_fd(fake_device(), &other);

	if (ret)
		assert_ptr_equal(other, (void *)1);
	else
		daxlease_close(other);
	/* It took a descriptor that it had not opened. */
	fake.open_fds += !ret;
	return ret;
}

#define REQUEST(name, call, type, ...) \
	{ #name, call, DAXLEASE_##name, sizeof(struct daxlease_##type), \
	  { .type = { .size = sizeof(struct daxlease_##type), __VA_ARGS__ } } }

static void each_call_passes_exactly_its_arguments(void **state)
{
	const struct {
		const char *desc;
		int (*call)(void);
		unsigned long request;
		size_t size;
		union {
			unsigned char bytes[256];
			struct daxlease_info info;
			struct daxlease_acquire acquire;
			struct daxlease_release release;
			struct daxlease_query query;
			struct daxlease_ack ack;
			struct daxlease_rearm rearm;
			struct daxlease_export_dmabuf export_dmabuf;
			struct daxlease_flush flush;
			struct daxlease_watch watch;
			struct daxlease_break break_;
		} expected;
	} rows[] = {
		REQUEST(INFO, call_info, info, 0),
		REQUEST(ACQUIRE, call_acquire, acquire, .flags = DAXLEASE_WRITE, .fd = 5,
			.offset = 4096, .length = 8192, .grace_ns = 11, .cookie = 12),
		REQUEST(RELEASE, call_release, release, .id = 21),
		REQUEST(QUERY, call_query, query, .id = 22, .bitmap = (uintptr_t)bitmap,
			.bitmap_size = sizeof(bitmap)),
		REQUEST(ACK, call_ack, ack, .id = 23, .generation = 24, .break_id = 25),
		REQUEST(REARM, call_rearm, rearm, .id = 26, .offset = 4096, .length = 8192),
		REQUEST(EXPORT_DMABUF, call_export, export_dmabuf, .id = 27, .offset = 4096,
			.length = 8192, .fd_flags = O_CLOEXEC | O_RDWR, .fd = -1),
		REQUEST(FLUSH, call_flush, flush, .id = 28, .offset = 4096, .length = 8192),
		REQUEST(WATCH, call_watch_pidfd, watch, .pidfd = 9, .grace_ns = 29),
		REQUEST(WATCH, call_watch_pid, watch, .pidfd = 1000, .grace_ns = 30),
		REQUEST(WATCH, call_watch_all, watch, .flags = DAXLEASE_WATCH_ALL, .pidfd = -1,
			.grace_ns = 31),
		{ "BREAK", call_break, DAXLEASE_BREAK, sizeof(struct daxlease_break),
		  { .break_ = { .size = sizeof(struct daxlease_break), .fd = 6, .offset = 4096,
				.length = 8192 } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("%s\n", rows[i].desc);
		fake.nr_requests = 0;
		assert_int_equal(rows[i].call(), 0);
		assert_int_equal(fake.nr_requests, 1);
		assert_int_equal(fake.requests[0], rows[i].request);
		assert_int_equal(fake.arg_size, rows[i].size);
		assert_memory_equal(fake.arg, rows[i].expected.bytes, rows[i].size);
	}
}

/* Fail each call's first, second, ... step in turn, until it gets through. */
static void every_step_may_fail(void **state)
{
	static const struct {
		const char *desc;
		int (*call)(void);
		unsigned int steps;
	} rows[] = {
		{ "open: open, malloc", call_open, 2 },
		{ "from_fd: ioctl, nonblock, malloc", call_from_fd, 3 },
		{ "info", call_info, 1 },
		{ "acquire", call_acquire, 1 },
		{ "release", call_release, 1 },
		{ "query", call_query, 1 },
		{ "ack", call_ack, 1 },
		{ "rearm", call_rearm, 1 },
		{ "export", call_export, 1 },
		{ "flush", call_flush, 1 },
		{ "watch_pidfd", call_watch_pidfd, 1 },
		{ "watch_pid: pidfd_open, ioctl", call_watch_pid, 2 },
		{ "watch_all", call_watch_all, 1 },
		{ "break_range", call_break, 1 },
		{ "next_event: read", call_event, 1 },
		{ "next_event, none: read, poll", call_event_wait, 2 },
	};
	static const int errors[] = { EINTR, EIO, EFAULT, ENOMEM, ENODEV, EPERM };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
			for (unsigned int n = 1; n <= rows[i].steps; n++) {
				int fds = fake.open_fds, ret;

				fake.nr_requests = 0;
				fake_fail_nth(n, errors[e]);
				ret = rows[i].call();
				print_message("%s: step %u: %d\n", rows[i].desc, n, ret);
				assert_true(fake_fault_hit());
				assert_true(ret == -errors[e] || ret == -ENOMEM);
				assert_int_equal(fake.open_fds, fds);
			}
			/* One step further nothing is left to fail, and the handle works. */
			fake_fail_nth(rows[i].steps + 1, errors[e]);
			assert_int_equal(rows[i].call(), 0);
			assert_false(fake_fault_hit());
			fake_fail_nth(0, 0);
		}
	}
}

static void optional_results_may_be_null(void **state)
{
	(void)state;
	assert_int_equal(daxlease_lease_rearm(ctx, FAKE_ID, 0, 4096, NULL), 0);
	assert_int_equal(daxlease_break_range(ctx, 5, 0, 4096, NULL), 0);
}

static void query_without_bitmap_passes_no_memory(void **state)
{
	struct daxlease_query query;

	(void)state;
	assert_int_equal(daxlease_lease_query(ctx, FAKE_ID, &query, sizeof(query), NULL, 64), 0);
	assert_int_equal(query.bitmap_size, 0);
	assert_int_equal(query.granules, FAKE_GRANULES);
}

static void query_returns_the_bitmap(void **state)
{
	struct daxlease_query query;

	(void)state;
	fake.lost = 5;
	memset(bitmap, 0xff, sizeof(bitmap));
	assert_int_equal(daxlease_lease_query(ctx, FAKE_ID, &query, sizeof(query), bitmap,
					      sizeof(bitmap)), 0);
	assert_int_equal(query.granules_lost, 2);
	assert_int_equal(bitmap[0], 5);
	assert_int_equal(bitmap[1], 0);
}

static void a_size_no_structure_can_have_is_refused(void **state)
{
	struct daxlease_info info;
	struct daxlease_query query;
	struct daxlease_event event;

	(void)state;
	fake.nr_requests = 0;
	assert_int_equal(daxlease_get_info(ctx, &info, 0), -EINVAL);
	assert_int_equal(daxlease_get_info(ctx, &info, 7), -EINVAL);
	assert_int_equal(daxlease_lease_query(ctx, 1, &query, 31, NULL, 0), -EINVAL);
	assert_int_equal(daxlease_next_event(ctx, &event, sizeof(event) - 1, 0), -EINVAL);
	assert_int_equal(fake.nr_requests + fake.reads, 0);
}

static void a_longer_structure_is_passed_whole_and_zeroed(void **state)
{
	union {
		struct daxlease_info info;
		unsigned char bytes[sizeof(struct daxlease_info) + 8];
	} longer;

	(void)state;
	memset(&longer, 0xff, sizeof(longer));
	assert_int_equal(daxlease_get_info(ctx, &longer.info, sizeof(longer)), 0);
	assert_int_equal(fake.arg_size, sizeof(longer));
	for (size_t i = sizeof(uint32_t); i < sizeof(longer); i++)
		assert_int_equal(fake.arg[i], 0);
}

static void granules_are_clipped_to_the_lease(void **state)
{
	static const struct {
		const char *desc;
		uint64_t offset, length, granule, n;
		int ret;
		uint64_t first, bytes;
	} rows[] = {
		{ "whole granule", 0, 4096, 1024, 1, 0, 1024, 1024 },
		{ "last granule", 0, 4096, 1024, 3, 0, 3072, 1024 },
		{ "behind the last", 0, 4096, 1024, 4, -ERANGE, 0, 0 },
		{ "begins inside", 1536, 1024, 1024, 0, 0, 1536, 512 },
		{ "ends inside", 1536, 1024, 1024, 1, 0, 2048, 512 },
		{ "behind both", 1536, 1024, 1024, 2, -ERANGE, 0, 0 },
		{ "within one", 1100, 100, 1024, 0, 0, 1100, 100 },
		{ "end of the range of offsets", UINT64_MAX - 511, 512, 1024, 0, 0,
		  UINT64_MAX - 511, 512 },
		{ "n that overflows", 0, 4096, 1024, UINT64_MAX, -ERANGE, 0, 0 },
		{ "empty lease", 0, 0, 1024, 0, -ERANGE, 0, 0 },
		{ "no granule", 0, 4096, 0, 0, -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct daxlease_query query = {
			.offset = rows[i].offset, .length = rows[i].length,
		};
		uint64_t first = 0, bytes = 0;

		print_message("%s\n", rows[i].desc);
		assert_int_equal(daxlease_granule_range(&query, rows[i].granule, rows[i].n,
							&first, &bytes), rows[i].ret);
		assert_int_equal(first, rows[i].first);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

static void names_are_known_and_others_are_null(void **state)
{
	(void)state;
	assert_string_equal(daxlease_state_name(DAXLEASE_REVOKED), "revoked");
	assert_string_equal(daxlease_reason_name(DAXLEASE_REASON_MANUAL), "manual");
	assert_string_equal(daxlease_event_bit_name(DAXLEASE_EVENT_CLEARED), "cleared");
	assert_string_equal(daxlease_event_flag_name(DAXLEASE_FLAG_JOINED), "joined");
	assert_string_equal(daxlease_capability_name(DAXLEASE_CAP_EARLY), "early");
	for (uint32_t v = 0; v <= DAXLEASE_RELEASED; v++)
		assert_non_null(daxlease_state_name(v));
	for (uint32_t v = 0; v <= DAXLEASE_REASON_FAILURE; v++)
		assert_non_null(daxlease_reason_name(v));
	assert_null(daxlease_state_name(DAXLEASE_RELEASED + 1));
	assert_null(daxlease_reason_name(DAXLEASE_REASON_FAILURE + 1));
	assert_null(daxlease_event_bit_name(3));
	assert_null(daxlease_event_flag_name(0));
	assert_null(daxlease_capability_name(1ULL << 32));
}

static void errors_are_explained_in_their_context(void **state)
{
	static const struct {
		const char *desc;
		unsigned int cmd;
		int err;
		const char *part;
	} rows[] = {
		{ "no device", 0, -ENOENT, "modprobe daxlease" },
		{ "no such lease", DAXLEASE_CMD_QUERY, -ENOENT, "no such lease" },
		{ "positive", 0, ENOENT, "modprobe daxlease" },
		{ "device closed to us", 0, -EACCES, "group daxlease" },
		{ "another's file", DAXLEASE_CMD_ACQUIRE, -EACCES, "CAP_LEASE" },
		{ "another's process", DAXLEASE_CMD_WATCH, -EACCES, "CAP_SYS_PTRACE" },
		{ "no DAX", DAXLEASE_CMD_ACQUIRE, -EOPNOTSUPP, "chattr +x" },
		{ "not built", DAXLEASE_CMD_REARM, -EOPNOTSUPP, "daxlease info" },
		{ "no hooks", DAXLEASE_CMD_ACQUIRE, -ENODEV, "dmesg" },
		{ "hole", DAXLEASE_CMD_ACQUIRE, -ENODATA, "write lease" },
		{ "hole that came", DAXLEASE_CMD_REARM, -ENODATA, "holes" },
		{ "full filesystem", DAXLEASE_CMD_REARM, -EFAULT, "full" },
		{ "not yet", DAXLEASE_CMD_REARM, -EAGAIN, "try again" },
		{ "lost part", DAXLEASE_CMD_FLUSH, -ESTALE, "re-arm" },
		{ "lease of a mapping", DAXLEASE_CMD_EXPORT_DMABUF, -EOPNOTSUPP, "mapping" },
		{ "no meaning of ours", DAXLEASE_CMD_ACQUIRE, -EMFILE, "Too many open files" },
		{ "not for opening", 0, -EMLINK, "Too many links" },
		{ "no errno at all", 0, INT_MIN, "unknown error" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *text = daxlease_explain(rows[i].cmd, rows[i].err);

		print_message("%s: %s\n", rows[i].desc, text);
		assert_non_null(strstr(text, rows[i].part));
	}
}

static const struct CMUnitTest tests[] = {
	WITH_CTX(open_is_cloexec_nonblocking_and_of_the_default_device),
	WITH_CTX(open_takes_another_path),
	cmocka_unit_test(close_of_null_does_nothing),
	cmocka_unit_test(from_fd_checks_the_device_and_sets_nonblock),
	cmocka_unit_test(from_fd_leaves_a_foreign_descriptor_alone),
	WITH_CTX(each_call_passes_exactly_its_arguments),
	WITH_CTX(every_step_may_fail),
	WITH_CTX(optional_results_may_be_null),
	WITH_CTX(query_without_bitmap_passes_no_memory),
	WITH_CTX(query_returns_the_bitmap),
	WITH_CTX(a_size_no_structure_can_have_is_refused),
	WITH_CTX(a_longer_structure_is_passed_whole_and_zeroed),
	cmocka_unit_test(granules_are_clipped_to_the_lease),
	cmocka_unit_test(names_are_known_and_others_are_null),
	cmocka_unit_test(errors_are_explained_in_their_context),
};

SUITE(tests)
