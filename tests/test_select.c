/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */
/* What is built on select: mux, cases that go first, first answer. Select itself:
 * test_select_cases.c. */
#include "tests/unit.h"

#include "select.h"
#include "sync/context.h"
#include "sync/wait_group.h"

enum { MAX_INS = 8 };

static struct conc_chan *chan(size_t capacity)
{
    struct conc_chan *ch;
    unit_ok(conc_chan_create(&ch, sizeof(int), capacity, NULL));
    return ch;
}

static void put(struct conc_chan *ch, int value)
{
    unit_ok(conc_chan_send(ch, &value, NULL));
}

/* ------------------------------------------------------------------ mux */

struct mux {
    struct conc_chan *ins[MAX_INS];
    size_t n;
    struct conc_chan *out;
    void (*drop)(void *);
    struct conc_context *ctx;
    int rc;
};

static void run_mux(void *arg)
{
    struct mux *mux = arg;
    mux->rc = conc_mux(mux->ins, mux->n, mux->out, mux->drop, mux->ctx);
    conc_chan_close(mux->out);
}

/* n channels as one: nothing lost, each channel's order kept; NULL channels are none. */
START_TEST(mux_merges)
{
    for (size_t n = 0; n <= MAX_INS; n++) {
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct mux mux = {.n = n, .out = chan(n % 3), .rc = -1};
        int next[MAX_INS] = {0}, value, count = 0, live = 0;
        for (size_t i = 0; i < n; i++) {
            if (i == 3)
                continue;
            live++;
            mux.ins[i] = chan(30);
            for (int k = 0; k < (int)i * 4; k++)
                put(mux.ins[i], (int)i * 100 + k);
            unit_ok(conc_chan_close(mux.ins[i]));
        }
        unit_ok(conc_wait_group_go(&group, run_mux, &mux));
        for (; conc_chan_recv(mux.out, &value, NULL) == 0; count++)
            ck_assert_int_eq(value % 100, next[value / 100]++);
        unit_ok(conc_wait_group_wait(&group, NULL));
        unit_ok(mux.rc);
        for (int i = 0; i < (int)n; i++)
            ck_assert_int_eq(next[i], i == 3 ? 0 : i * 4);
        for (size_t i = 0; i < n; i++)
            conc_chan_destroy(mux.ins[i]);
        conc_chan_destroy(mux.out);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

/* A busy input does not shut out a quiet one: both have elements at every draw. 400 draws at equal
 * chance: fewer than 120 of one side has a probability below 10^-15. */
START_TEST(mux_is_fair)
{
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct mux mux = {.ins = {chan(400), chan(400)}, .n = 2, .out = chan(0)};
    for (int i = 0; i < 400; i++) {
        put(mux.ins[0], 0);
        put(mux.ins[1], 1);
    }
    unit_ok(conc_chan_close(mux.ins[0]));
    unit_ok(conc_chan_close(mux.ins[1]));
    unit_ok(conc_wait_group_go(&group, run_mux, &mux));
    int from[2] = {0}, value;
    for (int i = 0; i < 400; i++) {
        unit_ok(conc_chan_recv(mux.out, &value, NULL));
        from[value]++;
    }
    ck_assert_int_ge(from[0], 120);
    ck_assert_int_ge(from[1], 120);
    while (conc_chan_recv(mux.out, &value, NULL) == 0)
        continue;
    unit_ok(conc_wait_group_wait(&group, NULL));
    conc_wait_group_destroy(&group);
    conc_chan_destroy(mux.ins[0]);
    conc_chan_destroy(mux.ins[1]);
    conc_chan_destroy(mux.out);
}
END_TEST

static _Atomic int dropped;

static void drop(void *element)
{
    dropped += *(int *)element;
}

/* Ended from outside while it waits to receive, and while it waits to send. */
START_TEST(mux_ends_early)
{
    for (int how = 0; how < 5; how++) {
        bool sending = how % 2 == 1, closes = how == 4, deadline = how >= 2 && !closes;
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct conc_context ctx;
        conc_context_with_timeout(&ctx, NULL, deadline ? CONC_MS(20) : CONC_FOREVER);
        struct mux mux = {
            .ins = {chan(1), chan(1)}, .n = 2, .out = chan(0), .drop = drop, .ctx = &ctx};
        dropped = 0;
        if (sending || closes)
            put(mux.ins[1], 5);
        unit_ok(conc_wait_group_go(&group, run_mux, &mux));
        if (!deadline) {
            unit_wait_until(conc_chan_len(mux.ins[1]) == 0);
            unit_wait_parked(1);
            if (closes)
                unit_ok(conc_chan_close(mux.out));
            else
                conc_context_cancel(&ctx);
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        unit_rc(mux.rc, closes ? EPIPE : deadline ? ETIMEDOUT : ECANCELED);
        /* Under a deadline the element may be where it was. */
        ck_assert_int_eq(dropped + 5 * (int)conc_chan_len(mux.ins[1]), sending || closes ? 5 : 0);
        conc_wait_group_destroy(&group);
        conc_context_destroy(&ctx);
        conc_chan_destroy(mux.ins[0]);
        conc_chan_destroy(mux.ins[1]);
        conc_chan_destroy(mux.out);
    }
}
END_TEST

/* A context that is done is noticed although there always is something to move. */
START_TEST(mux_notices_cancel_among_ready)
{
    struct mux mux = {.ins = {chan(2)}, .n = 1, .out = chan(2)};
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel(&ctx);
    put(mux.ins[0], 1);
    unit_rc(conc_mux(mux.ins, 1, mux.out, NULL, &ctx), ECANCELED);
    ck_assert_uint_eq(conc_chan_len(mux.ins[0]), 1);
    conc_context_destroy(&ctx);
    conc_chan_destroy(mux.ins[0]);
    conc_chan_destroy(mux.out);
}
END_TEST

START_TEST(mux_bad_arguments)
{
    struct conc_chan *wide, *ins[] = {chan(1)};
    unit_ok(conc_chan_create(&wide, 8, 1, NULL));
    unit_rc(conc_mux(NULL, 1, ins[0], NULL, NULL), EINVAL);
    unit_rc(conc_mux(ins, 1, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_mux(ins, 1, ins[0], NULL, NULL), EINVAL);
    unit_rc(conc_mux(ins, 1, wide, NULL, NULL), EINVAL);
    unit_ok(conc_mux(NULL, 0, wide, NULL, NULL));
    if (conc_fault_alloc_at(0) >= 0) {
        for (long k = 1; k <= 2; k++) {
            conc_fault_alloc_at(k);
            unit_rc(conc_mux(NULL, 0, wide, NULL, NULL), ENOMEM);
        }
        conc_fault_alloc_at(0);
    }
    conc_chan_destroy(ins[0]);
    conc_chan_destroy(wide);
}
END_TEST

/* ------------------------------------------------------------------ cases that go first */

START_TEST(first_cases_win)
{
    struct conc_chan *quit, *data = chan(1000);
    unit_ok(conc_chan_create(&quit, 0, 0, NULL));
    int value;
    struct conc_select_case cases[] = {CONC_RECV(quit, NULL), CONC_RECV(data, &value)};
    size_t chosen = 9;
    unit_rc(conc_try_select_first(cases, 1, 2, &chosen), EAGAIN);
    ck_assert_uint_eq(chosen, 9);
    for (int i = 0; i < 200; i++)
        put(data, i);
    for (int i = 0; i < 100; i++) {
        unit_ok(i % 2 ? conc_try_select_first(cases, 1, 2, &chosen)
                      : conc_select_first(cases, 1, 2, &chosen, NULL));
        ck_assert_uint_eq(chosen, 1);
        ck_assert_int_eq(value, i);
    }
    unit_ok(conc_chan_close(quit));
    for (int i = 0; i < 100; i++) { /* never the data, however much there is */
        unit_ok(i % 2 ? conc_try_select_first(cases, 1, 2, &chosen)
                      : conc_select_first(cases, 1, 2, &chosen, NULL));
        ck_assert_uint_eq(chosen, 0);
        unit_rc(cases[0].rc, EPIPE);
    }
    ck_assert_uint_eq(conc_chan_len(data), 100);
    conc_chan_destroy(quit);
    conc_chan_destroy(data);
}
END_TEST

START_TEST(first_cases_wait)
{
    struct conc_chan *quit = chan(0), *data = chan(0);
    int value;
    struct conc_select_case cases[] = {CONC_RECV(quit, &value), CONC_RECV(data, &value)};
    size_t chosen = 9;
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(2));
    unit_rc(conc_select_first(cases, 1, 2, &chosen, &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel(&ctx);
    for (size_t first = 0; first <= 2; first++)
        unit_rc(conc_select_first(cases, first, 2, &chosen, &ctx), ECANCELED);
    unit_rc(conc_select_first(cases, 3, 2, &chosen, &ctx), EINVAL);
    unit_rc(conc_try_select_first(cases, 3, 2, &chosen), EINVAL);
    unit_rc(conc_select_first(cases, 1, 2, NULL, NULL), EINVAL);
    ck_assert_uint_eq(chosen, 9);
    conc_context_destroy(&ctx);
    conc_chan_destroy(quit);
    conc_chan_destroy(data);
}
END_TEST

/* ------------------------------------------------------------------ first answer */

enum kind { ANSWERS, WAITS, FAILS, EXITS, ANSWERS_LATE };

struct asked {
    enum kind kind;
    int value;
    bool left;
};

static _Atomic int owned; /* results alive */

static int answer(void *result, void *arg, struct conc_context *ctx)
{
    struct asked *asked = arg;
    int rc = 0;
    ck_assert_int_eq(*(int *)result, 0);
    if (asked->kind == WAITS || asked->kind == ANSWERS_LATE)
        rc = conc_context_wait(ctx);
    if (asked->kind == ANSWERS_LATE)
        rc = 0; /* too late: it could not be stopped in time */
    if (asked->kind == FAILS)
        rc = asked->value;
    asked->left = true;
    if (asked->kind == EXITS)
        conc_task_exit();
    if (rc == 0) {
        *(int *)result = asked->value;
        owned++;
    }
    return rc;
}

static void disown(void *result)
{
    ck_assert_int_ne(*(int *)result, 0);
    owned--;
}

static int ask(struct asked *asked, size_t n, int *result, size_t *winner, struct conc_context *ctx)
{
    struct conc_question questions[64];
    for (size_t i = 0; i < n; i++)
        questions[i] = (struct conc_question){answer, &asked[i]};
    return conc_first_answer(questions, n, sizeof(int), result, winner, disown, ctx);
}

/* The one that answers wins, wherever it stands; all others have left when the call returns. */
START_TEST(one_answers)
{
    static const size_t sizes[] = {1, 2, 3, 20};
    conc_task_self();
    for (size_t s = 0; s < 4; s++)
        for (size_t fast = 0; fast < sizes[s]; fast += 1 + sizes[s] / 4) {
            struct asked asked[20] = {0};
            for (size_t i = 0; i < sizes[s]; i++)
                asked[i] = (struct asked){i == fast ? ANSWERS
                                          : i % 2   ? WAITS
                                                    : FAILS,
                    7 + (int)i, false};
            int result = 0;
            size_t winner = 99;
            unit_ok(ask(asked, sizes[s], &result, &winner, NULL));
            ck_assert_uint_eq(winner, fast);
            ck_assert_int_eq(result, 7 + (int)fast);
            for (size_t i = 0; i < sizes[s]; i++)
                ck_assert(asked[i].left);
            ck_assert_uint_eq(conc_census_count(), 1);
            ck_assert_int_eq(owned, 1);
            owned = 0;
        }
}
END_TEST

/* Answers that come too late, or that nobody asked for, are dropped. */
START_TEST(late_answers_are_dropped)
{
    struct asked asked[] = {
        {ANSWERS_LATE, 1, false}, {ANSWERS, 2, false}, {ANSWERS_LATE, 3, false}};
    int result = 0;
    unit_ok(ask(asked, 3, &result, NULL, NULL));
    ck_assert_int_eq(result, 2);
    ck_assert_int_eq(owned, 1);
    unit_ok(ask(asked, 3, NULL, NULL, NULL));
    ck_assert_int_eq(owned, 1);
    struct asked all[8];
    for (int i = 0; i < 8; i++)
        all[i] = (struct asked){ANSWERS, i + 1, false};
    unit_ok(ask(all, 8, &result, NULL, NULL));
    ck_assert_int_eq(owned, 2);
}
END_TEST

START_TEST(none_answers)
{
    struct asked asked[] = {{FAILS, ERANGE, false}, {FAILS, EDOM, false}, {EXITS, 0, false}};
    int result = 5;
    size_t winner = 9;
    unit_rc(ask(asked, 3, &result, &winner, NULL), ERANGE);
    unit_rc(ask(asked + 2, 1, &result, &winner, NULL), EOWNERDEAD);
    ck_assert_int_eq(result, 5);
    ck_assert_uint_eq(winner, 9);

    struct asked waiting[] = {{WAITS, 0, false}, {WAITS, 0, false}};
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(2));
    unit_rc(ask(waiting, 2, &result, &winner, &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel_cause(&ctx, EXDEV);
    unit_rc(ask(waiting, 2, &result, &winner, &ctx), ECANCELED);
    ck_assert(waiting[0].left && waiting[1].left);
    conc_context_destroy(&ctx);
}
END_TEST

START_TEST(first_answer_bad_arguments)
{
    struct conc_question none = {0}, question = {answer, &none};
    unit_rc(conc_first_answer(NULL, 1, 0, NULL, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_first_answer(&none, 1, 0, NULL, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_first_answer(&question, 0, 0, NULL, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_first_answer(&question, 1, SIZE_MAX, NULL, NULL, NULL, NULL), ENOMEM);
}
END_TEST

/* A start that fails half-way: those already asked are cancelled and leave, their answers are
 * ended. */
START_TEST(faults)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    long (*const fail_at[])(long) = {conc_fault_alloc_at, conc_fault_start_at};
    conc_task_self();
    for (int f = 0; f < 2; f++) {
        for (long k = 1;; k++) {
            struct asked asked[] = {
                {ANSWERS_LATE, 1, false}, {WAITS, 2, false}, {ANSWERS, 3, false}};
            int result = 0;
            owned = 0;
            fail_at[f](k);
            int rc = ask(asked, 3, &result, NULL, NULL);
            bool all_tried = fail_at[f](0) > 0;
            ck_assert_int_eq(result, rc == 0 ? 3 : 0);
            ck_assert_int_eq(owned, rc == 0);
            ck_assert_uint_eq(conc_census_count(), 1);
            if (all_tried)
                break;
            ck_assert(rc == ENOMEM || rc == EAGAIN);
        }
    }
}
END_TEST

int main(void)
{
    return unit_main("select", mux_merges, mux_is_fair, mux_ends_early,
        mux_notices_cancel_among_ready, mux_bad_arguments, first_cases_win, first_cases_wait,
        one_answers, late_answers_are_dropped, none_answers, first_answer_bad_arguments, faults);
}
