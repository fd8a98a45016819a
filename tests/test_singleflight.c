/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "singleflight.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* A run that counts, waits at a gate, and returns the number of the run. */
struct load {
    struct conc_wait_group *gate; /* NULL: does not wait */
    atomic_int runs;
    int rc;
};

static int load(void *arg, void *result)
{
    struct load *load = arg;
    int run = atomic_fetch_add(&load->runs, 1) + 1;
    if (load->gate)
        conc_wait_group_wait(load->gate, NULL);
    *(int *)result = run;
    return load->rc;
}

/* A call on a task of its own. */
struct caller {
    struct conc_singleflight *flight;
    const char *key;
    struct load *load;
    struct conc_context *ctx;
    int rc;
    int result;
    bool shared;
};

static void call(void *arg)
{
    struct caller *c = arg;
    c->rc = conc_singleflight_do(c->flight, c->key, load, c->load, &c->result, &c->shared, c->ctx);
}

/* ---------------------------------------------------------------- the matrix */

struct led {
    struct conc_singleflight flight;
    struct conc_wait_group gate;
    struct conc_wait_group tasks;
    struct load load;
    struct caller leader;
    bool open;
};

static void led_init(void *state, const void *param)
{
    struct led *led = state;
    (void)param;
    unit_ok(conc_singleflight_init(&led->flight, sizeof(int), NULL));
    conc_wait_group_init(&led->gate);
    conc_wait_group_add(&led->gate, 1);
    conc_wait_group_init(&led->tasks);
    led->load.gate = &led->gate;
    led->leader = (struct caller){.flight = &led->flight, .key = "key", .load = &led->load};
    unit_ok(conc_wait_group_go(&led->tasks, call, &led->leader));
    unit_wait_parked(1);
}

static int led_call(void *state, struct conc_context *ctx)
{
    struct led *led = state;
    int result = -1;
    bool shared = false;
    int rc = conc_singleflight_do(&led->flight, "key", load, &led->load, &result, &shared, ctx);
    ck_assert_int_eq(result, rc == 0 ? 1 : -1);
    ck_assert_int_eq(shared, rc == 0);
    return rc;
}

static int led_try(void *state)
{
    struct led *led = state;
    int result = -1;
    bool shared = true;
    int rc = conc_singleflight_try_do(&led->flight, "key", load, &led->load, &result, &shared);
    ck_assert_int_eq(result, -1);
    ck_assert(shared);
    return rc;
}

static void led_ready(void *state, bool waiting)
{
    struct led *led = state;
    (void)waiting;
    led->open = true;
    conc_wait_group_done(&led->gate);
}

static void led_fini(void *state, int rc)
{
    struct led *led = state;
    if (!led->open)
        conc_wait_group_done(&led->gate);
    unit_ok(conc_wait_group_wait(&led->tasks, NULL));
    unit_ok(led->leader.rc);
    ck_assert_int_eq(led->leader.result, 1);
    ck_assert_int_eq(led->leader.shared, rc == 0);
    ck_assert_int_eq(led->load.runs, 1);
    conc_singleflight_destroy(&led->flight);
    conc_wait_group_destroy(&led->gate);
    conc_wait_group_destroy(&led->tasks);
}

START_TEST(matrix)
{
    const struct wait_call call_ = {.name = "singleflight do",
        .size = sizeof(struct led),
        .init = led_init,
        .asleep = 1,
        .call = led_call,
        .try_call = led_try,
        .ready = led_ready,
        .fini = led_fini};
    wait_matrix_check(&call_);
}
END_TEST

/* ---------------------------------------------------------------- sharing */

static atomic_int shares;

static void share(void *result)
{
    ck_assert_int_gt(*(int *)result, 0);
    atomic_fetch_add(&shares, 1);
}

enum { CALLERS = 8 };

START_TEST(one_run_for_all)
{
    struct conc_singleflight flight;
    struct conc_wait_group gate = CONC_WAIT_GROUP_INIT, tasks = CONC_WAIT_GROUP_INIT;
    struct caller callers[CALLERS];
    char keys[CALLERS][8]; /* compared by content */
    unit_ok(conc_singleflight_init(&flight, sizeof(int), share));
    for (int rc = 0; rc <= EIO; rc += EIO) {
        struct load shared_load = {.gate = &gate, .rc = rc};
        atomic_store(&shares, 0);
        conc_wait_group_add(&gate, 1);
        for (int i = 0; i < CALLERS; i++) {
            strcpy(keys[i], "key");
            callers[i] = (struct caller){
                .flight = &flight, .key = keys[i], .load = &shared_load, .result = -1};
            unit_ok(conc_wait_group_go(&tasks, call, &callers[i]));
        }
        unit_wait_parked(CALLERS);
        conc_wait_group_done(&gate);
        unit_ok(conc_wait_group_wait(&tasks, NULL));
        ck_assert_int_eq(shared_load.runs, 1);
        ck_assert_int_eq(shares, rc == 0 ? CALLERS - 1 : 0);
        int filled = 0;
        for (int i = 0; i < CALLERS; i++) {
            unit_rc(callers[i].rc, rc);
            ck_assert(callers[i].shared);
            filled += callers[i].result == 1;
        }
        /* An error is shared too, but no result with it: only the leader's holds what fn wrote. */
        ck_assert_int_eq(filled, rc == 0 ? CALLERS : 1);
    }
    conc_singleflight_destroy(&flight);
    conc_wait_group_destroy(&gate);
    conc_wait_group_destroy(&tasks);
}
END_TEST

START_TEST(nothing_is_cached)
{
    struct conc_singleflight flight;
    struct load own = {.rc = 0};
    unit_ok(conc_singleflight_init(&flight, sizeof(int), NULL));
    for (int i = 1; i <= 4; i++) {
        int result = 0;
        bool shared = true;
        if (i % 2)
            unit_ok(conc_singleflight_do(&flight, "key", load, &own, &result, &shared, NULL));
        else
            unit_ok(conc_singleflight_try_do(&flight, "key", load, &own, &result, &shared));
        ck_assert_int_eq(result, i);
        ck_assert(!shared);
        unit_ok(conc_singleflight_do(&flight, "", load, &own, &result, NULL, NULL));
        atomic_fetch_sub(&own.runs, 1);
    }
    ck_assert(!conc_singleflight_forget(&flight, "key"));
    conc_singleflight_destroy(&flight);
}
END_TEST

START_TEST(other_keys_run_at_once)
{
    struct conc_singleflight flight;
    struct conc_wait_group gate = CONC_WAIT_GROUP_INIT, tasks = CONC_WAIT_GROUP_INIT;
    struct load own = {.gate = &gate};
    struct caller callers[3];
    const char *keys[] = {"a", "b", "ab"};
    unit_ok(conc_singleflight_init(&flight, sizeof(int), NULL));
    conc_wait_group_add(&gate, 1);
    for (int i = 0; i < 3; i++) {
        callers[i] = (struct caller){.flight = &flight, .key = keys[i], .load = &own};
        unit_ok(conc_wait_group_go(&tasks, call, &callers[i]));
    }
    unit_wait_until(atomic_load(&own.runs) == 3);
    conc_wait_group_done(&gate);
    unit_ok(conc_wait_group_wait(&tasks, NULL));
    for (int i = 0; i < 3; i++)
        ck_assert(!callers[i].shared);
    conc_singleflight_destroy(&flight);
    conc_wait_group_destroy(&gate);
    conc_wait_group_destroy(&tasks);
}
END_TEST

/* Many calls under way at once, of different keys: each run calls for the next. */
struct chain {
    struct conc_singleflight *flight;
    int depth;
    int runs;
};

static int descend(void *arg, void *result)
{
    struct chain *chain = arg;
    (void)result;
    chain->runs++;
    if (chain->depth-- == 0)
        return 0;
    char key[16];
    snprintf(key, sizeof(key), "%d", chain->depth);
    return conc_singleflight_do(chain->flight, key, descend, chain, NULL, NULL, NULL);
}

START_TEST(many_keys_at_once)
{
    struct conc_singleflight flight;
    struct chain chain = {&flight, 300, 0};
    unit_ok(conc_singleflight_init(&flight, 0, NULL)); /* no result but the code */
    unit_ok(conc_singleflight_do(&flight, "first", descend, &chain, NULL, NULL, NULL));
    ck_assert_int_eq(chain.runs, 301);
    conc_singleflight_destroy(&flight);
}
END_TEST

/* ---------------------------------------------------------------- forget */

START_TEST(forgets)
{
    for (int old_first = 0; old_first < 2; old_first++) {
        struct conc_singleflight flight;
        struct conc_wait_group gates[2] = {CONC_WAIT_GROUP_INIT, CONC_WAIT_GROUP_INIT};
        struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
        struct load loads[2] = {{.gate = &gates[0]}, {.gate = &gates[1]}};
        struct caller callers[4];
        unit_ok(conc_singleflight_init(&flight, sizeof(int), NULL));
        atomic_store(&loads[1].runs, 100); /* tells the two runs apart */
        for (int i = 0; i < 4; i++) {
            /* 0 leads, 1 waits; forgotten; 2 leads anew, 3 waits for 2. */
            if (i % 2 == 0) {
                conc_wait_group_add(&gates[i / 2], 1);
                ck_assert_int_eq(conc_singleflight_forget(&flight, "key"), i == 2);
                ck_assert(!conc_singleflight_forget(&flight, "key"));
            }
            callers[i] = (struct caller){.flight = &flight, .key = "key", .load = &loads[i / 2]};
            unit_ok(conc_wait_group_go(&tasks, call, &callers[i]));
            unit_wait_parked(i + 1);
        }
        /* Whichever of the two runs ends first takes the other's callers not along. */
        conc_wait_group_done(&gates[!old_first]);
        unit_wait_until(conc_wait_group_count(&tasks) == 2);
        int result;
        if (old_first)
            unit_rc(
                conc_singleflight_try_do(&flight, "key", load, &loads[1], &result, NULL), EAGAIN);
        conc_wait_group_done(&gates[old_first]);
        unit_ok(conc_wait_group_wait(&tasks, NULL));
        for (int i = 0; i < 4; i++) {
            unit_ok(callers[i].rc);
            ck_assert_int_eq(callers[i].result, i < 2 ? 1 : 101);
            ck_assert(callers[i].shared);
        }
        ck_assert(!conc_singleflight_forget(&flight, "key"));
        conc_singleflight_destroy(&flight);
        conc_wait_group_destroy(&gates[0]);
        conc_wait_group_destroy(&gates[1]);
        conc_wait_group_destroy(&tasks);
    }
}
END_TEST

/* ---------------------------------------------------------------- ends of other kinds */

/* A caller that gave up is not written to when the run ends: its result may be gone by then. */
START_TEST(late_result_goes_nowhere)
{
    struct led led;
    memset(&led, 0, sizeof(led));
    led_init(&led, NULL);
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, 0);
    struct caller given_up = {
        .flight = &led.flight, .key = "key", .load = &led.load, .ctx = &ctx, .result = -7};
    call(&given_up);
    unit_rc(given_up.rc, ETIMEDOUT);
    conc_context_destroy(&ctx);
    conc_wait_group_done(&led.gate);
    led.open = true;
    unit_ok(conc_wait_group_wait(&led.tasks, NULL));
    ck_assert_int_eq(given_up.result, -7);
    ck_assert(!led.leader.shared);
    led_fini(&led, ETIMEDOUT);
}
END_TEST

static int gate_then_exit(void *gate, void *result)
{
    (void)result;
    conc_wait_group_wait((struct conc_wait_group *)gate, NULL);
    conc_task_exit();
}

struct exiting {
    struct conc_singleflight *flight;
    struct conc_wait_group *gate;
};

static void lead_and_exit(void *arg)
{
    struct exiting *e = arg;
    conc_singleflight_do(e->flight, "key", gate_then_exit, e->gate, NULL, NULL, NULL);
    abort();
}

static void follow(void *arg)
{
    struct exiting *e = arg;
    unit_rc(
        conc_singleflight_do(e->flight, "key", gate_then_exit, NULL, NULL, NULL, NULL), EOWNERDEAD);
}

static int nothing(void *arg, void *result)
{
    (void)arg;
    (void)result;
    return 0;
}

/* A leader that ends its task inside fn leaves nobody waiting. */
START_TEST(leader_that_exits)
{
    struct conc_singleflight flight;
    struct conc_wait_group gate = CONC_WAIT_GROUP_INIT, tasks = CONC_WAIT_GROUP_INIT;
    struct exiting e = {&flight, &gate};
    unit_ok(conc_singleflight_init(&flight, 0, NULL));
    conc_wait_group_add(&gate, 1);
    unit_ok(conc_wait_group_go(&tasks, lead_and_exit, &e));
    unit_wait_parked(1);
    for (int i = 0; i < 3; i++)
        unit_ok(conc_wait_group_go(&tasks, follow, &e));
    unit_wait_parked(4);
    conc_wait_group_done(&gate);
    unit_ok(conc_wait_group_wait(&tasks, NULL));
    unit_ok(conc_singleflight_do(&flight, "key", nothing, NULL, NULL, NULL, NULL)); /* anew */
    conc_singleflight_destroy(&flight);
    conc_wait_group_destroy(&gate);
    conc_wait_group_destroy(&tasks);
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_singleflight flight;
    int result;
    unit_rc(conc_singleflight_init(NULL, 1, NULL), EINVAL);
    unit_ok(conc_singleflight_init(&flight, sizeof(int), NULL));
    unit_rc(conc_singleflight_do(NULL, "", nothing, NULL, &result, NULL, NULL), EINVAL);
    unit_rc(conc_singleflight_do(&flight, NULL, nothing, NULL, &result, NULL, NULL), EINVAL);
    unit_rc(conc_singleflight_do(&flight, "", NULL, NULL, &result, NULL, NULL), EINVAL);
    unit_rc(conc_singleflight_do(&flight, "", nothing, NULL, NULL, NULL, NULL), EINVAL);
    unit_rc(conc_singleflight_try_do(NULL, "", nothing, NULL, &result, NULL), EINVAL);
    unit_rc(conc_singleflight_try_do(&flight, NULL, nothing, NULL, &result, NULL), EINVAL);
    unit_rc(conc_singleflight_try_do(&flight, "", NULL, NULL, &result, NULL), EINVAL);
    unit_rc(conc_singleflight_try_do(&flight, "", nothing, NULL, NULL, NULL), EINVAL);
    ck_assert(!conc_singleflight_forget(NULL, ""));
    ck_assert(!conc_singleflight_forget(&flight, NULL));
    conc_singleflight_destroy(&flight);
}
END_TEST

/* ---------------------------------------------------------------- stress */

/* Each run of a key returns a number that grows; a caller must never get one from a run that had
 * ended before it called. */
struct keyed {
    atomic_long begun;
    atomic_long ended;
};

struct storm {
    struct conc_singleflight flight;
    struct keyed keyed[3];
    uint64_t seed;
};

struct storm_call {
    struct storm *storm;
    uint64_t random;
    long stale;
};

static int numbered(void *arg, void *result)
{
    struct keyed *keyed = arg;
    long number = atomic_fetch_add(&keyed->begun, 1) + 1;
    conc_yield();
    *(long *)result = number;
    long ended = atomic_load(&keyed->ended);
    while (ended < number && !atomic_compare_exchange_weak(&keyed->ended, &ended, number))
        ;
    return 0;
}

static void storm_task(void *arg)
{
    struct storm_call *me = arg;
    static const char *const names[] = {"x", "y", "z"};
    for (int i = 0; i < 50; i++) {
        uint64_t draw = conc_splitmix64(&me->random);
        struct keyed *keyed = &me->storm->keyed[draw % 3];
        if (draw >> 60 == 0)
            conc_singleflight_forget(&me->storm->flight, names[draw % 3]);
        struct conc_context ctx;
        conc_context_with_timeout(&ctx, NULL, draw >> 62 ? CONC_S(100) : CONC_US(50));
        long result = -1;
        long known = atomic_load(&keyed->ended);
        int rc = conc_singleflight_do(
            &me->storm->flight, names[draw % 3], numbered, keyed, &result, NULL, &ctx);
        if (rc == 0 ? result < 1 : result != -1)
            me->stale += 1000000;
        /* Of runs that were forgotten, one per task can be late with taking its number. */
        if (rc == 0 && result + 6 < known)
            me->stale++;
        conc_context_destroy(&ctx);
    }
}

START_TEST(stress)
{
    for (struct unit_stress s = unit_stress_begin(0.5); unit_stress_more(&s);) {
        struct storm storm = {.seed = s.seed};
        struct storm_call tasks[6];
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        unit_ok(conc_singleflight_init(&storm.flight, sizeof(long), NULL));
        for (int i = 0; i < 6; i++) {
            tasks[i] = (struct storm_call){&storm, s.seed + (uint64_t)i, 0};
            unit_ok(conc_wait_group_go(&group, storm_task, &tasks[i]));
        }
        unit_ok(conc_wait_group_wait(&group, NULL));
        for (int i = 0; i < 6; i++)
            ck_assert_int_eq(tasks[i].stale, 0);
        conc_singleflight_destroy(&storm.flight);
        conc_wait_group_destroy(&group);
    }
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static struct conc_singleflight own;

static int calls_itself(void *arg, void *result)
{
    (void)arg;
    return conc_singleflight_do(&own, "key", nothing, NULL, result, NULL, NULL);
}

static void recursion(void)
{
    conc_singleflight_init(&own, 0, NULL);
    conc_singleflight_do(&own, "key", calls_itself, NULL, NULL, NULL, NULL);
}

static int destroys(void *arg, void *result)
{
    (void)arg;
    (void)result;
    conc_singleflight_destroy(&own);
    return 0;
}

static void destroy_under_way(void)
{
    conc_singleflight_init(&own, 0, NULL);
    conc_singleflight_do(&own, "key", destroys, NULL, NULL, NULL, NULL);
}

START_TEST(programming_errors_abort)
{
    unit_aborts(recursion, "own run");
    unit_aborts_in(destroy_under_way, "under way", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("singleflight", matrix, one_run_for_all, nothing_is_cached,
        other_keys_run_at_once, many_keys_at_once, forgets, late_result_goes_nowhere,
        leader_that_exits, bad_arguments, stress, programming_errors_abort);
}
