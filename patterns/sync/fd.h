/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_FD_H
#define CONC_SYNC_FD_H

#include "runtime/site.h"

struct conc_context;

/*
 * int conc_fd_wait(int fd, short events, struct conc_context *ctx)
 *
 * Waits until poll(2) would report one of `events` (POLLIN, POLLOUT), an error or a hang-up on the
 * file descriptor; woken by that, a cancel or the deadline, never by a signal. Readiness wins over
 * a context that is done. Reading or writing is the caller's; use a non-blocking descriptor, for
 * another task may be faster. The descriptor must stay open until the call returns.
 *
 * 0: ready. ECANCELED, ETIMEDOUT: the context's end. EBADF: fd is not open; EINVAL:
 * events is 0; EMFILE, ENFILE, ENOMEM: no descriptor, or no memory, for being woken by a cancel.
 */
#define conc_fd_wait(fd, events, ctx) conc_fd_wait_at((fd), (events), (ctx), CONC_HERE)
int conc_fd_wait_at(int fd, short events, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when nothing is ready. */
int conc_fd_try_wait(int fd, short events);

#endif
