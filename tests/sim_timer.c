/* SPDX-License-Identifier: MIT */

/*
 * Sleeps, timers and tasks under many schedules: everything wakes in the order of its time, a timer
 * that was stopped does not fire, and a join waits for the end.
 */

#include "sync/context.h"
#include "tests/sim.h"

static struct conc_context ctx;

/* ---------------------------------------------------------------- sleep */

static int64_t latest;
static int slept;

static void sleep_for(void *arg)
{
    int64_t ns = CONC_MS(*(const int *)arg);
    int64_t begin = conc_now_ns();
    sim_ok(conc_sleep_until(ns, NULL));
    int64_t now = conc_now_ns();
    sim_check(now >= ns && now >= begin);
    sim_check(now < ns + CONC_MS(1)); /* time moves only while all are asleep */
    sim_check(latest <= ns);
    latest = ns;
    slept++;
}

static void in_order_of_time(void)
{
    static int spans[7];
    for (int i = 0; i < 7; i++) {
        spans[i] = 10 * (1 + sim_draw(9));
        sim_go(sleep_for, &spans[i]);
    }
    sim_join();
    sim_check(slept == 7);
}

static void sleep_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_sleep_until(CONC_MS(10), &ctx);
    sim_check(rc == 0 || rc == ECANCELED);
    sim_check(rc != 0 || conc_now_ns() >= CONC_MS(10));
    sim_reached(rc == 0 ? "slept" : "woken");
}

static void cancel_at(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(*(const int *)arg), NULL));
    conc_context_cancel(&ctx);
}

static void sleep_cancelled(void)
{
    static int moment;
    moment = 9 + sim_draw(3);
    conc_context_with_cancel(&ctx, NULL);
    sim_go(sleep_or_give_up, NULL);
    sim_go(cancel_at, &moment);
    sim_go(sleep_or_give_up, NULL);
    sim_join();
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- timers */

static struct conc_timer *timer;

static void stop_at_ten(void *arg)
{
    (void)arg;
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    bool running = conc_timer_stop(timer);
    sim_reached(running ? "stopped" : "fired");
    for (int i = 0; i < 3; i++) {
        sim_rc(conc_chan_try_recv(conc_timer_chan(timer), NULL), EAGAIN);
        conc_sim_point();
    }
    sim_check(!conc_timer_stop(timer));
}

/* Stopped when it fires: nothing comes out of it afterwards. */
static void stop_races(void)
{
    sim_ok(conc_timer_create(&timer, CONC_MS(10) - conc_now_ns()));
    sim_go(stop_at_ten, NULL);
    sim_join();
    conc_timer_destroy(timer);
}

static void reset_races(void)
{
    sim_ok(conc_timer_create(&timer, CONC_MS(10) - conc_now_ns()));
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    sim_ok(conc_timer_reset(timer, CONC_MS(5)));
    int64_t at_ns;
    sim_ok(conc_chan_recv(conc_timer_chan(timer), &at_ns, NULL));
    sim_check(at_ns >= CONC_MS(15) && at_ns < CONC_MS(16));
    sim_rc(conc_chan_try_recv(conc_timer_chan(timer), NULL), EAGAIN);
    sim_check(!conc_timer_stop(timer));
    conc_timer_destroy(timer);
}

static void destroy_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    conc_timer_destroy(arg);
}

/* Destroyed when they fire. */
static void destroy_races(void)
{
    struct conc_timer *ticker;
    sim_ok(conc_timer_create(&timer, CONC_MS(10) - conc_now_ns()));
    sim_ok(conc_ticker_create(&ticker, CONC_MS(5)));
    sim_go(destroy_at_ten, timer);
    sim_go(destroy_at_ten, ticker);
    sim_join();
}

static void ticks(void)
{
    int64_t last = conc_now_ns();
    sim_ok(conc_ticker_create(&timer, CONC_MS(10)));
    for (int i = 0; i < 4; i++) {
        int64_t at_ns;
        sim_ok(conc_chan_recv(conc_timer_chan(timer), &at_ns, NULL));
        sim_check(at_ns >= last + CONC_MS(9) && at_ns <= last + CONC_MS(11));
        last = at_ns;
    }
    /* Of the ticks that nobody takes one is kept. */
    sim_ok(conc_sleep(CONC_MS(35), NULL));
    sim_ok(conc_chan_try_recv(conc_timer_chan(timer), NULL));
    sim_rc(conc_chan_try_recv(conc_timer_chan(timer), NULL), EAGAIN);
    sim_check(conc_timer_stop(timer));
    conc_timer_destroy(timer);
}

/* Several timers at once, set in any order. */
static void timers_in_order(void)
{
    enum { TIMERS = 12 };
    struct conc_timer *timers[TIMERS];
    int64_t due[TIMERS];
    bool gone[TIMERS] = {false};
    for (int i = 0; i < TIMERS; i++) {
        due[i] = CONC_MS(10 * (1 + sim_draw(12)));
        sim_ok(conc_timer_create(&timers[i], due[i] - conc_now_ns()));
    }
    for (int n = 0; n < 5; n++) {
        int i = sim_draw(TIMERS);
        sim_check(conc_timer_stop(timers[i]) == !gone[i]);
        gone[i] = true;
    }
    for (int i = 0; i < TIMERS; i++) {
        int64_t at_ns;
        if (gone[i])
            continue;
        sim_ok(conc_chan_recv(conc_timer_chan(timers[i]), &at_ns, NULL));
        sim_check(at_ns >= due[i] && at_ns < due[i] + CONC_MS(1));
    }
    for (int i = 0; i < TIMERS; i++)
        conc_timer_destroy(timers[i]);
}

/* ---------------------------------------------------------------- tasks */

static int ended;

static void end(void *arg)
{
    (void)arg;
    conc_sim_point();
    ended++;
}

static void start_and_join(void *arg)
{
    (void)arg;
    struct conc_task *task;
    for (int i = 1; i <= 2; i++) {
        int before = ended;
        sim_ok(conc_task_start(&task, end, NULL));
        conc_task_join(task);
        sim_check(ended > before);
    }
}

static void joins(void)
{
    sim_go(start_and_join, NULL);
    sim_go(start_and_join, NULL);
    sim_join();
    sim_check(ended == 4);
    sim_check(conc_census_count() == 1);
}

static void clean_up(void *arg)
{
    sim_check(*(int *)arg == ended);
    ended++;
}

static void exit_inside(void *arg)
{
    static int order[] = {1, 0}; /* the newest first */
    struct conc_cleanup cleanups[2];
    (void)arg;
    for (int i = 0; i < 2; i++)
        conc_cleanup_push(&cleanups[i], clean_up, &order[i]);
    conc_sim_point();
    conc_task_exit();
}

static void exits(void)
{
    sim_go(exit_inside, NULL);
    sim_join();
    sim_check(ended == 2);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(in_order_of_time), SIM(sleep_cancelled, "slept", "woken"),
        SIM(stop_races, "stopped", "fired"), SIM(reset_races), SIM(destroy_races), SIM(ticks),
        SIM(timers_in_order), SIM(joins), SIM(exits));
}
