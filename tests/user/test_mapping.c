// SPDX-License-Identifier: GPL-2.0
/* Finding the file that is mapped at an address, and opening that very file again. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/mapping.h"

#define SELF	"/proc/self/maps"
#define PAGE	4096

static char dir[32], path[64], other[64];
static int fd;
static char *map;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/daxlease-map.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a file", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 8 * PAGE))
		return -1;
	map = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	munmap(map, 8 * PAGE);
	if (fd >= 0)
		close(fd);
	unlink(path);
	unlink(other);
	return rmdir(dir);
}

static void assert_same_file(int found)
{
	struct stat a, b;

	assert_true(found >= 0);
	assert_int_equal(fstat(found, &a), 0);
	assert_int_equal(fstat(fd, &b), 0);
	assert_int_equal(a.st_dev, b.st_dev);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_true(fcntl(found, F_GETFD) & FD_CLOEXEC);
	close(found);
}

static void a_mapped_file_is_found(void **state)
{
	struct mapping m;

	(void)state;
	assert_int_equal(mapping_find(SELF, (uintptr_t)map + 2 * PAGE + 5, PAGE, &m), 0);
	assert_int_equal(m.offset, 2 * PAGE + 5);
	assert_true(m.readable && m.writable);
	assert_string_equal(m.path, path);
	assert_same_file(mapping_open(&m, O_RDWR));
}

static void pieces_of_one_mapping_are_one(void **state)
{
	struct mapping m;

	(void)state;
	assert_int_equal(mprotect(map + 2 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 8 * PAGE, &m), 0);
	assert_int_equal(m.offset, 0);
	assert_true(m.readable && !m.writable);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 2 * PAGE, &m), 0);
	assert_true(m.writable);
	assert_int_equal(mprotect(map + 2 * PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 8 * PAGE, &m), 0);
	assert_true(!m.readable && !m.writable);
}

static void anything_else_is_not_found(void **state)
{
	struct mapping m;
	char *more;

	(void)state;
	/* A page of the same file, but not the next one; a hole; private; anonymous. */
	more = mmap(map + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	assert_ptr_equal(more, map + 4 * PAGE);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 8 * PAGE, &m), -EOPNOTSUPP);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 4 * PAGE, &m), 0);
	more = mmap(map + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 4 * PAGE);
	assert_ptr_equal(more, map + 4 * PAGE);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 8 * PAGE, &m), -EOPNOTSUPP);
	assert_int_equal(mapping_find(SELF, (uintptr_t)more, PAGE, &m), -EOPNOTSUPP);
	assert_int_equal(munmap(map + 4 * PAGE, PAGE), 0);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, 8 * PAGE, &m), -EFAULT);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map + 4 * PAGE, PAGE, &m), -EFAULT);
	assert_int_equal(mapping_find(SELF, (uintptr_t)&m, 1, &m), -EOPNOTSUPP);
	assert_int_equal(mapping_find("/nonexistent", (uintptr_t)map, PAGE, &m), -ENOENT);
}

static void another_file_of_that_name_is_not_it(void **state)
{
	struct mapping m;
	int imposter;

	(void)state;
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, PAGE, &m), 0);
	assert_int_equal(rename(path, other), 0);
	imposter = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(imposter >= 0);
	close(imposter);
	/* By the descriptor that the process has. */
	assert_same_file(mapping_open(&m, O_RDWR));
}

static void a_file_without_a_name_is_found_by_its_descriptor(void **state)
{
	struct mapping m;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, PAGE, &m), 0);
	assert_same_file(mapping_open(&m, O_RDWR));
}

/* Nothing is left but the mapping: for a privileged process. Others are told that it is gone. */
static void without_a_descriptor_it_takes_privileges(void **state)
{
	struct mapping m;
	struct stat before, st;
	char name[80];
	int found;

	(void)state;
	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(unlink(path), 0);
	close(fd);
	fd = -1;
	assert_int_equal(mapping_find(SELF, (uintptr_t)map, PAGE, &m), 0);
	found = mapping_open(&m, O_RDWR);
	snprintf(name, sizeof(name), "/proc/self/map_files/%lx-%lx", (unsigned long)m.first,
		 (unsigned long)m.end);
	if (stat(name, &st)) {
		assert_int_equal(found, -ENOENT);
		return;
	}
	assert_true(found >= 0);
	assert_int_equal(fstat(found, &st), 0);
	assert_int_equal(st.st_ino, before.st_ino);
	close(found);
}

/* What must not be opened, for it would block or have effects. */
static void other_kinds_of_files_are_not_opened(void **state)
{
	struct mapping m = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_int_equal(stat(other, &st), 0);
	m.dev = st.st_dev;
	m.ino = st.st_ino;
	snprintf(m.path, sizeof(m.path), "%s", other);
	assert_int_equal(mapping_open(&m, O_RDONLY), -ENOENT);
}

static void lines_that_make_no_sense_are_an_error(void **state)
{
	struct mapping m;
	FILE *file = fopen(other, "w");

	(void)state;
	assert_non_null(file);
	fputs("1000-2000 rw-s 0 00:01\n", file);
	fclose(file);
	assert_int_equal(mapping_find(other, 0x1000, 1, &m), -EPROTO);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	CASE(a_mapped_file_is_found),
	CASE(pieces_of_one_mapping_are_one),
	CASE(anything_else_is_not_found),
	CASE(another_file_of_that_name_is_not_it),
	CASE(a_file_without_a_name_is_found_by_its_descriptor),
	CASE(without_a_descriptor_it_takes_privileges),
	CASE(other_kinds_of_files_are_not_opened),
	CASE(lines_that_make_no_sense_are_an_error),
};

SUITE(tests)
