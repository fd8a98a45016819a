/* SPDX-License-Identifier: MIT */
#ifndef CONC_GRACEFUL_SHUTDOWN_H
#define CONC_GRACEFUL_SHUTDOWN_H

/*
 * Graceful shutdown: what a program does between SIGTERM and its end. Go's signal.NotifyContext in
 * front of a pool:
 *
 *   first signal     a context is done: nobody takes on new work
 *   until a limit    what was accepted is worked off
 *   after the limit  the rest is cancelled, and counted
 *   second signal    the program ends at once, exit code 128 + signal, whatever hangs
 *
 *   struct conc_shutdown *shutdown;
 *   conc_shutdown_create(&shutdown, NULL, 0, NULL);
 *   struct conc_context *taking = conc_shutdown_context(shutdown);
 *   while (accept_work(&work, taking) == 0)
 *       conc_worker_pool_submit(pool, fn, work, taking);
 *   struct conc_shutdown_report report;
 *   conc_shutdown_pool(pool, CONC_S(30), &report);
 *   int code = conc_shutdown_exit_code(shutdown);
 *   conc_shutdown_destroy(shutdown);
 *
 * A signal handler may do next to nothing: ours notes the signal and writes a byte into a pipe. A
 * task waits for that byte with conc_fd_wait and does the rest outside the handler (D. J.
 * Bernstein's self-pipe). Rejected: signalfd, which needs the signals blocked in every thread, also
 * those that other libraries started before us; and a thread in sigwait, for the same reason. The
 * second signal is answered within the handler itself, for then nothing of the program can be
 * relied on.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_context;
struct conc_worker_pool;
struct conc_shutdown; /* opaque; one at a time in a process */

/*
 * Begins to watch for `signals` (n of them; NULL: SIGINT and SIGTERM). Until destroy their handlers
 * are ours; a signal that was ignored before is watched too. `parent` (may be NULL) is above the
 * context; when it is done the context is done as well, without a signal. The caller owns *shutdown
 * and destroys it.
 *
 * 0; EINVAL: shutdown is NULL, n is 0 with signals, or a signal cannot be caught; EBUSY: there is
 * one already; ENOMEM, EAGAIN, EMFILE, ENFILE: no memory, no task, no descriptor. After a failure
 * the handlers are as before.
 */
int conc_shutdown_create(
    struct conc_shutdown **shutdown, const int *signals, size_t n, struct conc_context *parent);

/* The context that is done, with the cause ESHUTDOWN, when the first signal has come: for whatever
 * takes on work. Not for the work itself, which is to be finished. Belongs to `shutdown`. */
struct conc_context *conc_shutdown_context(struct conc_shutdown *shutdown);

/*
 * int conc_shutdown_wait(struct conc_shutdown *shutdown, struct conc_context *ctx)
 *
 * Waits for the first signal; woken by that, a cancel or the deadline of ctx. The context above is
 * done when it returns 0. 0; ECANCELED, ETIMEDOUT: ctx ended first; EINVAL: shutdown is NULL.
 */
#define conc_shutdown_wait(shutdown, ctx) conc_shutdown_wait_at((shutdown), (ctx), CONC_HERE)
int conc_shutdown_wait_at(
    struct conc_shutdown *shutdown, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when no signal has come. */
int conc_shutdown_try_wait(struct conc_shutdown *shutdown);

/* The first signal, 0 before it; and the exit code for main: 128 + signal, or 0. */
int conc_shutdown_signal(struct conc_shutdown *shutdown);
int conc_shutdown_exit_code(struct conc_shutdown *shutdown);

/* Puts the handlers back as they were, joins the task that watches and frees it. What uses its
 * context must have left. A signal that comes later has its old effect. NULL is allowed. */
void conc_shutdown_destroy(struct conc_shutdown *shutdown);

/* What became of the tasks of a pool: submitted is the sum of the other four. */
struct conc_shutdown_report {
    uint64_t submitted;   /* all the pool ever accepted */
    uint64_t finished;    /* had ended when the shutdown began */
    uint64_t drained;     /* ended within the limit */
    uint64_t interrupted; /* ran when the limit passed, and were told to end */
    uint64_t cancelled;   /* were waiting when the limit passed, and never began */
};

/*
 * int conc_shutdown_pool(struct conc_worker_pool *pool, int64_t limit_ns,
 *                        struct conc_shutdown_report *report)
 *
 * Closes the pool, so that submit returns EPIPE, waits up to limit_ns (CONC_FOREVER: as long as it
 * takes; 0 or less: not at all) until its tasks are done, cancels what is left and stops the pool.
 * A running task that ignores its context is waited for: to end that, there is the second signal.
 * *report (may be NULL) is filled. Needs no struct conc_shutdown. Destroying the pool stays with
 * the caller.
 *
 * 0: everything was worked off. ETIMEDOUT: something was interrupted or cancelled; EINVAL: pool is
 * NULL.
 */
#define conc_shutdown_pool(pool, limit_ns, report)                                                 \
    conc_shutdown_pool_at((pool), (limit_ns), (report), CONC_HERE)
int conc_shutdown_pool_at(struct conc_worker_pool *pool, int64_t limit_ns,
    struct conc_shutdown_report *report, const struct conc_site *site);

#endif
