// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's translator: how many instructions are executed where, between the marks of the guest (mark.h).
 *
 *	-plugin count.so,out=FILE	"spans PROFILE N", and "count PROFILE ADDRESS N" for each translated block
 *
 * A block counts as a whole, at its start; of one that a fault ends early, all instructions count. Addresses of user
 * space are one: it is the kernel that is looked at. One processor, hence no lock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"

/* Of QEMU's plugin interface, version 1 (QEMU 4.2 and later), for which Debian has no header: what is used here */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64, NO_REGS = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *ptr, uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int cpu, void *arg),
					    int flags, void *arg);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *arg), void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);
int qemu_plugin_version = 1;

#define BUCKETS	65536

/* Code at one address, however often it is translated; never freed: translations refer to it */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t executed;		/* instructions; the translated code adds to it */
	uint64_t before;		/* the same at the last start */
	uint64_t sum[PROFILES];
};

static struct block *table[BUCKETS];
static uint64_t spans[PROFILES];
static uintptr_t running;		/* profile + 1, or 0 */
static const char *out;

static struct block *block_at(uint64_t address)
{
	struct block **chain, *b;

	if (!(address >> 63))
		address = 0;
	chain = &table[(address ^ address >> 16) % BUCKETS];
	for (b = *chain; b && b->address != address; b = b->next)
		;
	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->address = address;
	b->next = *chain;
	*chain = b;
	return b;
}

static void at_mark(unsigned int cpu, void *profile)
{
	uintptr_t ended = running;

	(void)cpu;
	running = (uintptr_t)profile;
	if (!ended && !running)
		return;
	if (ended)
		spans[ended - 1]++;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct block *b = table[i]; b; b = b->next) {
			if (ended)
				b->sum[ended - 1] += b->executed - b->before;
			b->before = b->executed;
		}
	}
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const unsigned char mark[] = { MARK_BYTES };
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block_at(qemu_plugin_tb_vaddr(tb))->executed, n);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const unsigned char *bytes = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) == sizeof(mark) + 1 && !memcmp(bytes, mark, sizeof(mark)) &&
		    bytes[sizeof(mark)] <= PROFILES)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, NO_REGS,
							       (void *)(uintptr_t)bytes[sizeof(mark)]);
	}
}

static void report(qemu_plugin_id_t id, void *arg)
{
	FILE *f = fopen(out, "w");

	(void)id;
	(void)arg;
	for (int p = 0; f && p < PROFILES; p++) {
		fprintf(f, "spans\t%d\t%" PRIu64 "\n", p, spans[p]);
		for (size_t i = 0; i < BUCKETS; i++)
			for (struct block *b = table[i]; b; b = b->next)
				if (b->sum[p])
					fprintf(f, "count\t%d\t%" PRIx64 "\t%" PRIu64 "\n", p, b->address, b->sum[p]);
	}
	if (!f || fclose(f))
		perror(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, report, NULL);
	return out ? 0 : -1;
}
