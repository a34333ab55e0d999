// SPDX-License-Identifier: GPL-2.0
/* daxlease: revocable DMA leases from the command line. */
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct command commands[] = {
	{ "info", NULL, "What the module can do.", cmd_info },
	{ "list", NULL, "All leases of the system.", cmd_list },
	{ "acquire", "FILE", "Hold a lease on a file and print its events.", cmd_acquire },
	{ "watch", "PID", "Print the events of a process' implicit leases.", cmd_watch },
	{ "break", "FILE", "Break the leases on a range of a file, by hand.", cmd_break },
	{ "who-blocks", "FILE", "The leases on a file: whom an operation on it waits for.",
	  cmd_who_blocks },
	{ "run", "COMMAND...", "Run a verbs program that registers files as RDMA memory.", cmd_run },
	{ "stats", NULL, "Counts: leases, holders, what is lost, emergencies, hooks.", cmd_stats },
};

static void print_usage(FILE *out)
{
	fputs("usage: daxlease COMMAND [OPTION...] [ARGUMENT]\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s %-10s %s\n", commands[i].name,
			commands[i].operand ? commands[i].operand : "", commands[i].summary);
	fputs("\ndaxlease COMMAND --help has the options; daxlease --version prints the version.\n"
	      "Exit codes: 0 done, 1 error, 2 wrong usage; who-blocks: 3 somebody does;\n"
	      "run: that of the command.\n", out);
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_usage(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("daxlease " DAXLEASE_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(&commands[i], argc - 1, argv + 1);
	fprintf(stderr, "daxlease: unknown command '%s' (see daxlease --help)\n", argv[1]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int code = dispatch(argc, argv);

	/* Output that was lost is an error: nobody may take a cut list for a whole one. */
	if (fflush(stdout) || ferror(stdout))
		return fail("standard output", "could not be written", 0);
	return code;
}
