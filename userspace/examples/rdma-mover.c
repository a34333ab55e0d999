// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A target of RDMA writes that gives way to breaks without losing the connection. It offers one
 * window of a file at a time. When an operation on the file breaks the lease, it offers another
 * window, waits until the writer has left the old one, and gives way.
 *
 *	rdma-mover target DEVICE PORT FILE [GRACE]	FILE has two windows of 2 MiB at least; GRACE in ms
 *	rdma-mover writer DEVICE HOST PORT BLOCKS
 *
 * Build: cc -o rdma-mover rdma-mover.c $(pkg-config --cflags --libs libdaxlease-verbs)
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include <libdaxlease-verbs.h>

#include "rdma-link.h"

#define WINDOW	DAXLEASE_GRANULE	/* what a break takes at least */
#define BLOCK	4096U
#define BLOCKS	(WINDOW / BLOCK)

enum {
	MSG_WINDOW,	/* to the writer: write here from now on; seq: number of the window */
	MSG_MOVED,	/* to the target: nothing is under way in another window than seq */
	MSG_DONE,	/* to the target */
};

/* lease: 0 if there is none; mr: NULL likewise */
struct window {
	uint64_t n;
	uint64_t lease;
	struct daxlease_mr *mr;
};

/* now: offered; old: being left since the event in brk */
struct target {
	struct rlink link;
	struct daxlease_ctx *ctx;
	int fd;
	uint64_t grace_ns;
	uint64_t windows;
	struct window now;
	struct window old;
	struct daxlease_event brk;
	unsigned int moves;
};

static int fail(const char *what, int ret)
{
	fprintf(stderr, "rdma-mover: %s: %s\n", what, strerror(-ret));
	return ret;
}

/* Addresses are offsets in the file: it is not mapped at all. */
static int window_open(struct target *t, uint64_t n, struct window *w)
{
	struct daxlease_acquire args = {
		.flags = DAXLEASE_WRITE, .fd = t->fd, .offset = n * WINDOW, .length = WINDOW,
		.grace_ns = t->grace_ns,
	};
	struct daxlease_mr_attr attr = {
		.offset = n * WINDOW, .length = WINDOW, .iova = n * WINDOW,
		.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	};
	int ret;

	ret = daxlease_lease_acquire(t->ctx, &args, sizeof(args));
	if (ret)
		return ret;
	attr.lease = args.id;
	ret = daxlease_mr_reg(t->ctx, t->link.pd, &attr, sizeof(attr), &w->mr);
	if (ret) {
		daxlease_lease_release(t->ctx, args.id);
		return ret;
	}
	w->n = n;
	w->lease = args.id;
	return 0;
}

static void window_close(struct target *t, struct window *w)
{
	if (!w->mr)
		return;
	daxlease_mr_dereg(w->mr);
	daxlease_lease_release(t->ctx, w->lease);
	memset(w, 0, sizeof(*w));
}

/* Any window but that one; what is being changed itself is not to be had (EAGAIN). */
static int another_window(struct target *t, uint64_t but, struct window *w)
{
	int ret = -EAGAIN;

	for (uint64_t i = 1; ret && i < t->windows; i++)
		ret = window_open(t, (but + i) % t->windows, w);
	return ret;
}

static int offer(struct target *t)
{
	struct link_msg msg = {
		.type = MSG_WINDOW, .seq = t->now.n, .addr = t->now.n * WINDOW, .length = WINDOW,
		.rkey = daxlease_mr_ibv(t->now.mr)->rkey,
	};

	return link_send(&t->link, &msg);
}

static int take_break(struct target *t, const struct daxlease_event *event)
{
	int ret;

	/* Fenced already: somebody was in a hurry, or we were slow. The writer's connection ends. */
	if (event->bits & DAXLEASE_EVENT_FENCED || t->old.mr)
		return -ESTALE;
	t->brk = *event;
	t->old = t->now;
	memset(&t->now, 0, sizeof(t->now));
	ret = another_window(t, t->old.n, &t->now);
	if (ret)
		return ret;
	printf("%s wants window %llu: moving to %llu\n", event->comm[0] ? event->comm : "somebody",
	       (unsigned long long)t->old.n, (unsigned long long)t->now.n);
	return offer(t);
}

static int take_events(struct target *t)
{
	struct daxlease_event event;
	int ret;

	while ((ret = daxlease_next_event(t->ctx, &event, sizeof(event), 0)) > 0) {
		if (!t->now.mr || !daxlease_mr_hit(t->now.mr, &event))
			continue;	/* of a window that we have left */
		ret = take_break(t, &event);
		if (ret)
			return fail("moving", ret);
	}
	return ret == -EINTR ? 0 : ret;
}

static int moved(struct target *t, uint64_t n)
{
	int ret;

	if (!t->old.mr || n != t->now.n)
		return 0;
	ret = daxlease_lease_ack(t->ctx, t->brk.id, t->brk.generation, t->brk.break_id);
	if (ret && ret != -ESTALE)
		return fail("giving way", ret);
	window_close(t, &t->old);
	t->moves++;
	puts("moved");
	return 0;
}

/* 1 when the writer is done, or -errno. */
static int serve(struct target *t)
{
	struct link_msg msg;
	int ret;

	ret = offer(t);
	while (!ret) {
		fflush(stdout);
		ret = link_wait(&t->link, daxlease_fd(t->ctx));
		if (ret == 1)
			ret = take_events(t);
		while (!ret && (ret = link_next(&t->link, &msg)) == 1)
			ret = msg.type == MSG_DONE ? 1 : moved(t, msg.seq);
		if (ret == 1)
			return 1;
	}
	if (ret == -ECONNABORTED)
		fprintf(stderr, "rdma-mover: %s\n", ibv_wc_status_str(t->link.status));
	return ret;
}

static int target_open(struct target *t, char **argv)
{
	struct stat st;
	int ret, sock, peer;

	ret = link_open(&t->link, argv[2]);
	if (ret)
		return fail(argv[2], ret);
	ret = daxlease_open(NULL, &t->ctx);
	if (ret)
		return fail(DAXLEASE_DEVICE, ret);
	t->fd = open(argv[4], O_RDWR | O_CLOEXEC);
	if (t->fd < 0 || fstat(t->fd, &st))
		return fail(argv[4], -errno);
	t->windows = st.st_size / WINDOW;
	ret = window_open(t, 0, &t->now);
	if (ret)
		return fail(argv[4], ret);
	sock = link_listen(argv[3]);
	if (sock < 0)
		return fail(argv[3], sock);
	puts("listening");
	fflush(stdout);
	peer = accept(sock, NULL, NULL);
	close(sock);
	if (peer < 0)
		return fail("accept", -errno);
	ret = link_up(&t->link, peer);
	return ret ? fail("connecting", ret) : 0;
}

static int target(char **argv)
{
	static struct target t = { .fd = -1 };
	int ret;

	t.grace_ns = argv[5] ? strtoull(argv[5], NULL, 0) * 1000000 : 0;
	ret = target_open(&t, argv);
	if (!ret)
		ret = serve(&t);
	window_close(&t, &t.old);
	window_close(&t, &t.now);
	link_down(&t.link);
	daxlease_close(t.ctx);
	printf("%s, moved %u times\n", ret == 1 ? "done" : "failed", t.moves);
	return ret != 1;
}

/* left: blocks to write; window: where, if rkey is not 0; next: offered, and waiting for the old */
struct writer {
	struct rlink link;
	unsigned char *block;
	struct ibv_mr *mr;
	struct link_msg window;
	struct link_msg next;
	bool move;
};

static int take_messages(struct writer *w)
{
	struct link_msg msg;
	int ret;

	while ((ret = link_next(&w->link, &msg)) == 1) {
		if (msg.type != MSG_WINDOW)
			return -EPROTO;
		w->next = msg;
		w->move = true;
	}
	if (ret || !w->move || w->link.busy)
		return ret;
	/* Nothing is under way: the old window is left. */
	w->window = w->next;
	w->move = false;
	msg = (struct link_msg){ .type = MSG_MOVED, .seq = w->window.seq };
	return link_send(&w->link, &msg);
}

/* Block number @n: every byte of it says so. One buffer: the next is made when the last has gone. */
static int write_block(struct writer *w, uint64_t n)
{
	memset(w->block, 1 + n % 255, BLOCK);
	return link_write(&w->link, (uintptr_t)w->block, w->mr->lkey, BLOCK,
			  w->window.addr + n % BLOCKS * BLOCK, w->window.rkey);
}

static int write_all(struct writer *w, uint64_t blocks)
{
	struct link_msg done = { .type = MSG_DONE };
	uint64_t n = 0;
	int ret = 0;

	while (!ret && (n < blocks || w->link.busy || w->move)) {
		ret = take_messages(w);
		if (!ret && n < blocks && !w->link.busy && w->window.rkey)
			ret = write_block(w, n++);
		if (!ret && (w->link.busy || !w->window.rkey))
			ret = link_wait(&w->link, -1);
	}
	if (!ret)
		ret = link_send(&w->link, &done);
	while (!ret && w->link.busy) {
		ret = link_wait(&w->link, -1);
		if (!ret)
			ret = take_messages(w);
	}
	return ret;
}

static int writer(char **argv)
{
	static struct writer w;
	int ret, sock;

	ret = link_open(&w.link, argv[2]);
	if (ret)
		return -fail(argv[2], ret);
	w.block = malloc(BLOCK);
	w.mr = w.block ? ibv_reg_mr(w.link.pd, w.block, BLOCK, IBV_ACCESS_LOCAL_WRITE) : NULL;
	if (!w.mr)
		return -fail("memory", -errno);
	sock = link_dial(argv[3], argv[4]);
	if (sock < 0)
		return -fail(argv[3], sock);
	ret = link_up(&w.link, sock);
	if (!ret)
		ret = write_all(&w, strtoull(argv[5], NULL, 0));
	if (ret)
		fail(ret == -ECONNABORTED ? ibv_wc_status_str(w.link.status) : "writing", ret);
	else
		printf("%s blocks written\n", argv[5]);
	link_down(&w.link);
	return ret != 0;
}

int main(int argc, char **argv)
{
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "target"))
		return target(argv);
	if (argc == 6 && !strcmp(argv[1], "writer"))
		return writer(argv);
	fputs("usage: rdma-mover target DEVICE PORT FILE [GRACE]\n"
	      "       rdma-mover writer DEVICE HOST PORT BLOCKS\n", stderr);
	return 2;
}
