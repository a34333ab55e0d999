/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The distribution's QEMU, unmodified, as a holder: it runs inside the test guest, with its RAM on an fs-dax file
 * and the edu device passed through. It does not run a guest unless a case asks for one (-S): this program takes the
 * place of the guest's processor and drives the machine through QEMU's qtest protocol, one line a bus access.
 *
 *     case --qtest (pipe)--> QEMU --VFIO--> edu --DMA--> file
 *          --QMP (socket)-->      '--mmap-----------------^
 *
 * What does not work fails the case.
 */
#ifndef QEMU_H
#define QEMU_H

#include "guest_addresses.h"
#include "vfio.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QEMU_WORDS	96
#define QEMU_STAGE	0x200000ULL	/* guest address of the page through which data go to the device's own memory */
#define QEMU_REPLY	65536

/**
 * struct lines - what has come from QEMU, to be taken by lines
 * @fd: pipe or socket
 * @have: bytes in @buf
 * @buf: zero-terminated
 */
struct lines {
	int fd;
	size_t have;
	char buf[QEMU_REPLY];
};

/* Waits for a line and takes it. False at the end of the stream */
bool lines_take(struct lines *l, char text[QEMU_REPLY]);

/**
 * struct qemu - one QEMU
 * @pid: its process; 0: none, or it has ended
 * @dir: where its sockets and its log are
 * @words: its command line
 * @nr_words: of them
 * @to: qtest commands go in here
 * @qtest: their answers
 * @listen: socket of its QMP monitor, before it has started
 * @qmp: connection to it
 * @event: text of the last QMP event waited for
 * @ram: the file that is its RAM
 */
struct qemu {
	pid_t pid;
	char dir[200];
	char *words[QEMU_WORDS];
	unsigned int nr_words;
	int to;
	struct lines qtest;
	int listen;
	struct lines qmp;
	char event[QEMU_REPLY];
	int ram;
};

/*
 * A command line for a @machine ("q35" or "pc", with options) whose RAM is the new file "ram" in @dir: @size bytes
 * of pattern QEMU_SEED. A guest address is the offset in the file.
 */
#define QEMU_SEED	11
void qemu_prepare(struct qemu *q, const char *dir, const char *machine, uint64_t size);

/* Adds words, separated by blanks, to the command line */
void qemu_words(struct qemu *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "vfio-pci,host=...": the edu device with the @n-th lowest address, as QMP and command line call it */
const char *qemu_edu(unsigned int n);

/* Starts it, and waits until it answers. False if it ended instead; qemu_log() then says why */
bool qemu_start(struct qemu *q);

/* What it has written to its standard error output; one static buffer */
const char *qemu_log(const struct qemu *q);

/* Waits for its end and returns its exit status, or 128 + signal. Closes everything but @ram */
int qemu_wait(struct qemu *q);

/* One qtest command: the answer after "OK", in a buffer that the next one overwrites */
const char *qemu_test(struct qemu *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One QMP command, complete JSON: its answer, which must be no error */
const char *qemu_qmp(struct qemu *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Waits for an event of this name, also one that came during qemu_qmp(), since the last call: its text */
const char *qemu_event(struct qemu *q, const char *name);

/* Where the guest has the virtual NVDIMM of this id */
uint64_t qemu_nvdimm_address(struct qemu *q, const char *id);

/* Memory as the guest's processor sees it */
void qemu_read(struct qemu *q, uint64_t address, void *buf, size_t len);

/* Gives the device a BAR and lets it work, as firmware does; after each reset anew */
void qemu_enable_edu(struct qemu *q);

/* As device_write() and its relatives of edu.h; addresses are the guest's */
void qemu_device_fill(struct qemu *q, uint64_t address, unsigned char byte, size_t len);
void qemu_device_read(struct qemu *q, uint64_t address, void *buf, size_t len);

/* The device writes @byte, and QEMU and the file at @offset have it; then it reads it back */
void qemu_check_live(struct qemu *q, int fd, uint64_t offset, uint64_t address, unsigned char byte);

/* Each device access at @address raises a fault */
void qemu_check_fenced(struct qemu *q, uint64_t address);

#endif /* QEMU_H */
