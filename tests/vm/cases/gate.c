// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on a leased file that come in another way than its own system calls: through nfsd and overlayfs, or on
 * the directory that it is in; and what a break of many leases costs.
 *
 *	truncate of /run/nfs/...  -> nfsd -> notify_change()  --+
 *	truncate of /run/ovl/...  -> ovl  -> notify_change()  --+--> the filesystem: the gate alone sees it
 *	punch in /run/ovl/...     -> ovl  -> vfs_fallocate()  -----> the early hook sees it
 */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000
#define MANY		256
#define FEW		(MANY / 8)

/* A mount namespace of the case's own: what it mounts goes with it */
static void mounts_of_my_own(void)
{
	CHECK_SYS(unshare(CLONE_NEWNS));
	CHECK_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* /run/ovl shows what is in @dir/up */
static void mount_overlay(const char *dir)
{
	mounts_of_my_own();
	CHECK_EQ(shell("mkdir -p /run/ovl /run/low '%s'/up '%s'/work && "
		       "mount -t overlay -o lowerdir=/run/low,upperdir='%s'/up,workdir='%s'/work o /run/ovl",
		       dir, dir, dir, dir), 0);
}

/* A truncate of @path, which shows the file of @fd in another way: waits for the holder, then the blocks are gone */
static void truncate_by(const char *path, int fd, enum daxlease_reason reason)
{
	struct op op = { .kind = OP_TRUNCATE, .path = path, .offset = 2 * MIB };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	struct stat st;
	int ctx = lease_open();

	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "no break event");
	CHECK_EQ(ev.reason, reason);
	CHECK_EQ(ev.flags, 0);
	CHECK_EQ(ev.lost_length, 8 * MIB, "an operation that the gate alone sees takes the whole file");
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_size, 8 * MIB);
	CHECK(!breaker_done(&b), "it did not wait");
	CHECK_RET(lease_ack(ctx, a.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_SYS(fstat(fd, &st));
	CHECK_EQ(st.st_size, 2 * MIB);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_REVOKED);
	CHECK_PATTERN(fd, 0, 2 * MIB, 1);
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, NULL), 0, "something is left barred");
	close(ctx);
}

static void overlayfs(const struct test *t)
{
	struct op punch = { .kind = OP_PUNCH, .path = "/run/ovl/punched", .offset = 2 * MIB, .length = MIB };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	int fd, ctx;

	mount_overlay(t->dir);
	fd = file_create(path_in(t->dir, "up/file"), 8 * MIB, 1);
	truncate_by("/run/ovl/file", fd, DAXLEASE_REASON_LAYOUT);
	close(fd);
	story("a truncate through overlayfs: the gate saw it, and it waited for the holder");

	/* Here overlayfs calls vfs_fallocate() for the file below */
	fd = file_create(path_in(t->dir, "up/punched"), 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start(&b, &punch);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "no break event");
	CHECK_EQ(ev.reason, DAXLEASE_REASON_FALLOCATE);
	CHECK(!breaker_done(&b), "it did not wait");
	CHECK_RET(lease_ack(ctx, a.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_EQ(lease_lost(ctx, a.id), 1);
	CHECK_EQ(file_differs_from_byte(fd, 2 * MIB, MIB, 0), -1);
	close(fd);
	CHECK_SYS(umount("/run/ovl"));
}

/* A server for this machine alone: version 4 needs neither rpcbind nor statd */
static const char nfs_up[] =
	"{ ip link set lo up && modprobe -C /dev/null ${DAXLEASE_MODULES:+-d $DAXLEASE_MODULES} -a nfsd nfsv4; "
	"mkdir -p /run/nfs /var/lib/nfs/v4recovery /var/lib/nfs/rpc_pipefs /run/rpc_pipefs && "
	"mount -t nfsd nfsd /proc/fs/nfsd && "
	"exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 127.0.0.1:/mnt/dax && "
	"rpc.mountd -N 3 && rpc.nfsd -N 3 -G 10 2 && echo Y >/proc/fs/nfsd/v4_end_grace && "
	"mount -t nfs4 -o vers=4.2,sec=sys 127.0.0.1:/ /run/nfs; } >/run/nfs.log 2>&1 || { cat /run/nfs.log; false; }";
static const char nfs_down[] =
	"{ umount /run/nfs && rpc.nfsd 0 && exportfs -au && umount /proc/fs/nfsd; "
	"kill $(pidof rpc.mountd); } >/run/nfs.log 2>&1 || { cat /run/nfs.log; false; }";

static void nfsd(const struct test *t)
{
	char path[256];
	int fd;

	mounts_of_my_own();
	CHECK_EQ(shell("%s", nfs_up), 0);
	fd = file_create(path_in(t->dir, "file"), 8 * MIB, 1);
	snprintf(path, sizeof(path), "/run/nfs/%s/file", t->dir + strlen("/mnt/dax/"));
	truncate_by(path, fd, DAXLEASE_REASON_LAYOUT);
	CHECK_EQ(shell("%s", nfs_down), 0);
	story("a truncate that an NFS client asked for: nfsd waited for the holder");
}

/* What becomes of its name is nothing to a lease */
static void rename_over(const struct test *t)
{
	struct op rename = { .kind = OP_RENAME, .path = path_in(t->dir, "other") };
	struct op unlink = { .kind = OP_UNLINK, .path = path_in(t->dir, "name") };
	struct daxlease_event ev;
	struct extent kept;
	struct stat st;
	struct held h;
	uint64_t size;
	int victim;

	held_open(&h, t->dir, 8 * MIB, LONG_GRACE);
	rename.other = h.path;
	CHECK(file_extents(h.fd, 0, 8 * MIB, &kept, 1));
	CHECK_SYS(link(h.path, unlink.path));
	close(file_create(rename.path, 2 * MIB, 2));
	CHECK_RET(breaker_run(&unlink, SOON_MS).ret, 0);
	CHECK_RET(breaker_run(&rename, SOON_MS).ret, 0);
	CHECK_SYS(stat(h.path, &st));
	CHECK_EQ(st.st_size, 2 * MIB, "the other file has the name");
	held_check_live(&h, h.fd, 3 * MIB);
	held_forget(&h);
	victim = file_fill_free(path_in(t->dir, "victim"), 3, &size);
	CHECK(!file_owns(victim, kept.physical, kept.length), "blocks of a leased file were given away");
	CHECK_EQ(lease_event(h.ctx, &ev, 0), 0, "unlink and rename broke the lease");
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	close(victim);
	story("unlink and rename over a leased file return at once; its blocks stay the device's until it lets go");
}

/* How often leases are looked at while a truncate waits for @n of them, which give way one after the other */
static unsigned int looks_for(const char *path, int fd, unsigned int n)
{
	struct op op = { .kind = OP_TRUNCATE, .path = path, .offset = 0 };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	struct breaker b;
	unsigned int hits;
	int ctx = lease_open();

	CHECK_SYS(ftruncate(fd, 2 * MIB));
	for (unsigned int i = 0; i < n; i++)
		CHECK_RET(lease_acquire(ctx, fd, 0, PAGE, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	probe_start("daxlease:dl_lease_live_in");
	breaker_start(&b, &op);
	for (unsigned int acked = 0; acked < n;) {
		CHECK_EQ(lease_event(ctx, &ev, SOON_MS), 1, "%u of %u have given way", acked, n);
		if (!(ev.bits & DAXLEASE_EVENT_BREAK))
			continue;
		CHECK_RET(lease_ack(ctx, ev.id, ev.generation, ev.break_id), 0);
		acked++;
	}
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	hits = probe_hits();
	probe_stop();
	close(ctx);
	return hits;
}

static void many_leases(const struct test *t)
{
	const char *real = path_in(t->dir, "up/file"), *ways[] = { real, "/run/ovl/file" };

	mount_overlay(t->dir);
	for (int i = 0; i < 2; i++) {
		int fd = file_create(real, 2 * MIB, 1);
		unsigned int few = looks_for(ways[i], fd, FEW), many = looks_for(ways[i], fd, MANY);

		CHECK(few >= FEW, "only %u looks at %u leases", few, FEW);
		CHECK(many <= MANY / FEW * few, "%u looks for %u leases, %u for %u", few, FEW, many, MANY);
		story("%s: %u looks at leases for %u of them, %u for %u", i ? "at the gate" : "before the inode lock",
		      few, FEW, many, MANY);
		close(fd);
		CHECK_SYS(unlink(real));
	}
	CHECK_SYS(umount("/run/ovl"));
}

const struct testcase gate_cases[] = {
	{ "truncate-through-overlayfs-waits",
	  "overlayfs truncates the file below it without a word to the early hooks: the gate makes it wait",
	  overlayfs, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ "truncate-through-nfsd-waits",
	  "so does the NFS server",
	  nfsd, ON_ANY | NEEDS_CORE | STOCK_ONLY, 120 },
	{ "rename-over-leased-file",
	  "unlink and rename over a leased file break nothing, and free no block that the device has",
	  rename_over, ON_ANY | NEEDS_VFIO, 60 },
	{ "n-leases-cost-n-looks",
	  "a break of N leases on one range looks at leases in proportion to N",
	  many_leases, ON_ANY | NEEDS_CORE | STOCK_ONLY, 60 },
	{ 0 }
};
