/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "sync/chan.h"
#include "sync/cond.h"
#include "sync/context.h"
#include "sync/select.h"
#include "sync/wait_group.h"
#include "worker_pool.h"

/* What goes through the channel of tasks, by value: a submit allocates nothing. */
struct task {
    conc_worker_pool_fn *fn;
    void *arg;
    int64_t timeout_ns; /* 0: none */
    uint64_t index;
};

/* Each worker counts its own tasks under a lock of its own, which nobody else takes but who asks
 * for the counters: once a task, for the end of the last and the begin of the next are one step.
 * (Rejected: one lock or a few atomics for all. They would be one more cache line to fight over,
 * three times per task, and atomics read one by one do not add up.) */
struct worker {
    struct conc_worker_pool *pool; /* fixed */
    struct task task;              /* owner's only, as the next three: the task that runs */
    bool limited;                  /* `limit` is its context */
    struct conc_context limit;
    unsigned picks;           /* of tasks, for the turn of the lower levels */
    unsigned ended;           /* 1: the last task has ended, and is not in the counters yet */
    unsigned ended_badly;     /* 1: it failed */
    struct conc_lock lock;    /* guards what follows */
    struct conc_task *runner; /* who the worker is at the moment */
    uint64_t begun;
    uint64_t completed;
    uint64_t cancelled;
    uint64_t failed;
    uint64_t exited;
    char apart[64]; /* from the next worker's cache line */
};

/* The slots of indexed results, under the pool's lock: chunk k has FIRST << k of them. So room for
 * more is made without moving what is there, which could not be done under a short lock. (Rejected:
 * an atomic state per slot and no lock. Helgrind and DRD do not follow such an order.) */
enum { FIRST = 64, CHUNKS = 48 };
enum { PENDING, ENDED, NEVER };
struct slot {
    void *arg;
    int rc;
    int state;
};

struct conc_worker_pool {
    struct conc_chan *tasks[CONC_POOL_MAX_LEVELS]; /* fixed, as all down to ctx */
    int levels;
    int64_t timeout_ns;
    bool indexed;
    struct conc_chan *results; /* NULL, but for a stream */
    struct conc_chan *places; /* one element per result of a stream that is to come or to be read */
    size_t n_workers;

    struct conc_context ctx;       /* of the tasks */
    struct conc_wait_group living; /* the workers */

    struct conc_lock lock; /* guards the next four and the slots; before the workers' locks */
    bool closed;
    uint64_t submitted;
    uint64_t next_index;
    struct slot *chunks[CHUNKS]; /* written once */

    struct conc_mutex mutex; /* for what is rare: guards the next four */
    struct conc_worker_pool_result *errors;
    size_t n_errors;
    size_t errors_kept; /* fewer than n_errors: memory ran out */
    size_t errors_room;
    struct conc_cond idle; /* no task waits or runs */
    atomic_int watchers;   /* who waits for that */

    struct worker workers[];
};

/* --- counters -----------------------------------------------------------------------------------
 */

struct conc_worker_pool_stats conc_worker_pool_stats(struct conc_worker_pool *pool)
{
    struct conc_worker_pool_stats all = {0};
    uint64_t begun = 0;
    if (!pool)
        return all;
    conc_lock_acquire(&pool->lock);
    for (size_t i = 0; i < pool->n_workers; i++)
        conc_lock_acquire(&pool->workers[i].lock);
    /* With every lock held nothing moves: this is one moment. */
    all.submitted = pool->submitted;
    for (size_t i = 0; i < pool->n_workers; i++) {
        const struct worker *worker = &pool->workers[i];
        begun += worker->begun;
        all.completed += worker->completed;
        all.cancelled += worker->cancelled;
        all.failed += worker->failed;
        all.exited += worker->exited;
    }
    all.waiting = all.submitted - all.cancelled - begun;
    all.running = begun - all.completed;
    for (size_t i = pool->n_workers; i-- > 0;)
        conc_lock_release(&pool->workers[i].lock);
    conc_lock_release(&pool->lock);
    return all;
}

static bool is_idle(struct conc_worker_pool *pool)
{
    struct conc_worker_pool_stats now = conc_worker_pool_stats(pool);
    return now.waiting + now.running == 0;
}

/*
 * Called after the last step that may make the pool idle, by whoever took it: a worker that finds
 * no further task, a submit that gives up. One of us and a watcher sees the other: the watcher
 * counts itself, then takes all locks to look at the counters, so a step it did not see took its
 * lock later, and sees the watcher.
 */
static void tell_watchers(struct conc_worker_pool *pool)
{
    if (atomic_load_explicit(&pool->watchers, memory_order_relaxed) == 0)
        return;
    conc_mutex_lock(&pool->mutex, NULL);
    if (is_idle(pool))
        conc_cond_broadcast(&pool->idle);
    conc_mutex_unlock(&pool->mutex);
}

/* Waits when `site` is given. */
int conc_worker_pool_wait_at(
    struct conc_worker_pool *pool, struct conc_context *ctx, const struct conc_site *site)
{
    if (!pool)
        return EINVAL;
    int rc = 0;
    conc_mutex_lock(&pool->mutex, NULL);
    atomic_fetch_add(&pool->watchers, 1);
    while (!is_idle(pool) && rc == 0)
        rc = site ? conc_cond_wait_at(&pool->idle, &pool->mutex, ctx, site) : EAGAIN;
    if (rc != 0 && is_idle(pool))
        rc = 0;
    atomic_fetch_sub(&pool->watchers, 1);
    conc_mutex_unlock(&pool->mutex);
    return rc;
}

int conc_worker_pool_try_wait(struct conc_worker_pool *pool)
{
    return conc_worker_pool_wait_at(pool, NULL, NULL);
}

/* --- results ------------------------------------------------------------------------------------
 */

static int chunk_of(uint64_t index)
{
    return 63 - __builtin_clzll(index / FIRST + 1);
}

/* Under the lock. */
static struct slot *slot_of(struct conc_worker_pool *pool, uint64_t index)
{
    int k = chunk_of(index);
    return &pool->chunks[k][index - FIRST * ((UINT64_C(1) << k) - 1)];
}

static void keep_error(struct conc_worker_pool *pool, const struct conc_worker_pool_result *result)
{
    conc_mutex_lock(&pool->mutex, NULL);
    pool->n_errors++;
    if (pool->errors_kept == pool->errors_room) {
        size_t room = pool->errors_room ? 2 * pool->errors_room : 8;
        struct conc_worker_pool_result *more = conc_realloc(pool->errors, room * sizeof *more);
        if (more) {
            pool->errors = more;
            pool->errors_room = room;
        }
    }
    if (pool->errors_kept < pool->errors_room)
        pool->errors[pool->errors_kept++] = *result;
    conc_mutex_unlock(&pool->mutex);
}

/* Files how the worker's task ended. Before it is counted: who sees it counted finds this. */
static void file_result(struct worker *worker, int rc)
{
    struct conc_worker_pool *pool = worker->pool;
    struct conc_worker_pool_result result = {worker->task.index, worker->task.arg, rc};
    if (rc != 0)
        keep_error(pool, &result);
    if (pool->indexed) {
        conc_lock_acquire(&pool->lock);
        *slot_of(pool, result.index) = (struct slot){result.arg, rc, ENDED};
        conc_lock_release(&pool->lock);
    }
    /* Never full: submit has reserved a place for it. So a worker never waits for a reader, and
     * stop never hangs on one who reads only afterwards. */
    if (pool->results && conc_chan_try_send(pool->results, &result) != 0)
        conc_panic(CONC_HERE, "a worker pool has no place for a result");
}

int conc_worker_pool_recv_at(struct conc_worker_pool *pool, struct conc_worker_pool_result *result,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (!pool || !pool->results)
        return EINVAL;
    int rc = site ? conc_chan_recv_at(pool->results, result, ctx, site)
                  : conc_chan_try_recv(pool->results, result);
    if (rc == 0)
        conc_chan_try_recv(pool->places, NULL);
    return rc;
}

int conc_worker_pool_try_recv(struct conc_worker_pool *pool, struct conc_worker_pool_result *result)
{
    return conc_worker_pool_recv_at(pool, result, NULL, NULL);
}

int conc_worker_pool_result(
    struct conc_worker_pool *pool, uint64_t index, struct conc_worker_pool_result *result)
{
    if (!pool || !result || !pool->indexed)
        return EINVAL;
    struct slot slot = {.state = NEVER};
    conc_lock_acquire(&pool->lock);
    if (index < pool->next_index)
        slot = *slot_of(pool, index);
    conc_lock_release(&pool->lock);
    if (slot.state != ENDED)
        return slot.state == PENDING ? EAGAIN : ENOENT;
    *result = (struct conc_worker_pool_result){index, slot.arg, slot.rc};
    return 0;
}

int conc_worker_pool_errors(
    struct conc_worker_pool *pool, struct conc_worker_pool_result *errors, size_t n, size_t *count)
{
    if (!pool || (!errors && n > 0))
        return EINVAL;
    conc_mutex_lock(&pool->mutex, NULL);
    size_t copied = n < pool->errors_kept ? n : pool->errors_kept;
    if (copied > 0)
        memcpy(errors, pool->errors, copied * sizeof *errors);
    if (count)
        *count = pool->n_errors;
    int rc = pool->errors_kept < pool->n_errors ? ENOMEM : 0;
    conc_mutex_unlock(&pool->mutex);
    return rc;
}

/* --- workers ------------------------------------------------------------------------------------
 */

/* Counts the last task as ended, if that is still to be done. Under the worker's lock. */
static void count_ended(struct worker *worker)
{
    worker->completed += worker->ended;
    worker->failed += worker->ended_badly;
    worker->ended = worker->ended_badly = 0;
}

/* What a worker does that finds no further task. */
static void rest(struct worker *worker)
{
    conc_lock_acquire(&worker->lock);
    count_ended(worker);
    conc_lock_release(&worker->lock);
    tell_watchers(worker->pool);
}

/* The next task of a pool with levels: from the highest that has one. But every 8th time a level
 * whose turn it is goes first, so that an endless stream of urgent tasks starves nobody. */
static int next_by_level(struct worker *worker, struct task *task)
{
    struct conc_worker_pool *pool = worker->pool;
    unsigned turn = worker->picks++;
    if (turn % 8 == 7 &&
        conc_chan_try_recv(pool->tasks[turn / 8 % (unsigned)pool->levels], task) == 0)
        return 0;
    for (;;) {
        struct conc_select_case cases[CONC_POOL_MAX_LEVELS];
        bool open = false;
        for (int level = pool->levels; level-- > 0;) {
            int rc = conc_chan_try_recv(pool->tasks[level], task);
            if (rc == 0)
                return 0;
            cases[level] =
                (struct conc_select_case)CONC_RECV(rc == EPIPE ? NULL : pool->tasks[level], task);
            open = open || rc != EPIPE;
        }
        rest(worker);
        if (!open)
            return EPIPE;
        size_t chosen;
        conc_select(cases, (size_t)pool->levels, &chosen, NULL);
        if (cases[chosen].rc == 0)
            return 0;
    }
}

/* 0, or EPIPE when the pool is closed and no task is left. */
static int next_task(struct worker *worker, struct task *task)
{
    struct conc_worker_pool *pool = worker->pool;
    if (pool->levels > 1)
        return next_by_level(worker, task);
    conc_chan_give_way(pool->tasks[0], pool->results);
    int rc = conc_chan_try_recv(pool->tasks[0], task);
    if (rc == 0)
        return 0;
    rest(worker);
    return rc == EAGAIN ? conc_chan_recv(pool->tasks[0], task, NULL) : rc;
}

static void cancel_task(struct worker *worker, int rc)
{
    file_result(worker, rc);
    conc_lock_acquire(&worker->lock);
    count_ended(worker);
    worker->cancelled++;
    worker->failed++;
    conc_lock_release(&worker->lock);
}

/* It is counted when the worker has looked for the next one. */
static void end_task(struct worker *worker, int rc)
{
    struct conc_worker_pool *pool = worker->pool;
    if (worker->limited)
        conc_context_destroy(&worker->limit);
    worker->limited = false;
    if (rc != 0 || pool->indexed || pool->results)
        file_result(worker, rc);
    worker->ended = 1;
    worker->ended_badly = rc != 0;
}

static void run_task(struct worker *worker)
{
    struct conc_worker_pool *pool = worker->pool;
    struct conc_context *ctx = &pool->ctx;
    if (worker->task.timeout_ns > 0) {
        ctx = &worker->limit;
        conc_context_with_timeout(ctx, &pool->ctx, worker->task.timeout_ns);
        worker->limited = true;
    }
    conc_lock_acquire(&worker->lock);
    count_ended(worker);
    worker->begun++;
    conc_lock_release(&worker->lock);
    int rc = worker->task.fn(worker->task.arg, ctx);
    end_task(worker, rc);
}

/* Notes which task the worker is, so that stop can tell when one of them calls it. */
static void set_runner(struct worker *worker, struct conc_task *runner)
{
    conc_lock_acquire(&worker->lock);
    worker->runner = runner;
    conc_lock_release(&worker->lock);
}

/* The task that the worker was has ended it. */
static void count_exit(struct worker *worker)
{
    conc_lock_acquire(&worker->lock);
    count_ended(worker);
    worker->exited++;
    worker->runner = NULL;
    conc_lock_release(&worker->lock);
}

static void left_by_exit(void *arg);

/* snippet: worker */
static void work(void *arg)
{
    struct worker *worker = arg;
    struct conc_worker_pool *pool = worker->pool;
    struct conc_cleanup cleanup;

    set_runner(worker, conc_task_self());
    conc_task_set_name("worker %d", (int)(worker - pool->workers));
    conc_cleanup_push(&cleanup, left_by_exit, worker);
    while (next_task(worker, &worker->task) == 0) {
        int over = conc_context_error(&pool->ctx);
        if (over == 0)
            run_task(worker);
        else
            cancel_task(worker, over);
    }
    conc_cleanup_pop(&cleanup, false);
    set_runner(worker, NULL);
}
/* end snippet */

/* Runs when a task has ended its thread (conc_task_exit), on that thread. The task is counted, and
 * the worker gets a new thread. Where none is to be had the worker goes on right here, inside the
 * exit of the old one, for a pool must not shrink. (Not always so: each exit would pile the task's
 * stack upon the last one's.) */
/* snippet: exit */
static void left_by_exit(void *arg)
{
    struct worker *worker = arg;
    end_task(worker, EOWNERDEAD);
    count_exit(worker);
    if (conc_wait_group_go(&worker->pool->living, work, worker) != 0)
        work(worker);
}
/* end snippet */

/* --- submitting ---------------------------------------------------------------------------------
 */

/* Counts the task in and gives it its index. EAGAIN: there is no slot for its result yet. */
static int try_admit(struct conc_worker_pool *pool, struct task *task)
{
    int rc = 0;
    conc_lock_acquire(&pool->lock);
    if (pool->closed) {
        rc = EPIPE;
    } else if (pool->indexed && !pool->chunks[chunk_of(pool->next_index)]) {
        rc = EAGAIN;
    } else {
        task->index = pool->next_index++;
        pool->submitted++;
        if (pool->indexed)
            slot_of(pool, task->index)->state = PENDING;
    }
    conc_lock_release(&pool->lock);
    return rc;
}

/* Makes the slots for the next index, outside of the lock: another submit may be faster. */
static int make_slots(struct conc_worker_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    int k = chunk_of(pool->next_index);
    conc_lock_release(&pool->lock);
    struct slot *made = k < CHUNKS ? conc_calloc((size_t)FIRST << k, sizeof *made) : NULL;
    if (!made)
        return ENOMEM;
    conc_lock_acquire(&pool->lock);
    if (!pool->chunks[k]) {
        pool->chunks[k] = made;
        made = NULL;
    }
    conc_lock_release(&pool->lock);
    conc_free(made);
    return 0;
}

static int admit(struct conc_worker_pool *pool, struct task *task)
{
    int rc;
    while ((rc = try_admit(pool, task)) == EAGAIN)
        if ((rc = make_slots(pool)) != 0)
            break;
    return rc;
}

/* Takes back what admit did: the task never reached the queue. */
static void retract(struct conc_worker_pool *pool, const struct task *task)
{
    conc_lock_acquire(&pool->lock);
    pool->submitted--;
    if (task->index + 1 == pool->next_index)
        pool->next_index--;
    else if (pool->indexed)
        slot_of(pool, task->index)->state = NEVER;
    conc_lock_release(&pool->lock);
    tell_watchers(pool);
}

static int send(struct conc_chan *ch, const void *element, struct conc_context *ctx,
    const struct conc_site *site)
{
    return site ? conc_chan_send_at(ch, element, ctx, site) : conc_chan_try_send(ch, element);
}

/* Waits when `site` is given. */
int conc_worker_pool_submit_at(struct conc_worker_pool *pool, conc_worker_pool_fn *fn, void *arg,
    const struct conc_worker_pool_task *how, struct conc_context *ctx, const struct conc_site *site)
{
    static const struct conc_worker_pool_task plain = {0};
    if (!how)
        how = &plain;
    if (!pool || !fn || how->priority < 0 || how->priority >= pool->levels || how->timeout_ns < 0)
        return EINVAL;
    int rc = conc_context_error(&pool->ctx);
    if (rc != 0)
        return conc_chan_closed(pool->tasks[0]) ? EPIPE : rc;
    struct task task = {.fn = fn, .arg = arg, .timeout_ns = how->timeout_ns};
    if (task.timeout_ns == 0)
        task.timeout_ns = pool->timeout_ns;
    if (task.timeout_ns == CONC_FOREVER)
        task.timeout_ns = 0;

    if (pool->places && (rc = send(pool->places, NULL, ctx, site)) != 0)
        return rc;
    rc = admit(pool, &task);
    if (rc == 0) {
        rc = send(pool->tasks[how->priority], &task, ctx, site);
        if (rc != 0)
            retract(pool, &task);
    }
    if (rc != 0 && pool->places)
        conc_chan_try_recv(pool->places, NULL);
    if (rc == 0 && how->index)
        *how->index = task.index;
    return rc;
}

int conc_worker_pool_try_submit(struct conc_worker_pool *pool, conc_worker_pool_fn *fn, void *arg,
    const struct conc_worker_pool_task *how)
{
    return conc_worker_pool_submit_at(pool, fn, arg, how, NULL, NULL);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void free_pool(struct conc_worker_pool *pool)
{
    for (int level = 0; level < pool->levels; level++)
        conc_chan_destroy(pool->tasks[level]);
    conc_chan_destroy(pool->results);
    conc_chan_destroy(pool->places);
    for (int k = 0; k < CHUNKS; k++)
        conc_free(pool->chunks[k]);
    conc_free(pool->errors);
    for (size_t i = 0; i < pool->n_workers; i++)
        conc_lock_destroy(&pool->workers[i].lock);
    conc_wait_group_destroy(&pool->living);
    conc_context_destroy(&pool->ctx);
    conc_cond_destroy(&pool->idle);
    conc_mutex_destroy(&pool->mutex);
    conc_lock_destroy(&pool->lock);
    conc_free(pool);
}

static int make_channels(
    struct conc_worker_pool *pool, const struct conc_worker_pool_options *options)
{
    int rc = 0;
    for (int level = 0; level < pool->levels && rc == 0; level++)
        rc = conc_chan_create(&pool->tasks[level], sizeof(struct task), options->capacity, NULL);
    if (rc == 0 && options->results == CONC_POOL_STREAM)
        rc = conc_chan_create(&pool->results, sizeof(struct conc_worker_pool_result),
            options->results_capacity, NULL);
    if (rc == 0 && options->results == CONC_POOL_STREAM)
        rc = conc_chan_create(&pool->places, 0, options->results_capacity, NULL);
    return rc;
}

static bool bad_options(const struct conc_worker_pool_options *options)
{
    return !options || options->workers < 1 || options->levels < 0 ||
           options->levels > CONC_POOL_MAX_LEVELS || options->timeout_ns < 0 ||
           options->results > CONC_POOL_INDEXED ||
           (options->results == CONC_POOL_STREAM && options->results_capacity < 1);
}

int conc_worker_pool_create(
    struct conc_worker_pool **pool, const struct conc_worker_pool_options *options)
{
    size_t size;
    if (!pool || bad_options(options))
        return EINVAL;
    if (__builtin_mul_overflow(options->workers, sizeof(struct worker), &size) ||
        __builtin_add_overflow(size, sizeof(struct conc_worker_pool), &size))
        return ENOMEM;
    struct conc_worker_pool *made = conc_calloc(1, size);
    if (!made)
        return ENOMEM;
    made->levels = options->levels ? options->levels : 1;
    made->timeout_ns = options->timeout_ns;
    made->indexed = options->results == CONC_POOL_INDEXED;
    made->n_workers = options->workers;
    conc_lock_init(&made->lock);
    conc_mutex_init(&made->mutex);
    conc_cond_init(&made->idle);
    conc_wait_group_init(&made->living);
    conc_context_with_cancel(&made->ctx, options->ctx);
    for (size_t i = 0; i < made->n_workers; i++) {
        made->workers[i].pool = made;
        conc_lock_init(&made->workers[i].lock);
    }
    int rc = make_channels(made, options);
    for (size_t i = 0; i < made->n_workers && rc == 0; i++)
        rc = conc_wait_group_go(&made->living, work, &made->workers[i]);
    if (rc != 0) {
        conc_worker_pool_stop(made, CONC_POOL_CANCEL); /* the workers that did start */
        free_pool(made);
        return rc;
    }
    *pool = made;
    return 0;
}

int conc_worker_pool_close(struct conc_worker_pool *pool)
{
    if (!pool)
        return EINVAL;
    conc_lock_acquire(&pool->lock);
    bool closed = pool->closed;
    pool->closed = true;
    conc_lock_release(&pool->lock);
    if (closed)
        return EPIPE;
    for (int level = 0; level < pool->levels; level++)
        conc_chan_close(pool->tasks[level]);
    if (pool->places)
        conc_chan_close(pool->places);
    return 0;
}

int conc_worker_pool_stop_at(
    struct conc_worker_pool *pool, enum conc_pool_stop how, const struct conc_site *site)
{
    if (!pool || (how != CONC_POOL_DRAIN && how != CONC_POOL_CANCEL))
        return EINVAL;
    struct conc_task *self = conc_task_self();
    for (size_t i = 0; i < pool->n_workers; i++) {
        conc_lock_acquire(&pool->workers[i].lock);
        bool own = pool->workers[i].runner == self;
        conc_lock_release(&pool->workers[i].lock);
        if (own)
            conc_panic(site, "a task stops the worker pool that runs it");
    }
    conc_worker_pool_close(pool);
    if (how == CONC_POOL_CANCEL)
        conc_context_cancel(&pool->ctx);
    conc_wait_group_wait_at(&pool->living, NULL, site);
    if (pool->results)
        conc_chan_close(pool->results);
    return 0;
}

void conc_worker_pool_destroy(struct conc_worker_pool *pool)
{
    if (!pool)
        return;
    conc_worker_pool_stop(pool, CONC_POOL_CANCEL);
    free_pool(pool);
}
