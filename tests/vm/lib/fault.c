// SPDX-License-Identifier: GPL-2.0
#include "fault.h"
#include "harness.h"
#include "kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/faults"
#define EVENT		"dmarfault"

/*
 * dmar_fault(irq, iommu): iommu's first member is the address of its registers. Of QEMU's VT-d the one
 * fault recording register is at 0x220; the capability register at 8 says so in bits 33:24, in units of 16.
 */
#define FRCD_OFFSET	0x220
#define PROBE		"p:vmtest/" EVENT " dmar_fault lo=+0x220(+0(%si)):x64 hi=+0x228(+0(%si)):x64 " \
			"cap=+8(+0(%si)):x64\n"
#define FRCD_F		(1ULL << 63)	/* the record is valid */
#define FRCD_READ	(1ULL << 62)

void fault_setup(void)
{
	/* A case that needs it will say that it is not there */
	write_text(TRACING "/kprobe_events", PROBE);
	mkdir(INSTANCE, 0700);
	write_text(INSTANCE "/events/vmtest/" EVENT "/enable", "1");
}

void fault_mark(struct fault_log *log)
{
	CHECK(!access(INSTANCE "/events/vmtest/" EVENT, F_OK), "no kprobe on dmar_fault");
	CHECK_RET(empty_file(INSTANCE "/trace"), 0);
	log->pipe = CHECK_SYS(open(INSTANCE "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	log->kmsg = kmsg_open();
	fault_count(log);
}

void fault_close(struct fault_log *log)
{
	close(log->pipe);
	close(log->kmsg);
}

/* One line of trace_pipe, byte by byte, because one read may return several */
static bool read_event(int fd, char *buf, size_t size, int timeout_ms)
{
	size_t n = 0;
	ssize_t ret;

	while (n < size - 1) {
		ret = read(fd, buf + n, 1);
		if (ret < 0 && errno == EAGAIN) {
			if (!wait_readable(fd, n ? 1000 : timeout_ms))
				return false;
			continue;
		}
		CHECK(ret == 1, "trace_pipe: %s", strerror(errno));
		if (buf[n++] == '\n')
			break;
	}
	buf[n] = 0;
	return true;
}

bool fault_next(struct fault_log *log, struct fault *f, int timeout_ms)
{
	int64_t end = now_ns() + timeout_ms * 1000000LL;
	unsigned long long lo, hi, cap;
	char text[512], *args;
	int64_t left;

	for (;;) {
		left = (end - now_ns()) / 1000000;
		if (!read_event(log->pipe, text, sizeof(text), left > 0 ? (int)left : 0))
			return false;
		args = strstr(text, "lo=");
		if (!args)
			continue;	/* "LOST EVENTS" */
		CHECK_EQ(sscanf(args, "lo=%llx hi=%llx cap=%llx", &lo, &hi, &cap), 3, "%s", text);
		CHECK_EQ(((cap >> 24) & 0x3ff) * 16, FRCD_OFFSET, "another IOMMU than QEMU's");
		if (!(hi & FRCD_F))
			continue;	/* an interrupt for a record already taken */
		f->iova = lo & ~0xfffULL;
		f->write = !(hi & FRCD_READ);
		f->source = hi & 0xffff;
		f->reason = (hi >> 32) & 0xff;
		return true;
	}
}

bool fault_wait(struct fault_log *log, uint64_t iova, uint64_t len, bool write)
{
	int64_t end = now_ns() + 15000000000LL;
	struct fault f;
	int64_t left;

	while ((left = (end - now_ns()) / 1000000) > 0 && fault_next(log, &f, (int)left))
		if (f.write == write && f.iova + 0xfff >= iova && f.iova < iova + len)
			return true;
	return false;
}

unsigned int fault_count(struct fault_log *log)
{
	unsigned int n = 0;
	struct fault f;

	while (fault_next(log, &f, 0))
		n++;
	return n;
}

bool fault_line(struct fault_log *log, uint64_t iova, char *buf, unsigned int size)
{
	char addr[40];

	snprintf(addr, sizeof(addr), "fault addr 0x%llx ", (unsigned long long)iova & ~0xfffULL);
	return kmsg_wait(log->kmsg, "DMAR: [DMA", addr, 2000, buf, size);
}
