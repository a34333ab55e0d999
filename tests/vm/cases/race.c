// SPDX-License-Identifier: GPL-2.0
/* Operations and acquisitions that come between each other. */
#include "breaker.h"
#include "file.h"
#include "harness.h"
#include "held.h"
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_GRACE	(25000 * MS)
#define SHORT_GRACE	(300 * MS)
#define SOON_MS		10000
#define FILL_SEED	9

#define QUEUED		12

struct again {
	const char *path;
	atomic_bool stop;
	unsigned int leases;
	sem_t leased;		/* posted for each */
};

/* Makes the file long again, leases the end, gives way at the first event, and begins anew */
static void *lease_again(void *arg)
{
	struct again *a = arg;
	struct daxlease_acquire acq;
	struct daxlease_event ev;
	int ctx = lease_open(), fd = CHECK_SYS(open(a->path, O_RDWR | O_CLOEXEC)), ret;

	while (!atomic_load(&a->stop)) {
		CHECK_SYS(ftruncate(fd, 8 * MIB));
		ret = lease_acquire(ctx, fd, 4 * MIB, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &acq);
		if (ret == -EINVAL || ret == -EAGAIN || ret == -EFAULT)
			continue;	/* truncated or barred meanwhile */
		CHECK_RET(ret, 0);
		a->leases++;
		sem_post(&a->leased);
		while (!atomic_load(&a->stop) && !lease_wait(ctx, acq.id, DAXLEASE_EVENT_BREAK, &ev, 50))
			;
		CHECK_RET(lease_release(ctx, acq.id), 0);
	}
	close(fd);
	close(ctx);
	return NULL;
}

static void queued_truncates(const struct test *t)
{
	struct op op = { .kind = OP_TRUNCATE, .path = path_in(t->dir, "file"), .offset = 4 * MIB };
	struct again a = { .path = op.path };
	struct breaker b[QUEUED];
	pthread_t thread;

	close(file_create(op.path, 8 * MIB, 1));
	CHECK_SYS(sem_init(&a.leased, 0, 0));
	CHECK_EQ(pthread_create(&thread, NULL, lease_again, &a), 0);
	CHECK_SYS(sem_wait(&a.leased));
	for (int i = 0; i < QUEUED; i++)
		breaker_start(&b[i], &op);
	for (int i = 0; i < QUEUED; i++)
		CHECK_RET(breaker_join(&b[i], 60000).ret, 0, "truncate %d of %d", i, QUEUED);
	atomic_store(&a.stop, true);
	pthread_join(thread, NULL);
	CHECK_EQ(lease_count(), 0);
	CHECK(a.leases, "never leased");
	story("%d truncates at once against a holder that leases again at once (%u times): all finished",
	      QUEUED, a.leases);
}

static void interrupted_breaker(const struct test *t)
{
	struct op op = { .kind = OP_PUNCH, .path = path_in(t->dir, "file"), .offset = 0, .length = MIB };
	struct daxlease_acquire a, other;
	struct breaker_result result;
	struct daxlease_event ev;
	struct breaker b;
	int ctx, fd;

	fd = file_create(op.path, 8 * MIB, 1);
	ctx = lease_open();
	CHECK_RET(lease_acquire(ctx, fd, 0, 4 * MIB, DAXLEASE_WRITE, LONG_GRACE, &a), 0);
	breaker_start(&b, &op);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_RET(lease_acquire(ctx, fd, 0, MIB, DAXLEASE_WRITE, 0, NULL), -EAGAIN, "a barred range was leased");
	breaker_kill(&b, SIGKILL);
	result = breaker_join(&b, SOON_MS);
	CHECK(result.killed, "truncate could not be killed while it waited");
	CHECK_PATTERN(fd, 0, 8 * MIB, 1);

	/* The bar went with it; its break ends as breaks end */
	CHECK_RET(lease_acquire(ctx, fd, 4 * MIB, MIB, DAXLEASE_WRITE, LONG_GRACE, &other), 0);
	CHECK_EQ(lease_state(ctx, a.id), DAXLEASE_BREAKING);
	CHECK_RET(lease_ack(ctx, a.id, a.generation, ev.break_id), 0);
	CHECK_RET(lease_acquire(ctx, fd, 0, MIB, DAXLEASE_WRITE, LONG_GRACE, NULL), 0, "the bar outlived its breaker");
	CHECK_EQ(lease_state(ctx, other.id), DAXLEASE_ACTIVE);
	story("a waiting fallocate is killed: it is gone at once, nothing was punched, and the range can be "
	      "leased again");
}

/* A loop device punches below vfs_fallocate(): the gate alone sees it, on every filesystem */
static void gate_holds_loop(const struct test *t)
{
	const char *path = path_in(t->dir, "disk");
	struct daxlease_acquire a;
	struct daxlease_event ev;
	int ctx, fd;

	fd = file_create(path, 8 * MIB, 1);
	ctx = lease_open();
	CHECK_EQ(shell("modprobe -C /dev/null loop; losetup /dev/loop3 %s", path), 0, "no loop device");
	CHECK_RET(lease_acquire(ctx, fd, 0, 8 * MIB, DAXLEASE_WRITE, SHORT_GRACE, &a), 0);
	CHECK_EQ(shell("blkdiscard -f -o 2097152 -l 2097152 /dev/loop3"), 0);
	CHECK(lease_wait(ctx, a.id, DAXLEASE_EVENT_BREAK, &ev, SOON_MS));
	CHECK_EQ(ev.reason, DAXLEASE_REASON_LAYOUT);
	CHECK_EQ(lease_lost(ctx, a.id), 4, "an unrecorded operation takes the whole file");
	CHECK_EQ(file_differs_from_byte(fd, 2 * MIB, 2 * MIB, 0), -1);
	CHECK_EQ(shell("losetup -d /dev/loop3"), 0);
	CHECK_PATTERN(fd, 0, 2 * MIB, 1);
	CHECK_PATTERN(fd, 4 * MIB, 4 * MIB, 1);
}

static void swapext_fences(const struct test *t)
{
	struct op op = { .kind = OP_SWAPEXT, .other = path_in(t->dir, "donor") };
	struct daxlease_event ev;
	struct extent before;
	uint64_t size;
	struct held h;
	int victim;

	held_open(&h, t->dir, 4 * MIB, LONG_GRACE);
	close(file_create(op.other, 4 * MIB, 3));
	op.path = h.path;
	CHECK(file_extents(h.fd, 0, 4 * MIB, &before, 1));
	held_check_live(&h, h.fd, MIB);
	CHECK_SYS(fsync(h.fd));
	munmap(h.map, h.size);		/* swapext refuses a mapped file */
	CHECK_RET(breaker_run(&op, SOON_MS).ret, 0);
	CHECK(lease_wait(h.ctx, h.lease, DAXLEASE_EVENT_FENCED, &ev, SOON_MS), "swapext went unnoticed");
	CHECK(ev.flags & DAXLEASE_FLAG_EMERGENCY);
	CHECK_EQ(ev.reason, DAXLEASE_REASON_INVALIDATE);
	CHECK_PATTERN(h.fd, 0, 4 * MIB, 3);
	CHECK_SYS(unlink(op.other));
	victim = file_fill_free(path_in(t->dir, "victim"), FILL_SEED, &size);
	CHECK(file_owns(victim, before.physical, before.length), "the donor's blocks were not reused");
	for (uint64_t offset = 0; offset < 4 * MIB; offset += MIB)
		held_check_fenced(&h, offset);
	CHECK_PATTERN(victim, 0, size, FILL_SEED);
	story("XFS swapext gives the leased blocks to a donor, which asks nobody: fenced before the swap "
	      "(EMERGENCY); donor deleted, blocks reused by a victim: the device cannot touch it");
}

struct swapper {
	atomic_bool stop;
	atomic_int swaps;
	int other;
	void *addr;
	uint64_t size;
};

/* Puts another file in the place of the one that is being mapped for the device, again and again */
static void *swap_window(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop)) {
		CHECK(mmap(s->addr, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->other, 0) == s->addr);
		atomic_fetch_add(&s->swaps, 1);
	}
	return NULL;
}

static void swapped_window(const struct test *t)
{
	const uint64_t size = 8 * MIB;
	unsigned int mapped = 0, refused = 0;
	unsigned char block[512], got[512];
	struct stat mine, other;
	struct swapper s = { .size = size };
	struct edu e;
	pthread_t thread;
	int fd, ret;

	fd = file_create(path_in(t->dir, "mine"), size, 1);
	s.other = file_create(path_in(t->dir, "other"), size, 2);
	CHECK_SYS(fstat(fd, &mine));
	CHECK_SYS(fstat(s.other, &other));
	s.addr = file_map(fd, 0, size);
	edu_open(&e);
	for (int round = 0; round < 8; round++) {
		uint64_t offset = round * MIB + PAGE;
		ino_t ino;

		CHECK(mmap(s.addr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == s.addr);
		atomic_store(&s.stop, false);
		CHECK_EQ(pthread_create(&thread, NULL, swap_window, &s), 0);
		ret = vfio_map(&e.vfio, s.addr, HELD_IOVA, size, VFIO_RW);
		atomic_store(&s.stop, true);
		pthread_join(thread, NULL);
		CHECK(ret == 0 || ret == -EFAULT, "%s", ret_name(ret));
		if (ret) {
			refused++;
			CHECK_EQ(lease_count(), 0);
			continue;
		}
		/* Whatever file was leased, the device reaches that file and no other */
		mapped++;
		ino = held_lease_on(mine.st_ino) ? mine.st_ino : other.st_ino;
		CHECK(held_lease_on(ino) && !held_lease_on(mine.st_ino + other.st_ino - ino));
		device_fill(&e, HELD_IOVA + offset, 0x77, 512);
		memset(block, 0x77, sizeof(block));
		CHECK_EQ(pread(ino == mine.st_ino ? fd : s.other, got, 512, offset), 512);
		CHECK(!memcmp(got, block, 512), "the device does not reach the leased file");
		CHECK_EQ(pread(ino == mine.st_ino ? s.other : fd, got, 512, offset), 512);
		CHECK_EQ(pattern_differs(got, 512, ino == mine.st_ino ? 2 : 1, offset), -1,
			 "the device reaches the other file");
		pattern_fill(block, 512, ino == mine.st_ino ? 1 : 2, offset);
		CHECK_EQ(pwrite(ino == mine.st_ino ? fd : s.other, block, 512, offset), 512);
		CHECK_EQ(vfio_unmap(&e.vfio, HELD_IOVA, size), (int64_t)size);
	}
	CHECK(atomic_load(&s.swaps), "the other thread never ran");
	story("a thread maps another file over the range while it is being leased (%d times): %u refused "
	      "with EFAULT, %u leased, each time the very file the lease names",
	      atomic_load(&s.swaps), refused, mapped);
}

/* The same against ACQUIRE, whose window lies where the kernel puts it */
static void *swap_any_window(void *arg)
{
	struct swapper *s = arg;
	char lineb[512], *maps;
	unsigned long from, to;
	FILE *f;

	while (!atomic_load(&s->stop)) {
		f = fopen("/proc/self/maps", "re");
		CHECK(f);
		while ((maps = fgets(lineb, sizeof(lineb), f))) {
			if (!strstr(maps, "/mine") || sscanf(maps, "%lx-%lx", &from, &to) != 2)
				continue;
			if (mmap((void *)from, to - from, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->other,
				 0) != MAP_FAILED)
				atomic_fetch_add(&s->swaps, 1);
		}
		fclose(f);
	}
	return NULL;
}

static void swapped_acquire(const struct test *t)
{
	const uint64_t size = 32 * MIB;
	struct swapper s = { .size = size };
	struct daxlease_acquire a;
	struct daxlease_event ev;
	pthread_t thread;
	int ctx, fd, ret, won = 0;

	fd = file_create(path_in(t->dir, "mine"), size, 1);
	s.other = file_create(path_in(t->dir, "other"), size, 2);
	ctx = lease_open();
	CHECK_EQ(pthread_create(&thread, NULL, swap_any_window, &s), 0);
	for (int round = 0; round < 50 && !(won && atomic_load(&s.swaps) > 3); round++) {
		ret = lease_acquire(ctx, fd, 0, size, DAXLEASE_WRITE, SHORT_GRACE, &a);
		CHECK(ret == 0 || ret == -EFAULT || ret == -EAGAIN, "%s", ret_name(ret));
		if (ret)
			continue;
		won++;
		CHECK_RET(lease_release(ctx, a.id), 0);
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	CHECK_EQ(lease_count(), 0);
	CHECK_EQ(lease_event(ctx, &ev, 0), 0);
	CHECK_PATTERN(s.other, 0, size, 2);
	story("the same against the window of ACQUIRE: %d swaps, %d leases of the right file",
	      atomic_load(&s.swaps), won);
}

const struct testcase race_cases[] = {
	{ "queued-truncates-finish",
	  "12 queued truncates finish against a holder that leases again at once",
	  queued_truncates, ON_BOTH | NEEDS_CORE | DEMO, 90 },
	{ "interrupted-breaker-leaves-nothing",
	  "a breaker killed while it waits leaves neither bar nor change",
	  interrupted_breaker, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ "gate-holds-loop-discard",
	  "a discard through a loop device, below vfs_fallocate, waits in the filesystem until the fence",
	  gate_holds_loop, ON_BOTH | NEEDS_CORE, 60 },
	{ "swapext-is-fenced-at-once",
	  "XFS swapext, which asks nobody, is met by the last resort",
	  swapext_fences, ON_XFS | NEEDS_VFIO | DEMO, 60 },
	{ "swapped-mapping-gains-nothing",
	  "a thread that maps another file over the range being leased gains nothing",
	  swapped_window, ON_ANY | NEEDS_VFIO | DEMO, 60 },
	{ "swapped-window-gains-nothing",
	  "nor over the window that ACQUIRE looks through",
	  swapped_acquire, ON_ANY | NEEDS_CORE | DEMO, 60 },
	{ 0 }
};
