/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "dynamic_pool.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- tasks */

static int add_one(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int spin(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    while (!atomic_load((atomic_bool *)arg))
        conc_yield();
    return 0;
}

static int wait_for_context(void *arg, struct conc_context *ctx)
{
    (void)arg;
    return conc_context_wait(ctx);
}

/* Waits until the gate, a channel, is closed. */
static int behind_gate(void *arg, struct conc_context *ctx)
{
    return conc_chan_recv((struct conc_chan *)arg, NULL, ctx) == EPIPE ? 0 : ECANCELED;
}

static int leave_thread(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_task_exit();
}

static int fail_with(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    return *(int *)arg;
}

static struct conc_dynamic_pool *new_pool(const struct conc_dynamic_pool_options *options)
{
    struct conc_dynamic_pool *pool;
    unit_ok(conc_dynamic_pool_create(&pool, options));
    return pool;
}

#define POOL(...) new_pool(&(struct conc_dynamic_pool_options){__VA_ARGS__})

static void check_stats(struct conc_dynamic_pool *pool, uint64_t completed, uint64_t cancelled,
    uint64_t waiting, uint64_t running)
{
    struct conc_dynamic_pool_stats s = conc_dynamic_pool_stats(pool);
    ck_assert_uint_eq(s.completed, completed);
    ck_assert_uint_eq(s.cancelled, cancelled);
    ck_assert_uint_eq(s.waiting, waiting);
    ck_assert_uint_eq(s.running, running);
    ck_assert_uint_eq(s.submitted, completed + cancelled + waiting + running);
}

/* ---------------------------------------------------------------- the matrices */

struct matrix {
    struct conc_dynamic_pool *pool;
    atomic_bool go;
    atomic_int ran;
};

/* One worker, busy and awake; one task in the queue, which is full. */
static void full_init(void *state, const void *param)
{
    struct matrix *m = state;
    (void)param;
    m->pool = POOL(.min = 1, .max = 1, .capacity = 1);
    unit_ok(conc_dynamic_pool_submit(m->pool, spin, &m->go, NULL));
    unit_wait_until(conc_dynamic_pool_stats(m->pool).running == 1);
    unit_ok(conc_dynamic_pool_submit(m->pool, add_one, &m->ran, NULL));
}

static int submit_call(void *state, struct conc_context *ctx)
{
    struct matrix *m = state;
    return conc_dynamic_pool_submit(m->pool, add_one, &m->ran, ctx);
}

static int submit_try(void *state)
{
    struct matrix *m = state;
    return conc_dynamic_pool_try_submit(m->pool, add_one, &m->ran);
}

static void full_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    (void)waiting;
    atomic_store(&m->go, true);
    unit_wait_until(conc_dynamic_pool_stats(m->pool).completed >= 2);
}

static int full_close(void *state)
{
    return conc_dynamic_pool_close(((struct matrix *)state)->pool);
}

static void full_fini(void *state, int rc)
{
    struct matrix *m = state;
    atomic_store(&m->go, true);
    unit_ok(conc_dynamic_pool_stop(m->pool, CONC_DYNAMIC_DRAIN));
    ck_assert_int_eq(m->ran, rc == 0 ? 2 : 1);
    check_stats(m->pool, rc == 0 ? 3 : 2, 0, 0, 0);
    ck_assert_uint_eq(conc_dynamic_pool_stats(m->pool).workers, 0);
    conc_dynamic_pool_destroy(m->pool);
}

START_TEST(submit_matrix)
{
    const struct wait_call call = {.name = "submit",
        .size = sizeof(struct matrix),
        .init = full_init,
        .call = submit_call,
        .try_call = submit_try,
        .ready = full_ready,
        .ready_is_kept = true,
        .close = full_close,
        .closed_rc = EPIPE,
        .fini = full_fini};
    wait_matrix_check(&call);
}
END_TEST

static int idle_call(void *state, struct conc_context *ctx)
{
    return conc_dynamic_pool_wait(((struct matrix *)state)->pool, ctx);
}

static int idle_try(void *state)
{
    return conc_dynamic_pool_try_wait(((struct matrix *)state)->pool);
}

static void idle_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    full_ready(state, waiting);
    unit_wait_until(conc_dynamic_pool_try_wait(m->pool) == 0);
}

static void idle_fini(void *state, int rc)
{
    (void)rc;
    full_fini(state, EPIPE);
}

START_TEST(idle_matrix)
{
    const struct wait_call call = {.name = "wait",
        .size = sizeof(struct matrix),
        .init = full_init,
        .call = idle_call,
        .try_call = idle_try,
        .ready = idle_ready,
        .ready_is_kept = true,
        .fini = idle_fini};
    wait_matrix_check(&call);
}
END_TEST

/* wait_workers: for the workers to be gone, which is when the pool has been closed and the busy one
 * is done. */
static int workers_call(void *state, struct conc_context *ctx)
{
    return conc_dynamic_pool_wait_workers(((struct matrix *)state)->pool, 0, 0, ctx);
}

static void workers_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    (void)waiting;
    atomic_store(&m->go, true);
    unit_ok(conc_dynamic_pool_stop(m->pool, CONC_DYNAMIC_DRAIN));
}

START_TEST(workers_matrix)
{
    const struct wait_call call = {.name = "wait_workers",
        .size = sizeof(struct matrix),
        .init = full_init,
        .call = workers_call,
        .ready = workers_ready,
        .ready_is_kept = true,
        .fini = idle_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- doing tasks */

START_TEST(bad_arguments)
{
    struct conc_dynamic_pool *pool = NULL;
    const struct conc_dynamic_pool_options good = {.min = 1, .max = 2};
    struct conc_dynamic_pool_options bad = good;
    unit_rc(conc_dynamic_pool_create(NULL, &good), EINVAL);
    unit_rc(conc_dynamic_pool_create(&pool, NULL), EINVAL);
    bad.min = 0;
    unit_rc(conc_dynamic_pool_create(&pool, &bad), EINVAL);
    bad.min = 3;
    unit_rc(conc_dynamic_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.idle_ns = -1;
    unit_rc(conc_dynamic_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.growth = (enum conc_dynamic_growth)7;
    unit_rc(conc_dynamic_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.capacity = SIZE_MAX / 4;
    unit_rc(conc_dynamic_pool_create(&pool, &bad), ENOMEM);
    ck_assert_ptr_null(pool);
    unit_rc(conc_dynamic_pool_submit(NULL, leave_thread, NULL, NULL), EINVAL);
    unit_rc(conc_dynamic_pool_try_submit(NULL, leave_thread, NULL), EINVAL);
    unit_rc(conc_dynamic_pool_wait(NULL, NULL), EINVAL);
    unit_rc(conc_dynamic_pool_try_wait(NULL), EINVAL);
    unit_rc(conc_dynamic_pool_wait_workers(NULL, 0, 1, NULL), EINVAL);
    unit_rc(conc_dynamic_pool_close(NULL), EINVAL);
    unit_rc(conc_dynamic_pool_stop(NULL, CONC_DYNAMIC_DRAIN), EINVAL);
    ck_assert_uint_eq(conc_dynamic_pool_stats(NULL).workers, 0);
    ck_assert_uint_eq(conc_dynamic_pool_changes(NULL, NULL, 5), 0);
    conc_dynamic_pool_destroy(NULL);
    pool = new_pool(&good);
    unit_rc(conc_dynamic_pool_submit(pool, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_dynamic_pool_stop(pool, (enum conc_dynamic_stop)9), EINVAL);
    conc_dynamic_pool_destroy(pool); /* without a stop */
}
END_TEST

START_TEST(each_task_once)
{
    static const size_t capacities[] = {0, 1, 100};
    static const size_t tasks[] = {0, 1, 7, 300};
    atomic_int ran[300];
    for (size_t i = 0; i < 3 * 4 * 2; i++) {
        size_t n = tasks[i / 3 % 4];
        struct conc_dynamic_pool *pool = POOL(.min = 1, .max = 5, .capacity = capacities[i % 3],
            .growth = i / 12 ? CONC_GROW_MANY : CONC_GROW_ONE, .idle_ns = 1);
        for (size_t t = 0; t < n; t++) {
            atomic_init(&ran[t], 0);
            unit_ok(conc_dynamic_pool_submit(pool, add_one, &ran[t], NULL));
        }
        if (i % 2)
            unit_ok(conc_dynamic_pool_wait(pool, NULL));
        unit_ok(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN));
        for (size_t t = 0; t < n; t++)
            if (atomic_load(&ran[t]) != 1)
                ck_abort_msg("task %zu ran %d times", t, atomic_load(&ran[t]));
        check_stats(pool, n, 0, 0, 0);
        ck_assert_uint_le(conc_dynamic_pool_stats(pool).peak, 5);
        conc_dynamic_pool_destroy(pool);
        ck_assert_uint_eq(conc_census_count(), 1);
    }
}
END_TEST

START_TEST(errors_counted)
{
    struct conc_dynamic_pool *pool = POOL(.min = 1, .max = 1, .capacity = 10);
    int rcs[4] = {0, EDOM, ENOSPC, 0};
    for (int i = 0; i < 4; i++)
        unit_ok(conc_dynamic_pool_submit(pool, fail_with, &rcs[i], NULL));
    unit_ok(conc_dynamic_pool_wait(pool, NULL));
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).failed, 2);
    ck_assert_int_eq(conc_dynamic_pool_stats(pool).first_error, EDOM);
    conc_dynamic_pool_destroy(pool);
}
END_TEST

START_TEST(tasks_that_exit)
{
    struct conc_dynamic_pool *pool = POOL(.min = 2, .max = 2, .capacity = 50);
    atomic_int ran = 0;
    for (int i = 0; i < 40; i++)
        unit_ok(conc_dynamic_pool_submit(pool, i % 2 ? leave_thread : add_one, &ran, NULL));
    unit_ok(conc_dynamic_pool_wait(pool, NULL));
    ck_assert_int_eq(ran, 20);
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).failed, 20);
    ck_assert_int_eq(conc_dynamic_pool_stats(pool).first_error, EOWNERDEAD);
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).workers, 2);
    unit_wait_until(conc_census_count() == 3);

    /* And where no new thread is to be had. */
    if (conc_fault_start_at(1) < 0)
        exit(77);
    unit_ok(conc_dynamic_pool_submit(pool, leave_thread, NULL, NULL));
    unit_ok(conc_dynamic_pool_wait(pool, NULL));
    for (int i = 0; i < 10; i++)
        unit_ok(conc_dynamic_pool_submit(pool, add_one, &ran, NULL));
    unit_ok(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN));
    ck_assert_int_eq(ran, 30);
    ck_assert_int_eq(conc_fault_start_at(0), 0); /* a start has been tried, and has failed */
    conc_dynamic_pool_destroy(pool);
}
END_TEST

/* ---------------------------------------------------------------- growing */

/* A pool of two whose workers are held at a gate. */
static struct conc_dynamic_pool *gated(
    struct conc_chan **gate, enum conc_dynamic_growth growth, int64_t idle_ns)
{
    unit_ok(conc_chan_create(gate, 0, 0, NULL));
    struct conc_dynamic_pool *pool =
        POOL(.min = 2, .max = 10, .capacity = 100, .growth = growth, .idle_ns = idle_ns);
    for (int i = 0; i < 2; i++) {
        unit_ok(conc_dynamic_pool_submit(pool, behind_gate, *gate, NULL));
        unit_wait_until(conc_dynamic_pool_stats(pool).running == (uint64_t)i + 1);
    }
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).workers, 2);
    return pool;
}

/* Whether every worker has a task, or every task a worker. */
static bool all_taken(struct conc_dynamic_pool *pool)
{
    struct conc_dynamic_pool_stats s = conc_dynamic_pool_stats(pool);
    return s.running == s.workers || s.waiting == 0;
}

/* One more task at the gate, once every worker has taken one. The number of workers is then. */
static size_t one_more(struct conc_dynamic_pool *pool, struct conc_chan *gate)
{
    unit_wait_until(all_taken(pool));
    unit_ok(conc_dynamic_pool_submit(pool, behind_gate, gate, NULL));
    return conc_dynamic_pool_stats(pool).workers;
}

/* One worker when more wait than there are workers. With 2 workers held, tasks 1 and 2 wait; the
 * third makes it 3 workers, who leaves 2 waiting; the 5th in all … */
START_TEST(grows_by_one)
{
    struct conc_chan *gate;
    struct conc_dynamic_pool *pool = gated(&gate, CONC_GROW_ONE, 0);
    ck_assert_uint_eq(one_more(pool, gate), 2); /* 1 waits */
    ck_assert_uint_eq(one_more(pool, gate), 2); /* 2 wait */
    ck_assert_uint_eq(one_more(pool, gate), 3); /* 3 > 2: the third worker takes one */
    ck_assert_uint_eq(one_more(pool, gate), 3); /* 3 wait */
    ck_assert_uint_eq(one_more(pool, gate), 4); /* 4 > 3 */
    for (int i = 0; i < 60; i++)
        one_more(pool, gate);
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).workers, 10); /* and no more */
    unit_ok(conc_chan_close(gate));
    unit_ok(conc_dynamic_pool_wait(pool, NULL));
    struct conc_dynamic_pool_stats s = conc_dynamic_pool_stats(pool);
    ck_assert(s.workers == 10 && s.peak == 10 && s.grown == 8 && s.shrunk == 0);
    conc_dynamic_pool_destroy(pool);
    conc_chan_destroy(gate);
}
END_TEST

START_TEST(grows_by_many)
{
    struct conc_chan *gate;
    struct conc_dynamic_pool *pool = gated(&gate, CONC_GROW_MANY, 0);
    for (int i = 1; i <= 4; i++)
        ck_assert_uint_eq(one_more(pool, gate), 2); /* i wait */
    ck_assert_uint_eq(one_more(pool, gate), 4);     /* 5 > 2 · 2: half of 5 come */
    for (int i = 4; i <= 8; i++)
        ck_assert_uint_eq(one_more(pool, gate), 4);
    ck_assert_uint_eq(one_more(pool, gate), 8); /* 9 > 2 · 4 */
    for (int i = 0; i < 60; i++)
        one_more(pool, gate);
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).workers, 10);

    struct conc_dynamic_pool_change changes[CONC_DYNAMIC_CHANGES];
    size_t n = conc_dynamic_pool_changes(pool, changes, CONC_DYNAMIC_CHANGES);
    ck_assert_uint_eq(n, 4);
    static const size_t workers[] = {2, 4, 8, 10};
    static const uint64_t waiting[] = {0, 5, 9, 17};
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(changes[i].workers, workers[i]);
        ck_assert_uint_eq(changes[i].waiting, waiting[i]);
        ck_assert_int_ge(changes[i].at_ns, changes[i ? i - 1 : 0].at_ns);
    }
    ck_assert_uint_eq(conc_dynamic_pool_changes(pool, changes, 1), 1); /* the newest */
    ck_assert_uint_eq(changes[0].workers, 10);
    unit_ok(conc_chan_close(gate));
    unit_ok(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN));
    conc_dynamic_pool_destroy(pool);
    conc_chan_destroy(gate);
}
END_TEST

/* A submit that waits for room counts as waiting, so a pool without a queue grows, too. */
static void submit_gate(void *arg)
{
    struct {
        struct conc_dynamic_pool *pool;
        struct conc_chan *gate;
    } *both = arg;
    if (conc_dynamic_pool_submit(both->pool, behind_gate, both->gate, NULL) != 0)
        abort();
}

START_TEST(grows_without_a_queue)
{
    struct {
        struct conc_dynamic_pool *pool;
        struct conc_chan *gate;
    } both;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    unit_ok(conc_chan_create(&both.gate, 0, 0, NULL));
    both.pool = POOL(.min = 1, .max = 3, .capacity = 0);
    for (int i = 0; i < 12; i++)
        unit_ok(conc_wait_group_go(&group, submit_gate, &both));
    unit_ok(conc_dynamic_pool_wait_workers(both.pool, 3, 3, NULL));
    unit_ok(conc_chan_close(both.gate));
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_ok(conc_dynamic_pool_stop(both.pool, CONC_DYNAMIC_DRAIN));
    check_stats(both.pool, 12, 0, 0, 0);
    conc_dynamic_pool_destroy(both.pool);
    conc_chan_destroy(both.gate);
    conc_wait_group_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- shrinking */

/* The trap: several workers that idle out at once, all see "more than min", and all leave. */
START_TEST(never_below_min)
{
    for (size_t round = 0; round < unit_scaled(40); round++) {
        struct conc_chan *gate;
        struct conc_dynamic_pool *pool = gated(&gate, CONC_GROW_ONE, CONC_MS(1));
        struct conc_dynamic_pool_change changes[CONC_DYNAMIC_CHANGES];
        while (conc_dynamic_pool_stats(pool).workers < 10)
            unit_ok(conc_dynamic_pool_submit(pool, behind_gate, gate, NULL));
        unit_ok(conc_chan_close(gate)); /* all idle from the same moment */
        unit_ok(conc_dynamic_pool_wait_workers(pool, 0, 2, NULL));
        ck_assert_uint_eq(conc_dynamic_pool_stats(pool).shrunk, 8);
        /* Two stay for good: over several idle times nobody leaves. */
        conc_sleep(CONC_MS(3), NULL);
        ck_assert_uint_eq(conc_dynamic_pool_stats(pool).workers, 2);
        size_t n = conc_dynamic_pool_changes(pool, changes, CONC_DYNAMIC_CHANGES);
        for (size_t i = 0; i < n; i++)
            if (changes[i].workers < 2 || changes[i].workers > 10)
                ck_abort_msg("%zu workers", changes[i].workers);
        conc_dynamic_pool_destroy(pool);
        conc_chan_destroy(gate);
    }
}
END_TEST

/* Who stays sleeps without a timer. After growing again there are enough with one to shrink again.
 */
START_TEST(shrinks_again)
{
    for (int round = 0; round < 3; round++) {
        struct conc_chan *gate;
        struct conc_dynamic_pool *pool = gated(&gate, CONC_GROW_MANY, CONC_MS(1));
        for (int wave = 0; wave < 3; wave++) {
            struct conc_chan *next_gate;
            while (conc_dynamic_pool_stats(pool).workers < 10)
                unit_ok(conc_dynamic_pool_submit(pool, behind_gate, gate, NULL));
            unit_ok(conc_chan_close(gate));
            unit_ok(conc_dynamic_pool_wait(pool, NULL));
            unit_ok(conc_dynamic_pool_wait_workers(pool, 2, 2, NULL));
            unit_ok(conc_chan_create(&next_gate, 0, 0, NULL));
            conc_chan_destroy(gate);
            gate = next_gate;
        }
        ck_assert_uint_eq(conc_dynamic_pool_stats(pool).shrunk, 24);
        conc_dynamic_pool_destroy(pool);
        conc_chan_destroy(gate);
    }
}
END_TEST

/* Workers leave all the time (the idle time is over at once) while tasks come: none is lost. */
START_TEST(no_task_lost_while_workers_leave)
{
    struct conc_dynamic_pool *pool =
        POOL(.min = 1, .max = 6, .capacity = 4, .idle_ns = CONC_US(20));
    atomic_int ran = 0;
    int n = (int)unit_scaled(1000);
    for (int i = 0; i < n; i++) {
        unit_ok(conc_dynamic_pool_submit(pool, add_one, &ran, NULL));
        if (i % 20 == 0)
            unit_ok(conc_dynamic_pool_wait(pool, NULL));
    }
    unit_ok(conc_dynamic_pool_wait(pool, NULL));
    ck_assert_int_eq(ran, n);
    conc_dynamic_pool_destroy(pool);
}
END_TEST

/* ---------------------------------------------------------------- stop */

/* The traps: submit after stop ends the program; stop forgets what is queued. */
START_TEST(stop_cancels)
{
    struct conc_dynamic_pool *pool = POOL(.min = 2, .max = 2, .capacity = 10);
    atomic_int ran = 0;
    for (int i = 0; i < 2; i++)
        unit_ok(conc_dynamic_pool_submit(pool, wait_for_context, NULL, NULL));
    unit_wait_until(conc_dynamic_pool_stats(pool).running == 2);
    for (int i = 0; i < 10; i++)
        unit_ok(conc_dynamic_pool_submit(pool, add_one, &ran, NULL));
    unit_ok(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_CANCEL));
    check_stats(pool, 2, 10, 0, 0);
    ck_assert_int_eq(ran, 0);
    ck_assert_uint_eq(conc_dynamic_pool_stats(pool).failed, 12);
    unit_rc(conc_dynamic_pool_submit(pool, add_one, &ran, NULL), EPIPE);
    unit_rc(conc_dynamic_pool_try_submit(pool, add_one, &ran), EPIPE);
    unit_rc(conc_dynamic_pool_close(pool), EPIPE);
    unit_ok(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN)); /* again */
    conc_dynamic_pool_destroy(pool);
}
END_TEST

START_TEST(parent_context)
{
    struct conc_context parent;
    conc_context_with_cancel(&parent, NULL);
    struct conc_dynamic_pool *pool = POOL(.min = 1, .max = 1, .capacity = 5, .ctx = &parent);
    atomic_int ran = 0;
    unit_ok(conc_dynamic_pool_submit(pool, wait_for_context, NULL, NULL));
    unit_wait_until(conc_dynamic_pool_stats(pool).running == 1);
    unit_ok(conc_dynamic_pool_submit(pool, add_one, &ran, NULL));
    conc_context_cancel(&parent);
    unit_rc(conc_dynamic_pool_submit(pool, add_one, &ran, NULL), ECANCELED);
    unit_ok(conc_dynamic_pool_wait(pool, NULL));
    check_stats(pool, 1, 1, 0, 0);
    conc_dynamic_pool_destroy(pool);
    conc_context_destroy(&parent);
}
END_TEST

/* ---------------------------------------------------------------- faults */

START_TEST(create_faults)
{
    const struct conc_dynamic_pool_options options = {.min = 4, .max = 5, .capacity = 2};
    struct conc_dynamic_pool *pool = NULL;
    for (int what = 0; what < 2; what++) {
        long (*fault)(long) = what ? conc_fault_start_at : conc_fault_alloc_at;
        long k = 1;
        for (;; k++) {
            if (fault(k) < 0)
                exit(77);
            int rc = conc_dynamic_pool_create(&pool, &options);
            if (fault(0) > 0)
                break;
            unit_rc(rc, what ? EAGAIN : ENOMEM);
            ck_assert_ptr_null(pool);
            ck_assert_uint_le(conc_census_count(), 1);
        }
        ck_assert_int_ge(k, 4);
        conc_dynamic_pool_destroy(pool);
        pool = NULL;
    }
}
END_TEST

/* A worker that is due and cannot be started: the task is done all the same, by the others. */
START_TEST(growth_faults)
{
    struct conc_chan *gate;
    struct conc_dynamic_pool *pool = gated(&gate, CONC_GROW_ONE, 0);
    for (int i = 0; i < 2; i++)
        one_more(pool, gate);
    if (conc_fault_start_at(1) < 0)
        exit(77);
    ck_assert_uint_eq(one_more(pool, gate), 2);
    ck_assert_int_eq(conc_fault_start_at(0), 0);
    struct conc_dynamic_pool_stats s = conc_dynamic_pool_stats(pool);
    ck_assert(s.unstarted == 1 && s.grown == 0);
    unit_ok(conc_chan_close(gate));
    unit_ok(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN));
    check_stats(pool, 5, 0, 0, 0);
    conc_dynamic_pool_destroy(pool);
    conc_chan_destroy(gate);
}
END_TEST

int main(void)
{
    return unit_main("dynamic_pool", submit_matrix, idle_matrix, workers_matrix, bad_arguments,
        each_task_once, errors_counted, tasks_that_exit, grows_by_one, grows_by_many,
        grows_without_a_queue, never_below_min, shrinks_again, no_task_lost_while_workers_leave,
        stop_cancels, parent_context, create_faults, growth_faults);
}
