// SPDX-License-Identifier: GPL-2.0
#include "qemu.h"
#include "edu.h"
#include "fault.h"
#include "file.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS	60000
#define BLOCK		512	/* of accesses that only have to work or not */

/* PCI configuration through the host bridge's ports, and where the device's BAR goes */
#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define PCI_COMMAND	0x04
#define PCI_BAR0	0x10
#define MEMORY_MASTER	0x6
#define BAR_ADDRESS	0xe0000000U

/* Registers of the edu device (QEMU's docs/specs/edu) */
#define REG_DMA_SRC	0x80
#define REG_DMA_DST	0x88
#define REG_DMA_COUNT	0x90
#define REG_DMA_CMD	0x98
#define DMA_START	1
#define DMA_TO_MEMORY	2
#define EDU_MEMORY	0x40000

bool lines_take(struct lines *l, char text[QEMU_REPLY])
{
	char *end;
	ssize_t n;

	while (!(end = memchr(l->buf, '\n', l->have))) {
		CHECK(l->have < sizeof(l->buf) - 1, "QEMU's answer is too long");
		CHECK(wait_readable(l->fd, ANSWER_MS), "QEMU does not answer");
		n = read(l->fd, l->buf + l->have, sizeof(l->buf) - 1 - l->have);
		if (n <= 0)
			return false;
		l->have += n;
	}
	*end = 0;
	strcpy(text, l->buf);
	l->have -= end + 1 - l->buf;
	memmove(l->buf, end + 1, l->have);
	return true;
}

void qemu_words(struct qemu *q, const char *fmt, ...)
{
	char *text, *save;
	va_list ap;

	va_start(ap, fmt);
	CHECK_SYS(vasprintf(&text, fmt, ap));
	va_end(ap);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		CHECK(q->nr_words < QEMU_WORDS - 1);
		q->words[q->nr_words++] = w;
	}
}

static void listen_for_qmp(struct qemu *q)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%.100s/qmp", q->dir);
	q->listen = CHECK_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_SYS(bind(q->listen, (struct sockaddr *)&to, sizeof(to)));
	CHECK_SYS(listen(q->listen, 1));
	q->qmp.fd = CHECK_SYS(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK_SYS(connect(q->qmp.fd, (struct sockaddr *)&to, sizeof(to)));
	CHECK_SYS(unlink(to.sun_path));
}

void qemu_prepare(struct qemu *q, const char *dir, const char *machine, uint64_t size)
{
	memset(q, 0, sizeof(*q));
	snprintf(q->dir, sizeof(q->dir), "%s", dir);
	q->ram = file_create(path_in(dir, "ram"), size, QEMU_SEED);
	listen_for_qmp(q);
	qemu_words(q, "qemu-system-x86_64 -nodefaults -no-user-config -display none -accel tcg,tb-size=16");
	qemu_words(q, "-qtest stdio -chardev socket,id=qmp,fd=%d,server=on,wait=off -mon chardev=qmp,mode=control",
		   q->listen);
	qemu_words(q, "-object memory-backend-file,id=ram,mem-path=%s/ram,size=%llu,share=on", dir,
		   (unsigned long long)size);
	qemu_words(q, "-machine %s,memory-backend=ram -m %lluM,slots=4,maxmem=1G", machine,
		   (unsigned long long)(size / MIB));
}

const char *qemu_edu(unsigned int n)
{
	static char text[64];
	struct vfio v;

	vfio_find(&v, n);
	snprintf(text, sizeof(text), "vfio-pci,host=%s", v.address);
	return text;
}

static void become_qemu(struct qemu *q, int in, int out)
{
	int log = open(path_in(q->dir, "qemu.log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (log < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0)
		_exit(3);
	execvp(q->words[0], q->words);
	_exit(3);
}

static void speak_qmp(struct qemu *q)
{
	char greeting[QEMU_REPLY];

	CHECK(lines_take(&q->qmp, greeting), "QEMU ended before it said hello");
	CHECK(strstr(greeting, "\"QMP\""), "%.200s", greeting);
	qemu_qmp(q, "{\"execute\": \"qmp_capabilities\"}");
}

bool qemu_start(struct qemu *q)
{
	char answer[QEMU_REPLY];
	int in[2], out[2];

	CHECK_SYS(pipe2(in, O_CLOEXEC));
	CHECK_SYS(pipe2(out, O_CLOEXEC));
	signal(SIGPIPE, SIG_IGN);
	q->pid = CHECK_SYS(fork());
	if (!q->pid)
		become_qemu(q, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	close(q->listen);
	q->to = in[1];
	q->qtest.fd = out[0];
	/* Answered when the machine is complete; or the pipe ends */
	dprintf(q->to, "inb 0x%x\n", CONFIG_DATA);
	if (!lines_take(&q->qtest, answer))
		return false;
	speak_qmp(q);
	return true;
}

const char *qemu_log(const struct qemu *q)
{
	static char text[4096];

	CHECK(read_text(path_in(q->dir, "qemu.log"), text, sizeof(text)) >= 0);
	return text;
}

int qemu_wait(struct qemu *q)
{
	int status;

	CHECK_SYS(waitpid(q->pid, &status, 0));
	q->pid = 0;
	close(q->to);
	close(q->qtest.fd);
	close(q->qmp.fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const char *qemu_test(struct qemu *q, const char *fmt, ...)
{
	static char text[QEMU_REPLY];
	va_list ap;

	va_start(ap, fmt);
	CHECK(vdprintf(q->to, fmt, ap) > 0, "QEMU has ended: %s", qemu_log(q));
	va_end(ap);
	CHECK_EQ(write(q->to, "\n", 1), 1);
	CHECK(lines_take(&q->qtest, text), "QEMU has ended: %s", qemu_log(q));
	CHECK(!strncmp(text, "OK", 2), "qtest: %.200s", text);
	return text + 2;
}

const char *qemu_qmp(struct qemu *q, const char *fmt, ...)
{
	static char text[QEMU_REPLY];
	va_list ap;

	va_start(ap, fmt);
	CHECK(vdprintf(q->qmp.fd, fmt, ap) > 0, "QEMU has ended: %s", qemu_log(q));
	va_end(ap);
	for (;;) {
		CHECK(lines_take(&q->qmp, text), "QEMU has ended: %s", qemu_log(q));
		if (strstr(text, "\"event\": "))
			strcpy(q->event, text);
		else
			break;
	}
	CHECK(!strncmp(text, "{\"return\"", 9), "QMP: %.300s", text);
	return text;
}

const char *qemu_event(struct qemu *q, const char *name)
{
	static char text[QEMU_REPLY];
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"event\": \"%s\"", name);
	strcpy(text, q->event);
	q->event[0] = 0;
	while (!strstr(text, quoted))
		CHECK(lines_take(&q->qmp, text), "QEMU ended without the event %s: %s", name, qemu_log(q));
	return text;
}

uint64_t qemu_nvdimm_address(struct qemu *q, const char *id)
{
	const char *text = qemu_qmp(q, "{\"execute\": \"query-memory-devices\"}");
	const char *addr = strstr(text, "\"addr\": ");

	/* One NVDIMM at most: its fields are the only ones */
	CHECK(addr && strstr(text, id), "no NVDIMM: %.300s", text);
	return strtoull(addr + strlen("\"addr\": "), NULL, 10);
}

void qemu_read(struct qemu *q, uint64_t address, void *buf, size_t len)
{
	const char *hex;
	unsigned int byte;

	hex = qemu_test(q, "read 0x%llx 0x%zx", (unsigned long long)address, len) + strlen(" 0x");
	for (size_t i = 0; i < len; i++) {
		CHECK_EQ(sscanf(hex + 2 * i, "%2x", &byte), 1);
		((unsigned char *)buf)[i] = byte;
	}
}

static void config_write(struct qemu *q, unsigned int reg, uint32_t value)
{
	qemu_test(q, "outl 0x%x 0x%x", CONFIG_ADDRESS, 0x80000000U | QEMU_SLOT << 11 | reg);
	qemu_test(q, "outl 0x%x 0x%x", CONFIG_DATA, value);
}

void qemu_enable_edu(struct qemu *q)
{
	config_write(q, PCI_BAR0, BAR_ADDRESS);
	config_write(q, PCI_COMMAND, MEMORY_MASTER);
	CHECK_EQ(strtoul(qemu_test(q, "readl 0x%x", BAR_ADDRESS), NULL, 0) & 0xff, 0xed, "no edu device in its slot");
}

static bool busy(struct qemu *q)
{
	return strtoull(qemu_test(q, "readq 0x%x", BAR_ADDRESS + REG_DMA_CMD), NULL, 0) & DMA_START;
}

/* One command. Nobody takes an interrupt here: the command register tells the end */
static void dma(struct qemu *q, uint64_t address, unsigned int len, bool to_memory)
{
	CHECK(len && len <= EDU_BLOCK);
	qemu_test(q, "writeq 0x%x 0x%llx", BAR_ADDRESS + REG_DMA_SRC,
		  to_memory ? EDU_MEMORY : (unsigned long long)address);
	qemu_test(q, "writeq 0x%x 0x%llx", BAR_ADDRESS + REG_DMA_DST,
		  to_memory ? (unsigned long long)address : EDU_MEMORY);
	qemu_test(q, "writeq 0x%x 0x%x", BAR_ADDRESS + REG_DMA_COUNT, len);
	qemu_test(q, "writeq 0x%x 0x%x", BAR_ADDRESS + REG_DMA_CMD, DMA_START | (to_memory ? DMA_TO_MEMORY : 0));
	while (busy(q))
		;
}

void qemu_device_fill(struct qemu *q, uint64_t address, unsigned char byte, size_t len)
{
	qemu_test(q, "memset 0x%llx 0x%x 0x%x", QEMU_STAGE, EDU_BLOCK, byte);
	dma(q, QEMU_STAGE, EDU_BLOCK, false);
	for (size_t n; len; len -= n, address += n) {
		n = len < EDU_BLOCK ? len : EDU_BLOCK;
		dma(q, address, n, true);
	}
}

void qemu_device_read(struct qemu *q, uint64_t address, void *buf, size_t len)
{
	CHECK(len <= EDU_BLOCK);
	qemu_test(q, "memset 0x%llx 0x%x 0x%x", QEMU_STAGE, EDU_BLOCK, EDU_POISON);
	dma(q, QEMU_STAGE, EDU_BLOCK, false);
	dma(q, address, len, false);
	dma(q, QEMU_STAGE, len, true);
	qemu_read(q, QEMU_STAGE, buf, len);
}

static bool all(const unsigned char *buf, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

void qemu_check_live(struct qemu *q, int fd, uint64_t offset, uint64_t address, unsigned char byte)
{
	unsigned char got[BLOCK];
	struct fault_log log;

	fault_mark(&log);
	qemu_device_fill(q, address, byte, BLOCK);
	CHECK_EQ(file_differs_from_byte(fd, offset, BLOCK, byte), -1, "the device's data are not in the file");
	qemu_read(q, address, got, BLOCK);
	CHECK(all(got, BLOCK, byte), "the guest does not see what the device wrote");
	memset(got, 0, BLOCK);
	qemu_device_read(q, address, got, BLOCK);
	CHECK(all(got, BLOCK, byte), "the device reads something else at %#llx", (unsigned long long)address);
	CHECK_EQ(fault_count(&log), 0);
	fault_close(&log);
}

void qemu_check_fenced(struct qemu *q, uint64_t address)
{
	struct fault_log log;

	fault_mark(&log);
	qemu_device_fill(q, address, 0xee, BLOCK);
	CHECK(fault_wait(&log, address, BLOCK, true), "a write to %#llx raised no fault", (unsigned long long)address);
	fault_close(&log);
}
