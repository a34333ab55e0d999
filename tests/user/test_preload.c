// SPDX-License-Identifier: GPL-2.0
/* What an unmodified verbs program meets under daxlease-run. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "fake.h"
#include "fake_verbs.h"
#include "toolrun.h"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

#define PAGE	4096ULL
#define SIZE	(16 * PAGE)
#define RW	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static char *map;

static int setup(void **state)
{
	int fd;

	if (make_file(state))
		return -1;
	fake_verbs_reset();
	fake_verbs.real_err = EOPNOTSUPP;
	fd = open(file, O_RDWR);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * PAGE);
	close(fd);
	return map == MAP_FAILED;
}

static int teardown(void **state)
{
	munmap(map, SIZE);
	return remove_file(state) || fake_verbs.regions;
}

static struct daxlease_acquire acquired(void)
{
	struct daxlease_acquire args;

	/* ACQUIRE comes before EXPORT_DMABUF, which is the last. */
	assert_true(fake.nr_requests >= 2);
	assert_int_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_EXPORT_DMABUF);
	assert_int_equal(fake.requests[fake.nr_requests - 2], DAXLEASE_ACQUIRE);
	memcpy(&args, fake.acquire, sizeof(args));
	return args;
}

static void what_libibverbs_can_do_is_left_to_it(void **state)
{
	(void)state;
	fake_verbs.real_err = 0;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, map, PAGE, RW), &fake_real_mr);
	assert_string_equal(fake_verbs.real_name, "ibv_reg_mr");
	assert_ptr_equal(ibv_reg_mr_iova(&fake_pd, map, PAGE, 0, RW), &fake_real_mr);
	assert_string_equal(fake_verbs.real_name, "ibv_reg_mr_iova");
	assert_ptr_equal(ibv_reg_mr_iova2(&fake_pd, map, PAGE, 0, RW), &fake_real_mr);
	assert_string_equal(fake_verbs.real_name, "ibv_reg_mr_iova2");
	assert_int_equal(fake_verbs.real_regs, 3);
	assert_int_equal(ibv_dereg_mr(&fake_real_mr), 0);
	assert_int_equal(fake_verbs.real_deregs, 1);
	fake_verbs.dereg_err = EBUSY;
	assert_int_equal(ibv_dereg_mr(&fake_real_mr), EBUSY);
	assert_int_equal(fake.nr_requests, 0);
}

static void other_errors_are_left_as_they_are(void **state)
{
	static const int errors[] = { ENOMEM, EINVAL, EFAULT, EPERM };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fake_verbs.real_err = errors[i];
		errno = 0;
		assert_null(ibv_reg_mr(&fake_pd, map, PAGE, RW));
		assert_int_equal(errno, errors[i]);
	}
	assert_int_equal(fake.nr_requests, 0);
}

static void other_memory_is_left_alone(void **state)
{
	int fd = open(file, O_RDWR);
	struct {
		void *addr;
		size_t length;
		int access;
		int err;
	} rows[] = {
		{ malloc(PAGE), PAGE, RW, EOPNOTSUPP },
		{ mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), PAGE, RW, EOPNOTSUPP },
		{ map, 0, RW, EOPNOTSUPP },
		{ map, -1, RW, EOPNOTSUPP },
		{ map, PAGE, RW | IBV_ACCESS_ON_DEMAND, EOPNOTSUPP },
		/* As the kernel says of other memory that the program may not write. */
		{ mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), PAGE, RW, EFAULT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		errno = 0;
		assert_null(ibv_reg_mr(&fake_pd, rows[i].addr, rows[i].length, rows[i].access));
		assert_int_equal(errno, rows[i].err);
	}
	assert_int_equal(fake.nr_requests, 0);
	free(rows[0].addr);
	munmap(rows[1].addr, PAGE);
	munmap(rows[5].addr, PAGE);
	close(fd);
}

static void a_refused_file_becomes_a_lease(void **state)
{
	struct ibv_mr *mr;

	(void)state;
	mr = ibv_reg_mr(&fake_pd, map + PAGE + 8, 2 * PAGE, RW);
	assert_non_null(mr);
	assert_int_equal(acquired().offset, 5 * PAGE);
	assert_int_equal(acquired().length, 3 * PAGE);
	assert_int_equal(acquired().flags, DAXLEASE_WRITE | DAXLEASE_WAIT);
	assert_int_equal(fake_verbs.offset, 8);
	assert_int_equal(fake_verbs.length, 2 * PAGE);
	assert_int_equal(fake_verbs.iova, (uintptr_t)map + PAGE + 8);
	assert_int_equal(fake_verbs.access, RW);
	assert_ptr_equal(mr->addr, map + PAGE + 8);
	assert_int_equal(mr->length, 2 * PAGE);
	assert_int_equal(mr->lkey, FAKE_LKEY);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_RELEASE);
	assert_int_equal(fake_verbs.real_deregs, 0);
	/* It is forgotten: the next of that address is libibverbs'. */
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(fake_verbs.real_deregs, 1);
}

static void each_way_of_registering_is_met(void **state)
{
	struct ibv_mr *mr;

	(void)state;
	mr = ibv_reg_mr_iova(&fake_pd, map, PAGE, 0x5000, IBV_ACCESS_REMOTE_READ);
	assert_non_null(mr);
	assert_int_equal(fake_verbs.iova, 0x5000);
	assert_int_equal(acquired().flags, DAXLEASE_READ | DAXLEASE_WAIT);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	/* Of the optional flags a dma-buf may have one. */
	mr = ibv_reg_mr_iova2(&fake_pd, map, PAGE, 0x6000, RW | IBV_ACCESS_OPTIONAL_RANGE);
	assert_non_null(mr);
	assert_int_equal(fake_verbs.iova, 0x6000);
	assert_int_equal(fake_verbs.access, RW | IBV_ACCESS_RELAXED_ORDERING);
	assert_int_equal(ibv_dereg_mr(mr), 0);
}

static void a_region_of_the_provider_is_deregistered_by_it(void **state)
{
	struct ibv_mr *mr;

	(void)state;
	fake_verbs.provider = true;
	mr = ibv_reg_mr(&fake_pd, map, PAGE, RW);
	assert_non_null(mr);
	fake_verbs.dereg_err = EBUSY;
	assert_int_equal(ibv_dereg_mr(mr), EBUSY);
	assert_int_not_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_RELEASE);
	fake_verbs.dereg_err = 0;
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(fake_verbs.real_deregs, 2);
	assert_int_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_RELEASE);
}

static void refusals_keep_their_errno_and_give_the_lease_back(void **state)
{
	static const struct {
		unsigned int cmd;
		int err;
	} rows[] = {
		{ DAXLEASE_CMD_ACQUIRE, EACCES },
		{ DAXLEASE_CMD_ACQUIRE, EOPNOTSUPP },
		{ DAXLEASE_CMD_ACQUIRE, ENODATA },
		{ DAXLEASE_CMD_EXPORT_DMABUF, EKEYREVOKED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake.nr_requests = 0;
		fake.ioctl_err_cmd = rows[i].cmd;
		fake.ioctl_err = rows[i].err;
		assert_null(ibv_reg_mr(&fake_pd, map, PAGE, RW));
		assert_int_equal(errno, rows[i].err);
	}
	assert_int_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_RELEASE);
	fake.ioctl_err = 0;
	fake_verbs.reg_err = ENOMEM;
	assert_null(ibv_reg_mr(&fake_pd, map, PAGE, RW));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fake.requests[fake.nr_requests - 1], DAXLEASE_RELEASE);
}

static void nothing_is_left_when_a_step_fails(void **state)
{
	struct ibv_mr *mr;
	unsigned int n;

	(void)state;
	for (n = 1; ; n++) {
		fake.nr_requests = 0;
		fake.leases = 0;
		fake_fail_nth(n, EIO);
		mr = ibv_reg_mr(&fake_pd, map, PAGE, RW);
		if (!fake_fault_hit())
			break;
		assert_null(mr);
		assert_true(errno == EIO || errno == ENOMEM);
		assert_int_equal(fake_verbs.regions, 0);
		assert_int_equal(fake.leases, 0);
	}
	fake_fail_nth(0, 0);
	assert_true(n > 5);
	assert_int_equal(fake.leases, 1);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(fake.leases, 0);
}

/*
 * Each with a context of its own, so each in a process of its own. Nobody listens to a context that
 * the library has opened itself.
 */
static void whoever_has_no_listener_gets_no_grace(void **state)
{
	static const struct {
		const char *fd, *grace;
		uint64_t expected;
		const char *path;	/* of the device, if it was opened */
	} rows[] = {
		{ NULL, NULL, 1, "/dev/daxlease" },
		{ NULL, "5000", 1, "/dev/daxlease" },
		{ "60", "5000", 5000, "" },
		{ "60", NULL, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int status;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (!pid) {
			unsetenv("DAXLEASE_RUN_FD");
			unsetenv("DAXLEASE_RUN_GRACE");
			if (rows[i].fd)
				setenv("DAXLEASE_RUN_FD", rows[i].fd, 1);
			if (rows[i].grace)
				setenv("DAXLEASE_RUN_GRACE", rows[i].grace, 1);
			_exit(!ibv_reg_mr(&fake_pd, map, PAGE, RW) ? 1 :
			      acquired().grace_ns != rows[i].expected ? 2 :
			      strcmp(fake.open_path, rows[i].path) ? 3 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	/* First: contexts are kept for the life of a process. */
	CASE(whoever_has_no_listener_gets_no_grace),
	CASE(what_libibverbs_can_do_is_left_to_it),
	CASE(other_errors_are_left_as_they_are),
	CASE(other_memory_is_left_alone),
	CASE(a_refused_file_becomes_a_lease),
	CASE(each_way_of_registering_is_met),
	CASE(a_region_of_the_provider_is_deregistered_by_it),
	CASE(refusals_keep_their_errno_and_give_the_lease_back),
	CASE(nothing_is_left_when_a_step_fails),
};

SUITE(tests)
