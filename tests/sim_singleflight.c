/* SPDX-License-Identifier: MIT */

/*
 * Single flight under many schedules: one call per key at a time, and everybody who waited for it
 * gets its result.
 */

#include "singleflight.h"
#include "sync/context.h"
#include "tests/sim.h"

static struct conc_singleflight flight;
static struct conc_context ctx;
static int calls;
static int inside;
static int copies; /* handed out beside the leaders' own */
static int served;
static int n_shared;

static void share(void *result)
{
    sim_check(*(const int *)result > 0);
    copies++;
}

static void create(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_singleflight_init(&flight, sizeof(int), share));
}

static void settle(void)
{
    conc_singleflight_destroy(&flight);
    conc_context_destroy(&ctx);
}

static int fetch(void *arg, void *result)
{
    sim_check(++inside == 1);
    *(int *)result = ++calls;
    for (int i = 0; i < 2; i++)
        conc_sim_point();
    inside--;
    return arg ? EIO : 0;
}

static void ask(void *arg)
{
    int result = -1;
    bool shared;
    sim_ok(conc_singleflight_do(&flight, "key", fetch, arg, &result, &shared, NULL));
    sim_check(result > 0 && result <= calls);
    served++;
    n_shared += shared;
}

static void one_call(void)
{
    create();
    for (int i = 0; i < 3; i++)
        sim_go(ask, NULL);
    sim_join();
    sim_check(served == 3 && calls >= 1);
    sim_check(copies == 3 - calls); /* each got the leader's own, or a copy */
    sim_check(n_shared == (calls == 3 ? 0 : calls == 2 ? 2 : 3));
    sim_reached(calls == 1 ? "one call" : calls == 2 ? "two calls" : "three calls");
    settle();
}

static void ask_failing(void *arg)
{
    int result = -1;
    int before = calls;
    sim_rc(conc_singleflight_do(&flight, "key", fetch, arg, &result, NULL, NULL), EIO);
    sim_check(calls > before || result == -1);
    served++;
}

static void failing_call(void)
{
    create();
    for (int i = 0; i < 3; i++)
        sim_go(ask_failing, &flight);
    sim_join();
    sim_check(served == 3 && copies == 0);
    settle();
}

static void ask_or_give_up(void *arg)
{
    int result = -1;
    bool shared;
    int rc = conc_singleflight_do(&flight, "key", fetch, arg, &result, &shared, &ctx);
    sim_check(rc == 0 || rc == ECANCELED);
    sim_check((rc == 0) == (result > 0));
    sim_reached(rc == 0 ? "served" : "given up");
    served += rc == 0;
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void cancel_races(void)
{
    create();
    sim_go(ask_or_give_up, NULL);
    sim_go(cancel, NULL);
    sim_go(ask_or_give_up, NULL);
    sim_go(ask, NULL);
    sim_join();
    sim_check(calls + copies == served);
    settle();
}

static int fetch_any(void *arg, void *result)
{
    (void)arg;
    *(int *)result = ++calls;
    conc_sim_point();
    return 0;
}

static void ask_any(void *arg)
{
    int result = -1;
    sim_ok(conc_singleflight_do(&flight, "key", fetch_any, arg, &result, NULL, NULL));
    sim_check(result > 0 && result <= calls);
}

/* What is asked for after a forget is none of the results under way before it. */
static void forget_and_ask(void *arg)
{
    conc_singleflight_forget(&flight, "key");
    int before = calls;
    int result = -1;
    sim_ok(conc_singleflight_do(&flight, "key", fetch_any, arg, &result, NULL, NULL));
    sim_check(result > before);
}

static void forgotten(void)
{
    create();
    sim_go(ask_any, NULL);
    sim_go(forget_and_ask, NULL);
    sim_go(ask_any, NULL);
    sim_join();
    sim_reached(calls == 1 ? "one call" : "several calls");
    settle();
}

static int fetch_and_exit(void *arg, void *result)
{
    (void)arg;
    (void)result;
    calls++;
    conc_sim_point();
    conc_task_exit();
}

static void ask_exiting(void *arg)
{
    int result = -1;
    (void)arg;
    sim_rc(conc_singleflight_do(&flight, "key", fetch_and_exit, NULL, &result, NULL, NULL),
        EOWNERDEAD);
    sim_check(result == -1);
    served++;
}

/* A leader that ends its task leaves nobody waiting. */
static void leader_exits(void)
{
    create();
    for (int i = 0; i < 3; i++)
        sim_go(ask_exiting, NULL);
    sim_join();
    sim_check(served == 3 - calls);
    settle();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(one_call, "one call", "two calls", "three calls"),
        SIM(failing_call), SIM(cancel_races, "served", "given up"),
        SIM(forgotten, "one call", "several calls"), SIM(leader_exits));
}
