// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake.h"
#include "syscall.h"

#define QUEUE	16

struct fake fake;

static struct {
	int err;
	size_t len;
	unsigned char bytes[2048];
} queue[QUEUE];
static unsigned int nr_queued;
static unsigned int fault_in;
static int fault_err;
static int device = -1;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

/* Returns the errno to fail with, or 0. */
int fake_fault(void)
{
	if (!fault_in || --fault_in)
		return 0;
	return fault_err;
}

void *__wrap_malloc(size_t size)
{
	int err = fake_fault();

	if (!err)
		return __real_malloc(size);
	/* The one errno that malloc() has. */
	fault_err = ENOMEM;
	return NULL;
}

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.now_ns = 1000000000;
	nr_queued = 0;
	fault_in = 0;
	fault_err = 0;
	if (device >= 0)
		close(device);
	device = -1;
}

/* The device's descriptor counts what is queued, so that a real poll sees it too. */
int fake_device(void)
{
	if (device < 0)
		device = eventfd(nr_queued, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	if (device < 0)
		abort();
	return device;
}

void fake_fail_nth(unsigned int n, int err)
{
	fault_in = n;
	fault_err = err;
}

bool fake_fault_hit(void)
{
	return fault_err && !fault_in;
}

static void queue_entry(int err, const void *record, size_t len)
{
	if (nr_queued == QUEUE || len > sizeof(queue[0].bytes))
		abort();
	queue[nr_queued].err = err;
	queue[nr_queued].len = len;
	memcpy(queue[nr_queued].bytes, record, len);
	nr_queued++;
	if (device >= 0 && eventfd_write(device, 1))
		abort();
}

void fake_queue_bytes(const void *record, size_t len)
{
	queue_entry(0, record, len);
}

void fake_queue_error(int err)
{
	queue_entry(err, "", 0);
}

void fake_queue_event(uint32_t bits, uint64_t break_id)
{
	struct daxlease_event event = {
		.size = sizeof(event),
		.bits = bits,
		.reason = DAXLEASE_REASON_TRUNCATE,
		.id = FAKE_ID,
		.generation = 1,
		.break_id = break_id,
		.hit_offset = 4096,
		.hit_length = 8192,
		.lost_length = DAXLEASE_GRANULE,
		.time_ns = 1,
		.deadline_ns = fake.deadline_ns ? fake.deadline_ns : 2,
		.pid = 42,
		.comm = "rm\n\"x",
	};

	fake_queue_bytes(&event, sizeof(event));
}

static void take_entry(void)
{
	eventfd_t one;

	memmove(queue, queue + 1, --nr_queued * sizeof(queue[0]));
	if (device >= 0 && eventfd_read(device, &one))
		abort();
}

int daxlease_sys_open(const char *path, int flags)
{
	int err = fake_fault();

	if (err)
		return -err;
	snprintf(fake.open_path, sizeof(fake.open_path), "%s", path);
	fake.open_flags = flags;
	fake.open_fds++;
	return fake_device();
}

int daxlease_sys_close(int fd)
{
	(void)fd;
	fake.open_fds--;
	return 0;
}

int daxlease_sys_set_nonblock(int fd)
{
	int err = fake_fault();

	(void)fd;
	fake.nonblock = !err;
	return -err;
}

static int query(struct daxlease_query *args)
{
	size_t size = args->bitmap_size;
	unsigned char *bitmap = (void *)(uintptr_t)args->bitmap;

	args->granules = FAKE_GRANULES;
	args->granules_lost = __builtin_popcount(fake.lost);
	args->state = DAXLEASE_ACTIVE;
	args->length = FAKE_GRANULES * DAXLEASE_GRANULE;
	if (size) {
		memset(bitmap, 0, size);
		bitmap[0] = fake.lost;
	}
	return 0;
}

static void ack(uint64_t break_id)
{
	if (fake.fence_on_ack)
		fake_queue_event(DAXLEASE_EVENT_FENCED |
				 (fake.lost == (1 << FAKE_GRANULES) - 1 ?
				  DAXLEASE_EVENT_REVOKED : 0), break_id);
}

static int rearm(struct daxlease_rearm *args)
{
	int err = fake.rearm_errs[0];

	memmove(fake.rearm_errs, fake.rearm_errs + 1, sizeof(fake.rearm_errs) - sizeof(err));
	fake.rearm_errs[sizeof(fake.rearm_errs) / sizeof(err) - 1] = 0;
	args->generation = 2;
	return -err;
}

static int answer(unsigned long request, void *arg)
{
	switch (request) {
	case DAXLEASE_INFO: {
		struct daxlease_info *info = arg;

		info->capabilities = DAXLEASE_CAP_WATCH | 1ULL << 40;
		info->granule = DAXLEASE_GRANULE;
		info->grace_default_ns = 500000000;
		info->grace_max_ns = 1000000000;
		return 0;
	}
	case DAXLEASE_ACQUIRE: {
		struct daxlease_acquire *acquire = arg;

		memcpy(fake.acquire, acquire, acquire->size);
		fake.leases++;
		acquire->id = FAKE_ID;
		acquire->generation = 1;
		return 0;
	}
	case DAXLEASE_QUERY:
		return query(arg);
	case DAXLEASE_ACK:
		ack(((struct daxlease_ack *)arg)->break_id);
		return 0;
	case DAXLEASE_REARM:
		return rearm(arg);
	case DAXLEASE_EXPORT_DMABUF:
		((struct daxlease_export_dmabuf *)arg)->fd = FAKE_DMABUF;
		return 0;
	case DAXLEASE_RELEASE:
		fake.leases--;
		return 0;
	case DAXLEASE_BREAK:
		((struct daxlease_break *)arg)->leases = 3;
		return 0;
	default:
		return 0;
	}
}

int daxlease_sys_ioctl_value(int fd, unsigned long request, unsigned long value)
{
	int err = fake_fault();

	(void)fd;
	(void)request;
	fake.number = value;
	return err ? -err : fake.extension;
}

int daxlease_sys_ioctl(int fd, unsigned long request, void *arg)
{
	int err = fake_fault();

	(void)fd;
	fake.arg_size = *(uint32_t *)arg;
	if (fake.nr_requests == FAKE_REQUESTS || fake.arg_size > sizeof(fake.arg))
		abort();
	fake.requests[fake.nr_requests++] = request;
	/* Nothing of an older request: a pointer in there would hide a leak. */
	memset(fake.arg, 0, sizeof(fake.arg));
	/* Reads all of it, so that a size that is too large shows under ASan. */
	memcpy(fake.arg, arg, fake.arg_size);
	if (err)
		return -err;
	if (fake.ioctl_err && (!fake.ioctl_err_cmd || fake.ioctl_err_cmd == _IOC_NR(request)))
		return -fake.ioctl_err;
	if (fake.clear_with == _IOC_NR(request)) {
		fake.clear_with = 0;
		fake_queue_event(DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_CLEARED, 3);
	}
	if (fake.break_with == _IOC_NR(request)) {
		fake.break_with = 0;
		fake_queue_event(DAXLEASE_EVENT_BREAK, 4);
	}
	return answer(request, arg);
}

/* As many whole records as fit; EINVAL if none does. */
ssize_t daxlease_sys_read(int fd, void *buf, size_t len)
{
	int err = fake_fault();
	size_t n = 0;

	(void)fd;
	fake.reads++;
	fake.read_len = len;
	if (err)
		return -err;
	if (!nr_queued)
		return -EAGAIN;
	if (queue[0].err) {
		err = queue[0].err;
		take_entry();
		return -err;
	}
	if (queue[0].len > len)
		return -EINVAL;
	while (nr_queued && !queue[0].err && n + queue[0].len <= len) {
		memcpy((char *)buf + n, queue[0].bytes, queue[0].len);
		n += queue[0].len;
		take_entry();
	}
	return n;
}

int daxlease_sys_poll(struct pollfd *fds, unsigned int nfds, int timeout_ms)
{
	int err = fake_fault();

	if (nfds != 1)
		abort();
	fake.polls++;
	if (err)
		return -err;
	fds->revents = fake.poll_revents ? fake.poll_revents : nr_queued ? POLLIN : 0;
	if (fds->revents) {
		fake.now_ns += fake.poll_cost_ns;
		return 1;
	}
	if (timeout_ms < 0)
		abort();	/* nobody would ever wake it */
	fake.now_ns += timeout_ms * 1000000ULL;
	return 0;
}

pid_t daxlease_sys_getpid(void)
{
	return 1;
}

int daxlease_sys_pidfd_open(pid_t pid)
{
	int err = fake_fault();

	(void)pid;
	if (err)
		return -err;
	fake.open_fds++;
	return 1000;
}

uint64_t daxlease_sys_now_ns(void)
{
	return fake.now_ns;
}
