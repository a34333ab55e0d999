// SPDX-License-Identifier: GPL-2.0
/*
 * daxlease-qemu, between a QEMU that is played by the test and the fake device. The test answers command by command, so the
 * order of the steps is what it expects or it waits for ever (which the runner takes for a failure).
 */
#include "suite.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broken.h"
#include "fake.h"
#include "policy.h"
#include "toolrun.h"

#define SECOND		1000000000ULL
#define VFIO_DEVICE	"[{\"name\": \"edu\", \"type\": \"child<vfio-pci>\"}, {\"name\": \"type\", \"type\": \"string\"}]"

int daxlease_qemu_main(int argc, char **argv);

static char dir[32], path[64];
static int listener, monitor;
static char command[4096];

static int setup(void **state)
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

static int teardown(void **state)
{
	(void)state;
	close(listener);
	if (monitor >= 0)
		close(monitor);
	return unlink(path) || rmdir(dir);
}

static void say(const char *text)
{
	assert_int_equal(send(monitor, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Waits for a command; others are wrong */
static void expect(const char *name)
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
static uint64_t last_id(void)
{
	const char *id = NULL, *at = command;

	while ((at = strstr(at, "\"id\":")))
		id = at++;
	assert_non_null(id);
	return strtoull(id + strlen("\"id\":"), NULL, 10);
}

static void answer(uint64_t id, const char *kind, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"%s\": %s, \"id\": %" PRIu64 "}\r\n", kind, value, id);
	say(text);
}

static void done(const char *value)
{
	answer(last_id(), "return", value);
}

/* The command comes, and is carried out */
static void grant(const char *name)
{
	expect(name);
	done("{}");
}

static void meet(bool running)
{
	monitor = accept(listener, NULL, NULL);
	assert_true(monitor >= 0);
	/* In two pieces, as a stream may come */
	say("{\"QMP\": {\"version\": {}, \"capa");
	say("bilities\": []}}\r\n");
	grant("qmp_capabilities");
	expect("query-status");
	done(running ? "{\"status\": \"running\", \"running\": true}" : "{\"status\": \"paused\", \"running\": false}");
	collect(run.out_fd, run.out, "watching");
}

#define START(running, ...) do {						\
	need_pidfd();								\
	start_program(daxlease_qemu_main, ARGS(__VA_ARGS__, path));		\
	meet(running);								\
} while (0)

static uint64_t in_ns(uint64_t ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec + ns;
}

/* A break with @grace_ns to go; the rest comes when asked for by @with */
static void queue_break(uint64_t grace_ns, uint32_t with)
{
	fake.deadline_ns = in_ns(grace_ns);
	fake.clear_with = with;
	fake_queue_event(DAXLEASE_EVENT_BREAK, 3);
}

static void end(int code)
{
	kill(run.pid, SIGTERM);
	finish();
	assert_int_equal(run.code, code);
}

/* The lines that begin with these words come in this order */
static void assert_order(const char *words)
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

static void a_break_stops_gives_way_rearms_and_goes_on(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--drain", "1ms");
	expect("stop");
	say("{\"timestamp\": {}, \"event\": \"STOP\"}\r\n");
	done("{}");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end(0);
	assert_order("break stop drained ack event rearm cont done");
	assert_has(run.out, " machine=stopped ");
	assert_has(run.out, " result=fenced ");
	assert_has(run.out, " generation=2 ");
	assert_null(strstr(run.out, "problem"));
}

static void a_machine_that_others_stopped_stays_stopped(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(false, "--drain", "1ms");
	collect(run.out_fd, run.out, "\ndone");
	end(0);
	assert_order("break stop ack rearm done");
	assert_has(run.out, "machine=stood already");
	assert_null(strstr(run.out, "\ncont"));
	assert_null(strstr(run.out, "\ndrained"));
}

static void a_silent_qemu_is_left_to_the_kernel(void **state)
{
	uint64_t stop_id;

	(void)state;
	queue_break(SECOND / 5, DAXLEASE_CMD_QUERY);
	START(true, "--json");
	expect("stop");
	stop_id = last_id();
	expect("cont");
	answer(stop_id, "return", "{}");
	done("{}");
	collect(run.out_fd, run.out, "\"done\"");
	end(0);
	assert_has(run.out, "\"problem\":\"no answer in time\"");
	assert_has(run.out, "{\"event\":\"no-ack\"");
	assert_null(strstr(run.out, "{\"event\":\"ack\""));
	assert_has(run.out, "{\"event\":\"rearm\"");
}

static void a_refusal_is_logged_in_qemus_words(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_QUERY);
	START(true, "--json");
	expect("stop");
	answer(last_id(), "error", "{\"class\": \"GenericError\", \"desc\": \"not today\"}");
	grant("cont");
	collect(run.out_fd, run.out, "\"done\"");
	end(0);
	assert_has(run.out, "\"problem\":\"not today\"");
	assert_null(strstr(run.out, "{\"event\":\"ack\""));
}

static void an_unplugged_device_spares_the_machine_the_stop(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--on-break", "device_del");
	expect("qom-list");
	done(VFIO_DEVICE);
	expect("qom-list");
	done("[]");
	expect("device_del");
	assert_has(command, "\"id\":\"edu\"");
	done("{}");
	say("{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"edu\", \"path\": \"/machine/peripheral/edu\"}}\r\n");
	collect(run.out_fd, run.out, "\ndone");
	end(0);
	assert_order("break device_del ack done");
	assert_null(strstr(run.out, "\nstop"));
	assert_null(strstr(run.out, "problem"));
}

static void a_device_without_id_is_named_by_its_path(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--device", "/machine/peripheral-anon/device[0]=stop,device[0]=device_del", "--on-break", "ack");
	expect("qom-list");
	done("[]");
	expect("qom-list");
	done("[{\"name\": \"device[0]\", \"type\": \"child<vfio-pci>\"}]");
	grant("stop");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end(0);
	assert_order("break stop ack cont done");
}

static void a_guest_that_does_not_unplug_in_time_is_stopped(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--on-break", "ack", "--device", "edu=device_del", "--unplug", "20ms");
	expect("qom-list");
	done(VFIO_DEVICE);
	expect("qom-list");
	done("[]");
	grant("device_del");
	grant("stop");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end(0);
	assert_order("break device_del stop ack cont done");
	assert_has(run.out, "no answer in time");
}

static void the_machine_does_not_stand_longer_than_allowed(void **state)
{
	(void)state;
	fake.fence_on_ack = true;
	queue_break(30 * SECOND, 0);
	START(true, "--pause-max", "30ms");
	grant("stop");
	grant("cont");
	collect(run.out_fd, run.out, "takes too long");
	end(0);
	assert_null(strstr(run.out, "\ndone"));
}

static void what_was_punched_stays_lost_until_asked_for(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--rearm", "clone");
	grant("stop");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	assert_order("break ack left-lost cont done");
	assert_null(strstr(run.out, "\nrearm"));
	kill(run.pid, SIGUSR1);
	collect(run.out_fd, run.out, "\nrearm");
	end(0);
}

static void a_loss_may_leave_the_machine_stopped(void **state)
{
	(void)state;
	fake.ioctl_err = EINVAL;
	fake.ioctl_err_cmd = DAXLEASE_CMD_REARM;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--on-loss", "stop");
	grant("stop");
	collect(run.out_fd, run.out, "\ndone");
	end(0);
	assert_order("rearm left-stopped done");
	assert_has(run.out, " still_lost=4 ");
	assert_null(strstr(run.out, "\ncont"));
}

static void whoever_ends_it_gets_a_running_machine(void **state)
{
	(void)state;
	fake.fence_on_ack = true;
	queue_break(30 * SECOND, 0);
	START(true, "--on-break", "stop");
	grant("stop");
	collect(run.out_fd, run.out, "\nack");
	kill(run.pid, SIGTERM);
	grant("cont");
	finish();
	assert_int_equal(run.code, 0);
	assert_has(run.out, "why=daxlease-qemu ends");
}

static void hooks_run_at_both_ends_and_not_too_long(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START(true, "--hook-time", "500ms", "--hook",
	      "echo $DAXLEASE_STEP $DAXLEASE_REASON $DAXLEASE_BREAKER; test $DAXLEASE_STEP = break || exec sleep 60");
	grant("stop");
	grant("cont");
	collect(run.out_fd, run.out, "it took too long");
	end(0);
	assert_order("break hook stop cont done hook");
	assert_has(run.out, " step=break status=0");
	assert_has(run.err, "break truncate 42\ndone truncate 42\n");
}

static void it_ends_with_qemu(void **state)
{
	char pid[16];
	pid_t qemu;

	(void)state;
	need_pidfd();
	qemu = fork();
	if (!qemu) {
		pause();
		_exit(0);
	}
	snprintf(pid, sizeof(pid), "%d", qemu);
	START(true, "--pid", pid);
	kill(qemu, SIGKILL);
	close(monitor);
	monitor = -1;
	finish();
	waitpid(qemu, NULL, 0);
	assert_int_equal(run.code, 0);
	assert_has(run.out, "\nended ");
}

static void a_lost_monitor_is_an_error(void **state)
{
	(void)state;
	START(true, "--drain", "1ms");
	close(monitor);
	monitor = -1;
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "daxlease-qemu: QEMU: has closed its monitor");
}

static void nonsense_is_an_error(void **state)
{
	(void)state;
	need_pidfd();
	start_program(daxlease_qemu_main, ARGS(path));
	monitor = accept(listener, NULL, NULL);
	say("[1, 2]\r\n");
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "EPROTO");
}

static void wrong_usage_is_said(void **state)
{
	(void)state;
	start_program(daxlease_qemu_main, ARGS("--drain", "1ms"));
	finish();
	assert_int_equal(run.code, 2);
	assert_has(run.err, "daxlease-qemu: missing argument: SOCKET (see daxlease-qemu --help)");
	start_program(daxlease_qemu_main, ARGS("--device", "edu=maybe", path));
	finish();
	assert_int_equal(run.code, 2);
	start_program(daxlease_qemu_main, ARGS("/nonexistent/qmp"));
	finish();
	assert_int_equal(run.code, 1);
	assert_has(run.err, "ENOENT");
	start_program(daxlease_qemu_main, ARGS("--help"));
	finish();
	assert_int_equal(run.code, 0);
	assert_has(run.out, "usage: daxlease-qemu [OPTION...] SOCKET\n");
}

static void policies_have_exceptions(void **state)
{
	static const struct {
		const char *names;
		bool valid;
		const char *id;
		enum action want;
	} rows[] = {
		{ NULL, true, "a", ACTION_STOP },
		{ "a=ack", true, "a", ACTION_ACK },
		{ "a=ack", true, "ab", ACTION_STOP },
		{ "ab=ack,a=device_del", true, "a", ACTION_DEL },
		{ "a=ack,a=device_del", true, "a", ACTION_ACK },
		{ "a", false, "a", ACTION_STOP },
		{ "=ack", false, "", ACTION_STOP },
		{ "a=ack,", false, "b", ACTION_STOP },
		{ "a=acks", false, "a", ACTION_STOP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy p = { ACTION_STOP, rows[i].names };

		print_message("%s: %s\n", rows[i].names ? rows[i].names : "-", rows[i].id);
		assert_int_equal(policy_check(&p), rows[i].valid);
		assert_int_equal(policy_of(&p, rows[i].id), rows[i].want);
	}
}

static void coalesced_events_say_what_holds_now(void **state)
{
	static const struct {
		uint32_t bits;
		bool unanswered, cleared;
	} rows[] = {
		{ DAXLEASE_EVENT_BREAK, true, false },
		{ DAXLEASE_EVENT_BREAK | DAXLEASE_EVENT_FENCED, false, false },
		{ DAXLEASE_EVENT_CLEARED | DAXLEASE_EVENT_BREAK, true, false },
		{ DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_CLEARED | DAXLEASE_EVENT_BREAK, false, true },
		{ DAXLEASE_EVENT_BREAK, true, false },
		{ DAXLEASE_EVENT_FENCED | DAXLEASE_EVENT_REVOKED, false, false },
		{ DAXLEASE_EVENT_CLEARED, false, true },
	};
	struct broken_list l = { 0 };
	uint64_t deadline_ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct daxlease_event event = { .id = 7, .bits = rows[i].bits, .deadline_ns = 5 };

		print_message("row %zu\n", i);
		assert_int_equal(broken_note(&l, &event), 0);
		assert_int_equal(l.count, 1);
		assert_int_equal(l.list[0].cleared, rows[i].cleared);
		assert_int_equal(broken_unanswered(&l, &deadline_ns), rows[i].unanswered);
		assert_true(!rows[i].unanswered || deadline_ns == 5);
	}
	l.list[0].kept = true;
	assert_int_equal(broken_open(&l), 0);
	broken_drop(&l, &l.list[0]);
	assert_int_equal(l.count, 0);
	broken_free(&l);
}

#define WITH_QEMU(test)	cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	WITH_QEMU(a_break_stops_gives_way_rearms_and_goes_on),
	WITH_QEMU(a_machine_that_others_stopped_stays_stopped),
	WITH_QEMU(a_silent_qemu_is_left_to_the_kernel),
	WITH_QEMU(a_refusal_is_logged_in_qemus_words),
	WITH_QEMU(an_unplugged_device_spares_the_machine_the_stop),
	WITH_QEMU(a_device_without_id_is_named_by_its_path),
	WITH_QEMU(a_guest_that_does_not_unplug_in_time_is_stopped),
	WITH_QEMU(the_machine_does_not_stand_longer_than_allowed),
	WITH_QEMU(what_was_punched_stays_lost_until_asked_for),
	WITH_QEMU(a_loss_may_leave_the_machine_stopped),
	WITH_QEMU(whoever_ends_it_gets_a_running_machine),
	WITH_QEMU(hooks_run_at_both_ends_and_not_too_long),
	WITH_QEMU(it_ends_with_qemu),
	WITH_QEMU(a_lost_monitor_is_an_error),
	WITH_QEMU(nonsense_is_an_error),
	WITH_QEMU(wrong_usage_is_said),
	cmocka_unit_test(policies_have_exceptions),
	cmocka_unit_test(coalesced_events_say_what_holds_now),
};

SUITE(tests)
