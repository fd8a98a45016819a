/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include <pthread.h>
#include <stdatomic.h>

#include "sync/semaphore.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

enum { SIZE = 3 };

static void matrix_init(void *state, const void *param)
{
    (void)param;
    unit_ok(conc_semaphore_init(state, SIZE));
    unit_ok(conc_semaphore_acquire((struct conc_semaphore *)state, 2, NULL));
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    return conc_semaphore_acquire((struct conc_semaphore *)state, 2, ctx);
}

static int matrix_try(void *state)
{
    return conc_semaphore_try_acquire(state, 2);
}

static void matrix_ready(void *state, bool waiting)
{
    (void)waiting;
    conc_semaphore_release((struct conc_semaphore *)state, 1);
}

/* Whoever did not get permits holds none. */
static void matrix_fini(void *state, int rc)
{
    struct conc_semaphore *s = state;
    ck_assert_int_eq(conc_semaphore_available(s), rc == 0 ? 0 : 1);
    conc_semaphore_release(s, rc == 0 ? 3 : 2);
    ck_assert_int_eq(conc_semaphore_available(s), SIZE);
    conc_semaphore_destroy(s);
}

START_TEST(matrix)
{
    const struct wait_call call = {.name = "semaphore",
        .size = sizeof(struct conc_semaphore),
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
    struct conc_semaphore s;
    unit_ok(conc_semaphore_init(&s, 10));
    ck_assert_int_eq(conc_semaphore_available(&s), 10);
    unit_ok(conc_semaphore_acquire(&s, 10, NULL)); /* the whole */
    unit_rc(conc_semaphore_try_acquire(&s, 1), EAGAIN);
    unit_ok(conc_semaphore_acquire(&s, 0, NULL)); /* nothing is always there */
    unit_ok(conc_semaphore_try_acquire(&s, 0));
    conc_semaphore_release(&s, 0);
    conc_semaphore_release(&s, 4);
    unit_rc(conc_semaphore_try_acquire(&s, 5), EAGAIN);
    unit_ok(conc_semaphore_try_acquire(&s, 3));
    ck_assert_int_eq(conc_semaphore_available(&s), 1);
    conc_semaphore_release(&s, 9);
    ck_assert_int_eq(conc_semaphore_available(&s), 10);
    conc_semaphore_destroy(&s);
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_semaphore s;
    unit_rc(conc_semaphore_init(NULL, 1), EINVAL);
    unit_rc(conc_semaphore_init(&s, -1), EINVAL);
    unit_ok(conc_semaphore_init(&s, 2));
    unit_rc(conc_semaphore_acquire(&s, -1, NULL), EINVAL);
    unit_rc(conc_semaphore_try_acquire(&s, INT64_MIN), EINVAL);
    unit_rc(
        conc_semaphore_acquire(&s, 3, NULL), EMSGSIZE); /* never fits: refused, not waited for */
    unit_rc(conc_semaphore_try_acquire(&s, INT64_MAX), EMSGSIZE);
    ck_assert_int_eq(conc_semaphore_available(&s), 2);
    unit_ok(conc_semaphore_acquire(&s, 2, NULL));
    conc_semaphore_destroy(&s); /* held permits do not matter */

    unit_ok(conc_semaphore_init(&s, 0));
    unit_ok(conc_semaphore_acquire(&s, 0, NULL));
    unit_rc(conc_semaphore_acquire(&s, 1, NULL), EMSGSIZE);
    conc_semaphore_destroy(&s);

    unit_ok(conc_semaphore_init(&s, INT64_MAX));
    unit_ok(conc_semaphore_acquire(&s, INT64_MAX, NULL));
    unit_rc(conc_semaphore_try_acquire(&s, INT64_MAX), EAGAIN);
    conc_semaphore_release(&s, INT64_MAX);
    conc_semaphore_destroy(&s);
}
END_TEST

/* ---------------------------------------------------------------- first come, first served */

struct waiter {
    struct conc_semaphore *s;
    struct conc_context *ctx;
    atomic_int *turns;
    int64_t n;
    int turn; /* the how-manieth to be served; 0: not yet */
    int rc;
};

static void wait_for_turn(void *arg)
{
    struct waiter *w = arg;
    w->rc = conc_semaphore_acquire(w->s, w->n, w->ctx);
    if (w->rc == 0)
        w->turn = atomic_fetch_add(w->turns, 1) + 1;
}

/* A queue of waiters in a known order. */
struct line {
    struct conc_semaphore s;
    struct conc_wait_group tasks;
    atomic_int turns;
    struct waiter waiters[8];
    int len;
};

static void line_init(struct line *line, int64_t size)
{
    unit_ok(conc_semaphore_init(&line->s, size));
    unit_ok(conc_semaphore_acquire(&line->s, size, NULL));
    conc_wait_group_init(&line->tasks);
    line->turns = 0;
    line->len = 0;
}

static struct waiter *line_add(struct line *line, int64_t n, struct conc_context *ctx)
{
    struct waiter *w = &line->waiters[line->len++];
    *w = (struct waiter){.s = &line->s, .ctx = ctx, .turns = &line->turns, .n = n};
    unit_ok(conc_wait_group_go(&line->tasks, wait_for_turn, w));
    unit_wait_parked(line->len - atomic_load(&line->turns));
    return w;
}

static void line_fini(struct line *line)
{
    unit_ok(conc_wait_group_wait(&line->tasks, NULL));
    conc_wait_group_destroy(&line->tasks);
    conc_semaphore_destroy(&line->s);
}

/* Small requests do not overtake a large one, neither those that wait nor those that only try. */
START_TEST(large_is_not_starved)
{
    struct line line;
    line_init(&line, 4);
    struct waiter *large = line_add(&line, 3, NULL);
    struct waiter *small = line_add(&line, 1, NULL);
    conc_semaphore_release(&line.s, 2);
    /* Two are free, and kept for the first in the line. */
    ck_assert_int_eq(conc_semaphore_available(&line.s), 2);
    unit_rc(conc_semaphore_try_acquire(&line.s, 1), EAGAIN);
    ck_assert_uint_eq(unit_parked(), 2);
    conc_semaphore_release(&line.s, 1);
    unit_wait_until(atomic_load(&line.turns) == 1);
    conc_semaphore_release(&line.s, 1);
    unit_ok(conc_wait_group_wait(&line.tasks, NULL));
    ck_assert_int_eq(large->turn, 1);
    ck_assert_int_eq(small->turn, 2);
    ck_assert_int_eq(conc_semaphore_available(&line.s), 0);
    line_fini(&line);
}
END_TEST

START_TEST(served_in_order)
{
    struct line line;
    line_init(&line, 1);
    for (int i = 0; i < 8; i++)
        line_add(&line, 1, NULL);
    for (int i = 1; i <= 8; i++) {
        conc_semaphore_release(&line.s, 1);
        unit_wait_until(atomic_load(&line.turns) == i);
    }
    unit_ok(conc_wait_group_wait(&line.tasks, NULL));
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(line.waiters[i].turn, i + 1);
    line_fini(&line);
}
END_TEST

/* One release serves as many as it has permits for, and no more. */
START_TEST(one_release_serves_several)
{
    struct line line;
    line_init(&line, 6);
    struct waiter *first = line_add(&line, 1, NULL);
    struct waiter *second = line_add(&line, 2, NULL);
    struct waiter *third = line_add(&line, 3, NULL);
    conc_semaphore_release(&line.s, 4);
    unit_wait_until(atomic_load(&line.turns) == 2);
    ck_assert_uint_eq(unit_parked(), 1);
    ck_assert_int_eq(conc_semaphore_available(&line.s), 1);
    conc_semaphore_release(&line.s, 2);
    unit_ok(conc_wait_group_wait(&line.tasks, NULL));
    ck_assert(first->turn > 0 && second->turn > 0);
    ck_assert_int_eq(third->turn, 3);
    line_fini(&line);
}
END_TEST

/* The first in the line gives up: those behind it, for whom there is enough, go ahead at once. */
START_TEST(giving_up_lets_others_pass)
{
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    struct line line;
    line_init(&line, 4);
    struct waiter *large = line_add(&line, 4, &ctx);
    line_add(&line, 1, NULL);
    line_add(&line, 1, NULL);
    conc_semaphore_release(&line.s, 2);
    ck_assert_uint_eq(unit_parked(), 3);
    conc_context_cancel(&ctx);
    unit_ok(conc_wait_group_wait(&line.tasks, NULL));
    unit_rc(large->rc, ECANCELED);
    ck_assert_int_eq(line.turns, 2);
    ck_assert_int_eq(conc_semaphore_available(&line.s), 0);
    line_fini(&line);
    conc_context_destroy(&ctx);
}
END_TEST

/* ---------------------------------------------------------------- exclusion and loss */

enum { TASKS = 8, PERMITS = 5 };

struct load {
    struct conc_semaphore *s;
    atomic_long *held;
    atomic_int *wrong;
    uint64_t random;
    long failed;
};

/* Acquires, at random with a short deadline or one that has passed; fails at random; always gives
 * back. */
static void use(void *arg)
{
    struct load *me = arg;
    for (int i = 0; i < 40; i++) {
        uint64_t draw = conc_splitmix64(&me->random);
        int64_t n = (int64_t)(draw % PERMITS) + 1;
        struct conc_context ctx;
        int64_t timeout = draw >> 63 ? CONC_S(100) : (int64_t)(draw >> 40) % 60000;
        conc_context_with_timeout(&ctx, NULL, timeout);
        if (conc_semaphore_acquire(me->s, n, &ctx) == 0) {
            if (atomic_fetch_add(me->held, n) + n > PERMITS)
                atomic_fetch_add(me->wrong, 1);
            conc_yield();
            atomic_fetch_sub(me->held, n);
            conc_semaphore_release(me->s, n);
        } else {
            me->failed++;
        }
        conc_context_destroy(&ctx);
    }
}

START_TEST(no_permit_is_lost)
{
    long failed = 0;
    for (struct unit_stress s = unit_stress_begin(0.7); unit_stress_more(&s);) {
        struct conc_semaphore semaphore;
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct load loads[TASKS];
        atomic_long held = 0;
        atomic_int wrong = 0;
        unit_ok(conc_semaphore_init(&semaphore, PERMITS));
        for (int i = 0; i < TASKS; i++) {
            loads[i] = (struct load){&semaphore, &held, &wrong, s.seed + (uint64_t)i, 0};
            unit_ok(conc_wait_group_go(&group, use, &loads[i]));
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        ck_assert_int_eq(wrong, 0);
        ck_assert_int_eq(conc_semaphore_available(&semaphore), PERMITS);
        for (int i = 0; i < TASKS; i++)
            failed += loads[i].failed;
        conc_semaphore_destroy(&semaphore);
        conc_wait_group_destroy(&group);
    }
    fprintf(stderr, "gave up: %ld\n", failed);
}
END_TEST

struct pair {
    struct conc_semaphore s;
    long plain; /* ordered by the semaphore alone */
};

static void add_under_permit(void *arg)
{
    struct pair *pair = arg;
    for (int i = 0; i < 200; i++) {
        if (conc_semaphore_acquire(&pair->s, 1, NULL) != 0)
            abort();
        pair->plain++;
        conc_semaphore_release(&pair->s, 1);
    }
}

/* What was written before the release is visible after the acquire. */
START_TEST(orders_memory)
{
    struct pair pair = {.plain = 0};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    unit_ok(conc_semaphore_init(&pair.s, 1));
    for (int i = 0; i < 4; i++)
        unit_ok(conc_wait_group_go(&group, add_under_permit, &pair));
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(pair.plain, 800);
    conc_semaphore_destroy(&pair.s);
    conc_wait_group_destroy(&group);
}
END_TEST

static void *foreign_release(void *arg)
{
    conc_semaphore_release((struct conc_semaphore *)arg, 1);
    return NULL;
}

/* Permits belong to nobody: a thread that conc did not start gives one back. */
START_TEST(released_by_another)
{
    struct conc_semaphore s;
    pthread_t thread;
    unit_ok(conc_semaphore_init(&s, 1));
    unit_ok(conc_semaphore_acquire(&s, 1, NULL));
    ck_assert_int_eq(pthread_create(&thread, NULL, foreign_release, &s), 0);
    unit_ok(conc_semaphore_acquire(&s, 1, NULL));
    pthread_join(thread, NULL);
    conc_semaphore_destroy(&s);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void too_many(void)
{
    struct conc_semaphore s;
    conc_semaphore_init(&s, 2);
    conc_semaphore_acquire(&s, 1, NULL);
    conc_semaphore_release(&s, 2);
}

static void negative(void)
{
    struct conc_semaphore s;
    conc_semaphore_init(&s, 2);
    conc_semaphore_release(&s, -1);
}

static void acquire_one(void *s)
{
    conc_semaphore_acquire((struct conc_semaphore *)s, 1, NULL);
}

static void destroy_waited_for(void)
{
    struct conc_semaphore s;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_semaphore_init(&s, 1);
    conc_semaphore_acquire(&s, 1, NULL);
    conc_wait_group_go(&group, acquire_one, &s);
    unit_wait_parked(1);
    conc_semaphore_destroy(&s);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(too_many, "semaphore");
    unit_aborts(negative, "semaphore");
    unit_aborts_in(destroy_waited_for, "semaphore", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("semaphore", matrix, counts, bad_arguments, large_is_not_starved,
        served_in_order, one_release_serves_several, giving_up_lets_others_pass, no_permit_is_lost,
        orders_memory, released_by_another, programming_errors_abort);
}
