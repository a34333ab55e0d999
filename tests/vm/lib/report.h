/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The records that leave the guest by the results port, one a line, fields separated by tabs:
 *   start NAME                     it runs now; without a verdict after it, the machine has died in it
 *   ok|FAIL|skip NAME SECONDS REASON
 *   story NAME TEXT                a detail the case told
 *   line NAME PASS|FAIL TEXT       a verdict within the case
 *   detail NAME TEXT               kernel log and the like, for a failure
 *   end COUNT                      the run is complete
 */
#ifndef REPORT_H
#define REPORT_H

/* Opens the port (or any file): 0 or -errno */
int report_open(const char *path);

/* Writes a record: @kind, a tab, and what @fmt gives. Empty text fields must be "-" */
void report(const char *kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* REPORT_H */
