// SPDX-License-Identifier: GPL-2.0
/*
 * Stops VFIO type1 in the midst of what it does to an IOMMU, until it is told to go on:
 *  - of a replay of all mappings of a container. A device that joins is offered the domain that is
 *    there (the second iommu_attach_group() of its attach); that fails, so type1 gives it one of
 *    its own. There the iommu_map() of one IOVA waits, or fails;
 *  - of an unmapping: the iommu_unmap() of one IOVA waits.
 */
#include <linux/completion.h>
#include <linux/iommu.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static unsigned long iova;
module_param(iova, ulong, 0444);
MODULE_PARM_DESC(iova, "replay: the iommu_map() that waits or fails; 0: no replay");

static unsigned long unmap_iova;
module_param(unmap_iova, ulong, 0444);
MODULE_PARM_DESC(unmap_iova, "the iommu_unmap() that waits; 0: none");

static bool fail;
module_param(fail, bool, 0444);
MODULE_PARM_DESC(fail, "it fails");

static bool held;
module_param(held, bool, 0444);
MODULE_PARM_DESC(held, "it has come to that");

static DECLARE_COMPLETION(gone_on);

static int go_set(const char *text, const struct kernel_param *param)
{
	complete_all(&gone_on);
	return 0;
}

static const struct kernel_param_ops go_ops = { .set = go_set };
module_param_cb(go, &go_ops, NULL, 0200);
MODULE_PARM_DESC(go, "written: it goes on");

static atomic_t attaches;

/*
 * What the handlers below make of a call, at its first instruction: it returns to its caller. The
 * handler of a kprobe cannot wait; this can.
 */
static noinline notrace int refused(void)
{
	return -ENOMEM;
}

static noinline notrace int map_later(struct iommu_domain *domain, unsigned long at,
				      phys_addr_t paddr, size_t size, int prot, gfp_t gfp)
{
	int ret;

	__module_get(THIS_MODULE);
	WRITE_ONCE(held, true);
	wait_for_completion_killable(&gone_on);
	ret = iommu_map(domain, at, paddr, size, prot, gfp);
	module_put(THIS_MODULE);
	return ret;
}

static noinline notrace size_t unmap_later(struct iommu_domain *domain, unsigned long at,
					   size_t size)
{
	size_t ret;

	__module_get(THIS_MODULE);
	WRITE_ONCE(held, true);
	wait_for_completion_killable(&gone_on);
	ret = iommu_unmap(domain, at, size);
	module_put(THIS_MODULE);
	return ret;
}

static int on_attach(struct kprobe *kp, struct pt_regs *regs)
{
	if (!iova || atomic_inc_return(&attaches) != 2)
		return 0;
	instruction_pointer_set(regs, (unsigned long)refused);
	return 1;
}

static int on_map(struct kprobe *kp, struct pt_regs *regs)
{
	if (!iova || regs_get_kernel_argument(regs, 1) != iova || READ_ONCE(held))
		return 0;
	instruction_pointer_set(regs, fail ? (unsigned long)refused : (unsigned long)map_later);
	return 1;
}

static int on_unmap(struct kprobe *kp, struct pt_regs *regs)
{
	if (!unmap_iova || regs_get_kernel_argument(regs, 1) != unmap_iova || READ_ONCE(held))
		return 0;
	instruction_pointer_set(regs, (unsigned long)unmap_later);
	return 1;
}

static struct kprobe attach = { .symbol_name = "iommu_attach_group", .pre_handler = on_attach };
static struct kprobe map = { .symbol_name = "iommu_map", .pre_handler = on_map };
static struct kprobe unmap = { .symbol_name = "iommu_unmap", .pre_handler = on_unmap };
static struct kprobe *probes[] = { &attach, &map, &unmap };

static int __init iommu_test_init(void)
{
	return register_kprobes(probes, ARRAY_SIZE(probes));
}

static void __exit iommu_test_exit(void)
{
	unregister_kprobes(probes, ARRAY_SIZE(probes));
}

module_init(iommu_test_init);
module_exit(iommu_test_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test of daxlease: VFIO type1 stopped in the midst of a replay or an unmapping");
