// SPDX-License-Identifier: GPL-2.0
#include "modules.h"
#include "harness.h"

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

/* Our type1 uses daxlease, so it is listed as a holder of it */
static bool type1_is_ours(void)
{
	return !access("/sys/module/daxlease/holders/vfio_iommu_type1", F_OK);
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
	if (!why && module_loaded("daxlease")) {
		wait_for_references();
		why = run("rmmod daxlease");
	}
	return why;
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

const char *modules_provide(const struct module_paths *paths, unsigned int needs)
{
	if (needs & NEEDS_STOCK)
		return provide_stock(paths);
	if (needs & NEEDS_VFIO)
		return provide_vfio(paths);
	if (needs & NEEDS_CORE)
		return provide_core(paths);
	return NULL;
}
