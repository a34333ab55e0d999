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
 * @root: the directory that holds lib/modules of this kernel, "" for /
 */
struct module_paths {
	const char *core;
	const char *type1;
	const char *rxe;
	const char *root;
};

/*
 * Loads and unloads until the modules asked for by NEEDS_ flags are there (0: whatever is).
 * Returns NULL, or why it could not.
 */
const char *modules_provide(const struct module_paths *paths, unsigned int needs);

/* Unloads ours, if loaded: NULL, or why it could not */
const char *modules_unload(void);

bool module_loaded(const char *name);

#endif /* MODULES_H */
