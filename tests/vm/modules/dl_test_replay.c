// SPDX-License-Identifier: GPL-2.0
/*
 * Makes VFIO type1 replay the mappings of a container, and stops it in the midst of that. A device
 * that joins is offered the domain that is there (the second iommu_attach_group() of its attach);
 * that fails, so type1 gives it one of its own. There the iommu_map() of one IOVA waits until told
 * to go on, or fails.
 */
#include <linux/completion.h>
#include <linux/iommu.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static unsigned long iova;
module_param(iova, ulong, 0444);
MODULE_PARM_DESC(iova, "the iommu_map() that waits or fails; 0: none");

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

static int on_attach(struct kprobe *kp, struct pt_regs *regs)
{
	if (atomic_inc_return(&attaches) != 2)
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

static struct kprobe attach = { .symbol_name = "iommu_attach_group", .pre_handler = on_attach };
static struct kprobe map = { .symbol_name = "iommu_map", .pre_handler = on_map };
static struct kprobe *probes[] = { &attach, &map };

static int __init replay_init(void)
{
	return register_kprobes(probes, ARRAY_SIZE(probes));
}

static void __exit replay_exit(void)
{
	unregister_kprobes(probes, ARRAY_SIZE(probes));
}

module_init(replay_init);
module_exit(replay_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test of daxlease: a replay of VFIO type1 that can be stopped in its midst");
