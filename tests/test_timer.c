/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/*
 * Sleep, timers, tickers. Nothing here asserts that something is fast: a moment must not come too
 * early, and how late it comes is the machine's affair.
 */

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/select.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- sleep */

static void matrix_init(void *state, const void *param)
{
    (void)state;
    (void)param;
}

static int sleep_long(void *state, struct conc_context *ctx)
{
    (void)state;
    return conc_sleep(CONC_S(1000), ctx);
}

static int sleep_until_late(void *state, struct conc_context *ctx)
{
    (void)state;
    return conc_sleep_until(CONC_FOREVER, ctx);
}

static void matrix_fini(void *state, int rc)
{
    (void)state;
    (void)rc;
}

START_TEST(matrix)
{
    struct wait_call call = {
        .name = "sleep", .size = 1, .init = matrix_init, .call = sleep_long, .fini = matrix_fini};
    wait_matrix_check(&call);
    call.name = "sleep until";
    call.call = sleep_until_late;
    wait_matrix_check(&call);
}
END_TEST

START_TEST(sleeps)
{
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, 0);
    int64_t begun = conc_now_ns();
    unit_ok(conc_sleep(CONC_MS(3), NULL));
    ck_assert_int_ge(conc_now_ns() - begun, CONC_MS(3));
    int64_t until = conc_now_ns() + CONC_MS(3);
    unit_ok(conc_sleep_until(until, NULL));
    ck_assert_int_ge(conc_now_ns(), until);
    /* What has passed returns at once, and wins over a context that is done. */
    unit_ok(conc_sleep(0, NULL));
    unit_ok(conc_sleep(-5, &ctx));
    unit_ok(conc_sleep(INT64_MIN, &ctx));
    unit_ok(conc_sleep_until(conc_now_ns(), &ctx));
    unit_ok(conc_sleep_until(0, &ctx));
    conc_context_destroy(&ctx);
    /* The sleep ends before the deadline does. */
    conc_context_with_timeout(&ctx, NULL, CONC_S(1000));
    unit_ok(conc_sleep(CONC_MS(2), &ctx));
    conc_context_destroy(&ctx);
}
END_TEST

/* ---------------------------------------------------------------- timers */

START_TEST(fires_once)
{
    struct conc_timer *timer;
    int64_t begun = conc_now_ns();
    int64_t fired = -1;
    unit_rc(conc_timer_create(NULL, 1), EINVAL);
    unit_ok(conc_timer_create(&timer, CONC_MS(5)));
    struct conc_chan *ch = conc_timer_chan(timer);
    ck_assert_ptr_eq(conc_timer_chan(timer), ch);
    ck_assert_uint_eq(conc_chan_cap(ch), 1);
    unit_ok(conc_chan_recv(ch, &fired, NULL));
    ck_assert_int_ge(fired, begun + CONC_MS(5));
    ck_assert_int_le(fired, conc_now_ns());
    ck_assert(!conc_timer_stop(timer)); /* it has fired */
    unit_rc(conc_chan_try_recv(ch, &fired), EAGAIN);
    conc_timer_destroy(timer);
    conc_timer_destroy(NULL);
}
END_TEST

START_TEST(fires_at_once)
{
    const int64_t spans[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        struct conc_timer *timer;
        int64_t fired = -1;
        int64_t begun = conc_now_ns();
        unit_ok(conc_timer_create(&timer, spans[i]));
        unit_ok(conc_chan_recv(conc_timer_chan(timer), &fired, NULL));
        ck_assert_int_ge(fired, begun);
        conc_timer_destroy(timer);
    }
}
END_TEST

START_TEST(many_in_their_order)
{
    enum { TIMERS = 40 };
    struct conc_timer *timers[TIMERS];
    int64_t begun = conc_now_ns();
    for (int i = 0; i < TIMERS; i++) /* 7 i mod 40: not in the order of their time */
        unit_ok(conc_timer_create(&timers[i * 7 % TIMERS], CONC_MS(5 + i * 7 % TIMERS)));
    for (int i = 0; i < TIMERS; i++) {
        int64_t fired = -1;
        unit_ok(conc_chan_recv(conc_timer_chan(timers[i]), &fired, NULL));
        ck_assert_int_ge(fired, begun + CONC_MS(5 + i));
        conc_timer_destroy(timers[i]);
    }
}
END_TEST

START_TEST(stop_and_reset)
{
    struct conc_timer *timer;
    int64_t fired = -1;
    unit_ok(conc_timer_create(&timer, CONC_S(1000)));
    struct conc_chan *ch = conc_timer_chan(timer);
    ck_assert(conc_timer_stop(timer));
    ck_assert(!conc_timer_stop(timer));

    /* Earlier than before: the sleeper behind the timers must take notice. */
    int64_t begun = conc_now_ns();
    unit_ok(conc_timer_reset(timer, CONC_MS(3)));
    unit_ok(conc_chan_recv(ch, &fired, NULL));
    ck_assert_int_ge(fired, begun + CONC_MS(3));

    /* A stale time is taken back by stop, ... */
    unit_ok(conc_timer_reset(timer, 0));
    unit_wait_until(conc_chan_len(ch) == 1);
    ck_assert(!conc_timer_stop(timer)); /* it had fired */
    unit_rc(conc_chan_try_recv(ch, &fired), EAGAIN);

    /* ... and by reset: what comes is the new time. */
    unit_ok(conc_timer_reset(timer, 0));
    unit_wait_until(conc_chan_len(ch) == 1);
    begun = conc_now_ns();
    unit_ok(conc_timer_reset(timer, CONC_MS(3)));
    unit_ok(conc_chan_recv(ch, &fired, NULL));
    ck_assert_int_ge(fired, begun + CONC_MS(3));

    /* Reset of one that runs moves it. */
    unit_ok(conc_timer_reset(timer, CONC_S(1000)));
    unit_ok(conc_timer_reset(timer, CONC_S(2000)));
    ck_assert(conc_timer_stop(timer));
    unit_rc(conc_chan_try_recv(ch, &fired), EAGAIN);
    conc_timer_destroy(timer);

    /* Destroyed while it runs, and with a time nobody received. */
    unit_ok(conc_timer_create(&timer, CONC_S(1000)));
    conc_timer_destroy(timer);
    unit_ok(conc_timer_create(&timer, 0));
    unit_wait_until(conc_chan_len(conc_timer_chan(timer)) == 1);
    conc_timer_destroy(timer);
}
END_TEST

/* Stop and the firing meet: afterwards there is nothing to receive, every time. */
START_TEST(stop_against_firing)
{
    struct conc_timer *timer;
    size_t rounds = unit_scaled(2000);
    unit_ok(conc_timer_create(&timer, 0));
    for (size_t i = 0; i < rounds; i++) {
        int64_t stale;
        if (conc_timer_reset(timer, (int64_t)(i % 60) * 1000) != 0)
            ck_abort_msg("reset");
        if (i % 2)
            conc_yield();
        conc_timer_stop(timer);
        if (conc_chan_try_recv(conc_timer_chan(timer), &stale) != EAGAIN)
            ck_abort_msg("round %zu: a time was received after stop", i);
    }
    conc_timer_destroy(timer);
}
END_TEST

/* ---------------------------------------------------------------- tickers */

START_TEST(ticks)
{
    struct conc_timer *ticker;
    int64_t before = conc_now_ns();
    unit_rc(conc_ticker_create(NULL, 1), EINVAL);
    unit_rc(conc_ticker_create(&ticker, 0), EINVAL);
    unit_rc(conc_ticker_create(&ticker, -1), EINVAL);
    unit_ok(conc_ticker_create(&ticker, CONC_MS(2)));
    for (int i = 1; i <= 5; i++) {
        int64_t fired = -1;
        unit_ok(conc_chan_recv(conc_timer_chan(ticker), &fired, NULL));
        ck_assert_int_ge(fired, before + CONC_MS(2) * i);
    }
    unit_rc(conc_timer_reset(ticker, 0), EINVAL);
    unit_rc(conc_timer_reset(ticker, -1), EINVAL);
    ck_assert(conc_timer_stop(ticker));
    int64_t fired = -1;
    unit_rc(conc_chan_try_recv(conc_timer_chan(ticker), &fired), EAGAIN);

    /* Stopped is stopped: over several periods nothing comes. */
    int64_t later = conc_deadline_after(CONC_MS(10));
    unit_wait_until(conc_now_ns() > later);
    unit_rc(conc_chan_try_recv(conc_timer_chan(ticker), &fired), EAGAIN);

    before = conc_now_ns();
    unit_ok(conc_timer_reset(ticker, CONC_MS(3)));
    for (int i = 1; i <= 2; i++) {
        unit_ok(conc_chan_recv(conc_timer_chan(ticker), &fired, NULL));
        ck_assert_int_ge(fired, before + CONC_MS(3) * i);
    }
    conc_timer_destroy(ticker);
}
END_TEST

/* A slow receiver finds one tick, not a pile of them. */
START_TEST(slow_receiver)
{
    struct conc_timer *ticker;
    int64_t first = -1;
    int64_t second = -1;
    unit_ok(conc_ticker_create(&ticker, CONC_MS(1)));
    unit_wait_until(conc_chan_len(conc_timer_chan(ticker)) == 1);
    int64_t later = conc_deadline_after(CONC_MS(30));
    unit_wait_until(conc_now_ns() > later);
    ck_assert_uint_eq(conc_chan_len(conc_timer_chan(ticker)), 1);
    int64_t now = conc_now_ns();
    unit_ok(conc_chan_recv(conc_timer_chan(ticker), &first, NULL));
    unit_ok(conc_chan_recv(conc_timer_chan(ticker), &second, NULL));
    ck_assert_int_le(first, now); /* an old one, the first that was not received, */
    ck_assert_int_gt(second, first + CONC_MS(10)); /* then a new one: those between are gone */
    conc_timer_destroy(ticker);
}
END_TEST

START_TEST(in_a_select)
{
    struct conc_timer *timer;
    struct conc_timer *ticker;
    int64_t at;
    int seen = 0;
    unit_ok(conc_ticker_create(&ticker, CONC_MS(2)));
    unit_ok(conc_timer_create(&timer, CONC_MS(15)));
    for (bool over = false; !over;) {
        struct conc_select_case cases[] = {
            CONC_RECV(conc_timer_chan(ticker), &at), CONC_RECV(conc_timer_chan(timer), &at)};
        size_t chosen;
        unit_ok(conc_select(cases, 2, &chosen, NULL));
        unit_ok(cases[chosen].rc);
        over = chosen == 1;
        seen += !over;
    }
    ck_assert_int_le(seen, 100);
    conc_timer_destroy(timer);
    conc_timer_destroy(ticker);
}
END_TEST

int main(void)
{
    return unit_main("timer", matrix, sleeps, fires_once, fires_at_once, many_in_their_order,
        stop_and_reset, stop_against_firing, ticks, slow_receiver, in_a_select);
}
