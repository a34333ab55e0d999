/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers as people write them, and back. Pure. */
#ifndef DAXLEASE_PARSE_H
#define DAXLEASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

#define NUMBER_LEN	32	/* enough for every format_*() */

int parse_number(const char *text, uint64_t *value);
int parse_bytes(const char *text, uint64_t *bytes);
int parse_time(const char *text, uint64_t *ns);
void format_bytes(uint64_t bytes, char buf[NUMBER_LEN]);
void format_time(uint64_t ns, char buf[NUMBER_LEN]);
void format_clock(uint64_t ns, uint64_t now_ns, char buf[NUMBER_LEN]);

#endif /* DAXLEASE_PARSE_H */
