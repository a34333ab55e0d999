/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which modules are loaded: the stock vfio_iommu_type1 and rdma_rxe, or ours with daxlease.ko.
 */
#ifndef MODULES_H
#define MODULES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct module_paths - where the runner finds them
 * @core: daxlease.ko
 * @type1: our vfio_iommu_type1.ko
 * @rxe: our rdma_rxe.ko
 * @tools: the directory of user space
 * @tests: the directory of the modules that cases load for themselves
 * @root: the directory that holds lib/modules of this kernel, "" for /
 */
struct module_paths {
	const char *core;
	const char *type1;
	const char *rxe;
	const char *tools;
	const char *tests;
	const char *root;
};

/*
 * Loads and unloads until the modules asked for by NEEDS_ flags are there (0: whatever is).
 * Returns NULL, or why it could not.
 */
const char *modules_provide(const struct module_paths *paths, unsigned int needs);

/* Unloads ours, if loaded: NULL, or why it could not */
const char *modules_unload(void);

/* Unloads what a case has loaded by test_module_load(): NULL, or why it could not */
const char *modules_unload_tests(void);

bool module_loaded(const char *name);

#endif /* MODULES_H */
