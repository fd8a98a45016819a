/* SPDX-License-Identifier: MIT */
#ifndef CONC_DYNAMIC_POOL_H
#define CONC_DYNAMIC_POOL_H

/*
 * A dynamic pool: a worker pool whose number of workers follows the load, between a minimum and a
 * maximum. It grows when the queue backs up, and a worker that has found no task for a while
 * leaves. Worth its threads where tasks wait (for a disk, for a server) and come in bursts; for
 * steady work, and for tasks that compute, take the fixed pool (worker_pool.h).
 *
 *   struct conc_dynamic_pool *pool;
 *   conc_dynamic_pool_create(&pool, &(struct conc_dynamic_pool_options){.min = 2, .max = 16,
 *                                       .capacity = 32, .idle_ns = CONC_S(1)});
 *   conc_dynamic_pool_submit(pool, fetch, &page, NULL);         // int fetch(void *, ctx)
 *   ...
 *   conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN);
 *   conc_dynamic_pool_destroy(pool);
 *
 * No task watches the queue: each submit looks at it and starts the workers that are due, so the
 * pool grows at once, and costs nothing while it rests. (Rejected: a monitor with a ticker. It
 * reacts after its period, and runs for ever.) Tasks, contexts and ownership are as in
 * worker_pool.h; results go where arg says.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_dynamic_pool; /* opaque */
struct conc_context;

/* A task. `ctx` ends with CONC_DYNAMIC_CANCEL and with the pool's parent context. Returns 0 or an
 * error code, which is counted. Leaving through conc_task_exit ends the task with EOWNERDEAD; the
 * pool keeps its number of workers. */
typedef int conc_dynamic_pool_fn(void *arg, struct conc_context *ctx);

/* When to grow. What waits is what stands in the queue or, within submit, for room in it. */
enum conc_dynamic_growth {
    CONC_GROW_ONE,  /* one worker whenever more tasks wait than there are workers */
    CONC_GROW_MANY, /* when more than twice as many wait: half as many workers as tasks wait */
};

struct conc_dynamic_pool_options {
    size_t min; /* at least 1 */
    size_t max; /* at least min */
    enum conc_dynamic_growth growth;
    size_t capacity;          /* tasks that may wait; 0: submit waits for a worker */
    int64_t idle_ns;          /* a worker without a task for this long leaves; 0: never */
    struct conc_context *ctx; /* parent of the context of the tasks, or NULL; outlives the pool */
};

/* The pool at one moment: submitted = completed + cancelled + waiting + running, always. */
struct conc_dynamic_pool_stats {
    uint64_t submitted; /* a submit that waits for room is counted, and no more if it gives up */
    uint64_t completed; /* have ended, in whatever way */
    uint64_t cancelled; /* taken from the queue and not begun */
    uint64_t waiting;   /* in the queue or, within submit, for room in it */
    uint64_t running;   /* with a worker */
    uint64_t failed;    /* of the completed and cancelled: those with an error code */
    int first_error;    /* the code of the first of these, 0 when there is none */
    size_t workers;     /* now */
    size_t peak;        /* the most there were */
    uint64_t grown;     /* workers that came after create */
    uint64_t shrunk;    /* workers that left for idleness */
    uint64_t unstarted; /* workers that were due, but the system gave no thread */
};

/* One change of the number of workers. */
struct conc_dynamic_pool_change {
    int64_t at_ns;    /* on the clock of conc_now_ns */
    size_t workers;   /* after it */
    uint64_t waiting; /* tasks, at that moment */
};

#define CONC_DYNAMIC_CHANGES 256 /* the newest so many are kept */

/* Makes a pool with `min` workers. The caller owns *pool, stops and destroys it. 0; EINVAL: an
 * argument is NULL or an option out of range; ENOMEM, EAGAIN: no memory or no thread. After a
 * failure nothing is left behind and *pool is untouched. */
int conc_dynamic_pool_create(
    struct conc_dynamic_pool **pool, const struct conc_dynamic_pool_options *options);

/*
 * int conc_dynamic_pool_submit(struct conc_dynamic_pool *pool, conc_dynamic_pool_fn *fn, void *arg,
 *                              struct conc_context *ctx)
 *
 * Gives the pool a task, and starts workers where the rule asks for them. Waits until there is room
 * in the queue; woken by a worker, a stop or close, a cancel or the deadline. `ctx` bounds this
 * wait and is not seen by the task. A worker that is due and cannot be started is no error: there
 * are others.
 *
 * 0: the task will be run, or cancelled and counted as such. Otherwise it never will be: EPIPE: the
 * pool was closed or stopped; ECANCELED, ETIMEDOUT: the context's end, or that of the pool's
 * parent; EINVAL: pool or fn is NULL.
 */
#define conc_dynamic_pool_submit(pool, fn, arg, ctx)                                               \
    conc_dynamic_pool_submit_at((pool), (fn), (arg), (ctx), CONC_HERE)
int conc_dynamic_pool_submit_at(struct conc_dynamic_pool *pool, conc_dynamic_pool_fn *fn, void *arg,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. Grows the pool like any submit, so a later
 * try may find a worker. */
int conc_dynamic_pool_try_submit(
    struct conc_dynamic_pool *pool, conc_dynamic_pool_fn *fn, void *arg);

/* The counters, all of one moment. */
struct conc_dynamic_pool_stats conc_dynamic_pool_stats(struct conc_dynamic_pool *pool);

/* The changes so far, oldest first: copies the newest n of those kept, and returns how many it
 * copied. */
size_t conc_dynamic_pool_changes(
    struct conc_dynamic_pool *pool, struct conc_dynamic_pool_change *changes, size_t n);

/*
 * int conc_dynamic_pool_wait_workers(struct conc_dynamic_pool *pool, size_t least, size_t most,
 *                                    struct conc_context *ctx)
 *
 * Waits until there are at least `least` and at most `most` workers; woken by a change of their
 * number, a cancel or the deadline. A number that fits wins over a context that is done. Its try
 * twin is a look at the counters. 0; ECANCELED, ETIMEDOUT: the context's end; EINVAL: pool is NULL.
 */
#define conc_dynamic_pool_wait_workers(pool, least, most, ctx)                                     \
    conc_dynamic_pool_wait_workers_at((pool), (least), (most), (ctx), CONC_HERE)
int conc_dynamic_pool_wait_workers_at(struct conc_dynamic_pool *pool, size_t least, size_t most,
    struct conc_context *ctx, const struct conc_site *site);

/*
 * int conc_dynamic_pool_wait(struct conc_dynamic_pool *pool, struct conc_context *ctx)
 *
 * Waits until no task waits or runs; the pool goes on. Woken by the end of the last task, a cancel
 * or the deadline. Must not be called by a task of the pool. 0; ECANCELED, ETIMEDOUT: the context's
 * end; EINVAL: pool is NULL.
 */
#define conc_dynamic_pool_wait(pool, ctx) conc_dynamic_pool_wait_at((pool), (ctx), CONC_HERE)
int conc_dynamic_pool_wait_at(
    struct conc_dynamic_pool *pool, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while a task waits or runs. */
int conc_dynamic_pool_try_wait(struct conc_dynamic_pool *pool);

/* Refuses all further tasks: submit returns EPIPE, also one that waits. What was accepted goes on.
 * Never waits. 0; EPIPE: it was closed before; EINVAL: pool is NULL. */
int conc_dynamic_pool_close(struct conc_dynamic_pool *pool);

enum conc_dynamic_stop {
    CONC_DYNAMIC_DRAIN,  /* run what was accepted */
    CONC_DYNAMIC_CANCEL, /* cancel what waits, and end the context of what runs */
};

/*
 * Closes the pool and waits until its workers have ended, however long a running task takes. A
 * queued task is run or counted as cancelled, never dropped in silence. A stop with
 * CONC_DYNAMIC_CANCEL hurries up one with CONC_DYNAMIC_DRAIN under way in another task. May be
 * called again; not by a task of the pool, which would wait for itself. 0; EINVAL: pool is NULL or
 * how is neither.
 */
#define conc_dynamic_pool_stop(pool, how) conc_dynamic_pool_stop_at((pool), (how), CONC_HERE)
int conc_dynamic_pool_stop_at(
    struct conc_dynamic_pool *pool, enum conc_dynamic_stop how, const struct conc_site *site);

/* Ends its life; one that was not stopped is stopped with CONC_DYNAMIC_CANCEL. Nobody may be using
 * the pool any more. NULL is allowed. */
void conc_dynamic_pool_destroy(struct conc_dynamic_pool *pool);

#endif
