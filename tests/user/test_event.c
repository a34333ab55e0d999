// SPDX-License-Identifier: GPL-2.0
/* Reading events: waiting, records of other sizes, what the kernel should never do. */
#include "suite.h"

#include <errno.h>
#include <poll.h>

#include <libdaxlease.h>

#include "fake.h"

static struct daxlease_ctx *ctx;
static struct daxlease_event event;

static int open_fake(void **state)
{
	(void)state;
	fake_reset();
	memset(&event, 0xff, sizeof(event));
	return daxlease_open(NULL, &ctx);
}

static int close_fake(void **state)
{
	(void)state;
	daxlease_close(ctx);
	return fake.open_fds;
}

static int next(int timeout_ms)
{
	return daxlease_next_event(ctx, &event, sizeof(event), timeout_ms);
}

static void an_event_is_returned_whole(void **state)
{
	(void)state;
	fake_queue_event(DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED, 3);
	assert_int_equal(next(0), 1);
	assert_int_equal(event.size, sizeof(event));
	assert_int_equal(event.bits, DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED);
	assert_int_equal(event.id, FAKE_ID);
	assert_int_equal(event.break_id, 3);
	assert_int_equal(event.pid, 42);
	assert_string_equal(event.comm, "rm\n\"x");
}

static void each_read_takes_one_event_so_that_the_fd_stays_readable(void **state)
{
	struct pollfd pfd = { .fd = daxlease_fd(ctx), .events = POLLIN };

	(void)state;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 1);
	fake_queue_event(DAXLEASE_EVENT_BREAK, 2);
	assert_int_equal(next(0), 1);
	assert_int_equal(event.break_id, 1);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_int_equal(next(0), 1);
	assert_int_equal(event.break_id, 2);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(next(0), 0);
}

static void no_event_means_zero_and_no_waiting(void **state)
{
	uint64_t before = fake.now_ns;

	(void)state;
	assert_int_equal(next(0), 0);
	assert_int_equal(fake.now_ns, before);
}

static void waiting_ends_with_the_timeout(void **state)
{
	uint64_t before = fake.now_ns;

	(void)state;
	assert_int_equal(next(250), 0);
	assert_int_equal(fake.now_ns - before, 250000000);
}

static void an_event_taken_by_another_thread_means_waiting_on(void **state)
{
	(void)state;
	/* Readable, but gone when we come to read; twice. */
	fake_queue_error(EAGAIN);
	fake_queue_error(EAGAIN);
	fake_queue_event(DAXLEASE_EVENT_BREAK, 5);
	assert_int_equal(next(-1), 1);
	assert_int_equal(event.break_id, 5);
	assert_int_equal(fake.polls, 2);
}

static void waiting_on_is_for_what_is_left_of_the_time(void **state)
{
	uint64_t before = fake.now_ns;

	(void)state;
	fake.poll_cost_ns = 40000000;
	fake_queue_error(EAGAIN);
	fake_queue_error(EAGAIN);
	assert_int_equal(next(100), 0);
	assert_int_equal(fake.polls, 2);
	assert_int_equal(fake.now_ns - before, 100000000);
}

static void a_signal_interrupts(void **state)
{
	(void)state;
	fake_fail_nth(2, EINTR);
	assert_int_equal(next(-1), -EINTR);
	assert_int_equal(fake.polls, 1);
	fake_queue_error(EINTR);
	assert_int_equal(next(-1), -EINTR);
}

static void an_error_of_the_device_does_not_spin(void **state)
{
	(void)state;
	fake.poll_revents = POLLERR;
	assert_int_equal(next(-1), -EIO);
	fake.poll_revents = POLLHUP;
	assert_int_equal(next(0), -EIO);
	assert_int_equal(fake.polls, 2);
}

static void records_that_make_no_sense_are_refused(void **state)
{
	struct daxlease_event odd = { .size = sizeof(odd) };
	static const struct {
		const char *desc;
		uint32_t size;
		size_t read;
	} rows[] = {
		{ "short read", 128, 127 },
		{ "nothing", 128, 0 },
		{ "size and read differ, smaller", 120, 128 },
		{ "size and read differ, larger", 136, 128 },
		{ "of half the size", 64, 64 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("%s\n", rows[i].desc);
		odd.size = rows[i].size;
		memset(&event, 0xff, sizeof(event));
		fake_queue_bytes(&odd, rows[i].read);
		assert_int_equal(next(0), -EPROTO);
		assert_int_equal(event.bits, 0xffffffff);
	}
}

static void members_the_kernel_does_not_know_are_zero(void **state)
{
	union {
		struct daxlease_event event;
		unsigned char bytes[160];
	} newer;

	(void)state;
	memset(&newer, 0xff, sizeof(newer));
	fake_queue_event(DAXLEASE_EVENT_BREAK, 1);
	assert_int_equal(daxlease_next_event(ctx, &newer.event, sizeof(newer), 0), 1);
	assert_int_equal(newer.event.break_id, 1);
	for (size_t i = sizeof(newer.event); i < sizeof(newer); i++)
		assert_int_equal(newer.bytes[i], 0);
}

static void reads_ask_for_one_record(void **state)
{
	(void)state;
	fake_queue_error(EINVAL);
	assert_int_equal(next(0), -EINVAL);
	assert_int_equal(fake.reads, 1);
	assert_int_equal(fake.read_len, 128);
}

#define WITH_CTX(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

static const struct CMUnitTest tests[] = {
	WITH_CTX(an_event_is_returned_whole),
	WITH_CTX(each_read_takes_one_event_so_that_the_fd_stays_readable),
	WITH_CTX(no_event_means_zero_and_no_waiting),
	WITH_CTX(waiting_ends_with_the_timeout),
	WITH_CTX(an_event_taken_by_another_thread_means_waiting_on),
	WITH_CTX(waiting_on_is_for_what_is_left_of_the_time),
	WITH_CTX(a_signal_interrupts),
	WITH_CTX(an_error_of_the_device_does_not_spin),
	WITH_CTX(records_that_make_no_sense_are_refused),
	WITH_CTX(members_the_kernel_does_not_know_are_zero),
	WITH_CTX(reads_ask_for_one_record),
};

SUITE(tests)
