/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include "counter.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

enum { KINDS = CONC_COUNTER_STRIPED + 1, TASKS = 40 }; /* more tasks than stripes */

static struct conc_counter *counter_of(int kind)
{
    struct conc_counter *counter;
    unit_ok(conc_counter_create(&counter, (enum conc_counter_kind)kind));
    return counter;
}

/* ---------------------------------------------------------------- one task */

START_TEST(counts)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_counter *counter = counter_of(kind);
        ck_assert_uint_eq((uintptr_t)&counter->value % CONC_COUNTER_LINE, 0);
        ck_assert_int_eq(conc_counter_get(counter), 0);
        conc_counter_inc(counter);
        conc_counter_inc(counter);
        conc_counter_dec(counter);
        conc_counter_add(counter, 41);
        ck_assert_int_eq(conc_counter_get(counter), 42);
        conc_counter_add(counter, -50);
        conc_counter_add(counter, 0);
        ck_assert_int_eq(conc_counter_get(counter), -8);
        /* It wraps round, and says nothing (no undefined behaviour either). */
        conc_counter_add(counter, INT64_MAX);
        conc_counter_add(counter, 9);
        ck_assert_int_eq(conc_counter_get(counter), INT64_MIN);
        conc_counter_dec(counter);
        ck_assert_int_eq(conc_counter_get(counter), INT64_MAX);
        conc_counter_destroy(counter);
    }
    conc_counter_destroy(NULL);
}
END_TEST

START_TEST(one_value)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_counter *counter = counter_of(kind);
        int64_t value = 77;
        if (kind == CONC_COUNTER_STRIPED) {
            conc_counter_inc(counter);
            unit_rc(conc_counter_add_get(counter, 1, &value), ENOTSUP);
            unit_rc(conc_counter_set(counter, 5), ENOTSUP);
            unit_rc(conc_counter_compare_and_swap(counter, 1, 2), ENOTSUP);
            ck_assert_int_eq(value, 77);
            ck_assert_int_eq(conc_counter_get(counter), 1); /* as it was */
        } else {
            unit_ok(conc_counter_add_get(counter, 3, &value));
            ck_assert_int_eq(value, 3);
            unit_ok(conc_counter_add_get(counter, -5, NULL));
            ck_assert_int_eq(conc_counter_get(counter), -2);
            unit_ok(conc_counter_set(counter, 10));
            ck_assert_int_eq(conc_counter_get(counter), 10);
            unit_rc(conc_counter_compare_and_swap(counter, 11, 12), EAGAIN);
            ck_assert_int_eq(conc_counter_get(counter), 10);
            unit_ok(conc_counter_compare_and_swap(counter, 10, 12));
            ck_assert_int_eq(conc_counter_get(counter), 12);
            unit_ok(conc_counter_set(counter, INT64_MAX));
            unit_ok(conc_counter_add_get(counter, 1, &value));
            ck_assert_int_eq(value, INT64_MIN);
        }
        conc_counter_destroy(counter);
    }
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_counter *counter = NULL;
    struct conc_counter_local local;
    unit_rc(conc_counter_create(NULL, CONC_COUNTER_ATOMIC), EINVAL);
    unit_rc(conc_counter_create(&counter, (enum conc_counter_kind)KINDS), EINVAL);
    unit_rc(conc_counter_create(&counter, (enum conc_counter_kind) - 1), EINVAL);
    ck_assert_ptr_null(counter);
    unit_rc(conc_counter_add_get(NULL, 1, NULL), EINVAL);
    unit_rc(conc_counter_set(NULL, 1), EINVAL);
    unit_rc(conc_counter_compare_and_swap(NULL, 1, 2), EINVAL);
    unit_rc(conc_counter_attach(NULL, &local), EINVAL);
    for (int kind = 0; kind < KINDS; kind++) {
        counter = counter_of(kind);
        unit_rc(conc_counter_attach(counter, NULL), EINVAL);
        if (kind != CONC_COUNTER_STRIPED)
            unit_rc(conc_counter_attach(counter, &local), ENOTSUP);
        conc_counter_destroy(counter);
    }
}
END_TEST

START_TEST(no_memory)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_counter *counter = NULL;
        if (conc_fault_alloc_at(1) < 0)
            exit(0);
        unit_rc(conc_counter_create(&counter, (enum conc_counter_kind)kind), ENOMEM);
        ck_assert_int_eq(conc_fault_alloc_at(2), 0);
        ck_assert_ptr_null(counter);
        unit_ok(conc_counter_create(&counter, (enum conc_counter_kind)kind)); /* it needs one */
        ck_assert_int_gt(conc_fault_alloc_at(0), 0);
        conc_counter_destroy(counter);
    }
}
END_TEST

/* ---------------------------------------------------------------- many tasks */

struct adder {
    struct conc_counter *counter;
    long times;
    int64_t *tickets; /* one per value, counts how often it was drawn */
};

static void add(void *arg)
{
    struct adder *me = arg;
    for (long i = 0; i < me->times; i++) {
        conc_counter_inc(me->counter);
        conc_counter_add(me->counter, 2);
        conc_counter_dec(me->counter);
    }
}

/* No add is lost, and nobody ever sees more than has been added. */
START_TEST(loses_nothing)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct conc_counter *counter = counter_of(kind);
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct adder adder = {.counter = counter, .times = (long)unit_scaled(2000)};
        for (int i = 0; i < TASKS; i++)
            unit_ok(conc_wait_group_go(&group, add, &adder));
        int64_t most = 0;
        while (conc_wait_group_count(&group) > 0) {
            int64_t seen = conc_counter_get(counter);
            most = seen > most ? seen : most;
            conc_yield();
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        ck_assert_int_eq(conc_counter_get(counter), 2 * TASKS * adder.times);
        ck_assert_int_le(most, 3 * TASKS * adder.times);
        conc_counter_destroy(counter);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

/* A stripe is chosen by the task's number, so the first and the last of 33 tasks have the same. */
struct meeting {
    struct conc_counter *counter;
    atomic_int arrived;
    long times;
};

static void meet_and_add(void *arg)
{
    struct meeting *m = arg;
    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->arrived) < 2)
        conc_yield();
    for (long i = 0; i < m->times; i++)
        conc_counter_inc(m->counter);
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(two_tasks_on_one_stripe)
{
    struct meeting m = {.counter = counter_of(CONC_COUNTER_STRIPED)};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    m.times = (long)unit_scaled(3000000);
    for (int i = 0; i <= CONC_COUNTER_STRIPES; i++)
        unit_ok(
            conc_wait_group_go(&group, i % CONC_COUNTER_STRIPES == 0 ? meet_and_add : nothing, &m));
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(conc_counter_get(m.counter), 2 * m.times);
    conc_counter_destroy(m.counter);
    conc_wait_group_destroy(&group);
}
END_TEST

static void draw(void *arg)
{
    struct adder *me = arg;
    for (long i = 0; i < me->times; i++) {
        int64_t ticket;
        if (conc_counter_add_get(me->counter, 1, &ticket) != 0)
            abort();
        me->tickets[ticket - 1]++; /* plain: each is one task's alone */
    }
}

START_TEST(tickets_are_unique)
{
    for (int kind = 0; kind < CONC_COUNTER_STRIPED; kind++) {
        struct conc_counter *counter = counter_of(kind);
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        long times = (long)unit_scaled(1000);
        int64_t *tickets = calloc((size_t)times * 8, sizeof(*tickets));
        struct adder adder = {.counter = counter, .times = times, .tickets = tickets};
        for (int i = 0; i < 8; i++)
            unit_ok(conc_wait_group_go(&group, draw, &adder));
        unit_ok(conc_wait_group_wait(&group, NULL));
        for (long i = 0; i < 8 * times; i++) {
            if (tickets[i] != 1)
                ck_abort_msg("ticket %ld was drawn %" PRId64 " times", i, tickets[i]);
        }
        free(tickets);
        conc_counter_destroy(counter);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

/* Multiplies by compare and swap: each step is taken once. */
static void swap(void *arg)
{
    struct adder *me = arg;
    for (long i = 0; i < me->times; i++) {
        int rc;
        do {
            int64_t old = conc_counter_get(me->counter);
            rc = conc_counter_compare_and_swap(me->counter, old, (int64_t)((uint64_t)old * 3 + 1));
        } while (rc == EAGAIN);
        if (rc != 0)
            abort();
    }
}

START_TEST(swaps)
{
    long times = (long)unit_scaled(1000);
    uint64_t want = 0;
    for (long i = 0; i < 4 * times; i++)
        want = want * 3 + 1;
    for (int kind = 0; kind < CONC_COUNTER_STRIPED; kind++) {
        struct conc_counter *counter = counter_of(kind);
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        struct adder adder = {.counter = counter, .times = times};
        for (int i = 0; i < 4; i++)
            unit_ok(conc_wait_group_go(&group, swap, &adder));
        unit_ok(conc_wait_group_wait(&group, NULL));
        ck_assert_int_eq(conc_counter_get(counter), (int64_t)want);
        conc_counter_destroy(counter);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

/* ---------------------------------------------------------------- locals */

START_TEST(locals)
{
    struct conc_counter *counter = counter_of(CONC_COUNTER_STRIPED);
    struct conc_counter_local a, b, c;
    unit_ok(conc_counter_attach(counter, &a));
    unit_ok(conc_counter_attach(counter, &b));
    unit_ok(conc_counter_attach(counter, &c));
    conc_counter_local_add(&a, 1);
    conc_counter_local_add(&b, 20);
    conc_counter_local_add(&c, 300);
    conc_counter_add(counter, 4000);
    ck_assert_int_eq(conc_counter_get(counter), 4321); /* while they are attached */
    conc_counter_detach(&b);                           /* out of the middle, the end, the front */
    ck_assert_int_eq(conc_counter_get(counter), 4321);
    conc_counter_local_add(&c, INT64_MAX);
    conc_counter_local_add(&c, INT64_MIN);
    conc_counter_local_add(&c, 1);
    conc_counter_detach(&a);
    ck_assert_int_eq(conc_counter_get(counter), 4321);
    unit_ok(conc_counter_attach(counter, &a)); /* and again, from 0 */
    conc_counter_detach(&a);
    conc_counter_detach(&c);
    ck_assert_int_eq(conc_counter_get(counter), 4321);
    conc_counter_destroy(counter);
}
END_TEST

static void add_locally(void *arg)
{
    struct adder *me = arg;
    for (long round = 0; round < me->times; round++) {
        struct conc_counter_local local;
        if (conc_counter_attach(me->counter, &local) != 0)
            abort();
        for (int i = 0; i < 50; i++)
            conc_counter_local_add(&local, 1);
        conc_counter_detach(&local);
    }
}

/* A reader never sees an add twice, in the local and in the counter it has moved to, nor sees it go
 * away: the sum of increments never falls. */
START_TEST(locals_of_many_tasks)
{
    struct conc_counter *counter = counter_of(CONC_COUNTER_STRIPED);
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct adder adder = {.counter = counter, .times = (long)unit_scaled(10000)};
    for (int i = 0; i < 4; i++)
        unit_ok(conc_wait_group_go(&group, add_locally, &adder));
    int64_t total = 50 * 4 * adder.times;
    int64_t last = 0;
    while (conc_wait_group_count(&group) > 0) {
        int64_t seen = conc_counter_get(counter);
        if (seen < last || seen > total)
            ck_abort_msg("%" PRId64 " after %" PRId64 " of %" PRId64, seen, last, total);
        last = seen;
    }
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(conc_counter_get(counter), total);
    conc_counter_destroy(counter);
    conc_wait_group_destroy(&group);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void destroy_with_a_local(void)
{
    struct conc_counter *counter;
    struct conc_counter_local local;
    conc_counter_create(&counter, CONC_COUNTER_STRIPED);
    conc_counter_attach(counter, &local);
    conc_counter_destroy(counter);
}

START_TEST(programming_errors_abort)
{
    unit_aborts_in(destroy_with_a_local, "local", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("counter", counts, one_value, bad_arguments, no_memory, loses_nothing,
        two_tasks_on_one_stripe, tickets_are_unique, swaps, locals, locals_of_many_tasks,
        programming_errors_abort);
}
