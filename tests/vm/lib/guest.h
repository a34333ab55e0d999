/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest of 64 KiB: firmware of ours (guest_rom.S) in the place of a BIOS. It owns the processor, and the edu device in
 * slot QEMU_SLOT, and does one thing for ever: round n stores n in memory, has the device fetch it, has the device write
 * it to the next cell, and looks whether it arrived.
 *
 * So the memory of a guest tells what it has been through, and an image of the memory whether it is one of a moment.
 */
#ifndef GUEST_H
#define GUEST_H

#include "guest_addresses.h"
#include "qemu.h"

/* Puts the firmware in a file, and the words for it on the command line */
void guest_install(struct qemu *q);

/* What the image @fd of guest memory has at @address */
uint32_t guest_word(int fd, uint64_t address);

/* Waits until the guest has completed @rounds more rounds; returns the last one */
uint32_t guest_wait(struct qemu *q, uint32_t rounds);

/*
 * Fails the case unless @fd is the memory of this guest at one moment: of the last GUEST_NR_CELLS - 1 complete rounds each
 * has its cell, and at most one round is under way. Returns the last complete round.
 */
uint32_t guest_check_image(int fd);

#endif /* GUEST_H */
