// SPDX-License-Identifier: GPL-2.0-only
//
// daxlease's hooks in drivers/vfio/vfio_iommu_type1.c of Linux 6.12. What they do is in dl_dma.c and
// dl_mirror.c.
//
// source drivers/vfio/vfio_iommu_type1.c
// source drivers/vfio/vfio.h
// patch vfio_iommu_type1.c type1.c
//
// "expect N TEXT": the result has TEXT in N lines. ../dropin checks it, so that a rule that does not match is
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

// A vaddr update from another process (a child, or after exec) takes the leases along.
// expect 1 dl_dma_new_owner(
@owner@ @@
vfio_dma_do_map(...) { <...
	ret = vfio_change_dma_owner(dma);
	if (ret)
		goto out_unlock;
+	ret = dl_dma_new_owner(dma->dl);
+	if (ret)
+		goto out_unlock;
...> }

// Segments are ours; what is between them stock pins, and no further than to the next segment.
// expect 2 size_t dl_size;
// expect 1 dl_dma_map_at(
// expect 1 dl_size >> PAGE_SHIFT
@map@
expression V, P, L, B;
@@
vfio_pin_map_dma(...) {
	... when any
	size_t size = map_size;
+	size_t dl_size;
	... when any
	while (size) {
+		dl_size = size;
+		ret = dl_dma_map_at(dma->dl, iova + dma->size, &dl_size, disable_hugepages);
+		if (ret < 0)
+			break;
+		if (ret) {
+			ret = 0;
+			size -= dl_size;
+			dma->size += dl_size;
+			continue;
+		}
		npage = vfio_pin_pages_remote(dma, V,
-			size >> PAGE_SHIFT,
+			dl_size >> PAGE_SHIFT,
			P, L, B);
		...
	}
	... when any
}

// Nobody may pin pages behind a lease.
// expect 1 dl_dma_leases(
@pin@ @@
vfio_iommu_type1_pin_pages(...) { <...
+	if (dl_dma_leases(dma->dl, iova)) {
+		ret = -EOPNOTSUPP;
+		goto pin_unwind;
+	}
	vpfn = vfio_iova_get_vfio_pfn(dma, iova);
...> }

// UNMAP_DMA, close, a failed MAP_DMA, and the last domain of a container that keeps emulated groups:
// segments first, then stock, over the gaps only.
// expect 1 dl_dma_release(
// expect 1 dl_dma_skip(
// expect 1 dl_dma_unmap_gaps(
@unmap@ @@
vfio_unmap_unpin(...) {
	... when any
	long unlocked = 0;
+
+	dl_dma_release(dma->dl);
	... when any
}

@unmap_gaps@
expression D;
@@
vfio_unmap_unpin(...) { <...
(
-	iommu_unmap(D, dma->iova, dma->size);
+	dl_dma_unmap_gaps(dma->dl, D, dma->iova, dma->size);
|
+	iova = dl_dma_skip(dma->dl, iova);
+	if (iova >= end)
+		break;
	phys = iommu_iova_to_phys(domain->domain, iova);
)
...> }

// expect 1 dl_dma_free(dma->dl)
@remove@ @@
vfio_remove_dma(...) { <...
+	dl_dma_free(dma->dl);
	kfree(dma);
...> }

// A new domain: fences reach it from before the first mapping in it to just before it is freed. What stock
// finds mapped in another domain it copies, a gap at a time. When that fails the domain is thrown away
// whole: no unmap over what may be holes.
// expect 1 dl_domain_add(
// expect 1 dl_dma_replay_at(
// expect 1 i < iova + dl_size
// expect 1 if (!dma->dl)
@replay@ @@
vfio_iommu_replay(...) { <...
+	ret = dl_domain_add(&iommu->dl, &domain->dl, domain->domain);
+	if (ret)
+		return ret;
	vfio_batch_init(&batch);
...> }

@replay_size@ @@
vfio_iommu_replay(...) {
	... when any
	int ret;
+	size_t dl_size;
	... when any
}

@replay_gaps@ @@
vfio_iommu_replay(...) { <...
(
+	dl_size = dma->iova + dma->size - iova;
+	ret = dl_dma_replay_at(dma->dl, iova, &dl_size);
+	if (ret < 0)
+		goto unwind;
+	if (ret) {
+		iova += dl_size;
+		continue;
+	}
	if (dma->iommu_mapped) {
		<...
-		i < dma->iova + dma->size
+		i < iova + dl_size
		...>
	} else { ... }
|
-	iommu_unmap(domain->domain, dma->iova, dma->size);
+	if (!dma->dl)
+		iommu_unmap(domain->domain, dma->iova, dma->size);
	continue;
)
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

// expect 1 dl_domain_ready(
@domain_ready@ @@
vfio_iommu_type1_attach_group(...) { <...
	list_add(&domain->next, &iommu->domain_list);
+	dl_domain_ready(&iommu->dl, &domain->dl);
...> }

// expect 4 dl_domain_del(
@domain_del@
identifier f = {vfio_iommu_type1_attach_group, vfio_iommu_type1_detach_group};
@@
f(...) { <...
+	dl_domain_del(&iommu->dl, &domain->dl);
	iommu_domain_free(domain->domain);
...> }

@domain_release@ @@
vfio_iommu_type1_release(...) { <...
+	dl_domain_del(&iommu->dl, &domain->dl);
	vfio_release_domain(domain);
...> }

// expect 1 dl_init(
// expect 2 dl_exit(
@init@
expression E;
@@
vfio_iommu_type1_init(...) {
+	int ret = dl_init();
+
+	if (ret)
+		return ret;
-	return vfio_register_iommu_driver(E);
+	ret = vfio_register_iommu_driver(E);
+	if (ret)
+		dl_exit();
+	return ret;
}

@exit@
expression E;
@@
vfio_iommu_type1_cleanup(...) {
	vfio_unregister_iommu_driver(E);
+	dl_exit();
}

// expect 1 DAXLEASE_VFIO_EXTENSION
@extension@ @@
vfio_iommu_type1_ioctl(...) { <...
-	return vfio_iommu_type1_check_extension(iommu, arg);
+	return arg == DAXLEASE_VFIO_EXTENSION ? 1 : vfio_iommu_type1_check_extension(iommu, arg);
...> }
