/* SPDX-License-Identifier: MIT */

/*
 * Conditions under many schedules: no signal is lost between the unlock and the sleep, none is
 * taken by a wait that gives up, and a broadcast reaches everybody.
 */

#include "sync/cond.h"
#include "sync/context.h"
#include "tests/sim.h"

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static struct conc_cond cond = CONC_COND_INIT;
static struct conc_context ctx;

/* Under the mutex. */
static int items;
static int taken;
static bool open;

/* Nobody waits any more, and nothing is held. */
static void destroy(void)
{
    conc_cond_destroy(&cond);
    conc_mutex_destroy(&mutex);
}

/* ---------------------------------------------------------------- signals */

static void take_one(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    while (items == 0)
        sim_ok(conc_cond_wait(&cond, &mutex, NULL));
    items--;
    taken++;
    conc_mutex_unlock(&mutex);
}

static void put_one(void *arg)
{
    bool after_unlock = arg != NULL;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    items++;
    if (!after_unlock)
        conc_cond_signal(&cond);
    conc_mutex_unlock(&mutex);
    if (after_unlock)
        conc_cond_signal(&cond);
}

static void signals(void)
{
    for (int i = 0; i < 2; i++)
        sim_go(take_one, NULL);
    for (int i = 0; i < 2; i++)
        sim_go(put_one, sim_draw(2) ? &items : NULL);
    sim_join();
    sim_check(items == 0 && taken == 2);
    destroy();
}

/* As many as wait are woken by as many signals: not fewer, and one each. */
static int waiting;
static int woken;

static void wait_once(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    waiting++;
    sim_ok(conc_cond_wait(&cond, &mutex, NULL));
    woken++;
    conc_mutex_unlock(&mutex);
}

static void one_signal_one_task(void)
{
    for (int i = 0; i < 3; i++)
        sim_go(wait_once, NULL);
    for (int i = 0; i < 3;) {
        sim_ok(conc_mutex_lock(&mutex, NULL));
        bool signal = waiting > i;
        if (signal)
            conc_cond_signal(&cond);
        conc_mutex_unlock(&mutex);
        i += signal;
        if (!signal)
            conc_yield();
    }
    sim_join();
    sim_check(woken == 3);
    destroy();
}

/* ---------------------------------------------------------------- broadcast */

static void wait_open(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    while (!open)
        sim_ok(conc_cond_wait(&cond, &mutex, NULL));
    taken++;
    conc_mutex_unlock(&mutex);
}

static void open_it(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    open = true;
    conc_mutex_unlock(&mutex);
    conc_cond_broadcast(&cond);
}

static void broadcast(void)
{
    for (int i = 0; i < 3; i++)
        sim_go(wait_open, NULL);
    sim_go(open_it, NULL);
    sim_join();
    sim_check(taken == 3);
    destroy();
}

/* ---------------------------------------------------------------- giving up */

static void take_or_give_up(void *arg)
{
    (void)arg;
    int rc = 0;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    while (items == 0 && rc == 0)
        rc = conc_cond_wait(&cond, &mutex, &ctx);
    sim_check(rc == 0 || rc == ECANCELED || rc == ETIMEDOUT);
    /* Not looked at again: a wait that gave up has taken no signal, so another gets the item. */
    if (rc == 0) {
        items--;
        taken++;
    }
    sim_reached(rc == 0 ? "taken" : "given up");
    conc_mutex_unlock(&mutex);
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

/* Of two that wait, one may be cancelled: the signal then goes to the other. */
static void cancel_loses_no_signal(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_go(take_or_give_up, NULL);
    sim_go(take_one, NULL);
    sim_go(cancel, NULL);
    sim_go(put_one, NULL);
    sim_ok(conc_sleep(CONC_MS(1), NULL)); /* until the four can do no more */
    sim_ok(conc_mutex_lock(&mutex, NULL));
    sim_check(items == 0 && taken == 1);
    conc_mutex_unlock(&mutex);
    if (taken == 1)
        put_one(NULL); /* for the one that had no luck, if it has not given up */
    sim_join();
    sim_check(items + taken == 2);
    conc_context_destroy(&ctx);
    destroy();
}

static void put_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    put_one(arg);
}

/* The deadline and the signal come at the same moment. */
static void deadline_and_signal(void)
{
    conc_context_with_deadline(&ctx, NULL, CONC_MS(10));
    sim_go(take_or_give_up, NULL);
    sim_go(put_at_ten, NULL);
    sim_join();
    sim_check(items + taken == 1);
    conc_context_destroy(&ctx);
    destroy();
}

/* A wait that is over by a cancel has the mutex again. */
static int inside;

static void hold(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sim_ok(conc_mutex_lock(&mutex, NULL));
        sim_check(inside++ == 0);
        conc_sim_point();
        inside--;
        conc_mutex_unlock(&mutex);
    }
}

static void wait_cancelled(void *arg)
{
    (void)arg;
    sim_ok(conc_mutex_lock(&mutex, NULL));
    sim_rc(conc_cond_wait(&cond, &mutex, &ctx), ECANCELED);
    sim_check(inside++ == 0);
    conc_sim_point();
    inside--;
    conc_mutex_unlock(&mutex);
}

static void returns_with_the_mutex(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_go(wait_cancelled, NULL);
    sim_go(hold, NULL);
    sim_go(wait_cancelled, NULL);
    sim_go(cancel, NULL);
    sim_join();
    conc_context_destroy(&ctx);
    destroy();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(signals), SIM(one_signal_one_task), SIM(broadcast),
        SIM(cancel_loses_no_signal, "taken", "given up"),
        SIM(deadline_and_signal, "taken", "given up"), SIM(returns_with_the_mutex));
}
