/* SPDX-License-Identifier: MIT */

/*
 * Error groups under many schedules: the first error is the group's and the cause of the cancel,
 * never more tasks run than the limit allows, and wait returns after the last has ended.
 */

#include "errgroup.h"
#include "runtime/memory.h"
#include "tests/sim.h"

enum { MOST = 6 };

static struct conc_errgroup group;
static struct conc_context ctx;
static int number_of[MOST] = {0, 1, 2, 3, 4, 5};
static int begun, ended;
static int limit = MOST;
static int errors[MOST]; /* in the order in which they were returned */
static int n_errors;

static void create(void)
{
    conc_context_with_cancel(&ctx, NULL);
    conc_errgroup_init(&group, &ctx);
}

/* All tasks have ended, and the group knows. */
static void settle(void)
{
    sim_check(begun == ended);
    sim_check(conc_errgroup_running(&group) == 0);
    conc_errgroup_destroy(&group);
    conc_context_destroy(&ctx);
}

static void begin(void)
{
    sim_check(++begun - ended <= limit);
    conc_sim_point();
}

static int end(int rc)
{
    ended++;
    if (rc != 0)
        errors[n_errors++] = rc;
    return rc;
}

static const int codes[] = {EIO, ENOSPC, EFBIG};

static int fail_at_once(void *arg, struct conc_context *with)
{
    (void)with;
    begin();
    return end(codes[*(const int *)arg % 3]);
}

static int succeed(void *arg, struct conc_context *with)
{
    (void)arg;
    (void)with;
    begin();
    return end(0);
}

static int wait_for_cancel(void *arg, struct conc_context *with)
{
    (void)arg;
    begin();
    sim_rc(conc_context_wait(with), ECANCELED);
    int cause = conc_context_cause(with);
    sim_check(cause == EIO || cause == ENOSPC || cause == EFBIG);
    sim_check(conc_errgroup_error(&group) == cause); /* stored before anybody is told */
    return end(ECANCELED);
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* ---------------------------------------------------------------- the first error */

/* Two fail, one waits for it: the group has one error, which is that of the two, and the cause. */
static void first_error(void)
{
    create();
    sim_ok(conc_errgroup_go(&group, wait_for_cancel, NULL, NULL));
    sim_ok(conc_errgroup_go(&group, fail_at_once, &number_of[0], NULL));
    sim_ok(conc_errgroup_go(&group, fail_at_once, &number_of[1], NULL));
    int rc = conc_errgroup_wait(&group, NULL);
    sim_check(ended == 3);
    sim_check(rc == EIO || rc == ENOSPC);
    sim_reached(rc == EIO ? "EIO" : "ENOSPC");
    sim_check(conc_errgroup_error(&group) == rc);
    sim_check(conc_context_cause(conc_errgroup_context(&group)) == rc);
    sim_rc(conc_errgroup_wait(&group, NULL), rc);
    settle();
}

static int fail_later(void *arg, struct conc_context *with)
{
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    return fail_at_once(arg, with);
}

/* The one that fails later is not the first, though the group may not have been told of either. */
static void later_errors_lose(void)
{
    create();
    sim_ok(conc_errgroup_go(&group, fail_later, &number_of[0], NULL));
    sim_ok(conc_errgroup_go(&group, fail_later, &number_of[2], NULL));
    sim_ok(conc_errgroup_go(&group, fail_at_once, &number_of[1], NULL));
    sim_rc(conc_errgroup_wait(&group, NULL), ENOSPC);
    settle();
}

static int wait_and_succeed(void *arg, struct conc_context *with)
{
    (void)arg;
    begin();
    conc_context_wait(with);
    return end(0);
}

static void no_error(void)
{
    create();
    for (int i = 0; i < 3; i++)
        sim_ok(conc_errgroup_go(&group, succeed, NULL, NULL));
    sim_ok(conc_errgroup_wait(&group, NULL));
    sim_check(ended == 3);
    sim_check(conc_context_cause(conc_errgroup_context(&group)) == ECANCELED);
    settle();
}

/* ---------------------------------------------------------------- the limit */

static void limited(void)
{
    create();
    limit = 1 + sim_draw(2);
    sim_ok(conc_errgroup_set_limit(&group, limit));
    for (int i = 0; i < 4; i++)
        sim_ok(conc_errgroup_go(&group, i == 1 ? fail_at_once : succeed, &number_of[i], NULL));
    sim_rc(conc_errgroup_wait(&group, NULL), ENOSPC);
    sim_check(ended == 4);
    settle();
}

static int started;

static void go_some(void *arg)
{
    for (int i = 0; i < 2; i++) {
        int rc = conc_errgroup_go(&group, succeed, arg, &ctx);
        sim_check(rc == 0 || rc == ECANCELED);
        started += rc == 0;
    }
}

static void try_some(void *arg)
{
    for (int i = 0; i < 2; i++) {
        int rc = conc_errgroup_try_go(&group, succeed, arg);
        sim_check(rc == 0 || rc == EAGAIN);
        sim_reached(rc == 0 ? "started" : "refused");
        started += rc == 0;
    }
}

/* Several start tasks at once, and some give up. */
static void go_races(void)
{
    create();
    limit = 1;
    sim_ok(conc_errgroup_set_limit(&group, limit));
    sim_go(go_some, NULL);
    sim_go(try_some, NULL);
    sim_go(go_some, NULL);
    sim_go(cancel, NULL);
    sim_join();
    sim_ok(conc_errgroup_wait(&group, NULL));
    sim_check(ended == started);
    /* Every slot has been given back. */
    sim_ok(conc_errgroup_try_go(&group, succeed, NULL));
    sim_ok(conc_errgroup_wait(&group, NULL));
    settle();
}

static int exit_inside(void *arg, struct conc_context *with)
{
    (void)arg;
    (void)with;
    begin();
    end(0);
    conc_task_exit();
}

/* A task that leaves through the back door gives its slot back, and is an error. */
static void exits(void)
{
    create();
    limit = 1;
    sim_ok(conc_errgroup_set_limit(&group, limit));
    for (int i = 0; i < 3; i++)
        sim_ok(conc_errgroup_go(&group, i == 1 ? succeed : exit_inside, NULL, NULL));
    sim_rc(conc_errgroup_wait(&group, NULL), EOWNERDEAD);
    sim_check(ended == 3);
    settle();
}

/* ---------------------------------------------------------------- waiting */

static void wait_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_errgroup_wait(&group, &ctx);
    sim_check(rc == 0 || rc == ECANCELED);
    sim_check(rc != 0 || ended == 2);
    sim_reached(rc == 0 ? "ended" : "given up");
}

static void wait_gives_up(void)
{
    conc_context_with_cancel(&ctx, NULL);
    conc_errgroup_init(&group, NULL); /* not below the context that ends */
    for (int i = 0; i < 2; i++)
        sim_ok(conc_errgroup_go(&group, succeed, NULL, NULL));
    sim_go(wait_or_give_up, NULL);
    sim_go(cancel, NULL);
    sim_go(wait_or_give_up, NULL);
    sim_join();
    sim_ok(conc_errgroup_wait(&group, NULL));
    settle();
}

static void parent_cancelled(void)
{
    create();
    sim_ok(conc_errgroup_go(&group, wait_and_succeed, NULL, NULL));
    sim_ok(conc_errgroup_go(&group, wait_and_succeed, NULL, NULL));
    sim_go(cancel, NULL);
    sim_ok(conc_errgroup_wait(&group, NULL));
    sim_join();
    settle();
}

/* ---------------------------------------------------------------- collect */

static int twice(const void *item, void *result, void *arg, struct conc_context *with)
{
    (void)arg;
    (void)with;
    begin();
    *(int *)result = 2 * *(const int *)item;
    ended++;
    return *(const int *)item == 2 ? EIO : 0;
}

static void collect(void)
{
    int results[MOST] = {0};
    int codes_of[MOST];
    limit = 1 + sim_draw(3);
    conc_context_with_cancel(&ctx, NULL);
    sim_go(cancel, NULL);
    struct conc_collect work = {
        .fn = twice,
        .items = number_of,
        .item_size = sizeof(int),
        .results = results,
        .result_size = sizeof(int),
        .errors = codes_of,
        .n = 4,
        .limit = limit,
    };
    int rc = conc_errgroup_collect(&work, &ctx);
    sim_check(rc == EIO || rc == ECANCELED);
    bool all = true;
    for (int i = 0; i < 4; i++) {
        bool run = codes_of[i] != ECANCELED;
        all = all && run;
        sim_check(codes_of[i] == (run ? (i == 2 ? EIO : 0) : ECANCELED));
        sim_check(results[i] == (run ? 2 * i : 0));
    }
    sim_reached(all ? "all" : "cancelled");
    sim_check(begun == ended);
    sim_join();
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- no task to be had */

static bool refused;

static void go_fails(void *arg)
{
    conc_fault_start_at(1);
    sim_rc(conc_errgroup_go(&group, succeed, arg, NULL), EAGAIN);
    refused = true;
}

/* Who sees the task counted that could not be started waits until its error is the group's. */
static void start_fails(void)
{
    if (conc_fault_start_at(0) < 0)
        return; /* nothing can be made to fail in this build */
    create();
    sim_go(go_fails, &number_of[0]);
    while (conc_errgroup_running(&group) == 0 && !refused)
        conc_yield();
    sim_rc(conc_errgroup_wait(&group, NULL), EAGAIN);
    sim_join();
    settle();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(first_error, "EIO", "ENOSPC"), SIM(later_errors_lose),
        SIM(no_error), SIM(limited), SIM(go_races, "started", "refused"), SIM(exits),
        SIM(wait_gives_up, "ended", "given up"), SIM(parent_cancelled),
        SIM(collect, "all", "cancelled"), SIM(start_fails));
}
