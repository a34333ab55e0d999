// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the cases before this one, the fault sweeps, leave memory behind. kmemleak, which also sees what others have
 * allocated for the modules, is a third of the debug kernel's time: it does not go on after it was asked. From then on
 * the kernel counts what each module itself has allocated, and warns when it is unloaded.
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
	count_instead_of_kmemleak();
}

const struct testcase leak_cases[] = {
	{ "sweeps-leave-no-memory",
	  "kmemleak finds nothing of ours after the modules are unloaded",
	  sweeps_leave_no_memory, ON_EXT4 | NEEDS_CORE | DEBUG_ONLY, 60 },
	{ 0 }
};
