/* SPDX-License-Identifier: MIT */

/*
 * Once under many schedules: the function runs once, and nobody goes on before it has returned.
 */

#include "sync/context.h"
#include "sync/once.h"
#include "tests/sim.h"

static struct conc_once once = CONC_ONCE_INIT;
static struct conc_context ctx;
static int begun;
static bool over;

static void init(void *arg)
{
    (void)arg;
    sim_check(++begun == 1);
    conc_sim_point();
    over = true;
}

static void do_it(void *arg)
{
    (void)arg;
    sim_ok(conc_once_do(&once, init, NULL, NULL));
    sim_check(over);
    sim_ok(conc_once_do(&once, init, NULL, NULL));
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void three_at_once(void)
{
    for (int i = 0; i < 3; i++)
        sim_go(do_it, NULL);
    sim_join();
    sim_check(begun == 1);
}

static void try_it(void *arg)
{
    (void)arg;
    int rc = conc_once_try_do(&once, init, NULL);
    sim_check(rc == 0 || rc == EAGAIN);
    sim_check(rc != 0 || over);
    sim_reached(rc == 0 ? "done" : "under way");
}

static void trying(void)
{
    sim_go(do_it, NULL);
    sim_go(try_it, NULL);
    sim_go(try_it, NULL);
    sim_join();
    sim_check(begun == 1);
}

/* A wait for the end ends with its context; the task that runs the function goes on. */
static void do_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_once_do(&once, init, NULL, &ctx);
    sim_check(rc == 0 || rc == ECANCELED);
    sim_check(rc != 0 || over);
    sim_reached(rc == 0 ? "done" : "given up");
}

static void cancel_races(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_go(do_or_give_up, NULL);
    sim_go(do_or_give_up, NULL);
    sim_go(do_or_give_up, NULL);
    sim_go(cancel, NULL);
    sim_join();
    sim_check(begun == 1);
    conc_context_destroy(&ctx);
}

static void init_and_exit(void *arg)
{
    init(arg);
    conc_task_exit();
}

static int served;

static void do_exiting(void *arg)
{
    (void)arg;
    sim_ok(conc_once_do(&once, init_and_exit, NULL, NULL));
    sim_check(over);
    served++;
}

/* A function that ends its task leaves nobody waiting. */
static void ends_its_task(void)
{
    for (int i = 0; i < 3; i++)
        sim_go(do_exiting, NULL);
    sim_join();
    sim_check(begun == 1 && served == 2);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(three_at_once), SIM(trying, "done", "under way"),
        SIM(cancel_races, "done", "given up"), SIM(ends_its_task));
}
