/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include "sync/chan.h"
#include "sync/once.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

/* Another task is inside fn until the gate opens. */
struct once_state {
    struct conc_once once;
    struct conc_chan *gate;
    struct conc_task *runner;
    int runs; /* plain: the once alone orders it */
    bool opened;
};

static void run_slowly(void *arg)
{
    struct once_state *s = arg;
    conc_chan_recv(s->gate, NULL, NULL);
    s->runs++;
}

static void runner_main(void *arg)
{
    struct once_state *s = arg;
    if (conc_once_do(&s->once, run_slowly, s, NULL) != 0)
        abort();
}

static void never(void *arg)
{
    (void)arg;
    abort();
}

static void matrix_init(void *state, const void *param)
{
    struct once_state *s = state;
    (void)param;
    s->once = (struct conc_once)CONC_ONCE_INIT;
    unit_ok(conc_chan_create(&s->gate, 0, 0, NULL));
    unit_ok(conc_task_start(&s->runner, runner_main, s));
    unit_wait_parked(1);
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    struct once_state *s = state;
    int rc = conc_once_do(&s->once, never, NULL, ctx);
    if (rc == 0 && s->runs != 1)
        abort();
    return rc;
}

static int matrix_try(void *state)
{
    struct once_state *s = state;
    return conc_once_try_do(&s->once, never, NULL);
}

static void matrix_ready(void *state, bool waiting)
{
    struct once_state *s = state;
    (void)waiting;
    unit_ok(conc_chan_close(s->gate));
    conc_task_join(s->runner);
    s->opened = true;
}

static void matrix_fini(void *state, int rc)
{
    struct once_state *s = state;
    (void)rc;
    if (!s->opened)
        matrix_ready(s, false);
    ck_assert_int_eq(s->runs, 1);
    unit_ok(conc_once_do(&s->once, never, NULL, NULL));
    conc_chan_destroy(s->gate);
}

START_TEST(matrix)
{
    const struct wait_call call = {.name = "once",
        .size = sizeof(struct once_state),
        .init = matrix_init,
        .asleep = 1,
        .call = matrix_call,
        .try_call = matrix_try,
        .ready = matrix_ready,
        .ready_is_kept = true,
        .fini = matrix_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- the rest */

static void count_up(void *arg)
{
    ++*(int *)arg;
}

START_TEST(runs_once)
{
    struct conc_once once = CONC_ONCE_INIT;
    struct conc_once tried = CONC_ONCE_INIT;
    struct conc_context done;
    int runs = 0;
    conc_context_with_timeout(&done, NULL, 0);
    unit_rc(conc_once_do(NULL, count_up, &runs, NULL), EINVAL);
    unit_rc(conc_once_do(&once, NULL, &runs, NULL), EINVAL);
    unit_rc(conc_once_try_do(NULL, count_up, &runs), EINVAL);
    unit_rc(conc_once_try_do(&once, NULL, &runs), EINVAL);
    ck_assert_int_eq(runs, 0);
    /* The task that runs it does not wait, so a context that is done does not matter. */
    unit_ok(conc_once_do(&once, count_up, &runs, &done));
    unit_ok(conc_once_do(&once, count_up, &runs, &done));
    unit_ok(conc_once_try_do(&once, count_up, &runs));
    ck_assert_int_eq(runs, 1);
    unit_ok(conc_once_try_do(&tried, count_up, &runs));
    unit_ok(conc_once_try_do(&tried, count_up, &runs));
    unit_ok(conc_once_do(&tried, count_up, &runs, NULL));
    ck_assert_int_eq(runs, 2);
    conc_context_destroy(&done);
}
END_TEST

struct shared {
    struct conc_once once;
    int runs; /* plain: the once alone orders it */
    atomic_int wrong;
};

static void ask(void *arg)
{
    struct shared *s = arg;
    if (conc_once_do(&s->once, count_up, &s->runs, NULL) != 0 || s->runs != 1)
        atomic_fetch_add(&s->wrong, 1);
}

START_TEST(many_ask)
{
    for (size_t round = 0; round < unit_scaled(100); round++) {
        struct shared s = {.once = CONC_ONCE_INIT};
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        for (int i = 0; i < 8; i++)
            unit_ok(conc_wait_group_go(&group, ask, &s));
        unit_ok(conc_wait_group_wait(&group, NULL));
        ck_assert_int_eq(s.runs, 1);
        ck_assert_int_eq(s.wrong, 0);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

static void leave(void *arg)
{
    count_up(arg);
    conc_task_exit();
}

static struct conc_once left = CONC_ONCE_INIT;

static void run_and_leave(void *arg)
{
    conc_once_do(&left, leave, arg, NULL);
    abort(); /* leave does not return */
}

/* A function that ends its task counts as done. */
START_TEST(function_that_exits)
{
    int runs = 0;
    struct conc_task *task;
    unit_ok(conc_task_start(&task, run_and_leave, &runs));
    conc_task_join(task);
    ck_assert_int_eq(runs, 1);
    unit_ok(conc_once_do(&left, never, NULL, NULL));
}
END_TEST

static struct conc_once recursive = CONC_ONCE_INIT;

static void again(void *arg)
{
    conc_once_do(&recursive, again, arg, NULL);
}

static void from_itself(void)
{
    conc_once_do(&recursive, again, NULL, NULL);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(from_itself, "once");
}
END_TEST

int main(void)
{
    return unit_main(
        "once", matrix, runs_once, many_ask, function_that_exits, programming_errors_abort);
}
