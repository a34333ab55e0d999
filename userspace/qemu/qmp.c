// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "qmp.h"

#define OBJECT_MAX	(1 << 20)	/* a list of devices has some kilobytes */

/**
 * qmp_connect - connect to QEMU
 * @qmp: out
 * @path: the socket that QEMU listens on
 * @event: called for each event, from qmp_take(), qmp_wait() and qmp_command()
 * @arg: its first argument
 *
 * Return: 0 or -errno; -ENAMETOOLONG for a path that no socket can have.
 */
int qmp_connect(struct qmp *qmp, const char *path, qmp_event_fn event, void *arg)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int err;

	*qmp = (struct qmp){ .fd = -1, .event = event, .arg = arg };
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (qmp->fd < 0)
		return -errno;
	if (connect(qmp->fd, (struct sockaddr *)&to, sizeof(to)))
		goto err_close;
	qmp->tokener = json_tokener_new();
	if (qmp->tokener)
		return 0;
	errno = ENOMEM;
err_close:
	err = -errno;
	qmp_close(qmp);
	return err;
}

/**
 * qmp_peer - who listens
 * @qmp: the connection
 * @pid: out: the process that called listen(2): QEMU, unless it was given the socket by its parent
 *
 * Return: 0 or -errno.
 */
int qmp_peer(const struct qmp *qmp, pid_t *pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return -errno;
	*pid = peer.pid;
	return 0;
}

/**
 * qmp_close - end the connection
 * @qmp: it; may be closed already
 */
void qmp_close(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
	if (qmp->tokener)
		json_tokener_free(qmp->tokener);
	qmp->tokener = NULL;
	json_object_put(qmp->reply);
	qmp->reply = NULL;
}

/* Takes over @object. A reply to a command that was given up is dropped */
static void dispatch(struct qmp *qmp, struct json_object *object)
{
	struct json_object *name, *id;

	if (json_object_object_get_ex(object, "event", &name) && json_object_is_type(name, json_type_string)) {
		qmp->event(qmp->arg, json_object_get_string(name), json_object_object_get(object, "data"));
	} else if (json_object_object_get_ex(object, "QMP", NULL)) {
		qmp->greeted = 1;
	} else if (json_object_object_get_ex(object, "id", &id) && json_object_get_uint64(id) == qmp->id) {
		json_object_put(qmp->reply);
		qmp->reply = json_object_get(object);
	}
	json_object_put(object);
}

static int parse(struct qmp *qmp, const char *text, size_t len)
{
	struct json_object *object;
	size_t used;

	while (len) {
		object = json_tokener_parse_ex(qmp->tokener, text, (int)len);
		used = json_tokener_get_parse_end(qmp->tokener);
		if (!object && json_tokener_get_error(qmp->tokener) == json_tokener_continue) {
			qmp->partial += len;
			if (qmp->partial > OBJECT_MAX)
				goto nonsense;
			return 0;
		}
		if (!json_object_is_type(object, json_type_object))
			goto nonsense;
		dispatch(qmp, object);
		qmp->partial = 0;
		text += used;
		len -= used;
		/* What is between objects */
		while (len && strchr("\r\n \t", *text)) {
			text++;
			len--;
		}
	}
	return 0;

nonsense:
	json_object_put(object);
	qmp_close(qmp);
	return -EPROTO;
}

/**
 * qmp_take - take what has come, without waiting
 * @qmp: the connection
 * @until_ns: no more of it after that, CLOCK_MONOTONIC; something in any case
 *
 * Return: 0; -EPIPE: QEMU has closed it; -EPROTO: what came is not QMP. After an error it is closed.
 */
int qmp_take(struct qmp *qmp, uint64_t until_ns)
{
	char text[16384];
	ssize_t n;
	int ret;

	while (qmp->fd >= 0) {
		n = recv(qmp->fd, text, sizeof(text), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			break;
		ret = parse(qmp, text, n);
		if (ret || now_ns() >= until_ns)
			return ret;
	}
	qmp_close(qmp);
	return -EPIPE;
}

/**
 * qmp_wait - wait until something comes, and take it
 * @qmp: the connection
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: 0; -ETIMEDOUT; or as qmp_take().
 */
int qmp_wait(struct qmp *qmp, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = qmp->fd, .events = POLLIN };
	uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
	struct timespec ts = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
	int n, ret;

	if (qmp->fd < 0)
		return -EPIPE;
	n = ppoll(&pfd, 1, &ts, NULL);
	if (n < 0 && errno != EINTR)
		return -errno;
	ret = n > 0 ? qmp_take(qmp, until_ns) : 0;
	return ret ? ret : now_ns() < until_ns ? 0 : -ETIMEDOUT;
}

/* Takes over @arguments. Not waiting for room either: a QEMU that does not read does not answer */
static int put_command(struct qmp *qmp, const char *name, struct json_object *arguments)
{
	struct json_object *command = json_object_new_object();
	const char *text;
	ssize_t n;
	size_t len;

	json_object_object_add(command, "execute", json_object_new_string(name));
	if (arguments)
		json_object_object_add(command, "arguments", arguments);
	json_object_object_add(command, "id", json_object_new_uint64(++qmp->id));
	text = json_object_to_json_string_length(command, JSON_C_TO_STRING_PLAIN, &len);
	n = send(qmp->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	json_object_put(command);
	if (n == (ssize_t)len)
		return 0;
	if (n < 0 && errno == EAGAIN)
		return -ETIMEDOUT;
	qmp_close(qmp);
	return -EPIPE;
}

static int read_reply(struct qmp *qmp, struct json_object **value)
{
	struct json_object *part;
	int ret = 0;

	if (json_object_object_get_ex(qmp->reply, "return", &part)) {
		if (value)
			*value = json_object_get(part);
	} else if (json_object_object_get_ex(qmp->reply, "error", &part)) {
		part = json_object_object_get(part, "desc");
		snprintf(qmp->error, sizeof(qmp->error), "%s", part ? json_object_get_string(part) : "?");
		ret = -EREMOTEIO;
	} else {
		ret = -EPROTO;
	}
	json_object_put(qmp->reply);
	qmp->reply = NULL;
	return ret;
}

/**
 * qmp_command - have QEMU do something
 * @qmp: the connection
 * @name: of the command
 * @arguments: taken over; may be NULL
 * @until_ns: how long to wait for the answer, CLOCK_MONOTONIC
 * @value: out: what it returned, to be put; may be NULL
 *
 * Return: 0; -ETIMEDOUT: QEMU has the command and will carry it out some time; -EREMOTEIO: it refused, and why is in
 * @qmp->error; or as qmp_take().
 */
int qmp_command(struct qmp *qmp, const char *name, struct json_object *arguments, uint64_t until_ns,
		struct json_object **value)
{
	int ret;

	if (qmp->fd < 0) {
		json_object_put(arguments);
		return -EPIPE;
	}
	ret = put_command(qmp, name, arguments);
	while (!ret && !qmp->reply)
		ret = qmp_wait(qmp, until_ns);
	return qmp->reply ? read_reply(qmp, value) : ret;
}

/**
 * qmp_hello - the greeting, and entering command mode
 * @qmp: a new connection
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: as qmp_command(). A monitor that somebody else is connected to does not greet: -ETIMEDOUT.
 */
int qmp_hello(struct qmp *qmp, uint64_t until_ns)
{
	int ret = 0;

	while (!ret && !qmp->greeted)
		ret = qmp_wait(qmp, until_ns);
	return ret ? ret : qmp_command(qmp, "qmp_capabilities", NULL, until_ns, NULL);
}
