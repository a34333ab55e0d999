/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU's part, played by the test. It answers command by command, so the order of the steps is what it expects or it waits
 * for ever (which the runner takes for a failure).
 */
#ifndef MONITOR_H
#define MONITOR_H

#include <stdint.h>

#define SECOND		1000000000ULL
#define VFIO_DEVICE	"[{\"name\": \"edu\", \"type\": \"child<vfio-pci>\"}, {\"name\": \"type\", \"type\": \"string\"}]"

extern char path[64];		/* of the socket */
extern int listener;		/* on it */
extern int monitor;		/* the connection; -1: none */
extern char command[4096];	/* the last that came */

int daxlease_qemu_main(int argc, char **argv);

#define WITH_QEMU(test)	cmocka_unit_test_setup_teardown(test, listen_as_qemu, close_qemu)

/* daxlease-qemu, and a QEMU of this status */
#define START(status, ...) do {							\
	need_pidfd();								\
	start_program(daxlease_qemu_main, ARGS(__VA_ARGS__, path));		\
	meet(status);								\
} while (0)

int listen_as_qemu(void **state);
int close_qemu(void **state);
void meet(const char *status);
void say(const char *text);
void expect(const char *name);
uint64_t last_id(void);
void answer(uint64_t id, const char *kind, const char *value);
void done(const char *value);
void grant(const char *name);
void grant_stop(void);
void say_status(const char *status);
void queue_break(uint64_t grace_ns, uint32_t with);
void end_with(int code);
void pause_and_end(void);
void assert_order(const char *words);

#endif /* MONITOR_H */
