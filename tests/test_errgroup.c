/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "errgroup.h"
#include "tests/wait_matrix.h"

/* A gate: a wait group of 1 that is opened by done. */
static void gate_init(struct conc_wait_group *gate)
{
    conc_wait_group_init(gate);
    conc_wait_group_add(gate, 1);
}

static int pass_gate(void *gate, struct conc_context *ctx)
{
    (void)ctx;
    return conc_wait_group_wait((struct conc_wait_group *)gate, NULL);
}

static int count(void *counter, struct conc_context *ctx)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)counter, 1);
    return 0;
}

static int until_cancelled(void *arg, struct conc_context *ctx)
{
    (void)arg;
    return conc_context_wait(ctx);
}

/* Returns the code its argument points to. */
static int give(void *code, struct conc_context *ctx)
{
    (void)ctx;
    return *(int *)code;
}

static int leave(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_task_exit();
}

/* ---------------------------------------------------------------- the matrix: wait, and go */

struct gated {
    struct conc_errgroup group;
    struct conc_wait_group gate;
    bool open;
    atomic_int runs;
};

static void gated_init(void *state, const void *limit)
{
    struct gated *g = state;
    gate_init(&g->gate);
    conc_errgroup_init(&g->group, NULL);
    if (limit)
        unit_ok(conc_errgroup_set_limit(&g->group, *(const int64_t *)limit));
    unit_ok(conc_errgroup_go(&g->group, pass_gate, &g->gate, NULL));
    unit_wait_parked(1);
}

static void gated_ready(void *state, bool waiting)
{
    struct gated *g = state;
    conc_wait_group_done(&g->gate);
    g->open = true;
    if (!waiting)
        unit_wait_until(conc_errgroup_running(&g->group) == 0);
}

static void gated_fini(void *state, int rc)
{
    struct gated *g = state;
    ck_assert_int_eq(g->open, rc == 0);
    if (!g->open)
        conc_wait_group_done(&g->gate);
    unit_ok(conc_errgroup_wait(&g->group, NULL));
    ck_assert_int_eq(conc_errgroup_running(&g->group), 0);
    conc_errgroup_destroy(&g->group);
    conc_wait_group_destroy(&g->gate);
}

static int wait_call(void *state, struct conc_context *ctx)
{
    struct gated *g = state;
    int rc = conc_errgroup_wait(&g->group, ctx);
    /* Only when all have ended the group's context ends. */
    ck_assert_int_eq(conc_context_error(conc_errgroup_context(&g->group)), rc == 0 ? ECANCELED : 0);
    return rc;
}

static int try_wait_call(void *state)
{
    return conc_errgroup_try_wait(&((struct gated *)state)->group);
}

START_TEST(matrix_wait)
{
    const struct wait_call call = {.name = "errgroup wait",
        .size = sizeof(struct gated),
        .init = gated_init,
        .asleep = 1,
        .call = wait_call,
        .try_call = try_wait_call,
        .ready = gated_ready,
        .ready_is_kept = true,
        .fini = gated_fini};
    wait_matrix_check(&call);
}
END_TEST

static int go_call(void *state, struct conc_context *ctx)
{
    struct gated *g = state;
    return conc_errgroup_go(&g->group, count, &g->runs, ctx);
}

static int try_go_call(void *state)
{
    struct gated *g = state;
    return conc_errgroup_try_go(&g->group, count, &g->runs);
}

static void go_fini(void *state, int rc)
{
    struct gated *g = state;
    gated_fini(state, rc);
    ck_assert_int_eq(g->runs, rc == 0); /* given up: never runs */
}

START_TEST(matrix_go)
{
    static const int64_t limit = 1;
    const struct wait_call call = {.name = "errgroup go",
        .size = sizeof(struct gated),
        .param = &limit,
        .init = gated_init,
        .asleep = 1,
        .call = go_call,
        .try_call = try_go_call,
        .ready = gated_ready,
        .ready_is_kept = true,
        .fini = go_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- errors */

START_TEST(no_error)
{
    atomic_int runs = 0;
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    unit_ok(conc_errgroup_try_wait(&group)); /* of nothing */
    conc_errgroup_destroy(&group);

    conc_errgroup_init(&group, NULL);
    for (int i = 0; i < 20; i++)
        unit_ok(conc_errgroup_go(&group, count, &runs, NULL));
    ck_assert_int_eq(conc_context_error(conc_errgroup_context(&group)), 0);
    unit_ok(conc_errgroup_wait(&group, NULL));
    ck_assert_int_eq(runs, 20);
    unit_ok(conc_errgroup_error(&group));
    /* The context ends with the group. */
    unit_rc(conc_context_error(conc_errgroup_context(&group)), ECANCELED);
    unit_rc(conc_context_cause(conc_errgroup_context(&group)), ECANCELED);
    unit_ok(conc_errgroup_wait(&group, NULL)); /* again */
    conc_errgroup_destroy(&group);
}
END_TEST

static int late_error(void *arg, struct conc_context *ctx)
{
    unit_rc(conc_context_wait(ctx), ECANCELED);
    return *(int *)arg;
}

/* The first error is what wait returns and the cause of the cancel, whatever the others return when
 * they are cancelled; and the parent is left alone. */
START_TEST(first_error_wins)
{
    int first = EIO, second = ENOENT;
    struct conc_context parent;
    struct conc_errgroup group;
    conc_context_with_cancel(&parent, NULL);
    conc_errgroup_init(&group, &parent);
    for (int i = 0; i < 3; i++)
        unit_ok(conc_errgroup_go(&group, until_cancelled, NULL, NULL));
    unit_ok(conc_errgroup_go(&group, late_error, &second, NULL));
    unit_wait_parked(4);
    unit_ok(conc_errgroup_error(&group));
    unit_ok(conc_errgroup_go(&group, give, &first, NULL));
    unit_rc(conc_errgroup_wait(&group, NULL), EIO);
    unit_rc(conc_errgroup_error(&group), EIO);
    unit_rc(conc_context_error(conc_errgroup_context(&group)), ECANCELED);
    unit_rc(conc_context_cause(conc_errgroup_context(&group)), EIO);
    unit_rc(conc_errgroup_try_wait(&group), EIO);
    unit_ok(conc_context_error(&parent));
    conc_errgroup_destroy(&group);
    conc_context_destroy(&parent);
}
END_TEST

/* As in Go: a group that has failed still starts tasks; they find their context done. */
START_TEST(go_after_an_error)
{
    int code = EIO;
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    unit_ok(conc_errgroup_go(&group, give, &code, NULL));
    unit_rc(conc_errgroup_wait(&group, NULL), EIO);
    unit_ok(conc_errgroup_go(&group, until_cancelled, NULL, NULL));
    unit_rc(conc_errgroup_wait(&group, NULL), EIO);
    conc_errgroup_destroy(&group);
}
END_TEST

START_TEST(parent_ends_it)
{
    struct conc_context parent;
    struct conc_errgroup group;
    conc_context_with_cancel(&parent, NULL);
    conc_errgroup_init(&group, &parent);
    for (int i = 0; i < 3; i++)
        unit_ok(conc_errgroup_go(&group, until_cancelled, NULL, NULL));
    conc_context_cancel_cause(&parent, EPIPE);
    unit_rc(conc_errgroup_wait(&group, NULL), ECANCELED); /* what the tasks returned */
    unit_rc(conc_context_cause(conc_errgroup_context(&group)), EPIPE);
    conc_errgroup_destroy(&group);

    /* A cancelled parent alone is no error of the group. */
    atomic_int runs = 0;
    conc_errgroup_init(&group, &parent);
    unit_ok(conc_errgroup_go(&group, count, &runs, NULL));
    unit_ok(conc_errgroup_wait(&group, NULL));
    ck_assert_int_eq(runs, 1);
    conc_errgroup_destroy(&group);
    conc_context_destroy(&parent);
}
END_TEST

/* Many fail at once: one of them is the first, and only one is kept. */
START_TEST(many_errors)
{
    int codes[8] = {EIO, ENOENT, EPERM, EFAULT, EDOM, ERANGE, EROFS, ENOSPC};
    for (size_t round = 0; round < unit_scaled(400); round++) {
        struct conc_errgroup group;
        conc_errgroup_init(&group, NULL);
        for (int i = 0; i < 8; i++)
            unit_ok(conc_errgroup_go(&group, give, &codes[i], NULL));
        int rc = conc_errgroup_wait(&group, NULL);
        bool known = false;
        for (int i = 0; i < 8; i++)
            known |= codes[i] == rc;
        if (!known || rc != conc_errgroup_error(&group) ||
            rc != conc_context_cause(conc_errgroup_context(&group)))
            ck_abort_msg("round %zu: %d", round, rc);
        conc_errgroup_destroy(&group); /* at once: the last task may still be on its way out */
    }
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    unit_rc(conc_errgroup_go(&group, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_errgroup_try_go(&group, NULL, NULL), EINVAL);
    unit_rc(conc_errgroup_go(NULL, count, NULL, NULL), EINVAL);
    unit_rc(conc_errgroup_try_go(NULL, count, NULL), EINVAL);
    ck_assert_int_eq(conc_errgroup_running(&group), 0);
    unit_ok(conc_errgroup_wait(&group, NULL));
    conc_errgroup_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- the limit */

struct crowd {
    atomic_int inside;
    atomic_int most;
};

static int visit(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    struct crowd *crowd = arg;
    int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
    int most = atomic_load(&crowd->most);
    while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
        ;
    conc_yield();
    atomic_fetch_sub(&crowd->inside, 1);
    return 0;
}

START_TEST(limit_holds)
{
    for (int limit = 1; limit <= 5; limit += 2) {
        struct crowd crowd = {0, 0};
        struct conc_errgroup group;
        conc_errgroup_init(&group, NULL);
        unit_ok(conc_errgroup_set_limit(&group, limit));
        for (int i = 0; i < 60; i++)
            unit_ok(conc_errgroup_go(&group, visit, &crowd, NULL));
        unit_ok(conc_errgroup_wait(&group, NULL));
        ck_assert_int_le(crowd.most, limit);
        conc_errgroup_destroy(&group);
    }
}
END_TEST

START_TEST(limit_is_reached)
{
    struct conc_wait_group gate;
    struct conc_errgroup group;
    atomic_int runs = 0;
    gate_init(&gate);
    conc_errgroup_init(&group, NULL);
    unit_ok(conc_errgroup_set_limit(&group, 3));
    for (int i = 0; i < 3; i++)
        unit_ok(conc_errgroup_try_go(&group, pass_gate, &gate));
    unit_rc(conc_errgroup_try_go(&group, count, &runs), EAGAIN);
    unit_ok(conc_errgroup_error(&group)); /* that was no failure */
    ck_assert_int_eq(conc_errgroup_running(&group), 3);
    unit_rc(conc_errgroup_set_limit(&group, 4), EBUSY);
    unit_rc(conc_errgroup_set_limit(&group, -1), EBUSY);
    conc_wait_group_done(&gate);
    unit_ok(conc_errgroup_wait(&group, NULL));

    unit_ok(conc_errgroup_set_limit(&group, 0));
    unit_rc(conc_errgroup_go(&group, count, &runs, NULL), EBUSY);
    unit_rc(conc_errgroup_try_go(&group, count, &runs), EBUSY);
    unit_ok(conc_errgroup_set_limit(&group, -7));
    unit_ok(conc_errgroup_go(&group, count, &runs, NULL));
    unit_ok(conc_errgroup_wait(&group, NULL));
    ck_assert_int_eq(runs, 1);
    conc_errgroup_destroy(&group);
    conc_wait_group_destroy(&gate);
}
END_TEST

struct tree {
    struct conc_errgroup *group;
    atomic_int members;
    atomic_int depth;
};

static int grow_tree(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    struct tree *tree = arg;
    if (atomic_fetch_add(&tree->members, 1) < 15)
        return conc_errgroup_go(tree->group, grow_tree, tree, NULL);
    return 0;
}

/* A task of the group may add to it while main already waits. */
START_TEST(go_from_a_task)
{
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    struct tree tree = {.group = &group};
    unit_ok(conc_errgroup_go(&group, grow_tree, &tree, NULL));
    unit_ok(conc_errgroup_wait(&group, NULL));
    ck_assert_int_eq(tree.members, 16);
    conc_errgroup_destroy(&group);
}
END_TEST

/* A function that ends its task has not done its part: EOWNERDEAD. It keeps no slot and no count.
 */
START_TEST(task_that_exits)
{
    struct conc_errgroup group;
    conc_errgroup_init(&group, NULL);
    unit_ok(conc_errgroup_set_limit(&group, 1));
    for (int i = 0; i < 3; i++)
        unit_ok(conc_errgroup_go(&group, leave, NULL, NULL));
    unit_rc(conc_errgroup_wait(&group, NULL), EOWNERDEAD);
    ck_assert_int_eq(conc_errgroup_running(&group), 0);
    conc_errgroup_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- starts that fail */

/* For every allocation and every start: the error is go's, wait's and the cause; nothing is left.
 */
static void fail_each(long (*arm)(long), int want)
{
    atomic_int runs = 0;
    conc_task_self();
    for (long k = 1;; k++) {
        struct conc_errgroup group;
        conc_errgroup_init(&group, NULL);
        unit_ok(conc_errgroup_set_limit(&group, 1));
        if (arm(k) < 0)
            exit(0); /* not built in */
        int rc = conc_errgroup_go(&group, count, &runs, NULL);
        long left = arm(0);
        if (left > 0) {
            ck_assert_int_gt(k, 1);
            unit_ok(rc);
            unit_ok(conc_errgroup_wait(&group, NULL));
            conc_errgroup_destroy(&group);
            break;
        }
        unit_rc(rc, want);
        ck_assert_int_eq(conc_errgroup_running(&group), 0);
        unit_rc(conc_errgroup_error(&group), want);
        unit_rc(conc_context_cause(conc_errgroup_context(&group)), want);
        unit_ok(conc_errgroup_try_go(&group, count, &runs)); /* the slot has come back */
        unit_rc(conc_errgroup_wait(&group, NULL), want);
        conc_errgroup_destroy(&group);
    }
}

START_TEST(no_memory)
{
    fail_each(conc_fault_alloc_at, ENOMEM);
}
END_TEST

START_TEST(no_thread)
{
    fail_each(conc_fault_start_at, EAGAIN);
}
END_TEST

/* ---------------------------------------------------------------- collect */

enum { ITEMS = 10 };

static int halve(const void *item, void *result, void *arg, struct conc_context *ctx)
{
    (void)ctx;
    int value = *(const int *)item;
    if (arg)
        visit(arg, ctx);
    if (value % 2 != 0)
        return EDOM + value % 3; /* different codes */
    *(int *)result = value / 2;
    return 0;
}

START_TEST(collects_all)
{
    int items[ITEMS], results[ITEMS], errors[ITEMS];
    for (int64_t limit = -1; limit <= ITEMS + 2; limit++) {
        struct crowd crowd = {0, 0};
        for (int i = 0; i < ITEMS; i++) {
            items[i] = i;
            results[i] = -1;
            errors[i] = -1;
        }
        struct conc_collect work = {.fn = halve,
            .arg = &crowd,
            .items = items,
            .item_size = sizeof(int),
            .results = results,
            .result_size = sizeof(int),
            .errors = errors,
            .n = ITEMS,
            .limit = limit};
        unit_rc(conc_errgroup_collect(&work, NULL), EDOM + 1); /* of item 1 */
        for (int i = 0; i < ITEMS; i++) {
            ck_assert_int_eq(errors[i], i % 2 ? EDOM + i % 3 : 0);
            ck_assert_int_eq(results[i], i % 2 ? -1 : i / 2);
        }
        if (limit > 0)
            ck_assert_int_le(crowd.most, limit);
        work.n = 1;
        unit_ok(conc_errgroup_collect(&work, NULL));
        work.n = 0;
        work.errors = NULL;
        unit_ok(conc_errgroup_collect(&work, NULL));
    }
}
END_TEST

static int expects_nothing(const void *item, void *result, void *arg, struct conc_context *ctx)
{
    return item || result || ctx ? EINVAL : count(arg, ctx);
}

START_TEST(collect_without_items)
{
    atomic_int runs = 0;
    int errors[3];
    struct conc_collect work = {.fn = expects_nothing, .arg = &runs, .errors = errors, .n = 3};
    unit_ok(conc_errgroup_collect(&work, NULL));
    ck_assert_int_eq(runs, 3);
    unit_rc(conc_errgroup_collect(NULL, NULL), EINVAL);
    work.errors = NULL;
    unit_rc(conc_errgroup_collect(&work, NULL), EINVAL);
    work.errors = errors;
    work.fn = NULL;
    unit_rc(conc_errgroup_collect(&work, NULL), EINVAL);
    ck_assert_int_eq(runs, 3);
}
END_TEST

static int cancels_at_two(const void *item, void *result, void *arg, struct conc_context *ctx)
{
    (void)result;
    (void)ctx;
    if (*(const int *)item == 2)
        conc_context_cancel(arg);
    return 0;
}

/* What was started ends well; what was not is told why. */
START_TEST(collect_cancelled)
{
    int items[ITEMS], errors[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = i;
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    struct conc_collect work = {.fn = cancels_at_two,
        .arg = &ctx,
        .items = items,
        .item_size = sizeof(int),
        .errors = errors,
        .n = ITEMS,
        .limit = 1};
    unit_rc(conc_errgroup_collect(&work, &ctx), ECANCELED);
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(errors[i], i <= 2 ? 0 : ECANCELED);
    conc_context_destroy(&ctx);

    conc_context_with_timeout(&ctx, NULL, 0);
    unit_rc(conc_errgroup_collect(&work, &ctx), ETIMEDOUT);
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(errors[i], ETIMEDOUT);
    conc_context_destroy(&ctx);
}
END_TEST

static int exits_at_two(const void *item, void *result, void *arg, struct conc_context *ctx)
{
    (void)result;
    (void)arg;
    (void)ctx;
    if (*(const int *)item == 2)
        conc_task_exit();
    return 0;
}

START_TEST(collect_task_that_exits)
{
    int items[ITEMS], errors[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = i;
    struct conc_collect work = {.fn = exits_at_two,
        .items = items,
        .item_size = sizeof(int),
        .errors = errors,
        .n = ITEMS,
        .limit = 1};
    unit_rc(conc_errgroup_collect(&work, NULL), EOWNERDEAD);
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(errors[i], i == 2 ? EOWNERDEAD : 0);
}
END_TEST

static void collect_fail_each(long (*arm)(long), int want)
{
    int errors[3];
    conc_task_self();
    for (long k = 1;; k++) {
        atomic_int runs = 0;
        struct conc_collect work = {
            .fn = expects_nothing, .arg = &runs, .errors = errors, .n = 3, .limit = 1};
        memset(errors, -1, sizeof(errors));
        if (arm(k) < 0)
            exit(0);
        int rc = conc_errgroup_collect(&work, NULL);
        long left = arm(0);
        if (left > 0) {
            ck_assert_int_gt(k, 3);
            unit_ok(rc);
            ck_assert_int_eq(runs, 3);
            break;
        }
        unit_rc(rc, want);
        int failed = 0;
        for (int i = 0; i < 3; i++) {
            ck_assert(errors[i] == 0 || errors[i] == want);
            failed += errors[i] != 0;
        }
        ck_assert_int_eq(runs, 3 - failed);
    }
}

START_TEST(collect_no_memory)
{
    collect_fail_each(conc_fault_alloc_at, ENOMEM);
}
END_TEST

START_TEST(collect_no_thread)
{
    collect_fail_each(conc_fault_start_at, EAGAIN);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void destroy_while_running(void)
{
    struct conc_wait_group gate;
    struct conc_errgroup group;
    gate_init(&gate);
    conc_errgroup_init(&group, NULL);
    conc_errgroup_go(&group, pass_gate, &gate, NULL);
    conc_errgroup_destroy(&group);
}

START_TEST(programming_errors_abort)
{
    unit_aborts_in(destroy_while_running, "wait first", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("errgroup", matrix_wait, matrix_go, no_error, first_error_wins,
        go_after_an_error, parent_ends_it, many_errors, bad_arguments, limit_holds,
        limit_is_reached, go_from_a_task, task_that_exits, no_memory, no_thread, collects_all,
        collect_without_items, collect_cancelled, collect_task_that_exits, collect_no_memory,
        collect_no_thread, programming_errors_abort);
}
