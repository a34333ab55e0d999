// SPDX-License-Identifier: LGPL-2.1-or-later
/* Memory regions on leases. A region never changes between registration and deregistration: no lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include <libdaxlease-verbs.h>

#include "syscall.h"
#include "uverbs.h"

/* The granule of dma-bufs and memory registration on x86-64, as of the kernel's leases. */
#define PAGE		4096ULL
#define WRITABLE	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/**
 * struct own_mr - an ibv_mr that no provider has made
 * @ibv: what the caller sees
 * @beyond: libibverbs keeps members of its own behind each ibv_mr, and looks at them if it is given
 *	this one by mistake. They are there, and say that it is a region of a dma-buf (the first, 3)
 * @uverbs: the region in the kernel
 */
struct own_mr {
	struct ibv_mr ibv;
	uint32_t beyond[16];
	struct uverbs_mr uverbs;
};

#define BEYOND_TYPE_DMABUF	3

/**
 * struct daxlease_mr - a memory region on a lease
 * @ibv: the provider's, or &own->ibv
 * @own: NULL if the provider has made it
 * @lease: id
 * @offset: first byte, in the file
 * @length: bytes
 */
struct daxlease_mr {
	struct ibv_mr *ibv;
	struct own_mr *own;
	uint64_t lease;
	uint64_t offset;
	uint64_t length;
};

static int reg_own(struct ibv_pd *pd, const struct uverbs_dmabuf *buf, struct daxlease_mr *mr)
{
	struct own_mr *own = malloc(sizeof(*own));
	int ret;

	if (!own)
		return -ENOMEM;
	*own = (struct own_mr){ .beyond = { BEYOND_TYPE_DMABUF } };
	ret = daxlease_uverbs_reg_dmabuf(pd->context->cmd_fd, buf, &own->uverbs);
	if (ret) {
		free(own);
		return ret;
	}
	own->ibv.context = pd->context;
	own->ibv.pd = pd;
	own->ibv.length = buf->length;
	own->ibv.handle = own->uverbs.handle;
	own->ibv.lkey = own->uverbs.lkey;
	own->ibv.rkey = own->uverbs.rkey;
	mr->own = own;
	mr->ibv = &own->ibv;
	return 0;
}

/* The provider first: it may need data of its own in the command, or make its own keys. */
static int reg_dmabuf(struct ibv_pd *pd, const struct uverbs_dmabuf *buf, struct daxlease_mr *mr)
{
	errno = 0;
	mr->ibv = ibv_reg_dmabuf_mr(pd, buf->offset, buf->length, buf->iova, buf->fd, buf->access);
	if (mr->ibv)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return errno ? -errno : -EIO;
	return reg_own(pd, buf, mr);
}

static int check(const struct daxlease_mr_attr *attr)
{
	if (!attr->length || attr->offset + attr->length < attr->offset ||
	    attr->offset + attr->length > INT64_MAX || attr->iova + attr->length < attr->iova)
		return -EINVAL;
	return attr->iova % PAGE == attr->offset % PAGE ? 0 : -EINVAL;
}

/**
 * daxlease_mr_reg - register a lease, or a part of it, as a memory region
 * @ctx: the context of the lease
 * @pd: protection domain
 * @attr: what
 * @size: sizeof(*attr)
 * @mr: out: the region, for daxlease_mr_dereg(); not touched on error
 *
 * Return: 0; -EINVAL for a bad range, address or access flag, or a @size below the first version's;
 * -EOPNOTSUPP if the device's driver does not import such memory; -EACCES for write access by a
 * read lease; -ENOENT if there is no such lease; -EKEYREVOKED if a part of the range is lost; -ENOMEM; another -errno.
 */
int daxlease_mr_reg(struct daxlease_ctx *ctx, struct ibv_pd *pd,
		    const struct daxlease_mr_attr *attr, size_t size, struct daxlease_mr **mr)
{
	struct uverbs_dmabuf buf = { .pd = pd->handle };
	struct daxlease_mr *new;
	uint64_t first, end;
	int ret;

	if (size < sizeof(*attr))
		return -EINVAL;
	ret = check(attr);
	if (ret)
		return ret;
	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = (struct daxlease_mr){
		.lease = attr->lease, .offset = attr->offset, .length = attr->length,
	};

	first = attr->offset / PAGE * PAGE;
	end = (attr->offset + attr->length + PAGE - 1) / PAGE * PAGE;
	ret = daxlease_lease_export(ctx, attr->lease, first, end - first, O_CLOEXEC |
				    (attr->access & WRITABLE ? O_RDWR : O_RDONLY));
	if (ret < 0)
		goto err_free;
	buf.fd = ret;
	buf.offset = attr->offset - first;
	buf.length = attr->length;
	buf.iova = attr->iova;
	buf.access = attr->access;
	ret = reg_dmabuf(pd, &buf, new);
	/* The region holds the dma-buf by itself. */
	daxlease_verbs_sys_close(buf.fd);
	if (ret)
		goto err_free;
	new->ibv->addr = attr->addr;
	*mr = new;
	return 0;

err_free:
	free(new);
	return ret;
}

/**
 * daxlease_mr_dereg - deregister a memory region, lost or not
 * @mr: the region, or NULL. On error it is as it was
 *
 * The lease stays.
 *
 * Return: 0; -EBUSY while a memory window is bound to it; another -errno.
 */
int daxlease_mr_dereg(struct daxlease_mr *mr)
{
	int ret;

	if (!mr)
		return 0;
	/* ibv_dereg_mr() returns a positive errno. */
	ret = mr->own ? daxlease_uverbs_dereg(&mr->own->uverbs) : -ibv_dereg_mr(mr->ibv);
	if (ret)
		return ret;
	free(mr->own);
	free(mr);
	return 0;
}

/**
 * daxlease_mr_ibv - the region as libibverbs has it
 * @mr: the region
 *
 * For its keys, in work requests. Not for ibv_dereg_mr() and ibv_rereg_mr().
 *
 * Return: the region, valid until daxlease_mr_dereg().
 */
struct ibv_mr *daxlease_mr_ibv(struct daxlease_mr *mr)
{
	return mr->ibv;
}

/**
 * daxlease_mr_hit - whether an event ends a memory region
 * @mr: the region
 * @event: of the region's context
 *
 * A region that loses a part is lost as a whole: at the fence, if the event is of a break.
 *
 * Return: 1 if it does, or has done so; 0 if not.
 */
int daxlease_mr_hit(const struct daxlease_mr *mr, const struct daxlease_event *event)
{
	if (event->id != mr->lease)
		return 0;
	if (event->bits & DAXLEASE_EVENT_REVOKED)
		return 1;
	if (!(event->bits & (DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED)))
		return 0;
	return event->lost_offset < mr->offset + mr->length &&
	       mr->offset < event->lost_offset + event->lost_length;
}

static const struct {
	int err;
	const char *text;
} explanations[] = {
	{ EINVAL, "a bad range, an address that is not congruent to the offset, or an access flag that a dma-buf cannot have" },
	{ EOPNOTSUPP, "the driver of this RDMA device cannot import leased memory: see Documentation.md for those that can" },
	{ EACCES, "a read lease cannot be registered for writing" },
	{ EBUSY, "a memory window is bound to the region: deallocate it first" },
};

/**
 * daxlease_mr_explain - what an error of daxlease_mr_reg() or daxlease_mr_dereg() means
 * @err: the error, negative as returned or positive
 *
 * Return: a constant string, never NULL, without full stop.
 */
const char *daxlease_mr_explain(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(explanations); i++)
		if (explanations[i].err == err || explanations[i].err == -err)
			return explanations[i].text;
	return daxlease_explain(DAXLEASE_CMD_EXPORT_DMABUF, err);
}
