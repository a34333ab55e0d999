/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The firmware of guest.h. It lies below 4 GiB, where the processor begins 16 bytes before the end, in real mode.
 * Addresses are computed from the start of the image, so nothing is left for a linker to relocate.
 */
#include "guest_addresses.h"

#define ROM_BASE	0xffff0000
#define AT(label)	(label - guest_rom + ROM_BASE)
#define CODE		8
#define DATA		16

#define CONFIG_EDU(reg)	(0x80000000 | QEMU_SLOT << 11 | (reg))
#define BAR		0xe0000000
#define DMA_SRC		(BAR + 0x80)
#define DMA_DST		(BAR + 0x88)
#define DMA_COUNT	(BAR + 0x90)
#define DMA_CMD		(BAR + 0x98)
#define EDU_MEMORY	0x40000

	.section .rodata
	.globl guest_rom, guest_rom_end
	.balign 16
guest_rom:
	.code16
start:
	cli
	lgdtl	%cs:(gdt_register - guest_rom)
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$CODE, $AT(protected)

	.balign 8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* flat, 32-bit */
	.quad	0x00cf93000000ffff
gdt_register:
	.word	. - gdt - 1
	.long	AT(gdt)

	.code32
protected:
	movw	$DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es

	/* The device: its registers, and bus mastering */
	movw	$0xcf8, %dx
	movl	$CONFIG_EDU(0x10), %eax
	outl	%eax, %dx
	movw	$0xcfc, %dx
	movl	$BAR, %eax
	outl	%eax, %dx
	movw	$0xcf8, %dx
	movl	$CONFIG_EDU(0x04), %eax
	outl	%eax, %dx
	movw	$0xcfc, %dx
	movl	$6, %eax
	outl	%eax, %dx

	xorl	%esi, %esi
	movl	%esi, GUEST_DONE
	movl	%esi, GUEST_ERRORS
round:
	incl	%esi
	movl	%esi, GUEST_COUNT

	movl	$GUEST_COUNT, DMA_SRC
	movl	$EDU_MEMORY, DMA_DST
	movl	$4, DMA_COUNT
	movl	$1, DMA_CMD
1:	testl	$1, DMA_CMD
	jnz	1b

	movl	%esi, %edi
	andl	$(GUEST_NR_CELLS - 1), %edi
	imull	$GUEST_STRIDE, %edi
	addl	$GUEST_CELLS, %edi
	movl	$EDU_MEMORY, DMA_SRC
	movl	%edi, DMA_DST
	movl	$4, DMA_COUNT
	movl	$3, DMA_CMD
1:	testl	$1, DMA_CMD
	jnz	1b

	cmpl	%esi, (%edi)
	je	2f
	incl	GUEST_ERRORS
2:	movl	%esi, GUEST_DONE
	jmp	round

	.org	guest_rom + 0xfff0, 0x90
	.code16
	jmp	start
	.org	guest_rom + 0x10000, 0x90
guest_rom_end:
	.section .note.GNU-stack, "", @progbits
