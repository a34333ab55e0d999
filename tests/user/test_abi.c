// SPDX-License-Identifier: GPL-2.0
/* The layout of the structures and the numbers of the ioctls, written down once more. */
#include "suite.h"

#include <libdaxlease.h>

struct row {
	const char *desc;
	size_t is;
	size_t expected;
};

#define SIZE(type, expected) { "sizeof " #type, sizeof(struct daxlease_##type), expected }
#define AT(type, member, expected) \
	{ #type "." #member, offsetof(struct daxlease_##type, member), expected }
#define VALUE(name, expected) { #name, DAXLEASE_##name, expected }

static void check(const struct row *rows, size_t count)
{
	int wrong = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].is == rows[i].expected)
			continue;
		print_error("%s: is %#zx, expected %#zx\n", rows[i].desc, rows[i].is,
			    rows[i].expected);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void structures_keep_their_layout(void **state)
{
	static const struct row rows[] = {
		SIZE(info, 40), AT(info, size, 0), AT(info, flags, 4), AT(info, capabilities, 8),
		AT(info, granule, 16), AT(info, grace_default_ns, 24), AT(info, grace_max_ns, 32),

		SIZE(acquire, 64), AT(acquire, size, 0), AT(acquire, flags, 4), AT(acquire, fd, 8),
		AT(acquire, __reserved, 12), AT(acquire, offset, 16), AT(acquire, length, 24),
		AT(acquire, grace_ns, 32), AT(acquire, cookie, 40), AT(acquire, id, 48),
		AT(acquire, generation, 56),

		SIZE(release, 16), AT(release, size, 0), AT(release, flags, 4), AT(release, id, 8),

		SIZE(query, 104), AT(query, size, 0), AT(query, flags, 4), AT(query, id, 8),
		AT(query, bitmap, 16), AT(query, bitmap_size, 24), AT(query, granules, 32),
		AT(query, granules_lost, 40), AT(query, state, 48), AT(query, access, 52),
		AT(query, generation, 56), AT(query, offset, 64), AT(query, length, 72),
		AT(query, grace_ns, 80), AT(query, break_id, 88), AT(query, deadline_ns, 96),

		SIZE(ack, 32), AT(ack, size, 0), AT(ack, flags, 4), AT(ack, id, 8),
		AT(ack, generation, 16), AT(ack, break_id, 24),

		SIZE(rearm, 40), AT(rearm, size, 0), AT(rearm, flags, 4), AT(rearm, id, 8),
		AT(rearm, offset, 16), AT(rearm, length, 24), AT(rearm, generation, 32),

		SIZE(export_dmabuf, 40), AT(export_dmabuf, size, 0), AT(export_dmabuf, flags, 4),
		AT(export_dmabuf, id, 8), AT(export_dmabuf, offset, 16),
		AT(export_dmabuf, length, 24), AT(export_dmabuf, fd_flags, 32),
		AT(export_dmabuf, fd, 36),

		SIZE(flush, 32), AT(flush, size, 0), AT(flush, flags, 4), AT(flush, id, 8),
		AT(flush, offset, 16), AT(flush, length, 24),

		SIZE(watch, 24), AT(watch, size, 0), AT(watch, flags, 4), AT(watch, pidfd, 8),
		AT(watch, __reserved, 12), AT(watch, grace_ns, 16),

		SIZE(break, 40), AT(break, size, 0), AT(break, flags, 4), AT(break, fd, 8),
		AT(break, __reserved, 12), AT(break, offset, 16), AT(break, length, 24),
		AT(break, leases, 32),

		SIZE(event, 128), AT(event, size, 0), AT(event, bits, 4), AT(event, flags, 8),
		AT(event, reason, 12), AT(event, id, 16), AT(event, cookie, 24),
		AT(event, generation, 32), AT(event, break_id, 40), AT(event, hit_offset, 48),
		AT(event, hit_length, 56), AT(event, lost_offset, 64), AT(event, lost_length, 72),
		AT(event, time_ns, 80), AT(event, deadline_ns, 88), AT(event, pid, 96),
		AT(event, comm, 100), AT(event, __reserved, 116),
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void ioctls_keep_their_numbers(void **state)
{
	static const struct row rows[] = {
		VALUE(INFO, 0xda80), VALUE(ACQUIRE, 0xda81), VALUE(RELEASE, 0xda82),
		VALUE(QUERY, 0xda83), VALUE(ACK, 0xda84), VALUE(REARM, 0xda85),
		VALUE(EXPORT_DMABUF, 0xda86), VALUE(FLUSH, 0xda87), VALUE(WATCH, 0xda88),
		VALUE(BREAK, 0xda89),
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static void flags_and_values_keep_their_numbers(void **state)
{
	static const struct row rows[] = {
		VALUE(GRANULE, 2097152), VALUE(COMM_LEN, 16),
		VALUE(CAP_REARM, 1), VALUE(CAP_DMABUF, 2), VALUE(CAP_FLUSH, 4),
		VALUE(CAP_WATCH, 8), VALUE(CAP_WATCH_ALL, 16), VALUE(CAP_EARLY, 32),
		VALUE(READ, 1), VALUE(WRITE, 2), VALUE(SYNC, 4), VALUE(WAIT, 8),
		VALUE(ACQUIRING, 0), VALUE(ACTIVE, 1), VALUE(BREAKING, 2), VALUE(REVOKED, 3),
		VALUE(RELEASED, 4), VALUE(WATCH_ALL, 1),
		VALUE(EVENT_BREAK, 1), VALUE(EVENT_FENCED, 2), VALUE(EVENT_CLEARED, 4),
		VALUE(EVENT_REVOKED, 8),
		VALUE(FLAG_EMERGENCY, 1), VALUE(FLAG_NO_GRACE, 2), VALUE(FLAG_JOINED, 4),
		VALUE(REASON_NONE, 0), VALUE(REASON_TRUNCATE, 1), VALUE(REASON_FALLOCATE, 2),
		VALUE(REASON_REMAP, 3), VALUE(REASON_LAYOUT, 4), VALUE(REASON_INVALIDATE, 5),
		VALUE(REASON_REMOVE, 6), VALUE(REASON_MANUAL, 7), VALUE(REASON_HOOK, 8),
		VALUE(REASON_FAILURE, 9),
	};

	(void)state;
	check(rows, ARRAY_SIZE(rows));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(structures_keep_their_layout),
	cmocka_unit_test(ioctls_keep_their_numbers),
	cmocka_unit_test(flags_and_values_keep_their_numbers),
};

SUITE(tests)
