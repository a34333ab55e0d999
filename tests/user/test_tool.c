// SPDX-License-Identifier: GPL-2.0
/* The tool as its user sees it: arguments, output, messages, exit codes. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "toolrun.h"

static void help_and_version_are_no_errors(void **state)
{
	static char *const commands[] = { "info", "list", "acquire", "watch", "break",
		"who-blocks", "stats", "run" };

	(void)state;
	RUN("--version");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "daxlease " DAXLEASE_VERSION "\n");
	RUN("--help");
	assert_int_equal(run.code, 0);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		assert_has(run.out, commands[i]);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		RUN(commands[i], "--help");
		assert_int_equal(run.code, 0);
		assert_has(run.out, "--json");
		assert_string_equal(run.err, "");
	}
}

static void wrong_usage_exits_2_and_points_to_the_help(void **state)
{
	static char *const rows[][5] = {
		{ "daxlease" },
		{ "daxlease", "frobnicate" },
		{ "daxlease", "info", "x" },
		{ "daxlease", "info", "--bogus" },
		{ "daxlease", "acquire" },
		{ "daxlease", "acquire", "a", "b" },
		{ "daxlease", "acquire", "a", "--length" },
		{ "daxlease", "acquire", "a", "--length=x" },
		{ "daxlease", "acquire", "a", "--grace=5" },
		{ "daxlease", "acquire", "a", "--on-break=ac" },
		{ "daxlease", "watch", "1", "--on-break=release" },
		{ "daxlease", "acquire", "a", "--on-break=" },
		{ "daxlease", "break" },
		{ "daxlease", "who-blocks" },
		{ "daxlease", "stats", "x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		start((char **)rows[i]);
		finish();
		assert_int_equal(run.code, 2);
		assert_string_equal(run.out, "");
		assert_has(run.err, "--help");
	}
	RUN("watch", "0");
	assert_int_equal(run.code, 2);
	assert_has(run.err, "not a process id");
}

static void info_prints_text_or_json(void **state)
{
	(void)state;
	RUN("info");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "capabilities: watch,bit40\ngranule: 2M\n"
			    "grace_default: 500ms\ngrace_max: 1s\n");
	RUN("info", "--json");
	assert_string_equal(run.out, "{\"capabilities\":[\"watch\",\"bit40\"],\"granule\":2097152,"
			    "\"grace_default_ns\":500000000,\"grace_max_ns\":1000000000}\n");
}

static void a_missing_module_is_said_to_be_missing(void **state)
{
	char *rows[][4] = {
		{ "daxlease", "info" },
		{ "daxlease", "acquire", file },
		{ "daxlease", "break", file },
		{ "daxlease", "watch", "1" },
	};

	(void)state;
	need_pidfd();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_fail_nth(1, ENOENT);
		start(rows[i]);
		finish();
		assert_int_equal(run.code, 1);
		assert_string_equal(run.out, "");
		assert_has(run.err, "modprobe daxlease");
		assert_has(run.err, "(ENOENT)");
	}
}

static void refusals_of_the_kernel_are_explained(void **state)
{
	static const struct {
		unsigned int cmd;
		int err;
		const char *part;
		char *command;
	} rows[] = {
		{ DAXLEASE_CMD_ACQUIRE, EOPNOTSUPP, "chattr +x", "acquire" },
		{ DAXLEASE_CMD_ACQUIRE, EACCES, "CAP_LEASE", "acquire" },
		{ DAXLEASE_CMD_ACQUIRE, EAGAIN, "--wait", "acquire" },
		{ DAXLEASE_CMD_BREAK, EACCES, "CAP_LEASE", "break" },
		{ DAXLEASE_CMD_INFO, E2BIG, "older", "info" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake.ioctl_err = rows[i].err;
		fake.ioctl_err_cmd = rows[i].cmd;
		start(ARGS(rows[i].command, rows[i].cmd == DAXLEASE_CMD_INFO ? NULL : file));
		finish();
		assert_int_equal(run.code, 1);
		assert_string_equal(run.out, "");
		assert_has(run.err, rows[i].part);
	}
}

static void a_file_without_a_whole_page_is_refused_before_the_kernel_sees_it(void **state)
{
	(void)state;
	RUN("acquire", file, "--offset", "16M");
	assert_int_equal(run.code, 1);
	assert_has(run.err, "no whole page");
	RUN("acquire", "/nonexistent");
	assert_int_equal(run.code, 1);
	assert_has(run.err, "/nonexistent: No such file or directory (ENOENT)");
}

static void break_says_how_many_leases_it_hit(void **state)
{
	(void)state;
	RUN("break", file, "--offset", "2M");
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "leases: 3\noffset: 2M\nlength: 14M\n");
}

static void write_table(const char *text)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void list_aligns_columns_for_people(void **state)
{
	(void)state;
	write_table("# daxlease-leases 1\n# id\tkind\tlength\tuid\tcomm\n"
		    "7\texplicit\t4194304\t0\t\n1000\timplicit\t4096\t0\tqemu\n");
	RUN("list", "--from", file);
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "id    kind      length  comm\n"
			    "7     explicit  4M      -\n"
			    "1000  implicit  4K      qemu\n");
	RUN("list", "--from", file, "--json");
	assert_string_equal(run.out,
			    "{\"id\":7,\"kind\":\"explicit\",\"length\":4194304,\"uid\":0,\"comm\":\"\"}\n"
			    "{\"id\":1000,\"kind\":\"implicit\",\"length\":4096,\"uid\":0,\"comm\":\"qemu\"}\n");
}

static void list_of_nothing_prints_nothing(void **state)
{
	(void)state;
	write_table("# daxlease-leases 1\n# id\tkind\n");
	RUN("list", "--from", file);
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "");
}

static void list_names_the_line_it_does_not_understand(void **state)
{
	(void)state;
	write_table("# daxlease-leases 1\n# id\nseven\n");
	RUN("list", "--from", file);
	assert_int_equal(run.code, 1);
	assert_string_equal(run.out, "");
	assert_has(run.err, "line 3");
	RUN("list", "--from", "/nonexistent");
	assert_int_equal(run.code, 1);
	assert_has(run.err, "debugfs");
}

/* A lease of each kind and state on the file @path, and on others that have one of its numbers. */
static void write_leases(const char *path)
{
	char text[2048], *p = text;
	struct stat st;
	unsigned int a, b;

	assert_int_equal(stat(path, &st), 0);
	a = major(st.st_dev);
	b = minor(st.st_dev);
	p += sprintf(p, "# daxlease-leases 1\n# id\tkind\tstate\tdev\tino\tlength\tgranules\tlost\t"
		     "pid\tcomm\tbreaker_comm\n");
	p += sprintf(p, "1\texplicit\tactive\t%u:%u\t%lu\t4194304\t2\t1\t10\tholder\t-\n", a, b,
		     st.st_ino);
	p += sprintf(p, "2\timplicit\tbreaking\t%u:%u\t%lu\t2097152\t1\t0\t11\tqemu\trm\n", a, b,
		     st.st_ino);
	p += sprintf(p, "3\texplicit\trevoked\t%u:%u\t%lu\t2097152\t1\t1\t12\tgone\t-\n", a, b,
		     st.st_ino);
	p += sprintf(p, "4\texplicit\tactive\t%u:%u\t%lu\t2097152\t1\t0\t10\tother\t-\n", a, b,
		     st.st_ino + 1);
	p += sprintf(p, "5\texplicit\tactive\t%u:%u\t%lu\t2097152\t1\t0\t13\tother\t-\n", a, b + 1,
		     st.st_ino);
	write_table(text);
}

static void who_blocks_finds_the_leases_of_the_file(void **state)
{
	(void)state;
	write_leases(file);
	RUN("who-blocks", file, "--from", file, "--json");
	assert_int_equal(run.code, 3);
	assert_int_equal(lines(run.out), 2);
	assert_has(run.out, "{\"id\":1,");
	assert_has(run.out, "{\"id\":2,\"kind\":\"implicit\",\"state\":\"breaking\",");
	assert_has(run.out, "\"pid\":11,\"comm\":\"qemu\",\"breaker_comm\":\"rm\"}\n");
	RUN("who-blocks", file, "--from", file);
	assert_int_equal(run.code, 3);
	assert_int_equal(lines(run.out), 3);
	assert_has(run.out, "2M      1         0     11   qemu    rm\n");
}

static void who_blocks_says_when_nobody_does(void **state)
{
	(void)state;
	write_leases("/proc/self/exe");
	RUN("who-blocks", file, "--from", file);
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, "");
}

static void who_blocks_does_not_take_an_error_for_nobody(void **state)
{
	(void)state;
	RUN("who-blocks", file, "--from", "/nonexistent");
	assert_int_equal(run.code, 1);
	assert_has(run.err, "modprobe daxlease");
	RUN("who-blocks", "/nonexistent", "--from", file);
	assert_int_equal(run.code, 1);
	assert_has(run.err, "/nonexistent: No such file");
	RUN("who-blocks", "/dev/null", "--from", file);
	assert_int_equal(run.code, 1);
	assert_has(run.err, "regular files");
	write_table("# daxlease-leases 1\n# id\tdev\n7\t1:2\n");
	RUN("who-blocks", file, "--from", file);
	assert_int_equal(run.code, 1);
	assert_has(run.err, "unknown form");
}

static void write_counters(char path[32], const char *text)
{
	int fd;

	strcpy(path, "/tmp/daxlease-test.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void stats_count_leases_and_show_counters(void **state)
{
	char counters[32];

	(void)state;
	write_leases(file);
	write_counters(counters, "armed 1\nemergencies 2\nhook do_truncate 1\nhook vfs_fallocate 0\n"
		       "leases 77\n");
	RUN("stats", "--from", file, "--hooks", counters);
	assert_int_equal(run.code, 0);
	assert_string_equal(run.out, "hooks: do_truncate\narmed: 1\nemergencies: 2\nleases: 5\nexplicit: 4\n"
			    "implicit: 1\nactive: 3\nbreaking: 1\nrevoked: 1\nfiles: 3\nholders: 4\n"
			    "length: 12M\ngranules: 6\nlost: 2\n");
	RUN("stats", "--from", file, "--hooks", counters, "--json");
	assert_has(run.out, "\"hooks\":[\"do_truncate\"],\"armed\":1,");
	assert_has(run.out, "\"length\":12582912,");
	unlink(counters);
}

static void stats_name_the_line_they_do_not_understand(void **state)
{
	static const char *const rows[] = {
		"armed 1\nstuck\n", "armed 1\nstuck x\n", "armed 1\n\n", "armed 1\nhook do_truncate\n",
		"armed 1\nhook\n", "armed 1\nstuck 1 2\n",
	};
	char counters[32];

	(void)state;
	write_leases(file);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_counters(counters, rows[i]);
		RUN("stats", "--from", file, "--hooks", counters);
		assert_int_equal(run.code, 1);
		assert_string_equal(run.out, "");
		assert_has(run.err, "line 2: unknown form");
		unlink(counters);
	}
	RUN("stats", "--from", file, "--hooks", "/nonexistent");
	assert_int_equal(run.code, 1);
	assert_has(run.err, "modprobe daxlease");
}

static void lost_output_is_an_error(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	memset(&run, 0, sizeof(run));
	fflush(NULL);
	run.pid = fork();
	assert_true(run.pid >= 0);
	if (!run.pid)
		child(full, full, daxlease_main, ARGS("info"));
	close(full);
	assert_int_equal(waitpid(run.pid, &run.code, 0), run.pid);
	assert_int_equal(WEXITSTATUS(run.code), 1);
}

static const struct CMUnitTest tests[] = {
	WITH_FILE(help_and_version_are_no_errors),
	WITH_FILE(wrong_usage_exits_2_and_points_to_the_help),
	WITH_FILE(info_prints_text_or_json),
	WITH_FILE(a_missing_module_is_said_to_be_missing),
	WITH_FILE(refusals_of_the_kernel_are_explained),
	WITH_FILE(a_file_without_a_whole_page_is_refused_before_the_kernel_sees_it),
	WITH_FILE(break_says_how_many_leases_it_hit),
	WITH_FILE(list_aligns_columns_for_people),
	WITH_FILE(list_of_nothing_prints_nothing),
	WITH_FILE(list_names_the_line_it_does_not_understand),
	WITH_FILE(who_blocks_finds_the_leases_of_the_file),
	WITH_FILE(who_blocks_says_when_nobody_does),
	WITH_FILE(who_blocks_does_not_take_an_error_for_nobody),
	WITH_FILE(stats_count_leases_and_show_counters),
	WITH_FILE(stats_name_the_line_they_do_not_understand),
	WITH_FILE(lost_output_is_an_error),
};

SUITE(tests)
