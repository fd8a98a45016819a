/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */
#include "tests/unit.h"

#include "cancellation.h"
#include "sync/chan.h"

struct log {
    _Atomic int started;
    _Atomic int left;
    _Atomic int cause; /* of the last that left */
};

static void until_cancelled(void *arg, struct conc_context *ctx)
{
    struct log *log = arg;
    log->started++;
    ck_assert_int_ne(conc_context_wait(ctx), 0);
    log->cause = conc_context_cause(ctx);
    log->left++;
}

static void at_once(void *arg, struct conc_context *ctx)
{
    struct log *log = arg;
    ck_assert_int_eq(conc_context_error(ctx), 0);
    log->left++;
}

START_TEST(run_and_wait)
{
    static const int sizes[] = {0, 1, 2, 50};
    for (size_t s = 0; s < 4; s++) {
        struct log log = {0};
        struct conc_task_group group;
        conc_task_group_init(&group, NULL);
        for (int i = 0; i < sizes[s]; i++)
            unit_ok(conc_task_group_go(&group, at_once, &log));
        unit_ok(conc_task_group_wait(&group, NULL));
        unit_ok(conc_task_group_try_wait(&group));
        ck_assert_int_eq(log.left, sizes[s]);
        ck_assert_int_eq(conc_task_group_running(&group), 0);
        conc_task_group_destroy(&group);
    }
}
END_TEST

START_TEST(cancel_and_stop)
{
    struct log log = {0};
    struct conc_task_group group;
    conc_task_group_init(&group, NULL);
    for (int i = 0; i < 5; i++)
        unit_ok(conc_task_group_go(&group, until_cancelled, &log));
    ck_assert_int_eq(conc_task_group_running(&group), 5);
    unit_rc(conc_task_group_try_wait(&group), EAGAIN);
    conc_task_group_cancel(&group, EXDEV);
    conc_task_group_stop(&group, EDOM); /* the first cause is kept */
    ck_assert_int_eq(log.left, 5);
    ck_assert_int_eq(log.cause, EXDEV);
    unit_rc(conc_task_group_go(&group, until_cancelled, &log), ECANCELED);
    conc_task_group_destroy(&group);
}
END_TEST

/* destroy alone leaves nothing behind: it cancels and joins. */
START_TEST(destroy_stops)
{
    struct log log = {0};
    struct conc_task_group group;
    conc_task_self();
    conc_task_group_init(&group, NULL);
    for (int i = 0; i < 5; i++)
        unit_ok(conc_task_group_go(&group, until_cancelled, &log));
    conc_task_group_destroy(&group);
    ck_assert_int_eq(log.left, 5);
    ck_assert_int_eq(log.cause, ECANCELED);
    ck_assert_uint_eq(conc_census_count(), 1);
}
END_TEST

/* Level by level: what cancels one level cancels all below and nothing beside or above. */
START_TEST(cascade)
{
    enum { LEVELS = 4 };
    for (int from = 0; from < LEVELS; from++) {
        struct conc_task_group levels[LEVELS], beside;
        struct log logs[LEVELS] = {0}, beside_log = {0};
        conc_task_group_init(&beside, NULL);
        for (int i = 0; i < LEVELS; i++) {
            conc_task_group_init(
                &levels[i], i > 0 ? conc_task_group_context(&levels[i - 1]) : NULL);
            for (int t = 0; t < 2; t++)
                unit_ok(conc_task_group_go(&levels[i], until_cancelled, &logs[i]));
        }
        unit_ok(conc_task_group_go(&beside, until_cancelled, &beside_log));
        conc_task_group_cancel(&levels[from], EXDEV);
        for (int i = 0; i < LEVELS; i++)
            unit_rc(conc_context_cause(&levels[i].ctx), i >= from ? EXDEV : 0);
        for (int i = LEVELS - 1; i >= from; i--)
            unit_ok(conc_task_group_wait(&levels[i], NULL));
        for (int i = 0; i < LEVELS; i++) {
            ck_assert_int_eq(logs[i].left, i >= from ? 2 : 0);
            ck_assert_int_eq(logs[i].cause, i >= from ? EXDEV : 0);
            ck_assert_int_eq(conc_task_group_running(&levels[i]), i >= from ? 0 : 2);
        }
        ck_assert_int_eq(beside_log.left, 0);
        for (int i = LEVELS; i-- > 0;)
            conc_task_group_destroy(&levels[i]);
        conc_task_group_destroy(&beside);
    }
}
END_TEST

START_TEST(deadline_of_the_parent)
{
    struct conc_context parent;
    struct conc_task_group group;
    struct log log = {0};
    conc_context_with_timeout(&parent, NULL, CONC_MS(RUNNING_ON_VALGRIND ? 3000 : 100));
    conc_task_group_init(&group, &parent);
    unit_ok(conc_task_group_go(&group, until_cancelled, &log));
    unit_ok(conc_task_group_wait(&group, NULL));
    ck_assert_int_eq(log.cause, ETIMEDOUT);
    unit_rc(conc_task_group_go(&group, until_cancelled, &log), ETIMEDOUT);
    conc_task_group_destroy(&group);
    conc_context_destroy(&parent);
}
END_TEST

/* The waiter's own context ends the wait and not the tasks. */
START_TEST(wait_gives_up)
{
    struct conc_context mine;
    struct conc_task_group group;
    struct log log = {0};
    conc_task_group_init(&group, NULL);
    unit_ok(conc_task_group_go(&group, until_cancelled, &log));
    conc_context_with_timeout(&mine, NULL, CONC_MS(1));
    unit_rc(conc_task_group_wait(&group, &mine), ETIMEDOUT);
    conc_context_destroy(&mine);
    conc_context_with_cancel(&mine, NULL);
    conc_context_cancel(&mine);
    unit_rc(conc_task_group_wait(&group, &mine), ECANCELED);
    conc_context_destroy(&mine);
    ck_assert_int_eq(conc_task_group_running(&group), 1);
    ck_assert_int_eq(log.left, 0);
    conc_task_group_destroy(&group);
}
END_TEST

/* Tasks may start tasks, and the wait covers them. */
struct tree {
    struct conc_task_group *group;
    int depth;
    _Atomic int *leaves;
};

static void grow(void *arg, struct conc_context *ctx)
{
    struct tree tree = *(struct tree *)arg;
    free(arg);
    (void)ctx;
    if (tree.depth == 0) {
        ++*tree.leaves;
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct tree *child = malloc(sizeof(*child));
        ck_assert_ptr_nonnull(child);
        *child = (struct tree){tree.group, tree.depth - 1, tree.leaves};
        unit_ok(conc_task_group_go(tree.group, grow, child));
    }
}

START_TEST(tasks_start_tasks)
{
    struct conc_task_group group;
    _Atomic int leaves = 0;
    conc_task_group_init(&group, NULL);
    struct tree *root = malloc(sizeof(*root));
    ck_assert_ptr_nonnull(root);
    *root = (struct tree){&group, 4, &leaves};
    unit_ok(conc_task_group_go(&group, grow, root));
    unit_ok(conc_task_group_wait(&group, NULL));
    ck_assert_int_eq(leaves, 16);
    conc_task_group_destroy(&group);
}
END_TEST

static void exits(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_task_exit();
}

START_TEST(task_that_ends_itself)
{
    struct conc_task_group group;
    conc_task_group_init(&group, NULL);
    unit_ok(conc_task_group_go(&group, exits, NULL));
    unit_ok(conc_task_group_wait(&group, NULL));
    conc_task_group_destroy(&group);
}
END_TEST

/* Cancelled at any moment after its start, a task sees it. */
START_TEST(cancel_at_any_moment)
{
    for (struct unit_stress s = unit_stress_begin(0.4); unit_stress_more(&s);) {
        struct conc_task_group outer, inner;
        struct log log = {0};
        conc_task_group_init(&outer, NULL);
        conc_task_group_init(&inner, conc_task_group_context(&outer));
        int started = 0;
        for (uint64_t n = s.seed % 5; n > 0; n--)
            started += conc_task_group_go(&inner, until_cancelled, &log) == 0;
        if (s.seed & 64)
            unit_wait_until(log.started == started);
        conc_task_group_cancel(&outer, EXDEV);
        unit_ok(conc_task_group_wait(&inner, NULL));
        ck_assert_int_eq(log.left, started);
        conc_task_group_destroy(&inner);
        conc_task_group_destroy(&outer);
    }
}
END_TEST

static void destroy_early(void)
{
    struct conc_task_group outer, inner;
    conc_task_group_init(&outer, NULL);
    conc_task_group_init(&inner, conc_task_group_context(&outer));
    conc_task_group_destroy(&outer);
}

START_TEST(bad_use)
{
    unit_aborts_in(destroy_early, "context", "conc: ");
    struct conc_task_group group;
    conc_task_group_init(&group, NULL);
    unit_rc(conc_task_group_go(NULL, until_cancelled, NULL), EINVAL);
    unit_rc(conc_task_group_go_at(&group, NULL, NULL, "none", CONC_HERE), EINVAL);
    unit_rc(conc_task_group_wait(NULL, NULL), EINVAL);
    unit_rc(conc_task_group_try_wait(NULL), EINVAL);
    conc_task_group_stop(NULL, 0);
    conc_task_group_destroy(&group);
}
END_TEST

START_TEST(faults)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    long (*const fail_at[])(long) = {conc_fault_alloc_at, conc_fault_start_at};
    conc_task_self();
    for (int f = 0; f < 2; f++) {
        for (long k = 1;; k++) {
            struct conc_task_group group;
            struct log log = {0};
            conc_task_group_init(&group, NULL);
            fail_at[f](k);
            int rc = conc_task_group_go(&group, until_cancelled, &log);
            bool all_tried = fail_at[f](0) > 0;
            ck_assert_int_eq(conc_task_group_running(&group), rc == 0);
            conc_task_group_destroy(&group);
            ck_assert_int_eq(log.left, rc == 0);
            if (all_tried)
                break;
            ck_assert(rc == ENOMEM || rc == EAGAIN);
        }
    }
}
END_TEST

int main(void)
{
    return unit_main("cancellation", run_and_wait, cancel_and_stop, destroy_stops, cascade,
        deadline_of_the_parent, wait_gives_up, tasks_start_tasks, task_that_ends_itself,
        cancel_at_any_moment, bad_use, faults);
}
