/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A page that is not there: who reads it, a system call that copies from it among others, stands still until it comes
 * (userfaultfd). All of this fails the case itself when something does not work.
 */
#ifndef STALL_H
#define STALL_H

/* A new page of this process, without content: its address; the descriptor to pass below in *@uffd */
void *stall_page(int *uffd);

/* Waits until somebody stands still */
void stall_wait(int uffd, int timeout_ms);

/* Gives the page of @page the content of the page at @bytes: who stands still goes on */
void stall_end(int uffd, void *page, const void *bytes);

#endif /* STALL_H */
