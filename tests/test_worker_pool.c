/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"
#include "tests/wait_matrix.h"
#include "worker_pool.h"

/* ---------------------------------------------------------------- tasks */

static int do_nothing(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    return 0;
}

static int add_one(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Keeps a worker busy, and awake, until told. */
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

static int fail_with(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    return *(int *)arg;
}

static int leave_thread(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_task_exit();
}

static struct conc_worker_pool *new_pool(const struct conc_worker_pool_options *options)
{
    struct conc_worker_pool *pool;
    unit_ok(conc_worker_pool_create(&pool, options));
    return pool;
}

#define POOL(...) new_pool(&(struct conc_worker_pool_options){__VA_ARGS__})

static void check_stats(struct conc_worker_pool *pool, uint64_t completed, uint64_t cancelled,
    uint64_t waiting, uint64_t running)
{
    struct conc_worker_pool_stats s = conc_worker_pool_stats(pool);
    ck_assert_uint_eq(s.completed, completed);
    ck_assert_uint_eq(s.cancelled, cancelled);
    ck_assert_uint_eq(s.waiting, waiting);
    ck_assert_uint_eq(s.running, running);
    ck_assert_uint_eq(s.submitted, completed + cancelled + waiting + running);
}

/* One worker that spins until `go`. */
static void occupy(struct conc_worker_pool *pool, atomic_bool *go)
{
    uint64_t before = conc_worker_pool_stats(pool).running;
    unit_ok(conc_worker_pool_submit(pool, spin, go, NULL));
    unit_wait_until(conc_worker_pool_stats(pool).running == before + 1);
}

/* ---------------------------------------------------------------- the matrices */

struct matrix {
    struct conc_worker_pool *pool;
    atomic_bool go;
    atomic_int ran;
    int received;
};

/* submit: the worker is busy, the queue is full. */
static void submit_init(void *state, const void *param)
{
    struct matrix *m = state;
    int levels = *(const int *)param;
    m->pool = POOL(.workers = 1, .capacity = 1, .levels = levels);
    occupy(m->pool, &m->go);
    unit_ok(conc_worker_pool_submit(m->pool, add_one, &m->ran, NULL));
}

static int submit_call(void *state, struct conc_context *ctx)
{
    struct matrix *m = state;
    return conc_worker_pool_submit(m->pool, add_one, &m->ran, ctx);
}

static int submit_try(void *state)
{
    struct matrix *m = state;
    return conc_worker_pool_try_submit(m->pool, add_one, &m->ran, NULL);
}

static void submit_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    atomic_store(&m->go, true);
    unit_wait_until(atomic_load(&m->ran) == (waiting ? 2 : 1));
}

static int matrix_close(void *state)
{
    return conc_worker_pool_close(((struct matrix *)state)->pool);
}

static void submit_fini(void *state, int rc)
{
    struct matrix *m = state;
    atomic_store(&m->go, true);
    unit_ok(conc_worker_pool_stop(m->pool, CONC_POOL_DRAIN));
    ck_assert_int_eq(m->ran, rc == 0 ? 2 : 1);
    check_stats(m->pool, rc == 0 ? 3 : 2, 0, 0, 0);
    conc_worker_pool_destroy(m->pool);
}

START_TEST(submit_matrix)
{
    for (int levels = 1; levels <= 3; levels += 2) {
        const struct wait_call call = {.name = "submit",
            .size = sizeof(struct matrix),
            .param = &levels,
            .init = submit_init,
            .call = submit_call,
            .try_call = submit_try,
            .ready = submit_ready,
            .ready_is_kept = true,
            .close = matrix_close,
            .closed_rc = EPIPE,
            .fini = submit_fini};
        wait_matrix_check(&call);
    }
}
END_TEST

/* submit to a pool whose stream has no place: a result that nobody has received holds it. */
static void place_init(void *state, const void *param)
{
    struct matrix *m = state;
    (void)param;
    m->pool = POOL(.workers = 1, .capacity = 5, .results = CONC_POOL_STREAM, .results_capacity = 1);
    occupy(m->pool, &m->go);
}

static void place_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    struct conc_worker_pool_result result;
    (void)waiting;
    atomic_store(&m->go, true);
    unit_ok(conc_worker_pool_recv(m->pool, &result, NULL));
    m->received++;
}

static void place_fini(void *state, int rc)
{
    struct matrix *m = state;
    struct conc_worker_pool_result result;
    atomic_store(&m->go, true);
    unit_ok(conc_worker_pool_stop(m->pool, CONC_POOL_DRAIN));
    while (conc_worker_pool_recv(m->pool, &result, NULL) == 0)
        m->received++;
    ck_assert_int_eq(m->received, rc == 0 ? 2 : 1);
    ck_assert_int_eq(m->ran, rc == 0 ? 1 : 0);
    conc_worker_pool_destroy(m->pool);
}

START_TEST(place_matrix)
{
    const struct wait_call call = {.name = "submit without a place",
        .size = sizeof(struct matrix),
        .init = place_init,
        .call = submit_call,
        .try_call = submit_try,
        .ready = place_ready,
        .ready_is_kept = true,
        .close = matrix_close,
        .closed_rc = EPIPE,
        .fini = place_fini};
    wait_matrix_check(&call);
}
END_TEST

/* recv: a task is under way. It ends the stream when it has ended and the pool has stopped. */
static int recv_call(void *state, struct conc_context *ctx)
{
    struct conc_worker_pool_result result = {.index = 77};
    int rc = conc_worker_pool_recv(((struct matrix *)state)->pool, &result, ctx);
    ck_assert_uint_eq(result.index, rc == 0 || rc == EPIPE ? 0 : 77);
    ((struct matrix *)state)->received += rc == 0;
    return rc;
}

static int recv_try(void *state)
{
    struct conc_worker_pool_result result;
    int rc = conc_worker_pool_try_recv(((struct matrix *)state)->pool, &result);
    ((struct matrix *)state)->received += rc == 0;
    return rc;
}

static void recv_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    (void)waiting;
    atomic_store(&m->go, true);
    unit_wait_until(conc_worker_pool_stats(m->pool).completed == 1);
}

static void recv_fini(void *state, int rc)
{
    (void)rc;
    place_fini(state, EPIPE); /* nothing was submitted but what init did */
}

START_TEST(recv_matrix)
{
    const struct wait_call call = {.name = "recv",
        .size = sizeof(struct matrix),
        .init = place_init,
        .call = recv_call,
        .try_call = recv_try,
        .ready = recv_ready,
        .ready_is_kept = true,
        .fini = recv_fini};
    wait_matrix_check(&call);
}
END_TEST

/* wait */
static int idle_call(void *state, struct conc_context *ctx)
{
    return conc_worker_pool_wait(((struct matrix *)state)->pool, ctx);
}

static int wait_try(void *state)
{
    return conc_worker_pool_try_wait(((struct matrix *)state)->pool);
}

static void wait_ready(void *state, bool waiting)
{
    struct matrix *m = state;
    (void)waiting;
    atomic_store(&m->go, true);
    unit_wait_until(conc_worker_pool_stats(m->pool).completed == 2);
}

static void wait_fini(void *state, int rc)
{
    (void)rc;
    submit_fini(state, EPIPE); /* nothing was submitted but what init did */
}

START_TEST(idle_matrix)
{
    for (int levels = 1; levels <= 2; levels++) {
        const struct wait_call call = {.name = "wait",
            .size = sizeof(struct matrix),
            .param = &levels,
            .init = submit_init,
            .call = idle_call,
            .try_call = wait_try,
            .ready = wait_ready,
            .ready_is_kept = true,
            .fini = wait_fini};
        wait_matrix_check(&call);
    }
}
END_TEST

/* ---------------------------------------------------------------- doing tasks */

START_TEST(bad_arguments)
{
    struct conc_worker_pool *pool = NULL;
    struct conc_worker_pool_options good = {.workers = 1, .capacity = 1};
    struct conc_worker_pool_options bad = good;
    struct conc_worker_pool_result result;
    unit_rc(conc_worker_pool_create(NULL, &good), EINVAL);
    unit_rc(conc_worker_pool_create(&pool, NULL), EINVAL);
    bad.workers = 0;
    unit_rc(conc_worker_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.levels = CONC_POOL_MAX_LEVELS + 1;
    unit_rc(conc_worker_pool_create(&pool, &bad), EINVAL);
    bad.levels = -1;
    unit_rc(conc_worker_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.timeout_ns = -1;
    unit_rc(conc_worker_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.results = CONC_POOL_STREAM; /* with results_capacity 0 */
    unit_rc(conc_worker_pool_create(&pool, &bad), EINVAL);
    bad = good;
    bad.workers = SIZE_MAX / 8;
    unit_rc(conc_worker_pool_create(&pool, &bad), ENOMEM);
    bad = good;
    bad.capacity = SIZE_MAX / 8;
    unit_rc(conc_worker_pool_create(&pool, &bad), ENOMEM);
    ck_assert_ptr_null(pool);

    unit_rc(conc_worker_pool_submit(NULL, do_nothing, NULL, NULL), EINVAL);
    unit_rc(conc_worker_pool_try_submit(NULL, do_nothing, NULL, NULL), EINVAL);
    unit_rc(conc_worker_pool_recv(NULL, &result, NULL), EINVAL);
    unit_rc(conc_worker_pool_result(NULL, 0, &result), EINVAL);
    unit_rc(conc_worker_pool_errors(NULL, NULL, 0, NULL), EINVAL);
    unit_rc(conc_worker_pool_wait(NULL, NULL), EINVAL);
    unit_rc(conc_worker_pool_try_wait(NULL), EINVAL);
    unit_rc(conc_worker_pool_close(NULL), EINVAL);
    unit_rc(conc_worker_pool_stop(NULL, CONC_POOL_DRAIN), EINVAL);
    ck_assert_uint_eq(conc_worker_pool_stats(NULL).submitted, 0);
    conc_worker_pool_destroy(NULL);

    pool = POOL(.workers = 1, .capacity = 1, .levels = 2);
    struct conc_worker_pool_task how = {.priority = 2};
    unit_rc(conc_worker_pool_submit(pool, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_worker_pool_submit_with(pool, do_nothing, NULL, &how, NULL), EINVAL);
    how.priority = -1;
    unit_rc(conc_worker_pool_submit_with(pool, do_nothing, NULL, &how, NULL), EINVAL);
    how = (struct conc_worker_pool_task){.timeout_ns = -5};
    unit_rc(conc_worker_pool_submit_with(pool, do_nothing, NULL, &how, NULL), EINVAL);
    unit_rc(conc_worker_pool_recv(pool, &result, NULL), EINVAL);
    unit_rc(conc_worker_pool_try_recv(pool, &result), EINVAL);
    unit_rc(conc_worker_pool_result(pool, 0, &result), EINVAL);
    unit_rc(conc_worker_pool_errors(pool, NULL, 1, NULL), EINVAL);
    unit_rc(conc_worker_pool_stop(pool, (enum conc_pool_stop)5), EINVAL);
    check_stats(pool, 0, 0, 0, 0);
    conc_worker_pool_destroy(pool); /* without a stop */
}
END_TEST

START_TEST(each_task_once)
{
    static const size_t workers[] = {1, 3, 16};
    static const size_t capacities[] = {0, 1, 100};
    static const size_t tasks[] = {0, 1, 7, 300};
    atomic_int ran[300];
    for (size_t i = 0; i < 3 * 3 * 4 * 2; i++) {
        size_t n = tasks[i / 9 % 4];
        struct conc_worker_pool *pool = POOL(.workers = workers[i % 3],
            .capacity = capacities[i / 3 % 3], .levels = i / 36 ? 4 : 1);
        for (size_t t = 0; t < n; t++) {
            struct conc_worker_pool_task how = {.priority = i / 36 ? (int)(t % 4) : 0};
            atomic_init(&ran[t], 0);
            unit_rc(conc_worker_pool_submit_with(pool, add_one, &ran[t], &how, NULL), 0);
        }
        if (i % 2 == 0)
            unit_ok(conc_worker_pool_wait(pool, NULL));
        unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
        for (size_t t = 0; t < n; t++)
            if (atomic_load(&ran[t]) != 1)
                ck_abort_msg("task %zu of %zu ran %d times", t, n, atomic_load(&ran[t]));
        check_stats(pool, n, 0, 0, 0);
        conc_worker_pool_destroy(pool);
        ck_assert_uint_eq(conc_census_count(), 1);
    }
}
END_TEST

struct tree {
    struct conc_worker_pool *pool;
    atomic_int nodes;
};

struct node {
    struct tree *tree;
    int depth;
};

static int grow(void *arg, struct conc_context *ctx)
{
    struct node *node = arg;
    (void)ctx;
    atomic_fetch_add(&node->tree->nodes, 1);
    for (int i = 0; i < 2 && node->depth > 0; i++) {
        struct node *child = malloc(sizeof *child);
        *child = (struct node){node->tree, node->depth - 1};
        if (conc_worker_pool_submit(node->tree->pool, grow, child, NULL) != 0)
            abort();
    }
    free(node);
    return 0;
}

/* Tasks submit further ones; the queue is large enough for all. */
START_TEST(tasks_submit)
{
    struct tree tree = {.nodes = 0};
    struct node *root = malloc(sizeof *root);
    *root = (struct node){&tree, 7};
    tree.pool = POOL(.workers = 3, .capacity = 256);
    unit_ok(conc_worker_pool_submit(tree.pool, grow, root, NULL));
    unit_ok(conc_worker_pool_wait(tree.pool, NULL));
    ck_assert_int_eq(tree.nodes, 255);
    unit_ok(conc_worker_pool_stop(tree.pool, CONC_POOL_DRAIN));
    conc_worker_pool_destroy(tree.pool);
}
END_TEST

/* ---------------------------------------------------------------- results */

START_TEST(results_by_index)
{
    enum { N = 500 }; /* more than the first chunks of slots hold */
    static int codes[N];
    struct conc_worker_pool_result result = {.rc = 99};
    struct conc_worker_pool *pool = POOL(.workers = 4, .capacity = 3, .results = CONC_POOL_INDEXED);
    unit_rc(conc_worker_pool_result(pool, 0, &result), ENOENT);
    for (int i = 0; i < N; i++) {
        uint64_t index = 0;
        codes[i] = i % 3 == 0 ? 0 : i;
        unit_ok(conc_worker_pool_submit_with(
            pool, fail_with, &codes[i], &(struct conc_worker_pool_task){.index = &index}, NULL));
        ck_assert_uint_eq(index, (uint64_t)i);
    }
    unit_ok(conc_worker_pool_wait(pool, NULL));
    ck_assert_int_eq(result.rc, 99);
    for (int i = 0; i < N; i++) {
        unit_ok(conc_worker_pool_result(pool, (uint64_t)i, &result));
        ck_assert(result.arg == &codes[i] && result.rc == codes[i] && result.index == (uint64_t)i);
    }
    unit_rc(conc_worker_pool_result(pool, N, &result), ENOENT);
    unit_rc(conc_worker_pool_result(pool, 0, NULL), EINVAL);
    unit_rc(conc_worker_pool_result(pool, UINT64_MAX, &result), ENOENT);
    conc_worker_pool_destroy(pool);
}
END_TEST

struct submission {
    struct conc_worker_pool *pool;
    struct conc_context *ctx;
    uint64_t index;
    int rc;
};

static void submit_main(void *arg)
{
    struct submission *s = arg;
    s->rc = conc_worker_pool_submit_with(
        s->pool, do_nothing, NULL, &(struct conc_worker_pool_task){.index = &s->index}, s->ctx);
}

/* Three submits wait; the first gives up: its index is a gap. The last gives up: its index is given
 * to the next. */
START_TEST(index_of_a_submit_given_up)
{
    struct conc_worker_pool *pool = POOL(.workers = 1, .capacity = 0, .results = CONC_POOL_INDEXED);
    struct conc_worker_pool_result result;
    atomic_bool go = false;
    struct conc_context ctx[3];
    struct submission s[3];
    struct conc_task *tasks[3];
    occupy(pool, &go);
    unit_rc(conc_worker_pool_result(pool, 0, &result), EAGAIN);
    for (int i = 0; i < 3; i++) {
        conc_context_with_cancel(&ctx[i], NULL);
        s[i] = (struct submission){pool, &ctx[i], 99, -1};
        unit_ok(conc_task_start(&tasks[i], submit_main, &s[i]));
        unit_wait_parked(i + 1);
    }
    check_stats(pool, 0, 0, 3, 1);
    for (int i = 0; i < 3; i += 2) {
        conc_context_cancel(&ctx[i]);
        conc_task_join(tasks[i]);
        unit_rc(s[i].rc, ECANCELED);
        ck_assert_uint_eq(s[i].index, 99); /* untouched */
    }
    check_stats(pool, 0, 0, 1, 1);
    unit_rc(conc_worker_pool_try_submit(pool, do_nothing, NULL, NULL), EAGAIN);
    atomic_store(&go, true);
    conc_task_join(tasks[1]);
    unit_ok(s[1].rc);
    ck_assert_uint_eq(s[1].index, 2);
    uint64_t next = 0;
    unit_ok(conc_worker_pool_submit_with(
        pool, do_nothing, NULL, &(struct conc_worker_pool_task){.index = &next}, NULL));
    ck_assert_uint_eq(next, 3);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    unit_ok(conc_worker_pool_result(pool, 0, &result));
    unit_rc(conc_worker_pool_result(pool, 1, &result), ENOENT);
    unit_ok(conc_worker_pool_result(pool, 2, &result));
    unit_ok(conc_worker_pool_result(pool, 3, &result));
    for (int i = 0; i < 3; i++)
        conc_context_destroy(&ctx[i]);
    conc_worker_pool_destroy(pool);
}
END_TEST

/* The trap: a stop that waits for workers who wait for a reader who waits for stop. With far more
 * tasks than queue places and workers, and nobody reading until stop has returned. */
START_TEST(stop_before_reading)
{
    enum { N = 100 };
    int rcs[N];
    bool seen[N] = {false};
    struct conc_worker_pool *pool =
        POOL(.workers = 3, .capacity = 2, .results = CONC_POOL_STREAM, .results_capacity = N);
    for (int i = 0; i < N; i++) {
        rcs[i] = i % 5;
        unit_ok(conc_worker_pool_submit(pool, fail_with, &rcs[i], NULL));
    }
    /* Every place is taken by a result that nobody has received. */
    unit_rc(conc_worker_pool_try_submit(pool, do_nothing, NULL, NULL), EAGAIN);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    struct conc_worker_pool_result result;
    for (int i = 0; i < N; i++) {
        unit_ok(conc_worker_pool_recv(pool, &result, NULL));
        ck_assert(result.index < N && !seen[result.index]);
        seen[result.index] = true;
        ck_assert(result.arg == &rcs[result.index] && result.rc == (int)(result.index % 5));
    }
    unit_rc(conc_worker_pool_recv(pool, &result, NULL), EPIPE);
    unit_rc(conc_worker_pool_try_recv(pool, &result), EPIPE);
    conc_worker_pool_destroy(pool);
}
END_TEST

/* A submit that has a place for its result but finds no room in the queue gives the place back. */
START_TEST(refused_submits_hold_no_place)
{
    struct conc_worker_pool *pool =
        POOL(.workers = 1, .capacity = 1, .results = CONC_POOL_STREAM, .results_capacity = 4);
    struct conc_worker_pool_result result;
    struct conc_context ctx;
    atomic_bool go = false;
    atomic_int ran = 0;
    occupy(pool, &go);
    unit_ok(conc_worker_pool_submit(pool, add_one, &ran, NULL));
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel(&ctx);
    for (int i = 0; i < 10; i++) {
        unit_rc(conc_worker_pool_try_submit(pool, add_one, &ran, NULL), EAGAIN);
        unit_rc(conc_worker_pool_submit(pool, add_one, &ran, &ctx), ECANCELED);
    }
    atomic_store(&go, true);
    unit_wait_until(conc_worker_pool_stats(pool).completed == 2);
    for (int i = 0; i < 2; i++) /* the other two of the four places */
        unit_ok(conc_worker_pool_submit(pool, add_one, &ran, NULL));
    unit_rc(conc_worker_pool_try_submit(pool, add_one, &ran, NULL), EAGAIN);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    for (int i = 0; i < 4; i++)
        unit_ok(conc_worker_pool_recv(pool, &result, NULL));
    unit_rc(conc_worker_pool_recv(pool, &result, NULL), EPIPE);
    ck_assert_int_eq(ran, 3);
    conc_context_destroy(&ctx);
    conc_worker_pool_destroy(pool);
}
END_TEST

static void read_all(void *arg)
{
    struct matrix *m = arg;
    struct conc_worker_pool_result result;
    while (conc_worker_pool_recv(m->pool, &result, NULL) == 0)
        m->received++;
}

/* A reader beside the submitter, with a single place; the stream ends with stop. */
START_TEST(stream_with_a_reader)
{
    struct matrix m = {
        .pool = POOL(.workers = 4, .results = CONC_POOL_STREAM, .results_capacity = 1)};
    struct conc_task *reader;
    unit_ok(conc_task_start(&reader, read_all, &m));
    for (int i = 0; i < 200; i++)
        unit_ok(conc_worker_pool_submit(m.pool, add_one, &m.ran, NULL));
    unit_ok(conc_worker_pool_stop(m.pool, CONC_POOL_DRAIN));
    conc_task_join(reader);
    ck_assert_int_eq(m.received, 200);
    ck_assert_int_eq(m.ran, 200);
    conc_worker_pool_destroy(m.pool);
}
END_TEST

START_TEST(all_errors_collected)
{
    enum { N = 60 };
    int rcs[N];
    struct conc_worker_pool_result errors[N];
    size_t count = 99;
    struct conc_worker_pool *pool = POOL(.workers = 4, .capacity = 4);
    unit_ok(conc_worker_pool_errors(pool, NULL, 0, &count));
    ck_assert_uint_eq(count, 0);
    for (int i = 0; i < N; i++) {
        rcs[i] = i % 2 ? 1000 + i : 0;
        unit_ok(conc_worker_pool_submit(pool, fail_with, &rcs[i], NULL));
    }
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    unit_ok(conc_worker_pool_errors(pool, errors, 3, &count));
    ck_assert_uint_eq(count, N / 2);
    unit_ok(conc_worker_pool_errors(pool, errors, N, NULL));
    bool seen[N] = {false};
    for (size_t i = 0; i < count; i++) {
        ck_assert(errors[i].index < N && !seen[errors[i].index]);
        seen[errors[i].index] = true;
        ck_assert_int_eq(errors[i].rc, 1000 + (int)errors[i].index);
        ck_assert_ptr_eq(errors[i].arg, &rcs[errors[i].index]);
    }
    ck_assert_uint_eq(conc_worker_pool_stats(pool).failed, N / 2);
    conc_worker_pool_destroy(pool);
}
END_TEST

/* ---------------------------------------------------------------- stop */

START_TEST(stop_cancels)
{
    struct conc_worker_pool *pool =
        POOL(.workers = 2, .capacity = 10, .results = CONC_POOL_STREAM, .results_capacity = 20);
    for (int i = 0; i < 2; i++)
        unit_ok(conc_worker_pool_submit(pool, wait_for_context, NULL, NULL));
    unit_wait_until(conc_worker_pool_stats(pool).running == 2);
    atomic_int ran = 0;
    for (int i = 0; i < 10; i++)
        unit_ok(conc_worker_pool_submit(pool, add_one, &ran, NULL));
    check_stats(pool, 0, 0, 10, 2);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_CANCEL));
    check_stats(pool, 2, 10, 0, 0);
    ck_assert_int_eq(ran, 0);
    ck_assert_uint_eq(conc_worker_pool_stats(pool).failed, 12);
    /* Each of the twelve says what happened to it. */
    struct conc_worker_pool_result result;
    for (int i = 0; i < 12; i++) {
        unit_ok(conc_worker_pool_recv(pool, &result, NULL));
        unit_rc(result.rc, ECANCELED);
    }
    unit_rc(conc_worker_pool_recv(pool, &result, NULL), EPIPE);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN)); /* again */
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_CANCEL));
    conc_worker_pool_destroy(pool);
}
END_TEST

static void drain_main(void *arg)
{
    struct matrix *m = arg;
    m->received = conc_worker_pool_stop(m->pool, CONC_POOL_DRAIN);
}

START_TEST(cancel_hurries_a_drain)
{
    struct matrix m = {.pool = POOL(.workers = 1, .capacity = 2), .received = -1};
    struct conc_task *drainer;
    unit_ok(conc_worker_pool_submit(m.pool, wait_for_context, NULL, NULL));
    unit_ok(conc_worker_pool_submit(m.pool, add_one, &m.ran, NULL));
    unit_wait_until(conc_worker_pool_stats(m.pool).running == 1);
    unit_ok(conc_task_start(&drainer, drain_main, &m));
    unit_wait_parked(2); /* the task and the drainer */
    unit_rc(conc_worker_pool_submit(m.pool, do_nothing, NULL, NULL), EPIPE);
    unit_ok(conc_worker_pool_stop(m.pool, CONC_POOL_CANCEL));
    conc_task_join(drainer);
    unit_ok(m.received);
    check_stats(m.pool, 1, 1, 0, 0);
    conc_worker_pool_destroy(m.pool);
}
END_TEST

/* A shutdown with a time limit: close, wait, and what is not done by then is cancelled. */
START_TEST(close_wait_stop)
{
    struct conc_worker_pool *pool = POOL(.workers = 1, .capacity = 2);
    struct conc_context ctx;
    unit_ok(conc_worker_pool_submit(pool, wait_for_context, NULL, NULL));
    unit_ok(conc_worker_pool_close(pool));
    unit_rc(conc_worker_pool_close(pool), EPIPE);
    unit_rc(conc_worker_pool_submit(pool, do_nothing, NULL, NULL), EPIPE);
    unit_rc(conc_worker_pool_try_submit(pool, do_nothing, NULL, NULL), EPIPE);
    conc_context_with_timeout(&ctx, NULL, CONC_MS(5));
    unit_rc(conc_worker_pool_wait(pool, &ctx), ETIMEDOUT);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_CANCEL));
    unit_ok(conc_worker_pool_wait(pool, &ctx)); /* idle wins over a deadline that has passed */
    unit_ok(conc_worker_pool_try_wait(pool));
    conc_context_destroy(&ctx);
    conc_worker_pool_destroy(pool);
}
END_TEST

/* The trap of a stop flag that all pools share. */
START_TEST(pools_are_apart)
{
    struct conc_worker_pool *one = POOL(.workers = 2, .capacity = 2);
    struct conc_worker_pool *other = POOL(.workers = 2, .capacity = 2);
    atomic_int ran = 0;
    unit_ok(conc_worker_pool_stop(one, CONC_POOL_CANCEL));
    unit_rc(conc_worker_pool_submit(one, add_one, &ran, NULL), EPIPE);
    for (int i = 0; i < 20; i++)
        unit_ok(conc_worker_pool_submit(other, add_one, &ran, NULL));
    unit_ok(conc_worker_pool_stop(other, CONC_POOL_DRAIN));
    ck_assert_int_eq(ran, 20);
    conc_worker_pool_destroy(one);
    conc_worker_pool_destroy(other);
}
END_TEST

static int stop_own_pool(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    return conc_worker_pool_stop((struct conc_worker_pool *)arg, CONC_POOL_DRAIN);
}

static void stop_from_inside(void)
{
    struct conc_worker_pool *pool;
    if (conc_worker_pool_create(
            &pool, &(struct conc_worker_pool_options){.workers = 1, .capacity = 1}) != 0)
        return;
    conc_worker_pool_submit(pool, stop_own_pool, pool, NULL);
    conc_worker_pool_wait(pool, NULL);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(stop_from_inside, "pool");
}
END_TEST

/* ---------------------------------------------------------------- options */

struct order {
    atomic_int next;
    int place[40]; /* of each task, in the order of their begins */
};

struct numbered {
    struct order *order;
    int number;
};

static int note_order(void *arg, struct conc_context *ctx)
{
    struct numbered *me = arg;
    (void)ctx;
    me->order->place[me->number] = atomic_fetch_add(&me->order->next, 1);
    return 0;
}

/* Three low, then three high: the high ones overtake. */
START_TEST(priorities)
{
    struct conc_worker_pool *pool = POOL(.workers = 1, .capacity = 10, .levels = 3);
    struct order order = {.next = 0};
    struct numbered tasks[6];
    atomic_bool go = false;
    occupy(pool, &go);
    for (int i = 0; i < 6; i++) {
        tasks[i] = (struct numbered){&order, i};
        unit_ok(conc_worker_pool_submit_with(pool, note_order, &tasks[i],
            &(struct conc_worker_pool_task){.priority = i < 3 ? 0 : 2}, NULL));
    }
    atomic_store(&go, true);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(order.place[i], (i + 3) % 6);
    conc_worker_pool_destroy(pool);
}
END_TEST

struct endless {
    struct conc_worker_pool *pool;
    atomic_bool stop;
    atomic_int runs;
};

static int submit_again(void *arg, struct conc_context *ctx)
{
    struct endless *e = arg;
    (void)ctx;
    atomic_fetch_add(&e->runs, 1);
    if (atomic_load(&e->stop))
        return 0;
    return conc_worker_pool_submit_with(
        e->pool, submit_again, e, &(struct conc_worker_pool_task){.priority = 2}, NULL);
}

static int stop_endless(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    atomic_store(&((struct endless *)arg)->stop, true);
    return 0;
}

/* An endless stream of urgent tasks; the lower two levels still get their turn. */
START_TEST(no_level_starves)
{
    for (int low = 0; low < 2; low++) {
        struct endless e = {.pool = POOL(.workers = 1, .capacity = 10, .levels = 3)};
        atomic_bool go = false;
        occupy(e.pool, &go);
        for (int i = 0; i < 2; i++)
            unit_ok(conc_worker_pool_submit_with(
                e.pool, submit_again, &e, &(struct conc_worker_pool_task){.priority = 2}, NULL));
        unit_ok(conc_worker_pool_submit_with(
            e.pool, stop_endless, &e, &(struct conc_worker_pool_task){.priority = low}, NULL));
        atomic_store(&go, true);
        unit_ok(conc_worker_pool_wait(e.pool, NULL));
        ck_assert_int_le(e.runs, 8 * 3 + 2); /* its turn comes every 8th pick, for 3 levels */
        conc_worker_pool_destroy(e.pool);
    }
}
END_TEST

static int ask_deadline(void *arg, struct conc_context *ctx)
{
    *(int64_t *)arg = conc_context_deadline(ctx);
    return 0;
}

START_TEST(time_limits)
{
    struct conc_worker_pool *pool = POOL(.workers = 2, .capacity = 8, .timeout_ns = CONC_MS(5));
    int64_t begun = conc_now_ns();
    int64_t usual = 0, longer = 0, none = 0;
    unit_ok(conc_worker_pool_submit(pool, wait_for_context, NULL, NULL));
    unit_ok(conc_worker_pool_submit(pool, ask_deadline, &usual, NULL));
    unit_ok(conc_worker_pool_submit_with(pool, ask_deadline, &longer,
        &(struct conc_worker_pool_task){.timeout_ns = CONC_S(1000)}, NULL));
    unit_ok(conc_worker_pool_submit_with(pool, ask_deadline, &none,
        &(struct conc_worker_pool_task){.timeout_ns = CONC_FOREVER}, NULL));
    unit_ok(conc_worker_pool_submit_with(
        pool, leave_thread, NULL, &(struct conc_worker_pool_task){.timeout_ns = CONC_S(5)}, NULL));
    unit_ok(conc_worker_pool_wait(pool, NULL));
    ck_assert_int_ge(usual, begun + CONC_MS(5));
    ck_assert_int_lt(usual, begun + CONC_S(900));
    ck_assert_int_ge(longer, begun + CONC_S(1000));
    ck_assert(none == CONC_FOREVER);
    struct conc_worker_pool_result errors[3];
    size_t count;
    unit_ok(conc_worker_pool_errors(pool, errors, 3, &count));
    ck_assert_uint_eq(count, 2);
    for (int i = 0; i < 2; i++)
        unit_rc(errors[i].rc, errors[i].index == 0 ? ETIMEDOUT : EOWNERDEAD);
    conc_worker_pool_destroy(pool);
}
END_TEST

START_TEST(parent_context)
{
    struct conc_context parent;
    conc_context_with_cancel(&parent, NULL);
    struct conc_worker_pool *pool = POOL(.workers = 1, .capacity = 5, .ctx = &parent);
    atomic_int ran = 0;
    unit_ok(conc_worker_pool_submit(pool, wait_for_context, NULL, NULL));
    unit_wait_until(conc_worker_pool_stats(pool).running == 1);
    for (int i = 0; i < 5; i++)
        unit_ok(conc_worker_pool_submit(pool, add_one, &ran, NULL));
    conc_context_cancel(&parent);
    unit_rc(conc_worker_pool_submit(pool, add_one, &ran, NULL), ECANCELED);
    unit_ok(conc_worker_pool_wait(pool, NULL));
    check_stats(pool, 1, 5, 0, 0);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    unit_rc(conc_worker_pool_submit(pool, add_one, &ran, NULL), EPIPE);
    ck_assert_int_eq(ran, 0);
    conc_worker_pool_destroy(pool);
    conc_context_destroy(&parent);
}
END_TEST

/* ---------------------------------------------------------------- tasks that end their thread */

START_TEST(tasks_that_exit)
{
    atomic_int ran = 0;
    struct conc_worker_pool *pool = POOL(.workers = 2, .capacity = 4, .results = CONC_POOL_INDEXED);
    for (int i = 0; i < 60; i++)
        unit_ok(conc_worker_pool_submit(pool, i % 3 == 0 ? leave_thread : add_one, &ran, NULL));
    unit_ok(conc_worker_pool_wait(pool, NULL));
    check_stats(pool, 60, 0, 0, 0);
    ck_assert_uint_eq(conc_worker_pool_stats(pool).exited, 20);
    ck_assert_uint_eq(conc_worker_pool_stats(pool).failed, 20);
    ck_assert_int_eq(ran, 40);
    for (uint64_t i = 0; i < 60; i++) {
        struct conc_worker_pool_result result;
        unit_ok(conc_worker_pool_result(pool, i, &result));
        unit_rc(result.rc, i % 3 == 0 ? EOWNERDEAD : 0);
    }
    /* Neither fewer workers than before, nor more. */
    unit_wait_until(conc_census_count() == 3);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    conc_worker_pool_destroy(pool);
}
END_TEST

/* Where the system gives no new thread the old one goes on. */
START_TEST(exit_without_a_new_thread)
{
    atomic_int ran = 0;
    struct conc_worker_pool *pool = POOL(.workers = 1, .capacity = 8);
    for (int i = 0; i < 5; i++) {
        if (conc_fault_start_at(1) < 0)
            exit(77);
        unit_ok(conc_worker_pool_submit(pool, leave_thread, NULL, NULL));
        unit_ok(conc_worker_pool_submit(pool, add_one, &ran, NULL));
        unit_ok(conc_worker_pool_wait(pool, NULL));
        ck_assert_int_eq(conc_fault_start_at(0), 0); /* a start has been tried, and has failed */
    }
    ck_assert_int_eq(ran, 5);
    unit_ok(conc_worker_pool_stop(pool, CONC_POOL_DRAIN));
    check_stats(pool, 10, 0, 0, 0);
    conc_worker_pool_destroy(pool);
}
END_TEST

/* ---------------------------------------------------------------- counters */

struct watch {
    struct conc_worker_pool *pool;
    atomic_bool stop;
    long looks;
    long wrong;
};

static void watch_main(void *arg)
{
    struct watch *w = arg;
    uint64_t completed = 0;
    do {
        struct conc_worker_pool_stats s = conc_worker_pool_stats(w->pool);
        w->looks++;
        w->wrong += s.submitted != s.completed + s.cancelled + s.waiting + s.running ||
                    s.running > 3 || s.waiting > 4 + 2 + 3 || s.completed < completed ||
                    s.failed > s.completed + s.cancelled;
        completed = s.completed;
        conc_yield();
    } while (!atomic_load(&w->stop));
}

static void submit_many(void *arg)
{
    struct watch *w = arg;
    for (size_t i = 0; i < unit_scaled(4000); i++)
        if (i % 3 == 0)
            conc_worker_pool_try_submit(w->pool, do_nothing, NULL, NULL);
        else
            conc_worker_pool_submit(w->pool, do_nothing, NULL, NULL);
}

/* Two submitters, three workers, four places: so at most nine tasks wait (a worker that has just
 * taken one has not begun it yet), and the counters add up whenever one looks. */
START_TEST(counters_of_one_moment)
{
    struct watch w = {.pool = POOL(.workers = 3, .capacity = 4)};
    struct conc_task *watcher;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    unit_ok(conc_task_start(&watcher, watch_main, &w));
    for (int i = 0; i < 2; i++)
        unit_ok(conc_wait_group_go(&group, submit_many, &w));
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_ok(conc_worker_pool_stop(w.pool, CONC_POOL_CANCEL));
    atomic_store(&w.stop, true);
    conc_task_join(watcher);
    ck_assert_int_eq(w.wrong, 0);
    ck_assert_int_gt(w.looks, 0);
    conc_wait_group_destroy(&group);
    conc_worker_pool_destroy(w.pool);
}
END_TEST

/* Several wait for an idle pool, again and again, while others submit. */
static void wait_often(void *arg)
{
    struct watch *w = arg;
    for (size_t i = 0; i < unit_scaled(500); i++) {
        conc_worker_pool_submit(w->pool, do_nothing, NULL, NULL);
        conc_worker_pool_wait(w->pool, NULL);
    }
}

START_TEST(many_wait)
{
    struct watch w = {.pool = POOL(.workers = 2, .capacity = 4)};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        unit_ok(conc_wait_group_go(&group, wait_often, &w));
    unit_ok(conc_wait_group_wait(&group, NULL));
    check_stats(w.pool, 3 * unit_scaled(500), 0, 0, 0);
    conc_wait_group_destroy(&group);
    conc_worker_pool_destroy(w.pool);
}
END_TEST

/* ---------------------------------------------------------------- faults */

/* Creation that fails half-way leaves nothing behind: the leak reports see to that. */
START_TEST(create_faults)
{
    const struct conc_worker_pool_options options = {.workers = 4,
        .capacity = 2,
        .levels = 2,
        .results = CONC_POOL_STREAM,
        .results_capacity = 4};
    struct conc_worker_pool *pool = NULL;
    for (int what = 0; what < 2; what++) {
        long (*fault)(long) = what ? conc_fault_start_at : conc_fault_alloc_at;
        long k = 1;
        for (;; k++) {
            if (fault(k) < 0)
                exit(77);
            int rc = conc_worker_pool_create(&pool, &options);
            if (fault(0) > 0)
                break;
            unit_rc(rc, what ? EAGAIN : ENOMEM);
            ck_assert_ptr_null(pool);
            ck_assert_uint_le(conc_census_count(), 1);
        }
        ck_assert_int_ge(k, 4);
        conc_worker_pool_destroy(pool);
        pool = NULL;
    }
}
END_TEST

START_TEST(submit_faults)
{
    struct conc_worker_pool *pool = POOL(.workers = 1, .capacity = 4, .results = CONC_POOL_INDEXED);
    uint64_t index = 7;
    struct conc_worker_pool_task how = {.index = &index};
    if (conc_fault_alloc_at(1) < 0)
        exit(77);
    unit_rc(conc_worker_pool_submit_with(pool, do_nothing, NULL, &how, NULL), ENOMEM);
    ck_assert_uint_eq(index, 7);
    check_stats(pool, 0, 0, 0, 0);
    unit_ok(conc_worker_pool_submit_with(pool, do_nothing, NULL, &how, NULL));
    ck_assert_uint_eq(index, 0);
    unit_ok(conc_worker_pool_wait(pool, NULL));
    conc_worker_pool_destroy(pool);

    /* No memory for an error: it is counted all the same, and the gap is told. */
    pool = POOL(.workers = 1, .capacity = 4);
    int rc = EDOM;
    size_t count = 0;
    conc_fault_alloc_at(1);
    unit_ok(conc_worker_pool_submit(pool, fail_with, &rc, NULL));
    unit_ok(conc_worker_pool_wait(pool, NULL));
    conc_fault_alloc_at(0);
    unit_ok(conc_worker_pool_submit(pool, fail_with, &rc, NULL));
    unit_ok(conc_worker_pool_wait(pool, NULL));
    struct conc_worker_pool_result errors[2];
    unit_rc(conc_worker_pool_errors(pool, errors, 2, &count), ENOMEM);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(errors[0].index, 1);
    conc_worker_pool_destroy(pool);
}
END_TEST

int main(void)
{
    return unit_main("worker_pool", submit_matrix, place_matrix, recv_matrix, idle_matrix,
        bad_arguments, each_task_once, tasks_submit, results_by_index, index_of_a_submit_given_up,
        stop_before_reading, refused_submits_hold_no_place, stream_with_a_reader,
        all_errors_collected, stop_cancels, cancel_hurries_a_drain, close_wait_stop,
        pools_are_apart, programming_errors_abort, priorities, no_level_starves, time_limits,
        parent_context, tasks_that_exit, exit_without_a_new_thread, counters_of_one_moment,
        many_wait, create_faults, submit_faults);
}
