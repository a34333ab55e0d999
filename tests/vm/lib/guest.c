// SPDX-License-Identifier: GPL-2.0
#include "guest.h"
#include "file.h"
#include "harness.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MS	60000
#define LOOK_NS		5000000		/* memory cannot be waited for */

extern const char guest_rom[], guest_rom_end[];

void guest_install(struct qemu *q)
{
	int fd = CHECK_SYS(open(path_in(q->dir, "rom"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	CHECK_EQ(write(fd, guest_rom, guest_rom_end - guest_rom), 0x10000);
	close(fd);
	CHECK_EQ(pwrite(q->ram, "\0\0\0\0", 4, GUEST_DONE), 4, "no round yet");
	qemu_words(q, "-bios %s/rom", q->dir);
}

uint32_t guest_word(int fd, uint64_t address)
{
	uint32_t word;

	CHECK_EQ(pread(fd, &word, sizeof(word), address), sizeof(word));
	return word;
}

uint32_t guest_wait(struct qemu *q, uint32_t rounds)
{
	uint32_t want = guest_word(q->ram, GUEST_DONE) + rounds, done;
	int64_t end = now_ns() + ROUNDS_MS * 1000000LL;
	struct timespec look = { .tv_nsec = LOOK_NS };

	while ((done = guest_word(q->ram, GUEST_DONE)) < want) {
		CHECK(now_ns() < end, "the guest does not get on: round %u of %u", done, want);
		nanosleep(&look, NULL);
	}
	return done;
}

static uint32_t cell(int fd, uint32_t round)
{
	return guest_word(fd, GUEST_CELLS + round % GUEST_NR_CELLS * GUEST_STRIDE);
}

uint32_t guest_check_image(int fd)
{
	uint32_t done = guest_word(fd, GUEST_DONE), count = guest_word(fd, GUEST_COUNT), next;

	CHECK(done >= GUEST_NR_CELLS, "too early: round %u", done);
	CHECK(count == done || count == done + 1, "in round %u, and round %u is complete", count, done);
	for (uint32_t n = done - GUEST_NR_CELLS + 2; n <= done; n++)
		CHECK_EQ(cell(fd, n), n, "the device's data of a complete round");
	next = cell(fd, done + 1);
	CHECK(next == done + 1 || next == done + 1 - GUEST_NR_CELLS, "the next cell has round %u", next);
	return done;
}
