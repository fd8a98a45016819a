/* SPDX-License-Identifier: MIT */

/*
 * Wait groups under many schedules: the last done wakes everybody who waits and nobody earlier,
 * and the group may be destroyed as soon as a wait has returned.
 */

#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/sim.h"

static struct conc_wait_group *group;
static struct conc_context ctx;
static int done;
static int total;

static void create(int n)
{
    group = malloc(sizeof *group);
    sim_check(group);
    conc_wait_group_init(group);
    conc_wait_group_add(group, n);
    total = n;
}

static void destroy(void)
{
    conc_wait_group_destroy(group);
    memset(group, 0xA5, sizeof *group);
    free(group);
}

static void finish(void *arg)
{
    (void)arg;
    done++;
    conc_wait_group_done(group);
}

static void work(void *arg)
{
    (void)arg;
    conc_sim_point();
    done++;
}

static void wait_all(void *arg)
{
    (void)arg;
    sim_ok(conc_wait_group_wait(group, NULL));
    sim_check(done == total);
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* ---------------------------------------------------------------- waiting */

static void all_waiters_wake(void)
{
    create(2);
    sim_go(wait_all, NULL);
    sim_go(finish, NULL);
    sim_go(wait_all, NULL);
    sim_go(finish, NULL);
    sim_join();
    destroy();
}

static void starts_tasks(void)
{
    create(0);
    total = 3;
    for (int i = 0; i < 3; i++)
        sim_ok(conc_wait_group_go(group, work, NULL));
    sim_ok(conc_wait_group_wait(group, NULL));
    sim_check(done == 3);
    destroy();
}

static void start_another(void *arg)
{
    if (arg)
        sim_ok(conc_wait_group_go(group, start_another, NULL));
    done++;
}

/* Tasks of the group start further ones while others wait. */
static void grows_while_waited_for(void)
{
    create(0);
    total = 4;
    for (int i = 0; i < 2; i++)
        sim_ok(conc_wait_group_go(group, start_another, group));
    sim_go(wait_all, NULL);
    wait_all(NULL);
    sim_join();
    destroy();
}

static void wait_and_destroy(void *arg)
{
    (void)arg;
    sim_ok(conc_wait_group_wait(group, NULL));
    destroy();
}

/* The one that was waited for may not have returned from done. */
static void destroyed_at_once(void)
{
    create(1);
    sim_go(wait_and_destroy, NULL);
    sim_go(finish, NULL);
    sim_join();
}

static void used_again(void)
{
    create(0);
    for (int i = 1; i <= 3; i++) {
        total = 2 * i;
        sim_ok(conc_wait_group_go(group, work, NULL));
        sim_ok(conc_wait_group_go(group, work, NULL));
        int rc = conc_wait_group_try_wait(group);
        sim_check(rc == 0 || rc == EAGAIN);
        sim_check(rc != 0 || done == total);
        wait_all(NULL);
    }
    destroy();
}

/* ---------------------------------------------------------------- giving up */

static void wait_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_wait_group_wait(group, &ctx);
    sim_check(rc == 0 || rc == ECANCELED || rc == ETIMEDOUT);
    sim_check(rc != 0 || done == total);
    sim_reached(rc == 0 ? "done" : "given up");
}

static void cancel_races(void)
{
    create(2);
    conc_context_with_cancel(&ctx, NULL);
    sim_go(wait_or_give_up, NULL);
    sim_go(finish, NULL);
    sim_go(wait_all, NULL);
    sim_go(cancel, NULL);
    sim_go(finish, NULL);
    sim_join();
    destroy();
    conc_context_destroy(&ctx);
}

static void finish_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    finish(arg);
}

static void deadline_races(void)
{
    create(1);
    conc_context_with_deadline(&ctx, NULL, CONC_MS(10));
    sim_go(wait_or_give_up, NULL);
    sim_go(wait_all, NULL);
    sim_go(finish_at_ten, NULL);
    sim_join();
    destroy();
    conc_context_destroy(&ctx);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(all_waiters_wake), SIM(starts_tasks),
        SIM(grows_while_waited_for), SIM(destroyed_at_once), SIM(used_again),
        SIM(cancel_races, "done", "given up"), SIM(deadline_races, "done", "given up"));
}
