// SPDX-License-Identifier: LGPL-2.1-or-later
#include <dlfcn.h>

#include "preload.h"

void *preload_real(const char *name, const char *version)
{
	return dlvsym(RTLD_NEXT, name, version);
}
