/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */
#include "tests/unit.h"

#include "pipeline.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/wait_group.h"

/* ------------------------------------------------------------------ stages of integers */

struct source {
    int next; /* generates next … last */
    int last;
    int fail_at; /* this one is an error, ERANGE */
};

static int numbers(void **value, void *arg, struct conc_context *ctx)
{
    struct source *source = arg;
    (void)ctx;
    if (source->next > source->last)
        return EPIPE;
    if (source->next == source->fail_at) {
        source->next++;
        return ERANGE;
    }
    *value = (void *)(intptr_t)source->next++;
    return 0;
}

static int square(void **value, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    *value = (void *)((intptr_t)*value * (intptr_t)*value);
    return 0;
}

static int jumpy_square(void **value, void *arg, struct conc_context *ctx)
{
    for (uint64_t n = conc_random_below(6); n > 0; n--)
        conc_yield();
    return square(value, arg, ctx);
}

static bool is_even(void *value, void *arg)
{
    (void)arg;
    return (intptr_t)value % 2 == 0;
}

static bool never(void *value, void *arg)
{
    (void)value;
    (void)arg;
    return false;
}

/* Fails where the value is *arg. */
static int fails_at(void **value, void *arg, struct conc_context *ctx)
{
    (void)ctx;
    return (intptr_t)*value == *(int *)arg ? EDOM : 0;
}

struct seen {
    int count;
    int errors;
    intptr_t values[1000];
};

static int note(const struct conc_pipeline_item *item, void *arg)
{
    struct seen *seen = arg;
    if (item->error != 0) {
        seen->errors++;
        return 0;
    }
    if (seen->count < 1000)
        seen->values[seen->count] = (intptr_t)item->value;
    seen->count++;
    return 0;
}

/* ------------------------------------------------------------------ what comes out */

static void run_squares(int n, size_t workers, size_t capacity, size_t batch, bool unordered)
{
    struct source source = {1, n, 0};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source, .capacity = capacity},
        {.map = jumpy_square, .workers = workers, .unordered = unordered, .capacity = capacity},
        {.filter = is_even, .workers = workers, .unordered = unordered, .capacity = capacity},
    };
    struct conc_pipeline_options options = {.batch = batch};
    struct seen seen = {0};
    unit_ok(conc_pipeline_run(stages, 3, &options, note, &seen, NULL));
    ck_assert_int_eq(seen.count, n / 2);
    int64_t sum = 0, expected = 0;
    for (int i = 0; i < seen.count; i++) {
        int64_t even = 2 * (i + 1);
        sum += seen.values[i];
        expected += even * even;
        if (!unordered && seen.values[i] != even * even)
            ck_abort_msg("result %d is %ld", i, (long)seen.values[i]);
    }
    ck_assert_int_eq(sum, expected);
}

/* 4 and 16 from 1 … 5, and the same at every odd size. */
START_TEST(numbers_square_even)
{
    const int items[] = {0, 1, 5, RUNNING_ON_VALGRIND ? 20 : 200};
    const size_t workers[] = {0, 1, 3, RUNNING_ON_VALGRIND ? 5 : 16}, batches[] = {0, 1, 3, 500};
    run_squares(5, 1, 0, 1, false);
    for (int n = 0; n < 4; n++)
        for (int w = 0; w < 4; w++)
            for (int b = 0; b < 4; b++)
                for (size_t capacity = 0; capacity < 3; capacity++)
                    run_squares(items[n], workers[w], capacity, batches[b], (w + b) % 2);
}
END_TEST

START_TEST(lists_are_stages)
{
    struct source source = {1, 4, 0};
    const struct conc_pipeline_stage twice[] = {{.map = square}, {.map = square, .workers = 2}};
    const struct conc_pipeline_stage again[] = {{.stages = twice, .count = 2}, {.filter = is_even}};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source}, {.stages = again, .count = 2}};
    struct seen seen = {0};
    unit_ok(conc_pipeline_run(stages, 2, NULL, note, &seen, NULL));
    ck_assert_int_eq(seen.count, 2);
    ck_assert_int_eq(seen.values[0], 16);
    ck_assert_int_eq(seen.values[1], 256);
    /* A source alone is a pipeline. */
    source = (struct source){1, 3, 0};
    seen = (struct seen){0};
    unit_ok(conc_pipeline_run(stages, 1, NULL, note, &seen, NULL));
    ck_assert_int_eq(seen.count, 3);
}
END_TEST

START_TEST(items_carry_their_number)
{
    struct source source = {1, 7, 0};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source}, {.filter = is_even, .workers = 2}};
    struct conc_pipeline_options options = {.batch = 3};
    struct conc_pipeline *p;
    struct conc_pipeline_item item;
    unit_ok(conc_pipeline_create(&p, stages, 2, &options, NULL));
    for (uint64_t i = 1; i < 7; i += 2) {
        unit_ok(conc_pipeline_recv(p, &item, NULL));
        ck_assert_uint_eq(item.index, i);
        ck_assert_int_eq((intptr_t)item.value, (intptr_t)i + 1);
    }
    unit_rc(conc_pipeline_recv(p, &item, NULL), EPIPE);
    unit_rc(conc_pipeline_try_recv(p, &item), EPIPE);
    unit_ok(conc_pipeline_error(p, &item));
    ck_assert_uint_eq(item.index, 5); /* untouched by all three */
    conc_pipeline_destroy(p);
}
END_TEST

/* ------------------------------------------------------------------ errors */

/* Regression: an error sent on a channel that nobody reads any more; a stage that leaves while
 * those above it send. The first error stops all, and the tasks leave although the source never
 * ends. */
START_TEST(first_error_stops)
{
    int bad = 7;
    for (size_t batch = 1; batch <= 5; batch += 2)
        for (size_t workers = 1; workers <= 3; workers += 2) {
            struct source source = {1, INT32_MAX, 0};
            const struct conc_pipeline_stage stages[] = {
                {.generate = numbers, .arg = &source},
                {.map = square, .workers = workers},
                {.map = square, .workers = workers},
                {.filter = is_even},
            };
            const struct conc_pipeline_stage failing[] = {stages[0],
                {.map = fails_at, .arg = &bad, .workers = workers}, stages[1], stages[3]};
            struct conc_pipeline_options options = {.batch = batch};
            struct conc_pipeline *p;
            struct conc_pipeline_item item = {0}, where;
            unit_ok(conc_pipeline_create(&p, failing, 4, &options, NULL));
            int rc, count = 0;
            while ((rc = conc_pipeline_recv(p, &item, NULL)) == 0) {
                count++;
                ck_assert_int_eq((intptr_t)item.value, (intptr_t)4 * count * count);
            }
            unit_rc(rc, ECANCELED);
            ck_assert_int_le(count, 3);
            unit_rc(conc_pipeline_error(p, NULL), EDOM);
            unit_rc(conc_pipeline_error(p, &where), EDOM);
            ck_assert_int_eq(where.stage, 1);
            ck_assert_uint_eq(where.index, 6);
            ck_assert_int_eq(where.error, EDOM);
            conc_pipeline_destroy(p);
        }
}
END_TEST

START_TEST(errors_pass)
{
    int bad = 4;
    for (size_t batch = 1; batch <= 5; batch += 2)
        for (size_t workers = 1; workers <= 3; workers += 2) {
            struct source source = {1, 10, 7};
            const struct conc_pipeline_stage stages[] = {
                {.generate = numbers, .arg = &source},
                {.map = fails_at, .arg = &bad, .workers = workers},
                {.filter = is_even, .workers = workers},
                {.map = square},
            };
            struct conc_pipeline_options options = {.batch = batch, .pass_errors = true};
            struct conc_pipeline *p;
            struct conc_pipeline_item item;
            unit_ok(conc_pipeline_create(&p, stages, 4, &options, NULL));
            static const int values[] = {2, 0, 6, 0, 8, 10};
            for (int i = 0; i < 6; i++) {
                unit_ok(conc_pipeline_recv(p, &item, NULL));
                if (values[i] != 0) {
                    unit_ok(item.error);
                    ck_assert_int_eq((intptr_t)item.value, values[i] * values[i]);
                    continue;
                }
                bool generated = i == 3;
                ck_assert_ptr_null(item.value);
                unit_rc(item.error, generated ? ERANGE : EDOM);
                ck_assert_int_eq(item.stage, generated ? 0 : 1);
                ck_assert_uint_eq(item.index, generated ? 6 : 3);
            }
            unit_rc(conc_pipeline_recv(p, &item, NULL), EPIPE);
            unit_ok(conc_pipeline_error(p, NULL));
            conc_pipeline_destroy(p);
        }
}
END_TEST

START_TEST(source_error_stops)
{
    struct source source = {1, 10, 3};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source}, {.map = square}};
    struct seen seen = {0};
    unit_rc(conc_pipeline_run(stages, 2, NULL, note, &seen, NULL), ERANGE);
    ck_assert_int_le(seen.count, 2);
}
END_TEST

/* The collector of the documents: that a number is odd is no error. All are filtered: an end, no
 * hang. */
START_TEST(filtered_is_no_error)
{
    struct source source = {1, 100, 0};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source}, {.filter = never, .workers = 3}, {.map = square}};
    struct seen seen = {0};
    unit_ok(conc_pipeline_run(stages, 3, NULL, note, &seen, NULL));
    ck_assert_int_eq(seen.count, 0);
}
END_TEST

static int sink_stops(const struct conc_pipeline_item *item, void *arg)
{
    (void)item;
    return ++*(int *)arg == 3 ? EXDEV : 0;
}

START_TEST(sink_stops_run)
{
    struct source source = {1, INT32_MAX, 0};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source}, {.map = square, .workers = 2, .capacity = 5}};
    int count = 0;
    unit_rc(conc_pipeline_run(stages, 2, NULL, sink_stops, &count, NULL), EXDEV);
    ck_assert_int_eq(count, 3);
}
END_TEST

static int exits(void **value, void *arg, struct conc_context *ctx)
{
    (void)ctx;
    if ((intptr_t)*value == *(int *)arg)
        conc_task_exit();
    return 0;
}

static int exits_at_once(void **value, void *arg, struct conc_context *ctx)
{
    (void)value;
    (void)arg;
    (void)ctx;
    conc_task_exit();
}

START_TEST(function_that_ends_its_task)
{
    int bad = 3;
    struct source source = {1, 10, 0};
    const struct conc_pipeline_stage stages[] = {{.generate = numbers, .arg = &source},
        {.map = exits, .arg = &bad, .workers = 2}, {.map = square}};
    struct conc_pipeline_options options = {.batch = 2};
    unit_rc(conc_pipeline_run(stages, 3, &options, NULL, NULL, NULL), EOWNERDEAD);
    const struct conc_pipeline_stage source_exits[] = {{.generate = exits_at_once}, stages[2]};
    unit_rc(conc_pipeline_run(source_exits, 2, &options, NULL, NULL, NULL), EOWNERDEAD);
}
END_TEST

/* ------------------------------------------------------------------ stopping */

START_TEST(cancelled_by_parent)
{
    for (int deadline = 0; deadline < 2; deadline++) {
        struct source source = {1, INT32_MAX, 0};
        const struct conc_pipeline_stage stages[] = {{.generate = numbers, .arg = &source},
            {.map = square, .workers = 3}, {.filter = is_even}};
        struct conc_context parent;
        conc_context_with_timeout(&parent, NULL, deadline ? CONC_MS(10) : CONC_FOREVER);
        struct conc_pipeline *p;
        struct conc_pipeline_item item, where;
        int rc;
        unit_ok(conc_pipeline_create(&p, stages, 3, NULL, &parent));
        for (int i = 0; (rc = conc_pipeline_recv(p, &item, NULL)) == 0; i++)
            if (!deadline && i == 20)
                conc_context_cancel_cause(&parent, EOVERFLOW);
        unit_rc(rc, ECANCELED);
        unit_rc(conc_pipeline_error(p, &where), deadline ? ETIMEDOUT : EOVERFLOW);
        ck_assert_int_eq(where.stage, -1);
        conc_pipeline_destroy(p);
        conc_context_destroy(&parent);
    }
}
END_TEST

/* Nothing left to generate, and cancelled while the last stage holds messages: not "that was all".
 */
START_TEST(cancel_after_the_source_has_ended)
{
    struct source source = {1, 4, 0};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source, .capacity = 10}, {.map = square}};
    struct conc_pipeline *p;
    struct conc_pipeline_item item;
    unit_ok(conc_pipeline_create(&p, stages, 2, NULL, NULL));
    unit_wait_until(conc_census_count() == 2); /* the source has left */
    unit_wait_parked(1);
    unit_ok(conc_pipeline_recv(p, &item, NULL));
    conc_pipeline_cancel(p);
    int rc, count = 1;
    while ((rc = conc_pipeline_recv(p, &item, NULL)) == 0)
        count++;
    unit_rc(rc, ECANCELED);
    ck_assert_int_lt(count, 4);
    unit_rc(conc_pipeline_error(p, NULL), ECANCELED);
    conc_pipeline_destroy(p);
}
END_TEST

START_TEST(parent_already_done)
{
    struct source source = {1, 10, 0};
    const struct conc_pipeline_stage stages[] = {
        {.generate = numbers, .arg = &source}, {.map = square}};
    struct conc_context parent;
    conc_context_with_cancel(&parent, NULL);
    conc_context_cancel_cause(&parent, EXDEV);
    unit_rc(conc_pipeline_run(stages, 2, NULL, NULL, NULL, &parent), EXDEV);
    conc_context_destroy(&parent);
}
END_TEST

static int waits(void **value, void *arg, struct conc_context *ctx)
{
    (void)value;
    (void)arg;
    return conc_context_wait(ctx);
}

struct receiver {
    struct conc_pipeline *p;
    struct conc_context *ctx;
    int rc;
};

static void receive(void *arg)
{
    struct receiver *receiver = arg;
    struct conc_pipeline_item item;
    receiver->rc = conc_pipeline_recv(receiver->p, &item, receiver->ctx);
}

/* A receiver that waits, and one behind it, are woken by their context and by the pipeline's end.
 */
START_TEST(waiting_receivers)
{
    const struct conc_pipeline_stage stages[] = {{.generate = waits}, {.map = square}};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    struct conc_context mine;
    struct conc_pipeline *p;
    struct conc_pipeline_item item = {.index = 9};
    unit_ok(conc_pipeline_create(&p, stages, 2, NULL, NULL));
    unit_rc(conc_pipeline_try_recv(p, &item), EAGAIN);
    conc_context_with_timeout(&mine, NULL, CONC_MS(5));
    unit_rc(conc_pipeline_recv(p, &item, &mine), ETIMEDOUT);
    ck_assert_uint_eq(item.index, 9);
    conc_context_destroy(&mine);
    conc_context_with_cancel(&mine, NULL);
    struct receiver first = {p, NULL, -1}, second = {p, &mine, -1};
    unit_ok(conc_wait_group_go(&group, receive, &first));
    unit_wait_parked(3);
    unit_ok(conc_wait_group_go(&group, receive, &second));
    unit_wait_parked(4);
    unit_rc(conc_pipeline_try_recv(p, &item), EAGAIN);
    conc_context_cancel(&mine);
    unit_wait_until(conc_wait_group_count(&group) == 1);
    conc_pipeline_cancel(p);
    unit_ok(conc_wait_group_wait(&group, NULL));
    unit_rc(first.rc, ECANCELED);
    unit_rc(second.rc, ECANCELED);
    unit_rc(conc_pipeline_error(p, NULL), ECANCELED);
    conc_context_destroy(&mine);
    conc_wait_group_destroy(&group);
    conc_pipeline_destroy(p);
}
END_TEST

START_TEST(from_channel)
{
    struct conc_chan *in;
    unit_ok(conc_chan_create(&in, sizeof(void *), 3, NULL));
    for (intptr_t i = 1; i <= 3; i++) {
        void *value = (void *)i;
        unit_ok(conc_chan_send(in, &value, NULL));
    }
    const struct conc_pipeline_stage stages[] = {
        {.generate = conc_pipeline_from_chan, .arg = in}, {.map = square}};
    struct conc_pipeline *p;
    struct conc_pipeline_item item;
    unit_ok(conc_pipeline_create(&p, stages, 2, NULL, NULL));
    for (intptr_t i = 1; i <= 3; i++) {
        unit_ok(conc_pipeline_recv(p, &item, NULL));
        ck_assert_int_eq((intptr_t)item.value, i * i);
    }
    unit_rc(conc_pipeline_try_recv(p, &item), EAGAIN);
    unit_ok(conc_chan_close(in));
    unit_rc(conc_pipeline_recv(p, &item, NULL), EPIPE);
    conc_pipeline_destroy(p);
    conc_chan_destroy(in);
}
END_TEST

/* ------------------------------------------------------------------ ownership */

static _Atomic int boxes[2]; /* alive: what the source makes, what the map makes of them */

static void *box(int kind, int number)
{
    int *made = malloc(sizeof(*made));
    ck_assert_ptr_nonnull(made);
    *made = number;
    boxes[kind]++;
    return made;
}

static void drop_first(void *value)
{
    free(value);
    boxes[0]--;
}

static void drop_second(void *value)
{
    free(value);
    boxes[1]--;
}

static int make_boxes(void **value, void *arg, struct conc_context *ctx)
{
    int number = ++*(int *)arg;
    (void)ctx;
    *value = box(0, number);
    return 0;
}

static int rebox(void **value, void *arg, struct conc_context *ctx)
{
    int number = *(int *)*value;
    (void)ctx;
    if (number == *(int *)arg)
        return EDOM;
    if (number == -*(int *)arg) {
        drop_first(*value);
        conc_task_exit();
    }
    drop_first(*value);
    *value = box(1, number);
    return 0;
}

static bool keep_even(void *value, void *arg)
{
    (void)arg;
    return *(int *)value % 2 == 0;
}

/* Values of two types, an endless source, and every way to stop: each value is ended once, by the
 * drop of its type. The filter before the map has the drop of the source. */
START_TEST(every_value_is_ended_once)
{
    for (struct unit_stress s = unit_stress_begin(0.7); unit_stress_more(&s);) {
        uint64_t draw = s.seed;
        int last = 0, bad = 1 + (int)(draw % 40);
        bool pass = draw / 40 % 2, exit_task = draw / 80 % 4 == 0;
        int trap = exit_task ? -bad : bad;
        size_t workers = 1 + draw / 320 % 3, capacity = draw / 960 % 3, batch = 1 + draw / 2880 % 4;
        const struct conc_pipeline_stage stages[] = {
            {.generate = make_boxes, .arg = &last, .drop = drop_first, .capacity = capacity},
            {.filter = keep_even, .workers = workers, .capacity = capacity},
            {.map = rebox,
                .arg = &trap,
                .workers = workers,
                .drop = drop_second,
                .capacity = capacity},
            {.filter = keep_even, .capacity = capacity},
        };
        struct conc_pipeline_options options = {.batch = batch, .pass_errors = pass};
        struct conc_pipeline *p;
        struct conc_pipeline_item item;
        unit_ok(conc_pipeline_create(&p, stages, 4, &options, NULL));
        for (uint64_t n = draw / 11520 % 30; n > 0 && conc_pipeline_recv(p, &item, NULL) == 0; n--)
            if (item.error == 0)
                drop_second(item.value);
        conc_pipeline_destroy(p);
        if (boxes[0] != 0 || boxes[1] != 0)
            ck_abort_msg("left: %d of the first type, %d of the second", boxes[0], boxes[1]);
    }
}
END_TEST

/* ------------------------------------------------------------------ making */

START_TEST(bad_arguments)
{
    struct source source = {1, 3, 0};
    const struct conc_pipeline_stage good = {.generate = numbers, .arg = &source};
    const struct conc_pipeline_stage sq = {.map = square};
    struct conc_pipeline_stage endless = {.count = 1};
    endless.stages = &endless;
    struct conc_pipeline *p = NULL;
    struct conc_pipeline_item item;
    const struct {
        struct conc_pipeline_stage stages[2];
        size_t count;
    } bad[] = {
        {{sq, sq}, 2},                                                  /* no source */
        {{good, good}, 2},                                              /* two */
        {{good, {0}}, 2},                                               /* no kind */
        {{good, {.map = square, .filter = is_even}}, 2},                /* two kinds */
        {{{.generate = numbers, .arg = &source, .workers = 2}, sq}, 2}, /* a parallel source */
        {{good, {.stages = &sq, .count = 0}}, 2},                       /* an empty list */
        {{good, endless}, 2},                                           /* contains itself */
        {{good, sq}, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        unit_rc(conc_pipeline_create(&p, bad[i].stages, bad[i].count, NULL, NULL), EINVAL);
    unit_rc(conc_pipeline_create(&p, NULL, 1, NULL, NULL), EINVAL);
    unit_rc(conc_pipeline_create(NULL, &good, 1, NULL, NULL), EINVAL);
    struct conc_pipeline_options huge = {.batch = SIZE_MAX / 2};
    unit_rc(conc_pipeline_create(&p, &good, 1, &huge, NULL), ENOMEM);
    unit_rc(conc_pipeline_run(NULL, 0, NULL, NULL, NULL, NULL), EINVAL);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(source.next, 1);
    unit_rc(conc_pipeline_recv(NULL, &item, NULL), EINVAL);
    unit_rc(conc_pipeline_try_recv(NULL, &item), EINVAL);
    unit_ok(conc_pipeline_error(NULL, &item));
    conc_pipeline_cancel(NULL);
    conc_pipeline_destroy(NULL);
    unit_ok(conc_pipeline_create(&p, &good, 1, NULL, NULL));
    unit_rc(conc_pipeline_recv(p, NULL, NULL), EINVAL);
    unit_rc(conc_pipeline_try_recv(p, NULL), EINVAL);
    conc_pipeline_destroy(p); /* with items nobody has received */
}
END_TEST

static void fail_each(long (*fail_at)(long), int code)
{
    for (long k = 1;; k++) {
        struct source source = {1, 3, 0};
        const struct conc_pipeline_stage stages[] = {{.generate = numbers, .arg = &source},
            {.map = square, .workers = 2, .capacity = 1}, {.filter = is_even}};
        struct conc_pipeline *p = NULL;
        fail_at(k);
        int rc = conc_pipeline_create(&p, stages, 3, NULL, NULL);
        bool all_tried = fail_at(0) > 0;
        if (all_tried) {
            unit_ok(rc);
            conc_pipeline_destroy(p);
            return;
        }
        ck_assert(rc == code || rc == EAGAIN);
        ck_assert_ptr_null(p);
        ck_assert_int_eq(source.next, 1); /* generate was not called */
        ck_assert_uint_eq(conc_census_count(), 1);
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
    return unit_main("pipeline", numbers_square_even, lists_are_stages, items_carry_their_number,
        first_error_stops, errors_pass, source_error_stops, filtered_is_no_error, sink_stops_run,
        function_that_ends_its_task, cancelled_by_parent, cancel_after_the_source_has_ended,
        parent_already_done, waiting_receivers, from_channel, every_value_is_ended_once,
        bad_arguments, faults);
}
