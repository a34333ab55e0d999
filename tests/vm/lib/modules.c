// SPDX-License-Identifier: GPL-2.0
#include "modules.h"
#include "harness.h"

#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNLOAD_SECONDS	10

bool module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

/* Our drop-ins use daxlease, so they are listed as holders of it */
static bool type1_is_ours(void)
{
	return !access("/sys/module/daxlease/holders/vfio_iommu_type1", F_OK);
}

static bool rxe_is_ours(void)
{
	return !access("/sys/module/daxlease/holders/rdma_rxe", F_OK);
}

/* Runs a command; the reason is its last line of output */
static const char *run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static const char *run(const char *fmt, ...)
{
	static char reason[1024];
	char command[512], text[1000] = "";
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	snprintf(reason, sizeof(reason), "%s 2>&1 | tr '\\n' ' '; exit ${PIPESTATUS[0]}", command);
	setenv("DAXLEASE_COMMAND", reason, 1);
	f = popen("exec bash -c \"$DAXLEASE_COMMAND\"", "r");
	if (!f)
		return "popen failed";
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	if (!pclose(f))
		return NULL;
	snprintf(reason, sizeof(reason), "%s: %s", command, text);
	return reason;
}

/* Armed hooks hold a reference on the module, for about a second after the last lease */
static void wait_for_references(void)
{
	int64_t end = now_ns() + UNLOAD_SECONDS * 1000000000LL;
	char text[32];

	while (read_text("/sys/module/daxlease/refcnt", text, sizeof(text)) > 0 && atoi(text) && now_ns() < end)
		usleep(20000);
}

const char *modules_unload(void)
{
	const char *why = NULL;

	if (type1_is_ours())
		why = run("rmmod vfio_iommu_type1");
	if (!why && rxe_is_ours())
		why = run("rmmod rdma_rxe");
	if (!why && module_loaded("daxlease")) {
		wait_for_references();
		why = run("rmmod daxlease");
	}
	return why;
}

const char *modules_unload_tests(void)
{
	glob_t g;
	int none = glob("/sys/module/dl_test_*", 0, NULL, &g);

	if (none)
		return NULL;
	globfree(&g);
	return run("for m in /sys/module/dl_test_*; do rmmod ${m##*/} || exit; done");
}

static const char *provide_stock(const struct module_paths *paths)
{
	const char *why = modules_unload();

	if (!why && !module_loaded("vfio_iommu_type1"))
		why = run("modprobe -C /dev/null -d '%s/' vfio_iommu_type1", paths->root);
	return why;
}

static const char *provide_core(const struct module_paths *paths)
{
	if (module_loaded("daxlease"))
		return NULL;
	if (access(paths->core, R_OK))
		return "daxlease.ko is not built for this kernel";
	return run("insmod '%s'", paths->core);
}

static const char *provide_vfio(const struct module_paths *paths)
{
	const char *why = NULL;

	if (type1_is_ours())
		return NULL;
	if (module_loaded("vfio_iommu_type1"))
		why = run("rmmod vfio_iommu_type1");
	if (!why)
		why = provide_core(paths);
	if (!why && access(paths->type1, R_OK))
		return "our vfio_iommu_type1.ko is not built for this kernel";
	return why ?: run("insmod '%s'", paths->type1);
}

/* What rdma_rxe links to, and a network device for it. A module that is built in is no error */
static const char *provide_verbs(const struct module_paths *paths)
{
	return run("for m in $(modinfo -F depends '%s' | tr , ' ') crc32_generic veth; do "
		   "[ $m = daxlease ] || modprobe -qC /dev/null -d '%s/' $m; done; "
		   "[ -e /sys/class/net/rxe-a ] || { ip link add rxe-a type veth peer name rxe-b && "
		   "ip addr add 10.9.8.1/24 dev rxe-a && ip link set rxe-a up && ip link set rxe-b up; }",
		   paths->rxe, paths->root);
}

static const char *add_device(void)
{
	if (!access("/sys/class/infiniband/rxe0", F_OK))
		return NULL;
	return run("rdma link add rxe0 type rxe netdev rxe-a");
}

/* The stock driver, when ours has gone */
static const char *provide_stock_rxe(const struct module_paths *paths)
{
	const char *why = provide_verbs(paths);

	if (!why && !module_loaded("rdma_rxe"))
		why = run("modprobe -C /dev/null -d '%s/' rdma_rxe", paths->root);
	return why ?: add_device();
}

static const char *provide_rxe(const struct module_paths *paths)
{
	const char *why = NULL;

	if (!rxe_is_ours()) {
		if (module_loaded("rdma_rxe"))
			why = run("rmmod rdma_rxe");
		if (!why)
			why = provide_core(paths);
		if (!why && access(paths->rxe, R_OK))
			why = "our rdma_rxe.ko is not built for this kernel";
		if (!why)
			why = provide_verbs(paths);
		if (!why)
			why = run("insmod '%s'", paths->rxe);
	}
	return why ?: add_device();
}

const char *modules_provide(const struct module_paths *paths, unsigned int needs)
{
	const char *why;

	if (needs & NEEDS_STOCK) {
		why = provide_stock(paths);
		return why || !(needs & NEEDS_RXE) ? why : provide_stock_rxe(paths);
	}
	if (needs & NEEDS_RXE)
		return provide_rxe(paths);
	if (needs & NEEDS_VFIO)
		return provide_vfio(paths);
	if (needs & NEEDS_CORE)
		return provide_core(paths);
	return NULL;
}
