// SPDX-License-Identifier: GPL-2.0
#include <linux/dax.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/pfn_t.h>

#include "gate.h"
#include "hook_failure.h"
#include "hook_ops.h"
#include "unexported.h"

static bool seen;			/* a failure, by us */
static struct dax_device *test_dax;	/* of nobody; the original says -EOPNOTSUPP for it */

/**
 * orig_failure() - the function itself
 * @dax: as for dax_holder_notify_failure()
 * @offset: bytes
 * @length: bytes
 * @mf_flags: enum mf_flags
 *
 * Return: as dax_holder_notify_failure().
 */
noinline __noclone int orig_failure(struct dax_device *dax, u64 offset, u64 length, int mf_flags)
{
	int ret = dax_holder_notify_failure(dax, offset, length, mf_flags);

	barrier();
	return ret;
}

/*
 * Recovery: the page frame is wanted even if the medium is known to be bad there. The driver calls
 * with one page at a time, and its pages lie in one piece.
 */
static bool page_frame(struct dax_device *dax, u64 offset, u64 *pfn)
{
	long nr;
	pfn_t p;
	int id;

	id = dax_read_lock();
	nr = dax_direct_access(dax, offset >> PAGE_SHIFT, 1, DAX_RECOVERY_WRITE, NULL, &p);
	dax_read_unlock(id);
	if (nr < 1)
		return false;
	*pfn = pfn_t_to_pfn(p);
	return pfn_valid(*pfn);
}

/*
 * The pages are marked here, as XFS does, since for ext4 the kernel marks them only after it has
 * asked the holder: what is leased from now on sees the mark, what was leased before is found.
 */
static void fail(u64 pfn, u64 count)
{
	u64 i;

	WRITE_ONCE(seen, true);		/* the kernel counts it after we return */
	for (i = 0; i < count; i++)
		SetPageHWPoison(pfn_to_page(pfn + i));
	dl_gate_failure(pfn, count);
}

/**
 * dl_failure_possible() - may there be a page that has failed?
 *
 * Failures are rare, and a look at each page of a lease costs more than all the rest of its
 * acquisition.
 * Context: any.
 * Return: false if no memory of the machine has failed.
 */
bool dl_failure_possible(void)
{
	return READ_ONCE(seen) || !dl_num_poisoned_pages ||
	       atomic_long_read(dl_num_poisoned_pages);
}

/**
 * hook_failure() - stands for dax_holder_notify_failure()
 * @dax: the device
 * @offset: bytes, from its start
 * @length: bytes
 * @mf_flags: enum mf_flags
 *
 * Context: process context; memory_failure() holds a mutex and a reference on the pages.
 * Return: as the original.
 */
int hook_failure(struct dax_device *dax, u64 offset, u64 length, int mf_flags)
{
	u64 pfn;
	int ret;

	dl_hook_enter();
	if (dax == test_dax) {
		ret = atomic_inc_return(&dl_test_hits);
	} else {
		if (page_frame(dax, offset, &pfn))
			fail(pfn, DIV_ROUND_UP(offset_in_page(offset) + length, PAGE_SIZE));
		ret = orig_failure(dax, offset, length, mf_flags);
	}
	dl_hook_leave();
	return ret;
}

/**
 * want_failure() - is this about memory that has failed, not about a device that is going?
 * @regs: at the entry of dax_holder_notify_failure()
 *
 * Context: called from ftrace.
 * Return: true if so.
 */
bool notrace want_failure(struct ftrace_regs *regs)
{
	return !(ftrace_regs_get_argument(regs, 3) & MF_MEM_PRE_REMOVE);
}

/**
 * dl_failure_selftest() - is the redirect at work?
 *
 * Context: process context; the caller serialises.
 * Return: true if so.
 */
bool dl_failure_selftest(void)
{
	return dax_holder_notify_failure(test_dax, 0, PAGE_SIZE, 0) == 1 && dl_test_hit(1);
}

/**
 * dl_failure_init() - make the object of the self-test
 *
 * Return: 0 or a negative errno.
 */
int dl_failure_init(void)
{
	test_dax = alloc_dax(NULL, NULL);
	return PTR_ERR_OR_ZERO(test_dax);
}

/**
 * dl_failure_exit() - undo dl_failure_init()
 */
void dl_failure_exit(void)
{
	kill_dax(test_dax);
	put_dax(test_dax);
}
