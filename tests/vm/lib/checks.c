// SPDX-License-Identifier: GPL-2.0
#include "checks.h"
#include "harness.h"
#include "kmsg.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXCERPT_LINES	40
#define LEASES		"/sys/kernel/debug/daxlease/leases"
#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define COUNT		"/proc/sys/vm/mem_profiling"
#define KMEMLEAK_AGE	5500000000LL	/* MSECS_MIN_AGE of mm/kmemleak.c, and some more, in ns */

/*
 * A memory cgroup that is full is no trouble of the kernel's, but is told with a call trace: from "invoked oom-killer"
 * to the verdict, which must be about a cgroup.
 */
static bool is_trouble(const char *text, bool *oom)
{
	if (strstr(text, " invoked oom-killer: "))
		*oom = true;
	if (strstr(text, "oom-kill:constraint=")) {
		*oom = false;
		return !strstr(text, "constraint=CONSTRAINT_MEMCG");
	}
	return kmsg_is_report(text) && !(*oom && strstr(text, "Call Trace:"));
}

const char *check_kmsg(int kmsg, const char *name)
{
	static char first[1024];
	char text[1024];
	int ret, shown = 0;
	bool oom = false;

	first[0] = 0;
	while ((ret = kmsg_next(kmsg, text, sizeof(text))) == 1 || ret == -EPIPE) {
		if (ret == -EPIPE)
			snprintf(text, sizeof(text), "BUG: records of the kernel log were lost");
		if (!first[0] && is_trouble(text, &oom))
			snprintf(first, sizeof(first), "kernel log: %.900s", text);
		if (first[0] && shown++ < EXCERPT_LINES)
			report("detail", "%s\t%s", name, *text ? text : " ");
	}
	return first[0] ? first : NULL;
}

static bool leases_left(char *text, size_t size)
{
	char table[65536];

	if (read_text(LEASES, table, sizeof(table)) < 0)
		return false;
	for (char *save, *l = strtok_r(table, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (*l != '#') {
			snprintf(text, size, "%s", l);
			return true;
		}
	}
	return false;
}

const char *check_leases(const char *name)
{
	static char reason[600];
	int64_t end = now_ns() + 2000000000LL;
	char text[512];

	/* The table cannot be polled, and a last put may come from a work queue */
	while (leases_left(text, sizeof(text))) {
		if (now_ns() > end) {
			report("detail", "%s\t%s", name, text);
			snprintf(reason, sizeof(reason), "a lease is left: %s", text);
			return reason;
		}
		usleep(20000);
	}
	return NULL;
}

/*
 * Reports of kmemleak are blocks that begin with "unreferenced object", with the call chain of the allocation: bare
 * addresses where the module has gone. An object is reported by the second scan that finds no reference, if it was
 * there for 5 s.
 */
const char *check_kmemleak(const char *name)
{
	int64_t start = now_ns(), begun;
	char block[8192] = "", l[512];
	bool ours = false, any = false, more = true;
	unsigned int scans = 0;
	FILE *f;

	if (read_text(COUNT, l, sizeof(l)) > 0 && *l == '1')
		return NULL;
	do {
		begun = now_ns();
		if (write_text(KMEMLEAK, "scan"))
			return "kmemleak does not scan";
	} while (++scans < 2 || begun < start + KMEMLEAK_AGE);
	f = fopen(KMEMLEAK, "re");
	if (!f)
		return "kmemleak says nothing";
	while (more) {
		more = fgets(l, sizeof(l), f);
		if (!more || !strncmp(l, "unreferenced", 12)) {
			if (ours)
				for (char *save, *p = strtok_r(block, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
					report("detail", "%s\t%s", name, p);
			any |= ours;
			ours = false;
			block[0] = 0;
		}
		if (!more)
			break;
		if (strlen(block) + strlen(l) < sizeof(block))
			strcat(block, l);
		ours |= (strstr(l, "[<") && strstr(l, "] 0xffffffff")) || strstr(l, "[daxlease]") ||
			strstr(l, "[vfio_iommu_type1]") || strstr(l, "[rdma_rxe]");
	}
	fclose(f);
	return any ? "kmemleak found objects of ours" : NULL;
}

void count_instead_of_kmemleak(void)
{
	CHECK_RET(write_text(KMEMLEAK, "off"), 0);
	CHECK_RET(write_text(COUNT, "1"), 0);
}

const char *check_filesystem(const char *fs)
{
	if (shell("umount /mnt/dax"))
		return "umount failed";
	if (shell(strcmp(fs, "xfs") ? "e2fsck -fn /dev/pmem0" : "xfs_repair -n /dev/pmem0"))
		return "the filesystem is not consistent (see the console)";
	if (shell("mount -o dax=%s /dev/pmem0 /mnt/dax", strcmp(fs, "xfs") ? "inode" : "always"))
		return "mount failed";
	return NULL;
}

int guarded(int (*fn)(const void *arg), const void *arg, int seconds)
{
	siginfo_t info = { 0 };
	pid_t pid = fork();
	int fd, ret = -1;

	if (!pid)
		_exit(fn(arg));
	fd = pidfd_open(pid, 0);
	if (!wait_readable(fd, seconds * 1000))
		kill(pid, SIGKILL);
	if (wait_readable(fd, 2000) && !waitid(P_PID, pid, &info, WEXITED) && info.si_code == CLD_EXITED)
		ret = info.si_status;
	close(fd);
	return ret;
}
