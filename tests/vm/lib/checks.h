/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold after a case, and after the last one, whatever the cases themselves said.
 */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdbool.h>

/*
 * Reads the kernel log from the mark @kmsg on; reports up to 40 lines of the first trouble as details
 * of @name. Returns NULL, or the first line of the trouble.
 */
const char *check_kmsg(int kmsg, const char *name);

/* The lease table is empty, or becomes so within 2 s: NULL or what is in it */
const char *check_leases(const char *name);

/*
 * NULL, or that kmemleak reports an object of ours, @name's details, or cannot scan, though allocations of modules are
 * not counted instead. To be called after the modules are unloaded: what they still referenced, nobody does then
 */
const char *check_kmemleak(const char *name);

/* From now on kmemleak costs nothing, and allocations of modules are counted; fails the case itself. None is loaded */
void count_instead_of_kmemleak(void);

/* Unmounts /mnt/dax, checks the filesystem @fs, and mounts it again: NULL or what is wrong */
const char *check_filesystem(const char *fs);

/*
 * Runs @fn in a process of its own with a time limit: its value, or -1 if it had to be killed and could
 * not be. For what may hang when the kernel is broken.
 */
int guarded(int (*fn)(const void *arg), const void *arg, int seconds);

#endif /* CHECKS_H */
