// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "syscall.h"
#include "uverbs.h"

#define ATTRS_MAX	9
/* enum rdma_driver_id has 21 members in Linux 6.12; those of later kernels are tried as well. */
#define DRIVERS_MAX	64

struct command {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[ATTRS_MAX];
};

static void begin(struct command *cmd, uint32_t driver, uint16_t object, uint16_t method)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.driver_id = driver;
	cmd->hdr.object_id = object;
	cmd->hdr.method_id = method;
}

/* Data of up to 8 bytes travels in the attribute itself, handles with a length of 0. */
static struct ib_uverbs_attr *add(struct command *cmd, uint16_t id, uint16_t len, uint64_t data)
{
	struct ib_uverbs_attr *attr = &cmd->attrs[cmd->hdr.num_attrs++];

	attr->attr_id = id;
	attr->len = len;
	attr->flags = UVERBS_ATTR_F_MANDATORY;
	attr->data = data;
	return attr;
}

static int run(int fd, struct command *cmd)
{
	cmd->hdr.length = sizeof(cmd->hdr) + cmd->hdr.num_attrs * sizeof(cmd->attrs[0]);
	return daxlease_verbs_sys_ioctl(fd, RDMA_VERBS_IOCTL, cmd);
}

/*
 * libibverbs knows the driver's id but tells only providers. The kernel answers EINVAL to a wrong
 * one before it looks at anything else; a query without arguments is never EINVAL otherwise.
 */
static int find_driver(int fd, uint32_t *driver)
{
	struct command cmd;
	int ret;

	for (uint32_t id = 0; id < DRIVERS_MAX; id++) {
		begin(&cmd, id, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_CONTEXT);
		ret = run(fd, &cmd);
		if (ret == -EINVAL)
			continue;
		/* No such query in this driver; an argument that it wants; no such query in this kernel */
		if (ret && ret != -EOPNOTSUPP && ret != -ENOENT && ret != -EPROTONOSUPPORT)
			return ret;
		*driver = id;
		return 0;
	}
	return -EOPNOTSUPP;
}

/**
 * daxlease_uverbs_reg_dmabuf - register a part of a dma-buf
 * @fd: the verbs context
 * @buf: what
 * @mr: out; not touched on error
 *
 * Return: 0; -EOPNOTSUPP if the kernel or the driver cannot; another -errno of theirs.
 */
int daxlease_uverbs_reg_dmabuf(int fd, const struct uverbs_dmabuf *buf, struct uverbs_mr *mr)
{
	struct uverbs_mr new = { .fd = fd };
	struct ib_uverbs_attr *handle;
	struct command cmd;
	int ret;

	ret = find_driver(fd, &new.driver);
	if (ret)
		return ret;
	begin(&cmd, new.driver, UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR);
	handle = add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0, 0);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0, buf->pd);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, sizeof(uint64_t), buf->offset);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, sizeof(uint64_t), buf->length);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_IOVA, sizeof(uint64_t), buf->iova);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_FD, sizeof(uint32_t), (uint32_t)buf->fd);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, sizeof(uint32_t), buf->access);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, sizeof(new.lkey), (uintptr_t)&new.lkey);
	add(&cmd, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, sizeof(new.rkey), (uintptr_t)&new.rkey);
	ret = run(fd, &cmd);
	/* EPROTONOSUPPORT: no such command in this kernel. */
	if (ret)
		return ret == -EPROTONOSUPPORT ? -EOPNOTSUPP : ret;
	new.handle = handle->data;
	*mr = new;
	return 0;
}

/**
 * daxlease_uverbs_dereg - destroy a memory region
 * @mr: from daxlease_uverbs_reg_dmabuf()
 *
 * Return: 0; -EBUSY while a memory window is bound to it; another -errno.
 */
int daxlease_uverbs_dereg(const struct uverbs_mr *mr)
{
	struct command cmd;

	begin(&cmd, mr->driver, UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);
	add(&cmd, UVERBS_ATTR_DESTROY_MR_HANDLE, 0, mr->handle);
	return run(mr->fd, &cmd);
}
