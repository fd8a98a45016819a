/* SPDX-License-Identifier: MIT */

/*
 * Contexts under many schedules: a cancel has reached every descendant before it returns, the first
 * cause stays, callbacks run once or not at all, and children may come and go meanwhile.
 */

#include "sync/context.h"
#include "tests/sim.h"

static struct conc_context root, child, grandchild;

static void create(int64_t root_deadline_ns, int64_t child_deadline_ns)
{
    conc_context_with_deadline(&root, NULL, root_deadline_ns);
    conc_context_with_deadline(&child, &root, child_deadline_ns);
    conc_context_with_cancel(&grandchild, &child);
}

static void destroy(void)
{
    conc_context_destroy(&grandchild);
    conc_context_destroy(&child);
    conc_context_destroy(&root);
}

/* ---------------------------------------------------------------- cancel */

static int woken;

static void wait_for_it(void *arg)
{
    sim_rc(conc_context_wait(arg), ECANCELED);
    woken++;
}

static void cancel_root(void *arg)
{
    (void)arg;
    conc_context_cancel(&root);
    sim_rc(conc_context_error(&root), ECANCELED);
    sim_rc(conc_context_error(&child), ECANCELED);
    sim_rc(conc_context_error(&grandchild), ECANCELED);
}

static void cancel_child(void *arg)
{
    (void)arg;
    conc_context_cancel(&child);
    sim_rc(conc_context_error(&child), ECANCELED);
    sim_rc(conc_context_error(&grandchild), ECANCELED);
}

static void reaches_all(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    sim_go(wait_for_it, &root);
    sim_go(wait_for_it, &grandchild);
    sim_go(wait_for_it, &child);
    sim_go(cancel_root, NULL);
    sim_go(cancel_child, NULL);
    sim_join();
    sim_check(woken == 3);
    destroy();
}

/* The middle of the tree ends first, or last: what is below it ends with the root all the same. */
static void reaches_below_the_done(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    conc_context_cancel(&child);
    sim_rc(conc_context_error(&root), 0);
    sim_go(wait_for_it, &grandchild);
    sim_go(wait_for_it, &root);
    cancel_root(NULL);
    sim_join();
    destroy();
}

static void come_and_go(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct conc_context own, below;
        struct conc_context *above = i == 0 ? &root : &child;
        bool late = conc_context_error(above) != 0;
        conc_context_with_cancel(&own, above);
        conc_context_with_cancel(&below, &own);
        int rc = conc_context_error(&below);
        sim_check(!late || rc == ECANCELED);
        conc_sim_point();
        int later = conc_context_error(&below);
        sim_check(rc == 0 || (rc == ECANCELED && later == rc));
        conc_context_destroy(&below);
        conc_context_destroy(&own);
        sim_reached(later == 0 ? "before" : "after");
    }
}

/* Children enter and leave the tree while it is being cancelled. */
static void changing_tree(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    sim_go(come_and_go, NULL);
    sim_go(cancel_root, NULL);
    sim_go(come_and_go, NULL);
    sim_join();
    destroy();
}

/* ---------------------------------------------------------------- causes */

static void cancel_because(void *arg)
{
    int cause = *(const int *)arg;
    conc_context_cancel_cause(&root, cause);
    sim_check(conc_context_cause(&root) != 0);
}

static void look_at_cause(void *arg)
{
    (void)arg;
    int first = 0;
    for (int i = 0; i < 4; i++) {
        int cause = conc_context_cause(i % 2 ? &root : &grandchild);
        sim_check(first == 0 || cause == first);
        first = cause;
        conc_sim_point();
    }
}

static void first_cause_stays(void)
{
    static const int causes[] = {EIO, ENOSPC};
    create(CONC_FOREVER, CONC_FOREVER);
    for (int i = 0; i < 2; i++)
        sim_go(cancel_because, (void *)(uintptr_t)&causes[i]);
    sim_go(look_at_cause, NULL);
    sim_join();
    int cause = conc_context_cause(&root);
    sim_check(cause == EIO || cause == ENOSPC);
    sim_reached(cause == EIO ? "EIO" : "ENOSPC");
    sim_check(conc_context_cause(&grandchild) == cause);
    sim_rc(conc_context_error(&grandchild), ECANCELED);
    destroy();
}

/* ---------------------------------------------------------------- deadlines */

static int answers[4]; /* of those who waited for the root */

static void ask(void *arg)
{
    *(int *)arg = conc_context_wait(&grandchild);
}

static void cancel_at_ten(void *arg)
{
    (void)arg;
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    conc_context_cancel_cause(&root, EIO);
}

/* The deadline and the cancel come at the same moment: then the deadline was first, and all who ask
 * get the same answer. */
static void deadline_and_cancel(void)
{
    create(CONC_MS(10), CONC_FOREVER);
    for (int i = 0; i < 2; i++)
        sim_go(ask, &answers[i]);
    sim_go(cancel_at_ten, NULL);
    sim_join();
    for (int i = 0; i < 2; i++)
        sim_rc(answers[i], ETIMEDOUT);
    sim_check(conc_context_cause(&root) == ETIMEDOUT);
    sim_check(conc_context_cause(&grandchild) == ETIMEDOUT);
    destroy();
}

/* The child's deadline passes when the root is cancelled. */
static void deadline_below(void)
{
    create(CONC_FOREVER, CONC_MS(10));
    for (int i = 0; i < 2; i++)
        sim_go(ask, &answers[i]);
    sim_go(cancel_at_ten, NULL);
    sim_join();
    for (int i = 0; i < 2; i++)
        sim_rc(answers[i], ETIMEDOUT);
    sim_rc(conc_context_error(&root), ECANCELED);
    sim_check(conc_context_cause(&root) == EIO);
    sim_check(conc_context_cause(&child) == ETIMEDOUT);
    destroy();
}

static void cancel_at_nine(void *arg)
{
    (void)arg;
    sim_ok(conc_sleep_until(CONC_MS(9), NULL));
    conc_context_cancel(&root);
}

static void cancel_before_deadline(void)
{
    create(CONC_MS(10), CONC_MS(20));
    sim_check(conc_context_deadline(&grandchild) == CONC_MS(10));
    for (int i = 0; i < 2; i++)
        sim_go(ask, &answers[i]);
    sim_go(cancel_at_nine, NULL);
    sim_join();
    for (int i = 0; i < 2; i++)
        sim_rc(answers[i], ECANCELED);
    sim_ok(conc_sleep_until(CONC_MS(30), NULL));
    sim_rc(conc_context_error(&grandchild), ECANCELED);
    destroy();
}

/* ---------------------------------------------------------------- callbacks */

static struct conc_context_after after[2];
static int calls[2];
static bool returned[2];

static void called(void *arg)
{
    size_t i = (size_t)((int *)arg - calls);
    sim_check(++calls[i] == 1);
    sim_check(conc_context_error(after[i].ctx) != 0);
    conc_sim_point();
    returned[i] = true;
}

static void stop_it(void *arg)
{
    size_t i = (size_t)((struct conc_context_after *)arg - after);
    bool stopped = conc_context_after_stop(arg);
    sim_check(calls[i] == (stopped ? 0 : 1));
    sim_check(stopped || returned[i]);
    sim_reached(stopped ? "stopped" : "called");
    for (int k = 0; k < 3; k++) {
        conc_sim_point();
        sim_check(calls[i] == (stopped ? 0 : 1)); /* and stays so */
    }
    sim_check(conc_context_after_stop(arg) == stopped);
}

static void cancel_only(void *arg)
{
    conc_context_cancel(arg);
}

/* Stopped, or called once and over: whatever comes first. */
static void callback_against_stop(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    sim_ok(conc_context_after(&after[0], &root, called, &calls[0]));
    sim_ok(conc_context_after(&after[1], &grandchild, called, &calls[1]));
    sim_go(stop_it, &after[0]);
    sim_go(cancel_only, &root);
    sim_go(stop_it, &after[1]);
    sim_join();
    destroy();
}

static void register_it(void *arg)
{
    sim_ok(conc_context_after(&after[0], &child, called, &calls[0]));
    (void)arg;
    conc_sim_point();
    stop_it(&after[0]);
}

static void callback_against_register(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    sim_go(register_it, NULL);
    sim_go(cancel_only, &root);
    sim_join();
    destroy();
}

/* One canceller alone: when it returns, everything has been called. */
static void callbacks_before_return(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    sim_ok(conc_context_after(&after[0], &root, called, &calls[0]));
    sim_ok(conc_context_after(&after[1], &grandchild, called, &calls[1]));
    sim_go(wait_for_it, &child);
    sim_go(come_and_go, NULL);
    conc_context_cancel(&root);
    sim_check(returned[0] && returned[1]);
    sim_join();
    for (int i = 0; i < 2; i++)
        sim_check(!conc_context_after_stop(&after[i]));
    destroy();
}

static void stop_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    stop_it(arg);
}

/* The timer calls back, somebody cancels and somebody stops it, all at the same moment. */
static void callback_at_deadline(void)
{
    create(CONC_MS(10), CONC_FOREVER);
    sim_ok(conc_context_after(&after[0], &grandchild, called, &calls[0]));
    sim_go(stop_at_ten, &after[0]);
    sim_go(cancel_at_ten, NULL);
    sim_join();
    destroy();
}

static void stop_other(void *arg)
{
    sim_check(++calls[0] == 1);
    (void)arg;
    sim_reached(conc_context_after_stop(&after[1]) ? "stopped" : "called");
}

/* A callback takes back another of the same tree, gathered like itself. */
static void callback_stops_callback(void)
{
    create(CONC_FOREVER, CONC_FOREVER);
    sim_ok(conc_context_after(&after[0], sim_draw(2) ? &root : &grandchild, stop_other, NULL));
    sim_ok(conc_context_after(&after[1], &child, called, &calls[1]));
    sim_go(cancel_only, &root);
    sim_go(cancel_only, &child);
    sim_join();
    sim_check(calls[0] == 1);
    sim_check(conc_context_after_stop(&after[1]) == (calls[1] == 0));
    conc_context_after_stop(&after[0]);
    destroy();
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(reaches_all), SIM(reaches_below_the_done),
        SIM(changing_tree, "before", "after"), SIM(first_cause_stays, "EIO", "ENOSPC"),
        SIM(deadline_and_cancel), SIM(deadline_below), SIM(cancel_before_deadline),
        SIM(callback_against_stop, "stopped", "called"),
        SIM(callback_against_register, "stopped", "called"),
        SIM(callbacks_before_return, "before", "after"),
        SIM(callback_at_deadline, "stopped", "called"),
        SIM(callback_stops_callback, "stopped", "called"));
}
