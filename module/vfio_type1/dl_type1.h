/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * daxlease in VFIO type1: what type1.cocci calls from vfio_iommu_type1.c, and the container, which
 * all of our files know.
 *
 *	type1.c -> dl_dma -> dl_seg -> dl_scratch -> dl_table, dl_mirror
 */
#ifndef DL_TYPE1_H
#define DL_TYPE1_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <daxlease.h>

struct dl_dma;
struct iommu_domain;
struct iommu_group;
struct page;

/**
 * struct dl_container - daxlease's part of a struct vfio_iommu
 * @lock: the mirror lock, taken by dl_lock() only. Guards @domains, @incoming, @segs and, of each
 *	segment, what is mapped
 * @domains: struct dl_domain; changed under iommu->lock and @lock, read under either
 * @incoming: the one of @domains that mappings are being replayed into, or NULL
 * @segs: struct dl_seg that are (being) mapped; changed under @lock
 * @users: one for the struct vfio_iommu, one for each struct dl_dma, one for the work
 * @ats: a device with ATS enabled is, or was, in it; iommu->lock
 * @scratch: memory in place of what was fenced, or NULL; set once, by @scratch_work
 * @scratch_order: of it
 * @scratch_work: maps it; queued or running work is a user
 * @iommu_lock: iommu->lock
 * @iommu: the struct vfio_iommu, freed with the last user
 */
struct dl_container {
	struct mutex lock;		/* the mirror lock */
	struct list_head domains;
	struct dl_domain *incoming;
	struct list_head segs;
	refcount_t users;
	bool ats;
	struct page *scratch;
	unsigned int scratch_order;
	struct work_struct scratch_work;
	struct mutex *iommu_lock;	/* of stock */
	void *iommu;
};

/**
 * struct dl_domain - daxlease's part of a struct vfio_domain
 * @node: in &dl_container.domains
 * @domain: the IOMMU domain; NULL before dl_domain_add()
 */
struct dl_domain {
	struct list_head node;
	struct iommu_domain *domain;
};

/* dl_mirror.c */
void dl_container_init(struct dl_container *c, struct mutex *iommu_lock, void *iommu);
void dl_container_put(struct dl_container *c);
unsigned int dl_lock(struct dl_container *c);
void dl_unlock(struct dl_container *c, unsigned int noio);

int dl_attach_group(struct dl_container *c, struct iommu_domain *domain,
		    struct iommu_group *group);
void dl_detach_group(struct dl_container *c, struct iommu_domain *domain,
		     struct iommu_group *group);
void dl_domain_ready(struct dl_container *c, struct dl_domain *dd);
void dl_domain_del(struct dl_container *c, struct dl_domain *dd);
int dl_domains_fit(struct dl_container *c);

/* dl_seg.c */
int dl_domain_add(struct dl_container *c, struct dl_domain *dd, struct iommu_domain *domain);

/* dl_scratch.c */
int dl_init(void);
void dl_exit(void);
void dl_scratch_setup(struct dl_container *c);
void dl_scratch_free(struct dl_container *c);

/* dl_dma.c */
int dl_map_begin(struct dl_container *c, struct dl_dma **dlp, dma_addr_t iova, unsigned long vaddr,
		 size_t size, int prot);
int dl_dma_new_owner(struct dl_dma *dl);
int dl_dma_map_at(struct dl_dma *dl, dma_addr_t iova, size_t *size, bool small_pages);
int dl_dma_replay_at(struct dl_dma *dl, dma_addr_t iova, size_t *size);
void dl_dma_release(struct dl_dma *dl);
dma_addr_t dl_dma_skip(const struct dl_dma *dl, dma_addr_t iova);
void dl_dma_unmap_gaps(const struct dl_dma *dl, struct iommu_domain *domain, dma_addr_t iova,
		       size_t size);
bool dl_dma_leases(const struct dl_dma *dl, dma_addr_t iova);
void dl_dma_free(struct dl_dma *dl);

#endif /* DL_TYPE1_H */
