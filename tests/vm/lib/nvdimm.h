/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The spare NVDIMMs of the machine, 1 and 2, for cases that take memory away or need a filesystem of their
 * own kind. All of this fails the case itself when something does not work.
 */
#ifndef NVDIMM_H
#define NVDIMM_H

/* An empty /dev/pmemN */
void nvdimm_make(int n);

/* Mounts /dev/pmemN, which has a filesystem, at nvdimm_path() */
void nvdimm_mount(int n, const char *fs, const char *options);

/* Make, mkfs, mount with dax=always */
void nvdimm_filesystem(int n, const char *fs);

void nvdimm_unmount(int n);

/* Where it is mounted */
const char *nvdimm_path(int n);

#endif /* NVDIMM_H */
