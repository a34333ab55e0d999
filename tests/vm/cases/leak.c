// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the cases before this one, the fault sweeps, leave memory behind. Whatever the modules themselves have allocated
 * the debug kernel counts at all times; kmemleak sees what others have for them. It is a third of this kernel's time, so
 * it does not go on after it was asked.
 */
#include "checks.h"
#include "harness.h"
#include "modules.h"

static void sweeps_leave_no_memory(const struct test *t)
{
	const char *why = modules_unload();

	(void)t;
	CHECK(!why, "%s", why);
	why = check_kmemleak("sweeps-leave-no-memory");
	CHECK(!why, "%s", why);
	kmemleak_off();
}

const struct testcase leak_cases[] = {
	{ "sweeps-leave-no-memory",
	  "kmemleak finds nothing of ours after the modules are unloaded",
	  sweeps_leave_no_memory, ON_EXT4 | NEEDS_CORE | DEBUG_ONLY, 60 },
	{ 0 }
};
