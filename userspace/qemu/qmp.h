/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A client of QEMU's machine protocol (QMP): JSON objects over a UNIX socket. One command at a time, each with a time
 * limit; QEMU carries commands out in order, also those that we have stopped waiting for.
 */
#ifndef DAXLEASE_QEMU_QMP_H
#define DAXLEASE_QEMU_QMP_H

#include <stdint.h>

#include <sys/types.h>

#include <json-c/json.h>

#define QMP_ERROR_LEN	256

/* Called for each event; @data belongs to the caller and may be NULL */
typedef void (*qmp_event_fn)(void *arg, const char *name, struct json_object *data);

/**
 * struct qmp - a connection
 * @fd: the socket; -1: closed, by QEMU or after nonsense
 * @tokener: of json-c, with what has come of an object
 * @partial: bytes of it
 * @event: called for each event
 * @arg: its first argument
 * @id: of the last command
 * @reply: to it, or NULL
 * @greeted: QEMU has said hello
 * @error: what QEMU said, after -EREMOTEIO
 */
struct qmp {
	int fd;
	struct json_tokener *tokener;
	size_t partial;
	qmp_event_fn event;
	void *arg;
	uint64_t id;
	struct json_object *reply;
	int greeted;
	char error[QMP_ERROR_LEN];
};

int qmp_connect(struct qmp *qmp, const char *path, qmp_event_fn event, void *arg);
int qmp_peer(const struct qmp *qmp, pid_t *pid);
int qmp_hello(struct qmp *qmp, uint64_t until_ns);
int qmp_command(struct qmp *qmp, const char *name, struct json_object *arguments, uint64_t until_ns,
		struct json_object **value);
int qmp_take(struct qmp *qmp, uint64_t until_ns);
int qmp_wait(struct qmp *qmp, uint64_t until_ns);
void qmp_close(struct qmp *qmp);

#endif /* DAXLEASE_QEMU_QMP_H */
