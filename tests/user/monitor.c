// SPDX-License-Identifier: GPL-2.0
#include "suite.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"
#include "monitor.h"
#include "toolrun.h"

int listener, monitor;
char path[64], command[4096];

static char dir[32];

int listen_as_qemu(void **state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	(void)state;
	fake_reset();
	strcpy(dir, "/tmp/daxlease-qmp.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	monitor = -1;
	return bind(listener, (struct sockaddr *)&to, sizeof(to)) || listen(listener, 1);
}

int close_qemu(void **state)
{
	(void)state;
	close(listener);
	if (monitor >= 0)
		close(monitor);
	return unlink(path) || rmdir(dir);
}

void say(const char *text)
{
	assert_int_equal(send(monitor, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Waits for a command; others are wrong */
void expect(const char *name)
{
	char quoted[64];
	ssize_t n;

	n = recv(monitor, command, sizeof(command) - 1, 0);
	assert_true(n > 0);
	command[n] = '\0';
	snprintf(quoted, sizeof(quoted), "\"execute\":\"%s\"", name);
	assert_has(command, quoted);
}

/* The arguments of a command may have an "id", too: its own comes last */
uint64_t last_id(void)
{
	const char *id = NULL, *at = command;

	while ((at = strstr(at, "\"id\":")))
		id = at++;
	assert_non_null(id);
	return strtoull(id + strlen("\"id\":"), NULL, 10);
}

void answer(uint64_t id, const char *kind, const char *value)
{
	char text[8192];

	snprintf(text, sizeof(text), "{\"%s\": %s, \"id\": %" PRIu64 "}\r\n", kind, value, id);
	say(text);
}

void done(const char *value)
{
	answer(last_id(), "return", value);
}

/* The command comes, and is carried out */
void grant(const char *name)
{
	expect(name);
	done("{}");
}

void say_status(const char *status)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"status\": \"%s\", \"running\": %s}", status,
		 strcmp(status, "running") ? "false" : "true");
	expect("query-status");
	done(text);
}

void grant_stop(void)
{
	grant("stop");
	say_status("paused");
}

void meet(const char *status)
{
	monitor = accept(listener, NULL, NULL);
	assert_true(monitor >= 0);
	/* In two pieces, as a stream may come */
	say("{\"QMP\": {\"version\": {}, \"capa");
	say("bilities\": []}}\r\n");
	grant("qmp_capabilities");
	say_status(status);
	collect(run.out_fd, run.out, "watching");
}

static uint64_t in_ns(uint64_t ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec + ns;
}

/* A break with @grace_ns to go; the rest comes when asked for by @with */
void queue_break(uint64_t grace_ns, uint32_t with)
{
	fake.deadline_ns = in_ns(grace_ns);
	fake.clear_with = with;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
}

void end_with(int code)
{
	kill(run.pid, SIGTERM);
	finish();
	assert_int_equal(run.code, code);
}

/* The machine is stopped and goes on; when all is done, daxlease-qemu ends */
void pause_and_end(void)
{
	grant_stop();
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
}

/* The lines that begin with these words come in this order */
void assert_order(const char *words)
{
	const char *at = run.out;
	char word[32];
	int n;

	for (; sscanf(words, "%31s%n", word, &n) == 1; words += n) {
		char start_of_line[40];

		snprintf(start_of_line, sizeof(start_of_line), "\n%s", word);
		at = strstr(at, start_of_line);
		if (!at)
			fail_msg("no %s, or not in its place, in:\n%s", word, run.out);
		at++;
	}
}
