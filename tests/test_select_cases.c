/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/*
 * The select primitive (sync/select.h): odd case lists, one channel in several cases, fairness.
 * What a select does on each event is in test_chan_matrix.c; the pattern's own tests are in
 * test_select.c.
 */

#include <limits.h>

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/select.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

static struct conc_chan *make(size_t capacity)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), capacity, NULL));
    return ch;
}

START_TEST(arguments)
{
    struct conc_chan *ch = make(1);
    int value = 5;
    size_t chosen = 77;
    struct conc_select_case one[] = {CONC_RECV(ch, &value)};
    struct conc_select_case empty_handed[] = {CONC_RECV(ch, &value), CONC_SEND(ch, NULL)};
    unit_rc(conc_select(NULL, 1, &chosen, NULL), EINVAL);
    unit_rc(conc_select(one, 1, NULL, NULL), EINVAL);
    unit_rc(conc_select(one, (size_t)INT_MAX + 1, &chosen, NULL), EINVAL);
    unit_rc(conc_select(empty_handed, 2, &chosen, NULL), EINVAL);
    unit_rc(conc_try_select(NULL, 1, &chosen), EINVAL);
    unit_rc(conc_try_select(one, 1, NULL), EINVAL);
    unit_rc(conc_try_select(one, (size_t)INT_MAX + 1, &chosen), EINVAL);
    unit_rc(conc_try_select(empty_handed, 2, &chosen), EINVAL);
    ck_assert_uint_eq(chosen, 77);
    ck_assert_int_eq(value, 5);
    ck_assert_uint_eq(conc_chan_len(ch), 0);

    /* Nothing to send is needed where elements have no content. */
    struct conc_chan *signal;
    unit_ok(conc_chan_create(&signal, 0, 1, NULL));
    struct conc_select_case hail[] = {CONC_SEND(signal, NULL)};
    unit_ok(conc_select(hail, 1, &chosen, NULL));
    ck_assert_uint_eq(chosen, 0);
    ck_assert_uint_eq(conc_chan_len(signal), 1);
    conc_chan_destroy(signal);
    conc_chan_destroy(ch);
}
END_TEST

/* With nothing that could become ready a select waits for its context alone. */
START_TEST(no_cases)
{
    int value = 5;
    size_t chosen = 77;
    struct conc_select_case dead[] = {CONC_RECV(NULL, &value), CONC_SEND(NULL, &value),
        CONC_SEND(NULL, NULL), CONC_RECV(NULL, NULL)};
    for (size_t n = 0; n <= 4; n += 2) {
        struct conc_select_case *cases = n ? dead : NULL;
        unit_rc(conc_try_select(cases, n, &chosen), EAGAIN);
        struct conc_context ctx;
        conc_context_with_timeout(&ctx, NULL, CONC_MS(5));
        unit_rc(conc_select(cases, n, &chosen, &ctx), ETIMEDOUT);
        ck_assert(conc_now_ns() >= conc_context_deadline(&ctx));
        conc_context_destroy(&ctx);
        conc_context_with_cancel(&ctx, NULL);
        conc_context_cancel(&ctx);
        unit_rc(conc_select(cases, n, &chosen, &ctx), ECANCELED);
        conc_context_destroy(&ctx);
    }
    ck_assert_uint_eq(chosen, 77);
    ck_assert_int_eq(value, 5);
}
END_TEST

struct selector {
    struct conc_select_case *cases;
    size_t n;
    size_t chosen;
    int rc;
    struct conc_context *ctx;
};

static void select_main(void *arg)
{
    struct selector *s = arg;
    s->rc = conc_select(s->cases, s->n, &s->chosen, s->ctx);
}

/* The same channel in several cases: one of them is served, once. */
START_TEST(duplicates)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct conc_chan *ch = make(capacity);
        int values[3] = {-1, -1, -1};
        struct conc_select_case cases[] = {
            CONC_RECV(ch, &values[0]), CONC_RECV(ch, &values[1]), CONC_RECV(ch, &values[2])};
        struct selector s = {.cases = cases, .n = 3, .chosen = 77};
        struct conc_task *task;
        unit_ok(conc_task_start(&task, select_main, &s));
        unit_wait_parked(1);
        unit_ok(conc_chan_try_send(ch, &(int){42}));
        conc_task_join(task);
        unit_ok(s.rc);
        ck_assert_uint_lt(s.chosen, 3);
        unit_ok(cases[s.chosen].rc);
        for (size_t i = 0; i < 3; i++)
            ck_assert_int_eq(values[i], i == s.chosen ? 42 : -1);
        /* No node is left behind in the channel. */
        unit_rc(conc_chan_try_send(ch, &(int){43}), capacity ? 0 : EAGAIN);
        conc_chan_destroy(ch);
    }
}
END_TEST

/* Sending and receiving on one channel: a select never serves itself. */
START_TEST(both_directions)
{
    struct conc_chan *ch = make(0);
    int in = -1;
    int out = 7;
    struct conc_select_case cases[] = {CONC_SEND(ch, &out), CONC_RECV(ch, &in)};
    size_t chosen = 77;
    unit_rc(conc_try_select(cases, 2, &chosen), EAGAIN);

    struct selector s = {.cases = cases, .n = 2, .chosen = 77};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, select_main, &s));
    unit_wait_parked(1);
    unit_ok(conc_chan_try_send(ch, &(int){8}));
    conc_task_join(task);
    unit_ok(s.rc);
    ck_assert_uint_eq(s.chosen, 1);
    ck_assert_int_eq(in, 8);

    s.chosen = 77;
    unit_ok(conc_task_start(&task, select_main, &s));
    unit_wait_parked(1);
    int value = -1;
    unit_ok(conc_chan_recv(ch, &value, NULL));
    conc_task_join(task);
    unit_ok(s.rc);
    ck_assert_uint_eq(s.chosen, 0);
    ck_assert_int_eq(value, 7);
    conc_chan_destroy(ch);

    /* Two selects of that kind serve each other. */
    ch = make(0);
    int ins[2] = {-1, -1};
    int outs[2] = {10, 11};
    struct conc_select_case first[] = {CONC_SEND(ch, &outs[0]), CONC_RECV(ch, &ins[0])};
    struct conc_select_case second[] = {CONC_RECV(ch, &ins[1]), CONC_SEND(ch, &outs[1])};
    struct selector other = {.cases = first, .n = 2, .chosen = 77};
    unit_ok(conc_task_start(&task, select_main, &other));
    unit_ok(conc_select(second, 2, &chosen, NULL));
    conc_task_join(task);
    unit_ok(other.rc);
    ck_assert_uint_eq(other.chosen, chosen); /* send meets receive */
    ck_assert_int_eq(chosen == 0 ? ins[1] : ins[0], chosen == 0 ? 10 : 11);
    ck_assert_int_eq(chosen == 0 ? ins[0] : ins[1], -1);

    /* With room in it, sending is ready; then, full, only receiving. */
    conc_chan_destroy(ch);
    ch = make(1);
    struct conc_select_case again[] = {CONC_RECV(ch, &in), CONC_SEND(ch, &out)};
    unit_ok(conc_try_select(again, 2, &chosen));
    ck_assert_uint_eq(chosen, 1);
    unit_ok(conc_try_select(again, 2, &chosen));
    ck_assert_uint_eq(chosen, 0);
    ck_assert_int_eq(in, 7);
    conc_chan_destroy(ch);
}
END_TEST

enum { MANY = 100 };

/* A hundred channels, each in turn the one that has something; receive, send, close. */
START_TEST(hundred_cases)
{
    struct conc_chan *chans[MANY];
    struct conc_select_case cases[MANY];
    int values[MANY];
    for (int i = 0; i < MANY; i++)
        chans[i] = make((size_t)i % 2);
    for (int turn = 0; turn < MANY; turn += RUNNING_ON_VALGRIND ? 9 : 1) {
        for (int i = 0; i < MANY; i++) {
            values[i] = -1;
            cases[i] = (struct conc_select_case)CONC_RECV(chans[i], &values[i]);
        }
        struct selector s = {.cases = cases, .n = MANY, .chosen = 777};
        struct conc_task *task;
        unit_ok(conc_task_start(&task, select_main, &s));
        unit_wait_parked(1);
        unit_ok(conc_chan_try_send(chans[turn], &turn));
        conc_task_join(task);
        unit_ok(s.rc);
        ck_assert_uint_eq(s.chosen, (size_t)turn);
        for (int i = 0; i < MANY; i++)
            if (values[i] != (i == turn ? turn : -1))
                ck_abort_msg("turn %d: value %d is %d", turn, i, values[i]);
    }
    for (int i = 0; i < MANY; i++) {
        /* Nobody is left waiting in any of them. */
        unit_rc(conc_chan_try_send(chans[i], &i), i % 2 ? 0 : EAGAIN);
        if (i % 2)
            unit_ok(conc_chan_try_recv(chans[i], NULL));
    }
    struct selector s = {.cases = cases, .n = MANY, .chosen = 777};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, select_main, &s));
    unit_wait_parked(1);
    unit_ok(conc_chan_close(chans[66]));
    conc_task_join(task);
    unit_ok(s.rc);
    ck_assert_uint_eq(s.chosen, 66);
    unit_rc(cases[66].rc, EPIPE);
    ck_assert_int_eq(values[66], 0);
    for (int i = 0; i < MANY; i++)
        conc_chan_destroy(chans[i]);
}
END_TEST

/* A closed channel is a ready case; the call itself succeeds. */
START_TEST(closed_cases)
{
    struct conc_chan *open = make(0);
    struct conc_chan *closed = make(1);
    unit_ok(conc_chan_close(closed));
    int value = 5;
    size_t chosen = 77;
    struct conc_select_case receive[] = {CONC_RECV(open, &value), CONC_RECV(closed, &value)};
    unit_ok(conc_select(receive, 2, &chosen, NULL));
    ck_assert_uint_eq(chosen, 1);
    unit_rc(receive[1].rc, EPIPE);
    ck_assert_int_eq(value, 0);
    struct conc_select_case sending[] = {CONC_SEND(closed, &value), CONC_SEND(open, &value)};
    unit_ok(conc_try_select(sending, 2, &chosen));
    ck_assert_uint_eq(chosen, 0);
    unit_rc(sending[0].rc, EPIPE);
    conc_chan_destroy(open);
    conc_chan_destroy(closed);
}
END_TEST

/* Cases that lose are left alone: their elements, their rc, the elements in their channels. */
START_TEST(losers_are_untouched)
{
    struct conc_chan *a = make(1);
    struct conc_chan *b = make(1);
    unit_ok(conc_chan_send(a, &(int){1}, NULL));
    unit_ok(conc_chan_send(b, &(int){2}, NULL));
    int got[2] = {-1, -1};
    struct conc_select_case cases[] = {CONC_RECV(a, &got[0]), CONC_RECV(b, &got[1])};
    size_t chosen = 77;
    unit_ok(conc_select(cases, 2, &chosen, NULL));
    ck_assert_int_eq(got[chosen], chosen == 0 ? 1 : 2);
    ck_assert_int_eq(got[1 - chosen], -1);
    ck_assert_uint_eq(conc_chan_len(a) + conc_chan_len(b), 1);
    conc_chan_destroy(a);
    conc_chan_destroy(b);
}
END_TEST

static int dropped;

static void count_drop(void *element)
{
    (void)element;
    dropped++;
}

START_TEST(receive_into_null)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), 1, count_drop));
    struct conc_select_case cases[] = {CONC_RECV(ch, NULL)};
    size_t chosen = 77;
    unit_ok(conc_chan_send(ch, &(int){1}, NULL));
    unit_ok(conc_select(cases, 1, &chosen, NULL));
    ck_assert_uint_eq(conc_chan_len(ch), 0);
    struct selector s = {.cases = cases, .n = 1, .chosen = 77};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, select_main, &s));
    unit_wait_parked(1);
    unit_ok(conc_chan_send(ch, &(int){2}, NULL));
    conc_task_join(task);
    unit_ok(s.rc);
    ck_assert_int_eq(dropped, 0); /* received, not dropped */
    conc_chan_destroy(ch);
    ck_assert_int_eq(dropped, 0);
}
END_TEST

enum { READY = 8, DRAWS = 8000 };

/*
 * Fairness among the ready. With equal chances the sum below follows a chi-square distribution with
 * 7 degrees of freedom, which exceeds 29.9 once in 10 000 seeds; the seed is fixed, so the outcome
 * is, too. Receives and sends take part alike.
 */
START_TEST(fair_among_the_ready)
{
    conc_random_seed(12345);
    struct conc_chan *chans[READY];
    struct conc_select_case cases[READY];
    long served[READY] = {0};
    int value = 1;
    for (int i = 0; i < READY; i++) {
        chans[i] = make(1);
        if (i % 2 == 0)
            unit_ok(conc_chan_send(chans[i], &value, NULL));
        cases[i] = i % 2 == 0 ? (struct conc_select_case)CONC_RECV(chans[i], &value)
                              : (struct conc_select_case)CONC_SEND(chans[i], &value);
    }
    for (int i = 0; i < DRAWS; i++) {
        size_t chosen;
        if ((i % 3 ? conc_select(cases, READY, &chosen, NULL)
                   : conc_try_select(cases, READY, &chosen)) != 0)
            ck_abort_msg("draw %d", i);
        served[chosen]++;
        /* Put it back as it was. */
        if (chosen % 2 == 0)
            conc_chan_try_send(chans[chosen], &value);
        else
            conc_chan_try_recv(chans[chosen], &value);
    }
    double expected = (double)DRAWS / READY;
    double chi_square = 0;
    for (int i = 0; i < READY; i++)
        chi_square += ((double)served[i] - expected) * ((double)served[i] - expected) / expected;
    ck_assert_msg(chi_square < 29.9, "chi-square is %.1f", chi_square);
    ck_assert_msg(chi_square > 0.3, "chi-square is %.2f: a rota, not a draw", chi_square);
    for (int i = 0; i < READY; i++)
        conc_chan_destroy(chans[i]);
}
END_TEST

struct ring {
    struct conc_chan *left;
    struct conc_chan *right;
    long moved;
};

/* Sends left or receives right until both are closed. */
static void ring_member(void *arg)
{
    struct ring *ring = arg;
    int token = 1;
    for (;;) {
        struct conc_select_case cases[] = {
            CONC_SEND(ring->left, &token), CONC_RECV(ring->right, &token)};
        size_t chosen;
        if (conc_select(cases, 2, &chosen, NULL) != 0 || cases[chosen].rc != 0)
            return;
        ring->moved++;
    }
}

/* Selects over the same channels in different orders: locks taken in case order would deadlock. */
START_TEST(crossed_orders)
{
    struct conc_chan *a = make(0);
    struct conc_chan *b = make(0);
    struct ring members[4] = {{a, b, 0}, {b, a, 0}, {a, b, 0}, {b, a, 0}};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        unit_ok(conc_wait_group_go(&group, ring_member, &members[i]));
    conc_sleep(CONC_MS(50), NULL); /* runs for a while; nothing is ordered by it */
    unit_ok(conc_chan_close(a));
    unit_ok(conc_chan_close(b));
    unit_ok(conc_wait_group_wait(&group, NULL));
    long moved = 0;
    for (int i = 0; i < 4; i++)
        moved += members[i].moved;
    ck_assert_int_eq(moved % 2, 0); /* every send met a receive */
    ck_assert_int_gt(moved, 0);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(a);
    conc_chan_destroy(b);
}
END_TEST

int main(void)
{
    return unit_main("select_cases", arguments, no_cases, duplicates, both_directions,
        hundred_cases, closed_cases, losers_are_untouched, receive_into_null, fair_among_the_ready,
        crossed_orders);
}
