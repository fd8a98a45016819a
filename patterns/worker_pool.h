/* SPDX-License-Identifier: MIT */
#ifndef CONC_WORKER_POOL_H
#define CONC_WORKER_POOL_H

/*
 * A worker pool: a fixed number of workers takes tasks from a bounded queue. What in Go is a
 * channel of functions, a wait group and a context. It bounds how much runs at once, and through
 * the queue how far the submitters can get ahead.
 *
 *   static int resize(void *arg, struct conc_context *ctx)     // a task
 *   {
 *       struct image *image = arg;                             // input and output in one struct
 *       return image_resize(image, ctx);                       // 0 or an error code
 *   }
 *
 *   struct conc_worker_pool *pool;
 *   conc_worker_pool_create(&pool, &(struct conc_worker_pool_options){.workers = 4,
 *                                      .capacity = 8});
 *   for (size_t i = 0; i < n; i++)
 *       conc_worker_pool_submit(pool, resize, &images[i], NULL);
 *   conc_worker_pool_stop(pool, CONC_POOL_DRAIN);
 *   failed = conc_worker_pool_stats(pool).failed;              // which: conc_worker_pool_errors
 *   conc_worker_pool_destroy(pool);
 *
 * Any task may submit, also one of the pool (but one that waits in submit for room which only it
 * could make waits for ever). The pool copies fn and arg; what arg points to stays the submitter's,
 * and must be valid until the task has ended. What was written before submit is visible to the
 * task; what the task wrote is visible to whoever learns that it ended: from stop, wait, recv,
 * result or errors.
 *
 * For a number of workers that follows the load there is dynamic_pool.h; to run a few functions
 * once and wait for them, a wait group needs less.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_worker_pool; /* opaque */
struct conc_context;

/*
 * A task. `ctx` ends when the pool is stopped with CONC_POOL_CANCEL, when the pool's parent context
 * ends, and at the task's time limit; a task that waits should hand it on, one that computes for
 * long should ask it. Nothing else ends a task: C has no safe way to stop a function from outside.
 * Returns 0, or the error code to be collected. Leaving through conc_task_exit ends the task with
 * EOWNERDEAD; the pool gets a new worker.
 */
typedef int conc_worker_pool_fn(void *arg, struct conc_context *ctx);

/* What becomes of the results. Errors are collected in every case. */
enum conc_pool_results {
    CONC_POOL_NO_RESULTS, /* a task leaves its result where arg says */
    CONC_POOL_STREAM,     /* conc_worker_pool_recv gives them as they come, like a channel */
    CONC_POOL_INDEXED,    /* conc_worker_pool_result looks them up by submission index */
};

struct conc_worker_pool_options {
    size_t workers;                 /* at least 1 */
    size_t capacity;                /* tasks that may wait, per level; 0: submit waits for a worker
                                       that takes the task at once */
    int levels;                     /* of priority, 1 … CONC_POOL_MAX_LEVELS; 0: 1 */
    int64_t timeout_ns;             /* time limit of each task, from its begin; 0: none */
    enum conc_pool_results results; /* see above */
    size_t results_capacity;        /* of a stream: tasks under way and results not yet received
                                       together, at least 1 */
    struct conc_context *ctx;       /* parent of the context of the tasks, or NULL; must outlive the
                                       pool. When it ends, tasks that wait are cancelled */
};

#define CONC_POOL_MAX_LEVELS 8

/* How one task differs from the others. All zero is what conc_worker_pool_submit does. */
struct conc_worker_pool_task {
    int priority;       /* 0 … levels - 1: tasks of a higher number go first */
    int64_t timeout_ns; /* 0: the pool's; CONC_FOREVER: none */
    uint64_t *index;    /* if not NULL, receives the submission index on success */
};

/* How a task ended. */
struct conc_worker_pool_result {
    uint64_t index; /* 0 for the first task submitted, and so on */
    void *arg;      /* as submitted */
    int rc;         /* what fn returned; EOWNERDEAD: it ended its thread; ECANCELED or ETIMEDOUT:
                       the pool's context ended before the task began */
};

/* The tasks of a pool at one moment: submitted = completed + cancelled + waiting + running, always.
 */
struct conc_worker_pool_stats {
    uint64_t submitted; /* a submit that waits for room is counted, and no more if it gives up */
    uint64_t completed; /* have ended, in whatever way */
    uint64_t cancelled; /* taken from the queue and not begun */
    uint64_t waiting;   /* in the queue or, within submit, for room in it */
    uint64_t running;   /* with a worker */
    uint64_t failed;    /* of the completed and cancelled: those with an error code */
    uint64_t exited;    /* of the completed: those that ended their thread */
};

/*
 * Makes a pool and starts its workers. The caller owns *pool, stops and destroys it.
 *
 * 0; EINVAL: an argument is NULL or an option out of range; ENOMEM, EAGAIN: no memory or no thread.
 * After a failure nothing is left behind and *pool is untouched.
 */
int conc_worker_pool_create(
    struct conc_worker_pool **pool, const struct conc_worker_pool_options *options);

/*
 * int conc_worker_pool_submit(struct conc_worker_pool *pool, conc_worker_pool_fn *fn, void *arg,
 *                             struct conc_context *ctx)
 *
 * Gives the pool a task. Waits until there is room for it in the queue (and, with a stream of
 * results, a place for its result); woken by a worker, a recv, a stop or close, a cancel or the
 * deadline. `ctx` bounds this wait and is not seen by the task. Allocates nothing, but with
 * CONC_POOL_INDEXED once in a while.
 *
 * 0: the task will be run, or cancelled and counted as such. Otherwise it never will be: EPIPE: the
 * pool was closed or stopped; ECANCELED, ETIMEDOUT: the context's end, or that of the pool's
 * parent; ENOMEM: no place for an indexed result; EINVAL: pool or fn is NULL.
 */
#define conc_worker_pool_submit(pool, fn, arg, ctx)                                                \
    conc_worker_pool_submit_at((pool), (fn), (arg), NULL, (ctx), CONC_HERE)

/* The same, with a priority, a time limit or the index asked for: `how` may be NULL. EINVAL also
 * for a priority the pool does not have and a negative time limit. */
#define conc_worker_pool_submit_with(pool, fn, arg, how, ctx)                                      \
    conc_worker_pool_submit_at((pool), (fn), (arg), (how), (ctx), CONC_HERE)
int conc_worker_pool_submit_at(struct conc_worker_pool *pool, conc_worker_pool_fn *fn, void *arg,
    const struct conc_worker_pool_task *how, struct conc_context *ctx,
    const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_worker_pool_try_submit(struct conc_worker_pool *pool, conc_worker_pool_fn *fn, void *arg,
    const struct conc_worker_pool_task *how);

/*
 * int conc_worker_pool_recv(struct conc_worker_pool *pool, struct conc_worker_pool_result *result,
 *                           struct conc_context *ctx)
 *
 * Receives the next result of a pool with CONC_POOL_STREAM, in the order in which tasks end. Each
 * result is received once. Waits until there is one; woken by the end of a task, the end of stop, a
 * cancel or the deadline. A result that is there wins over a context that is done.
 *
 * 0; EPIPE: the pool has stopped and every result was received; ECANCELED, ETIMEDOUT: the context's
 * end; EINVAL: pool is NULL or has no stream. *result is zeroed for EPIPE, else untouched.
 */
#define conc_worker_pool_recv(pool, result, ctx)                                                   \
    conc_worker_pool_recv_at((pool), (result), (ctx), CONC_HERE)
int conc_worker_pool_recv_at(struct conc_worker_pool *pool, struct conc_worker_pool_result *result,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when it would wait. */
int conc_worker_pool_try_recv(
    struct conc_worker_pool *pool, struct conc_worker_pool_result *result);

/* How the task with this index ended, in a pool with CONC_POOL_INDEXED. Never waits, and may be
 * asked again. 0; EAGAIN: it has not ended; ENOENT: no task has this index (a submit that gave up
 * while later ones went on leaves a gap); EINVAL: pool or result is NULL, or results are not kept.
 */
int conc_worker_pool_result(
    struct conc_worker_pool *pool, uint64_t index, struct conc_worker_pool_result *result);

/* The errors so far, in the order of the tasks' ends: copies at most n into `errors` (may be NULL
 * with n of 0) and stores in *count (may be NULL) how many there are in all. 0; ENOMEM: there was
 * no memory for some of them, *count is right nevertheless; EINVAL: pool is NULL, or errors is. */
int conc_worker_pool_errors(
    struct conc_worker_pool *pool, struct conc_worker_pool_result *errors, size_t n, size_t *count);

/* The counters, all of one moment. */
struct conc_worker_pool_stats conc_worker_pool_stats(struct conc_worker_pool *pool);

/*
 * int conc_worker_pool_wait(struct conc_worker_pool *pool, struct conc_context *ctx)
 *
 * Waits until no task waits or runs. The pool goes on: unless it was closed, more may be submitted
 * at any time. Woken by the end of the last task, a cancel or the deadline. An idle pool wins over
 * a context that is done. Must not be called by a task of the pool. 0; ECANCELED, ETIMEDOUT: the
 * context's end; EINVAL: pool is NULL.
 */
#define conc_worker_pool_wait(pool, ctx) conc_worker_pool_wait_at((pool), (ctx), CONC_HERE)
int conc_worker_pool_wait_at(
    struct conc_worker_pool *pool, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while a task waits or runs. */
int conc_worker_pool_try_wait(struct conc_worker_pool *pool);

/* Refuses all further tasks: submit returns EPIPE, also one that waits. What was accepted goes on.
 * Never waits. A shutdown with a time limit is close, wait with a context, stop. 0; EPIPE: it was
 * closed before; EINVAL: pool is NULL. */
int conc_worker_pool_close(struct conc_worker_pool *pool);

enum conc_pool_stop {
    CONC_POOL_DRAIN,  /* run what was accepted */
    CONC_POOL_CANCEL, /* cancel what waits, and end the context of what runs */
};

/*
 * Closes the pool and waits until its workers have ended. Never hangs on a result that nobody
 * receives: results stay receivable after stop. A stop with CONC_POOL_CANCEL hurries up one with
 * CONC_POOL_DRAIN under way in another task. Woken by the end of the last worker alone: a running
 * task that ignores its context is waited for. May be called again, and then has nothing left to
 * do. A task of the pool that calls it ends the program with a message: it would wait for itself.
 *
 * 0; EINVAL: pool is NULL or how is neither.
 */
#define conc_worker_pool_stop(pool, how) conc_worker_pool_stop_at((pool), (how), CONC_HERE)
int conc_worker_pool_stop_at(
    struct conc_worker_pool *pool, enum conc_pool_stop how, const struct conc_site *site);

/* Ends its life; one that was not stopped is stopped with CONC_POOL_CANCEL. Results and errors that
 * were not asked for are gone. Nobody may be using the pool any more. NULL is allowed. */
void conc_worker_pool_destroy(struct conc_worker_pool *pool);

#endif
