/* SPDX-License-Identifier: GPL-2.0 */
/* What the firmware (guest_rom.S) and the cases agree on: numbers only, for the assembler too. */
#ifndef GUEST_ADDRESSES_H
#define GUEST_ADDRESSES_H

#define QEMU_SLOT	5		/* of the edu device on PCI bus 0 */

#define GUEST_COUNT	0x300000	/* u32: the round it is in */
#define GUEST_DONE	0x300004	/* u32: the last round that is complete */
#define GUEST_ERRORS	0x300008	/* u32: rounds in which the device's data did not arrive */
#define GUEST_CELLS	0x400000	/* round n: u32 at GUEST_CELLS + (n % GUEST_NR_CELLS) * GUEST_STRIDE */
#define GUEST_NR_CELLS	8
#define GUEST_STRIDE	0x100000

#endif /* GUEST_ADDRESSES_H */
