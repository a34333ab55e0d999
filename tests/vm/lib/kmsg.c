// SPDX-License-Identifier: GPL-2.0
#include "kmsg.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No line of a healthy kernel matches; user space may write such a line to test the harness */
static const char report_pattern[] =
	"WARNING: |BUG: |kernel BUG|Oops|general protection|[Uu]nable to handle|Call Trace:|"
	"possible (circular|recursive|irq)|inconsistent lock state|bad unlock balance|held lock freed|"
	"lock held when returning|suspicious RCU|lockdep|DEBUG_LOCKS_WARN|"
	"INFO: task .* blocked|soft lockup|hard LOCKUP|rcu.*stall|workqueue lockup|"
	"KASAN|UBSAN|ODEBUG|refcount_t:|list_(add|del) corruption|Bad page|"
	"sleeping function called|scheduling while atomic|"
	"EXT4-fs error|XFS .*([Cc]orruption|Internal error|Assertion failed)";

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

int kmsg_next(int fd, char *buf, size_t size)
{
	char record[8192], *text;
	ssize_t n = read(fd, record, sizeof(record) - 1);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	record[n] = 0;
	text = strchr(record, ';');	/* "level,sequence,time,flags;text\n key=value\n" */
	text = text ? text + 1 : record;
	text[strcspn(text, "\n")] = 0;
	strncpy(buf, text, size - 1);
	buf[size - 1] = 0;
	return 1;
}

bool kmsg_wait(int fd, const char *a, const char *b, int timeout_ms, char *buf, size_t size)
{
	int64_t end = now_ns() + timeout_ms * 1000000LL;
	int ret, left;

	for (;;) {
		while ((ret = kmsg_next(fd, buf, size)) == 1 || ret == -EPIPE)
			if (ret == 1 && (!a || strstr(buf, a)) && (!b || strstr(buf, b)))
				return true;
		left = (int)((end - now_ns()) / 1000000);
		if (ret < 0 || left <= 0 || !wait_readable(fd, left))
			return false;
	}
}

bool kmsg_is_report(const char *text)
{
	static regex_t re;
	static bool compiled;

	if (!compiled && regcomp(&re, report_pattern, REG_EXTENDED | REG_NOSUB))
		abort();
	compiled = true;
	return !regexec(&re, text, 0, NULL, 0);
}
