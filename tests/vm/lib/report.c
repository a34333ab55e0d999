// SPDX-License-Identifier: GPL-2.0
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int report_fd = STDOUT_FILENO;

int report_open(const char *path)
{
	report_fd = open(path, O_WRONLY | O_CLOEXEC | O_APPEND);
	return report_fd < 0 ? -errno : 0;
}

void report(const char *kind, const char *fmt, ...)
{
	char text[4096];
	size_t n, done = 0;
	ssize_t ret;
	va_list ap;

	n = snprintf(text, sizeof(text) - 1, "%s\t", kind);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - 1 - n, fmt, ap);
	va_end(ap);
	n = strlen(text);
	text[n++] = '\n';
	while (done < n) {
		ret = write(report_fd, text + done, n - done);
		if (ret < 0 && errno != EINTR)
			return;		/* no end record will be seen: that fails the run */
		if (ret > 0)
			done += ret;
	}
}
