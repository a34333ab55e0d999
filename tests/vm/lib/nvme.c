// SPDX-License-Identifier: GPL-2.0
/* Registers, commands and completions are those of the NVM Express base specification, revision 1.4 */
#include "nvme.h"
#include "harness.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define REG_SQ_TAIL	0x1000		/* doorbells of queue 0, stride 4 */
#define REG_CQ_HEAD	0x1004

#define CC_ENABLE	((4U << 20) | (6U << 16) | 1)	/* entries of 16 and 64 bytes, pages of 4 KiB */
#define CSTS_READY	1U
#define CSTS_FATAL	2U
#define IDENTIFY	0x06
#define CNS_CONTROLLER	1

#define ENTRIES		256
#define PAGE		4096
#define SQ		0
#define CQ		(4 * PAGE)
#define TARGET		(5 * PAGE)
#define STAGE_SIZE	(6 * PAGE)
#define TIMEOUT_MS	20000

struct command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t namespace;
	uint64_t reserved;
	uint64_t metadata;
	uint64_t prp[2];
	uint32_t dword[6];
};

struct completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t head;
	uint16_t queue;
	uint16_t id;
	uint16_t status;	/* bit 0: phase */
};

_Static_assert(sizeof(struct command) == 64, "as the specification has it");
_Static_assert(sizeof(struct completion) == 16, "as the specification has it");
_Static_assert(ENTRIES > NVME_BATCH && ENTRIES * sizeof(struct command) == CQ - SQ, "queues are full");

static void put32(struct nvme *n, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)((volatile char *)n->vfio.bar + reg) = value;
}

static uint32_t get32(struct nvme *n, unsigned int reg)
{
	return *(volatile uint32_t *)((volatile char *)n->vfio.bar + reg);
}

static void put64(struct nvme *n, unsigned int reg, uint64_t value)
{
	put32(n, reg, (uint32_t)value);
	put32(n, reg + 4, value >> 32);
}

/* QEMU's controller changes its state within the write to its register */
static void start(struct nvme *n)
{
	put32(n, REG_CC, 0);
	CHECK(!(get32(n, REG_CSTS) & CSTS_READY));
	put32(n, REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	put64(n, REG_ASQ, NVME_STAGE + SQ);
	put64(n, REG_ACQ, NVME_STAGE + CQ);
	put32(n, REG_CC, CC_ENABLE);
	CHECK_EQ(get32(n, REG_CSTS) & (CSTS_READY | CSTS_FATAL), CSTS_READY, "the controller does not start");
}

void nvme_open(struct nvme *n)
{
	const uint64_t target = NVME_STAGE + TARGET;

	*n = (struct nvme){ .phase = 1 };
	vfio_open_nvme(&n->vfio);
	n->queues = mmap(NULL, STAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(n->queues != MAP_FAILED);
	CHECK_RET(vfio_map(&n->vfio, n->queues, NVME_STAGE, STAGE_SIZE, VFIO_RW), 0);
	start(n);
	nvme_write_pages(n, &target, 1);
}

/* Takes the completions that are there: how many */
static unsigned int complete(struct nvme *n)
{
	volatile struct completion *c = (volatile struct completion *)(n->queues + CQ) + n->head;
	unsigned int done = 0;

	for (; (c->status & 1) == n->phase; done++) {
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		CHECK_EQ(c->status >> 1, 0, "command %u has failed", c->id);
		n->head = (n->head + 1) % ENTRIES;
		n->phase ^= !n->head;
		c = (volatile struct completion *)(n->queues + CQ) + n->head;
	}
	if (done)
		put32(n, REG_CQ_HEAD, n->head);
	return done;
}

void nvme_write_pages(struct nvme *n, const uint64_t *iova, unsigned int count)
{
	struct command *c = (struct command *)(n->queues + SQ);
	unsigned int done = 0;
	uint64_t interrupts;

	CHECK(count && count <= NVME_BATCH);
	for (unsigned int i = 0; i < count; i++) {
		c[n->tail] = (struct command){
			.opcode = IDENTIFY, .id = i, .prp = { iova[i] }, .dword = { CNS_CONTROLLER },
		};
		n->tail = (n->tail + 1) % ENTRIES;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	put32(n, REG_SQ_TAIL, n->tail);
	/*
	 * A device says nothing because it was told nothing, because it stopped when it could not reach its queues
	 * (CSTS), or because nobody heard its interrupt
	 */
	while ((done += complete(n)) < count) {
		CHECK(wait_readable(n->vfio.irq, TIMEOUT_MS),
		      "no interrupt in %d ms: %u of %u commands completed, %u more by now; CSTS %#x", TIMEOUT_MS, done,
		      count, complete(n), get32(n, REG_CSTS));
		CHECK_EQ(read(n->vfio.irq, &interrupts, sizeof(interrupts)), sizeof(interrupts));
	}
}

const void *nvme_page(const struct nvme *n)
{
	return n->queues + TARGET;
}
