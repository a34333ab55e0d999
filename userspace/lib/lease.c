// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the holder of a lease does with it. */
#include <errno.h>
#include <string.h>

#include "ctx.h"

/**
 * daxlease_lease_acquire - lease a range of a file
 * @ctx: the context that will own the lease
 * @args: in: flags, fd, offset, length, grace_ns, cookie, the rest zero; out: id, generation
 * @size: sizeof(*args)
 *
 * The lease keeps the file open; args->fd may be closed afterwards. With DAXLEASE_WAIT the call
 * waits for bars and breaks in the range.
 *
 * Return: 0; -EAGAIN if the range is barred or being broken and DAXLEASE_WAIT is not set; another
 * -errno of the list in <daxlease.h>.
 */
int daxlease_lease_acquire(struct daxlease_ctx *ctx, struct daxlease_acquire *args, size_t size)
{
	return daxlease_ctx_ioctl(ctx, DAXLEASE_ACQUIRE, args, size);
}

/**
 * daxlease_lease_release - give a lease back
 * @ctx: the context
 * @id: the lease
 *
 * Return: 0, and device access has ended; -ENOENT; -EBUSY for an implicit lease: unmap it.
 */
int daxlease_lease_release(struct daxlease_ctx *ctx, uint64_t id)
{
	struct daxlease_release args = { .id = id };

	return daxlease_ctx_ioctl(ctx, DAXLEASE_RELEASE, &args, sizeof(args));
}

/**
 * daxlease_lease_query - the state of a lease
 * @ctx: the context
 * @id: the lease
 * @query: out
 * @size: sizeof(*query)
 * @bitmap: out: bit n, from the least significant one of the first byte, is set if the n-th
 *	granule is lost (see daxlease_granule_range()); or NULL
 * @bitmap_size: bytes of @bitmap; query->granules never changes, so a first query without a
 *	bitmap says how many are needed. What does not fit is left out
 *
 * Return: 0; -ENOENT; -EINVAL for a @size below the first version's; -EFAULT.
 */
int daxlease_lease_query(struct daxlease_ctx *ctx, uint64_t id, struct daxlease_query *query,
			 size_t size, void *bitmap, size_t bitmap_size)
{
	if (size < offsetofend(struct daxlease_query, bitmap_size))
		return -EINVAL;
	memset(query, 0, size);
	query->id = id;
	query->bitmap = (uintptr_t)bitmap;
	query->bitmap_size = bitmap ? bitmap_size : 0;
	return daxlease_ctx_ioctl(ctx, DAXLEASE_QUERY, query, size);
}

/**
 * daxlease_lease_ack - give way to a break before its deadline
 * @ctx: the context
 * @id: the lease
 * @generation: of the lease, as the event said
 * @break_id: as the event said
 *
 * Return: 0, and the fence is confirmed (also if it was already); -ESTALE if the generation or the
 * break is over; -ENOENT.
 */
int daxlease_lease_ack(struct daxlease_ctx *ctx, uint64_t id, uint64_t generation,
		       uint64_t break_id)
{
	struct daxlease_ack args = { .id = id, .generation = generation, .break_id = break_id };

	return daxlease_ctx_ioctl(ctx, DAXLEASE_ACK, &args, sizeof(args));
}

/**
 * daxlease_lease_rearm - map lost granules again, to the blocks the file has now
 * @ctx: the context
 * @id: the lease
 * @offset: first byte, within the lease
 * @length: bytes
 * @generation: out: the new generation, or NULL; not touched on error
 *
 * Return: 0; -EAGAIN while the range is barred: wait for DAXLEASE_EVENT_CLEARED; -EOPNOTSUPP
 * without DAXLEASE_CAP_REARM; -ENOENT; another -errno.
 */
int daxlease_lease_rearm(struct daxlease_ctx *ctx, uint64_t id, uint64_t offset, uint64_t length,
			 uint64_t *generation)
{
	struct daxlease_rearm args = { .id = id, .offset = offset, .length = length };
	int ret;

	ret = daxlease_ctx_ioctl(ctx, DAXLEASE_REARM, &args, sizeof(args));
	if (!ret && generation)
		*generation = args.generation;
	return ret;
}

/**
 * daxlease_lease_export - a dma-buf of a lease or of a part of it
 * @ctx: the context
 * @id: the lease
 * @offset: first byte, within the lease
 * @length: bytes
 * @fd_flags: O_CLOEXEC, and O_RDWR for a write lease
 *
 * Return: a descriptor, for close(2); -EOPNOTSUPP without DAXLEASE_CAP_DMABUF; -ENOENT; another
 * -errno.
 */
int daxlease_lease_export(struct daxlease_ctx *ctx, uint64_t id, uint64_t offset, uint64_t length,
			  int fd_flags)
{
	struct daxlease_export_dmabuf args = {
		.id = id,
		.offset = offset,
		.length = length,
		.fd_flags = fd_flags,
		.fd = -1,
	};
	int ret;

	ret = daxlease_ctx_ioctl(ctx, DAXLEASE_EXPORT_DMABUF, &args, sizeof(args));
	return ret ? ret : args.fd;
}

/**
 * daxlease_lease_flush - write CPU caches of a range back to the medium
 * @ctx: the context
 * @id: the lease
 * @offset: first byte, within the lease
 * @length: bytes
 *
 * What a device has written is in the file; it is durable only after this.
 *
 * Return: 0; -EOPNOTSUPP without DAXLEASE_CAP_FLUSH; -ENOENT; another -errno.
 */
int daxlease_lease_flush(struct daxlease_ctx *ctx, uint64_t id, uint64_t offset, uint64_t length)
{
	struct daxlease_flush args = { .id = id, .offset = offset, .length = length };

	return daxlease_ctx_ioctl(ctx, DAXLEASE_FLUSH, &args, sizeof(args));
}

/**
 * daxlease_granule_range - the bytes that bit n of a lost bitmap stands for
 * @query: of the lease: its offset and length are used
 * @granule: bytes, daxlease_info.granule
 * @n: the bit
 * @offset: out: first byte in the file
 * @length: out: bytes; less than @granule where the lease begins or ends inside one
 *
 * Return: 0; -EINVAL if @granule is 0; -ERANGE if the lease has no such granule.
 */
int daxlease_granule_range(const struct daxlease_query *query, uint64_t granule, uint64_t n,
			   uint64_t *offset, uint64_t *length)
{
	uint64_t first, last, index;

	if (!granule)
		return -EINVAL;
	if (!query->length)
		return -ERANGE;
	first = query->offset;
	last = query->offset + query->length - 1;
	if (n > last / granule - first / granule)
		return -ERANGE;
	index = first / granule + n;
	if (index * granule > first)
		first = index * granule;
	if (last - index * granule >= granule)
		last = index * granule + granule - 1;
	*offset = first;
	*length = last - first + 1;
	return 0;
}
