/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include "sync/cond.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

struct cond_state {
    struct conc_mutex mutex;
    struct conc_cond cond;
    bool held; /* under mutex: by the call under test, when it comes back */
};

static void matrix_init(void *state, const void *param)
{
    struct cond_state *s = state;
    (void)param;
    conc_mutex_init(&s->mutex);
    conc_cond_init(&s->cond);
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    struct cond_state *s = state;
    conc_mutex_lock(&s->mutex, NULL);
    int rc = conc_cond_wait(&s->cond, &s->mutex, ctx);
    s->held = conc_mutex_try_lock(&s->mutex) == EAGAIN;
    conc_mutex_unlock(&s->mutex); /* aborts unless it is held by this task, whatever rc is */
    return rc;
}

static void matrix_ready(void *state, bool waiting)
{
    struct cond_state *s = state;
    (void)waiting;
    conc_cond_signal(&s->cond);
}

static void matrix_fini(void *state, int rc)
{
    struct cond_state *s = state;
    (void)rc;
    ck_assert(s->held);
    conc_cond_destroy(&s->cond); /* aborts when a waiter is left in it */
    conc_mutex_destroy(&s->mutex);
}

START_TEST(matrix)
{
    const struct wait_call call = {.name = "condition",
        .size = sizeof(struct cond_state),
        .init = matrix_init,
        .call = matrix_call,
        .ready = matrix_ready,
        .fini = matrix_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- who is woken */

enum { WAITERS = 6 };

struct crowd {
    struct conc_mutex mutex;
    struct conc_cond cond;
    int woken[WAITERS]; /* under mutex: numbers in the order of their waking */
    int n;              /* under mutex */
};

struct member {
    struct crowd *crowd;
    struct conc_context *ctx;
    int number;
    int rc;
};

static void member_main(void *arg)
{
    struct member *m = arg;
    conc_mutex_lock(&m->crowd->mutex, NULL);
    m->rc = conc_cond_wait(&m->crowd->cond, &m->crowd->mutex, m->ctx);
    if (m->rc == 0)
        m->crowd->woken[m->crowd->n++] = m->number;
    conc_mutex_unlock(&m->crowd->mutex);
}

static int woken(struct crowd *crowd)
{
    conc_mutex_lock(&crowd->mutex, NULL);
    int n = crowd->n;
    conc_mutex_unlock(&crowd->mutex);
    return n;
}

static void gather(struct crowd *crowd, struct member *members, struct conc_context *first_ctx,
    struct conc_wait_group *group)
{
    for (int i = 0; i < WAITERS; i++) {
        members[i] = (struct member){crowd, i == 0 ? first_ctx : NULL, i, -1};
        unit_ok(conc_wait_group_go(group, member_main, &members[i]));
        unit_wait_parked(i + 1);
    }
}

/* A signal wakes one, the one that has waited longest; without waiters it is forgotten. */
START_TEST(signal_wakes_the_longest)
{
    struct crowd crowd = {.mutex = CONC_MUTEX_INIT, .cond = CONC_COND_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct member members[WAITERS];
    conc_cond_signal(&crowd.cond);
    conc_cond_broadcast(&crowd.cond);
    gather(&crowd, members, NULL, &group);
    ck_assert_int_eq(woken(&crowd), 0);
    for (int i = 0; i < WAITERS; i++) {
        conc_cond_signal(&crowd.cond);
        unit_wait_until(woken(&crowd) == i + 1);
    }
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = 0; i < WAITERS; i++) {
        unit_ok(members[i].rc);
        ck_assert_int_eq(crowd.woken[i], i);
    }
    conc_wait_group_destroy(&group);
    conc_cond_destroy(&crowd.cond);
    conc_mutex_destroy(&crowd.mutex);
}
END_TEST

START_TEST(broadcast_wakes_all)
{
    struct crowd crowd = {.mutex = CONC_MUTEX_INIT, .cond = CONC_COND_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct member members[WAITERS];
    gather(&crowd, members, NULL, &group);
    conc_mutex_lock(&crowd.mutex, NULL); /* with the mutex held: they queue for it */
    conc_cond_broadcast(&crowd.cond);
    conc_mutex_unlock(&crowd.mutex);
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(crowd.n, WAITERS);
    conc_wait_group_destroy(&group);
    conc_cond_destroy(&crowd.cond);
    conc_mutex_destroy(&crowd.mutex);
}
END_TEST

/* A waiter that was cancelled does not swallow the signal that comes after it. */
START_TEST(cancelled_waiter_takes_no_signal)
{
    struct crowd crowd = {.mutex = CONC_MUTEX_INIT, .cond = CONC_COND_INIT};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct member members[WAITERS];
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    gather(&crowd, members, &ctx, &group);
    conc_mutex_lock(&crowd.mutex, NULL); /* it cannot leave before the signals */
    conc_context_cancel(&ctx);
    for (int i = 0; i < WAITERS - 1; i++)
        conc_cond_signal(&crowd.cond);
    conc_mutex_unlock(&crowd.mutex);
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_rc(members[0].rc, ECANCELED);
    for (int i = 1; i < WAITERS; i++)
        unit_ok(members[i].rc);
    conc_wait_group_destroy(&group);
    conc_cond_destroy(&crowd.cond);
    conc_mutex_destroy(&crowd.mutex);
    conc_context_destroy(&ctx);
}
END_TEST

/* One that was signalled first returns 0, although it is cancelled before it has the mutex back. */
START_TEST(signal_beats_a_later_cancel)
{
    struct crowd crowd = {.mutex = CONC_MUTEX_INIT, .cond = CONC_COND_INIT};
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    struct member member = {&crowd, &ctx, 0, -1};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, member_main, &member));
    unit_wait_parked(1);
    conc_mutex_lock(&crowd.mutex, NULL);
    conc_cond_signal(&crowd.cond);
    conc_context_cancel(&ctx);
    conc_mutex_unlock(&crowd.mutex);
    conc_task_join(task);
    unit_ok(member.rc);
    conc_cond_destroy(&crowd.cond);
    conc_mutex_destroy(&crowd.mutex);
    conc_context_destroy(&ctx);
}
END_TEST

/* ---------------------------------------------------------------- used as it should be */

struct turns {
    struct conc_mutex mutex;
    struct conc_cond changed[2];
    int turn; /* under mutex: whose */
    int rounds;
};

struct player {
    struct turns *turns;
    int me;
};

static void play(void *arg)
{
    struct player *p = arg;
    struct turns *t = p->turns;
    for (int i = 0; i < t->rounds; i++) {
        conc_mutex_lock(&t->mutex, NULL);
        while (t->turn != p->me)
            conc_cond_wait(&t->changed[p->me], &t->mutex, NULL);
        t->turn = 1 - p->me;
        conc_cond_signal(&t->changed[1 - p->me]);
        conc_mutex_unlock(&t->mutex);
    }
}

/* Two tasks in turns: one signal lost, and both sleep for ever (which the deadlock report shows).
 */
START_TEST(no_signal_is_lost)
{
    struct turns turns = {.mutex = CONC_MUTEX_INIT,
        .changed = {CONC_COND_INIT, CONC_COND_INIT},
        .rounds = (int)unit_scaled(3000)};
    struct player players[2] = {{&turns, 0}, {&turns, 1}};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, play, &players[0]));
    play(&players[1]);
    conc_task_join(task);
    ck_assert_int_eq(turns.turn, 0);
    conc_cond_destroy(&turns.changed[0]);
    conc_cond_destroy(&turns.changed[1]);
    conc_mutex_destroy(&turns.mutex);
}
END_TEST

static struct conc_mutex callback_mutex = CONC_MUTEX_INIT;

/* Called by the waiter itself, the mutex must be free; called by the timer task it may be either
 * way. */
static void takes_the_mutex(void *waiter)
{
    if (conc_task_self() != waiter)
        return;
    unit_ok(conc_mutex_try_lock(&callback_mutex));
    conc_mutex_unlock(&callback_mutex);
}

/* The wait that notices the deadline calls the after-callbacks, and must not hold the mutex then.
 */
START_TEST(callback_of_a_deadline)
{
    struct conc_cond cond = CONC_COND_INIT;
    struct conc_context ctx;
    struct conc_context_after after;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(3));
    unit_ok(conc_context_after(&after, &ctx, takes_the_mutex, conc_task_self()));
    unit_ok(conc_mutex_lock(&callback_mutex, NULL));
    ck_assert_int_eq(conc_cond_wait(&cond, &callback_mutex, &ctx), ETIMEDOUT);
    conc_mutex_unlock(&callback_mutex);
    conc_context_after_stop(&after);
    conc_context_destroy(&ctx);
    conc_cond_destroy(&cond);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void wait_without_the_mutex(void)
{
    struct conc_mutex mutex = CONC_MUTEX_INIT;
    struct conc_cond cond = CONC_COND_INIT;
    conc_cond_wait(&cond, &mutex, NULL);
}

static void destroy_while_waited_for(void)
{
    static struct crowd crowd = {.mutex = CONC_MUTEX_INIT, .cond = CONC_COND_INIT};
    static struct member member = {&crowd, NULL, 0, -1};
    struct conc_task *task;
    if (conc_task_start(&task, member_main, &member) != 0)
        _exit(9);
    while (unit_parked() < 1)
        conc_yield();
    conc_cond_destroy(&crowd.cond);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(wait_without_the_mutex, "mutex");
    unit_aborts_in(destroy_while_waited_for, "cond", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("cond", matrix, signal_wakes_the_longest, broadcast_wakes_all,
        cancelled_waiter_takes_no_signal, signal_beats_a_later_cancel, no_signal_is_lost,
        callback_of_a_deadline, programming_errors_abort);
}
