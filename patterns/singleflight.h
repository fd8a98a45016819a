/* SPDX-License-Identifier: MIT */
#ifndef CONC_SINGLEFLIGHT_H
#define CONC_SINGLEFLIGHT_H

/*
 * Single flight: golang.org/x/sync/singleflight. Calls for the same key that come while one is
 * under way do not do the work again: they wait for that one and share its result. What keeps a
 * cache that has just lost an entry from asking the database a thousand times.
 *
 *   struct conc_singleflight flight;
 *   conc_singleflight_init(&flight, sizeof(struct page), NULL);
 *
 *   struct page page;                                     static int load(void *arg, void *result)
 *   bool shared;                                          {
 *   int rc = conc_singleflight_do(                            struct page *page = result;
 *       &flight, url, load, url, &page, &shared, ctx);        ...
 *
 * The first caller, the leader, runs the function itself; nothing is started and nothing is
 * allocated. A result is a fixed number of bytes and is copied to every caller. Where it holds a
 * pointer, `share` makes each copy good in its own right, as a rule by counting one more reference.
 *
 * Nothing is cached: a call that comes after the run has ended runs anew.
 *
 * The leader cannot leave its own run, for it is inside it, and a leader that hands its own context
 * to the work ends the work for everybody: give the work a context that belongs to the work.
 */

#include <stdbool.h>
#include <stddef.h>

#include "sync/waiter.h"

enum { CONC_SINGLEFLIGHT_BUCKETS = 64 };

struct conc_singleflight_call; /* on the leader's stack */

struct conc_singleflight {
    struct conc_lock lock;       /* guards the calls */
    size_t result_size;          /* fixed */
    void (*share)(void *result); /* fixed */
    size_t running;              /* leaders at work, forgotten ones included */
    struct conc_singleflight_call *calls[CONC_SINGLEFLIGHT_BUCKETS]; /* by hash of the key */
};

/* Makes one for results of `result_size` bytes (0: the error code is the result). `share` (may be
 * NULL) is called with every copy but the leader's own, by the leader, without a lock held. 0;
 * EINVAL: flight is NULL. */
int conc_singleflight_init(
    struct conc_singleflight *flight, size_t result_size, void (*share)(void *result));

/* Ends its life. A call under way ends the program with a message. */
void conc_singleflight_destroy(struct conc_singleflight *flight);

/*
 * int conc_singleflight_do(struct conc_singleflight *flight, const char *key,
 *                          int (*fn)(void *arg, void *result), void *arg, void *result,
 *                          bool *shared, struct conc_context *ctx)
 *
 * Calls fn(arg, result) if no call for `key` is under way; else waits for that call's end and takes
 * a copy of its result. *shared (may be NULL) tells whether more than one caller got this result.
 * `key` is a string, compared by content, and needs to live until the call returns. `result` has
 * room for result_size bytes (may be NULL when that is 0).
 *
 * The wait of a caller that is not the leader is woken by the end of the run, a cancel or the
 * deadline; a run that has ended wins over a context that is done. What fn wrote is visible
 * afterwards.
 *
 * What fn returned: *result is filled when that is 0, else untouched (the leader's holds what fn
 * left in it). EOWNERDEAD when fn ended its task (conc_task_exit). ECANCELED, ETIMEDOUT: the
 * end of ctx, and *shared is untouched; the run goes on. EINVAL: flight, key or fn is NULL, or
 * result is NULL and is needed. Calling it from fn for the same key ends the program with a
 * message: it would wait for itself.
 */
#define conc_singleflight_do(flight, key, fn, arg, result, shared, ctx)                            \
    conc_singleflight_do_at((flight), (key), (fn), (arg), (result), (shared), (ctx), CONC_HERE)
int conc_singleflight_do_at(struct conc_singleflight *flight, const char *key,
    int (*fn)(void *arg, void *result), void *arg, void *result, bool *shared,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: runs fn if no call for the key is under way, else EAGAIN and *result
 * and *shared are untouched. */
#define conc_singleflight_try_do(flight, key, fn, arg, result, shared)                             \
    conc_singleflight_try_do_at((flight), (key), (fn), (arg), (result), (shared), CONC_HERE)
int conc_singleflight_try_do_at(struct conc_singleflight *flight, const char *key,
    int (*fn)(void *arg, void *result), void *arg, void *result, bool *shared,
    const struct conc_site *site);

/* Lets the next call for `key` run anew, even while one is under way: for when the data has changed
 * under it. Those who already wait get the result they wait for. Never waits. True when there was
 * such a call. */
bool conc_singleflight_forget(struct conc_singleflight *flight, const char *key);

#endif
