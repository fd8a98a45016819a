/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */
#include "tests/unit.h"

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "timeout.h"

static int add_one(void *arg, void *result, struct conc_context *ctx)
{
    (void)ctx;
    *(int *)result = *(int *)arg + 1;
    return 0;
}

static int fails(void *arg, void *result, struct conc_context *ctx)
{
    (void)ctx;
    *(int *)result = 77;
    return *(int *)arg;
}

/* Heeds its context. */
static int waits(void *arg, void *result, struct conc_context *ctx)
{
    (void)arg;
    *(int *)result = 77;
    return conc_context_wait(ctx);
}

/* Deaf to its context: waits for a gate, then answers. */
struct deaf {
    struct conc_chan *gate;
    int value;
};

static int deaf(void *arg, void *result, struct conc_context *ctx)
{
    const struct deaf *deaf = arg;
    (void)ctx;
    conc_chan_recv(deaf->gate, NULL, NULL);
    *(int *)result = deaf->value;
    return 0;
}

static int exits(void *arg, void *result, struct conc_context *ctx)
{
    (void)arg;
    (void)result;
    (void)ctx;
    conc_task_exit();
}

static struct conc_timeout_call call_of(
    int (*fn)(void *, void *, struct conc_context *), const void *arg, size_t arg_size)
{
    return (struct conc_timeout_call){
        .fn = fn, .arg = arg, .arg_size = arg_size, .result_size = sizeof(int)};
}

static struct conc_timeout *runner_of(size_t limit)
{
    struct conc_timeout *runner;
    unit_ok(conc_timeout_create(&runner, limit));
    return runner;
}

START_TEST(result_in_time)
{
    struct conc_timeout *runner = runner_of(0);
    int one = 1, result = 0;
    struct conc_timeout_call call = call_of(add_one, &one, sizeof(one));
    unit_ok(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL));
    ck_assert_int_eq(result, 2);
    unit_ok(conc_timeout_run(runner, &call, &result, CONC_FOREVER, NULL));
    unit_ok(conc_timeout_run(runner, &call, NULL, CONC_S(60), NULL));
    call.arg_size = 0; /* the pointer itself */
    unit_ok(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL));
    ck_assert_uint_eq(conc_timeout_late(runner), 0);
    unit_ok(conc_timeout_wait(runner, NULL));
    ck_assert_uint_eq(conc_timeout_running(runner), 0);
    conc_timeout_destroy(runner);
}
END_TEST

START_TEST(error_of_the_function)
{
    struct conc_timeout *runner = runner_of(0);
    int code = ERANGE, result = 5;
    struct conc_timeout_call call = call_of(fails, &code, sizeof(code));
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL), ERANGE);
    ck_assert_int_eq(result, 5);
    call.fn = exits;
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL), EOWNERDEAD);
    conc_timeout_destroy(runner);
}
END_TEST

/* Regression: ten time-outs leave ten tasks blocked on a result channel that nobody reads. */
START_TEST(ten_timeouts_leave_nothing)
{
    conc_task_self();
    struct conc_timeout *runner = runner_of(0);
    for (int i = 0; i < 10; i++) {
        int result = 5;
        struct conc_timeout_call call = call_of(waits, NULL, 0);
        unit_rc(conc_timeout_run(runner, &call, &result, CONC_MS(1), NULL), ETIMEDOUT);
        ck_assert_int_eq(result, 5);
    }
    unit_ok(conc_timeout_wait(runner, NULL)); /* by themselves, for they heed their context */
    ck_assert_uint_eq(conc_timeout_running(runner), 0);
    ck_assert_uint_eq(conc_census_count(), 1);
    conc_timeout_destroy(runner);
}
END_TEST

/* Calls in a frame that is gone when the function writes its result and reads its argument. */
static __attribute__((noinline)) void call_and_leave(
    struct conc_timeout *runner, struct conc_chan *gate, int value)
{
    struct deaf arg = {gate, value};
    int result = 5;
    struct conc_timeout_call call = call_of(deaf, &arg, sizeof(arg));
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_MS(1), NULL), ETIMEDOUT);
    ck_assert_int_eq(result, 5);
}

static __attribute__((noinline)) uint64_t fill_the_frame(uint64_t seed)
{
    volatile unsigned char bytes[4096];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)seed;
    return bytes[seed % sizeof(bytes)];
}

/* Regression: a late write into the caller's dead frame. */
START_TEST(late_result_goes_nowhere)
{
    struct conc_timeout *runner = runner_of(0);
    struct conc_chan *gate;
    unit_ok(conc_chan_create(&gate, 0, 0, NULL));
    for (int i = 0; i < 10; i++)
        call_and_leave(runner, gate, i);
    ck_assert_uint_eq(fill_the_frame(171), 171);
    ck_assert_uint_eq(conc_timeout_running(runner), 10);
    ck_assert_uint_eq(conc_timeout_late(runner), 10);
    unit_rc(conc_timeout_try_wait(runner), EAGAIN);
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, CONC_MS(1));
    unit_rc(conc_timeout_wait(runner, &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel(&ctx);
    unit_rc(conc_timeout_wait(runner, &ctx), ECANCELED);
    conc_context_destroy(&ctx);
    unit_ok(conc_chan_close(gate));
    unit_ok(conc_timeout_wait(runner, NULL));
    unit_ok(conc_timeout_try_wait(runner));
    conc_timeout_destroy(runner);
    conc_chan_destroy(gate);
}
END_TEST

static _Atomic int owned; /* results alive */

static int make(void *arg, void *result, struct conc_context *ctx)
{
    const struct deaf *how = arg;
    (void)ctx;
    if (how->gate)
        conc_chan_recv(how->gate, NULL, NULL);
    *(void **)result = malloc(8);
    ck_assert_ptr_nonnull(*(void **)result);
    owned++;
    return how->value;
}

static void end(void *result)
{
    free(*(void **)result);
    owned--;
}

/* A result that owns something is ended once: by the caller who got it, else by drop. */
START_TEST(drop_is_called_once)
{
    struct conc_timeout *runner = runner_of(0);
    struct conc_chan *gate;
    unit_ok(conc_chan_create(&gate, 0, 0, NULL));
    struct deaf arg = {NULL, 0};
    struct conc_timeout_call call = {.fn = make,
        .arg = &arg,
        .arg_size = sizeof(arg),
        .result_size = sizeof(void *),
        .drop = end};
    void *result;
    unit_ok(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL));
    ck_assert_int_eq(owned, 1);
    end(&result);
    unit_ok(conc_timeout_run(runner, &call, NULL, CONC_S(60), NULL)); /* not wanted */
    ck_assert_int_eq(owned, 0);
    arg.gate = gate;
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_MS(1), NULL), ETIMEDOUT);
    unit_ok(conc_chan_close(gate));
    unit_ok(conc_timeout_wait(runner, NULL));
    ck_assert_int_eq(owned, 0);
    conc_timeout_destroy(runner);
    conc_chan_destroy(gate);
}
END_TEST

/* Late and in time at the same moment: the result is either the caller's or dropped. */
START_TEST(at_the_deadline)
{
    struct conc_timeout *runner = runner_of(0);
    struct deaf arg = {NULL, 0};
    struct conc_timeout_call call = {.fn = make,
        .arg = &arg,
        .arg_size = sizeof(arg),
        .result_size = sizeof(void *),
        .drop = end};
    int in_time = 0, late = 0;
    for (struct unit_stress s = unit_stress_begin(0.5); unit_stress_more(&s);) {
        void *result;
        int64_t timeout_ns = CONC_US(1 + s.seed % 150);
        int rc = conc_timeout_run(runner, &call, &result, timeout_ns, NULL);
        if (rc == 0)
            end(&result);
        else
            unit_rc(rc, ETIMEDOUT);
        in_time += rc == 0;
        late += rc != 0;
    }
    ck_assert_uint_eq(conc_timeout_late(runner), (uint64_t)late);
    unit_ok(conc_timeout_wait(runner, NULL));
    ck_assert_int_eq(owned, 0);
    conc_timeout_destroy(runner);
    ck_assert_int_gt(in_time + late, 0);
}
END_TEST

START_TEST(contexts)
{
    struct conc_timeout *runner = runner_of(0);
    struct conc_timeout_call call = call_of(waits, NULL, 0);
    struct conc_context ctx;
    int result = 5;
    /* The earlier of the two deadlines holds; a context that is done starts nothing. */
    conc_context_with_timeout(&ctx, NULL, CONC_MS(2));
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_S(60), &ctx), ETIMEDOUT);
    ck_assert_uint_eq(conc_timeout_late(runner) <= 1, 1);
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_S(60), &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
    unit_ok(conc_timeout_wait(runner, NULL));
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel(&ctx);
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_S(60), &ctx), ECANCELED);
    conc_context_destroy(&ctx);
    unit_rc(conc_timeout_run(runner, &call, &result, 0, NULL), ETIMEDOUT);
    unit_rc(conc_timeout_run(runner, &call, &result, -1, NULL), ETIMEDOUT);
    ck_assert_uint_eq(conc_timeout_running(runner), 0);
    ck_assert_int_eq(result, 5);
    conc_timeout_destroy(runner);
}
END_TEST

struct caller {
    struct conc_timeout *runner;
    struct conc_context *ctx;
    struct conc_timeout_call call;
    int rc;
};

static void run_call(void *arg)
{
    struct caller *caller = arg;
    int result;
    caller->rc =
        conc_timeout_run(caller->runner, &caller->call, &result, CONC_FOREVER, caller->ctx);
}

/* A cancel reaches the caller, and the function through the record's own context. */
START_TEST(cancel_while_it_runs)
{
    struct conc_timeout *runner = runner_of(0);
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    struct caller caller = {runner, &ctx, call_of(waits, NULL, 0), -1};
    unit_ok(conc_wait_group_go(&group, run_call, &caller));
    unit_wait_parked(2);
    conc_context_cancel(&ctx);
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_rc(caller.rc, ECANCELED);
    conc_context_destroy(&ctx); /* while the function may still run */
    unit_ok(conc_timeout_wait(runner, NULL));
    conc_wait_group_destroy(&group);
    conc_timeout_destroy(runner);
}
END_TEST

START_TEST(destroy_cancels_late_functions)
{
    struct conc_timeout *runner = runner_of(0);
    struct conc_timeout_call call = call_of(waits, NULL, 0);
    for (int i = 0; i < 3; i++)
        unit_rc(conc_timeout_run(runner, &call, NULL, CONC_US(10), NULL), ETIMEDOUT);
    conc_timeout_destroy(runner);
    conc_timeout_destroy(NULL);
}
END_TEST

START_TEST(limit)
{
    struct conc_timeout *runner = runner_of(2);
    struct conc_chan *gate;
    unit_ok(conc_chan_create(&gate, 0, 0, NULL));
    call_and_leave(runner, gate, 1);
    call_and_leave(runner, gate, 2);
    int one = 1, result = 0;
    struct conc_timeout_call call = call_of(add_one, &one, sizeof(one));
    unit_rc(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL), EBUSY);
    ck_assert_uint_eq(conc_timeout_running(runner), 2);
    unit_ok(conc_chan_send(gate, NULL, NULL));
    unit_wait_until(conc_timeout_running(runner) == 1);
    /* A function that has answered holds no place any more. */
    for (int i = 0; i < 50; i++)
        unit_ok(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL));
    unit_ok(conc_chan_close(gate));
    conc_timeout_destroy(runner);
    conc_chan_destroy(gate);
}
END_TEST

START_TEST(bad_arguments)
{
    struct conc_timeout *runner = runner_of(0);
    struct conc_timeout_call call = call_of(NULL, NULL, 0);
    unit_rc(conc_timeout_create(NULL, 0), EINVAL);
    unit_rc(conc_timeout_run(NULL, &call, NULL, 1, NULL), EINVAL);
    unit_rc(conc_timeout_run(runner, NULL, NULL, 1, NULL), EINVAL);
    unit_rc(conc_timeout_run(runner, &call, NULL, 1, NULL), EINVAL);
    call = call_of(add_one, NULL, 4);
    unit_rc(conc_timeout_run(runner, &call, NULL, 1, NULL), EINVAL);
    call = call_of(add_one, &call, SIZE_MAX);
    unit_rc(conc_timeout_run(runner, &call, NULL, 1, NULL), ENOMEM);
    unit_rc(conc_timeout_wait(NULL, NULL), EINVAL);
    unit_rc(conc_timeout_try_wait(NULL), EINVAL);
    ck_assert_uint_eq(conc_timeout_running(NULL), 0);
    ck_assert_uint_eq(conc_timeout_late(NULL), 0);
    conc_timeout_destroy(runner);
}
END_TEST

static void fail_each(long (*fail_at)(long), int code)
{
    for (long k = 1;; k++) {
        struct conc_timeout *runner = NULL;
        int one = 1, result = 0;
        struct conc_timeout_call call = call_of(add_one, &one, sizeof(one));
        fail_at(k);
        int rc = conc_timeout_create(&runner, 1);
        if (rc == 0)
            rc = conc_timeout_run(runner, &call, &result, CONC_S(60), NULL);
        bool all_tried = fail_at(0) > 0;
        ck_assert_int_eq(result, rc == 0 ? 2 : 0);
        if (!all_tried)
            ck_assert(rc == code || rc == EAGAIN);
        if (runner) { /* a call that failed takes no place */
            unit_ok(conc_timeout_run(runner, &call, &result, CONC_S(60), NULL));
            conc_timeout_destroy(runner);
        }
        if (all_tried)
            return;
    }
}

START_TEST(faults)
{
    if (conc_fault_alloc_at(0) < 0)
        return;
    conc_task_self();
    fail_each(conc_fault_alloc_at, ENOMEM);
    fail_each(conc_fault_start_at, EAGAIN);
}
END_TEST

int main(void)
{
    return unit_main("timeout", result_in_time, error_of_the_function, ten_timeouts_leave_nothing,
        late_result_goes_nowhere, drop_is_called_once, at_the_deadline, contexts,
        cancel_while_it_runs, destroy_cancels_late_functions, limit, bad_arguments, faults);
}
