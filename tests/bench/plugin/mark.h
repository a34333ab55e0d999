/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the guest tells the plugin when to count: an instruction that does nothing, and that no compiler makes. nopl
 * with a displacement of four bytes: 'D', 'L', 0, and the number of the profile, or 0: stop.
 */
#ifndef MARK_H
#define MARK_H

#define MARK_BYTES	0x0f, 0x1f, 0x80, 0x44, 0x4c, 0x00
#define PROFILES	2	/* at most, in one run; numbered from 1 */

#define MARK_TEXT(...)	#__VA_ARGS__
#define MARK_ASM(bytes)	".byte " MARK_TEXT(bytes) ", %c0"
#define MARK(n)		asm volatile(MARK_ASM(MARK_BYTES) : : "i" (n) : "memory")

#endif /* MARK_H */
