// SPDX-License-Identifier: GPL-2.0
/* libdaxlease-verbs: what it asks of the kernel and the provider, and what it leaves behind. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>

#include <libdaxlease-verbs.h>

#include "fake.h"
#include "fake_verbs.h"

#define RW (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static struct daxlease_ctx *ctx;
static unsigned int provider_deregs;

/* libibverbs', here: the suite of the preload library has its own. */
int ibv_dereg_mr(struct ibv_mr *mr)
{
	(void)mr;
	provider_deregs++;
	if (!fake_verbs.dereg_err)
		fake_verbs.regions--;
	return fake_verbs.dereg_err;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_verbs_reset();
	provider_deregs = 0;
	return daxlease_open(NULL, &ctx);
}

static int teardown(void **state)
{
	(void)state;
	daxlease_close(ctx);
	return fake.open_fds || fake_verbs.regions ? -1 : 0;
}

static const struct daxlease_mr_attr example = {
	.lease = FAKE_ID, .offset = 8192, .length = 4096, .iova = 0x7000000, .addr = &ctx, .access = RW,
};

static int reg(const struct daxlease_mr_attr *attr, struct daxlease_mr **mr)
{
	return daxlease_mr_reg(ctx, &fake_pd, attr, sizeof(*attr), mr);
}

static void without_a_provider_the_kernels_command_is_issued(void **state)
{
	struct daxlease_mr *mr;
	struct ibv_mr *ibv;

	(void)state;
	assert_int_equal(reg(&example, &mr), 0);
	assert_int_equal(fake_verbs.pd, FAKE_PD);
	assert_int_equal(fake_verbs.fd, FAKE_DMABUF);
	assert_int_equal(fake_verbs.offset, 0);
	assert_int_equal(fake_verbs.length, 4096);
	assert_int_equal(fake_verbs.iova, 0x7000000);
	assert_int_equal(fake_verbs.access, RW);
	assert_int_equal(fake_verbs.dmabufs_closed, 1);
	ibv = daxlease_mr_ibv(mr);
	assert_ptr_equal(ibv->context, fake_pd.context);
	assert_ptr_equal(ibv->pd, &fake_pd);
	assert_ptr_equal(ibv->addr, example.addr);
	assert_int_equal(ibv->length, 4096);
	assert_int_equal(ibv->handle, FAKE_HANDLE);
	assert_int_equal(ibv->lkey, FAKE_LKEY);
	assert_int_equal(ibv->rkey, FAKE_RKEY);
	assert_int_equal(daxlease_mr_dereg(mr), 0);
	assert_int_equal(provider_deregs, 0);
}

static void a_provider_that_can_is_preferred(void **state)
{
	struct daxlease_mr *mr;

	(void)state;
	fake_verbs.provider = true;
	assert_int_equal(reg(&example, &mr), 0);
	assert_int_equal(fake_verbs.commands, 0);
	assert_int_equal(fake_verbs.regions, 1);
	assert_ptr_equal(daxlease_mr_ibv(mr)->addr, example.addr);
	fake_verbs.dereg_err = EBUSY;
	assert_int_equal(daxlease_mr_dereg(mr), -EBUSY);
	fake_verbs.dereg_err = 0;
	assert_int_equal(daxlease_mr_dereg(mr), 0);
	assert_int_equal(provider_deregs, 2);
}

/* Its refusal is the answer: asking the kernel behind its back would be no second opinion. */
static void a_providers_other_errors_are_final(void **state)
{
	struct daxlease_mr *mr;

	(void)state;
	fake_verbs.provider_err = EINVAL;
	assert_int_equal(reg(&example, &mr), -EINVAL);
	assert_int_equal(fake_verbs.commands, 0);
	assert_int_equal(fake_verbs.dmabufs_closed, 1);
}

static struct daxlease_export_dmabuf exported(void)
{
	struct daxlease_export_dmabuf args;

	assert_int_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_EXPORT_DMABUF);
	memcpy(&args, fake.arg, sizeof(args));
	return args;
}

static void ranges_are_rounded_outward_and_found_again(void **state)
{
	static const struct {
		uint64_t offset, length;		/* asked for */
		uint64_t first, count;			/* exported */
	} rows[] = {
		{ 0, 4096, 0, 4096 },
		{ 100, 1, 0, 4096 },
		{ 4095, 2, 0, 8192 },
		{ 12288, 8192, 12288, 8192 },
		{ 12289, 8192, 12288, 12288 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct daxlease_mr_attr attr = { .lease = FAKE_ID, .offset = rows[i].offset,
			.length = rows[i].length, .iova = 0x10000 + rows[i].offset, .access = RW };
		struct daxlease_mr *mr;

		assert_int_equal(reg(&attr, &mr), 0);
		assert_int_equal(exported().offset, rows[i].first);
		assert_int_equal(exported().length, rows[i].count);
		assert_int_equal(fake_verbs.offset, rows[i].offset - rows[i].first);
		assert_int_equal(fake_verbs.length, rows[i].length);
		assert_int_equal(daxlease_mr_dereg(mr), 0);
	}
}

static void only_writers_ask_for_a_writable_dma_buf(void **state)
{
	static const struct {
		unsigned int access;
		unsigned int fd_flags;
	} rows[] = {
		{ 0, O_CLOEXEC },
		{ IBV_ACCESS_REMOTE_READ | IBV_ACCESS_RELAXED_ORDERING, O_CLOEXEC },
		{ IBV_ACCESS_LOCAL_WRITE, O_CLOEXEC | O_RDWR },
		{ IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC, O_CLOEXEC | O_RDWR },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct daxlease_mr_attr attr = example;
		struct daxlease_mr *mr;

		attr.access = rows[i].access;
		assert_int_equal(reg(&attr, &mr), 0);
		assert_int_equal(exported().fd_flags, rows[i].fd_flags);
		assert_int_equal(fake_verbs.access, rows[i].access);
		assert_int_equal(daxlease_mr_dereg(mr), 0);
	}
}

static void nonsense_is_refused_before_anything_is_done(void **state)
{
	static const struct daxlease_mr_attr rows[] = {
		{ .lease = FAKE_ID, .offset = 0, .length = 0 },
		{ .lease = FAKE_ID, .offset = 1, .length = 4096, .iova = 2 },
		{ .lease = FAKE_ID, .offset = UINT64_MAX - 4095, .length = 8192 },
		{ .lease = FAKE_ID, .offset = INT64_MAX - 4095, .length = 8192 },
		{ .lease = FAKE_ID, .offset = 0, .length = 8192, .iova = UINT64_MAX - 4095 },
	};
	struct daxlease_mr *mr = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(reg(&rows[i], &mr), -EINVAL);
	assert_int_equal(daxlease_mr_reg(ctx, &fake_pd, &example, sizeof(example) - 1, &mr), -EINVAL);
	assert_int_equal(fake.nr_requests, 0);
	assert_null(mr);
}

static void a_device_that_cannot_is_not_supported(void **state)
{
	static const struct {
		bool no_driver;
		int answer;
		int expected;
	} rows[] = {
		{ true, 0, -EOPNOTSUPP },
		{ false, EPROTONOSUPPORT, -EOPNOTSUPP },
		{ false, EOPNOTSUPP, -EOPNOTSUPP },
		{ false, EINVAL, -EINVAL },
		{ false, EKEYREVOKED, -EKEYREVOKED },
	};
	struct daxlease_mr *mr = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_verbs_reset();
		fake_verbs.no_driver = rows[i].no_driver;
		fake_verbs.reg_err = rows[i].answer;
		assert_int_equal(reg(&example, &mr), rows[i].expected);
		assert_int_equal(fake_verbs.dmabufs_closed, 1);
	}
	assert_null(mr);
}

static void the_right_driver_is_known_by_any_answer_but_einval(void **state)
{
	static const int answers[] = { -1, EOPNOTSUPP, ENOENT, EPROTONOSUPPORT };
	struct daxlease_mr *mr;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		fake_verbs.query_err = answers[i];
		assert_int_equal(reg(&example, &mr), 0);
		assert_int_equal(daxlease_mr_dereg(mr), 0);
	}
}

static void a_bound_region_stays(void **state)
{
	struct daxlease_mr *mr;

	(void)state;
	assert_int_equal(reg(&example, &mr), 0);
	fake_verbs.dereg_err = EBUSY;
	assert_int_equal(daxlease_mr_dereg(mr), -EBUSY);
	assert_int_equal(daxlease_mr_ibv(mr)->lkey, FAKE_LKEY);
	fake_verbs.dereg_err = 0;
	assert_int_equal(daxlease_mr_dereg(mr), 0);
	assert_int_equal(daxlease_mr_dereg(NULL), 0);
}

static void registering_fails_at_each_step(bool provider, int err)
{
	struct daxlease_mr *mr;
	unsigned int n;
	int ret;

	for (n = 1; ; n++) {
		fake_verbs_reset();
		fake.nr_requests = 0;
		fake_verbs.provider = provider;
		mr = NULL;
		fake_fail_nth(n, err);
		ret = reg(&example, &mr);
		if (!fake_fault_hit())
			break;
		assert_true(ret == -err || ret == -ENOMEM);
		assert_null(mr);
		assert_int_equal(fake_verbs.regions, 0);
		/* Each dma-buf that was exported has been closed. */
		assert_int_equal(fake_verbs.dmabufs_closed, n > 2);
	}
	fake_fail_nth(0, 0);
	assert_int_equal(ret, 0);
	/* The two allocations and the export at least. */
	assert_true(n > 3);

	/* A region that cannot be deregistered is as it was. */
	fake_verbs.dereg_err = err;
	assert_int_equal(daxlease_mr_dereg(mr), -err);
	assert_int_equal(fake_verbs.regions, 1);
	fake_verbs.dereg_err = 0;
	assert_int_equal(daxlease_mr_dereg(mr), 0);
}

static void nothing_is_left_when_a_step_fails(void **state)
{
	static const int errors[] = { EIO, ENOMEM, EINTR, EACCES, ENOSPC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		registering_fails_at_each_step(false, errors[i]);
		registering_fails_at_each_step(true, errors[i]);
	}
}

static void events_hit_what_they_touch(void **state)
{
	static const struct {
		uint64_t id;
		uint32_t bits;
		uint64_t lost_offset, lost_length;
		int hit;
	} rows[] = {	/* the region is 8192+4096 */
		{ FAKE_ID, DAXLEASE_EVENT_BREAK, 0, DAXLEASE_GRANULE, 1 },
		{ FAKE_ID, DAXLEASE_EVENT_FENCED, 0, DAXLEASE_GRANULE, 1 },
		{ FAKE_ID, DAXLEASE_EVENT_BREAK, 12288, 4096, 0 },
		{ FAKE_ID, DAXLEASE_EVENT_BREAK, 12287, 4096, 1 },
		{ FAKE_ID, DAXLEASE_EVENT_BREAK, 0, 8192, 0 },
		{ FAKE_ID, DAXLEASE_EVENT_BREAK, 0, 8193, 1 },
		{ FAKE_ID, DAXLEASE_EVENT_REVOKED, 0, 0, 1 },
		{ FAKE_ID, DAXLEASE_EVENT_CLEARED, 0, DAXLEASE_GRANULE, 0 },
		{ FAKE_ID + 1, DAXLEASE_EVENT_BREAK, 0, DAXLEASE_GRANULE, 0 },
		{ FAKE_ID + 1, DAXLEASE_EVENT_REVOKED, 0, DAXLEASE_GRANULE, 0 },
	};
	struct daxlease_mr *mr;

	(void)state;
	assert_int_equal(reg(&example, &mr), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct daxlease_event event = { .id = rows[i].id, .bits = rows[i].bits,
			.lost_offset = rows[i].lost_offset, .lost_length = rows[i].lost_length };

		assert_int_equal(daxlease_mr_hit(mr, &event), rows[i].hit);
	}
	assert_int_equal(daxlease_mr_dereg(mr), 0);
}

static void errors_have_words(void **state)
{
	(void)state;
	assert_non_null(strstr(daxlease_mr_explain(-EOPNOTSUPP), "driver"));
	assert_string_equal(daxlease_mr_explain(EBUSY), daxlease_mr_explain(-EBUSY));
	assert_string_equal(daxlease_mr_explain(-EIO), daxlease_explain(DAXLEASE_CMD_EXPORT_DMABUF, EIO));
	assert_non_null(daxlease_mr_explain(123456));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	CASE(without_a_provider_the_kernels_command_is_issued),
	CASE(a_provider_that_can_is_preferred),
	CASE(a_providers_other_errors_are_final),
	CASE(ranges_are_rounded_outward_and_found_again),
	CASE(only_writers_ask_for_a_writable_dma_buf),
	CASE(nonsense_is_refused_before_anything_is_done),
	CASE(a_device_that_cannot_is_not_supported),
	CASE(the_right_driver_is_known_by_any_answer_but_einval),
	CASE(a_bound_region_stays),
	CASE(nothing_is_left_when_a_step_fails),
	CASE(events_hit_what_they_touch),
	CASE(errors_have_words),
};

SUITE(tests)
