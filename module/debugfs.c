// SPDX-License-Identifier: GPL-2.0
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>

#include "debugfs.h"
#include "history.h"
#include "hooks.h"
#include "lease.h"
#include "quota.h"

static struct dentry *dir;

/* In the order of show_lease(); readers look columns up by name, so new ones go to the end. */
static const char * const columns[] = {
	"id", "kind", "state", "generation", "dev", "ino", "offset", "length", "access", "granules",
	"lost", "grace_ns", "pid", "comm", "uid", "break_id", "deadline_ns", "breaker_pid",
	"breaker_comm",
};

/* Names come from user space: nothing in them may pass for a column or a line. */
static void put_comm(struct seq_file *m, const char *comm)
{
	seq_putc(m, '\t');
	if (*comm)
		seq_escape_str(m, comm, ESCAPE_SPACE | ESCAPE_SPECIAL, "\t\n\\");
	else
		seq_putc(m, '-');
}

static void show_lease(struct seq_file *m, struct daxlease *lease)
{
	struct dl_gate *gate = lease->gate;
	char comm[TASK_COMM_LEN], breaker_comm[TASK_COMM_LEN] = "";
	u64 generation, lost, grace, break_id, deadline;
	enum daxlease_state state;
	pid_t holder, breaker;

	spin_lock(&gate->lock);
	memcpy(comm, lease->comm, sizeof(comm));
	holder = pid_nr_ns(lease->holder, task_active_pid_ns(current));
	break_id = lease->brk.id;
	deadline = lease->brk.deadline;
	if (break_id)
		memcpy(breaker_comm, lease->brk.comm, sizeof(breaker_comm));
	breaker = pid_nr_ns(lease->brk.breaker, task_active_pid_ns(current));
	state = lease->state;
	generation = lease->generation;
	lost = lease->granules_lost;
	grace = dl_lease_grace(lease);
	spin_unlock(&gate->lock);

	seq_printf(m, "%llu\t%s\t%s\t%llu\t%u:%u\t%lu\t%llu\t%llu\t%s\t%llu\t%llu\t%llu\t%d",
		   lease->id, lease->implicit ? "implicit" : "explicit", dl_state_name(state),
		   generation, MAJOR(gate->inode->i_sb->s_dev), MINOR(gate->inode->i_sb->s_dev),
		   gate->inode->i_ino, lease->range.first << PAGE_SHIFT,
		   dl_range_pages(lease->range) << PAGE_SHIFT, lease->write ? "rw" : "r",
		   dl_granule_count(lease->range), lost, grace, holder);
	put_comm(m, comm);
	seq_printf(m, "\t%u\t%llu\t%llu\t%d", from_kuid_munged(current_user_ns(), lease->uid),
		   break_id, deadline, breaker);
	put_comm(m, breaker_comm);
	seq_putc(m, '\n');
}

static int leases_show(struct seq_file *m, void *unused)
{
	struct daxlease *lease = NULL;
	size_t i;

	seq_puts(m, "# daxlease-leases 1\n");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		seq_printf(m, "%s%s", i ? "\t" : "# ", columns[i]);
	seq_putc(m, '\n');
	while ((lease = dl_lease_next(lease)))
		show_lease(m, lease);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(leases);

static u64 us(u64 from, u64 to)
{
	return (max(from, to) - from) / NSEC_PER_USEC;
}

/*
 * Latest first. waited_us is notice_us, until a holder read of the break, or never did; then
 * grace_us, until it gave way or the deadline came; then fence_us. allowed_us: the longest that
 * notice and grace together could have lasted.
 */
static int breaks_show(struct seq_file *m, void *unused)
{
	struct dl_ended e;
	unsigned int i;

	seq_puts(m, "# daxlease-breaks 2\n# break_id\tlease\tdev\tino\treason\tflags\tholder_pid");
	seq_puts(m, "\tbreaker_pid\tstarted_ns\tallowed_us\twaited_us\tnotice_us\tgrace_us");
	seq_puts(m, "\tfence_us\tlost\tholder_comm\tbreaker_comm\n");
	for (i = 0; dl_history_get(i, &e); i++) {
		seq_printf(m, "%llu\t%llu\t%u:%u\t%lu\t%u\t%u\t%d\t%d", e.break_id, e.lease,
			   MAJOR(e.dev), MINOR(e.dev), e.ino, e.reason, e.flags, e.holder,
			   e.breaker);
		seq_printf(m, "\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu", e.started,
			   us(e.started, e.deadline), us(e.started, e.ended),
			   us(e.started, e.noticed), us(e.noticed, e.fence), us(e.fence, e.ended),
			   e.granules_lost);
		put_comm(m, e.holder_comm);
		put_comm(m, e.breaker_comm);
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(breaks);

static int hooks_show(struct seq_file *m, void *unused)
{
	dl_hooks_stats(m);
	seq_printf(m, "leases %llu\n", dl_quota_total());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hooks);

/**
 * dl_debugfs_init() - make the files
 */
void dl_debugfs_init(void)
{
	dir = debugfs_create_dir("daxlease", NULL);
	debugfs_create_file("leases", 0400, dir, NULL, &leases_fops);
	debugfs_create_file("breaks", 0400, dir, NULL, &breaks_fops);
	debugfs_create_file("hooks", 0400, dir, NULL, &hooks_fops);
}

/**
 * dl_debugfs_exit() - remove them; waits for readers
 */
void dl_debugfs_exit(void)
{
	debugfs_remove(dir);
}
