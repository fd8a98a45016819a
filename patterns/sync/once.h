/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_ONCE_H
#define CONC_SYNC_ONCE_H

/*
 * Once: Go's sync.Once. However many tasks ask, fn runs one time, and nobody goes on before it has
 * returned.
 *
 *   static struct conc_once once = CONC_ONCE_INIT;
 *   conc_once_do(&once, load_table, &table, NULL);
 */

#include "sync/waiter.h"

struct conc_once {
    struct conc_lock lock;    /* guards the fields below */
    int state;                /* 0 not yet, 1 running, 2 done */
    struct conc_task *runner; /* who runs it */
    struct conc_wait_queue waiters;
};

#define CONC_ONCE_INIT                                                                             \
    {                                                                                              \
        .lock = CONC_LOCK_INIT                                                                     \
    }

/*
 * int conc_once_do(struct conc_once *once, void (*fn)(void *), void *arg, struct conc_context *ctx)
 *
 * Calls fn(arg) if nobody has yet, else waits until the call under way has returned. Woken by its
 * end, a cancel or the deadline; once done it returns 0 whatever the context says. A function that
 * ends its task (conc_task_exit) counts as done. What fn wrote is visible afterwards.
 *
 * 0: fn has returned. ECANCELED, ETIMEDOUT: the context ended first, and fn still runs elsewhere
 * (the task that runs fn itself never gets these). EINVAL: once or fn is NULL. Calling it from fn
 * on the same record ends the program with a message.
 */
#define conc_once_do(once, fn, arg, ctx) conc_once_do_at((once), (fn), (arg), (ctx), CONC_HERE)
int conc_once_do_at(struct conc_once *once, void (*fn)(void *), void *arg, struct conc_context *ctx,
    const struct conc_site *site);

/* The same without waiting: runs fn itself if nobody has, EAGAIN while another task does. */
int conc_once_try_do(struct conc_once *once, void (*fn)(void *), void *arg);

#endif
