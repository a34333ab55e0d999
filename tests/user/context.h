/* SPDX-License-Identifier: GPL-2.0 */
/* context: a fresh context on the fake device for each case; a descriptor that it leaves open fails the case. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "suite.h"

#include <libdaxlease.h>

#include "fake.h"

static struct daxlease_ctx *ctx;

static int open_fake(void **state)
{
	(void)state;
	fake_reset();
	return daxlease_open(NULL, &ctx);
}

static int close_fake(void **state)
{
	(void)state;
	daxlease_close(ctx);
	ctx = NULL;
	return fake.open_fds;
}

#define WITH_CTX(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

#endif /* CONTEXT_H */
