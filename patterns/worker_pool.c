/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"
#include "sync/waiter.h"
#include "worker_pool.h"

/* A task of the pool, kept by value: a submit allocates nothing. */
struct task {
    conc_worker_pool_fn *fn;
    void *arg;
    int64_t timeout_ns; /* 0: none */
    uint64_t index;
};

struct worker {
    struct conc_worker_pool *pool; /* fixed */
    struct task task;              /* the worker's own, as all below: the task that runs */
    bool limited;                  /* `limit` is its context */
    struct conc_context limit;
    unsigned picks;           /* of tasks, for the turn of the lower levels */
    unsigned ended;           /* 1: the last task has ended, and is not in the counters yet */
    bool gives_way;           /* few tasks were left when it took the last */
    struct conc_task *runner; /* under the pool's lock: who the worker is at the moment */
    char apart[64];           /* from the next worker's cache line */
};

/* The tasks of one priority that wait: the oldest in a ring, what finds no room there with who
 * submits it. */
struct level {
    struct task *ring; /* fixed: as many slots as the pool has capacity */
    size_t head;       /* the slot of the oldest */
    size_t len;
    struct conc_wait_queue submitters; /* data: the task */
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

/*
 * A monitor: one lock guards all that moves. A worker that finds tasks waiting takes it once a
 * task: the end of one that succeeded and the begin of the next are one step. (Rejected: a channel
 * of tasks. It has a lock of its own, so that a task costs twice as many sections, and with
 * priorities it takes a select among several. Rejected: atomic counters. Read one by one they do
 * not add up.)
 *
 * Invariants, whenever the lock is free: while a level has a task no worker rests; while a level
 * has room or a worker rests, nobody waits to submit to it; in a closed pool nobody rests or waits
 * to submit. (Nodes that somebody else has claimed do not count: they are on their way out.)
 */
struct conc_worker_pool {
    struct conc_lock lock; /* guards all down to the levels */
    bool closed;
    uint64_t next_index;
    uint64_t submitted;
    uint64_t begun;
    uint64_t completed;
    uint64_t cancelled;
    uint64_t failed;
    uint64_t exited;
    struct slot *chunks[CHUNKS];     /* written once */
    struct conc_wait_queue resting;  /* workers without a task; data: where to put one */
    struct conc_wait_queue watchers; /* who waits for the pool to be idle */
    struct level levels[CONC_POOL_MAX_LEVELS];

    int n_levels; /* fixed, as all down to n_workers */
    size_t capacity;
    int patience_ns;
    int64_t timeout_ns;
    bool indexed;
    bool keeps;                /* results */
    struct conc_chan *results; /* NULL, but for a stream */
    struct conc_chan *places; /* one element per result of a stream that is to come or to be read */
    size_t n_workers;

    struct conc_context ctx;       /* of the tasks */
    struct conc_wait_group living; /* the workers */

    struct conc_mutex mutex; /* for what is rare and allocates: guards what follows */
    struct conc_worker_pool_result *errors;
    size_t n_errors;
    size_t errors_kept; /* fewer than n_errors: memory ran out */
    size_t errors_room;

    struct worker workers[];
};

/* --- counters -----------------------------------------------------------------------------------
 */

struct conc_worker_pool_stats conc_worker_pool_stats(struct conc_worker_pool *pool)
{
    if (!pool)
        return (struct conc_worker_pool_stats){0};
    conc_lock_acquire(&pool->lock);
    struct conc_worker_pool_stats all = {
        .submitted = pool->submitted,
        .completed = pool->completed,
        .cancelled = pool->cancelled,
        .waiting = pool->submitted - pool->begun - pool->cancelled,
        .running = pool->begun - pool->completed,
        .failed = pool->failed,
        .exited = pool->exited,
    };
    conc_lock_release(&pool->lock);
    return all;
}

/* Under the lock, as the next. */
static bool is_idle(const struct conc_worker_pool *pool)
{
    return pool->submitted == pool->completed + pool->cancelled;
}

/* Claims those who wait for an idle pool, if it is one: to be unparked after the lock. For whoever
 * took a step that may have made it idle. */
static struct conc_wait_node *claim_watchers(struct conc_worker_pool *pool)
{
    if (!conc_wait_queue_head(&pool->watchers) || !is_idle(pool))
        return NULL;
    return conc_wait_queue_claim_all(&pool->watchers);
}

/* The end of a section that was such a step. Touches the pool no more once they are awake. */
static void release_and_tell(struct conc_worker_pool *pool)
{
    struct conc_wait_node *watchers = claim_watchers(pool);
    conc_lock_release(&pool->lock);
    conc_wait_list_unpark(watchers);
}

/* Waits when `site` is given. */
int conc_worker_pool_wait_at(
    struct conc_worker_pool *pool, struct conc_context *ctx, const struct conc_site *site)
{
    if (!pool)
        return EINVAL;
    conc_lock_acquire(&pool->lock);
    int rc = is_idle(pool) ? 0 : EAGAIN;
    if (rc == 0 || !site) {
        conc_lock_release(&pool->lock);
        return rc;
    }
    rc = conc_wait_in(
        &pool->lock, NULL, ctx, site, &pool->watchers, "for the end of all tasks of worker pool");
    if (rc != 0 && conc_worker_pool_try_wait(pool) == 0)
        rc = 0;
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

/* --- levels -------------------------------------------------------------------------------------
 *
 * All under the lock. Who is claimed is to be unparked after it.
 */

static bool has_task(const struct conc_worker_pool *pool)
{
    for (int i = 0; i < pool->n_levels; i++)
        if (pool->levels[i].len > 0 || conc_wait_queue_head(&pool->levels[i].submitters))
            return true;
    return false;
}

static bool has_room(const struct conc_worker_pool *pool, const struct level *level)
{
    return level->len < pool->capacity || conc_wait_queue_head(&pool->resting);
}

static void push(const struct conc_worker_pool *pool, struct level *level, const struct task *task)
{
    size_t tail = level->head + level->len++;
    level->ring[tail < pool->capacity ? tail : tail - pool->capacity] = *task;
}

/* Takes the oldest of those in the ring. */
static inline void pop(const struct conc_worker_pool *pool, struct level *level, struct task *task)
{
    *task = level->ring[level->head];
    level->head = level->head + 1 < pool->capacity ? level->head + 1 : 0;
    level->len--;
}

/* Takes the oldest task; who waits for its room moves in. False: there is none. */
static bool take_from(const struct conc_worker_pool *pool, struct level *level, struct task *task,
    struct conc_wait_node **submitter)
{
    bool kept = level->len > 0;
    if (kept)
        pop(pool, level, task);
    *submitter = conc_wait_queue_claim(&level->submitters);
    if (*submitter && kept)
        push(pool, level, (*submitter)->data);
    else if (*submitter)
        *task = *(const struct task *)(*submitter)->data;
    return kept || *submitter;
}

/* The next task: from the highest level that has one. But every 8th time a level whose turn it is
 * goes first, so that an endless stream of urgent tasks starves nobody. */
static bool take(
    struct conc_worker_pool *pool, struct worker *worker, struct conc_wait_node **submitter)
{
    if (pool->n_levels > 1) {
        unsigned turn = worker->picks++;
        unsigned lucky = turn / 8 % (unsigned)pool->n_levels;
        if (turn % 8 == 7 && take_from(pool, &pool->levels[lucky], &worker->task, submitter))
            return true;
    }
    for (int i = pool->n_levels; i-- > 0;)
        if (take_from(pool, &pool->levels[i], &worker->task, submitter))
            return true;
    return false;
}

/* --- workers ------------------------------------------------------------------------------------
 */

/* Counts the last task as ended, if that is still to be done. Under the lock. */
static inline void count_ended(struct worker *worker)
{
    worker->pool->completed += worker->ended;
    worker->ended = 0;
}

/* The worker rests until it is given a task, and counts that as begun. With the lock held, which is
 * released. */
static int rest(struct worker *worker)
{
    struct conc_worker_pool *pool = worker->pool;
    int rc = conc_wait_in(
        &pool->lock, &worker->task, NULL, CONC_HERE, &pool->resting, "for a task of worker pool");
    if (rc == 0)
        rc = conc_context_error(&pool->ctx);
    if (rc == 0) {
        conc_lock_acquire(&pool->lock);
        pool->begun++;
        conc_lock_release(&pool->lock);
    }
    return rc;
}

/* What next_task does that finds nothing in the ring of the only level, or has more to see to. With
 * the lock held, which is released. */
static __attribute__((noinline)) int next_task_in_full(struct worker *worker, int over)
{
    struct conc_worker_pool *pool = worker->pool;
    struct conc_wait_node *submitter;
    struct conc_wait_node *watchers;
    if (pool->patience_ns > 0 && !has_task(pool) && !pool->closed &&
        !conc_wait_queue_head(&pool->watchers))
        conc_wait_stay_away(&pool->resting, &pool->lock, pool->patience_ns);
    while (!take(pool, worker, &submitter)) {
        watchers = claim_watchers(pool);
        if (!watchers && !pool->closed)
            return rest(worker);
        conc_lock_release(&pool->lock);
        if (!watchers)
            return EPIPE;
        conc_wait_list_unpark(watchers);
        over = conc_context_error(&pool->ctx);
        conc_lock_acquire(&pool->lock);
    }
    pool->begun += over == 0;
    conc_lock_release(&pool->lock);
    if (submitter)
        conc_wait_node_unpark(submitter);
    return over;
}

/* The context is asked before the lock, for that may run callbacks: as if a task that begins just
 * after its end had begun just before. 0: worker->task has begun; EPIPE: the pool is closed and no
 * task is left; ECANCELED, ETIMEDOUT: worker->task is to be cancelled. */
static inline int next_task(struct worker *worker)
{
    struct conc_worker_pool *pool = worker->pool;
    struct level *level = &pool->levels[0];
    int over = conc_context_error(&pool->ctx);
    conc_lock_acquire(&pool->lock);
    count_ended(worker);
    if (pool->n_levels > 1 || level->len == 0 || conc_wait_queue_head(&level->submitters))
        return next_task_in_full(worker, over);
    pop(pool, level, &worker->task);
    pool->begun += over == 0;
    worker->gives_way = level->len > 0 && 2 * level->len < pool->capacity;
    conc_lock_release(&pool->lock);
    return over;
}

/* Lets others run where the last task left few behind it, or a reader's buffer rather full. */
static __attribute__((noinline)) void give_way(struct worker *worker)
{
    struct conc_worker_pool *pool = worker->pool;
    const struct conc_engine *engine = conc_self()->engine;
    if (worker->gives_way && engine->cooperative)
        engine->yield();
    worker->gives_way = false;
    if (pool->results)
        conc_chan_give_way(NULL, pool->results);
}

static void cancel_task(struct worker *worker, int rc)
{
    struct conc_worker_pool *pool = worker->pool;
    file_result(worker, rc);
    conc_lock_acquire(&pool->lock);
    pool->cancelled++;
    pool->failed++;
    release_and_tell(pool);
}

/* Counts a task that failed; any other is counted when the worker looks for the next one. */
static __attribute__((noinline)) void count_failed(struct worker *worker, bool exited)
{
    struct conc_worker_pool *pool = worker->pool;
    conc_lock_acquire(&pool->lock);
    pool->completed++;
    pool->failed++;
    pool->exited += exited;
    if (exited)
        worker->runner = NULL;
    release_and_tell(pool);
}

static inline void end_task(struct worker *worker, int rc, bool exited)
{
    if (worker->limited)
        conc_context_destroy(&worker->limit);
    worker->limited = false;
    if (rc != 0 || worker->pool->keeps)
        file_result(worker, rc);
    if (rc != 0)
        count_failed(worker, exited);
    else
        worker->ended = 1;
}

static inline void run_task(struct worker *worker)
{
    struct conc_worker_pool *pool = worker->pool;
    struct conc_context *ctx = &pool->ctx;
    if (worker->task.timeout_ns > 0) {
        ctx = &worker->limit;
        conc_context_with_timeout(ctx, &pool->ctx, worker->task.timeout_ns);
        worker->limited = true;
    }
    end_task(worker, worker->task.fn(worker->task.arg, ctx), false);
    if (worker->gives_way || pool->results)
        give_way(worker);
}

/* Notes which task the worker is, so that stop can tell when one of them calls it. */
static void set_runner(struct worker *worker, struct conc_task *runner)
{
    conc_lock_acquire(&worker->pool->lock);
    worker->runner = runner;
    conc_lock_release(&worker->pool->lock);
}

static void left_by_exit(void *arg);

/* snippet: worker */
static void work(void *arg)
{
    struct worker *worker = arg;
    struct conc_worker_pool *pool = worker->pool;
    struct conc_cleanup cleanup;
    int rc;

    set_runner(worker, conc_task_self());
    conc_task_set_name("worker %d", (int)(worker - pool->workers));
    conc_cleanup_push(&cleanup, left_by_exit, worker);
    while ((rc = next_task(worker)) != EPIPE) {
        if (rc == 0)
            run_task(worker);
        else
            cancel_task(worker, rc);
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
    end_task(worker, EOWNERDEAD, true);
    if (conc_wait_group_go(&worker->pool->living, work, worker) != 0)
        work(worker);
}
/* end snippet */

/* --- submitting ---------------------------------------------------------------------------------
 */

/* Whether there is no slot yet for the next index. Under the lock. */
static bool lacks_slot(const struct conc_worker_pool *pool)
{
    return pool->indexed && !pool->chunks[chunk_of(pool->next_index)];
}

/* Makes the slots for the next index. With the lock held, which is released in between: another
 * submit may be faster. 0 or ENOMEM. */
static int make_slots(struct conc_worker_pool *pool)
{
    int k = chunk_of(pool->next_index);
    conc_lock_release(&pool->lock);
    struct slot *made = k < CHUNKS ? conc_calloc((size_t)FIRST << k, sizeof *made) : NULL;
    int rc = made ? 0 : ENOMEM;
    conc_lock_acquire(&pool->lock);
    if (made && !pool->chunks[k]) {
        pool->chunks[k] = made;
        made = NULL;
    }
    conc_lock_release(&pool->lock);
    conc_free(made);
    conc_lock_acquire(&pool->lock);
    return rc;
}

/* Counts a task in and gives it its index. Under the lock. */
static void admit(struct conc_worker_pool *pool, struct task *task)
{
    task->index = pool->next_index++;
    pool->submitted++;
    if (pool->indexed)
        slot_of(pool, task->index)->state = PENDING;
}

/* Takes back what admit did: the submitter did not wait for room until there was some. */
static void retract(struct conc_worker_pool *pool, const struct task *task)
{
    conc_lock_acquire(&pool->lock);
    pool->submitted--;
    if (task->index + 1 == pool->next_index)
        pool->next_index--;
    else if (pool->indexed)
        slot_of(pool, task->index)->state = NEVER;
    release_and_tell(pool);
}

/* Gives the task to a worker that rests, or keeps it in its level, or waits until there is room. */
static int enqueue(struct conc_worker_pool *pool, struct level *level, struct task *task,
    struct conc_context *ctx, const struct conc_site *site)
{
    int rc = 0;
    conc_lock_acquire(&pool->lock);
    if (site && pool->patience_ns > 0 && !has_room(pool, level))
        conc_wait_stay_away(&level->submitters, &pool->lock, pool->patience_ns);
    while (!pool->closed && rc == 0 && lacks_slot(pool))
        rc = make_slots(pool);
    if (pool->closed)
        rc = EPIPE;
    else if (rc == 0 && !site && !has_room(pool, level))
        rc = EAGAIN;
    if (rc != 0) {
        conc_lock_release(&pool->lock);
        return rc;
    }
    admit(pool, task);
    struct conc_wait_node *worker = conc_wait_queue_claim(&pool->resting);
    if (!worker && level->len == pool->capacity) {
        rc = conc_wait_in(
            &pool->lock, task, ctx, site, &level->submitters, "for room in worker pool");
        if (rc != 0)
            retract(pool, task);
        return rc;
    }
    if (worker)
        *(struct task *)worker->data = *task;
    else
        push(pool, level, task);
    conc_lock_release(&pool->lock);
    if (worker)
        conc_wait_node_unpark(worker);
    return 0;
}

static bool is_closed(struct conc_worker_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    bool closed = pool->closed;
    conc_lock_release(&pool->lock);
    return closed;
}

static __attribute__((noinline)) int submit_in_full(struct conc_worker_pool *pool,
    conc_worker_pool_fn *fn, void *arg, const struct conc_worker_pool_task *how,
    struct conc_context *ctx, const struct conc_site *site)
{
    int rc = conc_context_error(&pool->ctx);
    if (rc != 0)
        return is_closed(pool) ? EPIPE : rc;
    struct task task = {.fn = fn, .arg = arg, .timeout_ns = how ? how->timeout_ns : 0};
    if (task.timeout_ns == 0)
        task.timeout_ns = pool->timeout_ns;
    if (task.timeout_ns == CONC_FOREVER)
        task.timeout_ns = 0;

    if (pool->places) {
        rc = site ? conc_chan_send_at(pool->places, NULL, ctx, site)
                  : conc_chan_try_send(pool->places, NULL);
        if (rc != 0)
            return rc;
    }
    rc = enqueue(pool, &pool->levels[how ? how->priority : 0], &task, ctx, site);
    if (rc != 0 && pool->places)
        conc_chan_try_recv(pool->places, NULL);
    if (rc == 0 && how && how->index)
        *how->index = task.index;
    return rc;
}

/* With the lock held, which is released. What happens nearly always: there is room, and no worker
 * rests. It makes no call but a last one, so it has no registers to save. */
static inline __attribute__((always_inline)) int submit_quick(struct conc_worker_pool *pool,
    conc_worker_pool_fn *fn, void *arg, struct conc_context *ctx, const struct conc_site *site)
{
    struct level *level = &pool->levels[0];
    if (pool->closed || level->len == pool->capacity || conc_wait_queue_head(&pool->resting)) {
        conc_lock_release(&pool->lock);
        return submit_in_full(pool, fn, arg, NULL, ctx, site);
    }
    pool->submitted++;
    push(pool, level, &(struct task){fn, arg, pool->timeout_ns, pool->next_index++});
    conc_lock_release(&pool->lock);
    return 0;
}

/* All of sim's go this way: acquire_quick is not for it. */
static __attribute__((noinline)) int submit_contended(struct conc_worker_pool *pool,
    conc_worker_pool_fn *fn, void *arg, struct conc_context *ctx, const struct conc_site *site)
{
    conc_lock_acquire(&pool->lock);
    return submit_quick(pool, fn, arg, ctx, site);
}

/* Waits when `site` is given. */
int conc_worker_pool_submit_at(struct conc_worker_pool *pool, conc_worker_pool_fn *fn, void *arg,
    const struct conc_worker_pool_task *how, struct conc_context *ctx, const struct conc_site *site)
{
    if (!pool || !fn ||
        (how && (how->priority < 0 || how->priority >= pool->n_levels || how->timeout_ns < 0)))
        return EINVAL;
    if (how || pool->keeps || conc_context_error(&pool->ctx) != 0)
        return submit_in_full(pool, fn, arg, how, ctx, site);
    if (!conc_lock_acquire_quick(&pool->lock))
        return submit_contended(pool, fn, arg, ctx, site);
    return submit_quick(pool, fn, arg, ctx, site);
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
    conc_free(pool->levels[0].ring);
    conc_chan_destroy(pool->results);
    conc_chan_destroy(pool->places);
    for (int k = 0; k < CHUNKS; k++)
        conc_free(pool->chunks[k]);
    conc_free(pool->errors);
    conc_wait_group_destroy(&pool->living);
    conc_context_destroy(&pool->ctx);
    conc_mutex_destroy(&pool->mutex);
    conc_lock_destroy(&pool->lock);
    conc_free(pool);
}

static int make_rings(struct conc_worker_pool *pool)
{
    size_t size;
    if (__builtin_mul_overflow(pool->capacity, (size_t)pool->n_levels * sizeof(struct task), &size))
        return ENOMEM;
    struct task *ring = conc_malloc(size ? size : 1);
    if (!ring)
        return ENOMEM;
    for (int i = 0; i < pool->n_levels; i++)
        pool->levels[i].ring = ring + (size_t)i * pool->capacity;
    return 0;
}

static int make_channels(struct conc_worker_pool *pool, size_t results)
{
    int rc =
        conc_chan_create(&pool->results, sizeof(struct conc_worker_pool_result), results, NULL);
    if (rc == 0)
        rc = conc_chan_create(&pool->places, 0, results, NULL);
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
    made->n_levels = options->levels ? options->levels : 1;
    made->capacity = options->capacity;
    made->patience_ns = conc_wait_patience_ns(options->capacity);
    made->timeout_ns = options->timeout_ns == CONC_FOREVER ? 0 : options->timeout_ns;
    made->indexed = options->results == CONC_POOL_INDEXED;
    made->keeps = options->results != CONC_POOL_NO_RESULTS;
    made->n_workers = options->workers;
    conc_lock_init(&made->lock);
    conc_mutex_init(&made->mutex);
    conc_wait_group_init(&made->living);
    conc_context_with_cancel(&made->ctx, options->ctx);
    int rc = make_rings(made);
    if (rc == 0 && options->results == CONC_POOL_STREAM)
        rc = make_channels(made, options->results_capacity);
    for (size_t i = 0; i < made->n_workers && rc == 0; i++) {
        made->workers[i].pool = made;
        rc = conc_wait_group_go(&made->living, work, &made->workers[i]);
    }
    if (rc != 0) {
        conc_worker_pool_stop(made, CONC_POOL_CANCEL); /* the workers that did start */
        free_pool(made);
        return rc;
    }
    *pool = made;
    return 0;
}

/* Claims all that wait in a queue of a pool that is closed. */
static struct conc_wait_node *refuse(struct conc_wait_queue *queue)
{
    struct conc_wait_node *list = conc_wait_queue_claim_all(queue);
    for (struct conc_wait_node *node = list; node; node = node->next)
        node->result = EPIPE;
    return list;
}

int conc_worker_pool_close(struct conc_worker_pool *pool)
{
    if (!pool)
        return EINVAL;
    struct conc_wait_node *submitters[CONC_POOL_MAX_LEVELS];
    conc_lock_acquire(&pool->lock);
    if (pool->closed) {
        conc_lock_release(&pool->lock);
        return EPIPE;
    }
    pool->closed = true;
    for (int i = 0; i < pool->n_levels; i++)
        submitters[i] = refuse(&pool->levels[i].submitters);
    struct conc_wait_node *resting = refuse(&pool->resting);
    conc_lock_release(&pool->lock);
    for (int i = 0; i < pool->n_levels; i++)
        conc_wait_list_unpark(submitters[i]);
    conc_wait_list_unpark(resting);
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
    bool own = false;
    conc_lock_acquire(&pool->lock);
    for (size_t i = 0; i < pool->n_workers; i++)
        own = own || pool->workers[i].runner == self;
    conc_lock_release(&pool->lock);
    if (own)
        conc_panic(site, "a task stops the worker pool that runs it");
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
