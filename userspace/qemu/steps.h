/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The log: a record a step on standard output (output.h), each with the time of CLOCK_MONOTONIC, which kernel traces have
 * too, and the time since the first break of the episode.
 */
#ifndef DAXLEASE_QEMU_STEPS_H
#define DAXLEASE_QEMU_STEPS_H

#include <stdint.h>

#include "output.h"

struct json_object *step(const char *name, uint64_t since_ns);
void put_span(struct json_object *record, const char *name, uint64_t ns);

#endif /* DAXLEASE_QEMU_STEPS_H */
