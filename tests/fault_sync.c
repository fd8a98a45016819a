/* SPDX-License-Identifier: MIT */
/* ctest: labels fault; timeout 60 */

/*
 * Every function of runtime/ and sync/ that allocates or starts a task, with the k-th allocation
 * and the k-th start failing, for every k. After a failure nothing is left behind (AddressSanitizer
 * and the leak report watch), results are untouched, and the same call succeeds when it is
 * repeated.
 */

#include "runtime/timer_queue.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

CONC_CHAN_DECLARE(int_chan, int)

struct state {
    void *out; /* the result of the call; `untouched` before it */
    struct conc_wait_group group;
    struct conc_context ctx;
    struct conc_context_after after;
    struct conc_timer_entry entry;
    atomic_int ran;
};

static char untouched;

static void run(void *arg)
{
    atomic_fetch_add(&((struct state *)arg)->ran, 1);
}

static void never(void *arg)
{
    (void)arg;
    abort();
}

static int create_chan(struct state *s)
{
    return conc_chan_create((struct conc_chan **)&s->out, 8, 4, NULL);
}

static void destroy_chan(struct state *s)
{
    conc_chan_destroy(s->out);
}

static int create_typed(struct state *s)
{
    return int_chan_create((struct int_chan **)&s->out, 4);
}

static int create_timer(struct state *s)
{
    return conc_timer_create((struct conc_timer **)&s->out, CONC_S(1000));
}

static int create_ticker(struct state *s)
{
    return conc_ticker_create((struct conc_timer **)&s->out, CONC_S(1000));
}

static void destroy_timer(struct state *s)
{
    conc_timer_destroy(s->out);
}

static int start(struct state *s)
{
    return conc_task_start((struct conc_task **)&s->out, run, s);
}

static void join(struct state *s)
{
    conc_task_join(s->out);
    ck_assert_int_eq(s->ran, 1);
}

static int go(struct state *s)
{
    int64_t before = conc_wait_group_count(&s->group);
    int rc = conc_wait_group_go(&s->group, run, s);
    if (rc != 0) {
        ck_assert_int_eq(conc_wait_group_count(&s->group), before);
        unit_ok(conc_wait_group_try_wait(&s->group)); /* nobody is left to be waited for */
        ck_assert_int_eq(s->ran, 0);
    }
    return rc;
}

static void wait_for_it(struct state *s)
{
    unit_ok(conc_wait_group_wait(&s->group, NULL));
    ck_assert_int_eq(s->ran, 1);
}

static int register_after(struct state *s)
{
    conc_context_with_timeout(&s->ctx, NULL, CONC_S(1000));
    int rc = conc_context_after(&s->after, &s->ctx, run, s);
    if (rc != 0) {
        conc_context_destroy(&s->ctx); /* cancels: nothing is registered, nothing is called */
        ck_assert_int_eq(s->ran, 0);
    }
    return rc;
}

static void cancel_after(struct state *s)
{
    conc_context_cancel(&s->ctx);
    ck_assert_int_eq(s->ran, 1);
    ck_assert(!conc_context_after_stop(&s->after));
    conc_context_destroy(&s->ctx);
}

static int arm(struct state *s)
{
    return conc_timer_arm(&s->entry, conc_now_ns() + CONC_S(1000), 0, never, s);
}

static void disarm(struct state *s)
{
    ck_assert(conc_timer_disarm(&s->entry));
}

struct call {
    const char *name;
    int (*make)(struct state *s);
    void (*undo)(struct state *s);
    int allocs; /* at least so many can fail, the first time */
    int starts;
};

static const struct call calls[] = {
    {"conc_chan_create", create_chan, destroy_chan, 1, 0},
    {"int_chan_create", create_typed, destroy_chan, 1, 0},
    {"conc_task_start", start, join, 1, 1},
    {"conc_wait_group_go", go, wait_for_it, 1, 1},
    {"conc_timer_create", create_timer, destroy_timer, 3, 1},
    {"conc_ticker_create", create_ticker, destroy_timer, 3, 1},
    {"conc_context_after", register_after, cancel_after, 1, 1},
    {"conc_timer_arm", arm, disarm, 1, 1},
};

enum { CALLS = sizeof calls / sizeof *calls };

static void begin(struct state *s)
{
    memset(s, 0, sizeof *s);
    s->out = &untouched;
    conc_wait_group_init(&s->group);
}

/* Fails the k-th for k from 1 until it is not reached any more; returns how many there were. */
static int fail_each(const struct call *call, long (*fault_at)(long), int code)
{
    for (long k = 1;; k++) {
        struct state s;
        begin(&s);
        size_t tasks = conc_census_count();
        fault_at(k);
        int rc = call->make(&s);
        bool reached = fault_at(0) == 0;
        if (!reached) {
            ck_assert_msg(rc == 0, "%s: %d without a fault", call->name, rc);
            call->undo(&s);
            conc_wait_group_destroy(&s.group);
            return (int)k - 1;
        }
        ck_assert_msg(rc == code, "%s, fault %ld: %s", call->name, k, strerror(rc));
        ck_assert_msg(s.out == &untouched, "%s, fault %ld: the result was touched", call->name, k);
        ck_assert_uint_eq(conc_census_count(), tasks);
        /* Repeated on the spot it works. */
        unit_ok(call->make(&s));
        call->undo(&s);
        conc_wait_group_destroy(&s.group);
        ck_assert_uint_eq(conc_census_count(), tasks);
        ck_assert_msg(k < 100, "%s: no end of faults", call->name);
    }
}

/* The same without the repetition in between: what only the first call of a process does (the
 * service behind the timers) fails every time until it succeeds. */
static int fail_first(const struct call *call, long (*fault_at)(long), int code)
{
    for (long k = 1;; k++) {
        struct state s;
        begin(&s);
        fault_at(k);
        int rc = call->make(&s);
        if (fault_at(0) > 0) {
            unit_ok(rc);
            call->undo(&s);
            conc_wait_group_destroy(&s.group);
            return (int)k - 1;
        }
        ck_assert_msg(rc == code, "%s, fault %ld: %s", call->name, k, strerror(rc));
        ck_assert_msg(s.out == &untouched, "%s, fault %ld: the result was touched", call->name, k);
        conc_wait_group_destroy(&s.group);
    }
}

static int in_a_process_of_its_own(void *arg)
{
    const struct call *call = arg;
    conc_task_self();
    int starts = fail_first(call, conc_fault_start_at, EAGAIN);
    printf("%d", starts);
    return 0;
}

static int allocs_in_a_process_of_its_own(void *arg)
{
    const struct call *call = arg;
    conc_task_self();
    printf("%d", fail_first(call, conc_fault_alloc_at, ENOMEM));
    return 0;
}

START_TEST(first_call_of_a_process)
{
    if (conc_fault_alloc_at(0) < 0)
        return; /* built without the hooks */
    for (int i = 0; i < CALLS; i++) {
        struct unit_child child;
        void *call = (void *)(uintptr_t)&calls[i];
        unit_child_run(&child, in_a_process_of_its_own, call, NULL);
        ck_assert_msg(child.exit_code == 0, "%s: %d, %s", calls[i].name, child.status, child.err);
        ck_assert_msg(
            atoi(child.out) >= calls[i].starts, "%s: %s starts", calls[i].name, child.out);
        unit_child_run(&child, allocs_in_a_process_of_its_own, call, NULL);
        ck_assert_msg(child.exit_code == 0, "%s: %d, %s", calls[i].name, child.status, child.err);
        ck_assert_msg(
            atoi(child.out) >= calls[i].allocs, "%s: %s allocations", calls[i].name, child.out);
    }
}
END_TEST

START_TEST(every_call)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    conc_task_self();
    for (int i = 0; i < CALLS; i++) {
        fail_each(&calls[i], conc_fault_alloc_at, ENOMEM);
        fail_each(&calls[i], conc_fault_start_at, EAGAIN);
    }
}
END_TEST

/* A timer that cannot be armed again is stopped, whole, and can be reset later. */
START_TEST(reset)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    enum { MANY = 40 };
    struct conc_timer *timers[MANY];
    struct conc_timer *timer;
    unit_ok(conc_timer_create(&timer, CONC_S(1000)));
    for (int i = 0; i < MANY; i++) {
        /* The queue grows now and then: only then has a reset to allocate. */
        conc_timer_stop(timer);
        unit_ok(conc_timer_create(&timers[i], CONC_S(1000)));
        conc_fault_alloc_at(1);
        int rc = conc_timer_reset(timer, CONC_S(500));
        if (conc_fault_alloc_at(0) == 0) {
            unit_rc(rc, ENOMEM);
            ck_assert(!conc_timer_stop(timer));
            rc = conc_timer_reset(timer, CONC_S(500));
        }
        unit_ok(rc);
        ck_assert(conc_timer_stop(timer));
    }
    for (int i = 0; i < MANY; i++)
        conc_timer_destroy(timers[i]);
    conc_timer_destroy(timer);
}
END_TEST

/* Half of a crowd cannot be started: those that were are waited for, and the count is right. */
START_TEST(half_a_crowd)
{
    if (conc_fault_start_at(0) < 0)
        return;
    for (int k = 1; k <= 10; k++) {
        struct state s;
        begin(&s);
        int started = 0;
        conc_fault_start_at(k);
        for (int i = 0; i < 10; i++) {
            int rc = conc_wait_group_go(&s.group, run, &s);
            unit_rc(rc, i + 1 == k ? EAGAIN : 0);
            started += rc == 0;
        }
        unit_ok(conc_wait_group_wait(&s.group, NULL));
        ck_assert_int_eq(s.ran, started);
        conc_wait_group_destroy(&s.group);
    }
}
END_TEST

int main(void)
{
    return unit_main("fault sync", first_call_of_a_process, every_call, reset, half_a_crowd);
}
