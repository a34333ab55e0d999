// SPDX-License-Identifier: GPL-2.0
/*
 * Registers are those of QEMU's docs/specs/edu. QEMU before 8 ends with an error when a transfer uses the
 * last byte of the device's memory (an off-by-one in its range check): blocks of half that size avoid it.
 */
#include "edu.h"
#include "harness.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REG_IDENT	0x00
#define REG_IRQ_STATUS	0x24
#define REG_IRQ_ACK	0x64
#define REG_DMA_SRC	0x80
#define REG_DMA_DST	0x88
#define REG_DMA_COUNT	0x90
#define REG_DMA_CMD	0x98

#define DMA_START	1ULL
#define DMA_TO_MEMORY	2ULL
#define DMA_IRQ		4ULL
#define IRQ_DMA_DONE	0x100

#define EDU_MEMORY	0x40000		/* the device's own memory, as its DMA engine addresses it */
#define STAGE_SIZE	4096
#define DMA_TIMEOUT_MS	10000

static void put32(struct edu *e, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)((volatile char *)e->vfio.bar + reg) = value;
}

static uint32_t get32(struct edu *e, unsigned int reg)
{
	return *(volatile uint32_t *)((volatile char *)e->vfio.bar + reg);
}

static void put64(struct edu *e, unsigned int reg, uint64_t value)
{
	*(volatile uint64_t *)((volatile char *)e->vfio.bar + reg) = value;
}

static uint64_t get64(struct edu *e, unsigned int reg)
{
	return *(volatile uint64_t *)((volatile char *)e->vfio.bar + reg);
}

void edu_open(struct edu *e)
{
	vfio_open(&e->vfio);
	CHECK_EQ(get32(e, REG_IDENT) & 0xff, 0xed, "not an edu device");
	e->stage = mmap(NULL, STAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(e->stage != MAP_FAILED);
	CHECK_RET(vfio_map(&e->vfio, e->stage, EDU_STAGE, STAGE_SIZE, VFIO_RW), 0);
}

void edu_close(struct edu *e)
{
	vfio_close(&e->vfio);
	munmap(e->stage, STAGE_SIZE);
}

void edu_dma(struct edu *e, uint64_t iova, unsigned int len, bool to_memory)
{
	uint64_t count;

	CHECK(len && len <= EDU_BLOCK);
	CHECK(!(get64(e, REG_DMA_CMD) & DMA_START), "the device is busy");
	put64(e, REG_DMA_SRC, to_memory ? EDU_MEMORY : iova);
	put64(e, REG_DMA_DST, to_memory ? iova : EDU_MEMORY);
	put64(e, REG_DMA_COUNT, len);
	put64(e, REG_DMA_CMD, DMA_START | DMA_IRQ | (to_memory ? DMA_TO_MEMORY : 0));
	CHECK(wait_readable(e->vfio.irq, DMA_TIMEOUT_MS), "no interrupt from the device");
	CHECK_EQ(read(e->vfio.irq, &count, sizeof(count)), sizeof(count));
	CHECK(get32(e, REG_IRQ_STATUS) & IRQ_DMA_DONE);
	put32(e, REG_IRQ_ACK, IRQ_DMA_DONE);
	CHECK(!(get64(e, REG_DMA_CMD) & DMA_START), "an interrupt, but the command goes on");
}

static size_t block(size_t len)
{
	return len < EDU_BLOCK ? len : EDU_BLOCK;
}

void device_write(struct edu *e, uint64_t iova, const void *buf, size_t len)
{
	for (size_t n; len; len -= n, iova += n, buf = (const char *)buf + n) {
		n = block(len);
		memcpy(e->stage, buf, n);
		edu_dma(e, EDU_STAGE, n, false);
		edu_dma(e, iova, n, true);
	}
}

void device_fill(struct edu *e, uint64_t iova, unsigned char byte, size_t len)
{
	memset(e->stage, byte, block(len));
	edu_dma(e, EDU_STAGE, block(len), false);
	for (size_t n; len; len -= n, iova += n) {
		n = block(len);
		edu_dma(e, iova, n, true);
	}
}

void device_take(struct edu *e, uint64_t iova, void *buf, size_t len)
{
	CHECK(len <= EDU_BLOCK);
	edu_dma(e, iova, len, false);
	edu_dma(e, EDU_STAGE, len, true);
	memcpy(buf, e->stage, len);
}

void device_read(struct edu *e, uint64_t iova, void *buf, size_t len)
{
	for (size_t n; len; len -= n, iova += n, buf = (char *)buf + n) {
		n = block(len);
		memset(e->stage, EDU_POISON, n);
		edu_dma(e, EDU_STAGE, n, false);
		device_take(e, iova, buf, n);
	}
}
