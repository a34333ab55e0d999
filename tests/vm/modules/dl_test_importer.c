// SPDX-License-Identifier: GPL-2.0
/*
 * An importer of dma-bufs with a real device behind it: QEMU's edu (docs/specs/edu in QEMU's
 * source), whose DMA goes through the IOMMU. For tests; importer.h has what it does.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iopoll.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "importer.h"

#define REG_DMA_SRC	0x80
#define REG_DMA_DST	0x88
#define REG_DMA_COUNT	0x90
#define REG_DMA_CMD	0x98
#define DMA_START	0x1
#define DMA_TO_MEMORY	0x2
#define EDU_MEMORY	0x40000	/* the device's own, where DMA may begin or end */
#define DMA_TIMEOUT_US	20000000

static struct pci_dev *edu;
static void __iomem *regs;
static DEFINE_MUTEX(edu_lock);	/* one command at a time, one call of an importer at a time */

struct importer {
	struct dma_buf *buf;		/* edu_lock, as all that says nothing else */
	struct dma_buf_attachment *attach;
	u32 temper;

	struct sg_table *sgt;		/* buf->resv */
	u64 address;
	u32 notified;
	int again;
};

static int map_locked(struct importer *im)
{
	struct sg_table *sgt;

	if (im->sgt)
		return -EBUSY;
	sgt = dma_buf_map_attachment(im->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	im->sgt = sgt;
	im->address = sg_dma_address(sgt->sgl);
	return 0;
}

static void unmap_locked(struct importer *im)
{
	if (im->sgt)
		dma_buf_unmap_attachment(im->attach, im->sgt, DMA_BIDIRECTIONAL);
	im->sgt = NULL;
}

/* Importers are known by the name of this function, so it has that of one that is. */
static void mlx5_ib_dmabuf_invalidate_cb(struct dma_buf_attachment *attach)
{
	struct importer *im = attach->importer_priv;

	im->notified++;
	if (im->temper == IMPORTER_NEVER)
		return;
	unmap_locked(im);
	if (im->temper == IMPORTER_AGAIN)
		im->again = map_locked(im);
}

static void strangers_move_notify(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_attach_ops known_ops = {
	.move_notify = mlx5_ib_dmabuf_invalidate_cb,
};

static const struct dma_buf_attach_ops stranger_ops = {
	.move_notify = strangers_move_notify,
};

static int attach(struct importer *im, const struct importer_attach *arg)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *buf;

	if (im->buf)
		return -EBUSY;
	buf = dma_buf_get(arg->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	im->temper = arg->temper;
	attach = dma_buf_dynamic_attach(buf, &edu->dev, arg->temper == IMPORTER_STRANGER ?
					&stranger_ops : &known_ops, im);
	if (IS_ERR(attach)) {
		dma_buf_put(buf);
		return PTR_ERR(attach);
	}
	im->buf = buf;
	im->attach = attach;
	return 0;
}

static int map(struct importer *im)
{
	int err;

	dma_resv_lock(im->buf->resv, NULL);
	err = map_locked(im);
	dma_resv_unlock(im->buf->resv);
	return err;
}

static void unmap(struct importer *im)
{
	dma_resv_lock(im->buf->resv, NULL);
	unmap_locked(im);
	dma_resv_unlock(im->buf->resv);
}

static int run(u64 src, u64 dst, u32 length, u64 direction)
{
	u64 cmd;

	writeq(src, regs + REG_DMA_SRC);
	writeq(dst, regs + REG_DMA_DST);
	writeq(length, regs + REG_DMA_COUNT);
	writeq(DMA_START | direction, regs + REG_DMA_CMD);
	return readq_poll_timeout(regs + REG_DMA_CMD, cmd, !(cmd & DMA_START), 1000,
				  DMA_TIMEOUT_US);
}

static int write_by_device(struct importer *im, const struct importer_dma *arg)
{
	if (arg->pad || !arg->length || arg->length > IMPORTER_MAX)
		return -EINVAL;
	return run(EDU_MEMORY, im->address + arg->offset, arg->length, DMA_TO_MEMORY);
}

static void tell(struct importer *im, struct importer_state *state)
{
	dma_resv_lock(im->buf->resv, NULL);
	*state = (struct importer_state){
		.address = im->address, .mapped = !!im->sgt, .notified = im->notified,
		.again = im->again, .move_notify = IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY),
	};
	dma_resv_unlock(im->buf->resv);
}

static long call(struct importer *im, unsigned int cmd, void __user *user)
{
	union {
		struct importer_attach attach;
		struct importer_dma dma;
		struct importer_state state;
	} arg;

	if (_IOC_DIR(cmd) & _IOC_WRITE &&
	    (_IOC_SIZE(cmd) > sizeof(arg) || copy_from_user(&arg, user, _IOC_SIZE(cmd))))
		return -EFAULT;
	if (cmd == IMPORTER_ATTACH)
		return attach(im, &arg.attach);
	if (!im->buf)
		return -EINVAL;
	switch (cmd) {
	case IMPORTER_MAP:
		return map(im);
	case IMPORTER_UNMAP:
		unmap(im);
		return 0;
	case IMPORTER_DMA:
		return write_by_device(im, &arg.dma);
	case IMPORTER_STATE:
		tell(im, &arg.state);
		return copy_to_user(user, &arg.state, sizeof(arg.state)) ? -EFAULT : 0;
	}
	return -ENOTTY;
}

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	long ret;

	mutex_lock(&edu_lock);
	ret = call(file->private_data, cmd, (void __user *)user);
	mutex_unlock(&edu_lock);
	return ret;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *im = kzalloc(sizeof(*im), GFP_KERNEL);

	file->private_data = im;
	return im ? 0 : -ENOMEM;
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct importer *im = file->private_data;

	if (im->buf) {
		unmap(im);
		dma_buf_detach(im->buf, im->attach);
		dma_buf_put(im->buf);
	}
	kfree(im);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.unlocked_ioctl = importer_ioctl,
};

static struct miscdevice importer_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "daxlease-importer",
	.fops = &importer_fops,
};

/* Fills the device's memory with what it will write */
static int fill(struct pci_dev *pdev)
{
	dma_addr_t address;
	void *page = dma_alloc_coherent(&pdev->dev, PAGE_SIZE, &address, GFP_KERNEL);
	int err;

	if (!page)
		return -ENOMEM;
	memset(page, IMPORTER_BYTE, PAGE_SIZE);
	err = run(address, EDU_MEMORY, IMPORTER_MAX, 0);
	dma_free_coherent(&pdev->dev, PAGE_SIZE, page, address);
	return err;
}

static int importer_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err;

	if (edu)
		return -EBUSY;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	regs = pcim_iomap(pdev, 0, 0);
	if (!regs)
		return -ENOMEM;
	pci_set_master(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (!err)
		err = fill(pdev);
	if (err)
		return err;
	edu = pdev;
	err = misc_register(&importer_misc);
	if (err)
		edu = NULL;
	return err;
}

/* Only with the module, of which no file is open then */
static void importer_remove(struct pci_dev *pdev)
{
	misc_deregister(&importer_misc);
	edu = NULL;
}

static const struct pci_device_id importer_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};

static struct pci_driver importer_driver = {
	.name = "dl_test_importer",
	.id_table = importer_ids,
	.probe = importer_probe,
	.remove = importer_remove,
	.driver.suppress_bind_attrs = true,
};

module_pci_driver(importer_driver);

MODULE_DESCRIPTION("dma-buf importer for the tests of daxlease");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
