/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include <pthread.h>

#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

static void matrix_init(void *state, const void *param)
{
    (void)param;
    conc_wait_group_init(state);
    conc_wait_group_add((struct conc_wait_group *)state, 2);
    conc_wait_group_done((struct conc_wait_group *)state);
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    return conc_wait_group_wait((struct conc_wait_group *)state, ctx);
}

static int matrix_try(void *state)
{
    return conc_wait_group_try_wait(state);
}

static void matrix_ready(void *state, bool waiting)
{
    (void)waiting;
    conc_wait_group_done((struct conc_wait_group *)state);
}

static void matrix_fini(void *state, int rc)
{
    struct conc_wait_group *group = state;
    ck_assert_int_eq(conc_wait_group_count(group), rc == 0 ? 0 : 1);
    if (rc != 0)
        conc_wait_group_done(group);
    unit_ok(conc_wait_group_wait(group, NULL));
    conc_wait_group_destroy(group);
}

START_TEST(matrix)
{
    const struct wait_call call = {.name = "wait group",
        .size = sizeof(struct conc_wait_group),
        .init = matrix_init,
        .call = matrix_call,
        .try_call = matrix_try,
        .ready = matrix_ready,
        .ready_is_kept = true,
        .fini = matrix_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- counting */

START_TEST(counts)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    unit_ok(conc_wait_group_wait(&group, NULL)); /* of nothing */
    unit_ok(conc_wait_group_try_wait(&group));
    conc_wait_group_add(&group, 5);
    conc_wait_group_add(&group, -3);
    conc_wait_group_add(&group, 0);
    conc_wait_group_done(&group);
    ck_assert_int_eq(conc_wait_group_count(&group), 1);
    unit_rc(conc_wait_group_try_wait(&group), EAGAIN);
    conc_wait_group_done(&group);
    unit_ok(conc_wait_group_try_wait(&group));
    conc_wait_group_add(&group, INT64_C(1) << 40); /* and again, and large */
    conc_wait_group_add(&group, -(INT64_C(1) << 40));
    unit_ok(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
}
END_TEST

struct waiting {
    struct conc_wait_group *group;
    int rc;
};

static void wait_main(void *arg)
{
    struct waiting *w = arg;
    w->rc = conc_wait_group_wait(w->group, NULL);
}

START_TEST(several_wait)
{
    struct conc_wait_group work = CONC_WAIT_GROUP_INIT;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct waiting waiting[6];
    conc_wait_group_add(&work, 1);
    for (int i = 0; i < 6; i++) {
        waiting[i] = (struct waiting){&work, -1};
        unit_ok(conc_wait_group_go(&group, wait_main, &waiting[i]));
    }
    unit_wait_parked(6);
    conc_wait_group_done(&work);
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = 0; i < 6; i++)
        unit_ok(waiting[i].rc);
    conc_wait_group_destroy(&work);
    conc_wait_group_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- tasks */

static void add_one(void *arg)
{
    ++*(long *)arg;
}

START_TEST(owns_its_tasks)
{
    struct conc_wait_group group;
    long slots[50] = {0}; /* plain: the wait alone orders them */
    conc_wait_group_init(&group);
    unit_rc(conc_wait_group_go(&group, NULL, slots), EINVAL);
    ck_assert_int_eq(conc_wait_group_count(&group), 0);
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 50; i++)
            unit_ok(conc_wait_group_go(&group, add_one, &slots[i]));
        unit_ok(conc_wait_group_wait(&group, NULL));
        for (int i = 0; i < 50; i++)
            ck_assert_int_eq(slots[i], round);
        /* They have ended and left nothing behind. */
        ck_assert_uint_eq(conc_census_count(), 1);
    }
    conc_wait_group_destroy(&group);
}
END_TEST

struct family {
    struct conc_wait_group group;
    atomic_long members;
};

struct ancestor {
    struct family *family;
    int generations;
};

static void have_children(void *arg)
{
    struct ancestor *me = arg;
    atomic_fetch_add(&me->family->members, 1);
    for (int i = 0; i < 2 && me->generations > 0; i++) {
        struct ancestor *child = malloc(sizeof *child);
        *child = (struct ancestor){me->family, me->generations - 1};
        if (conc_wait_group_go(&me->family->group, have_children, child) != 0)
            abort();
    }
    free(me);
}

/* Tasks of the group start further ones while main already waits. */
START_TEST(grows_while_waited_for)
{
    struct family family = {.group = CONC_WAIT_GROUP_INIT};
    struct ancestor *root = malloc(sizeof *root);
    *root = (struct ancestor){&family, 5};
    unit_ok(conc_wait_group_go(&family.group, have_children, root));
    unit_ok(conc_wait_group_wait(&family.group, NULL));
    ck_assert_int_eq(family.members, (1 << 6) - 1);
    ck_assert_uint_eq(conc_census_count(), 1);
    conc_wait_group_destroy(&family.group);
}
END_TEST

static long address_space_mb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    return pages / (1024 * 1024 / sysconf(_SC_PAGESIZE));
}

/* A group that starts tasks for ever and never waits does not grow: those that have ended are
 * joined on the way. A thread that nobody joins keeps its stack, 8 MB of address space as a rule.
 */
START_TEST(serves_for_ever)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    long counter = 0;
    long rounds = RUNNING_ON_VALGRIND ? 200 : 1000;
    long before = 0;
    for (long i = 0; i < rounds; i++) {
        unit_ok(conc_wait_group_go(&group, add_one, &counter));
        while (conc_wait_group_count(&group) > 0)
            conc_yield();
        if (i == 20)
            before = address_space_mb();
    }
    long grown = address_space_mb() - before;
    ck_assert_msg(grown < 500, "%ld MB more after %ld tasks", grown, rounds);
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(counter, rounds);
    conc_wait_group_destroy(&group);
}
END_TEST

static void leave_early(void *arg)
{
    (void)arg;
    conc_task_exit();
}

/* A task that ends itself is counted down all the same. */
START_TEST(task_that_exits)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < 5; i++)
        unit_ok(conc_wait_group_go(&group, leave_early, NULL));
    unit_ok(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
}
END_TEST

/* The group may die as soon as the wait is over, while the last done is still on its way out. */
START_TEST(destroy_after_wait)
{
    size_t rounds = unit_scaled(2000);
    for (size_t i = 0; i < rounds; i++) {
        struct conc_wait_group *group = malloc(sizeof *group);
        conc_wait_group_init(group);
        long slot = 0;
        unit_ok(conc_wait_group_go(group, add_one, &slot));
        if (i % 2)
            unit_ok(conc_wait_group_go(group, leave_early, NULL));
        if (conc_wait_group_wait(group, NULL) != 0 || slot != 1)
            ck_abort_msg("round %zu", i);
        conc_wait_group_destroy(group);
        free(group);
    }
}
END_TEST

static void *foreign_done(void *arg)
{
    conc_wait_group_done((struct conc_wait_group *)arg);
    return NULL;
}

START_TEST(foreign_threads)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    pthread_t threads[4];
    conc_wait_group_add(&group, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, foreign_done, &group), 0);
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    conc_wait_group_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void too_many_dones(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_wait_group_add(&group, 1);
    conc_wait_group_done(&group);
    conc_wait_group_done(&group);
}

static void negative_add(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_wait_group_add(&group, -1);
}

static void destroy_with_a_count(void)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_wait_group_add(&group, 1);
    conc_wait_group_destroy(&group);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(too_many_dones, "group");
    unit_aborts(negative_add, "group");
    unit_aborts_in(destroy_with_a_count, "group", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("wait_group", matrix, counts, several_wait, owns_its_tasks,
        grows_while_waited_for, serves_for_ever, task_that_exits, destroy_after_wait,
        foreign_threads, programming_errors_abort);
}
