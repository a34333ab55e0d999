// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "fake.h"
#include "fake_verbs.h"
#include "preload/preload.h"
#include "verbs/syscall.h"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

struct fake_verbs fake_verbs;
static struct ibv_context context = { .cmd_fd = FAKE_CMD_FD };
struct ibv_pd fake_pd = { .context = &context, .handle = FAKE_PD };
struct ibv_mr fake_real_mr;
static struct ibv_mr provider_mr;

void fake_verbs_reset(void)
{
	memset(&fake_verbs, 0, sizeof(fake_verbs));
	memset(&provider_mr, 0, sizeof(provider_mr));
}

static struct ib_uverbs_attr *attr(struct ib_uverbs_ioctl_hdr *hdr, uint16_t id)
{
	for (int i = 0; i < hdr->num_attrs; i++)
		if (hdr->attrs[i].attr_id == id)
			return &hdr->attrs[i];
	abort();
}

/* An input of @len bytes in the attribute itself; handles have a length of 0. */
static uint64_t input(struct ib_uverbs_ioctl_hdr *hdr, uint16_t id, uint16_t len)
{
	struct ib_uverbs_attr *a = attr(hdr, id);

	if (a->len != len || a->flags != UVERBS_ATTR_F_MANDATORY || a->attr_data.reserved)
		abort();
	return a->data;
}

static void output(struct ib_uverbs_ioctl_hdr *hdr, uint16_t id, uint32_t value)
{
	struct ib_uverbs_attr *a = attr(hdr, id);

	if (a->len != sizeof(value))
		abort();
	memcpy((void *)(uintptr_t)a->data, &value, sizeof(value));
}

static int reg_dmabuf(struct ib_uverbs_ioctl_hdr *hdr)
{
	fake_verbs.commands++;
	fake_verbs.pd = input(hdr, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0);
	fake_verbs.fd = input(hdr, UVERBS_ATTR_REG_DMABUF_MR_FD, 4);
	fake_verbs.offset = input(hdr, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, 8);
	fake_verbs.length = input(hdr, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, 8);
	fake_verbs.iova = input(hdr, UVERBS_ATTR_REG_DMABUF_MR_IOVA, 8);
	fake_verbs.access = input(hdr, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, 4);
	if (fake_verbs.reg_err)
		return -fake_verbs.reg_err;
	attr(hdr, UVERBS_ATTR_REG_DMABUF_MR_HANDLE)->data = FAKE_HANDLE;
	output(hdr, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, FAKE_LKEY);
	output(hdr, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, FAKE_RKEY);
	fake_verbs.regions++;
	return 0;
}

static int destroy(struct ib_uverbs_ioctl_hdr *hdr)
{
	if (input(hdr, UVERBS_ATTR_DESTROY_MR_HANDLE, 0) != FAKE_HANDLE)
		abort();
	if (fake_verbs.dereg_err)
		return -fake_verbs.dereg_err;
	fake_verbs.regions--;
	return 0;
}

int daxlease_verbs_sys_ioctl(int fd, unsigned long request, void *arg)
{
	struct ib_uverbs_ioctl_hdr *hdr = arg;
	int err = fake_fault();

	if (fd != FAKE_CMD_FD || request != RDMA_VERBS_IOCTL || hdr->reserved1 || hdr->reserved2 ||
	    hdr->length != sizeof(*hdr) + hdr->num_attrs * sizeof(hdr->attrs[0]))
		abort();
	if (err)
		return -err;
	if (fake_verbs.no_driver || hdr->driver_id != FAKE_DRIVER)
		return -EINVAL;
	if (hdr->object_id == UVERBS_OBJECT_MR && hdr->method_id == UVERBS_METHOD_REG_DMABUF_MR)
		return reg_dmabuf(hdr);
	if (hdr->object_id == UVERBS_OBJECT_MR && hdr->method_id == UVERBS_METHOD_MR_DESTROY)
		return destroy(hdr);
	if (fake_verbs.query_err)
		return fake_verbs.query_err < 0 ? 0 : -fake_verbs.query_err;
	/* As rxe answers a query of the context. */
	return -EOPNOTSUPP;
}

int daxlease_verbs_sys_close(int fd)
{
	if (fd != FAKE_DMABUF)
		abort();
	fake_verbs.dmabufs_closed++;
	return 0;
}

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova,
				 int fd, int access)
{
	int err = fake_fault();

	if (pd != &fake_pd || fd != FAKE_DMABUF)
		abort();
	if (err || !fake_verbs.provider) {
		errno = err ? err : fake_verbs.provider_err ? fake_verbs.provider_err : EOPNOTSUPP;
		return NULL;
	}
	fake_verbs.offset = offset;
	fake_verbs.length = length;
	fake_verbs.iova = iova;
	fake_verbs.access = access;
	fake_verbs.regions++;
	return &provider_mr;
}

/* What the preload library finds behind itself. */

static struct ibv_mr *real_reg(void)
{
	fake_verbs.real_regs++;
	if (!fake_verbs.real_err)
		return &fake_real_mr;
	errno = fake_verbs.real_err;
	return NULL;
}

static struct ibv_mr *real_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	(void)pd, (void)addr, (void)length, (void)access;
	return real_reg();
}

static struct ibv_mr *real_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       int access)
{
	(void)pd, (void)addr, (void)length, (void)iova, (void)access;
	return real_reg();
}

static struct ibv_mr *real_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
					unsigned int access)
{
	(void)pd, (void)addr, (void)length, (void)iova, (void)access;
	return real_reg();
}

static int real_dereg_mr(struct ibv_mr *mr)
{
	if (mr == &provider_mr && !fake_verbs.dereg_err)
		fake_verbs.regions--;
	fake_verbs.real_deregs++;
	return fake_verbs.dereg_err;
}

void *preload_real(const char *name, const char *version)
{
	static const struct {
		const char *name;
		const char *version;
		void *function;
	} rows[] = {
		{ "ibv_reg_mr", "IBVERBS_1.1", real_reg_mr },
		{ "ibv_reg_mr_iova", "IBVERBS_1.7", real_reg_mr_iova },
		{ "ibv_reg_mr_iova2", "IBVERBS_1.8", real_reg_mr_iova2 },
		{ "ibv_dereg_mr", "IBVERBS_1.1", real_dereg_mr },
	};

	fake_verbs.real_name = name;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name) && !strcmp(rows[i].version, version))
			return rows[i].function;
	abort();
}
