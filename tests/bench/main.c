// SPDX-License-Identifier: GPL-2.0
/*
 * The program of the guest:  bench --results FILE --core KO --type1 KO --module KO --rxe KO [--icount] [--small]
 *                                  [--profile ROW=VARIANT]... [GROUP...]
 * Runs the groups one after the other, the modules that each needs loaded before; the last record is "end".
 */
#include "bench.h"
#include "modules.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct group {
	const char *name;
	void (*fn)(const struct bench *b);
	unsigned int needs;
} groups[] = {
	{ "stock-map", bench_stock_map, NEEDS_STOCK },
	{ "rdma", bench_rdma_stock, NEEDS_STOCK | NEEDS_RXE },
	{ "others", bench_others_none, 0 },
	{ "others", bench_others_idle, NEEDS_VFIO },
	{ "others", bench_others_armed, NEEDS_VFIO },
	{ "map", bench_map, NEEDS_VFIO },
	{ "fence", bench_fence, NEEDS_VFIO },
	{ "dma", bench_dma, NEEDS_VFIO },
	{ "break", bench_break, NEEDS_VFIO },
	{ "memory", bench_memory, NEEDS_VFIO },
	{ "scale", bench_scale, NEEDS_VFIO },
	{ "rdma", bench_rdma, NEEDS_RXE },
};

static void provide(const struct module_paths *paths, const char *module, unsigned int needs)
{
	const char *why = modules_provide(paths, needs);

	CHECK(!why, "%s", why);
	if ((needs & NEEDS_VFIO) && !module_loaded("dl_bench"))
		CHECK_EQ(shell("insmod '%s'", module), 0);
}

static bool wanted(const char *name, char **names)
{
	bool any = *names;

	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return !any;
}

/* In a process of its own, so that nothing of it is left, and one that fails does not end the others */
static bool run(void (*fn)(const struct bench *b), const struct bench *b)
{
	pid_t pid = CHECK_SYS(fork());
	int status;

	if (!pid) {
		fn(b);
		exit(0);
	}
	CHECK_SYS(waitpid(pid, &status, 0));
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "results", 1, NULL, 'r' }, { "core", 1, NULL, 'c' }, { "type1", 1, NULL, 't' },
		{ "module", 1, NULL, 'm' }, { "icount", 0, NULL, 'i' }, { "small", 0, NULL, 's' },
		{ "rxe", 1, NULL, 'x' }, { "profile", 1, NULL, 'p' }, { 0 }
	};
	struct bench b = {
		.dir = "/mnt/dax/bench", .big = GIB, .fragments = 64 * MIB, .reps = 7, .many = 100000,
		.files = 100000, .contexts = 1000,
	};
	struct module_paths paths = { .root = "" };
	struct rlimit files = { 200000, 200000 };
	const char *module = "";
	bool icount = false, failed = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r': samples_to(optarg); break;
		case 'c': paths.core = optarg; break;
		case 't': paths.type1 = optarg; break;
		case 'm': module = optarg; break;
		case 'i': icount = true; break;
		case 's': b.small = true; break;
		case 'x': paths.rxe = optarg; break;
		case 'p': profile_ask(optarg); break;
		default: return 2;
		}
	}
	if (b.small) {
		b.big = 16 * MIB;
		b.fragments = MIB;
		b.reps = 2;
		b.many = 200;
		b.files = 100;
		b.contexts = 20;
	}
	CHECK_SYS(setrlimit(RLIMIT_NOFILE, &files));
	CHECK_SYS(mkdir(b.dir, 0700));
	meter_init(icount);
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		if (!wanted(groups[i].name, argv + optind))
			continue;
		provide(&paths, module, groups[i].needs);
		fprintf(stderr, "bench: %s\n", groups[i].name);
		failed |= run(groups[i].fn, &b);
	}
	if (!failed)
		samples_end();
	return failed;
}
