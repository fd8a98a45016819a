/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>

#include "dynamic_pool.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/wait_group.h"

struct task {
    conc_dynamic_pool_fn *fn;
    void *arg;
};

struct conc_dynamic_pool {
    size_t min; /* fixed, as all down to tasks */
    size_t max;
    enum conc_dynamic_growth growth;
    int64_t idle_ns;
    struct conc_chan *tasks;

    struct conc_context ctx;        /* of the tasks */
    struct conc_wait_group living;  /* the workers */
    struct conc_wait_group pending; /* the tasks that wait or run */

    struct conc_lock lock; /* guards what follows, down to changes */
    bool closed;
    struct conc_dynamic_pool_stats now;
    uint64_t n_changes;
    struct conc_dynamic_pool_change changes[CONC_DYNAMIC_CHANGES]; /* a ring */

    struct conc_mutex mutex; /* for those who wait for a number of workers */
    struct conc_cond resized;
};

/* --- the number of workers ----------------------------------------------------------------------
 */

/* Changes it; under the lock. tell_resized must follow, after it. */
static void resize(struct conc_dynamic_pool *pool, size_t workers)
{
    pool->now.workers = workers;
    if (pool->now.peak < workers)
        pool->now.peak = workers;
    pool->changes[pool->n_changes++ % CONC_DYNAMIC_CHANGES] =
        (struct conc_dynamic_pool_change){conc_now_ns(), workers, pool->now.waiting};
}

static void tell_resized(struct conc_dynamic_pool *pool)
{
    conc_mutex_lock(&pool->mutex, NULL);
    conc_cond_broadcast(&pool->resized);
    conc_mutex_unlock(&pool->mutex);
}

/* How many workers are due; under the lock. */
/* snippet: rules */
static size_t due(const struct conc_dynamic_pool *pool)
{
    uint64_t waiting = pool->now.waiting;
    size_t workers = pool->now.workers;
    size_t more = 0;
    if (pool->growth == CONC_GROW_ONE && waiting > workers)
        more = 1;
    if (pool->growth == CONC_GROW_MANY && waiting > 2 * (uint64_t)workers)
        more = (size_t)(waiting / 2);
    return more < pool->max - workers ? more : pool->max - workers;
}
/* end snippet */

static void work(void *arg);

/* Starts n workers that are counted already. One that cannot be started is counted out again: the
 * others do its work. */
static int start_workers(struct conc_dynamic_pool *pool, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        int failed = conc_wait_group_go(&pool->living, work, pool);
        if (failed == 0)
            continue;
        rc = failed;
        conc_lock_acquire(&pool->lock);
        pool->now.unstarted++;
        pool->now.grown--;
        resize(pool, pool->now.workers - 1);
        conc_lock_release(&pool->lock);
    }
    if (n > 0)
        tell_resized(pool);
    return rc;
}

/* What a worker does that has idled for its time. Asking and counting out are one step under the
 * lock: of several that idle out at once only those above the minimum go. And none goes while a
 * task waits, or is just on its way into the queue, whose submit has counted on this worker. */
/* snippet: leave */
enum idler { LEAVES, STAYS, ASKS_AGAIN };

static enum idler idled(struct conc_dynamic_pool *pool)
{
    enum idler what = ASKS_AGAIN;
    conc_lock_acquire(&pool->lock);
    if (pool->now.workers <= pool->min) {
        what = STAYS; /* and sleeps until there is a task: as many as this may, and no more */
    } else if (pool->now.waiting == 0) {
        what = LEAVES;
        pool->now.shrunk++;
        resize(pool, pool->now.workers - 1);
    }
    conc_lock_release(&pool->lock);
    if (what == LEAVES)
        tell_resized(pool);
    return what;
}
/* end snippet */

/* --- workers ------------------------------------------------------------------------------------
 */

static void end_task(struct conc_dynamic_pool *pool, int rc, bool begun)
{
    conc_lock_acquire(&pool->lock);
    *(begun ? &pool->now.running : &pool->now.waiting) -= 1;
    *(begun ? &pool->now.completed : &pool->now.cancelled) += 1;
    if (rc != 0 && pool->now.failed++ == 0)
        pool->now.first_error = rc;
    conc_lock_release(&pool->lock);
    conc_wait_group_done(&pool->pending);
}

static void run_task(struct conc_dynamic_pool *pool, const struct task *task)
{
    int over = conc_context_error(&pool->ctx);
    if (over != 0) {
        end_task(pool, over, false);
        return;
    }
    conc_lock_acquire(&pool->lock);
    pool->now.waiting--;
    pool->now.running++;
    conc_lock_release(&pool->lock);
    end_task(pool, task->fn(task->arg, &pool->ctx), true);
}

/* 0; EPIPE: the pool is closed and no task is left; ETIMEDOUT: none came for idle_ns (0: waits for
 * as long as it takes). */
static int next_task(struct conc_dynamic_pool *pool, struct task *task, int64_t idle_ns)
{
    int rc = conc_chan_try_recv(pool->tasks, task);
    if (rc != EAGAIN)
        return rc;
    if (idle_ns == 0)
        return conc_chan_recv(pool->tasks, task, NULL);
    struct conc_context idle;
    conc_context_with_timeout(&idle, NULL, idle_ns);
    rc = conc_chan_recv(pool->tasks, task, &idle);
    conc_context_destroy(&idle);
    return rc;
}

/* Runs when a task has ended its thread (conc_task_exit): the worker goes on in a new one or, where
 * none is to be had, right here. */
static void left_by_exit(void *arg)
{
    struct conc_dynamic_pool *pool = arg;
    end_task(pool, EOWNERDEAD, true);
    if (conc_wait_group_go(&pool->living, work, pool) != 0)
        work(pool);
}

static void work(void *arg)
{
    struct conc_dynamic_pool *pool = arg;
    struct conc_cleanup cleanup;
    struct task task;
    enum idler idler = ASKS_AGAIN;
    int rc;

    conc_cleanup_push(&cleanup, left_by_exit, pool);
    do {
        rc = next_task(pool, &task, idler == STAYS ? 0 : pool->idle_ns);
        if (rc == 0) {
            run_task(pool, &task);
            conc_chan_give_way(pool->tasks, NULL);
        }
        idler = rc == ETIMEDOUT ? idled(pool) : ASKS_AGAIN;
    } while (rc != EPIPE && idler != LEAVES);
    conc_cleanup_pop(&cleanup, false);
    if (rc == EPIPE) {
        conc_lock_acquire(&pool->lock);
        resize(pool, pool->now.workers - 1);
        conc_lock_release(&pool->lock);
        tell_resized(pool);
    }
}

/* --- submitting ---------------------------------------------------------------------------------
 */

/* Counts a task in or, when its submit gives up, out. */
static void count(struct conc_dynamic_pool *pool, int n)
{
    pool->now.submitted += (uint64_t)n;
    pool->now.waiting += (uint64_t)n;
}

static void retract(struct conc_dynamic_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    count(pool, -1);
    conc_lock_release(&pool->lock);
    conc_wait_group_done(&pool->pending);
}

/* Waits when `site` is given. */
int conc_dynamic_pool_submit_at(struct conc_dynamic_pool *pool, conc_dynamic_pool_fn *fn, void *arg,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!pool || !fn)
        return EINVAL;
    int over = conc_context_error(&pool->ctx);
    conc_lock_acquire(&pool->lock);
    if (pool->closed || over != 0) {
        int rc = pool->closed ? EPIPE : over;
        conc_lock_release(&pool->lock);
        return rc;
    }
    count(pool, 1);
    size_t more = due(pool);
    if (more > 0) {
        pool->now.grown += more;
        resize(pool, pool->now.workers + more);
    }
    conc_lock_release(&pool->lock);
    conc_wait_group_add(&pool->pending, 1);
    start_workers(pool, more);
    struct task task = {fn, arg};
    int rc = site ? conc_chan_send_at(pool->tasks, &task, ctx, site)
                  : conc_chan_try_send(pool->tasks, &task);
    if (rc != 0)
        retract(pool);
    return rc;
}

int conc_dynamic_pool_try_submit(
    struct conc_dynamic_pool *pool, conc_dynamic_pool_fn *fn, void *arg)
{
    return conc_dynamic_pool_submit_at(pool, fn, arg, NULL, NULL);
}

/* --- looking on ---------------------------------------------------------------------------------
 */

struct conc_dynamic_pool_stats conc_dynamic_pool_stats(struct conc_dynamic_pool *pool)
{
    struct conc_dynamic_pool_stats now = {0};
    if (!pool)
        return now;
    conc_lock_acquire(&pool->lock);
    now = pool->now;
    conc_lock_release(&pool->lock);
    return now;
}

size_t conc_dynamic_pool_changes(
    struct conc_dynamic_pool *pool, struct conc_dynamic_pool_change *changes, size_t n)
{
    if (!pool || !changes)
        return 0;
    conc_lock_acquire(&pool->lock);
    uint64_t kept = pool->n_changes < CONC_DYNAMIC_CHANGES ? pool->n_changes : CONC_DYNAMIC_CHANGES;
    if (n > kept)
        n = (size_t)kept;
    for (size_t i = 0; i < n; i++)
        changes[i] = pool->changes[(pool->n_changes - n + i) % CONC_DYNAMIC_CHANGES];
    conc_lock_release(&pool->lock);
    return n;
}

static bool fits(struct conc_dynamic_pool *pool, size_t least, size_t most)
{
    size_t workers = conc_dynamic_pool_stats(pool).workers;
    return workers >= least && workers <= most;
}

int conc_dynamic_pool_wait_workers_at(struct conc_dynamic_pool *pool, size_t least, size_t most,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!pool)
        return EINVAL;
    int rc = 0;
    conc_mutex_lock(&pool->mutex, NULL);
    while (!fits(pool, least, most) && rc == 0)
        rc = conc_cond_wait_at(&pool->resized, &pool->mutex, ctx, site);
    if (rc != 0 && fits(pool, least, most))
        rc = 0;
    conc_mutex_unlock(&pool->mutex);
    return rc;
}

int conc_dynamic_pool_wait_at(
    struct conc_dynamic_pool *pool, struct conc_context *ctx, const struct conc_site *site)
{
    return pool ? conc_wait_group_wait_at(&pool->pending, ctx, site) : EINVAL;
}

int conc_dynamic_pool_try_wait(struct conc_dynamic_pool *pool)
{
    return conc_dynamic_pool_wait_at(pool, NULL, NULL);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void free_pool(struct conc_dynamic_pool *pool)
{
    conc_chan_destroy(pool->tasks);
    conc_wait_group_destroy(&pool->living);
    conc_wait_group_destroy(&pool->pending);
    conc_context_destroy(&pool->ctx);
    conc_cond_destroy(&pool->resized);
    conc_mutex_destroy(&pool->mutex);
    conc_lock_destroy(&pool->lock);
    conc_free(pool);
}

int conc_dynamic_pool_create(
    struct conc_dynamic_pool **pool, const struct conc_dynamic_pool_options *options)
{
    if (!pool || !options || options->min < 1 || options->max < options->min ||
        options->growth > CONC_GROW_MANY || options->idle_ns < 0)
        return EINVAL;
    struct conc_dynamic_pool *made = conc_calloc(1, sizeof *made);
    if (!made)
        return ENOMEM;
    int rc = conc_chan_create(&made->tasks, sizeof(struct task), options->capacity, NULL);
    if (rc != 0) {
        conc_free(made);
        return rc;
    }
    made->min = options->min;
    made->max = options->max;
    made->growth = options->growth;
    made->idle_ns = options->idle_ns;
    conc_lock_init(&made->lock);
    conc_mutex_init(&made->mutex);
    conc_cond_init(&made->resized);
    conc_wait_group_init(&made->living);
    conc_wait_group_init(&made->pending);
    conc_context_with_cancel(&made->ctx, options->ctx);
    conc_lock_acquire(&made->lock);
    made->now.grown = made->min; /* start_workers counts out those that fail */
    resize(made, made->min);
    conc_lock_release(&made->lock);
    rc = start_workers(made, made->min);
    if (rc != 0) {
        conc_dynamic_pool_stop(made, CONC_DYNAMIC_CANCEL); /* the workers that did start */
        free_pool(made);
        return rc;
    }
    conc_lock_acquire(&made->lock);
    made->now.grown = 0;
    conc_lock_release(&made->lock);
    *pool = made;
    return 0;
}

int conc_dynamic_pool_close(struct conc_dynamic_pool *pool)
{
    if (!pool)
        return EINVAL;
    conc_lock_acquire(&pool->lock);
    bool closed = pool->closed;
    pool->closed = true;
    conc_lock_release(&pool->lock);
    return closed ? EPIPE : conc_chan_close(pool->tasks);
}

int conc_dynamic_pool_stop_at(
    struct conc_dynamic_pool *pool, enum conc_dynamic_stop how, const struct conc_site *site)
{
    if (!pool || (how != CONC_DYNAMIC_DRAIN && how != CONC_DYNAMIC_CANCEL))
        return EINVAL;
    conc_dynamic_pool_close(pool);
    if (how == CONC_DYNAMIC_CANCEL)
        conc_context_cancel(&pool->ctx);
    return conc_wait_group_wait_at(&pool->living, NULL, site);
}

void conc_dynamic_pool_destroy(struct conc_dynamic_pool *pool)
{
    if (!pool)
        return;
    conc_dynamic_pool_stop(pool, CONC_DYNAMIC_CANCEL);
    free_pool(pool);
}
