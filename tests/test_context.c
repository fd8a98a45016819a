/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 120 */

#include <pthread.h>

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

static void matrix_init(void *state, const void *param)
{
    (void)state;
    (void)param;
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    (void)state;
    int rc = conc_context_wait(ctx);
    return rc == conc_context_error(ctx) ? rc : -2;
}

static void matrix_fini(void *state, int rc)
{
    (void)state;
    (void)rc;
}

START_TEST(matrix)
{
    const struct wait_call call = {.name = "context wait",
        .size = 1,
        .init = matrix_init,
        .call = matrix_call,
        .fini = matrix_fini};
    wait_matrix_check(&call);
    unit_rc(conc_context_wait(NULL), EINVAL);
}
END_TEST

/* ---------------------------------------------------------------- one context */

START_TEST(nothing_is_never_done)
{
    ck_assert_int_eq(conc_context_error(NULL), 0);
    ck_assert_int_eq(conc_context_cause(NULL), 0);
    ck_assert_int_eq(conc_context_deadline(NULL), CONC_FOREVER);
    ck_assert_ptr_null(conc_context_value(NULL, "key"));
}
END_TEST

START_TEST(cancel_and_cause)
{
    struct conc_context ctx;
    conc_context_with_cancel(&ctx, NULL);
    unit_ok(conc_context_error(&ctx));
    unit_ok(conc_context_cause(&ctx));
    conc_context_cancel(&ctx);
    unit_rc(conc_context_error(&ctx), ECANCELED);
    unit_rc(conc_context_cause(&ctx), ECANCELED);
    conc_context_cancel_cause(&ctx, EIO); /* the first keeps its cause */
    unit_rc(conc_context_cause(&ctx), ECANCELED);
    conc_context_destroy(&ctx);

    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel_cause(&ctx, EIO);
    conc_context_cancel(&ctx);
    conc_context_cancel_cause(&ctx, ENOSPC);
    unit_rc(conc_context_error(&ctx), ECANCELED);
    unit_rc(conc_context_cause(&ctx), EIO);
    conc_context_destroy(&ctx);

    conc_context_with_cancel(&ctx, NULL);
    conc_context_cancel_cause(&ctx, 0);
    unit_rc(conc_context_cause(&ctx), ECANCELED);
    conc_context_destroy(&ctx);

    conc_context_with_cancel(&ctx, NULL); /* destroyed without a cancel */
    conc_context_destroy(&ctx);
}
END_TEST

START_TEST(deadlines)
{
    struct conc_context ctx;
    conc_context_with_timeout(&ctx, NULL, 0);
    unit_rc(conc_context_error(&ctx), ETIMEDOUT);
    unit_rc(conc_context_cause(&ctx), ETIMEDOUT);
    conc_context_cancel_cause(&ctx, EIO); /* too late */
    unit_rc(conc_context_error(&ctx), ETIMEDOUT);
    unit_rc(conc_context_cause(&ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);

    conc_context_with_timeout(&ctx, NULL, INT64_MIN);
    unit_rc(conc_context_error(&ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);

    conc_context_with_timeout(&ctx, NULL, CONC_FOREVER);
    ck_assert_int_eq(conc_context_deadline(&ctx), CONC_FOREVER);
    unit_ok(conc_context_error(&ctx));
    conc_context_destroy(&ctx);

    conc_context_with_timeout(&ctx, NULL, CONC_FOREVER - 1); /* saturates, never in the past */
    ck_assert_int_eq(conc_context_deadline(&ctx), CONC_FOREVER);
    unit_ok(conc_context_error(&ctx));
    conc_context_destroy(&ctx);

    int64_t at = conc_now_ns() + CONC_MS(20);
    conc_context_with_deadline(&ctx, NULL, at);
    ck_assert_int_eq(conc_context_deadline(&ctx), at);
    int error = 0;
    int64_t before = 0;
    while (error == 0) {
        before = conc_now_ns();
        error = conc_context_error(&ctx);
        conc_yield();
    }
    unit_rc(error, ETIMEDOUT);
    ck_assert_int_ge(conc_now_ns(), at);
    ck_assert(before > 0);
    conc_context_destroy(&ctx);

    conc_context_with_deadline(&ctx, NULL, 0);
    unit_rc(conc_context_error(&ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);

    /* A cancel before the deadline stays a cancel after it. */
    error = 0;
    for (int64_t ms = 5; error != ECANCELED; ms *= 2) { /* until the machine is fast enough */
        conc_context_with_timeout(&ctx, NULL, CONC_MS(ms));
        conc_context_cancel(&ctx);
        error = conc_context_error(&ctx);
        unit_wait_until(conc_now_ns() > conc_context_deadline(&ctx));
        unit_rc(conc_context_error(&ctx), error);
        conc_context_destroy(&ctx);
    }
}
END_TEST

/* ---------------------------------------------------------------- the tree */

START_TEST(earliest_deadline_on_the_way_up)
{
    struct conc_context a;
    struct conc_context b;
    struct conc_context c;
    struct conc_context d;
    int64_t now = conc_now_ns();
    conc_context_with_deadline(&a, NULL, now + CONC_S(100));
    conc_context_with_cancel(&b, &a);
    conc_context_with_deadline(&c, &b, now + CONC_S(50));
    conc_context_with_deadline(&d, &c, now + CONC_S(200)); /* later than the parent's: no effect */
    ck_assert_int_eq(conc_context_deadline(&a), now + CONC_S(100));
    ck_assert_int_eq(conc_context_deadline(&b), now + CONC_S(100));
    ck_assert_int_eq(conc_context_deadline(&c), now + CONC_S(50));
    ck_assert_int_eq(conc_context_deadline(&d), now + CONC_S(50));
    conc_context_destroy(&d);
    conc_context_destroy(&c);
    conc_context_destroy(&b);
    conc_context_destroy(&a);
}
END_TEST

START_TEST(cancel_reaches_down_not_up)
{
    struct conc_context root;
    struct conc_context left;
    struct conc_context right;
    struct conc_context leaf;
    conc_context_with_cancel(&root, NULL);
    conc_context_with_cancel(&left, &root);
    conc_context_with_cancel(&right, &root);
    conc_context_with_timeout(&leaf, &left, CONC_S(1000));
    conc_context_cancel_cause(&left, EIO);
    unit_ok(conc_context_error(&root));
    unit_ok(conc_context_error(&right));
    unit_rc(conc_context_error(&left), ECANCELED);
    unit_rc(conc_context_error(&leaf), ECANCELED);
    unit_rc(conc_context_cause(&leaf), EIO);
    conc_context_cancel_cause(&root, ENOSPC);
    unit_rc(conc_context_cause(&leaf), EIO); /* the first cause is kept */
    unit_rc(conc_context_cause(&left), EIO);
    unit_rc(conc_context_cause(&right), ENOSPC);

    /* A child of a parent that is done is done at once, for the same cause. */
    struct conc_context late;
    conc_context_with_timeout(&late, &right, CONC_S(1000));
    unit_rc(conc_context_error(&late), ECANCELED);
    unit_rc(conc_context_cause(&late), ENOSPC);
    conc_context_destroy(&late);
    conc_context_with_value(&late, &left, "key", "value");
    unit_rc(conc_context_cause(&late), EIO);
    conc_context_destroy(&late);

    conc_context_destroy(&leaf);
    conc_context_destroy(&left);
    conc_context_destroy(&right);
    conc_context_destroy(&root);

    /* And of one whose deadline has passed, which nobody has noticed yet. */
    conc_context_with_timeout(&root, NULL, 0);
    conc_context_with_cancel(&leaf, &root);
    unit_rc(conc_context_error(&leaf), ETIMEDOUT);
    unit_rc(conc_context_cause(&leaf), ETIMEDOUT);
    conc_context_destroy(&leaf);
    conc_context_destroy(&root);
}
END_TEST

static const char key_a;
static const char key_b;
static const char key_c;

START_TEST(values)
{
    struct conc_context root;
    struct conc_context a;
    struct conc_context b;
    struct conc_context plain;
    struct conc_context shadow;
    int one = 1;
    int two = 2;
    int three = 3;
    conc_context_with_cancel(&root, NULL);
    conc_context_with_value(&a, &root, &key_a, &one);
    conc_context_with_value(&b, &a, &key_b, &two);
    conc_context_with_timeout(&plain, &b, CONC_S(1));
    conc_context_with_value(&shadow, &plain, &key_a, &three);
    ck_assert_ptr_null(conc_context_value(&root, &key_a));
    ck_assert_ptr_eq(conc_context_value(&a, &key_a), &one);
    ck_assert_ptr_null(conc_context_value(&a, &key_b));
    ck_assert_ptr_eq(conc_context_value(&plain, &key_a), &one);
    ck_assert_ptr_eq(conc_context_value(&plain, &key_b), &two);
    ck_assert_ptr_eq(conc_context_value(&shadow, &key_a), &three); /* nearest first */
    ck_assert_ptr_eq(conc_context_value(&shadow, &key_b), &two);
    ck_assert_ptr_null(conc_context_value(&shadow, &key_c));
    conc_context_cancel(&root);
    ck_assert_ptr_eq(conc_context_value(&shadow, &key_b), &two); /* done or not */
    conc_context_destroy(&shadow);
    conc_context_destroy(&plain);
    conc_context_destroy(&b);
    conc_context_destroy(&a);
    conc_context_destroy(&root);
}
END_TEST

/* Cancelling holds the locks of the path; Helgrind's time grows with the square of their number. */
#define DEPTH (RUNNING_ON_VALGRIND ? 300 : 10000)
#define WIDTH (RUNNING_ON_VALGRIND ? 300 : 10000)

/* Ten thousand levels: cancelling is no recursion that eats the stack. */
static void deep_main(void *arg)
{
    struct conc_context *chain = arg;
    conc_context_with_value(&chain[0], NULL, &key_a, chain);
    for (int i = 1; i < DEPTH; i++)
        conc_context_with_cancel(&chain[i], &chain[i - 1]);
    if (conc_context_value(&chain[DEPTH - 1], &key_a) != chain)
        ck_abort_msg("value lost on the way");
    conc_context_cancel_cause(&chain[0], EIO);
    for (int i = 0; i < DEPTH; i++)
        if (conc_context_error(&chain[i]) != ECANCELED || conc_context_cause(&chain[i]) != EIO)
            ck_abort_msg("level %d was not reached", i);
    for (int i = DEPTH - 1; i >= 0; i--)
        conc_context_destroy(&chain[i]);
}

static void *deep_thread(void *arg)
{
    deep_main(arg);
    return NULL;
}

START_TEST(deep_chain)
{
    struct conc_context *chain = calloc((size_t)DEPTH, sizeof *chain);
    ck_assert_ptr_nonnull(chain);
    deep_main(chain);
    /* The same on a small stack: levels must not be frames. */
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    ck_assert_int_eq(pthread_create(&thread, &attr, deep_thread, chain), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    free(chain);
}
END_TEST

START_TEST(wide_family)
{
    struct conc_context root;
    struct conc_context *children = calloc((size_t)WIDTH, sizeof *children);
    ck_assert_ptr_nonnull(children);
    conc_context_with_cancel(&root, NULL);
    for (int i = 0; i < WIDTH; i++)
        conc_context_with_cancel(&children[i], &root);
    /* Some leave before: from the ends and from the middle of the list. */
    for (int i = 0; i < WIDTH; i += 3)
        conc_context_destroy(&children[i]);
    conc_context_cancel(&root);
    for (int i = 0; i < WIDTH; i++)
        if (i % 3 != 0 && conc_context_error(&children[i]) != ECANCELED)
            ck_abort_msg("child %d was not reached", i);
    for (int i = 0; i < WIDTH; i++)
        if (i % 3 != 0)
            conc_context_destroy(&children[i]);
    conc_context_destroy(&root);
    free(children);
}
END_TEST

/* ---------------------------------------------------------------- waits */

enum { LEVELS = 8 };

struct level {
    struct conc_context ctx;
    struct conc_chan *never;
    atomic_int rc;
};

static void level_main(void *arg)
{
    struct level *level = arg;
    atomic_store(&level->rc, conc_chan_recv(level->never, NULL, &level->ctx));
}

/* Everything below is woken; each from a wait of its own. */
START_TEST(cancel_wakes_every_level)
{
    struct level levels[LEVELS];
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_chan *never;
    unit_ok(conc_chan_create(&never, 0, 0, NULL));
    for (int i = 0; i < LEVELS; i++) {
        conc_context_with_cancel(&levels[i].ctx, i ? &levels[i - 1].ctx : NULL);
        levels[i].never = never;
        atomic_init(&levels[i].rc, -1);
        unit_ok(conc_wait_group_go(&group, level_main, &levels[i]));
    }
    unit_wait_parked(LEVELS);
    conc_context_cancel(&levels[3].ctx);
    for (int i = 0; i < LEVELS; i++)
        unit_rc(conc_context_error(&levels[i].ctx), i < 3 ? 0 : ECANCELED);
    for (int i = 3; i < LEVELS; i++)
        unit_wait_until(atomic_load(&levels[i].rc) == ECANCELED);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(atomic_load(&levels[i].rc), -1);
    conc_context_cancel(&levels[0].ctx);
    unit_ok(conc_wait_group_wait(&group, NULL));
    for (int i = LEVELS - 1; i >= 0; i--)
        conc_context_destroy(&levels[i].ctx);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(never);
}
END_TEST

/* ---------------------------------------------------------------- after-callbacks */

struct call {
    atomic_int count;
    struct conc_task *_Atomic by;
    struct conc_context *ctx;
    int error_seen;
};

static void count_call(void *arg)
{
    struct call *call = arg;
    call->error_seen = conc_context_error(call->ctx);
    atomic_store(&call->by, conc_task_self());
    atomic_fetch_add(&call->count, 1);
}

START_TEST(after_a_cancel)
{
    struct conc_context root;
    struct conc_context ctx;
    struct conc_context_after afters[3];
    struct call calls[3] = {{.ctx = &ctx}, {.ctx = &ctx}, {.ctx = &ctx}};
    conc_context_with_cancel(&root, NULL);
    conc_context_with_cancel(&ctx, &root);
    unit_rc(conc_context_after(NULL, &ctx, count_call, &calls[0]), EINVAL);
    unit_rc(conc_context_after(&afters[0], NULL, count_call, &calls[0]), EINVAL);
    unit_rc(conc_context_after(&afters[0], &ctx, NULL, &calls[0]), EINVAL);
    for (int i = 0; i < 3; i++)
        unit_ok(conc_context_after(&afters[i], &ctx, count_call, &calls[i]));
    ck_assert(conc_context_after_stop(&afters[1])); /* taken back: never called */
    conc_context_cancel(&root);
    /* They have run when the cancel returns: on this task, and the context was done. */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(calls[i].count, i != 1);
        if (i != 1) {
            ck_assert_ptr_eq(calls[i].by, conc_task_self());
            ck_assert_int_eq(calls[i].error_seen, ECANCELED);
        }
    }
    ck_assert(!conc_context_after_stop(&afters[0])); /* it has been called */
    ck_assert(!conc_context_after_stop(&afters[0])); /* and may be asked again */
    ck_assert(!conc_context_after_stop(&afters[2]));

    /* On a context that is done: at once. */
    struct conc_context_after late;
    struct call call = {.ctx = &ctx};
    unit_ok(conc_context_after(&late, &ctx, count_call, &call));
    ck_assert_int_eq(call.count, 1);
    ck_assert(!conc_context_after_stop(&late));
    conc_context_destroy(&ctx);
    conc_context_destroy(&root);
}
END_TEST

/* Nobody asks and nobody waits: the deadline has it called all the same. */
START_TEST(after_a_deadline)
{
    struct conc_context parent;
    struct conc_context ctx;
    struct conc_context_after after;
    struct conc_context_after stopped;
    struct call call = {.ctx = &ctx};
    struct call never = {.ctx = &ctx};
    conc_context_with_timeout(&ctx, NULL, CONC_S(1000));
    unit_ok(conc_context_after(&stopped, &ctx, count_call, &never));
    ck_assert(conc_context_after_stop(&stopped)); /* taken back in good time */
    conc_context_destroy(&ctx);
    conc_context_with_timeout(&parent, NULL, CONC_MS(10));
    conc_context_with_cancel(&ctx, &parent);
    unit_ok(conc_context_after(&after, &ctx, count_call, &call));
    unit_wait_until(atomic_load(&call.count) == 1);
    ck_assert(!conc_context_after_stop(&after));
    ck_assert_int_eq(call.error_seen, ETIMEDOUT);
    ck_assert_int_ge(conc_now_ns(), conc_context_deadline(&ctx));
    ck_assert_int_eq(never.count, 0);
    conc_context_destroy(&ctx);
    conc_context_destroy(&parent);

    /* A cancel in good time takes the place of the deadline: once all the same. */
    struct call once = {.ctx = &ctx};
    conc_context_with_timeout(&ctx, NULL, CONC_MS(5));
    unit_ok(conc_context_after(&after, &ctx, count_call, &once));
    conc_context_cancel(&ctx);
    ck_assert_int_eq(once.count, 1);
    unit_wait_until(conc_now_ns() > conc_context_deadline(&ctx) + CONC_MS(5));
    ck_assert(!conc_context_after_stop(&after));
    ck_assert_int_eq(once.count, 1);
    conc_context_destroy(&ctx);

    /* A deadline that has passed before. */
    struct call at_once = {.ctx = &ctx};
    conc_context_with_timeout(&ctx, NULL, 0);
    unit_ok(conc_context_after(&after, &ctx, count_call, &at_once));
    unit_wait_until(atomic_load(&at_once.count) == 1);
    ck_assert(!conc_context_after_stop(&after));
    conc_context_destroy(&ctx);
}
END_TEST

struct self_stop {
    struct conc_context_after after;
    struct conc_context_after other;
    bool self;
    bool others;
    atomic_int count;
};

static void stop_inside(void *arg)
{
    struct self_stop *s = arg;
    s->self = conc_context_after_stop(&s->after); /* its own: does not wait for itself */
    atomic_fetch_add(&s->count, 1);
}

START_TEST(stop_from_the_callback)
{
    struct conc_context ctx;
    struct self_stop s = {.self = true};
    conc_context_with_cancel(&ctx, NULL);
    unit_ok(conc_context_after(&s.after, &ctx, stop_inside, &s));
    conc_context_cancel(&ctx);
    ck_assert_int_eq(s.count, 1);
    ck_assert(!s.self);
    ck_assert(!conc_context_after_stop(&s.after));
    conc_context_destroy(&ctx);
}
END_TEST

struct slow {
    atomic_bool inside;
    atomic_bool go_on;
    atomic_bool returned;
};

static void slow_callback(void *arg)
{
    struct slow *slow = arg;
    atomic_store(&slow->inside, true);
    while (!atomic_load(&slow->go_on))
        conc_yield();
    atomic_store(&slow->returned, true);
}

static void cancel_main(void *arg)
{
    conc_context_cancel(arg);
}

struct stopper {
    struct conc_context_after *after;
    struct slow *slow;
    bool stopped;
    bool returned_before;
};

static void stopper_main(void *arg)
{
    struct stopper *s = arg;
    s->stopped = conc_context_after_stop(s->after);
    s->returned_before = atomic_load(&s->slow->returned);
}

/* Stop waits for a callback that runs on another task. */
START_TEST(stop_waits_for_the_callback)
{
    struct conc_context ctx;
    struct conc_context_after after;
    struct slow slow = {.inside = false};
    struct stopper stopper = {&after, &slow, true, false};
    struct conc_task *canceller;
    struct conc_task *task;
    conc_context_with_cancel(&ctx, NULL);
    unit_ok(conc_context_after(&after, &ctx, slow_callback, &slow));
    unit_ok(conc_task_start(&canceller, cancel_main, &ctx));
    unit_wait_until(atomic_load(&slow.inside));
    unit_ok(conc_task_start(&task, stopper_main, &stopper));
    unit_wait_parked(1);
    atomic_store(&slow.go_on, true);
    conc_task_join(task);
    conc_task_join(canceller);
    ck_assert(!stopper.stopped);
    ck_assert(stopper.returned_before);
    conc_context_destroy(&ctx);
}
END_TEST

/* Taken back or called, never both and never neither, when stop and cancel meet. */
START_TEST(stop_against_cancel)
{
    size_t rounds = unit_scaled(2000);
    size_t stopped = 0;
    for (size_t i = 0; i < rounds; i++) {
        struct conc_context ctx;
        struct conc_context_after after;
        struct call call = {.ctx = &ctx};
        struct conc_task *task;
        if (i % 2)
            conc_context_with_cancel(&ctx, NULL);
        else
            conc_context_with_timeout(&ctx, NULL, CONC_US(50));
        unit_ok(conc_context_after(&after, &ctx, count_call, &call));
        unit_ok(conc_task_start(&task, cancel_main, &ctx));
        if (i % 3 == 0)
            conc_yield();
        bool took_back = conc_context_after_stop(&after);
        int count = atomic_load(&call.count);
        conc_task_join(task);
        if (count != !took_back || atomic_load(&call.count) != count)
            ck_abort_msg("round %zu: stop says %d, called %d then %d times", i, took_back, count,
                atomic_load(&call.count));
        stopped += took_back;
        conc_context_destroy(&ctx);
    }
    fprintf(stderr, "stopped %zu of %zu\n", stopped, rounds);
}
END_TEST

/* Two callbacks of one context: the one that is called first stops the other, and frees its record.
 */
struct pair {
    struct conc_context_after *other;
    int *calls;
};

static void stop_the_other(void *arg)
{
    struct pair *pair = arg;
    ++*pair->calls;
    if (conc_context_after_stop(pair->other))
        memset(pair->other, 0xa5, sizeof *pair->other); /* nobody may look at it any more */
}

START_TEST(stop_from_a_sibling)
{
    struct conc_context ctx;
    struct conc_context_after afters[2];
    int calls = 0;
    struct pair pairs[2] = {{&afters[1], &calls}, {&afters[0], &calls}};
    conc_context_with_cancel(&ctx, NULL);
    for (int i = 0; i < 2; i++)
        unit_ok(conc_context_after(&afters[i], &ctx, stop_the_other, &pairs[i]));
    conc_context_cancel(&ctx);
    ck_assert_int_eq(calls, 1);
    conc_context_destroy(&ctx);
}
END_TEST

START_TEST(stop_answers_the_same_again)
{
    struct conc_context ctx;
    struct conc_context_after after;
    struct call call = {.ctx = &ctx};
    conc_context_with_cancel(&ctx, NULL);
    unit_ok(conc_context_after(&after, &ctx, count_call, &call));
    ck_assert(conc_context_after_stop(&after));
    ck_assert(conc_context_after_stop(&after));
    unit_ok(conc_context_after(&after, &ctx, count_call, &call));
    conc_context_cancel(&ctx);
    ck_assert(!conc_context_after_stop(&after));
    ck_assert(!conc_context_after_stop(&after));
    ck_assert_int_eq(atomic_load(&call.count), 1);
    conc_context_destroy(&ctx);
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void nothing(void *unused)
{
    (void)unused;
}

static void destroy_with_a_callback(void)
{
    static struct conc_context ctx;
    static struct conc_context_after after;
    conc_context_with_cancel(&ctx, NULL);
    conc_context_after(&after, &ctx, nothing, NULL);
    conc_context_destroy(&ctx);
}

static void destroy_before_the_child(void)
{
    static struct conc_context parent;
    static struct conc_context child;
    conc_context_with_cancel(&parent, NULL);
    conc_context_with_cancel(&child, &parent);
    conc_context_destroy(&parent);
}

START_TEST(programming_errors_abort)
{
    unit_aborts_in(destroy_before_the_child, "child", "conc: ");
    unit_aborts_in(destroy_with_a_callback, "after-callbacks", "conc: ");
}
END_TEST

int main(void)
{
    return unit_main("context", matrix, nothing_is_never_done, cancel_and_cause, deadlines,
        earliest_deadline_on_the_way_up, cancel_reaches_down_not_up, values, deep_chain,
        wide_family, cancel_wakes_every_level, after_a_cancel, after_a_deadline,
        stop_from_the_callback, stop_waits_for_the_callback, stop_against_cancel,
        stop_from_a_sibling, stop_answers_the_same_again, programming_errors_abort);
}
