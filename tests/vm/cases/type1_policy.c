// SPDX-License-Identifier: GPL-2.0
/* What VFIO users can ask of the drop-in, and which devices it gives no leases to. */
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ATS_VENDOR	"0x1af4"	/* virtio-rng behind a root port, with ATS; tests/vm/boot */
#define ATS_DEVICE	"0x1044"
#define ALLOW_ATS	"/sys/module/vfio_iommu_type1/parameters/allow_ats"

static void extension(const struct test *t)
{
	struct vfio v;

	(void)t;
	vfio_open(&v);
	CHECK_EQ(ioctl(v.container, VFIO_CHECK_EXTENSION, DAXLEASE_VFIO_EXTENSION), 1);
	CHECK_EQ(ioctl(v.container, VFIO_CHECK_EXTENSION, DAXLEASE_VFIO_EXTENSION + 1), 0);
	CHECK_EQ(ioctl(v.container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
	vfio_close(&v);
}

/* Alone in a container: anonymous memory as ever, fs-dax memory only if it is trusted */
static void ats_alone(void *dax, uint64_t size)
{
	void *anon = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio v;

	CHECK(anon != MAP_FAILED);
	CHECK_RET(vfio_attach_pci(&v, NULL, ATS_VENDOR, ATS_DEVICE), 0);
	CHECK_RET(vfio_map(&v, anon, HELD_IOVA, size, VFIO_RW), 0);
	CHECK_EQ(vfio_unmap(&v, HELD_IOVA, size), (int64_t)size);
	CHECK_RET(vfio_map(&v, dax, HELD_IOVA, size, VFIO_RW), -EOPNOTSUPP, "leased to a device with ATS");
	CHECK_EQ(lease_count(), 0);
	CHECK_RET(write_text(ALLOW_ATS, "Y"), 0);
	CHECK_RET(vfio_map(&v, dax, HELD_IOVA, size, VFIO_RW), 0, "trusted, but not leased");
	CHECK_EQ(lease_count(), 1);
	CHECK_EQ(vfio_unmap(&v, HELD_IOVA, size), (int64_t)size);
	CHECK_RET(write_text(ALLOW_ATS, "N"), 0);
	vfio_abandon(&v);
	CHECK_SYS(munmap(anon, size));
}

static void ats(const struct test *t)
{
	struct vfio v;
	struct held h;

	held_open(&h, t->dir, 4 * MIB, 0);
	CHECK_RET(vfio_attach_pci(&v, &h.edu.vfio, ATS_VENDOR, ATS_DEVICE), -EOPNOTSUPP,
		  "a device with ATS has joined a container with leases");
	held_check_live(&h, h.fd, MIB);
	story("a device with ATS may not join a container that has leases; the leases live on");

	/* Once such a device has been in it, a container gets no leases */
	CHECK_EQ(vfio_unmap(&h.edu.vfio, HELD_IOVA, h.size), (int64_t)h.size);
	CHECK_RET(vfio_attach_pci(&v, &h.edu.vfio, ATS_VENDOR, ATS_DEVICE), 0);
	CHECK_RET(vfio_map(&h.edu.vfio, h.map, HELD_IOVA, h.size, VFIO_RW), -EOPNOTSUPP);
	vfio_abandon(&v);
	CHECK_RET(vfio_map(&h.edu.vfio, h.map, HELD_IOVA, h.size, VFIO_RW), -EOPNOTSUPP);
	ats_alone(h.map, h.size);
	story("with allow_ats it gets leases, without only other memory");
}

const struct testcase type1_policy_cases[] = {
	{ "extension-says-leases",
	  "VFIO_CHECK_EXTENSION tells the drop-in from the stock driver",
	  extension, ON_ANY | NEEDS_VFIO, 0 },
	{ "ats-device-gets-no-lease",
	  "a device that caches translations gets no leases unless the administrator trusts it",
	  ats, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ 0 }
};
