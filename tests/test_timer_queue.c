/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include "runtime/timer_queue.h"
#include "tests/unit.h"

struct alarm {
    struct conc_timer_entry entry;
    atomic_int fired;
    int64_t at_ns; /* when it fired */
    int number;
    struct order *order;
};

struct order {
    int numbers[1000];
    atomic_int n;
};

static void fire(void *arg)
{
    struct alarm *alarm = arg;
    alarm->at_ns = conc_now_ns();
    if (alarm->order) { /* nobody but the service writes */
        alarm->order->numbers[atomic_load(&alarm->order->n)] = alarm->number;
        atomic_fetch_add(&alarm->order->n, 1);
    }
    atomic_fetch_add(&alarm->fired, 1);
}

START_TEST(fires)
{
    struct alarm alarm = {.entry = CONC_TIMER_ENTRY_INIT};
    int64_t when = conc_now_ns() + CONC_MS(3);
    unit_ok(conc_timer_arm(&alarm.entry, when, 0, fire, &alarm));
    unit_wait_until(atomic_load(&alarm.fired) == 1);
    ck_assert(!conc_timer_disarm(&alarm.entry)); /* orders what the callback wrote */
    ck_assert_int_ge(alarm.at_ns, when);
    /* In the past: at once; and the entry may be used again. */
    unit_ok(conc_timer_arm(&alarm.entry, INT64_MIN, 0, fire, &alarm));
    unit_wait_until(atomic_load(&alarm.fired) == 2);
    ck_assert(!conc_timer_disarm(&alarm.entry));
    ck_assert_uint_eq(conc_census_count(), 1);
}
END_TEST

START_TEST(disarms)
{
    struct alarm alarm = {.entry = CONC_TIMER_ENTRY_INIT};
    struct alarm other = {.entry = CONC_TIMER_ENTRY_INIT};
    ck_assert(!conc_timer_disarm(&alarm.entry)); /* never armed */
    unit_ok(conc_timer_arm(&alarm.entry, conc_now_ns() + CONC_S(100), 0, fire, &alarm));
    unit_ok(conc_timer_arm(&other.entry, CONC_FOREVER, 0, fire, &other));
    ck_assert(conc_timer_disarm(&alarm.entry));
    ck_assert(!conc_timer_disarm(&alarm.entry));
    ck_assert(conc_timer_disarm(&other.entry));
    ck_assert_int_eq(alarm.fired + other.fired, 0);
}
END_TEST

/* An earlier timer, armed while the service sleeps until a later one. */
START_TEST(earlier_one_comes_later)
{
    struct alarm late = {.entry = CONC_TIMER_ENTRY_INIT};
    struct alarm early = {.entry = CONC_TIMER_ENTRY_INIT};
    unit_ok(conc_timer_arm(&late.entry, conc_now_ns() + CONC_S(1000), 0, fire, &late));
    conc_sleep(CONC_MS(2), NULL); /* so that it very likely sleeps; nothing depends on it */
    unit_ok(conc_timer_arm(&early.entry, conc_now_ns() + CONC_MS(2), 0, fire, &early));
    unit_wait_until(atomic_load(&early.fired) == 1);
    ck_assert(conc_timer_disarm(&late.entry));
}
END_TEST

enum { MANY = 1000 };

/* Armed in a scrambled order, some taken out again from anywhere in the heap: the rest in order. */
START_TEST(many_in_order)
{
    static struct alarm alarms[MANY];
    static struct order order;
    int n = (int)unit_scaled(MANY);
    uint64_t state = 5;
    int64_t start = conc_now_ns() + CONC_MS(RUNNING_ON_VALGRIND ? 300 : 50);
    int places[MANY];
    for (int i = 0; i < n; i++)
        places[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(conc_splitmix64(&state) % (uint64_t)(i + 1));
        int swap = places[i];
        places[i] = places[j];
        places[j] = swap;
    }
    for (int i = 0; i < n; i++) {
        int k = places[i];
        alarms[k] = (struct alarm){.number = k, .order = &order};
        unit_ok(conc_timer_arm(&alarms[k].entry, start + k * CONC_US(20), 0, fire, &alarms[k]));
    }
    int taken = 0;
    for (int i = 0; i < n; i++)
        if (places[i] % 3 == 0)
            taken += conc_timer_disarm(&alarms[places[i]].entry);
    unit_wait_until(atomic_load(&order.n) == n - taken);
    for (int i = 0; i < n; i++)
        ck_assert(!conc_timer_disarm(&alarms[i].entry));
    for (int i = 1; i < n - taken; i++)
        ck_assert_msg(order.numbers[i - 1] < order.numbers[i], "%d before %d", order.numbers[i - 1],
            order.numbers[i]);
}
END_TEST

START_TEST(periodic)
{
    struct alarm alarm = {.entry = CONC_TIMER_ENTRY_INIT};
    int64_t start = conc_now_ns();
    unit_ok(conc_timer_arm(&alarm.entry, start + CONC_MS(1), CONC_MS(1), fire, &alarm));
    unit_wait_until(atomic_load(&alarm.fired) >= 4);
    ck_assert(conc_timer_disarm(&alarm.entry));
    int fired = atomic_load(&alarm.fired);
    ck_assert_int_ge(alarm.at_ns, start + CONC_MS(fired));
    int64_t later = conc_deadline_after(CONC_MS(5));
    unit_wait_until(conc_now_ns() > later);
    ck_assert_int_eq(atomic_load(&alarm.fired), fired);
}
END_TEST

/* Periods that were missed altogether are skipped, not fired one after the other. */
static void fire_slowly(void *arg)
{
    struct alarm *alarm = arg;
    int64_t until = conc_deadline_after(CONC_MS(20));
    while (conc_now_ns() < until)
        ;
    fire(alarm);
}

START_TEST(missed_periods)
{
    struct alarm alarm = {.entry = CONC_TIMER_ENTRY_INIT};
    int64_t start = conc_now_ns();
    unit_ok(conc_timer_arm(&alarm.entry, start + CONC_MS(1), CONC_MS(1), fire_slowly, &alarm));
    unit_wait_until(atomic_load(&alarm.fired) >= 3);
    conc_timer_disarm(&alarm.entry);
    ck_assert_int_ge(alarm.at_ns - start, CONC_MS(20) * atomic_load(&alarm.fired));
}
END_TEST

/* ---------------------------------------------------------------- disarm and the callback */

struct slow {
    struct conc_timer_entry entry;
    atomic_bool inside;
    atomic_bool go_on;
    atomic_bool returned;
    atomic_bool disarmed;
    bool answer;
    bool returned_before;
};

static void fire_until_told(void *arg)
{
    struct slow *slow = arg;
    atomic_store(&slow->inside, true);
    while (!atomic_load(&slow->go_on))
        conc_yield();
    atomic_store(&slow->returned, true);
}

static void disarm_main(void *arg)
{
    struct slow *slow = arg;
    slow->answer = conc_timer_disarm(&slow->entry);
    slow->returned_before = atomic_load(&slow->returned);
    atomic_store(&slow->disarmed, true);
}

START_TEST(disarm_waits_for_the_callback)
{
    for (int period = 0; period < 2; period++) {
        struct slow slow = {.entry = CONC_TIMER_ENTRY_INIT};
        struct conc_task *task;
        unit_ok(conc_timer_arm(&slow.entry, 0, period * CONC_S(100), fire_until_told, &slow));
        unit_wait_until(atomic_load(&slow.inside));
        unit_ok(conc_task_start(&task, disarm_main, &slow));
        unit_wait_parked(1);
        ck_assert(!atomic_load(&slow.disarmed));
        atomic_store(&slow.go_on, true);
        conc_task_join(task);
        ck_assert(slow.returned_before);
        ck_assert_int_eq(slow.answer, period == 1); /* a periodic one is armed while it fires */
    }
}
END_TEST

struct inner {
    struct conc_timer_entry entry;
    bool again; /* arm once more */
    atomic_int fired;
    bool answer;
};

/* A callback may disarm itself, and arm itself anew. */
static void fire_inside(void *arg)
{
    struct inner *inner = arg;
    inner->answer = conc_timer_disarm(&inner->entry);
    if (inner->again && conc_timer_arm(&inner->entry, 0, 0, fire_inside, inner) != 0)
        abort();
    inner->again = false;
    atomic_fetch_add(&inner->fired, 1);
}

START_TEST(callback_disarms_itself)
{
    struct inner once = {.again = false};
    unit_ok(conc_timer_arm(&once.entry, 0, 0, fire_inside, &once));
    unit_wait_until(atomic_load(&once.fired) == 1);
    ck_assert(!conc_timer_disarm(&once.entry));
    ck_assert(!once.answer);
    struct inner twice = {.again = true};
    unit_ok(conc_timer_arm(&twice.entry, 0, 0, fire_inside, &twice));
    unit_wait_until(atomic_load(&twice.fired) == 2);
    ck_assert(!conc_timer_disarm(&twice.entry));
    struct inner periodic_one = {.again = false};
    unit_ok(conc_timer_arm(&periodic_one.entry, 0, CONC_US(10), fire_inside, &periodic_one));
    unit_wait_until(atomic_load(&periodic_one.fired) == 1);
    ck_assert(!conc_timer_disarm(&periodic_one.entry)); /* and nothing runs any more */
    ck_assert(periodic_one.answer);
    ck_assert_int_eq(periodic_one.fired, 1);
}
END_TEST

/* Disarmed or fired, never both and never neither; nothing fires after disarm has returned. */
START_TEST(disarm_against_firing)
{
    size_t rounds = unit_scaled(3000);
    size_t disarmed = 0;
    for (size_t i = 0; i < rounds; i++) {
        struct alarm alarm = {.entry = CONC_TIMER_ENTRY_INIT};
        if (conc_timer_arm(
                &alarm.entry, conc_now_ns() + (int64_t)(i % 80) * 1000, 0, fire, &alarm) != 0)
            ck_abort_msg("round %zu", i);
        if (i % 2)
            conc_yield();
        bool stopped = conc_timer_disarm(&alarm.entry);
        if (atomic_load(&alarm.fired) != !stopped)
            ck_abort_msg("round %zu: disarm says %d, fired %d times", i, stopped, alarm.fired);
        disarmed += stopped;
    }
    fprintf(stderr, "disarmed %zu of %zu\n", disarmed, rounds);
}
END_TEST

static void arm_some(void *arg)
{
    uint64_t state = *(uint64_t *)arg;
    for (size_t i = 0; i < unit_scaled(400); i++) {
        struct alarm alarms[5] = {{.number = 0}};
        for (int k = 0; k < 5; k++)
            if (conc_timer_arm(&alarms[k].entry,
                    conc_now_ns() + (int64_t)(conc_splitmix64(&state) % 200000), 0, fire,
                    &alarms[k]) != 0)
                abort();
        for (int k = 0; k < 5; k++)
            if (atomic_load(&alarms[k].fired) != !conc_timer_disarm(&alarms[k].entry) &&
                atomic_load(&alarms[k].fired) != 1)
                abort();
    }
}

START_TEST(many_tasks)
{
    struct conc_task *tasks[4];
    uint64_t seeds[4] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++)
        unit_ok(conc_task_start(&tasks[i], arm_some, &seeds[i]));
    for (int i = 0; i < 4; i++)
        conc_task_join(tasks[i]);
}
END_TEST

/* The first timer starts the service; a failure leaves nothing armed and can be tried again. */
START_TEST(faults)
{
    struct alarm alarm = {.entry = CONC_TIMER_ENTRY_INIT};
    if (conc_fault_start_at(1) < 0)
        return;
    unit_rc(conc_timer_arm(&alarm.entry, 0, 0, fire, &alarm), EAGAIN);
    ck_assert(!conc_timer_disarm(&alarm.entry));
    long k = 1;
    for (;; k++) {
        conc_fault_alloc_at(k);
        int rc = conc_timer_arm(&alarm.entry, conc_now_ns() + CONC_S(9), 0, fire, &alarm);
        if (conc_fault_alloc_at(0) > 0) {
            unit_ok(rc);
            break;
        }
        unit_rc(rc, ENOMEM);
        ck_assert(!conc_timer_disarm(&alarm.entry));
    }
    ck_assert_int_ge(k, 2);
    ck_assert(conc_timer_disarm(&alarm.entry));
    ck_assert_int_eq(alarm.fired, 0);
}
END_TEST

int main(void)
{
    return unit_main("timer_queue", fires, disarms, earlier_one_comes_later, many_in_order,
        periodic, missed_periods, disarm_waits_for_the_callback, callback_disarms_itself,
        disarm_against_firing, many_tasks, faults);
}
