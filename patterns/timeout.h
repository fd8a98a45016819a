/* SPDX-License-Identifier: MIT */
#ifndef CONC_TIMEOUT_H
#define CONC_TIMEOUT_H

/*
 * Timeout: run a function under a deadline. In Go: a goroutine that sends its result on a channel
 * with capacity 1, and a select between that channel and the clock. The caller gets the result or
 * ETIMEDOUT; a function that is late goes on alone, for nothing can stop it from outside, and its
 * result goes nowhere.
 *
 *   static int look_up(void *arg, void *result, struct conc_context *ctx);
 *
 *   struct conc_timeout *runner;
 *   conc_timeout_create(&runner, 0);
 *   struct query query = {...};
 *   struct answer answer;
 *   const struct conc_timeout_call call = {.fn = look_up,
 *       .arg = &query, .arg_size = sizeof query, .result_size = sizeof answer};
 *   int rc = conc_timeout_run(runner, &call, &answer, CONC_MS(50), ctx);
 *   ...                                 // 0: answer is filled; ETIMEDOUT: it is untouched
 *   conc_timeout_destroy(runner);       // joins what is late
 *
 * Two things must not happen. A late function must not hang on a result that nobody takes, ten
 * time-outs leaving ten tasks behind for ever; and it must not write into the frame of a caller who
 * has left. So argument and result live in a record of their own, which the caller and the function
 * hold together; the last one to let go frees it. And nothing is detached: the runner owns every
 * task it started, late ones too, and joins them.
 *
 * A function that waits should hand its context on: then "late" lasts as long as noticing does. To
 * bound a single waiting call, none of this is needed: give that call a context with a timeout.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_context;
struct conc_timeout; /* opaque: a runner */

struct conc_timeout_call {
    /* The work, on a task of its own. `arg` is a copy of the caller's argument, `result` zeroed
     * memory of result_size bytes, both valid until it returns however late that is. `ctx` is done
     * at the deadline, when the caller is cancelled and when the runner is destroyed. 0, or an
     * error code for the caller. One that ends its task (conc_task_exit) counts as EOWNERDEAD. */
    int (*fn)(void *arg, void *result, struct conc_context *ctx);

    const void *arg;    /* copied; what it points to must outlive a late fn, or belong to it */
    size_t arg_size;    /* bytes; 0: fn gets the pointer itself */
    size_t result_size; /* bytes; 0: none */

    /* Ends a result that came too late or is not wanted (result NULL), where results own something.
     * NULL: they do not. */
    void (*drop)(void *result);
};

/* Makes a runner. `limit`: how many functions may run at once, the late ones counted: a bound for
 * how much can pile up behind a service that hangs; 0: none. The caller owns *runner and destroys
 * it. 0; EINVAL: runner is NULL; ENOMEM. */
int conc_timeout_create(struct conc_timeout **runner, size_t limit);

/*
 * int conc_timeout_run(struct conc_timeout *runner, const struct conc_timeout_call *call,
 *                      void *result, int64_t timeout_ns, struct conc_context *ctx)
 *
 * Runs the function and waits for its result; woken by that, by the timeout (CONC_FOREVER: none),
 * by a cancel or the deadline of ctx. A result that is there wins over a deadline that has passed.
 * A timeout of 0 or less is over before it begins: the function is not started. Values of ctx are
 * not seen by fn, whose context must be able to outlive it. Any task may call it, and what fn wrote
 * is visible afterwards.
 *
 * 0: fn returned 0 in time, *result (may be NULL) is filled. Else it is untouched: what fn returned
 * in time; ETIMEDOUT: the timeout or ctx's deadline; ECANCELED: ctx; EBUSY: the runner's limit;
 * EINVAL: runner, call or fn is NULL; ENOMEM, EAGAIN: no memory, no task. After EBUSY, EINVAL,
 * ENOMEM and EAGAIN from the runner, and after a timeout of 0 or less, fn has not been started.
 */
#define conc_timeout_run(runner, call, result, timeout_ns, ctx)                                    \
    conc_timeout_run_at((runner), (call), (result), (timeout_ns), (ctx), CONC_HERE)
int conc_timeout_run_at(struct conc_timeout *runner, const struct conc_timeout_call *call,
    void *result, int64_t timeout_ns, struct conc_context *ctx, const struct conc_site *site);

/* How many functions run at this moment, and how many have been given up so far; 0 for NULL. */
size_t conc_timeout_running(struct conc_timeout *runner);
uint64_t conc_timeout_late(struct conc_timeout *runner);

/*
 * int conc_timeout_wait(struct conc_timeout *runner, struct conc_context *ctx)
 *
 * Waits until no function runs; woken by the end of the last, a cancel or the deadline. Their tasks
 * have been joined then. 0; ECANCELED, ETIMEDOUT: the context's end; EINVAL: runner is NULL.
 */
#define conc_timeout_wait(runner, ctx) conc_timeout_wait_at((runner), (ctx), CONC_HERE)
int conc_timeout_wait_at(
    struct conc_timeout *runner, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while a function runs. */
int conc_timeout_try_wait(struct conc_timeout *runner);

/* Cancels the context of every function that still runs, waits for them and frees the runner.
 * Nobody may be in conc_timeout_run. NULL is allowed. */
void conc_timeout_destroy(struct conc_timeout *runner);

#endif
