// SPDX-License-Identifier: GPL-2.0
#include "stall.h"
#include "file.h"
#include "harness.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *stall_page(int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range.len = PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	*uffd = CHECK_SYS(syscall(SYS_userfaultfd, O_CLOEXEC));
	CHECK_SYS(ioctl(*uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)page;
	CHECK_SYS(ioctl(*uffd, UFFDIO_REGISTER, &reg));
	return page;
}

void stall_wait(int uffd, int timeout_ms)
{
	struct uffd_msg msg;

	CHECK(wait_readable(uffd, timeout_ms), "nobody stands still");
	CHECK_EQ(read(uffd, &msg, sizeof(msg)), sizeof(msg));
}

void stall_end(int uffd, void *page, const void *bytes)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)page, .src = (uintptr_t)bytes, .len = PAGE };

	CHECK_SYS(ioctl(uffd, UFFDIO_COPY, &copy));
}
