// SPDX-License-Identifier: GPL-2.0
/* What goes on next to it: mappings come and go, devices come and go */
#include "torture.h"
#include "held.h"
#include "lease.h"

#include <errno.h>

#define FENCED_ACCESS	"/sys/module/vfio_iommu_type1/parameters/fenced_access"

void region_map(struct torture *t, unsigned int r)
{
	struct region *region = &t->regions[r];
	int ret = vfio_map(&t->nvme.vfio, t->map + r * REGION, ARENA_IOVA + r * REGION, REGION, VFIO_RW);

	if (ret) {
		CHECK(ret == -EAGAIN || ret == -EFAULT, "MAP_DMA: %s", ret_name(ret));
		t->n.maps_refused++;
		return;
	}
	t->n.maps++;
	region->lease = held_lease_at(t->ino, r * REGION);
	CHECK(region->lease, "MAP_DMA took no lease");
	region->mapped = true;
}

void region_unmap(struct torture *t, unsigned int r)
{
	CHECK_EQ(vfio_unmap(&t->nvme.vfio, ARENA_IOVA + r * REGION, REGION), (int64_t)REGION);
	t->regions[r].mapped = false;
}

void *mapper_actor(void *actor)
{
	struct actor *a = actor;
	struct torture *t = a->t;
	unsigned int r;

	while (!t->stop) {
		r = pick(a, REGIONS);
		pthread_rwlock_wrlock(&t->regions[r].lock);
		if (t->regions[r].mapped)
			region_unmap(t, r);
		if (one_in(a, 2))
			wait_batches(t, 1 + pick(a, 8));
		region_map(t, r);
		pthread_rwlock_unlock(&t->regions[r].lock);
		if (one_in(a, 8))
			CHECK_RET(write_text(FENCED_ACCESS, one_in(a, 2) ? "scratch" : "fault"), 0);
		wait_batches(t, 1 + pick(a, 40));
	}
	CHECK_RET(write_text(FENCED_ACCESS, "fault"), 0);
	return NULL;
}

/* One device or both, which leave in either order */
void *grouper_actor(void *actor)
{
	struct actor *a = actor;
	struct torture *t = a->t;
	struct vfio devices[2];
	unsigned int first, leaves;
	bool both;

	while (!t->stop) {
		first = pick(a, 2);
		both = one_in(a, 2);
		CHECK_RET(vfio_join(&devices[first], &t->nvme.vfio, first), 0);
		wait_batches(t, 1 + pick(a, 20));
		if (both)
			CHECK_RET(vfio_join(&devices[!first], &t->nvme.vfio, !first), 0);
		wait_batches(t, 1 + pick(a, 20));
		leaves = both ? pick(a, 2) : first;
		vfio_close(&devices[leaves]);
		wait_batches(t, 1 + pick(a, 20));
		if (both)
			vfio_close(&devices[!leaves]);
		t->n.joins += 1 + both;
	}
	return NULL;
}
