// SPDX-License-Identifier: GPL-2.0
#include "probe.h"
#include "harness.h"

#include <stdio.h>
#include <string.h>

#define TRACING		"/sys/kernel/tracing"
#define PROBES		TRACING "/kprobe_events"
#define ENABLE		TRACING "/events/vmtest/hits/enable"

void probe_start(const char *symbol)
{
	char text[128];

	snprintf(text, sizeof(text), "p:vmtest/hits %s\n", symbol);
	CHECK_RET(write_text(PROBES, text), 0);
	CHECK_RET(write_text(ENABLE, "1"), 0);
}

void probe_stop(void)
{
	CHECK_RET(write_text(ENABLE, "0"), 0);
	CHECK_RET(write_text(PROBES, "-:vmtest/hits\n"), 0);
}

unsigned int probe_hits(void)
{
	char text[4096], *at;
	unsigned int n;

	CHECK(read_text(TRACING "/kprobe_profile", text, sizeof(text)) > 0);
	at = strstr(text, " hits ");
	CHECK(at && sscanf(at, " hits %u", &n) == 1, "%s", text);
	return n;
}
