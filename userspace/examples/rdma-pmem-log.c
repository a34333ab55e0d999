// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A replicated log on two files on persistent memory. The writer keeps each record in its own file
 * and copies it to the target's with RDMA; a record is acknowledged when both have it on the medium.
 * Old records are dropped by punching holes, which takes the target's lease away in the middle of
 * traffic: the writer stops, the target gives way and offers what is left, and they go on. A target
 * that was killed and started again goes on, too.
 *
 *	rdma-pmem-log format FILE RECORDS
 *	rdma-pmem-log target DEVICE PORT FILE GRACE		GRACE in ms; 0: the module's default
 *	rdma-pmem-log writer DEVICE HOST PORT FILE RECORDS	prints "acked N"
 *	rdma-pmem-log compact FILE RECORD			drops what is older, in whole granules
 *	rdma-pmem-log check FILE				prints first and last record
 *
 * Build: cc -o rdma-pmem-log rdma-pmem-log.c $(pkg-config --cflags --libs libdaxlease-verbs)
 */
#define _GNU_SOURCE	/* fallocate() */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <libdaxlease-verbs.h>

#include "rdma-link.h"

#define GRANULE	DAXLEASE_GRANULE
#define MAGIC	0x676f6c6d656d70ULL
#define RECORD	4096U
#define BATCH	16	/* records for one acknowledgement */
#define RW	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

/* The first granule has this; it is never leased. Records follow, from 0, each in its place. */
struct header {
	uint64_t magic;
	uint64_t first;		/* older records are dropped */
};

struct record {
	uint64_t sum;		/* of what follows */
	uint64_t seq;
	unsigned char data[RECORD - 16];
};

enum {
	MSG_REGION,	/* to the writer: records from seq on are to be written by rkey */
	MSG_STOP,	/* to the writer: no longer */
	MSG_STOPPED,	/* to the target: nothing is under way */
	MSG_COMMIT,	/* to the target: records below seq are there */
	MSG_ACK,	/* to the writer: and on the medium */
};

/* A log that is open: header and records are mapped, records are leased as a whole. */
struct log {
	int fd;
	struct header *header;
	struct record *records;
	uint64_t capacity;
	struct daxlease_ctx *ctx;
	struct daxlease_acquire lease;
};

static uint64_t place(uint64_t seq)
{
	return GRANULE + seq * RECORD;
}

static int fail(const char *what, int ret)
{
	fprintf(stderr, "rdma-pmem-log: %s: %s\n", what, strerror(-ret));
	return ret;
}

static uint64_t sum_of(const struct record *r)
{
	const unsigned char *bytes = (const unsigned char *)&r->seq;
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < RECORD - sizeof(r->sum); i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;	/* FNV-1a */
	return sum;
}

static bool valid(const struct log *log, uint64_t seq)
{
	const struct record *r = &log->records[seq];

	return r->seq == seq && r->sum == sum_of(r);
}

/* The record after the last. */
static uint64_t log_end(const struct log *log)
{
	uint64_t seq = log->header->first;

	while (seq < log->capacity && valid(log, seq))
		seq++;
	return seq;
}

static int log_open(struct log *log, const char *path)
{
	struct stat st;
	char *map;

	log->fd = open(path, O_RDWR | O_CLOEXEC);
	if (log->fd < 0 || fstat(log->fd, &st))
		return -errno;
	if ((uint64_t)st.st_size < GRANULE + RECORD)
		return -EINVAL;
	log->capacity = (st.st_size - GRANULE) / RECORD;
	map = mmap(NULL, place(log->capacity), PROT_READ | PROT_WRITE, MAP_SHARED, log->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	log->header = (struct header *)map;
	log->records = (struct record *)(map + GRANULE);
	return log->header->magic == MAGIC ? 0 : -EINVAL;
}

static int log_lease(struct log *log, uint64_t grace_ns)
{
	int ret = daxlease_open(NULL, &log->ctx);

	if (ret)
		return ret;
	log->lease = (struct daxlease_acquire){
		.flags = DAXLEASE_WRITE | DAXLEASE_SYNC | DAXLEASE_WAIT, .fd = log->fd,
		.offset = GRANULE, .length = log->capacity * RECORD,
		.grace_ns = grace_ns,
	};
	return daxlease_lease_acquire(log->ctx, &log->lease, sizeof(log->lease));
}

/* Records [@first, @end) are on the medium when it returns 0. */
static int log_flush(struct log *log, uint64_t first, uint64_t end)
{
	if (first >= end)
		return 0;
	return daxlease_lease_flush(log->ctx, log->lease.id, place(first), (end - first) * RECORD);
}

/* mr: of the records that are not written yet; brk: to give way to, if stopping */
struct target {
	struct rlink link;
	struct log log;
	uint64_t grace_ns;
	struct daxlease_mr *mr;
	uint64_t end;
	bool stopping;
	bool lost;
	struct daxlease_event brk;
};

/* Offers what is still to be written: compaction never takes that. */
static int offer(struct target *t)
{
	struct daxlease_mr_attr attr = {
		.lease = t->log.lease.id, .offset = place(t->end), .iova = place(t->end),
		.length = place(t->log.capacity) - place(t->end), .access = RW,
	};
	struct link_msg msg = { .type = MSG_REGION, .seq = t->end };
	int ret;

	if (t->end < t->log.capacity) {
		ret = daxlease_mr_reg(t->log.ctx, t->link.pd, &attr, sizeof(attr), &t->mr);
		if (ret)
			return fail("registering", ret);
		msg.rkey = daxlease_mr_ibv(t->mr)->rkey;
	}
	return link_send(&t->link, &msg);
}

/* The region is to go: the writer has to leave it first. */
static int stop_writer(struct target *t, const struct daxlease_event *event)
{
	const struct link_msg stop = { .type = MSG_STOP };

	t->brk = *event;
	if (t->stopping)
		return 0;
	t->stopping = true;
	printf("%s breaks the lease\n", event->comm[0] ? event->comm : "somebody");
	return link_send(&t->link, &stop);
}

static int take_event(struct target *t, const struct daxlease_event *event)
{
	bool hit = t->mr && daxlease_mr_hit(t->mr, event);

	if (event->bits & DAXLEASE_EVENT_FENCED) {
		t->lost |= hit;
		return 0;
	}
	if (!(event->bits & DAXLEASE_EVENT_BREAK))
		return 0;
	if (hit)
		return stop_writer(t, event);
	/* What is behind us: nobody uses it. */
	daxlease_lease_ack(t->log.ctx, event->id, event->generation, event->break_id);
	return 0;
}

static int take_events(struct target *t)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(t->log.ctx, &event, sizeof(event), 0)) > 0) {
		ret = take_event(t, &event);
		if (ret)
			return ret;
	}
	if (ret && ret != -EINTR)
		return fail("events", ret);
	/* Too late to give way: the writer's next request ends the connection, and it comes again. */
	return t->lost && !t->stopping ? -ECONNABORTED : 0;
}

static int give_way(struct target *t)
{
	int ret;

	/* -ESTALE: the deadline came first. */
	ret = daxlease_lease_ack(t->log.ctx, t->brk.id, t->brk.generation, t->brk.break_id);
	if (ret && ret != -ESTALE)
		return fail("giving way", ret);
	daxlease_mr_dereg(t->mr);
	t->mr = NULL;
	t->stopping = false;
	t->lost = false;
	puts("gave way");
	return offer(t);
}

static int commit(struct target *t, uint64_t end)
{
	struct link_msg ack = { .type = MSG_ACK, .seq = end };
	int ret;

	if (end < t->end || end > t->log.capacity)
		return -EPROTO;
	/* A writer that is mistaken is not to be told that all is well. */
	for (uint64_t seq = t->end; seq < end; seq++)
		if (!valid(&t->log, seq))
			return fail("a record is not what it should be", -EBADMSG);
	ret = log_flush(&t->log, t->end, end);
	if (ret)
		return fail("flushing", ret);
	t->end = end;
	return link_send(&t->link, &ack);
}

static int serve(struct target *t)
{
	struct link_msg msg;
	int ret;

	ret = offer(t);
	while (!ret) {
		fflush(stdout);
		ret = link_wait(&t->link, daxlease_fd(t->log.ctx));
		if (ret == 1)
			ret = take_events(t);
		while (!ret && (ret = link_next(&t->link, &msg)) == 1)
			ret = msg.type == MSG_COMMIT ? commit(t, msg.seq) :
			      msg.type == MSG_STOPPED && t->stopping ? give_way(t) : 0;
	}
	return ret;
}

/* A lease that has lost nothing; over the holes, too, which are of records that nobody reads. */
static int lease_anew(struct target *t)
{
	int ret;

	daxlease_mr_dereg(t->mr);
	t->mr = NULL;
	t->stopping = false;
	t->lost = false;
	daxlease_close(t->log.ctx);	/* releases the old one */
	t->log.ctx = NULL;
	ret = log_lease(&t->log, t->grace_ns);
	return ret ? fail("leasing", ret) : 0;
}

/* Without a writer nobody has to be asked before giving way. */
static int give_way_alone(struct target *t)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(t->log.ctx, &event, sizeof(event), 0)) > 0) {
		if (event.bits & DAXLEASE_EVENT_BREAK)
			daxlease_lease_ack(t->log.ctx, event.id, event.generation, event.break_id);
		if (event.bits & DAXLEASE_EVENT_CLEARED)
			return lease_anew(t);
	}
	return ret == -EINTR ? 0 : ret;
}

/* The socket of the next writer, or -errno. */
static int wait_for_writer(struct target *t, int sock)
{
	int ret = 0, peer;

	while (!ret) {
		struct pollfd fds[] = {
			{ .fd = sock, .events = POLLIN },
			{ .fd = daxlease_fd(t->log.ctx), .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			ret = give_way_alone(t);
		if (!ret && fds[0].revents) {
			peer = accept(sock, NULL, NULL);
			return peer < 0 ? -errno : peer;
		}
	}
	return ret;
}

static int target(char **argv)
{
	static struct target t;
	int ret, sock, peer;

	t.grace_ns = strtoull(argv[5], NULL, 0) * 1000000;
	ret = link_open(&t.link, argv[2]);
	if (!ret)
		ret = log_open(&t.log, argv[4]);
	if (!ret)
		ret = log_lease(&t.log, t.grace_ns);
	if (ret)
		return fail(argv[4], ret);
	sock = link_listen(argv[3]);
	if (sock < 0)
		return fail(argv[3], sock);
	for (;;) {
		t.end = log_end(&t.log);
		/* What was there when we were killed need not have been flushed. */
		ret = log_flush(&t.log, t.log.header->first, t.end);
		if (ret)
			return fail("flushing", ret);
		printf("listening, records %llu to %llu\n",
		       (unsigned long long)t.log.header->first, (unsigned long long)t.end);
		fflush(stdout);
		peer = wait_for_writer(&t, sock);
		if (peer < 0)
			return fail("waiting for a writer", peer);
		ret = link_up(&t.link, peer);
		if (!ret)
			ret = serve(&t);
		printf("connection ended: %s\n", t.link.status ? ibv_wc_status_str(t.link.status) :
		       strerror(-ret));
		link_down(&t.link);
		ret = lease_anew(&t);
		if (ret)
			return ret;
	}
}

/* made: records in the own log; acked: those below are on both media; asked: commit under way up to */
struct writer {
	struct rlink link;
	struct log log;
	struct daxlease_mr *mr;
	uint64_t made;
	uint64_t acked;
	uint64_t asked;
	uint32_t rkey;
	bool stop;
};

static int make_records(struct writer *w, uint64_t end)
{
	uint64_t first = w->made;

	for (; w->made < end; w->made++) {
		struct record *r = &w->log.records[w->made];

		r->seq = w->made;
		memset(r->data, 1 + w->made % 251, sizeof(r->data));
		r->sum = sum_of(r);
	}
	return log_flush(&w->log, first, end);
}

/* The records come from the own file, without a copy. */
static int send_batch(struct writer *w, uint64_t total)
{
	uint64_t end = w->acked + BATCH < total ? w->acked + BATCH : total;
	struct link_msg msg = { .type = MSG_COMMIT, .seq = end };
	int ret;

	ret = make_records(w, end);
	for (uint64_t seq = w->acked; !ret && seq < end; seq++)
		ret = link_write(&w->link, place(seq), daxlease_mr_ibv(w->mr)->lkey, RECORD,
				 place(seq), w->rkey);
	if (ret)
		return ret;
	w->asked = end;
	/* Requests of one connection take effect in order: the target sees it after the records. */
	return link_send(&w->link, &msg);
}

static int take_messages(struct writer *w)
{
	const struct link_msg stopped = { .type = MSG_STOPPED };
	struct link_msg msg;
	int ret;

	while ((ret = link_next(&w->link, &msg)) == 1) {
		switch (msg.type) {
		case MSG_REGION:
			w->rkey = msg.rkey;
			/* After a restart the target may have less than it had promised: never, if it kept it. */
			if (msg.seq < w->acked)
				return fail("the target has lost records", -EBADMSG);
			if (msg.seq > w->asked && msg.seq > w->made)
				return fail("the target has records of another", -EBADMSG);
			w->acked = msg.seq;
			w->asked = msg.seq;
			break;
		case MSG_ACK:
			w->acked = msg.seq;
			printf("acked %llu\n", (unsigned long long)w->acked);
			fflush(stdout);
			break;
		case MSG_STOP:
			w->stop = true;
			break;
		}
	}
	/* With no request under way, and no commit unanswered: then the target's end is ours. */
	if (ret || !w->stop || w->link.busy || w->asked != w->acked)
		return ret;
	w->stop = false;
	w->rkey = 0;
	return link_send(&w->link, &stopped);
}

static int replicate(struct writer *w, uint64_t total)
{
	int ret = 0;

	w->rkey = 0;
	w->stop = false;
	w->asked = w->acked;
	while (!ret && w->acked < total) {
		ret = take_messages(w);
		if (!ret && w->rkey && !w->stop && w->asked == w->acked && w->acked < total &&
		    !w->link.busy)
			ret = send_batch(w, total);
		if (!ret && w->acked < total)
			ret = link_wait(&w->link, -1);
	}
	return ret;
}

/* Until all is done, with pauses for a target that is not there: it may be on its way back. */
static int reconnect(struct writer *w, char **argv, uint64_t total)
{
	int ret, sock;

	for (int tries = 0; tries < 300; tries++) {
		sock = link_dial(argv[3], argv[4]);
		if (sock < 0) {
			usleep(100000);
			continue;
		}
		ret = link_up(&w->link, sock);
		if (!ret)
			ret = replicate(w, total);
		if (ret)
			printf("connection ended: %s\n", w->link.status ?
			       ibv_wc_status_str(w->link.status) : strerror(-ret));
		fflush(stdout);
		link_down(&w->link);
		if (!ret || ret == -EBADMSG)
			return ret;
	}
	return -ETIMEDOUT;
}

static int writer(char **argv)
{
	uint64_t total = strtoull(argv[6], NULL, 0);
	struct daxlease_mr_attr attr;
	static struct writer w;
	int ret;

	ret = link_open(&w.link, argv[2]);
	if (!ret)
		ret = log_open(&w.log, argv[5]);
	if (!ret)
		ret = log_lease(&w.log, 0);
	if (ret)
		return fail(argv[5], ret);
	attr = (struct daxlease_mr_attr){
		.lease = w.log.lease.id, .offset = place(0), .iova = place(0),
		.length = w.log.capacity * RECORD, .access = IBV_ACCESS_LOCAL_WRITE,
	};
	ret = daxlease_mr_reg(w.log.ctx, w.link.pd, &attr, sizeof(attr), &w.mr);
	if (ret)
		return fail(argv[5], ret);
	w.made = log_end(&w.log);
	ret = total > w.log.capacity ? -ENOSPC : reconnect(&w, argv, total);
	if (ret)
		fail("replicating", ret);
	daxlease_mr_dereg(w.mr);
	daxlease_close(w.log.ctx);
	return ret != 0;
}

static int format(char **argv)
{
	struct header header = { .magic = MAGIC };
	int fd = open(argv[2], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || posix_fallocate(fd, 0, place(strtoull(argv[3], NULL, 0))) ||
	    pwrite(fd, &header, sizeof(header), 0) != sizeof(header) || fsync(fd))
		return fail(argv[2], -errno);
	return close(fd);
}

/* First it is written down that they are dropped; then they are. */
static int compact(char **argv)
{
	uint64_t first = strtoull(argv[3], NULL, 0), end = place(first) / GRANULE * GRANULE;
	struct log log = { 0 };
	int ret;

	ret = log_open(&log, argv[2]);
	if (ret)
		return fail(argv[2], ret);
	if (first < log.header->first || first > log_end(&log))
		return fail(argv[3], -EINVAL);
	log.header->first = first;
	if (msync(log.header, RECORD, MS_SYNC) ||
	    (end > GRANULE && fallocate(log.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, GRANULE,
					end - GRANULE)))
		return fail(argv[2], -errno);
	return 0;
}

static int check(char **argv)
{
	struct log log = { 0 };
	int ret;

	ret = log_open(&log, argv[2]);
	if (ret)
		return fail(argv[2], ret);
	printf("%llu %llu\n", (unsigned long long)log.header->first,
	       (unsigned long long)log_end(&log));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int argc;
		int (*run)(char **argv);
	} roles[] = {
		{ "format", 4, format }, { "target", 6, target }, { "writer", 7, writer },
		{ "compact", 4, compact }, { "check", 3, check },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (argc == roles[i].argc && !strcmp(argv[1], roles[i].name))
			return roles[i].run(argv) != 0;
	fputs("usage: rdma-pmem-log format FILE RECORDS\n"
	      "       rdma-pmem-log target DEVICE PORT FILE GRACE\n"
	      "       rdma-pmem-log writer DEVICE HOST PORT FILE RECORDS\n"
	      "       rdma-pmem-log compact FILE RECORD\n"
	      "       rdma-pmem-log check FILE\n", stderr);
	return 2;
}
