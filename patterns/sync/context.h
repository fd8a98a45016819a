/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_CONTEXT_H
#define CONC_SYNC_CONTEXT_H

/*
 * Contexts: Go's context package. A context says when work has to stop: because somebody cancelled
 * it, or because its deadline passed. Contexts form a tree; what stops a context stops everything
 * below it. Every waiting call takes a context last; NULL waits for ever.
 *
 *   struct conc_context ctx;
 *   conc_context_with_timeout(&ctx, parent, CONC_MS(50));
 *   int rc = conc_chan_recv(ch, &value, &ctx);      // 0, EPIPE, ETIMEDOUT or ECANCELED
 *   conc_context_destroy(&ctx);
 *
 * The record is the caller's own, on the stack as a rule: making one allocates nothing and cannot
 * fail. It must outlive its children and every call that uses it. Any task may cancel, ask or wait.
 *
 * No helper task and no timer stands behind a context. A wait parks until the context's deadline
 * itself; a deadline that nobody waits for is noticed by whoever asks next. (Rejected: a timer per
 * context, as in Go. It would put every request's timeout through one shared queue, and nearly all
 * of them are destroyed before they fire.)
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "runtime/timer_queue.h"
#include "sync/waiter.h"

struct conc_context_after;

/* As the error of a context: it is not done, but to ask takes more than to load one word: there is
 * a deadline, or sim wants its choice point. A loop that asks all the time costs one branch so. */
enum { CONC_CONTEXT_ASK = -1 };

struct conc_context {
    struct conc_context *parent; /* fixed; NULL at the root */
    int64_t deadline_ns;         /* fixed: the earliest on the way up, or CONC_FOREVER */
    const void *key;             /* fixed */
    void *value;                 /* fixed */
    atomic_int error;            /* 0 or CONC_CONTEXT_ASK, then once ECANCELED or ETIMEDOUT; written
                                    under lock, but for ASK to 0 */
    int cause;                   /* written before error, under lock */
    struct conc_lock lock;       /* guards what follows; taken from parent to child */
    struct conc_wait_queue waiters;
    struct conc_context_after *afters;
    struct conc_context *children;
    struct conc_context *next_sibling; /* under the parent's lock */
    struct conc_context *prev_sibling; /* under the parent's lock */
};

/* Makes `ctx` a child of `parent` (NULL: a root) that can be cancelled. Below a parent that is
 * already done it is done at once, for the same cause. Never waits, never fails. */
void conc_context_with_cancel(struct conc_context *ctx, struct conc_context *parent);

/* The same, with a deadline `timeout_ns` from now; a timeout of 0 or less has passed already. The
 * parent's deadline holds where it is earlier. */
void conc_context_with_timeout(
    struct conc_context *ctx, struct conc_context *parent, int64_t timeout_ns);

/* The same, with an absolute deadline on the clock of conc_now_ns. */
void conc_context_with_deadline(
    struct conc_context *ctx, struct conc_context *parent, int64_t deadline_ns);

/* The same as with_cancel, and conc_context_value finds `value` under `key` in it and below. Keys
 * are compared by address: use that of a static variable of your own. */
void conc_context_with_value(
    struct conc_context *ctx, struct conc_context *parent, const void *key, void *value);

/* Cancels the context, if it is not done, and everything below it. Every wait below has been woken
 * with ECANCELED, and every after-callback has run, when it returns (if another task is cancelling
 * the same tree at this moment, the tree is done, and that task does the waking). Does not wait for
 * the tasks to leave: join them. The first cancel keeps its cause; conc_context_cancel gives
 * ECANCELED. */
void conc_context_cancel(struct conc_context *ctx);

/* The same with a cause: any error code that is not 0 (0 is taken as ECANCELED). */
void conc_context_cancel_cause(struct conc_context *ctx, int cause);

/* Takes the context out of its parent and ends its life. Nobody may be using it any more: children,
 * waiters or after-callbacks that are left end the program with a message. */
void conc_context_destroy(struct conc_context *ctx);

/* 0 while the context is not done, then for ever ECANCELED (cancelled) or ETIMEDOUT (its deadline
 * has passed). NULL is never done. Never waits: one load, and a look at the clock where there is a
 * deadline. What was written before the cancel is visible after a result other than 0. */
static inline int conc_context_error(struct conc_context *ctx);

/* Why it is done: the cause given to the first cancel above or at it, or ETIMEDOUT; 0 while it is
 * not done. */
int conc_context_cause(struct conc_context *ctx);

/* The earliest deadline on the way up; CONC_FOREVER where there is none or ctx is NULL. */
int64_t conc_context_deadline(const struct conc_context *ctx);

/* The value of the nearest context on the way up that has `key`, or NULL. */
void *conc_context_value(const struct conc_context *ctx, const void *key);

/*
 * int conc_context_wait(struct conc_context *ctx)
 *
 * Waits until the context is done and returns its error: ECANCELED or ETIMEDOUT. What
 * `<-ctx.Done()` is in Go; its try twin is conc_context_error. EINVAL: ctx is NULL, which would
 * wait for ever.
 */
#define conc_context_wait(ctx) conc_context_wait_at((ctx), CONC_HERE)
int conc_context_wait_at(struct conc_context *ctx, const struct conc_site *site);

/* A callback that runs when a context is done (context.AfterFunc). The record is the caller's and
 * must stay valid until it has been stopped. */
struct conc_context_after {
    struct conc_context *ctx; /* fixed */
    void (*fn)(void *);       /* fixed */
    void *arg;                /* fixed */
    /* Under the context's lock; from the end of the context on under that of all callbacks. */
    struct conc_context_after *next;
    struct conc_context_after **link; /* what points to this record */
    int state;
    struct conc_task *runner;
    struct conc_wait_queue stoppers;
    struct conc_timer_entry deadline; /* armed where the context has a deadline */
};

/*
 * Has fn(arg) called once when the context is done: by the task that cancels it, by the task that
 * notices the deadline or by the runtime's timer task; at once by the caller if it is done already.
 * fn runs without any lock held and must not wait.
 *
 * 0; EINVAL: an argument is NULL (arg may be); ENOMEM, EAGAIN: the context has a deadline and the
 * timer could not be armed. After a failure nothing is registered.
 */
int conc_context_after(
    struct conc_context_after *after, struct conc_context *ctx, void (*fn)(void *), void *arg);

/* Takes the callback back: true when it has not been called and never will be. Otherwise it has
 * been, and has returned (waits for it, unless called from the callback itself, whose record must
 * stay valid until it has returned). May be called again, with the same answer. Must be called
 * before the context is destroyed. */
bool conc_context_after_stop(struct conc_context_after *after);

/* For the function below: what takes more than the one load. */
int conc_context_error_slow(struct conc_context *ctx);

static inline int conc_context_error(struct conc_context *ctx)
{
    if (!ctx)
        return 0;
#if CONC_LOCK_PTHREAD
    return conc_context_error_slow(ctx);
#else
    int error = atomic_load_explicit(&ctx->error, memory_order_acquire);
    return __builtin_expect(error == CONC_CONTEXT_ASK, 0) ? conc_context_error_slow(ctx) : error;
#endif
}

/* For the implementation of waits: puts a waiter's node into the context's queue, unless the
 * context is done: then its error. */
int conc_context_enlist(
    struct conc_context *ctx, struct conc_wait_node *node, struct conc_waiter *waiter);
void conc_context_delist(struct conc_context *ctx, struct conc_wait_node *node);

#endif
