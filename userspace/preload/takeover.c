// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Registrations that are leases. Each has a lease of its own, so that a break costs as little as
 * possible.
 *
 * From the environment, set by daxlease-run:
 *	DAXLEASE_RUN_FD		descriptor of the context; its owner hears of breaks and gives way
 *	DAXLEASE_RUN_GRACE	grace of the leases, ns; 0: the module's default
 * Without a context from there this process opens the device itself. As it reads no events, its
 * leases have no grace: operations on the file do not wait for somebody who does not listen.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libdaxlease-verbs.h>

#include "mapping.h"
#include "preload.h"

#define PAGE		4096ULL
#define NO_GRACE	1	/* ns; 0 would be the default */
#define WRITABLE	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)

#define BUCKETS		1024

/**
 * struct region - a registration that is a lease
 * @next: in its bucket
 * @ibv: the key: what the program has
 * @mr: the memory region
 * @ctx: the context of the lease
 * @lease: its lease
 */
struct region {
	struct region *next;
	struct ibv_mr *ibv;
	struct daxlease_mr *mr;
	struct daxlease_ctx *ctx;
	uint64_t lease;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of what follows */
static struct region *buckets[BUCKETS];
static struct daxlease_ctx *context;
static uint64_t grace_ns;

static struct region **bucket_of(const struct ibv_mr *ibv)
{
	return &buckets[(uintptr_t)ibv / 64 % BUCKETS];
}

static void put_region(struct region *region)
{
	struct region **bucket = bucket_of(region->ibv);

	pthread_mutex_lock(&lock);
	region->next = *bucket;
	*bucket = region;
	pthread_mutex_unlock(&lock);
}

static struct region *take_region(const struct ibv_mr *ibv)
{
	struct region **at = bucket_of(ibv), *region;

	pthread_mutex_lock(&lock);
	while (*at && (*at)->ibv != ibv)
		at = &(*at)->next;
	region = *at;
	if (region)
		*at = region->next;
	pthread_mutex_unlock(&lock);
	return region;
}

static uint64_t environment_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* The program may have closed the descriptor, or have something else there. */
static int context_is_there(void)
{
	struct daxlease_info info;
	int ret;

	if (!context)
		return 0;
	ret = daxlease_get_info(context, &info, sizeof(info));
	if (ret == -EBADF || ret == -ENOTTY)
		return 0;
	return ret ? ret : 1;
}

/* With the lock held. */
static int open_context(void)
{
	uint64_t fd = environment_number("DAXLEASE_RUN_FD", UINT64_MAX);
	int ret;

	ret = context_is_there();
	if (ret)
		return ret < 0 ? ret : 0;
	/* One that is gone is not closed: its number may be somebody else's, and regions refer to it. */
	if (fd <= INT32_MAX && !daxlease_from_fd(fd, &context)) {
		grace_ns = environment_number("DAXLEASE_RUN_GRACE", 0);
		return 0;
	}
	grace_ns = NO_GRACE;
	return daxlease_open(NULL, &context);
}

static int get_context(struct daxlease_ctx **ctx, uint64_t *grace)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = open_context();
	*ctx = context;
	*grace = grace_ns;
	pthread_mutex_unlock(&lock);
	return ret;
}

static int complain(const char *path, const char *why, int err)
{
	const char *name = strerrorname_np(-err);

	dprintf(STDERR_FILENO, "daxlease: %s: %s (%s)\n", path, why, name ? name : "unknown error");
	return err;
}

static int lease_mapping(struct daxlease_ctx *ctx, const struct mapping *m, uint64_t length,
			 struct daxlease_acquire *args)
{
	int ret;

	args->offset = m->offset / PAGE * PAGE;
	args->length = (m->offset + length + PAGE - 1) / PAGE * PAGE - args->offset;
	args->fd = mapping_open(m, args->flags & DAXLEASE_WRITE ? O_RDWR : O_RDONLY);
	if (args->fd < 0)
		return complain(m->path, "the mapped file cannot be opened again", args->fd);
	ret = daxlease_lease_acquire(ctx, args, sizeof(*args));
	close(args->fd);
	if (ret)
		return complain(m->path, daxlease_explain(DAXLEASE_CMD_ACQUIRE, ret), ret);
	return 0;
}

static int lease_and_register(struct ibv_pd *pd, const struct mapping *m,
			      struct daxlease_mr_attr *attr, struct region *region)
{
	struct daxlease_acquire args = {
		.flags = (attr->access & WRITABLE ? DAXLEASE_WRITE : DAXLEASE_READ) | DAXLEASE_WAIT,
	};
	uint64_t grace;
	int ret;

	ret = get_context(&region->ctx, &grace);
	if (ret)
		return complain(DAXLEASE_DEVICE, daxlease_explain(0, ret), ret);
	args.grace_ns = grace;
	ret = lease_mapping(region->ctx, m, attr->length, &args);
	if (ret)
		return ret;
	attr->lease = args.id;
	attr->offset = m->offset;
	ret = daxlease_mr_reg(region->ctx, pd, attr, sizeof(*attr), &region->mr);
	if (ret) {
		daxlease_lease_release(region->ctx, args.id);
		return complain(m->path, daxlease_mr_explain(ret), ret);
	}
	region->ibv = daxlease_mr_ibv(region->mr);
	region->lease = args.id;
	return 0;
}

static int reg(struct ibv_pd *pd, const struct mapping *m, struct daxlease_mr_attr *attr,
	       struct ibv_mr **mr)
{
	struct region *region = malloc(sizeof(*region));
	int ret;

	if (!region)
		return -ENOMEM;
	ret = lease_and_register(pd, m, attr, region);
	if (ret) {
		free(region);
		return ret;
	}
	put_region(region);
	*mr = region->ibv;
	return 0;
}

/**
 * takeover_reg - register memory as a lease of the file that is mapped there
 * @pd: protection domain
 * @addr: first address
 * @length: bytes
 * @iova: as of ibv_reg_mr_iova()
 * @access: IBV_ACCESS_*
 * @mr: out; not touched on error
 *
 * Return: 0; -EOPNOTSUPP, as before, if the range is no single shared mapping of a file, or for
 * on-demand paging; -EFAULT if the mapping does not allow the access, as the kernel says of other
 * memory; another -errno, after a line on standard error.
 */
int takeover_reg(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova, unsigned int access,
		 struct ibv_mr **mr)
{
	struct daxlease_mr_attr attr = {
		.length = length,
		.iova = iova,
		.addr = addr,
		/* Optional flags may be ignored by whoever does not know them. */
		.access = access & ~(IBV_ACCESS_OPTIONAL_RANGE & ~IBV_ACCESS_RELAXED_ORDERING),
	};
	struct mapping *m;
	int ret;

	if (!length || (uintptr_t)addr + length < length || access & IBV_ACCESS_ON_DEMAND)
		return -EOPNOTSUPP;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	ret = mapping_find("/proc/self/maps", (uintptr_t)addr, length, m);
	if (!ret && (!m->readable || (access & WRITABLE && !m->writable)))
		ret = -EFAULT;
	if (!ret)
		ret = reg(pd, m, &attr, mr);
	free(m);
	return ret;
}

/**
 * takeover_dereg - deregister memory if it is a lease
 * @ibv: the memory region
 *
 * Return: 0; -ENOENT if it is none of ours; another -errno, and it is as it was.
 */
int takeover_dereg(struct ibv_mr *ibv)
{
	struct region *region = take_region(ibv);
	int ret;

	if (!region)
		return -ENOENT;
	/* Of a region that the provider has made, this calls ibv_dereg_mr(): once more, and not for us. */
	ret = daxlease_mr_dereg(region->mr);
	if (ret) {
		put_region(region);
		return ret;
	}
	/* If the program has closed the context, the lease has ended with it. */
	daxlease_lease_release(region->ctx, region->lease);
	free(region);
	return 0;
}
