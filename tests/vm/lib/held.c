// SPDX-License-Identifier: GPL-2.0
#include "held.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEASES	"/sys/kernel/debug/daxlease/leases"
#define BLOCK	512	/* of the accesses that only have to work or not */

/* Of any offset, if @offset is -1 */
static uint64_t find_implicit(ino_t ino, uint64_t offset)
{
	static char table[1 << 20];
	uint64_t id, on, at;
	int n;

	CHECK(read_text(LEASES, table, sizeof(table)) > 0);
	for (char *save, *l = strtok_r(table, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		n = sscanf(l, "%" SCNu64 " implicit %*s %*u %*u:%*u %" SCNu64 " %" SCNu64, &id, &on, &at);
		if (*l != '#' && n == 3 && on == ino && (offset == UINT64_MAX || offset == at))
			return id;
	}
	return 0;
}

uint64_t held_lease_on(ino_t ino)
{
	return find_implicit(ino, UINT64_MAX);
}

uint64_t held_lease_at(ino_t ino, uint64_t offset)
{
	return find_implicit(ino, offset);
}

void held_open(struct held *h, const char *dir, uint64_t size, uint64_t grace_ns)
{
	struct stat st;

	*h = (struct held){ .size = size, .ctx = -1 };
	snprintf(h->path, sizeof(h->path), "%s/held", dir);
	h->fd = file_create(h->path, size, HELD_SEED);
	h->map = file_map(h->fd, 0, size);
	edu_open(&h->edu);
	if (grace_ns)
		h->ctx = lease_open_watching(grace_ns);
	CHECK_RET(vfio_map(&h->edu.vfio, h->map, HELD_IOVA, size, VFIO_RW), 0);
	CHECK_SYS(fstat(h->fd, &st));
	h->lease = held_lease_on(st.st_ino);
	CHECK(h->lease, "MAP_DMA took no lease");
}

void held_forget(struct held *h)
{
	CHECK_SYS(munmap(h->map, h->size));
	CHECK_SYS(close(h->fd));
	h->map = NULL;
	h->fd = -1;
}

/*
 * The device writes what is not there, then reads what somebody else has put back: what it reads it cannot have from
 * before. A command of the device takes 100 ms, so as few as will do.
 */
void held_check_live(struct held *h, int fd, uint64_t offset)
{
	unsigned char want[BLOCK], got[BLOCK];
	struct fault_log log;

	fault_mark(&log);
	CHECK_EQ(pread(fd, want, BLOCK, offset), BLOCK);
	for (int i = 0; i < BLOCK; i++)
		got[i] = want[i] ^ 0xff;
	device_write(&h->edu, HELD_IOVA + offset, got, BLOCK);
	CHECK_EQ(pread(fd, got, BLOCK, offset), BLOCK);
	for (int i = 0; i < BLOCK; i++)
		CHECK_EQ(got[i], want[i] ^ 0xff, "a device write at %" PRIu64 " did not arrive", offset);
	CHECK_EQ(pwrite(fd, want, BLOCK, offset), BLOCK);
	device_take(&h->edu, HELD_IOVA + offset, got, BLOCK);
	CHECK(!memcmp(want, got, BLOCK), "the device reads something else at %" PRIu64, offset);
	CHECK_EQ(fault_count(&log), 0, "an access to a live granule faulted");
	fault_close(&log);
}

void held_check_fenced(struct held *h, uint64_t offset)
{
	struct fault_log log;

	fault_mark(&log);
	device_fill(&h->edu, HELD_IOVA + offset, 0xee, BLOCK);
	CHECK(fault_wait(&log, HELD_IOVA + offset, BLOCK, true), "a device write at %" PRIu64
	      " raised no fault", offset);
	edu_dma(&h->edu, HELD_IOVA + offset, BLOCK, false);
	CHECK(fault_wait(&log, HELD_IOVA + offset, BLOCK, false), "a device read at %" PRIu64
	      " raised no fault", offset);
	fault_close(&log);
}
