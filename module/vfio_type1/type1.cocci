// SPDX-License-Identifier: GPL-2.0-only
//
// daxlease's hooks in drivers/vfio/vfio_iommu_type1.c of Linux 6.12. What they do is in dl_dma.c and
// dl_mirror.c.
//
// "expect N TEXT": the result has TEXT in N lines. ./build checks it, so that a rule that does not match is
// an error, not a missing fence.

// expect 1 #include "dl_type1.h"
@include@ @@
 #include "vfio.h"
+#include "dl_type1.h"

// expect 1 struct dl_container
@container@ @@
struct vfio_iommu {
	...
	struct list_head	emulated_iommu_groups;
+	struct dl_container	dl;
};

// expect 1 struct dl_domain
@domain@ @@
struct vfio_domain {
	...
	struct list_head	group_list;
+	struct dl_domain	dl;
	...
};

// expect 2 struct dl_dma
@mapping@ @@
struct vfio_dma {
	...
	size_t			locked_vm;
+	struct dl_dma		*dl;
};

// expect 1 dl_container_init(
@open@ @@
vfio_iommu_type1_open(...) { <...
	mutex_init(&iommu->lock);
+	dl_container_init(&iommu->dl, &iommu->lock, iommu);
...> }

// A MAP_DMA that waits for its lease may outlive the container.
// expect 1 dl_container_put(
@release@ @@
vfio_iommu_type1_release(...) { <...
-	kfree(iommu);
+	dl_container_put(&iommu->dl);
...> }

// MAP_DMA: when stock has no objection, drop the lock and take the lease, then ask stock again.
// expect 2 dl_again
@map_begin@ @@
vfio_dma_do_map(...) {
	...
	struct vfio_dma *dma;
+	struct dl_dma *dl = NULL;
	... when any
	mutex_lock(&iommu->lock);
+dl_again:
	... when any
	dma = kzalloc(...);
	... when any
}

// expect 1 dl_map_begin(
// expect 1 dma->dl = dl;
@map_take@ @@
vfio_dma_do_map(...) { <...
(
+	ret = dl_map_begin(&iommu->dl, &dl, iova, vaddr, size, prot);
+	if (ret < 0)
+		goto out_unlock;
+	if (ret > 0)
+		goto dl_again;
	dma = kzalloc(...);
|
	dma->pfn_list = RB_ROOT;
+	dma->dl = dl;
+	dl = NULL;
)
...> }

// expect 1 dl_dma_free(dl)
@map_end@ @@
vfio_dma_do_map(...) {
	... when any
	mutex_unlock(&iommu->lock);
+	dl_dma_free(dl);
	return ret;
}

// expect 1 dl_dma_map(
@map@ @@
vfio_pin_map_dma(...) {
	... when any
	vfio_batch_init(&batch);
+	if (dma->dl) {
+		ret = dl_dma_map(dma->dl, disable_hugepages);
+		if (!ret)
+			dma->size = map_size;
+		size = 0;
+	}
	... when any
}

// Nobody may pin pages behind a lease.
// expect 1 dl_dma_no_pin(
@pin@ @@
vfio_iommu_type1_pin_pages(...) { <...
+	if (dl_dma_no_pin(dma->dl)) {
+		ret = -EOPNOTSUPP;
+		goto pin_unwind;
+	}
	vpfn = vfio_iova_get_vfio_pfn(dma, iova);
...> }

// UNMAP_DMA, close, and the last domain of a container that keeps emulated groups.
// expect 1 dl_dma_free(dma->dl)
// expect 1 dma->dl = NULL;
@unmap@ @@
vfio_unmap_unpin(...) {
	... when any
	long unlocked = 0;
+
+	if (dma->dl) {
+		dl_dma_free(dma->dl);
+		dma->dl = NULL;
+		dma->iommu_mapped = false;
+		return 0;
+	}
	... when any
}

// A leased mapping cannot be replayed into another domain yet.
// expect 1 dl_container_leased(
@replay@ @@
vfio_iommu_replay(...) { <...
+	if (dl_container_leased(&iommu->dl))
+		return -EOPNOTSUPP;
	vfio_batch_init(&batch);
...> }

// No fence may run while a group attaches or detaches: VT-d's cache tags have windows.
// expect 3 dl_attach_group(
// expect 3 dl_detach_group(
@attach@
expression D, G;
identifier f = {vfio_iommu_type1_attach_group, vfio_iommu_type1_detach_group};
@@
f(...) { <...
(
-	iommu_attach_group(D, G)
+	dl_attach_group(&iommu->dl, D, G)
|
-	iommu_detach_group(D, G)
+	dl_detach_group(&iommu->dl, D, G)
)
...> }

// The mirror: every domain that MAP_DMA maps into, from its last error exit to just before it is freed.
// expect 1 dl_domain_add(
@domain_add@ @@
vfio_iommu_type1_attach_group(...) { <...
	list_add(&domain->next, &iommu->domain_list);
+	dl_domain_add(&iommu->dl, &domain->dl, domain->domain);
...> }

// expect 2 dl_domain_del(
@domain_del@ @@
vfio_iommu_type1_detach_group(...) { <...
+	dl_domain_del(&iommu->dl, &domain->dl);
	iommu_domain_free(domain->domain);
...> }

@domain_release@ @@
vfio_iommu_type1_release(...) { <...
+	dl_domain_del(&iommu->dl, &domain->dl);
	vfio_release_domain(domain);
...> }

// expect 1 VFIO_DAXLEASE
@extension@ @@
vfio_iommu_type1_ioctl(...) { <...
-	return vfio_iommu_type1_check_extension(iommu, arg);
+	return arg == VFIO_DAXLEASE ? 1 : vfio_iommu_type1_check_extension(iommu, arg);
...> }
