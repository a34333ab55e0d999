// SPDX-License-Identifier: GPL-2.0
#include "nvdimm.h"
#include "harness.h"

#include <stdio.h>

const char *nvdimm_path(int n)
{
	static char path[2][32];

	snprintf(path[n % 2], sizeof(path[0]), "/run/nvdimm%d", n);
	return path[n % 2];
}

void nvdimm_make(int n)
{
	CHECK_EQ(shell("ndctl create-namespace -f -e namespace%d.0 -m fsdax --map=mem >/dev/null", n), 0,
		 "no NVDIMM %d", n);
}

void nvdimm_mount(int n, const char *fs, const char *options)
{
	CHECK_EQ(shell("mkdir -p %s && mount -t %s -o %s /dev/pmem%d %s", nvdimm_path(n), fs, options, n,
		       nvdimm_path(n)), 0);
}

void nvdimm_filesystem(int n, const char *fs)
{
	nvdimm_make(n);
	CHECK_EQ(shell("mkfs.%s -q %s /dev/pmem%d", fs, *fs == 'x' ? "-f -d su=2m,sw=1,agcount=2 -l size=64m" :
		       "-F -b 4096 -E stride=512,stripe_width=512", n), 0);
	nvdimm_mount(n, fs, "dax=always");
}

void nvdimm_unmount(int n)
{
	CHECK_EQ(shell("umount %s", nvdimm_path(n)), 0);
}
