// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "follow.h"
#include "output.h"
#include "tool.h"

static void put_lost(struct json_object *record, const struct daxlease_query *query,
		     uint64_t granule, const unsigned char *bitmap)
{
	struct json_object *ranges = put_list(record, "lost");
	uint64_t first, last_length, start = 0, length = 0;

	for (uint64_t n = 0; n < query->granules; n++) {
		if (!(bitmap[n / 8] & 1 << n % 8) ||
		    daxlease_granule_range(query, granule, n, &first, &last_length))
			continue;
		if (length && start + length == first) {
			length += last_length;
			continue;
		}
		if (length)
			add_range(ranges, start, length);
		start = first;
		length = last_length;
	}
	if (length)
		add_range(ranges, start, length);
}

/* What became of the lease, for the last line. */
static int put_fate(struct json_object *record, struct daxlease_ctx *ctx, uint64_t id)
{
	struct daxlease_query query;
	struct daxlease_info info;
	unsigned char *bitmap;
	size_t size;
	int ret;

	ret = daxlease_get_info(ctx, &info, sizeof(info));
	if (ret)
		return ret;
	ret = daxlease_lease_query(ctx, id, &query, sizeof(query), NULL, 0);
	if (ret)
		return ret;
	size = query.granules / 8 + 1;
	bitmap = calloc(1, size);
	if (!bitmap)
		return -ENOMEM;
	ret = daxlease_lease_query(ctx, id, &query, sizeof(query), bitmap, size);
	if (!ret) {
		put_number(record, "id", id);
		put_name(record, "state", query.state, daxlease_state_name(query.state));
		put_number(record, "granules", query.granules);
		put_number(record, "granules_lost", query.granules_lost);
		put_lost(record, &query, info.granule, bitmap);
	}
	free(bitmap);
	return ret;
}

static int release(struct daxlease_ctx *ctx, uint64_t id)
{
	struct json_object *record = record_event("released");
	int ret;

	ret = put_fate(record, ctx, id);
	if (ret) {
		json_object_put(record);
		return fail_lease("querying the lease", DAXLEASE_CMD_QUERY, ret);
	}
	ret = daxlease_lease_release(ctx, id);
	if (ret) {
		json_object_put(record);
		return fail_lease("releasing the lease", DAXLEASE_CMD_RELEASE, ret);
	}
	record_print_line(record);
	return EXIT_OK;
}

static int hold(struct daxlease_ctx *ctx, const struct daxlease_acquire *args, struct follow *f)
{
	struct json_object *record = record_event("acquired");
	int signals, ret, released;

	put_number(record, "id", args->id);
	put_number(record, "generation", args->generation);
	put_bytes(record, "offset", args->offset);
	put_bytes(record, "length", args->length);
	put_text(record, "access", args->flags & DAXLEASE_WRITE ? "rw" : "r");

	/* First the signals, then the line: whoever has read it may send one. */
	signals = follow_signals();
	record_print_line(record);
	if (signals < 0)
		return fail_system("signals", signals);
	f->ctx = ctx;
	f->lease = args->id;
	ret = follow(f, signals);
	released = release(ctx, args->id);
	close(signals);
	return ret ? ret : released;
}

static int acquire(const char *path, struct daxlease_acquire *args, struct follow *f)
{
	struct daxlease_ctx *ctx;
	uint64_t length = args->length;
	int ret;

	args->fd = open_range(path, args->flags & DAXLEASE_WRITE ? O_RDWR : O_RDONLY,
			      args->offset, &length);
	if (args->fd < 0)
		return -args->fd;
	args->length = length;
	ret = open_device(&ctx);
	if (ret) {
		close(args->fd);
		return ret;
	}
	ret = daxlease_lease_acquire(ctx, args, sizeof(*args));
	/* The lease holds the file by itself. */
	close(args->fd);
	ret = ret ? fail_lease(path, DAXLEASE_CMD_ACQUIRE, ret) : hold(ctx, args, f);
	daxlease_close(ctx);
	return ret;
}

int cmd_acquire(const struct command *cmd, int argc, char **argv)
{
	struct follow f = { .pidfd = -1 };
	uint64_t offset = 0, length = 0, grace_ns = 0;
	bool write = false, read = false, sync = false, wait = false;
	const struct option_spec specs[] = {
		{ "offset", OPTION_BYTES, &offset, "first byte; default 0", NULL },
		{ "length", OPTION_BYTES, &length, "default: to the last whole page", NULL },
		{ "read", OPTION_FLAG, &read, "lease for reading: the default", NULL },
		{ "write", OPTION_FLAG, &write, "lease for reading and writing", NULL },
		{ "sync", OPTION_FLAG, &sync, "have the block map on the medium first", NULL },
		{ "wait", OPTION_FLAG, &wait, "wait for operations on the range", NULL },
		{ "grace", OPTION_TIME, &grace_ns, "from a break to the fence", NULL },
		FOLLOW_OPTIONS(&f, "ignore|ack|release"),
		{ }
	};
	struct daxlease_acquire args = { 0 };
	const char *path;
	int ret;

	ret = parse_options(cmd, specs, argc, argv, &path);
	if (ret != PARSED)
		return ret;
	args.flags = (write ? DAXLEASE_WRITE : 0) | (read || !write ? DAXLEASE_READ : 0) |
		     (sync ? DAXLEASE_SYNC : 0) | (wait ? DAXLEASE_WAIT : 0);
	args.offset = offset;
	args.length = length;
	args.grace_ns = grace_ns;
	return acquire(path, &args, &f);
}
