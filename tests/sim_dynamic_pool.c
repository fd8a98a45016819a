/* SPDX-License-Identifier: MIT */

/*
 * Dynamic pools under many schedules: never fewer workers than the minimum nor more than the
 * maximum, and no task is lost that comes while a worker is leaving.
 */

#include "dynamic_pool.h"
#include "sync/context.h"
#include "tests/sim.h"

enum { MOST = 8 };

static struct conc_dynamic_pool *pool;
static struct conc_context ctx;
static size_t min, max;
static int number_of[MOST] = {0, 1, 2, 3, 4, 5, 6, 7};
static int ran[MOST];
static bool accepted[MOST];
static int running;

static void create(
    size_t at_least, size_t at_most, size_t capacity, enum conc_dynamic_growth growth)
{
    min = at_least;
    max = at_most;
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_dynamic_pool_create(&pool, &(struct conc_dynamic_pool_options){.min = min,
                                               .max = max,
                                               .growth = growth,
                                               .capacity = capacity,
                                               .idle_ns = CONC_MS(10)}));
}

/* While the pool is open. */
static struct conc_dynamic_pool_stats check_stats(void)
{
    struct conc_dynamic_pool_stats now = conc_dynamic_pool_stats(pool);
    sim_check(now.submitted == now.completed + now.cancelled + now.waiting + now.running);
    sim_check(now.running <= max && now.waiting <= MOST);
    sim_check(now.workers >= min && now.workers <= max && now.peak <= max);
    sim_check(now.workers == min + now.grown - now.shrunk);
    return now;
}

static int settle(void)
{
    struct conc_dynamic_pool_stats now = conc_dynamic_pool_stats(pool);
    int cancelled = 0, n = 0;
    for (int i = 0; i < MOST; i++) {
        sim_check(ran[i] <= accepted[i]);
        n += accepted[i];
        cancelled += accepted[i] - ran[i];
    }
    sim_check(now.waiting == 0 && now.running == 0 && now.workers == 0 && now.unstarted == 0);
    sim_check(now.submitted == (uint64_t)n && now.cancelled == (uint64_t)cancelled);
    sim_check(now.completed + now.cancelled == now.submitted);
    conc_dynamic_pool_destroy(pool);
    conc_context_destroy(&ctx);
    return cancelled;
}

/* ---------------------------------------------------------------- the tasks */

static int run(void *arg, struct conc_context *with)
{
    (void)with;
    sim_check((size_t)++running <= max);
    conc_sim_point();
    ran[*(const int *)arg]++;
    running--;
    return 0;
}

static int run_for_a_while(void *arg, struct conc_context *with)
{
    (void)with;
    run(arg, with);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    return 0;
}

static int run_and_exit(void *arg, struct conc_context *with)
{
    run(arg, with);
    conc_task_exit();
}

struct range {
    int from;
    int to;
    struct conc_context *ctx;
    conc_dynamic_pool_fn *fn;
};

static struct range low = {.from = 0, .to = 2, .fn = run};
static struct range high = {.from = 3, .to = 5, .fn = run};

static void submit(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        int rc = conc_dynamic_pool_submit(pool, range->fn, &number_of[i], range->ctx);
        sim_check(rc == 0 || rc == EPIPE || rc == ECANCELED);
        accepted[i] = rc == 0;
    }
}

static void stop(void *arg)
{
    sim_ok(conc_dynamic_pool_stop(pool, arg ? CONC_DYNAMIC_CANCEL : CONC_DYNAMIC_DRAIN));
}

static void observe(void *arg)
{
    (void)arg;
    for (int i = 0; i < 8; i++) {
        check_stats();
        conc_sim_point();
        if (i == 4)
            sim_ok(conc_sleep(CONC_MS(10), NULL));
    }
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* ---------------------------------------------------------------- the number of workers */

static void grows_and_shrinks(void)
{
    create(1, 3, 8, sim_draw(2) ? CONC_GROW_ONE : CONC_GROW_MANY);
    sim_go(submit, &low);
    sim_go(observe, NULL);
    sim_go(submit, &high);
    sim_join();
    sim_reached(check_stats().peak > 1 ? "grown" : "as few as before");
    sim_ok(conc_dynamic_pool_wait(pool, NULL));
    /* All above the minimum idle out, at the same moment. */
    sim_ok(conc_dynamic_pool_wait_workers(pool, 1, 1, NULL));
    sim_ok(conc_sleep(CONC_MS(50), NULL));
    sim_check(check_stats().workers == 1);
    stop(NULL);
    sim_check(settle() == 0);
}

/* Work comes at the moment at which idle workers leave. */
static void submit_at(void *arg)
{
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    submit(arg);
    check_stats();
}

static void work_while_leaving(void)
{
    create(1, 3, 4, sim_draw(2) ? CONC_GROW_ONE : CONC_GROW_MANY);
    submit(&low);                               /* takes no time, … */
    sim_ok(conc_dynamic_pool_wait(pool, NULL)); /* … so they fall idle together, … */
    sim_go(submit_at, &high);                   /* … and the work comes when they leave */
    sim_go(observe, NULL);
    sim_join();
    sim_ok(conc_dynamic_pool_wait(pool, NULL));
    sim_reached(check_stats().shrunk > 0 ? "some left" : "none left");
    stop(NULL);
    sim_check(settle() == 0);
}

/* A rendezvous: what is submitted is taken by a worker in person, also by the last one. */
static void no_queue(void)
{
    static struct range late = {.from = 6, .to = 7, .fn = run};
    create(1, 2, 0, CONC_GROW_ONE);
    sim_go(submit, &low);
    sim_go(submit, &high);
    sim_go(submit_at, &late);
    sim_join();
    sim_ok(conc_dynamic_pool_wait(pool, NULL));
    check_stats();
    stop(NULL);
    sim_check(settle() == 0);
}

static void exits(void)
{
    create(1, 2, 2, CONC_GROW_ONE);
    low.fn = run_and_exit;
    sim_go(submit, &low);
    sim_go(observe, NULL);
    sim_go(submit, &high);
    sim_join();
    sim_ok(conc_dynamic_pool_wait(pool, NULL));
    check_stats();
    stop(NULL);
    sim_check(settle() == 0);
}

/* ---------------------------------------------------------------- stop */

static void drain_races(void)
{
    create(1, 3, (size_t)sim_draw(3), CONC_GROW_ONE);
    sim_go(submit, &low);
    sim_go(stop, NULL);
    sim_go(submit, &high);
    sim_join();
    int n = 0;
    for (int i = 0; i < MOST; i++)
        n += accepted[i];
    sim_reached(n == 6 ? "all" : n > 0 ? "some" : "none");
    sim_check(settle() == 0);
}

static void cancel_races(void)
{
    create(1, 2, (size_t)sim_draw(3), CONC_GROW_MANY);
    sim_go(submit, &low);
    sim_go(stop, &pool);
    sim_go(submit, &high);
    sim_go(stop, NULL);
    sim_join();
    sim_reached(settle() > 0 ? "some cancelled" : "none cancelled");
}

/* A worker idles out when the pool is being stopped. */
static void stop_while_leaving(void)
{
    create(2, 3, 4, CONC_GROW_ONE);
    static struct range three = {.from = 0, .to = 2, .fn = run_for_a_while};
    submit(&three);
    sim_ok(conc_dynamic_pool_wait(pool, NULL));
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    sim_go(stop, sim_draw(2) ? &pool : NULL);
    sim_go(submit, &high);
    sim_join();
    settle();
}

static void submit_gives_up(void)
{
    create(1, 2, (size_t)sim_draw(2), CONC_GROW_ONE);
    low.ctx = high.ctx = &ctx;
    sim_go(submit, &low);
    sim_go(cancel, NULL);
    sim_go(submit, &high);
    sim_join();
    sim_ok(conc_dynamic_pool_wait(pool, NULL));
    check_stats();
    sim_reached(check_stats().completed == 6 ? "all" : "given up");
    stop(NULL);
    sim_check(settle() == 0);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(grows_and_shrinks, "grown", "as few as before"),
        SIM(work_while_leaving, "some left", "none left"), SIM(no_queue), SIM(exits),
        SIM(drain_races, "all", "some", "none"),
        SIM(cancel_races, "some cancelled", "none cancelled"), SIM(stop_while_leaving),
        SIM(submit_gives_up, "all", "given up"));
}
