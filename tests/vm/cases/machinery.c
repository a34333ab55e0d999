// SPDX-License-Identifier: GPL-2.0
/* Other users of the kernel's tracing on the functions that the module hooks, and crowds in the hooks. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "hooked.h"
#include "lease.h"
#include "testmodule.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SOON_MS		10000
#define TRACING		"/sys/kernel/tracing"

/* Some of each layer: putting a tracer on a function is slow */
static const char *const hooked[] = {
	"do_truncate", "vfs_fallocate", "dax_layout_busy_page_range", "truncate_inode_pages_range",
};

#define NR_HOOKED	(int)(sizeof(hooked) / sizeof(hooked[0]))

/* --- tracers: all are put on hooked functions, and taken off ------------------------------------------- */

static void probes(char kind, bool on)
{
	for (int i = 0; on && i < NR_HOOKED; i++)
		CHECK_EQ(shell("echo '%c:machinery_%c/f%d %s' >>" TRACING "/kprobe_events", kind, kind,
			       i, hooked[i]), 0);
	CHECK_EQ(shell("echo %d >" TRACING "/events/machinery_%c/enable", on, kind), 0);
	for (int i = 0; !on && i < NR_HOOKED; i++)
		CHECK_EQ(shell("echo '-:machinery_%c/f%d' >>" TRACING "/kprobe_events", kind, i), 0);
}

static void kprobes(bool on)
{
	probes('p', on);
}

static void kretprobes(bool on)
{
	probes('r', on);
}

/* @where: the directory of a trace instance */
static void tracer(const char *where, const char *name, bool on)
{
	for (int i = 0; on && i < NR_HOOKED; i++)
		CHECK_EQ(shell("echo %s >>%s/set_ftrace_filter", hooked[i], where), 0);
	CHECK_EQ(shell("echo %s >%s/current_tracer", on ? name : "nop", where), 0);
	if (!on)
		CHECK_EQ(shell(": >%s/set_ftrace_filter", where), 0);
}

/* In an instance, since there is one tracer an instance, and function_graph works in none */
static void function_tracer(bool on)
{
	if (on)
		CHECK_SYS(mkdir(TRACING "/instances/machinery", 0700));
	tracer(TRACING "/instances/machinery", "function", on);
	if (!on)
		CHECK_SYS(rmdir(TRACING "/instances/machinery"));
}

static void graph_tracer(bool on)
{
	tracer(TRACING, "function_graph", on);
}

/* "return 0" at the entry of a function, or at its end */
static void bpf(enum bpf_attach_type type, bool on)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
	static int links[2][NR_HOOKED];
	int *link = links[type == BPF_TRACE_FEXIT], prog;
	static struct btf *btf;

	if (!btf)
		btf = btf__load_vmlinux_btf();
	CHECK(btf, "the kernel has no BTF");
	for (int i = 0; i < NR_HOOKED; i++) {
		if (!on) {
			close(link[i]);
			continue;
		}
		opts.attach_btf_id = btf__find_by_name_kind(btf, hooked[i], BTF_KIND_FUNC);
		prog = CHECK_SYS(bpf_prog_load(BPF_PROG_TYPE_TRACING, "machinery", "GPL", code, 2, &opts));
		link[i] = CHECK_SYS(bpf_raw_tracepoint_open(NULL, prog));
		close(prog);
	}
}

static void fentry(bool on)
{
	bpf(BPF_TRACE_FENTRY, on);
}

static void fexit(bool on)
{
	bpf(BPF_TRACE_FEXIT, on);
}

static void set_all(bool on)
{
	kprobes(on);
	kretprobes(on);
	function_tracer(on);
	graph_tracer(on);
	fentry(on);
	fexit(on);
}

static void tracers_beside_hooks(const struct test *t)
{
	int ctx = lease_open();

	hooked_wait("armed 0\n");
	set_all(true);
	hooked_check(t, ctx, DAXLEASE_REASON_FALLOCATE, "armed after the tracers");
	set_all(false);
	hooked_check(t, ctx, DAXLEASE_REASON_FALLOCATE, "the tracers are gone");
	set_all(true);
	hooked_check(t, ctx, DAXLEASE_REASON_FALLOCATE, "armed before the tracers");
	hooked_wait("armed 0\n");
	hooked_check(t, ctx, DAXLEASE_REASON_FALLOCATE, "armed again below the tracers");
	set_all(false);
}

/* --- livepatches: who comes first has the function --------------------------------------------------------- */

#define LIVEPATCH	"/sys/kernel/livepatch/dl_test_livepatch"

/* Every task has to be seen outside the function */
static void wait_transition(void)
{
	char text[8];

	for (int64_t end = now_ns() + 60000 * (int64_t)MS; read_text(LIVEPATCH "/transition", text, sizeof(text)) > 0;
	     usleep(20000)) {
		if (*text == '0')
			return;
		CHECK(now_ns() < end, "the livepatch is never complete");
	}
}

static void livepatch(const struct test *t, const char *function)
{
	test_module_load(t, "dl_test_livepatch", "function=%s", function);
	wait_transition();
}

static void livepatch_end(void)
{
	CHECK_RET(write_text(LIVEPATCH "/enabled", "0"), 0);
	for (int64_t end = now_ns() + 60000 * (int64_t)MS; !access(LIVEPATCH, F_OK); usleep(20000))
		CHECK(now_ns() < end, "the livepatch does not go");
	test_module_unload("dl_test_livepatch");
}

static bool waits_early(int ctx)
{
	struct daxlease_info info;

	CHECK_RET(lease_info(ctx, &info), 0);
	return info.capabilities & DAXLEASE_CAP_EARLY;
}

static void livepatches(const struct test *t)
{
	int ctx = lease_open(), fd = file_create(path_in(t->dir, "file"), 2 * MIB, 1);
	struct daxlease_acquire a;

	hooked_wait("armed 0\n");
	livepatch(t, "vfs_fallocate");
	hooked_check(t, ctx, DAXLEASE_REASON_LAYOUT, "behind a livepatch of vfs_fallocate");
	CHECK(!waits_early(ctx));
	hooked_wait("armed 0\n");
	livepatch_end();
	story("vfs_fallocate is livepatched: breaks wait at the gate, and INFO says so");

	livepatch(t, "dax_layout_busy_page");
	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), -ENODEV);
	livepatch_end();
	story("dax_layout_busy_page is livepatched: no leases");

	CHECK_RET(lease_acquire(ctx, fd, 0, 2 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	CHECK(waits_early(ctx));
	CHECK(shell("insmod '%s/dl_test_livepatch.ko' function=vfs_fallocate", t->modules), "two own one function");
	CHECK(shell("insmod '%s/dl_test_livepatch.ko' function=dax_layout_busy_page", t->modules));
	hooked_check(t, ctx, DAXLEASE_REASON_FALLOCATE, "before livepatches that were refused");
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_ACTIVE);
	story("a livepatch that comes later is refused");
}

/* --- a crowd ------------------------------------------------------------------------------------------------ */

#define CROWD	64

struct puncher {
	pthread_t thread;
	int fd;
	int page;
	int ret;
};

static void *punch(void *arg)
{
	struct puncher *p = arg;

	p->ret = fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, p->page * PAGE, PAGE) ? -errno : 0;
	return NULL;
}

/* How many threads of this process wait for a lease */
static int waiting(void)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], stack[4096];
	struct dirent *d;
	int n = 0;

	CHECK(dir);
	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/stack", d->d_name);
		if (*d->d_name != '.' && read_text(path, stack, sizeof(stack)) > 0)
			n += !!strstr(stack, "dl_gate_wait");
	}
	closedir(dir);
	return n;
}

static void crowd_waits(const struct test *t)
{
	struct op read = { .kind = OP_READ, .path = path_in(t->dir, "file"), .offset = 0, .length = PAGE };
	struct op create = { .kind = OP_CREATE, .path = path_in(t->dir, "new") };
	static struct puncher crowd[CROWD];
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx, fd;

	fd = file_create(read.path, 4 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct puncher){ .fd = fd, .page = i };
		CHECK_EQ(pthread_create(&crowd[i].thread, NULL, punch, &crowd[i]), 0);
	}
	for (int64_t end = now_ns() + SOON_MS * (int64_t)MS; waiting() < CROWD; usleep(20000))
		CHECK(now_ns() < end, "%d of %d wait", waiting(), CROWD);
	CHECK_RET(breaker_run(&read, SOON_MS).ret, 0);
	CHECK_RET(breaker_run(&create, SOON_MS).ret, 0);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	for (int i = 0; i < CROWD; i++) {
		pthread_join(crowd[i].thread, NULL);
		CHECK_RET(crowd[i].ret, 0, "thread %d", i);
	}
	CHECK_EQ(lease_lost(ctx, a.id), 1, "they paid with more than the granule that they changed");
	CHECK_EQ(file_differs_from_byte(fd, 0, CROWD * PAGE, 0), -1);
	CHECK_PATTERN(fd, CROWD * PAGE, 4 * MIB - CROWD * PAGE, 1);
}

const struct testcase machinery_cases[] = {
	{ "tracers-beside-hooks",
	  "kprobes, tracers and BPF programs on hooked functions, before and after arming, change nothing",
	  tracers_beside_hooks, ON_EXT4 | NEEDS_CORE | STOCK_ONLY, 90 },
	{ "livepatch-or-hook",
	  "a livepatch of a hooked function: breaks wait elsewhere, or there are no leases; the later one is refused",
	  livepatches, ON_EXT4 | NEEDS_CORE | STOCK_ONLY, 90 },
	{ "crowd-waits-for-one-grace",
	  "64 threads that wait in fallocate are let go together, and hold up nobody else",
	  crowd_waits, ON_ANY | NEEDS_CORE, 40 },
	{ 0 }
};
