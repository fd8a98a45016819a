/* SPDX-License-Identifier: MIT */

/*
 * Rate limiters under many schedules: never more passes than the bucket held and what has flowed in
 * since, and what is given up goes back to the others.
 */

#include "rate_limiter.h"
#include "sync/context.h"
#include "tests/sim.h"

static struct conc_rate_limiter limiter;
static struct conc_context ctx;
static int passed;

/* One token per 10 ms. */
static void create(int64_t burst)
{
    sim_ok(conc_rate_limiter_init(&limiter, conc_rate_every(CONC_MS(10)), burst));
    conc_context_with_cancel(&ctx, NULL);
}

static void destroy(void)
{
    conc_rate_limiter_destroy(&limiter);
    conc_context_destroy(&ctx);
}

static void pass(int64_t burst)
{
    passed++;
    sim_check(passed <= burst + conc_now_ns() / CONC_MS(10));
}

static int64_t burst_of;

static void wait_twice(void *arg)
{
    struct conc_context *with = arg;
    for (int i = 0; i < 2; i++) {
        int rc = conc_rate_limiter_wait(&limiter, 1, with);
        if (rc != 0) {
            sim_check(with && (rc == ECANCELED || rc == ETIMEDOUT));
            sim_reached("given up");
            return;
        }
        pass(burst_of);
    }
    if (with)
        sim_reached("passed");
}

static void allow_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (conc_rate_limiter_allow(&limiter, 1))
            pass(burst_of);
        sim_ok(conc_sleep(CONC_MS(5), NULL));
    }
}

static void never_too_many(void)
{
    burst_of = 1 + sim_draw(2);
    create(burst_of);
    sim_go(wait_twice, NULL);
    sim_go(allow_some, NULL);
    sim_go(wait_twice, NULL);
    sim_join();
    sim_check(passed >= 4);
    destroy();
}

static void cancel(void *arg)
{
    (void)arg;
    sim_ok(conc_sleep(CONC_MS(10 * sim_draw(3)), NULL));
    conc_context_cancel(&ctx);
}

/* The tokens of waits that are cancelled are not lost: those who go on wait no longer for them than
 * for the rate. */
static void cancel_races(void)
{
    burst_of = 1;
    create(1);
    sim_go(wait_twice, &ctx);
    sim_go(wait_twice, NULL);
    sim_go(cancel, NULL);
    sim_join();
    sim_check(passed >= 2 && passed <= 4);
    sim_check(conc_now_ns() <= CONC_MS(40));
    destroy();
}

static void wait_or_give_up(void *arg)
{
    int rc = conc_rate_limiter_wait(&limiter, 1, arg);
    sim_check(rc == 0 || rc == ECANCELED);
    passed += rc == 0;
    sim_reached(rc == 0 ? "passed" : "given up");
}

/* One waits for the token of the tenth millisecond. If it gives up, be it at the last moment,
 * somebody else gets it. */
static void given_back(void)
{
    create(1);
    sim_check(conc_rate_limiter_allow(&limiter, 1));
    int64_t when_ns = conc_now_ns() + CONC_MS(10);
    sim_go(wait_or_give_up, &ctx);
    sim_ok(conc_sleep_until(sim_draw(2) ? when_ns : when_ns / 2, NULL));
    conc_context_cancel(&ctx);
    sim_join();
    sim_ok(conc_sleep_until(when_ns + CONC_US(100), NULL));
    sim_check(conc_rate_limiter_allow(&limiter, 1) == (passed == 0));
    destroy();
}

/* Nothing flows in: all wait for the rate to change. */
static void set_rate(void *arg)
{
    (void)arg;
    sim_ok(conc_rate_limiter_set_rate(&limiter, CONC_RATE_INFINITE));
}

static void pass_one(void *arg)
{
    int rc = conc_rate_limiter_wait(&limiter, 1, arg);
    sim_check(rc == 0 || (arg && rc == ECANCELED));
    passed += rc == 0;
}

static void change_wakes_all(void)
{
    sim_ok(conc_rate_limiter_init(&limiter, 0, 1));
    conc_context_with_cancel(&ctx, NULL);
    sim_go(pass_one, NULL);
    sim_go(pass_one, &ctx);
    sim_go(cancel, NULL);
    sim_go(pass_one, NULL);
    sim_go(set_rate, NULL);
    sim_join();
    sim_check(passed >= 2);
    destroy();
}

static void reserve_and_cancel(void *arg)
{
    struct conc_reservation reservation;
    (void)arg;
    sim_ok(conc_rate_limiter_reserve(&limiter, 1, &reservation));
    conc_sim_point();
    passed -= (int)conc_reservation_cancel(&reservation);
    passed++;
}

/* Reservations taken and given back: in the end the bucket holds what was not used. */
static void reservations(void)
{
    create(4);
    int64_t begin_ns = conc_now_ns();
    for (int i = 0; i < 3; i++)
        sim_go(reserve_and_cancel, NULL);
    sim_join();
    double flowed = (double)(conc_now_ns() - begin_ns) / 1e7;
    double tokens = conc_rate_limiter_tokens(&limiter);
    sim_check(passed >= 0);
    sim_check(tokens <= 4 && tokens >= 4 - passed - 0.001 && tokens <= 4 - passed + flowed + 0.001);
    destroy();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(never_too_many), SIM(cancel_races, "passed", "given up"),
        SIM(given_back, "passed", "given up"), SIM(change_wakes_all), SIM(reservations));
}
