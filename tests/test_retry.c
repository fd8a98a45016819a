/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <stdatomic.h>

#include "retry.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/unit.h"
#include "tests/wait_matrix.h"

/* Fails so many times, with this code. */
struct flaky {
    int failures;
    int rc;
    int calls;
    struct conc_context *cancel_at_call; /* cancelled within the call number `at`; or NULL */
    int at;
    int64_t deadline; /* the context's, of the last call */
};

static int flaky(void *arg, struct conc_context *ctx)
{
    struct flaky *f = arg;
    f->deadline = conc_context_deadline(ctx);
    if (++f->calls == f->at && f->cancel_at_call)
        conc_context_cancel(f->cancel_at_call);
    return f->calls <= f->failures ? f->rc : 0;
}

static bool not_edom(int rc)
{
    return rc != EDOM;
}

START_TEST(succeeds)
{
    const struct conc_retry_policy policy = {.attempts = 5};
    for (int failures = 0; failures < 5; failures++) {
        struct flaky f = {.failures = failures, .rc = EIO};
        struct conc_retry_outcome out = {.attempts = 99};
        unit_ok(conc_retry(&policy, flaky, &f, &out, NULL));
        ck_assert_int_eq(f.calls, failures + 1);
        ck_assert(out.end == CONC_RETRY_DONE && out.attempts == f.calls && out.error == 0);
        ck_assert(out.waited_ns == 0);
    }
    struct flaky f = {.failures = 3, .rc = EIO};
    unit_ok(conc_retry(&policy, flaky, &f, NULL, NULL)); /* nobody wants the outcome */
}
END_TEST

START_TEST(gives_up)
{
    struct conc_retry_policy policy = {.attempts = 3, .again = not_edom};
    struct conc_retry_outcome out;
    struct flaky f = {.failures = 100, .rc = EIO};
    unit_rc(conc_retry(&policy, flaky, &f, &out, NULL), EIO);
    ck_assert(f.calls == 3 && out.end == CONC_RETRY_ATTEMPTS && out.error == EIO);
    f = (struct flaky){.failures = 100, .rc = EDOM};
    unit_rc(conc_retry(&policy, flaky, &f, &out, NULL), EDOM);
    ck_assert(f.calls == 1 && out.end == CONC_RETRY_PERMANENT && out.error == EDOM);
    policy.attempts = 1;
    f = (struct flaky){.failures = 100, .rc = EIO};
    unit_rc(conc_retry(&policy, flaky, &f, &out, NULL), EIO);
    ck_assert(f.calls == 1 && out.end == CONC_RETRY_ATTEMPTS);
    policy.attempts = 0; /* no bound */
    f = (struct flaky){.failures = 1000, .rc = EIO};
    unit_ok(conc_retry(&policy, flaky, &f, &out, NULL));
    ck_assert_int_eq(out.attempts, 1001);
}
END_TEST

START_TEST(bad_arguments)
{
    const struct conc_retry_policy good = {.attempts = 1};
    struct conc_retry_policy bad = good;
    struct conc_retry_outcome out = {.attempts = 99};
    struct conc_retry_budget budget;
    struct flaky f = {.failures = 0};
    unit_rc(conc_retry(NULL, flaky, &f, &out, NULL), EINVAL);
    unit_rc(conc_retry(&good, NULL, &f, &out, NULL), EINVAL);
    bad.attempts = -1;
    unit_rc(conc_retry(&bad, flaky, &f, &out, NULL), EINVAL);
    bad = good;
    bad.base_ns = -1;
    unit_rc(conc_retry(&bad, flaky, &f, &out, NULL), EINVAL);
    bad = good;
    bad.max_ns = -1;
    unit_rc(conc_retry(&bad, flaky, &f, &out, NULL), EINVAL);
    bad = good;
    bad.attempt_ns = -1;
    unit_rc(conc_retry(&bad, flaky, &f, &out, NULL), EINVAL);
    ck_assert(f.calls == 0 && out.attempts == 99);
    unit_rc(conc_retry_budget_init(NULL, 1, 1), EINVAL);
    unit_rc(conc_retry_budget_init(&budget, -1, 1), EINVAL);
    unit_rc(conc_retry_budget_init(&budget, 1, -1), EINVAL);
    unit_rc(conc_retry_budget_init(&budget, 1000001, 1), EINVAL);
    unit_rc(conc_retry_budget_init(&budget, 1, 1000001), EINVAL);
}
END_TEST

/* ---------------------------------------------------------------- back-off */

START_TEST(bounds)
{
    struct conc_retry_policy policy = {.base_ns = 10, .max_ns = 75};
    static const int64_t want[] = {10, 20, 40, 75, 75};
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(conc_retry_bound_ns(&policy, i + 1), want[i]);
    ck_assert_int_eq(conc_retry_bound_ns(&policy, 1000000000), 75);
    policy.max_ns = 0;
    ck_assert_int_eq(conc_retry_bound_ns(&policy, 50), 10 * (INT64_C(1) << 49));
    ck_assert(conc_retry_bound_ns(&policy, 1000) == CONC_FOREVER); /* and no overflow */
    policy.base_ns = 100;
    policy.max_ns = 7;
    ck_assert_int_eq(conc_retry_bound_ns(&policy, 1), 7);
    policy.base_ns = 0;
    ck_assert_int_eq(conc_retry_bound_ns(&policy, 1000000000), 0);
}
END_TEST

/* The waits of one failing call with ten attempts. */
static int64_t waited(struct conc_retry_policy policy, uint64_t seed)
{
    struct flaky f = {.failures = 9, .rc = EIO};
    struct conc_retry_outcome out;
    int64_t begun = conc_now_ns();
    policy.attempts = 10;
    policy.seed = seed;
    unit_ok(conc_retry(&policy, flaky, &f, &out, NULL));
    ck_assert_int_ge(conc_now_ns() - begun, out.waited_ns); /* it did wait */
    return out.waited_ns;
}

/* The same seed, the same waits; other seeds, others; never beyond the bounds; on average half. */
START_TEST(jitter)
{
    struct conc_retry_policy policy = {.base_ns = 1000, .max_ns = 8000};
    const int64_t most = 1000 + 2000 + 4000 + 6 * 8000;
    int64_t sum = 0;
    int different = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        int64_t once = waited(policy, seed);
        ck_assert(once >= 0 && once <= most);
        if (seed <= 20)
            ck_assert_int_eq(waited(policy, seed), once);
        different += once != waited(policy, seed + 1000);
        sum += once;
    }
    ck_assert_int_ge(different, 190);
    ck_assert_int_ge(sum / 200, most * 45 / 100);
    ck_assert_int_le(sum / 200, most * 55 / 100);
    ck_assert_int_le(waited(policy, 0), most); /* the task's own sequence */
    policy.jitter = CONC_RETRY_NO_JITTER;
    ck_assert_int_eq(waited(policy, 1), most);
    /* A bound of the whole range does not overflow: the draw is refused by the deadline. */
    struct conc_context ctx;
    struct flaky f = {.failures = 9, .rc = EIO};
    conc_context_with_timeout(&ctx, NULL, CONC_S(100));
    policy = (struct conc_retry_policy){.base_ns = INT64_MAX, .seed = 5};
    unit_rc(conc_retry(&policy, flaky, &f, NULL, &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
}
END_TEST

/* ---------------------------------------------------------------- context */

struct matrix {
    struct flaky f;
};

static void wait_init(void *state, const void *param)
{
    (void)param;
    *(struct matrix *)state = (struct matrix){.f = {.failures = 1000000000, .rc = EIO}};
}

/* Waits of 50 seconds, without a deadline above; of less than the matrix' deadlines otherwise. */
static int wait_call(void *state, struct conc_context *ctx)
{
    struct matrix *m = state;
    struct conc_retry_policy policy = {.base_ns = CONC_S(50), .jitter = CONC_RETRY_NO_JITTER};
    struct conc_retry_outcome out;
    if (conc_context_deadline(ctx) - conc_now_ns() < CONC_S(60))
        policy.base_ns = policy.max_ns = CONC_MS(1);
    int rc = conc_retry(&policy, flaky, &m->f, &out, ctx);
    ck_assert_int_eq(out.end, CONC_RETRY_CONTEXT);
    ck_assert_int_eq(out.error, m->f.calls > 0 ? EIO : 0);
    /* A deadline in sight ends it when the next wait would outlast it: that is a moment early. */
    if (rc == ETIMEDOUT)
        conc_context_wait(ctx);
    return rc;
}

static void wait_fini(void *state, int rc)
{
    (void)state;
    ck_assert_int_ne(rc, 0);
}

START_TEST(context_matrix)
{
    const struct wait_call call = {.name = "retry",
        .size = sizeof(struct matrix),
        .init = wait_init,
        .call = wait_call,
        .fini = wait_fini};
    wait_matrix_check(&call);
}
END_TEST

START_TEST(done_before_or_within)
{
    struct conc_context ctx;
    struct conc_retry_outcome out;
    const struct conc_retry_policy policy = {.attempts = 5};
    struct flaky f = {.failures = 100, .rc = EIO};
    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel(&ctx);
    unit_rc(conc_retry(&policy, flaky, &f, &out, &ctx), ECANCELED);
    ck_assert(f.calls == 0 && out.attempts == 0 && out.end == CONC_RETRY_CONTEXT && out.error == 0);
    conc_context_destroy(&ctx);

    /* Cancelled by the second attempt, which fails: no third. */
    conc_context_with_cancel(&ctx, NULL);
    f = (struct flaky){.failures = 100, .rc = EIO, .cancel_at_call = &ctx, .at = 2};
    unit_rc(conc_retry(&policy, flaky, &f, &out, &ctx), ECANCELED);
    ck_assert(f.calls == 2 && out.error == EIO && out.end == CONC_RETRY_CONTEXT);
    conc_context_destroy(&ctx);

    /* Cancelled by an attempt that succeeds all the same. */
    conc_context_with_cancel(&ctx, NULL);
    f = (struct flaky){.failures = 1, .rc = EIO, .cancel_at_call = &ctx, .at = 2};
    unit_ok(conc_retry(&policy, flaky, &f, &out, &ctx));
    conc_context_destroy(&ctx);
}
END_TEST

/* A wait that would outlast the deadline is not begun: this test would last an hour. */
START_TEST(no_wait_in_vain)
{
    struct conc_context ctx;
    struct conc_retry_outcome out;
    struct flaky f = {.failures = 100, .rc = EIO};
    const struct conc_retry_policy policy = {
        .base_ns = CONC_S(7200), .jitter = CONC_RETRY_NO_JITTER};
    conc_context_with_timeout(&ctx, NULL, CONC_S(3600));
    unit_rc(conc_retry(&policy, flaky, &f, &out, &ctx), ETIMEDOUT);
    unit_ok(conc_context_error(&ctx)); /* it has not passed */
    ck_assert(f.calls == 1 && out.waited_ns == 0 && out.end == CONC_RETRY_CONTEXT);
    conc_context_destroy(&ctx);
}
END_TEST

static int wait_out(void *arg, struct conc_context *ctx)
{
    ++*(int *)arg;
    return conc_context_wait(ctx);
}

START_TEST(time_limit_of_an_attempt)
{
    const struct conc_retry_policy policy = {.attempts = 3, .attempt_ns = CONC_MS(2)};
    struct conc_retry_outcome out;
    int calls = 0;
    unit_rc(conc_retry(&policy, wait_out, &calls, &out, NULL), ETIMEDOUT);
    ck_assert_int_eq(calls, 3);
    ck_assert(out.end == CONC_RETRY_ATTEMPTS && out.error == ETIMEDOUT); /* of fn, not of ctx */

    struct flaky f = {.failures = 0};
    int64_t begun = conc_now_ns();
    unit_ok(conc_retry(&policy, flaky, &f, NULL, NULL));
    ck_assert_int_ge(f.deadline, begun + CONC_MS(2));
    ck_assert(f.deadline != CONC_FOREVER);
}
END_TEST

/* ---------------------------------------------------------------- budget */

START_TEST(budget_of_one_task)
{
    struct conc_retry_budget budget;
    struct conc_retry_policy policy = {.attempts = 3, .budget = &budget};
    struct conc_retry_outcome out;
    unit_ok(conc_retry_budget_init(&budget, 250, 3)); /* a quarter of a token per call */
    ck_assert_int_eq(conc_retry_budget_tokens(&budget), 3);
    struct flaky f = {.failures = 100, .rc = EIO};
    unit_rc(conc_retry(&policy, flaky, &f, &out, NULL), EIO); /* two retries */
    ck_assert(f.calls == 3 && out.end == CONC_RETRY_ATTEMPTS);
    ck_assert_int_eq(conc_retry_budget_tokens(&budget), 1);
    f.calls = 0;
    unit_rc(conc_retry(&policy, flaky, &f, &out, NULL), EIO); /* one, then there is none */
    ck_assert(f.calls == 2 && out.end == CONC_RETRY_BUDGET && out.error == EIO);
    ck_assert_int_eq(conc_retry_budget_tokens(&budget), 0);
    /* 0.25 are in it. Three calls that succeed fill it up to one. */
    for (int i = 0; i < 3; i++) {
        struct flaky fine = {.failures = 0};
        ck_assert_int_eq(conc_retry_budget_tokens(&budget), 0);
        unit_ok(conc_retry(&policy, flaky, &fine, &out, NULL));
    }
    ck_assert_int_eq(conc_retry_budget_tokens(&budget), 1);
    for (int i = 0; i < 100; i++) {
        struct flaky fine = {.failures = 0};
        unit_ok(conc_retry(&policy, flaky, &fine, &out, NULL));
    }
    ck_assert_int_eq(conc_retry_budget_tokens(&budget), 3); /* and no further */
    conc_retry_budget_destroy(&budget);

    unit_ok(conc_retry_budget_init(&budget, 1000000, 0)); /* holds nothing */
    f.calls = 0;
    unit_rc(conc_retry(&policy, flaky, &f, &out, NULL), EIO);
    ck_assert(f.calls == 1 && out.end == CONC_RETRY_BUDGET);
    conc_retry_budget_destroy(&budget);
}
END_TEST

struct crowd {
    struct conc_retry_policy policy;
    atomic_int calls;
};

static int always_fails(void *arg, struct conc_context *ctx)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return EIO;
}

static void call_often(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 100; i++)
        if (conc_retry(&c->policy, always_fails, &c->calls, NULL, NULL) != EIO)
            abort();
}

/* Four tasks share a budget: exactly as many retries as it holds. */
START_TEST(shared_budget)
{
    struct conc_retry_budget budget;
    struct crowd c = {.policy = {.attempts = 4, .budget = &budget}};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    unit_ok(conc_retry_budget_init(&budget, 0, 57));
    for (int i = 0; i < 4; i++)
        unit_ok(conc_wait_group_go(&group, call_often, &c));
    unit_ok(conc_wait_group_wait(&group, NULL));
    ck_assert_int_eq(c.calls, 400 + 57);
    conc_wait_group_destroy(&group);
    conc_retry_budget_destroy(&budget);
}
END_TEST

static int ends_its_task(void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    conc_task_exit();
}

static void retry_that_exits(void *parent)
{
    struct conc_retry_policy policy = {.attempts = 3, .attempt_ns = CONC_S(10)};
    conc_retry(&policy, ends_its_task, NULL, NULL, parent);
}

/* The context of the attempt leaves the tree of its parent: else destroying that one would end the
 * program. */
START_TEST(attempt_that_ends_its_task)
{
    struct conc_context parent;
    struct conc_task *task;
    conc_context_with_cancel(&parent, NULL);
    unit_ok(conc_task_start(&task, retry_that_exits, &parent));
    conc_task_join(task);
    conc_context_cancel(&parent);
    conc_context_destroy(&parent);
}
END_TEST

int main(void)
{
    return unit_main("retry", succeeds, gives_up, bad_arguments, bounds, jitter, context_matrix,
        done_before_or_within, no_wait_in_vain, time_limit_of_an_attempt, budget_of_one_task,
        shared_budget, attempt_that_ends_its_task);
}
