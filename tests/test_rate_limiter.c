/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <math.h>
#include <stdatomic.h>

#include "rate_limiter.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* Nearly all tests tell the limiter the time, so they are exact and take none. */

static void begin(struct conc_rate_limiter *limiter, double rate, int64_t burst)
{
    conc_task_self(); /* a task already: the short ways are open to it */
    unit_ok(conc_rate_limiter_init(limiter, rate, burst));
}

/* The time at which n more tokens may be used, reserved at now. */
static int64_t reserve(struct conc_rate_limiter *limiter, int64_t n, int64_t now_ns)
{
    struct conc_reservation r;
    unit_ok(conc_rate_limiter_reserve_at_time(limiter, n, &r, now_ns));
    return r.act_ns;
}

/* ---------------------------------------------------------------- the matrix */

/* Without a rate there is no time to wait for: a waiter sleeps until the rate changes. */
static void matrix_init(void *state, const void *param)
{
    (void)param;
    unit_ok(conc_rate_limiter_init(state, 0, 1));
    ck_assert(conc_rate_limiter_allow(state, 1));
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    return conc_rate_limiter_wait((struct conc_rate_limiter *)state, 1, ctx);
}

static int matrix_try(void *state)
{
    return conc_rate_limiter_try_wait(state, 1);
}

static void matrix_ready(void *state, bool waiting)
{
    (void)waiting;
    unit_ok(conc_rate_limiter_set_rate(state, CONC_RATE_INFINITE));
}

static void matrix_fini(void *state, int rc)
{
    if (rc != 0)
        ck_assert(conc_rate_limiter_tokens(state) == 0);
    conc_rate_limiter_destroy(state);
}

START_TEST(matrix)
{
    const struct wait_call call = {.name = "rate limiter",
        .size = sizeof(struct conc_rate_limiter),
        .init = matrix_init,
        .call = matrix_call,
        .try_call = matrix_try,
        .ready = matrix_ready,
        .ready_is_kept = true,
        .fini = matrix_fini};
    wait_matrix_check(&call);
}
END_TEST

/* ---------------------------------------------------------------- the line of tokens */

/* 5 per second, 5 at once, 20 requests: five now, then one every 200 ms. */
START_TEST(five_per_second)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 5, 5);
    const int64_t now = 123456789;
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(reserve(&limiter, 1, now), now + (i < 5 ? 0 : (i - 4) * CONC_MS(200)));
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, now) == -15);
    /* When the last has acted the bucket fills, and no fuller than the burst. */
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, now + CONC_S(3)) == 0);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, now + CONC_S(60)) == 5);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

START_TEST(allow_to_the_nanosecond)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 5, 2);
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 2, 0));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, 0));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, 199999999));
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, 200000000));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, 399999999));
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, 400000000));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 2, 799999999));
    unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, 2, 799999999), EAGAIN);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, 2, 800000000));
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* A rate whose interval is no whole number of nanoseconds: the error of a time is below one
 * nanosecond, and does not add up over a million of them. */
START_TEST(does_not_drift)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 3, 1);
    ck_assert_int_eq(reserve(&limiter, 1, 0), 0);
    for (int64_t i = 1; i <= (int64_t)unit_scaled(1000000); i++) {
        int64_t exact = (i * 1000000000 + 2) / 3; /* rounded up */
        if (reserve(&limiter, 1, 0) != exact)
            ck_abort_msg("token %" PRId64 " is not at %" PRId64, i, exact);
    }
    conc_rate_limiter_destroy(&limiter);

    /* The same when somebody looks at the bucket between any two. */
    begin(&limiter, 3, 1);
    ck_assert_int_eq(reserve(&limiter, 1, 0), 0);
    for (int64_t i = 1; i <= (int64_t)unit_scaled(300000); i++) {
        int64_t exact = (i * 1000000000 + 2) / 3;
        conc_rate_limiter_tokens_at_time(&limiter, exact - 123456789);
        if (reserve(&limiter, 1, exact - 77777777) != exact)
            ck_abort_msg("token %" PRId64 " is not at %" PRId64, i, exact);
    }
    conc_rate_limiter_destroy(&limiter);

    /* 1000 per second, asked for every 7777 ns. With a burst of 10 nothing is lost; with a burst of
     * 1 each token's time is met up to 7777 ns late, and the bucket is full until then. */
    int64_t span = (int64_t)unit_scaled(100) * CONC_MS(100);
    int64_t tokens = span / CONC_MS(1);
    for (int64_t burst = 1; burst <= 10; burst += 9) {
        begin(&limiter, 1000, burst);
        int64_t allowed = 0;
        for (int64_t now = 0; now <= span; now += 7777)
            allowed += conc_rate_limiter_allow_at_time(&limiter, 1, now);
        ck_assert_int_le(allowed, tokens + burst);
        ck_assert_int_ge(allowed, burst == 1 ? tokens - tokens / 100 : tokens + burst - 1);
        conc_rate_limiter_destroy(&limiter);
    }
}
END_TEST

/* No span of time passes more than burst + rate × span, whatever is asked for and when. */
START_TEST(no_span_passes_more)
{
    enum { EVENTS = 300 };
    static int64_t at[EVENTS];
    static int64_t n[EVENTS];
    uint64_t random = unit_seed();
    for (int round = 0; round < 40; round++) {
        double rate = (double)(conc_splitmix64(&random) % 5000 + 1) / 7;
        int64_t burst = (int64_t)(conc_splitmix64(&random) % 20) + 1;
        struct conc_rate_limiter limiter;
        begin(&limiter, rate, burst);
        int64_t now = (int64_t)(conc_splitmix64(&random) >> 3);
        for (int i = 0; i < EVENTS; i++) {
            now += (int64_t)(conc_splitmix64(&random) % 20000000);
            n[i] = (int64_t)(conc_splitmix64(&random) % (uint64_t)burst) + 1;
            at[i] = now;
            if (conc_splitmix64(&random) % 2)
                at[i] = reserve(&limiter, n[i], now);
            else if (!conc_rate_limiter_allow_at_time(&limiter, n[i], now))
                n[i] = 0;
        }
        for (int i = 0; i < EVENTS; i++) {
            double passed = 0;
            for (int j = i; j < EVENTS; j++) {
                passed += (double)n[j];
                double most = (double)burst + rate * (double)(at[j] - at[i]) / 1e9;
                if (n[i] > 0 && n[j] > 0 && passed > most + 1e-6)
                    ck_abort_msg(
                        "rate %g burst %" PRId64 ": %g passed, %g may", rate, burst, passed, most);
            }
        }
        conc_rate_limiter_destroy(&limiter);
    }
}
END_TEST

/* A bucket that says it is full grants all of it, although 1 / interval has been rounded. */
START_TEST(full_is_full)
{
    for (int64_t interval_ns = 1; interval_ns < 2000; interval_ns++) {
        struct conc_rate_limiter limiter;
        begin(&limiter, conc_rate_every(interval_ns), 5);
        ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, 0));
        unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, 5, interval_ns - 1), EAGAIN);
        unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, 5, interval_ns));
        conc_rate_limiter_destroy(&limiter);
    }
    struct conc_rate_limiter limiter;
    const int64_t burst = 8642234;
    begin(&limiter, 0.97533283406986337, burst);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, 769, 0));
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, 788448797310) == (double)burst);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, burst, 788448797310));
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* Nor is there more than the burst where a double has no room for one more token; and what is
 * refused because it can never be leaves no trace. */
START_TEST(more_than_the_burst)
{
    struct conc_rate_limiter limiter;
    const int64_t burst = INT64_C(1) << 53; /* a double cannot tell it from one more */
    begin(&limiter, 0, burst);
    unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, burst + 1, 0), EMSGSIZE);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, burst, 0));
    conc_rate_limiter_destroy(&limiter);

    begin(&limiter, 0, burst - 7);
    for (int i = 0; i < 3; i++)
        unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, 1, 0));
    unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, burst - 7, 0), EAGAIN);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, burst - 10, 0));
    conc_rate_limiter_destroy(&limiter);

    begin(&limiter, 1e9, 2);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, 2, 0));
    unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, 3, 100), EMSGSIZE);
    unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, 2, 1), EAGAIN); /* 100 was never seen */
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* Time that goes back (two tasks that read the clock, and take the lock in the other order) makes
 * no tokens, and going forward again does not make the same ones twice. */
START_TEST(time_going_back)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 1, 1);
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(10)));
    for (int i = 0; i < 5; i++) {
        ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(5)));
        ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(10) + CONC_MS(900)));
    }
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(11)));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(11)));
    conc_rate_limiter_destroy(&limiter);

    /* The whole axis, and sums beyond its end. */
    begin(&limiter, 1, 1);
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, INT64_MIN + 1));
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, INT64_MAX - 1));
    struct conc_reservation r;
    unit_rc(conc_rate_limiter_reserve_at_time(&limiter, 1, &r, INT64_MAX - 1), EBUSY);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* ---------------------------------------------------------------- every rate is legal */

START_TEST(rate_zero)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 0, 3);
    struct conc_reservation r;
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 2, 0));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 2, CONC_S(1000000)));
    unit_rc(conc_rate_limiter_reserve_at_time(&limiter, 2, &r, CONC_S(1000000)), EBUSY);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, INT64_MAX) == 1);
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, INT64_MAX));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, INT64_MAX));
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

START_TEST(rate_infinite)
{
    for (int64_t burst = 0; burst < 2; burst++) {
        struct conc_rate_limiter limiter;
        begin(&limiter, CONC_RATE_INFINITE, burst);
        struct conc_reservation r;
        ck_assert(conc_rate_limiter_allow_at_time(&limiter, INT64_MAX, 0));
        unit_ok(conc_rate_limiter_reserve_at_time(&limiter, INT64_MAX, &r, 7));
        ck_assert_int_eq(r.act_ns, 7);
        ck_assert_int_eq(conc_reservation_cancel_at_time(&r, 7), 0); /* nothing was taken */
        unit_ok(conc_rate_limiter_wait(&limiter, 1000000, NULL));
        conc_rate_limiter_destroy(&limiter);
    }
    /* No arithmetic with the infinite leaves no number behind: at the very moment, and later. */
    for (int64_t later = 0; later < 2; later++) {
        struct conc_rate_limiter limiter;
        begin(&limiter, CONC_RATE_INFINITE, 4);
        ck_assert(conc_rate_limiter_allow_at_time(&limiter, 100, 50));
        unit_ok(conc_rate_limiter_set_rate_at_time(&limiter, 1, 50 + later));
        ck_assert(conc_rate_limiter_tokens_at_time(&limiter, 50 + later) == 4);
        unit_ok(conc_rate_limiter_set_rate_at_time(&limiter, CONC_RATE_INFINITE, 50 + later));
        ck_assert(conc_rate_limiter_tokens_at_time(&limiter, 50 + later) == 4);
        conc_rate_limiter_destroy(&limiter);
    }
}
END_TEST

START_TEST(rate_tiny)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 1e-10, 1); /* one in 317 years */
    struct conc_reservation r;
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, 0));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, INT64_MAX)); /* 292 years */
    unit_rc(conc_rate_limiter_reserve_at_time(&limiter, 1, &r, 0), EBUSY);
    double tokens = conc_rate_limiter_tokens_at_time(&limiter, INT64_MAX);
    ck_assert(tokens > 0.92 && tokens < 0.93);
    conc_rate_limiter_destroy(&limiter);

    begin(&limiter, 1e-9, 1);
    ck_assert_int_eq(reserve(&limiter, 1, 0), 0);
    ck_assert_int_eq(reserve(&limiter, 1, 0), INT64_C(1000000000000000000));
    conc_rate_limiter_destroy(&limiter);
    begin(&limiter, 5e-324, 1);
    ck_assert_int_eq(reserve(&limiter, 1, 0), 0);
    unit_rc(conc_rate_limiter_reserve_at_time(&limiter, 1, &r, 0), EBUSY);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

START_TEST(rate_huge)
{
    const int64_t second = 2000000000; /* tokens per second: two per nanosecond */
    struct conc_rate_limiter limiter;
    begin(&limiter, 2e9, second);
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, second, 0));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, 0));
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 2, 1));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, 1));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, second, CONC_S(1)));
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, second - 2, CONC_S(1)));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(1)));
    conc_rate_limiter_destroy(&limiter);

    begin(&limiter, 2e9, 1); /* times are rounded up, their sum is not */
    for (int64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(reserve(&limiter, 1, 0), (i + 1) / 2);
    conc_rate_limiter_destroy(&limiter);

    begin(&limiter, 1e300, 5);
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 5, 0));
    ck_assert_int_le(reserve(&limiter, 1, 0), 1);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

START_TEST(rate_of_an_interval)
{
    ck_assert(conc_rate_every(CONC_MS(200)) == 5);
    ck_assert(conc_rate_every(1) == 1e9);
    ck_assert(conc_rate_every(0) == CONC_RATE_INFINITE);
    ck_assert(conc_rate_every(-1) == CONC_RATE_INFINITE);
    ck_assert(conc_rate_every(CONC_FOREVER) > 0);
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_rate_limiter limiter;
    struct conc_reservation r = {.n = 77};
    unit_rc(conc_rate_limiter_init(NULL, 1, 1), EINVAL);
    unit_rc(conc_rate_limiter_init(&limiter, -1, 1), EINVAL);
    unit_rc(conc_rate_limiter_init(&limiter, (double)NAN, 1), EINVAL);
    unit_rc(conc_rate_limiter_init(&limiter, -CONC_RATE_INFINITE, 1), EINVAL);
    unit_rc(conc_rate_limiter_init(&limiter, 1, -1), EINVAL);

    begin(&limiter, 1, 3);
    unit_rc(conc_rate_limiter_wait(NULL, 1, NULL), EINVAL);
    unit_rc(conc_rate_limiter_wait(&limiter, -1, NULL), EINVAL);
    unit_rc(conc_rate_limiter_wait(&limiter, 4, NULL), EMSGSIZE); /* could never be */
    unit_rc(conc_rate_limiter_try_wait(NULL, 1), EINVAL);
    unit_rc(conc_rate_limiter_try_wait(&limiter, -1), EINVAL);
    unit_rc(conc_rate_limiter_try_wait(&limiter, 4), EMSGSIZE);
    unit_rc(conc_rate_limiter_reserve(NULL, 1, &r), EINVAL);
    unit_rc(conc_rate_limiter_reserve(&limiter, 1, NULL), EINVAL);
    unit_rc(conc_rate_limiter_reserve(&limiter, -1, &r), EINVAL);
    unit_rc(conc_rate_limiter_reserve(&limiter, 4, &r), EMSGSIZE);
    ck_assert_int_eq(r.n, 77); /* untouched */
    ck_assert(!conc_rate_limiter_allow(&limiter, -1));
    ck_assert(!conc_rate_limiter_allow(&limiter, 4));
    ck_assert(!conc_rate_limiter_allow(NULL, 1));
    unit_rc(conc_rate_limiter_set_rate(&limiter, -1), EINVAL);
    unit_rc(conc_rate_limiter_set_rate(&limiter, (double)NAN), EINVAL);
    unit_rc(conc_rate_limiter_set_rate(NULL, 1), EINVAL);
    unit_rc(conc_rate_limiter_set_burst(&limiter, -1), EINVAL);
    unit_rc(conc_rate_limiter_set_burst(NULL, 1), EINVAL);
    ck_assert(conc_rate_limiter_tokens(&limiter) == 3);
    ck_assert(conc_rate_limiter_rate(&limiter) == 1);
    ck_assert_int_eq(conc_rate_limiter_burst(&limiter), 3);
    conc_rate_limiter_destroy(&limiter);

    /* Nothing is always there, and a burst of 0 lets nothing else pass. */
    begin(&limiter, 5, 0);
    ck_assert(conc_rate_limiter_allow(&limiter, 0));
    unit_ok(conc_rate_limiter_wait(&limiter, 0, NULL));
    unit_rc(conc_rate_limiter_wait(&limiter, 1, NULL), EMSGSIZE);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* ---------------------------------------------------------------- reservations */

START_TEST(delays)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 10, 1);
    struct conc_reservation a, b;
    unit_ok(conc_rate_limiter_reserve_at_time(&limiter, 1, &a, 0));
    unit_ok(conc_rate_limiter_reserve_at_time(&limiter, 1, &b, CONC_MS(30)));
    ck_assert_int_eq(conc_reservation_delay_at_time(&a, 0), 0);
    ck_assert_int_eq(conc_reservation_delay_at_time(&b, CONC_MS(30)), CONC_MS(70));
    ck_assert_int_eq(conc_reservation_delay_at_time(&b, CONC_MS(99)), CONC_MS(1));
    ck_assert_int_eq(conc_reservation_delay_at_time(&b, CONC_MS(100)), 0);
    ck_assert_int_eq(conc_reservation_delay_at_time(&b, CONC_MS(500)), 0);
    ck_assert_int_eq(conc_reservation_delay_at_time(&b, INT64_MIN), INT64_MAX);
    conc_rate_limiter_destroy(&limiter);

    begin(&limiter, 1.0 / 3600, 1);
    unit_ok(conc_rate_limiter_reserve(&limiter, 1, &a));
    unit_ok(conc_rate_limiter_reserve(&limiter, 1, &b));
    ck_assert_int_eq(conc_reservation_delay(&a), 0);
    ck_assert_int_gt(conc_reservation_delay(&b), CONC_S(3000));
    ck_assert_int_eq(conc_reservation_cancel(&b), 1);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

START_TEST(cancel_gives_back)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 10, 5);
    struct conc_reservation r[4];

    /* The last one: all of it, and the next gets its time. */
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 5, 0));
    unit_ok(conc_rate_limiter_reserve_at_time(&limiter, 3, &r[0], 0));
    ck_assert_int_eq(r[0].act_ns, CONC_MS(300));
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[0], 0), 3);
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[0], 0), 0); /* once */
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, 0) == 0);

    /* One with others behind it: what they count on does not go back. */
    for (int i = 0; i < 4; i++)
        unit_ok(conc_rate_limiter_reserve_at_time(&limiter, i == 1 ? 4 : 1, &r[i], 0));
    ck_assert_int_eq(r[3].act_ns, CONC_MS(700));
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[0], 0), 0); /* 6 behind */
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[1], 0), 2); /* 4, 2 behind */
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, 0) == -5);
    /* From the end backwards each is the last. */
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[3], 0), 1);
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[2], 0), 1);
    conc_rate_limiter_destroy(&limiter);

    /* Its time has passed: it may have been used. At its time to the nanosecond it can go back. */
    for (int64_t late = 0; late < 2; late++) {
        begin(&limiter, 10, 1);
        ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, 0));
        unit_ok(conc_rate_limiter_reserve_at_time(&limiter, 1, &r[0], 0));
        ck_assert_int_eq(conc_reservation_cancel_at_time(&r[0], CONC_MS(100) + late), late ? 0 : 1);
        ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, CONC_MS(100) + late) == !late);
        conc_rate_limiter_destroy(&limiter);
    }

    /* What goes back never makes the bucket fuller than the burst. */
    begin(&limiter, 10, 5);
    unit_ok(conc_rate_limiter_reserve_at_time(&limiter, 5, &r[0], CONC_S(1)));
    unit_ok(conc_rate_limiter_set_burst_at_time(&limiter, 2, CONC_S(1)));
    ck_assert_int_eq(conc_reservation_cancel_at_time(&r[0], CONC_S(1)), 5);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, CONC_S(1)) == 2);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* ---------------------------------------------------------------- changes at run time */

START_TEST(set_rate)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 10, 4);
    struct conc_reservation r;
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 4, 0));
    unit_ok(conc_rate_limiter_reserve_at_time(&limiter, 1, &r, 0));
    /* Half a token has flowed in at the old rate; the new one holds from there. */
    unit_ok(conc_rate_limiter_set_rate_at_time(&limiter, 100, CONC_MS(50)));
    ck_assert(conc_rate_limiter_rate(&limiter) == 100);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, CONC_MS(50)) == -0.5);
    ck_assert_int_eq(reserve(&limiter, 1, CONC_MS(50)), CONC_MS(65));
    ck_assert_int_eq(r.act_ns, CONC_MS(100)); /* a promise made is kept */
    unit_ok(conc_rate_limiter_set_rate_at_time(&limiter, 0, CONC_MS(75)));
    ck_assert(conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(9)));
    ck_assert(!conc_rate_limiter_allow_at_time(&limiter, 1, CONC_S(9)));
    unit_ok(conc_rate_limiter_set_rate_at_time(&limiter, 1, CONC_S(10)));
    ck_assert_int_eq(reserve(&limiter, 1, CONC_S(10)), CONC_S(11));
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

START_TEST(set_burst)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 10, 4);
    /* More room is not more tokens. */
    unit_ok(conc_rate_limiter_set_burst_at_time(&limiter, 8, 0));
    ck_assert_int_eq(conc_rate_limiter_burst(&limiter), 8);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, 0) == 4);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, CONC_MS(400)) == 8);
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, CONC_MS(900)) == 8);
    /* Less room is fewer at once. */
    unit_ok(conc_rate_limiter_set_burst_at_time(&limiter, 3, CONC_S(1)));
    ck_assert(conc_rate_limiter_tokens_at_time(&limiter, CONC_S(1)) == 3);
    unit_rc(conc_rate_limiter_try_wait_at_time(&limiter, 4, CONC_S(1)), EMSGSIZE);
    unit_ok(conc_rate_limiter_try_wait_at_time(&limiter, 3, CONC_S(1)));
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* ---------------------------------------------------------------- waiting on the real clock */

/* Never too early; that it is not too late only a loaded machine can break. */
START_TEST(waits_its_turn)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 1000, 2);
    int64_t begun = conc_now_ns();
    for (int i = 0; i < 12; i++)
        unit_ok(conc_rate_limiter_wait(&limiter, 1, NULL));
    ck_assert_int_ge(conc_now_ns() - begun, CONC_MS(10));
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* A deadline that comes before the turn: known at once, and nothing is taken. */
START_TEST(waiting_in_vain)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 1.0 / 3600, 1);
    struct conc_context ctx;
    ck_assert(conc_rate_limiter_allow(&limiter, 1));
    conc_context_with_timeout(&ctx, NULL, CONC_S(600));
    unit_rc(conc_rate_limiter_wait(&limiter, 1, &ctx), ETIMEDOUT);
    ck_assert_int_eq(conc_context_error(&ctx), 0);
    ck_assert(conc_rate_limiter_tokens(&limiter) >= 0);
    conc_context_cancel(&ctx);
    unit_rc(conc_rate_limiter_wait(&limiter, 1, &ctx), ECANCELED);
    conc_context_destroy(&ctx);

    /* Tokens that are there win over a context that is done. */
    unit_ok(conc_rate_limiter_set_rate(&limiter, CONC_RATE_INFINITE));
    unit_ok(conc_rate_limiter_set_rate(&limiter, 1.0 / 3600));
    conc_context_with_timeout(&ctx, NULL, 0);
    unit_ok(conc_rate_limiter_wait(&limiter, 1, &ctx));
    unit_rc(conc_rate_limiter_wait(&limiter, 1, &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

struct waiter {
    struct conc_rate_limiter *limiter;
    struct conc_context *ctx;
    int rc;
};

static void wait_one(void *arg)
{
    struct waiter *w = arg;
    w->rc = conc_rate_limiter_wait(w->limiter, 1, w->ctx);
}

/* A waiter sleeps for an hour: nobody else is held up by it, and its token comes back when it gives
 * up. (The published limiter slept with its lock held.) */
START_TEST(sleeps_without_the_lock)
{
    struct conc_rate_limiter limiter;
    begin(&limiter, 1.0 / 3600, 1);
    struct conc_context ctx;
    struct conc_task *task;
    ck_assert(conc_rate_limiter_allow(&limiter, 1));
    conc_context_with_cancel(&ctx, NULL);
    struct waiter waiter = {&limiter, &ctx, -1};
    unit_ok(conc_task_start(&task, wait_one, &waiter));
    unit_wait_parked(1);
    ck_assert(conc_rate_limiter_tokens(&limiter) < -0.5);
    ck_assert(!conc_rate_limiter_allow(&limiter, 1));
    unit_ok(conc_rate_limiter_set_burst(&limiter, 2));
    conc_context_cancel(&ctx);
    conc_task_join(task);
    unit_rc(waiter.rc, ECANCELED);
    ck_assert(conc_rate_limiter_tokens(&limiter) >= 0);
    conc_context_destroy(&ctx);
    conc_rate_limiter_destroy(&limiter);
}
END_TEST

/* Those who wait without a time get one when there is a rate again. */
START_TEST(rate_comes_back)
{
    enum { WAITERS = 4 };
    struct conc_rate_limiter limiter;
    begin(&limiter, 0, 2);
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct waiter waiters[WAITERS];
    ck_assert(conc_rate_limiter_allow(&limiter, 2));
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){&limiter, NULL, -1};
        unit_ok(conc_wait_group_go(&group, wait_one, &waiters[i]));
    }
    unit_wait_parked(WAITERS);
    unit_ok(conc_rate_limiter_set_burst(&limiter, 3)); /* no help: they wait again */
    unit_wait_parked(WAITERS);
    unit_ok(conc_rate_limiter_set_rate(&limiter, 1000));
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = 0; i < WAITERS; i++)
        unit_ok(waiters[i].rc);
    conc_rate_limiter_destroy(&limiter);
    conc_wait_group_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- many tasks */

enum { TASKS = 8, EACH = 500 };

struct taker {
    struct conc_rate_limiter *limiter;
    long allowed;
    int64_t times[EACH];
};

static void take(void *arg)
{
    struct taker *t = arg;
    for (int i = 0; i < EACH; i++) {
        struct conc_reservation r;
        t->allowed += conc_rate_limiter_allow_at_time(t->limiter, 1, 0);
        if (conc_rate_limiter_reserve_at_time(t->limiter, 1, &r, 0) != 0)
            abort();
        t->times[i] = r.act_ns;
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All at the same moment: every token goes to one of them, every moment to one. */
START_TEST(no_token_twice)
{
    enum { BURST = 100 };
    static struct taker takers[TASKS];
    static int64_t times[TASKS * EACH];
    struct conc_rate_limiter limiter;
    begin(&limiter, 1000, BURST);
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    for (int i = 0; i < TASKS; i++) {
        takers[i].limiter = &limiter;
        unit_ok(conc_wait_group_go(&group, take, &takers[i]));
    }
    unit_ok(conc_wait_group_wait(&group, NULL));
    long at_once = 0;
    for (int i = 0; i < TASKS; i++) {
        at_once += takers[i].allowed;
        memcpy(&times[i * EACH], takers[i].times, sizeof(takers[i].times));
    }
    qsort(times, TASKS * EACH, sizeof(*times), compare);
    int n = 0;
    while (n < TASKS * EACH && times[n] == 0)
        n++;
    ck_assert_int_eq(at_once + n, BURST);
    for (int i = n; i < TASKS * EACH; i++)
        ck_assert_int_eq(times[i], (i - n + 1) * CONC_MS(1));
    conc_rate_limiter_destroy(&limiter);
    conc_wait_group_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void destroy_waited_for(void)
{
    struct conc_rate_limiter limiter;
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    conc_rate_limiter_init(&limiter, 0, 1);
    conc_rate_limiter_allow(&limiter, 1);
    struct waiter waiter = {&limiter, NULL, -1};
    conc_wait_group_go(&group, wait_one, &waiter);
    unit_wait_parked(1);
    conc_rate_limiter_destroy(&limiter);
}

START_TEST(programming_errors_abort)
{
    unit_aborts_in(destroy_waited_for, "rate limiter", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("rate_limiter", matrix, five_per_second, allow_to_the_nanosecond,
        does_not_drift, no_span_passes_more, full_is_full, more_than_the_burst, time_going_back,
        rate_zero, rate_infinite, rate_tiny, rate_huge, rate_of_an_interval, bad_arguments, delays,
        cancel_gives_back, set_rate, set_burst, waits_its_turn, waiting_in_vain,
        sleeps_without_the_lock, rate_comes_back, no_token_twice, programming_errors_abort);
}
