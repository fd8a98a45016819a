/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include <pthread.h>

#include "sync/mutex.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

static void matrix_init(void *state, const void *param)
{
    (void)param;
    conc_mutex_init(state);
    unit_ok(conc_mutex_lock((struct conc_mutex *)state, NULL));
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    int rc = conc_mutex_lock((struct conc_mutex *)state, ctx);
    if (rc == 0)
        conc_mutex_unlock((struct conc_mutex *)state);
    return rc;
}

static int matrix_try(void *state)
{
    int rc = conc_mutex_try_lock(state);
    if (rc == 0)
        conc_mutex_unlock((struct conc_mutex *)state);
    return rc;
}

static void matrix_ready(void *state, bool waiting)
{
    (void)waiting;
    conc_mutex_unlock((struct conc_mutex *)state);
}

static void matrix_fini(void *state, int rc)
{
    struct conc_mutex *mutex = state;
    if (rc != 0) {
        unit_rc(conc_mutex_try_lock(mutex), EAGAIN); /* still ours, nobody in between */
        conc_mutex_unlock(mutex);
    }
    unit_ok(conc_mutex_try_lock(mutex));
    conc_mutex_unlock(mutex);
    conc_mutex_destroy(mutex);
}

START_TEST(matrix)
{
    const struct wait_call lock = {.name = "mutex lock",
        .size = sizeof(struct conc_mutex),
        .init = matrix_init,
        .call = matrix_call,
        .try_call = matrix_try,
        .ready = matrix_ready,
        .ready_is_kept = true,
        .fini = matrix_fini};
    wait_matrix_check(&lock);
}
END_TEST

/* ---------------------------------------------------------------- exclusion and order */

struct shared {
    struct conc_mutex mutex;
    long counter; /* plain: the mutex alone protects it */
    long rounds;
    int order[8];
    int served;
};

static void count_up(void *arg)
{
    struct shared *s = arg;
    for (long i = 0; i < s->rounds; i++) {
        if (i % 3 == 0) {
            while (conc_mutex_try_lock(&s->mutex) == EAGAIN)
                conc_yield();
        } else {
            conc_mutex_lock(&s->mutex, NULL);
        }
        s->counter++;
        conc_mutex_unlock(&s->mutex);
    }
}

START_TEST(excludes)
{
    static struct shared s = {.mutex = CONC_MUTEX_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    s.rounds = (long)unit_scaled(5000);
    for (int i = 0; i < 8; i++)
        unit_ok(conc_wait_group_go(&group, count_up, &s));
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(s.counter, 8 * s.rounds);
    conc_wait_group_destroy(&group);
    conc_mutex_destroy(&s.mutex);
}
END_TEST

struct numbered {
    struct shared *shared;
    int number;
};

static void take_number(void *arg)
{
    struct numbered *n = arg;
    conc_mutex_lock(&n->shared->mutex, NULL);
    n->shared->order[n->shared->served++] = n->number;
    conc_mutex_unlock(&n->shared->mutex);
}

/* Waiters that have waited for more than a millisecond are served strictly in their order. */
START_TEST(serves_in_order)
{
    struct shared s = {.mutex = CONC_MUTEX_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct numbered numbered[8];
    unit_ok(conc_mutex_lock(&s.mutex, NULL));
    for (int i = 0; i < 8; i++) {
        numbered[i] = (struct numbered){&s, i};
        unit_ok(conc_wait_group_go(&group, take_number, &numbered[i]));
        unit_wait_parked(i + 1);
    }
    int64_t starving = conc_deadline_after(CONC_MS(3));
    unit_wait_until(conc_now_ns() > starving);
    conc_mutex_unlock(&s.mutex);
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(s.order[i], i);
    conc_wait_group_destroy(&group);
    conc_mutex_destroy(&s.mutex);
}
END_TEST

struct hog {
    struct conc_mutex mutex;
    atomic_bool stop;
};

static void hog_main(void *arg)
{
    struct hog *hog = arg;
    while (!atomic_load(&hog->stop)) {
        conc_mutex_lock(&hog->mutex, NULL);
        conc_mutex_unlock(&hog->mutex);
    }
}

/* Somebody who locks again and again cannot keep a waiter out for ever. */
START_TEST(does_not_starve)
{
    struct hog hog = {.mutex = CONC_MUTEX_INIT};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, hog_main, &hog));
    for (int i = 0; i < 50; i++) {
        unit_ok(conc_mutex_lock(&hog.mutex, NULL));
        conc_mutex_unlock(&hog.mutex);
    }
    atomic_store(&hog.stop, true);
    conc_task_join(task);
    conc_mutex_destroy(&hog.mutex);
}
END_TEST

struct impatient {
    struct shared *shared;
    struct conc_context ctx;
    int rc;
};

static void give_up(void *arg)
{
    struct impatient *i = arg;
    i->rc = conc_mutex_lock(&i->shared->mutex, &i->ctx);
}

/* It may be held across a wait, and a waiter that gives up leaves those behind it in their places.
 */
START_TEST(waiter_that_gives_up)
{
    struct shared s = {.mutex = CONC_MUTEX_INIT};
    struct impatient impatient = {.shared = &s, .rc = -1};
    struct numbered behind = {&s, 7};
    struct conc_task *first;
    struct conc_task *second;
    conc_context_with_cancel(&impatient.ctx, NULL);
    unit_ok(conc_mutex_lock(&s.mutex, NULL));
    unit_ok(conc_task_start(&first, give_up, &impatient));
    unit_wait_parked(1);
    unit_ok(conc_task_start(&second, take_number, &behind));
    unit_wait_parked(2);
    conc_context_cancel(&impatient.ctx);
    conc_task_join(first);
    unit_rc(impatient.rc, ECANCELED);
    ck_assert_int_eq(s.served, 0);
    conc_mutex_unlock(&s.mutex);
    conc_task_join(second);
    ck_assert_int_eq(s.order[0], 7);
    conc_context_destroy(&impatient.ctx);
    conc_mutex_destroy(&s.mutex);
}
END_TEST

/* ---------------------------------------------------------------- lifetime, foreign threads */

struct short_lived {
    struct conc_mutex mutex;
    bool done; /* under mutex */
};

static void finish(void *arg)
{
    struct short_lived *s = arg;
    conc_mutex_lock(&s->mutex, NULL);
    s->done = true;
    conc_mutex_unlock(&s->mutex);
}

/* Whoever takes the mutex last and learns that all is done may free it. */
START_TEST(destroy_after_the_last_unlock)
{
    size_t rounds = unit_scaled(2000);
    for (size_t i = 0; i < rounds; i++) {
        struct short_lived *s = malloc(sizeof *s);
        *s = (struct short_lived){.mutex = CONC_MUTEX_INIT};
        struct conc_task *task;
        unit_ok(conc_task_start(&task, finish, s));
        for (bool done = false; !done;) {
            conc_mutex_lock(&s->mutex, NULL);
            done = s->done;
            conc_mutex_unlock(&s->mutex);
            if (!done)
                conc_yield();
        }
        conc_mutex_destroy(&s->mutex);
        free(s);
        conc_task_join(task);
    }
}
END_TEST

static void *foreign(void *arg)
{
    count_up(arg);
    return NULL;
}

START_TEST(foreign_threads)
{
    struct shared s = {.mutex = CONC_MUTEX_INIT, .rounds = 500};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, foreign, &s), 0);
    count_up(&s);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(s.counter, 4 * 500);
    conc_mutex_destroy(&s.mutex);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void lock_twice(void)
{
    struct conc_mutex mutex = CONC_MUTEX_INIT;
    conc_mutex_lock(&mutex, NULL);
    conc_mutex_lock(&mutex, NULL);
}

static void unlock_of_a_free_one(void)
{
    struct conc_mutex mutex = CONC_MUTEX_INIT;
    conc_mutex_unlock(&mutex);
}

static void unlock_by_another(void *arg)
{
    conc_mutex_unlock((struct conc_mutex *)arg);
}

static void unlock_of_anothers(void)
{
    struct conc_mutex mutex = CONC_MUTEX_INIT;
    struct conc_task *task;
    conc_mutex_lock(&mutex, NULL);
    if (conc_task_start(&task, unlock_by_another, &mutex) == 0)
        conc_task_join(task);
}

static void destroy_of_a_held_one(void)
{
    struct conc_mutex mutex = CONC_MUTEX_INIT;
    conc_mutex_lock(&mutex, NULL);
    conc_mutex_destroy(&mutex);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(lock_twice, "mutex");
    unit_aborts(unlock_of_a_free_one, "mutex");
    unit_aborts(unlock_of_anothers, "mutex");
    unit_aborts_in(destroy_of_a_held_one, "mutex", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("mutex", matrix, excludes, serves_in_order, does_not_starve,
        waiter_that_gives_up, destroy_after_the_last_unlock, foreign_threads,
        programming_errors_abort);
}
