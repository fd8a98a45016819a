/* SPDX-License-Identifier: MIT */

/*
 * Worker pools under many schedules: a task that was accepted is run, or counted as cancelled,
 * once, whatever comes between a submit, a close and a stop; and the counters add up at every
 * moment.
 */

#include "sync/context.h"
#include "tests/sim.h"
#include "worker_pool.h"

enum { MOST = 8 };

static struct conc_worker_pool *pool;
static struct conc_context ctx;
static int number_of[MOST] = {0, 1, 2, 3, 4, 5, 6, 7};
static int ran[MOST];
static bool accepted[MOST];
static int running;
static int n_workers;

static void create(const struct conc_worker_pool_options *options)
{
    n_workers = (int)options->workers;
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_worker_pool_create(&pool, options));
}

static int count(const bool *flags)
{
    int n = 0;
    for (int i = 0; i < MOST; i++)
        n += flags[i];
    return n;
}

static struct conc_worker_pool_stats check_stats(void)
{
    struct conc_worker_pool_stats now = conc_worker_pool_stats(pool);
    sim_check(now.submitted == now.completed + now.cancelled + now.waiting + now.running);
    sim_check(now.running <= (uint64_t)n_workers && now.waiting <= MOST);
    sim_check(now.failed <= now.completed + now.cancelled);
    return now;
}

/* The pool is stopped: what was accepted, and nothing else, has been run or cancelled. The number
 * of those cancelled. */
static int settle(void)
{
    struct conc_worker_pool_stats now = check_stats();
    int n = 0;
    for (int i = 0; i < MOST; i++) {
        sim_check(ran[i] <= accepted[i]);
        n += accepted[i] - ran[i];
    }
    sim_check(now.waiting == 0 && now.running == 0);
    sim_check(now.submitted == (uint64_t)count(accepted));
    sim_check(now.cancelled == (uint64_t)n);
    conc_worker_pool_destroy(pool);
    conc_context_destroy(&ctx);
    return n;
}

/* ---------------------------------------------------------------- the tasks */

static int run(void *arg, struct conc_context *with)
{
    (void)with;
    int i = *(const int *)arg;
    sim_check(++running <= n_workers);
    conc_sim_point();
    ran[i]++;
    running--;
    return i % 2 ? EIO : 0;
}

static int run_until_cancelled(void *arg, struct conc_context *with)
{
    ran[*(const int *)arg]++;
    return conc_context_wait(with);
}

static int run_and_exit(void *arg, struct conc_context *with)
{
    (void)with;
    ran[*(const int *)arg]++;
    conc_task_exit();
}

struct range {
    int from;
    int to;
    bool trying;
    struct conc_context *ctx;
};

static void submit(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        int rc = range->trying ? conc_worker_pool_try_submit(pool, run, &number_of[i], NULL)
                               : conc_worker_pool_submit(pool, run, &number_of[i], range->ctx);
        sim_check(rc == 0 || rc == EPIPE || rc == ECANCELED || (range->trying && rc == EAGAIN));
        accepted[i] = rc == 0;
    }
}

static struct range low = {.from = 0, .to = 2};
static struct range high = {.from = 3, .to = 5};

static void stop(void *arg)
{
    sim_ok(conc_worker_pool_stop(pool, arg ? CONC_POOL_CANCEL : CONC_POOL_DRAIN));
    sim_check(check_stats().running == 0); /* a submit may be about to be refused */
}

static void observe(void *arg)
{
    (void)arg;
    uint64_t ended = 0;
    for (int i = 0; i < 6; i++) {
        struct conc_worker_pool_stats now = check_stats();
        sim_check(now.completed + now.cancelled >= ended);
        ended = now.completed + now.cancelled;
        conc_sim_point();
    }
}

/* ---------------------------------------------------------------- submit against stop */

static void drain_races(void)
{
    create(&(struct conc_worker_pool_options){.workers = 2, .capacity = (size_t)sim_draw(3)});
    low.trying = sim_draw(2);
    sim_go(submit, &low);
    sim_go(stop, NULL);
    sim_go(submit, &high);
    sim_join();
    int n = count(accepted);
    sim_reached(n == 6 ? "all" : n > 0 ? "some" : "none");
    sim_check(settle() == 0);
}

static void cancel_races(void)
{
    create(&(struct conc_worker_pool_options){.workers = 2, .capacity = (size_t)sim_draw(3)});
    sim_go(submit, &low);
    sim_go(observe, NULL);
    sim_go(submit, &high);
    sim_go(stop, &pool);
    sim_join();
    sim_reached(settle() > 0 ? "some cancelled" : "none cancelled");
}

static void two_stops(void)
{
    create(&(struct conc_worker_pool_options){.workers = 1, .capacity = 4});
    sim_ok(conc_worker_pool_submit(pool, run_until_cancelled, &number_of[0], NULL));
    accepted[0] = true;
    submit(&(struct range){.from = 1, .to = 2});
    sim_go(stop, NULL);
    sim_go(stop, &pool);
    sim_go(submit, &high);
    sim_join();
    settle();
}

/* Parents end pools, too. */
static void cancel_parent(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void parent_cancelled(void)
{
    n_workers = 1;
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){.workers = 1, .capacity = 1, .ctx = &ctx}));
    sim_go(submit, &low);
    sim_go(cancel_parent, NULL);
    sim_join();
    sim_rc(conc_worker_pool_submit(pool, run, &number_of[6], NULL), ECANCELED);
    stop(NULL);
    settle();
}

/* A task that a resting worker is given is run or cancelled, whatever comes first. */
static void handed_over(void)
{
    n_workers = 1;
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){.workers = 1, .capacity = 0, .ctx = &ctx}));
    sim_ok(conc_sleep(CONC_MS(1), NULL)); /* the worker rests */
    sim_go(cancel_parent, NULL);
    int rc = conc_worker_pool_try_submit(pool, run, &number_of[0], NULL);
    sim_check(rc == 0 || rc == ECANCELED);
    accepted[0] = rc == 0;
    sim_join();
    stop(NULL);
    int cancelled = settle();
    sim_reached(rc != 0 ? "refused" : cancelled ? "cancelled" : "run");
}

static void wait_until_idle(void *arg)
{
    (void)arg;
    sim_ok(conc_worker_pool_wait(pool, NULL));
}

/* A submit that waits for room gives up: its task is not run, and not counted. That may be what
 * makes the pool idle. */
static void submit_gives_up(void)
{
    create(&(struct conc_worker_pool_options){.workers = 1, .capacity = (size_t)sim_draw(2)});
    low.ctx = &ctx;
    high.ctx = &ctx;
    sim_go(submit, &low);
    sim_go(cancel_parent, NULL);
    sim_go(wait_until_idle, NULL);
    sim_go(submit, &high);
    sim_join();
    sim_reached(count(accepted) == 6 ? "all accepted" : "given up");
    stop(NULL);
    sim_check(settle() == 0);
}

/* ---------------------------------------------------------------- counters */

static void counters(void)
{
    create(&(struct conc_worker_pool_options){.workers = 2, .capacity = 2});
    sim_go(submit, &low);
    sim_go(observe, NULL);
    sim_go(observe, NULL);
    sim_join();
    stop(NULL);
    struct conc_worker_pool_stats now = check_stats();
    sim_check(now.completed == 3 && now.failed == 1);
    settle();
}

static void submit_and_wait(void *arg)
{
    const struct range *range = arg;
    submit(arg);
    sim_ok(conc_worker_pool_wait(pool, NULL));
    for (int i = range->from; i <= range->to; i++)
        sim_check(ran[i] == 1);
}

/* Who waits for an idle pool finds its tasks done. */
static void waits(void)
{
    create(&(struct conc_worker_pool_options){.workers = 2, .capacity = (size_t)sim_draw(2)});
    sim_go(submit_and_wait, &low);
    sim_go(submit_and_wait, &high);
    sim_join();
    stop(NULL);
    sim_check(settle() == 0);
}

static bool idle_seen;

static void wait_for_either(void *arg)
{
    (void)arg;
    int rc = conc_worker_pool_wait(pool, &ctx);
    sim_check(rc == 0 || (rc == ECANCELED && !idle_seen));
    sim_reached(rc == 0 ? "idle" : "given up");
}

static int run_until_given_up(void *arg, struct conc_context *with)
{
    (void)with;
    ran[*(const int *)arg]++;
    return conc_context_wait(&ctx);
}

/* Who was told to give up, and comes to it only when the pool is idle, says so. */
static void idle_wins(void)
{
    create(&(struct conc_worker_pool_options){.workers = 1, .capacity = 1});
    sim_ok(conc_worker_pool_submit(pool, run_until_given_up, &number_of[0], NULL));
    accepted[0] = true;
    sim_go(wait_for_either, NULL);
    sim_go(cancel_parent, NULL);
    sim_ok(conc_worker_pool_wait(pool, NULL));
    idle_seen = true;
    sim_join();
    stop(NULL);
    sim_check(settle() == 0);
}

static void wait_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_worker_pool_wait(pool, &ctx);
    sim_check(rc == 0 || rc == ECANCELED);
    sim_reached(rc == 0 ? "idle" : "given up");
}

static void wait_gives_up(void)
{
    create(&(struct conc_worker_pool_options){.workers = 1, .capacity = 3});
    submit(&low);
    sim_go(wait_or_give_up, NULL);
    sim_go(cancel_parent, NULL);
    sim_go(submit_and_wait, &high);
    sim_join();
    stop(NULL);
    sim_check(settle() == 0);
}

/* ---------------------------------------------------------------- results */

static int results[MOST];

static void receive(void *arg)
{
    (void)arg;
    struct conc_worker_pool_result result;
    int rc;
    while ((rc = conc_worker_pool_recv(pool, &result, NULL)) == 0) {
        int i = *(const int *)result.arg;
        sim_check(++results[i] == 1);
        sim_check(ran[i] ? result.rc == (i % 2 ? EIO : 0) : result.rc == ECANCELED);
    }
    sim_rc(rc, EPIPE);
}

static void stream(void)
{
    create(&(struct conc_worker_pool_options){.workers = 2,
        .capacity = 1,
        .results = CONC_POOL_STREAM,
        .results_capacity = (size_t)(1 + sim_draw(2))});
    sim_go(submit, &low);
    sim_go(receive, NULL);
    sim_go(stop, sim_draw(2) ? &pool : NULL);
    sim_go(submit, &high);
    sim_join();
    for (int i = 0; i < MOST; i++)
        sim_check(results[i] == accepted[i]);
    sim_reached(count(accepted) == 6 ? "all" : "some");
    settle();
}

static uint64_t indexes[MOST];

static void submit_indexed(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        struct conc_worker_pool_result result;
        struct conc_worker_pool_task how = {.index = &indexes[i]};
        int rc = conc_worker_pool_submit_with(pool, run, &number_of[i], &how, &ctx);
        accepted[i] = rc == 0;
        if (rc != 0) {
            sim_rc(rc, ECANCELED);
            return;
        }
        rc = conc_worker_pool_result(pool, indexes[i], &result);
        sim_check(rc == 0 || rc == EAGAIN);
        sim_check(rc != 0 || (ran[i] && result.arg == &number_of[i]));
    }
}

static void indexed(void)
{
    create(&(struct conc_worker_pool_options){
        .workers = 1, .capacity = 1, .results = CONC_POOL_INDEXED});
    sim_go(submit_indexed, &low);
    sim_go(submit_indexed, &high);
    sim_go(cancel_parent, NULL);
    sim_join();
    stop(NULL);
    for (int i = 0; i < MOST; i++) {
        struct conc_worker_pool_result result;
        for (int k = 0; k < i; k++)
            sim_check(!accepted[i] || !accepted[k] || indexes[i] != indexes[k]);
        if (!accepted[i])
            continue;
        sim_ok(conc_worker_pool_result(pool, indexes[i], &result));
        sim_check(result.arg == &number_of[i] && result.rc == (i % 2 ? EIO : 0));
    }
    sim_check(settle() == 0);
}

static int do_nothing(void *arg, struct conc_context *with)
{
    (void)arg;
    (void)with;
    return 0;
}

static void submit_two(void *arg)
{
    uint64_t *index = arg;
    for (int i = 0; i < 2; i++) {
        struct conc_worker_pool_task how = {.index = &index[i]};
        sim_ok(conc_worker_pool_submit_with(pool, do_nothing, NULL, &how, NULL));
    }
}

/* The first 64 results have their places; who comes next makes room for more, and so may another
 * who comes at the same time. */
static void more_places(void)
{
    enum { FIRST = 64 };
    static uint64_t index[4];
    struct conc_worker_pool_result result;
    create(&(struct conc_worker_pool_options){
        .workers = 2, .capacity = FIRST, .results = CONC_POOL_INDEXED});
    for (int i = 0; i < FIRST; i++)
        sim_ok(conc_worker_pool_submit(pool, do_nothing, NULL, NULL));
    sim_go(submit_two, &index[0]);
    sim_go(submit_two, &index[2]);
    sim_join();
    stop(NULL);
    for (int i = 0; i < 4; i++) {
        sim_check(index[i] >= FIRST && index[i] < FIRST + 4);
        for (int k = 0; k < i; k++)
            sim_check(index[k] != index[i]);
    }
    for (uint64_t i = 0; i < FIRST + 4; i++)
        sim_ok(conc_worker_pool_result(pool, i, &result));
    sim_rc(conc_worker_pool_result(pool, FIRST + 4, &result), ENOENT);
    conc_worker_pool_destroy(pool);
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- workers */

static void submit_exiting(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        int rc = conc_worker_pool_submit(pool, run_and_exit, &number_of[i], NULL);
        sim_check(rc == 0 || rc == EPIPE);
        accepted[i] = rc == 0;
    }
}

/* Tasks that end their worker: others take its place, also while the pool is being stopped. */
static void exits(void)
{
    create(&(struct conc_worker_pool_options){.workers = 2, .capacity = 1});
    sim_go(submit_exiting, &low);
    sim_go(submit, &high);
    sim_go(stop, NULL);
    sim_join();
    sim_check(check_stats().exited == (uint64_t)(ran[0] + ran[1] + ran[2]));
    sim_check(settle() == 0);
}

static int order[MOST];
static int n_order;

static int note_order(void *arg, struct conc_context *with)
{
    order[n_order++] = *(const int *)arg;
    return run(arg, with);
}

/* One worker, which is busy until all are submitted: then the urgent ones go first. */
static void urgent_first(void)
{
    struct conc_worker_pool_task urgent = {.priority = 1};
    n_workers = 1;
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_worker_pool_create(
        &pool, &(struct conc_worker_pool_options){.workers = 1, .capacity = 4, .levels = 2}));
    struct conc_worker_pool_task limit = {.timeout_ns = CONC_MS(5)};
    sim_ok(conc_worker_pool_submit_with(pool, run_until_cancelled, &number_of[0], &limit, NULL));
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    sim_ok(conc_worker_pool_submit(pool, note_order, &number_of[1], NULL));
    sim_ok(conc_worker_pool_submit_with(pool, note_order, &number_of[2], &urgent, NULL));
    sim_ok(conc_worker_pool_submit_with(pool, note_order, &number_of[3], &urgent, NULL));
    sim_ok(conc_worker_pool_wait(pool, NULL));
    sim_check(order[0] == 2 && order[1] == 3 && order[2] == 1);
    sim_check(conc_now_ns() >= CONC_MS(5));
    for (int i = 0; i < 4; i++)
        accepted[i] = true;
    stop(NULL);
    settle();
}

/* Who waits for room is not overtaken by who comes when there is some. */
static void submit_and_note(void *arg)
{
    const int *number = arg;
    if (*number == 3)
        sim_ok(conc_sleep(CONC_MS(4), NULL)); /* when the worker goes on */
    sim_ok(conc_worker_pool_submit(pool, note_order, arg, NULL));
}

static void in_turn(void)
{
    create(&(struct conc_worker_pool_options){.workers = 1, .capacity = 1});
    struct conc_worker_pool_task limit = {.timeout_ns = CONC_MS(5)};
    sim_ok(conc_worker_pool_submit_with(pool, run_until_cancelled, &number_of[0], &limit, NULL));
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    sim_ok(conc_worker_pool_submit(pool, note_order, &number_of[1], NULL));
    sim_go(submit_and_note, &number_of[2]);
    sim_go(submit_and_note, &number_of[3]);
    sim_join();
    sim_ok(conc_worker_pool_wait(pool, NULL));
    sim_check(order[0] == 1 && order[1] == 2 && order[2] == 3);
    for (int i = 0; i < 4; i++)
        accepted[i] = true;
    stop(NULL);
    settle();
}

/* A queue of no places takes a task when a worker rests; and one that is closed keeps nobody,
 * whatever the level. */
static void submit_high(void *arg)
{
    struct conc_worker_pool_task how = {.priority = 1};
    sim_rc(conc_worker_pool_submit_with(pool, run, arg, &how, NULL), EPIPE);
}

static void no_places(void)
{
    create(&(struct conc_worker_pool_options){.workers = 1, .capacity = 0, .levels = 2});
    sim_ok(conc_sleep(CONC_MS(1), NULL)); /* the worker rests */
    sim_ok(conc_worker_pool_try_submit(pool, run_until_cancelled, &number_of[0], NULL));
    accepted[0] = true;
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    sim_rc(conc_worker_pool_try_submit(pool, run, &number_of[1], NULL), EAGAIN);
    sim_go(submit_high, &number_of[2]);
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    stop(&pool);
    sim_join();
    sim_check(settle() == 0);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(drain_races, "all", "some", "none"),
        SIM(cancel_races, "some cancelled", "none cancelled"), SIM(two_stops),
        SIM(parent_cancelled), SIM(handed_over, "refused", "cancelled", "run"),
        SIM(submit_gives_up, "all accepted", "given up"), SIM(counters), SIM(waits),
        SIM(idle_wins, "idle", "given up"), SIM(wait_gives_up, "idle", "given up"),
        SIM(stream, "all", "some"), SIM(indexed), SIM(more_places), SIM(exits), SIM(urgent_first),
        SIM(in_turn), SIM(no_places));
}
