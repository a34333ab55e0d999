/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the processes of a case tell the runner: records of a packet pipe, a kind and one line of text.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#define MESSAGE_MAX	1024

#define MSG_FAIL	'F'	/* the case has failed, this is why */
#define MSG_SKIP	'K'	/* the case does not apply here, this is why */
#define MSG_STORY	'S'
#define MSG_PASS_LINE	'P'
#define MSG_FAIL_LINE	'N'

/* Where this process sends; -1: to the standard error output */
extern int message_fd;

#endif /* MESSAGE_H */
