// SPDX-License-Identifier: GPL-2.0
/*
 * daxlease-qemu, between a QEMU that is played by the test and the fake device: a break from its beginning to its end.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broken.h"
#include "fake.h"
#include "monitor.h"
#include "policy.h"
#include "toolrun.h"

static void a_break_stops_gives_way_rearms_and_goes_on(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--drain", "1ms");
	expect("stop");
	say("{\"timestamp\": {}, \"event\": \"STOP\"}\r\n");
	done("{}");
	say_status("paused");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
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
	START("paused", "--drain", "1ms");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
	assert_order("break stop ack rearm done");
	assert_has(run.out, "machine=stood already");
	assert_null(strstr(run.out, "\ncont"));
	assert_null(strstr(run.out, "\ndrained"));
}

/* QEMU 7.2 stops no machine that sleeps, and says that it has */
static void a_guest_that_sleeps_may_wake(void **state)
{
	(void)state;
	queue_break(SECOND / 5, DAXLEASE_CMD_QUERY);
	START("suspended", "--drain", "1ms");
	grant("stop");
	say_status("suspended");
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
	assert_has(run.out, "may wake");
	assert_null(strstr(run.out, "\nack"));
}

static void a_guest_that_woke_is_stopped(void **state)
{
	char fifo[80], hook[160];

	(void)state;
	need_pidfd();
	snprintf(fifo, sizeof(fifo), "%s.hook", path);
	snprintf(hook, sizeof(hook), "test $DAXLEASE_STEP = done || read go < %s", fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("paused", "--hook", hook);
	say("{\"event\": \"WAKEUP\"}\r\n");
	/* The hook ends once it is said */
	close(open(fifo, O_WRONLY));
	unlink(fifo);
	pause_and_end();
	assert_has(run.out, " machine=stopped ");
}

/* It stands, but not for long: QEMU has a command to let it go on */
static void a_machine_that_will_go_on_is_stopped_again(void **state)
{
	uint64_t cont_id;

	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	fake.break_with = DAXLEASE_CMD_REARM;
	START("running", "--drain", "1ms");
	grant_stop();
	expect("cont");
	cont_id = last_id();
	expect("stop");
	answer(cont_id, "return", "{}");
	done("{}");
	say_status("paused");
	collect(run.out_fd, run.out, "\ndone");
	collect(run.out_fd, strstr(run.out, "\ndone"), "\nack");
	kill(run.pid, SIGTERM);
	grant("cont");
	finish();
	assert_null(strstr(run.out, "stood already"));
}

static void a_silent_qemu_is_left_to_the_kernel(void **state)
{
	uint64_t stop_id;

	(void)state;
	queue_break(SECOND / 5, DAXLEASE_CMD_QUERY);
	START("running", "--json");
	expect("stop");
	stop_id = last_id();
	expect("cont");
	answer(stop_id, "return", "{}");
	done("{}");
	collect(run.out_fd, run.out, "\"done\"");
	end_with(0);
	assert_has(run.out, "\"problem\":\"no answer in time\"");
	assert_has(run.out, "{\"event\":\"no-ack\"");
	assert_null(strstr(run.out, "{\"event\":\"ack\""));
	assert_has(run.out, "{\"event\":\"rearm\"");
}

static void a_refusal_is_logged_in_qemus_words(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_QUERY);
	START("running", "--json");
	expect("stop");
	answer(last_id(), "error", "{\"class\": \"GenericError\", \"desc\": \"not today\"}");
	grant("cont");
	collect(run.out_fd, run.out, "\"done\"");
	end_with(0);
	assert_has(run.out, "\"problem\":\"not today\"");
	assert_null(strstr(run.out, "{\"event\":\"ack\""));
}

static void answer_devices(const char *with_id)
{
	expect("qom-list");
	done(with_id);
	expect("qom-list");
	done("[]");
}

static void an_unplugged_device_spares_the_machine_the_stop(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--on-break", "device_del");
	answer_devices(VFIO_DEVICE);
	expect("device_del");
	assert_has(command, "\"id\":\"edu\"");
	done("{}");
	say("{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"edu\", \"path\": \"/machine/peripheral/edu\"}}\r\n");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
	assert_order("break device_del ack done");
	assert_null(strstr(run.out, "\nstop"));
	assert_null(strstr(run.out, "problem"));
}

static void a_device_without_id_is_named_by_its_path(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--device", "/machine/peripheral-anon/device[0]=stop,device[0]=device_del", "--on-break", "ack");
	expect("qom-list");
	done("[]");
	expect("qom-list");
	done("[{\"name\": \"device[0]\", \"type\": \"child<vfio-pci>\"}]");
	pause_and_end();
	assert_order("break stop ack cont done");
}

static void a_guest_that_does_not_unplug_in_time_is_stopped(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--on-break", "ack", "--device", "edu=device_del", "--unplug", "20ms");
	answer_devices(VFIO_DEVICE);
	grant("device_del");
	pause_and_end();
	assert_order("break device_del stop ack cont done");
	assert_has(run.out, "no answer in time");
}

/* The driver of nvme:// is none of QEMU's devices */
static void without_a_device_the_machine_is_stopped(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--device", "edu=ack");
	answer_devices("[]");
	pause_and_end();
	assert_order("break stop ack cont done");
}

static void devices_that_are_too_many_are_stopped(void **state)
{
	char options[1024] = "", list[4096] = "";
	size_t nr = 0, at = 0;

	(void)state;
	for (int i = 0; i < 65; i++) {
		nr += snprintf(options + nr, sizeof(options) - nr, "%sd%d=ack", i ? "," : "", i);
		at += snprintf(list + at, sizeof(list) - at, "%c{\"name\": \"d%d\", \"type\": \"child<vfio-pci>\"}",
			       i ? ',' : '[', i);
	}
	strcat(list, "]");
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--device", options);
	answer_devices(list);
	pause_and_end();
	assert_order("break stop ack cont done");
}

#define NAME_OF_64	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_compared_to_the_end(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--device", NAME_OF_64 "=ack");
	answer_devices("[{\"name\": \"" NAME_OF_64 "\", \"type\": \"child<vfio-pci>\"}]");
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
	assert_order("break ack done");
	assert_null(strstr(run.out, "\nstop"));
}

static void a_name_that_is_too_long_is_stopped(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--on-break", "ack", "--device", NAME_OF_64 NAME_OF_64 NAME_OF_64 NAME_OF_64 "=stop");
	answer_devices("[{\"name\": \"" NAME_OF_64 NAME_OF_64 NAME_OF_64 NAME_OF_64
		       "\", \"type\": \"child<vfio-pci>\"}]");
	pause_and_end();
	assert_order("break stop ack cont done");
}

static void the_machine_does_not_stand_longer_than_allowed(void **state)
{
	(void)state;
	fake.fence_on_ack = true;
	queue_break(30 * SECOND, 0);
	START("running", "--pause-max", "30ms");
	grant_stop();
	grant("cont");
	collect(run.out_fd, run.out, "takes too long");
	end_with(0);
	assert_null(strstr(run.out, "\ndone"));
}

static void what_was_punched_stays_lost_until_asked_for(void **state)
{
	(void)state;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--rearm", "clone");
	grant_stop();
	grant("cont");
	collect(run.out_fd, run.out, "\ndone");
	assert_order("break ack left-lost cont done");
	assert_null(strstr(run.out, "\nrearm"));
	kill(run.pid, SIGUSR1);
	collect(run.out_fd, run.out, "\nrearm");
	end_with(0);
}

static void a_loss_may_leave_the_machine_stopped(void **state)
{
	(void)state;
	fake.ioctl_err = EINVAL;
	fake.ioctl_err_cmd = DAXLEASE_CMD_REARM;
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--on-loss", "stop");
	grant_stop();
	collect(run.out_fd, run.out, "\ndone");
	end_with(0);
	assert_order("rearm left-stopped done");
	assert_has(run.out, " still_lost=4 ");
	assert_null(strstr(run.out, "\ncont"));
}

static void a_busy_granule_is_not_lost(void **state)
{
	(void)state;
	/* The whole, and two granules; the whole again, and all four */
	memcpy(fake.rearm_errs, (int[]){ EINVAL, 0, EAGAIN, EINVAL, 0, 0, 0, EINVAL }, sizeof(fake.rearm_errs));
	queue_break(30 * SECOND, DAXLEASE_CMD_ACK);
	START("running", "--drain", "1ms");
	pause_and_end();
	assert_has(run.out, " still_lost=1 ");
	assert_has(run.out, "why=the rest stays lost");
}

static void whoever_ends_it_gets_a_running_machine(void **state)
{
	(void)state;
	fake.fence_on_ack = true;
	queue_break(30 * SECOND, 0);
	START("running", "--on-break", "stop");
	grant_stop();
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
	START("running", "--hook-time", "500ms", "--hook",
	      "echo $DAXLEASE_STEP $DAXLEASE_REASON $DAXLEASE_BREAKER; test $DAXLEASE_STEP = break || exec sleep 60");
	grant_stop();
	grant("cont");
	collect(run.out_fd, run.out, "it took too long");
	end_with(0);
	assert_order("break hook stop cont done hook");
	assert_has(run.out, " step=break status=0");
	assert_has(run.err, "break truncate 42\ndone truncate 42\n");
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

static const struct CMUnitTest tests[] = {
	WITH_QEMU(a_break_stops_gives_way_rearms_and_goes_on),
	WITH_QEMU(a_machine_that_others_stopped_stays_stopped),
	WITH_QEMU(a_guest_that_sleeps_may_wake),
	WITH_QEMU(a_guest_that_woke_is_stopped),
	WITH_QEMU(a_machine_that_will_go_on_is_stopped_again),
	WITH_QEMU(a_silent_qemu_is_left_to_the_kernel),
	WITH_QEMU(a_refusal_is_logged_in_qemus_words),
	WITH_QEMU(an_unplugged_device_spares_the_machine_the_stop),
	WITH_QEMU(a_device_without_id_is_named_by_its_path),
	WITH_QEMU(a_guest_that_does_not_unplug_in_time_is_stopped),
	WITH_QEMU(without_a_device_the_machine_is_stopped),
	WITH_QEMU(devices_that_are_too_many_are_stopped),
	WITH_QEMU(names_are_compared_to_the_end),
	WITH_QEMU(a_name_that_is_too_long_is_stopped),
	WITH_QEMU(the_machine_does_not_stand_longer_than_allowed),
	WITH_QEMU(what_was_punched_stays_lost_until_asked_for),
	WITH_QEMU(a_loss_may_leave_the_machine_stopped),
	WITH_QEMU(a_busy_granule_is_not_lost),
	WITH_QEMU(whoever_ends_it_gets_a_running_machine),
	WITH_QEMU(hooks_run_at_both_ends_and_not_too_long),
	WITH_QEMU(wrong_usage_is_said),
	cmocka_unit_test(policies_have_exceptions),
	cmocka_unit_test(coalesced_events_say_what_holds_now),
};

SUITE(tests)
