// SPDX-License-Identifier: GPL-2.0
/*
 * The distribution's QEMU, unmodified, with guest memory on fs-dax and a passed-through device: what this project
 * exists for. The life of a machine: start, hot-plug, reset, all the ways to end.
 */
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "qemu.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define RAM	(64 * MIB)
#define SOON_MS	10000

static void stock_refuses(const struct test *t)
{
	struct qemu q;

	qemu_prepare(&q, t->dir, "q35", RAM);
	qemu_words(&q, "-device %s", qemu_edu(0));
	CHECK(!qemu_start(&q), "QEMU runs on the stock type1");
	CHECK(strstr(qemu_log(&q), "Operation not supported"), "%s", qemu_log(&q));
	CHECK(qemu_wait(&q));
	story("QEMU on the stock kernel: %s", qemu_log(&q));
}

static void starts(const struct test *t)
{
	struct qemu q;

	qemu_prepare(&q, t->dir, "q35", RAM);
	qemu_words(&q, "-device %s,addr=%d -S", qemu_edu(0), QEMU_SLOT);
	CHECK(qemu_start(&q), "%s", qemu_log(&q));
	CHECK(lease_count());
	qemu_enable_edu(&q);
	qemu_check_live(&q, q.ram, 8 * MIB, 8 * MIB, 0x11);
	qemu_check_live(&q, q.ram, RAM - PAGE, RAM - PAGE, 0x12);
	CHECK_PATTERN(q.ram, 8 * MIB + PAGE, RAM - 9 * MIB, QEMU_SEED);
	qemu_qmp(&q, "{\"execute\": \"quit\"}");
	CHECK_EQ(qemu_wait(&q), 0);
	CHECK_EQ(lease_count(), 0);
}

/* The guest's part of an unplug: ACPI's registers of i440fx select bus 0 and eject the slot */
static void unplug(struct qemu *q)
{
	qemu_qmp(q, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"edu\"}}");
	qemu_test(q, "outl 0xae10 0");
	qemu_test(q, "outl 0xae08 0x%x", 1U << QEMU_SLOT);
	CHECK(strstr(qemu_event(q, "DEVICE_DELETED"), "\"edu\""));
	CHECK_EQ(lease_count(), 0, "leases after the unplug");
}

static void plug(struct qemu *q)
{
	qemu_qmp(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"vfio-pci\", \"id\": \"edu\", "
		 "\"host\": \"%s\", \"addr\": \"%d\"}}", strchr(qemu_edu(0), '=') + 1, QEMU_SLOT);
	CHECK(lease_count());
	qemu_enable_edu(q);
}

/* A virtual NVDIMM on a file of its own, at run time: where the guest has it */
static uint64_t plug_nvdimm(struct qemu *q, const char *path, uint64_t size)
{
	qemu_qmp(q, "{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": \"memory-backend-file\", "
		 "\"id\": \"m2\", \"mem-path\": \"%s\", \"size\": %llu, \"share\": true, \"pmem\": true}}", path,
		 (unsigned long long)size);
	qemu_qmp(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"nvdimm\", \"id\": \"nv2\", "
		 "\"memdev\": \"m2\"}}");
	return qemu_nvdimm_address(q, "nv2");
}

static void life(const struct test *t)
{
	unsigned int leases;
	uint64_t address;
	struct qemu q;
	int nvdimm;

	nvdimm = file_create(path_in(t->dir, "nvdimm"), 16 * MIB, 2);
	qemu_prepare(&q, t->dir, "pc,nvdimm=on", RAM);
	qemu_words(&q, "-S");
	CHECK(qemu_start(&q), "%s", qemu_log(&q));
	CHECK_EQ(lease_count(), 0);

	plug(&q);
	qemu_check_live(&q, q.ram, 8 * MIB, 8 * MIB, 0x11);
	story("device_add: the device reaches guest memory");
	leases = lease_count();
	address = plug_nvdimm(&q, path_in(t->dir, "nvdimm"), 16 * MIB);
	CHECK(lease_count() > leases, "the new memory is not leased");
	qemu_check_live(&q, nvdimm, 14 * MIB, address + 14 * MIB, 0x12);
	story("object-add and device_add of an NVDIMM: it reaches that too");

	qemu_qmp(&q, "{\"execute\": \"system_reset\"}");
	qemu_event(&q, "RESET");
	qemu_enable_edu(&q);
	qemu_check_live(&q, q.ram, 8 * MIB, 8 * MIB, 0x13);
	qemu_check_live(&q, nvdimm, 14 * MIB, address + 14 * MIB, 0x14);

	unplug(&q);
	plug(&q);
	qemu_check_live(&q, nvdimm, 0, address, 0x15);
	story("system_reset, device_del, device_add: both again");
	qemu_qmp(&q, "{\"execute\": \"quit\"}");
	CHECK_EQ(qemu_wait(&q), 0);
	CHECK_EQ(lease_count(), 0);
	CHECK_PATTERN(nvdimm, MIB, 13 * MIB, 2);
	CHECK_PATTERN(q.ram, 8 * MIB + PAGE, RAM - 8 * MIB - PAGE, QEMU_SEED);
}

static void killed(const struct test *t)
{
	struct qemu q;

	qemu_prepare(&q, t->dir, "q35,nvdimm=on", RAM);
	close(file_create(path_in(t->dir, "nvdimm"), 16 * MIB, 2));
	qemu_words(&q, "-object memory-backend-file,id=m2,mem-path=%s/nvdimm,size=16M,share=on,pmem=on", t->dir);
	qemu_words(&q, "-device nvdimm,id=nv2,memdev=m2 -device %s,addr=%d -S", qemu_edu(0), QEMU_SLOT);
	CHECK(qemu_start(&q), "%s", qemu_log(&q));
	CHECK(lease_count() > 1);
	CHECK_SYS(kill(q.pid, SIGKILL));
	CHECK_EQ(qemu_wait(&q), 128 + SIGKILL);
	CHECK_EQ(lease_count(), 0);
}

const struct testcase qemu_cases[] = {
	{ "qemu-stock-refuses",
	  "QEMU with RAM on fs-dax and a passed-through device does not start on the stock kernel",
	  stock_refuses, ON_ANY | STOCK_ONLY | NEEDS_STOCK | DEMO_QEMU, 60 },
	{ "qemu-starts",
	  "unmodified QEMU starts with RAM on fs-dax and a passed-through device, which reads and writes guest memory",
	  starts, ON_ANY | STOCK_ONLY | NEEDS_VFIO | DEMO_QEMU, 60 },
	{ "qemu-plugs-and-resets",
	  "device and memory hot-plug, reset, unplug, quit of QEMU: each mapping is a lease, and none is left",
	  life, ON_XFS | STOCK_ONLY | NEEDS_VFIO | DEMO_QEMU, 240 },
	{ "qemu-killed-leaves-nothing",
	  "SIGKILL of a QEMU with an NVDIMM and a passed-through device leaves no lease",
	  killed, ON_XFS | STOCK_ONLY | NEEDS_VFIO, 60 },
	{ 0 }
};
