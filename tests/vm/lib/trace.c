// SPDX-License-Identifier: GPL-2.0
#include "trace.h"
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INSTANCE	"/sys/kernel/tracing/instances/timeline"
#define MARK		"tracing_mark_write: "

bool trace_start(void)
{
	mkdir(INSTANCE, 0700);
	write_text(INSTANCE "/tracing_on", "0");
	write_text(INSTANCE "/trace_clock", "mono");
	empty_file(INSTANCE "/trace");
	if (write_text(INSTANCE "/events/daxlease/enable", "1"))
		return false;
	return !write_text(INSTANCE "/tracing_on", "1");
}

void trace_mark(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write_text(INSTANCE "/trace_marker", text);
}

/* "  comm-pid   [cpu] flags  seconds: event: text" -> comm, seconds, and the event with its text */
static bool parse(char *l, char **who, double *when, char **what)
{
	char *cpu = strstr(l, " ["), *colon, *time;

	if (*l == '#' || !cpu)
		return false;
	colon = strstr(cpu, ": ");
	if (!colon)
		return false;
	*colon = 0;
	time = strrchr(cpu, ' ');
	*when = atof(time);
	*what = colon + 2;
	while (cpu > l && cpu[-1] == ' ')
		cpu--;
	*cpu = 0;
	*who = l + strspn(l, " ");
	return true;
}

unsigned int trace_tell(void)
{
	char l[1024], *who, *what;
	double first = 0, when;
	unsigned int n = 0;
	FILE *f;

	write_text(INSTANCE "/tracing_on", "0");
	write_text(INSTANCE "/events/daxlease/enable", "0");
	f = fopen(INSTANCE "/trace", "re");
	if (!f)
		return 0;
	while (fgets(l, sizeof(l), f)) {
		l[strcspn(l, "\n")] = 0;
		if (!parse(l, &who, &when, &what))
			continue;
		if (!n++)
			first = when;
		if (!strncmp(what, MARK, strlen(MARK)))
			what += strlen(MARK);
		story("%10.0f us  %-22s %s", (when - first) * 1e6, who, what);
	}
	fclose(f);
	return n;
}
