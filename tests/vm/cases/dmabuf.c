// SPDX-License-Identifier: GPL-2.0
/*
 * A lease as a dma-buf that a device imports (modules/dl_test_importer.c, the edu device behind the IOMMU). Debian's kernel has
 * CONFIG_DMABUF_MOVE_NOTIFY off, so that the dma-buf core pins before each mapping; the debug kernel has it on.
 */
#include "breaker.h"
#include "fault.h"
#include "file.h"
#include "harness.h"
#include "lease.h"
#include "testmodule.h"
#include "../modules/importer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MODULE		"dl_test_importer"
#define SIZE		(4 * MIB)
#define SEED		41
#define FILL_SEED	42
#define BLOCK		512
#define LONG_GRACE	(25000 * MS)	/* no case waits for its end */
#define SHORT_GRACE	(100 * MS)
#define SOON_MS		20000

/**
 * struct imported - a file, a lease on it, a dma-buf of that, and an importer that has it mapped
 */
struct imported {
	const char *path;
	int fd;
	int ctx;
	struct daxlease_acquire lease;
	int buf;
	int importer;
};

static int call(int importer, unsigned long cmd, void *arg)
{
	return ioctl(importer, cmd, arg) ? -errno : 0;
}

static struct importer_state state_of(const struct imported *i)
{
	struct importer_state s;

	CHECK_RET(call(i->importer, IMPORTER_STATE, &s), 0);
	return s;
}

static int attach(struct imported *i, enum importer_temper temper)
{
	struct importer_attach a = { .fd = i->buf, .temper = temper };

	i->importer = CHECK_SYS(open("/dev/daxlease-importer", O_RDWR | O_CLOEXEC));
	return call(i->importer, IMPORTER_ATTACH, &a);
}

static void lease_file(struct imported *i, const char *path, uint64_t grace)
{
	i->path = path;
	i->fd = file_create(path, SIZE, SEED);
	i->ctx = lease_open();
	CHECK_RET(lease_acquire(i->ctx, i->fd, 0, SIZE, DAXLEASE_WRITE, grace, &i->lease), 0);
	CHECK_RET(lease_export(i->ctx, i->lease.id, 0, SIZE, O_RDWR | O_CLOEXEC, &i->buf), 0);
}

static void import(struct imported *i, const char *path, uint64_t grace, enum importer_temper temper)
{
	lease_file(i, path, grace);
	CHECK_RET(attach(i, temper), 0);
	CHECK_RET(call(i->importer, IMPORTER_MAP, NULL), 0);
	CHECK_EQ(state_of(i).mapped, 1);
}

static void device_writes(const struct imported *i, uint64_t offset)
{
	struct importer_dma dma = { .offset = offset, .length = BLOCK };

	CHECK_RET(call(i->importer, IMPORTER_DMA, &dma), 0);
}

static void check_reaches(const struct imported *i, uint64_t offset)
{
	device_writes(i, offset);
	CHECK_EQ(file_differs_from_byte(i->fd, offset, BLOCK, IMPORTER_BYTE), -1, "what the device wrote");
}

static void check_refused(const struct imported *i, uint64_t offset)
{
	struct fault_log log;

	fault_mark(&log);
	device_writes(i, offset);
	CHECK(fault_wait(&log, state_of(i).address + offset, BLOCK, true), "the device still reaches the pages");
	fault_close(&log);
	CHECK_RET(call(i->importer, IMPORTER_MAP, NULL), -EKEYREVOKED);
}

static void device_is_fenced(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .length = SIZE };
	struct daxlease_event ev;
	uint64_t freed, size;
	struct imported i;
	struct breaker b;
	int filler;

	test_module_load(t, MODULE, "");
	import(&i, path_in(t->dir, "file"), LONG_GRACE, IMPORTER_LETS_GO);
	CHECK_EQ(state_of(&i).move_notify, t->debug, "CONFIG_DMABUF_MOVE_NOTIFY");
	check_reaches(&i, MIB);
	CHECK_PATTERN(i.fd, MIB + BLOCK, SIZE - MIB - BLOCK, SEED);
	story("a device that imports the dma-buf of a lease writes to the file");
	freed = file_physical(i.fd, MIB);
	file_take_free(path_in(t->dir, "rest"));

	op.path = i.path;
	breaker_start(&b, &op);
	CHECK(lease_wait(i.ctx, i.lease.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS), "no break event");
	CHECK_EQ(state_of(&i).notified, 0, "told during the grace");
	check_reaches(&i, 2 * MIB);
	CHECK_RET(lease_ack(i.ctx, ev.id, ev.generation, ev.break_id), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	CHECK_EQ(state_of(&i).notified, 1);
	CHECK_EQ(state_of(&i).mapped, 0);

	filler = file_fill_free(path_in(t->dir, "filler"), FILL_SEED, &size);
	CHECK(file_owns(filler, freed, PAGE), "the freed blocks are not in the other file");
	check_refused(&i, MIB);
	CHECK_PATTERN(filler, 0, size, FILL_SEED);
	story("punched: the importer let go, the device's writes fault, the file that has the blocks now is intact");
}

static void maps_again_in_vain(const char *path)
{
	struct op op = { .kind = OP_PUNCH, .path = path, .length = SIZE };
	struct imported i;

	import(&i, path, SHORT_GRACE, IMPORTER_AGAIN);
	check_reaches(&i, 0);
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK_EQ(state_of(&i).notified, 1);
	CHECK_EQ(state_of(&i).mapped, 0);
	CHECK_RET(state_of(&i).again, -EKEYREVOKED);
	check_refused(&i, 0);
	line(true, "one that maps again at once gets EKEYREVOKED, and the device nothing");
}

static void holds_up_who_frees(const char *path)
{
	struct op op = { .kind = OP_PUNCH, .path = path, .length = SIZE };
	int64_t end = now_ns() + SOON_MS * 1000000LL;
	struct imported i;
	struct breaker b;

	import(&i, path, SHORT_GRACE, IMPORTER_NEVER);
	breaker_start(&b, &op);
	while (state_of(&i).notified < 2) {
		CHECK(now_ns() < end, "it is not asked again");
		usleep(20000);
	}
	CHECK(!breaker_done(&b), "blocks were freed while a device has them mapped");
	check_reaches(&i, MIB);
	CHECK_RET(call(i.importer, IMPORTER_UNMAP, NULL), 0);
	CHECK_RET(breaker_join(&b, SOON_MS).ret, 0);
	check_refused(&i, MIB);
	line(true, "one that never lets go keeps the operation waiting until it does");
}

static void importers_of_every_temper(const struct test *t)
{
	struct imported i;

	test_module_load(t, MODULE, "");
	maps_again_in_vain(path_in(t->dir, "again"));
	holds_up_who_frees(path_in(t->dir, "never"));
	lease_file(&i, path_in(t->dir, "stranger"), SHORT_GRACE);
	CHECK_RET(attach(&i, IMPORTER_STRANGER), -EOPNOTSUPP);
	line(true, "one that is not known to let go is refused");
}

const struct testcase dmabuf_cases[] = {
	{ "dma-buf-device-is-fenced", "a device that has imported a lease reaches the file until the fence, and nothing afterwards",
	  device_is_fenced, ON_XFS | NEEDS_CORE, 60 },
	{ "dma-buf-importers-of-every-temper", "an importer that maps again gets nothing, one that holds on holds up who frees, a stranger is refused",
	  importers_of_every_temper, ON_EXT4 | NEEDS_CORE, 60 },
	{ 0 }
};
