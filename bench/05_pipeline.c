/* SPDX-License-Identifier: MIT */

/*
 * The pipeline against the loop it replaces: the documents' benchmark of integers (claim C3), the
 * one that carries errors (C4), and both with work in the stages, to see from where on a pipeline
 * pays.
 *
 * Everything is inside the measurement: the pipeline is made, run and ended for every run, as in
 * the documents.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/baselines/expected.h"
#include "bench/baselines/pthread_pipeline.h"
#include "bench/shim/bench.h"
#include "pipeline.h"

/* ---- integers: generate, square, keep the even ones times three ---- */

struct integers {
    int64_t next;
    int64_t items;
    int64_t work_ns; /* per item and stage */
    int64_t errors;
    uint64_t sum;
    size_t n;
    int64_t kept[]; /* what the documents append to a slice */
};

static void setup(struct bench_run *run)
{
    struct integers *all = calloc(1, sizeof *all + (size_t)run->items * sizeof all->kept[0]);
    run->state = all;
    if (all)
        all->items = run->items;
    else
        bench_fail(run, "no memory for %lld integers", (long long)run->items);
}

static void teardown(struct bench_run *run)
{
    free(run->state);
}

static void keep_even(struct integers *all, int64_t n)
{
    if (n % 2 == 0)
        all->kept[all->n++] = n * 3;
}

static bool check_integers(const struct bench_run *run)
{
    const struct integers *all = run->state;
    size_t n = 0;
    for (int64_t i = 0; i < run->items; i += 2)
        if (n >= all->n || all->kept[n++] != i * i * 3)
            return false;
    return n == all->n;
}

static void integers_serial(struct bench_run *run)
{
    struct integers *all = run->state;
    for (int64_t i = 0; i < run->items; i++)
        keep_even(all, i * i);
}

/* The message of the textbook's pipelines. */
struct item {
    int64_t value;
    int error;
};

static bool next_textbook(void *item, void *arg)
{
    struct integers *all = arg;
    *(struct item *)item = (struct item){.value = all->next};
    return all->next++ < all->items;
}

static bool square_textbook(void *item, void *arg)
{
    (void)arg;
    struct item *i = item;
    i->value *= i->value;
    return true;
}

static void sink_textbook(const void *item, void *arg)
{
    keep_even(arg, ((const struct item *)item)->value);
}

static void run_textbook(struct bench_run *run, struct textbook_pipeline *pipeline)
{
    pipeline->size = sizeof(struct item);
    pipeline->arg = run->state;
    int rc = textbook_pipeline_run(pipeline);
    if (rc != 0)
        bench_fail(run, "textbook_pipeline_run: %s", strerror(rc));
}

static void integers_pthread(struct bench_run *run)
{
    static bool (*const stages[])(void *, void *) = {square_textbook};
    run_textbook(run, &(struct textbook_pipeline){.capacity = (size_t)run->parameter,
                          .source = next_textbook,
                          .stages = stages,
                          .n_stages = 1,
                          .sink = sink_textbook});
}

static int next_conc(void **value, void *arg, struct conc_context *ctx)
{
    (void)ctx;
    struct integers *all = arg;
    if (all->next == all->items)
        return EPIPE;
    *value = (void *)(intptr_t)all->next++;
    return 0;
}

static int square_conc(void **value, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    intptr_t n = (intptr_t)*value;
    *value = (void *)(n * n);
    return 0;
}

static int sink_conc(const struct conc_pipeline_item *item, void *arg)
{
    keep_even(arg, (intptr_t)item->value);
    return 0;
}

static void run_conc(struct bench_run *run, const struct conc_pipeline_stage *stages, size_t n,
    const struct conc_pipeline_options *options,
    int (*sink)(const struct conc_pipeline_item *item, void *arg))
{
    int rc = conc_pipeline_run(stages, n, options, sink, run->state, NULL);
    if (rc != 0)
        bench_fail(run, "conc_pipeline_run: %s", strerror(rc));
}

static void integers_batched(struct bench_run *run, size_t batch)
{
    size_t capacity = (size_t)run->parameter;
    const struct conc_pipeline_stage stages[] = {
        {.generate = next_conc, .arg = run->state, .capacity = capacity},
        {.map = square_conc, .capacity = capacity},
    };
    const struct conc_pipeline_options options = {.batch = batch};
    run_conc(run, stages, 2, &options, sink_conc);
}

static void integers_conc(struct bench_run *run)
{
    integers_batched(run, 1);
}

static void integers_batch(struct bench_run *run)
{
    integers_batched(run, 100);
}

/* ---- with errors: an odd square is one, and goes through to the end ---- */

static void collect(struct integers *all, int64_t value, int error)
{
    if (error == 0)
        all->kept[all->n++] = value;
    else
        all->errors++;
}

static bool check_errors(const struct bench_run *run)
{
    const struct integers *all = run->state;
    size_t n = 0;
    for (int64_t i = 0; i < run->items; i += 2)
        if (n >= all->n || all->kept[n++] != i * i)
            return false;
    return n == all->n && all->errors == run->items / 2;
}

static void errors_serial(struct bench_run *run)
{
    struct integers *all = run->state;
    for (int64_t i = 0; i < run->items; i++)
        collect(all, i * i, i * i % 2 == 0 ? 0 : EDOM);
}

static bool even_textbook(void *item, void *arg)
{
    (void)arg;
    struct item *i = item;
    if (i->error == 0 && i->value % 2 != 0)
        i->error = EDOM;
    return true;
}

static void collect_textbook(const void *item, void *arg)
{
    const struct item *i = item;
    collect(arg, i->value, i->error);
}

static void errors_pthread(struct bench_run *run)
{
    static bool (*const stages[])(void *, void *) = {square_textbook, even_textbook};
    run_textbook(run, &(struct textbook_pipeline){.capacity = (size_t)run->parameter,
                          .source = next_textbook,
                          .stages = stages,
                          .n_stages = 2,
                          .sink = collect_textbook});
}

static int even_conc(void **value, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    return (intptr_t)*value % 2 == 0 ? 0 : EDOM;
}

static int collect_conc(const struct conc_pipeline_item *item, void *arg)
{
    collect(arg, (intptr_t)item->value, item->error);
    return 0;
}

static void errors_conc(struct bench_run *run)
{
    size_t capacity = (size_t)run->parameter;
    const struct conc_pipeline_stage stages[] = {
        {.generate = next_conc, .arg = run->state, .capacity = capacity},
        {.map = square_conc, .capacity = capacity},
        {.map = even_conc, .capacity = capacity},
    };
    const struct conc_pipeline_options options = {.pass_errors = true};
    run_conc(run, stages, 3, &options, collect_conc);
}

/* ---- work in the stages: the point is the work per item, shared out evenly ---- */

static void work_setup(struct bench_run *run)
{
    setup(run);
    struct integers *all = run->state;
    if (all)
        all->work_ns = run->parameter / *(const int64_t *)run->user;
}

static uint64_t work_of(int64_t i, int64_t work_ns, int64_t stages)
{
    uint64_t value = (uint64_t)i;
    for (int64_t stage = 0; stage < stages; stage++)
        value = bench_work_ns(value, work_ns);
    return value;
}

static uint64_t work_of_two(int64_t items, int64_t work_ns)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < items; i++)
        sum += work_of(i, work_ns / 2, 2);
    return sum;
}

/* With errors, what was odd after the second stage does not count. */
static uint64_t work_of_three(int64_t items, int64_t work_ns)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < items; i++) {
        uint64_t value = work_of(i, work_ns / 3, 2);
        if (value % 2 == 0)
            sum += bench_work_ns(value, work_ns / 3);
    }
    return sum;
}

static bool check_two(const struct bench_run *run)
{
    const struct integers *all = run->state;
    return all->sum == expected_result(work_of_two, run->items, run->parameter);
}

static bool check_three(const struct bench_run *run)
{
    const struct integers *all = run->state;
    return all->sum == expected_result(work_of_three, run->items, run->parameter);
}

static void two_serial(struct bench_run *run)
{
    struct integers *all = run->state;
    for (int64_t i = 0; i < run->items; i++)
        all->sum += work_of(i, all->work_ns, 2);
}

static void three_serial(struct bench_run *run)
{
    struct integers *all = run->state;
    for (int64_t i = 0; i < run->items; i++) {
        uint64_t value = work_of(i, all->work_ns, 2);
        if (value % 2 == 0)
            all->sum += bench_work_ns(value, all->work_ns);
    }
}

static bool work_textbook(void *item, void *arg)
{
    const struct integers *all = arg;
    struct item *i = item;
    if (i->error == 0)
        i->value = (int64_t)bench_work_ns((uint64_t)i->value, all->work_ns);
    return true;
}

static bool work_even_textbook(void *item, void *arg)
{
    return work_textbook(item, arg) && even_textbook(item, arg);
}

static void add(struct integers *all, uint64_t value, int error)
{
    if (error == 0)
        all->sum += bench_work_ns(value, all->work_ns);
}

static void add_textbook(const void *item, void *arg)
{
    const struct item *i = item;
    add(arg, (uint64_t)i->value, i->error);
}

static void two_pthread(struct bench_run *run)
{
    static bool (*const stages[])(void *, void *) = {work_textbook};
    run_textbook(
        run, &(struct textbook_pipeline){
                 .source = next_textbook, .stages = stages, .n_stages = 1, .sink = add_textbook});
}

static void three_pthread(struct bench_run *run)
{
    static bool (*const stages[])(void *, void *) = {work_textbook, work_even_textbook};
    run_textbook(
        run, &(struct textbook_pipeline){
                 .source = next_textbook, .stages = stages, .n_stages = 2, .sink = add_textbook});
}

static int work_conc(void **value, void *arg, struct conc_context *ctx)
{
    (void)ctx;
    const struct integers *all = arg;
    *value = (void *)(uintptr_t)bench_work_ns((uintptr_t)*value, all->work_ns);
    return 0;
}

static int work_even_conc(void **value, void *arg, struct conc_context *ctx)
{
    work_conc(value, arg, ctx);
    return even_conc(value, arg, ctx);
}

static int add_conc(const struct conc_pipeline_item *item, void *arg)
{
    add(arg, (uintptr_t)item->value, item->error);
    return 0;
}

static void two_conc(struct bench_run *run)
{
    const struct conc_pipeline_stage stages[] = {
        {.generate = next_conc, .arg = run->state},
        {.map = work_conc, .arg = run->state},
    };
    run_conc(run, stages, 2, NULL, add_conc);
}

static void three_conc(struct bench_run *run)
{
    const struct conc_pipeline_stage stages[] = {
        {.generate = next_conc, .arg = run->state},
        {.map = work_conc, .arg = run->state},
        {.map = work_even_conc, .arg = run->state},
    };
    const struct conc_pipeline_options options = {.pass_errors = true};
    run_conc(run, stages, 3, &options, add_conc);
}

/* ---- the table ---- */

/* Items become fewer where they are long, so that every point takes about as long in total. */
static int64_t fewer_when_long(int64_t work_ns, int64_t items)
{
    int64_t n = work_ns > 10000 ? items * 10000 / work_ns : items;
    return n < 20 ? 20 : n;
}

static int64_t two_stages = 2;
static int64_t three_stages = 3;

static const struct bench_workload workloads[] = {
    {
        .name = "integers",
        .title = "10 000 integers: generate, square, keep the even ones times three",
        .note = "The documents' pipeline, unbuffered there: three tasks, two channels. The loop "
                "needs about a nanosecond per item, a hand-over many times that. Room in the "
                "channels makes it cheaper, and a batch of 100 items shares one.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 10000,
        .quick_items = 10000,
        .sweep = "capacity",
        .points = BENCH_POINTS(0, 1, 10, 100, 1000),
        .variants = {{.name = "serial", .once = true, .run = integers_serial},
            {.name = "pthread", .run = integers_pthread}, {.name = "conc", .run = integers_conc},
            {.name = "conc_batch", .run = integers_batch}},
        .setup = setup,
        .teardown = teardown,
        .check = check_integers,
        .claims = {{.id = "C3", .at = 0}},
    },
    {
        .name = "errors",
        .title = "Integers with an error beside each: square, keep even, collect",
        .note = "The documents' pipeline that carries errors: four tasks, three channels, odd "
                "squares travel to the end as errors.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 10000,
        .quick_items = 5000,
        .sweep = "capacity",
        .points = BENCH_POINTS(0, 100),
        .variants = {{.name = "serial", .once = true, .run = errors_serial},
            {.name = "pthread", .run = errors_pthread}, {.name = "conc", .run = errors_conc}},
        .setup = setup,
        .teardown = teardown,
        .check = check_errors,
        .claims = {{.id = "C4", .at = 0}},
    },
    {
        .name = "work_per_item",
        .title = "How much work makes a pipeline worth its hand-overs",
        .note = "The unbuffered pipeline with the point's work per item, half of it in the square "
                "stage, half in the receiver. Two stages at work can be twice as fast at best.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 1000,
        .quick_items = 500,
        .items_at = fewer_when_long,
        .sweep = "work_ns",
        .points = BENCH_POINTS(100, 1000, 10000, 100000, 1000000),
        .user = &two_stages,
        .variants = {{.name = "serial", .run = two_serial}, {.name = "pthread", .run = two_pthread},
            {.name = "conc", .run = two_conc}},
        .setup = work_setup,
        .teardown = teardown,
        .check = check_two,
        .crossover = "C3",
    },
    {
        .name = "work_with_errors",
        .title = "The same for the pipeline that carries errors",
        .note = "A third of the point's work in each of two stages and in the receiver, which "
                "leaves out its third for an error.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 1000,
        .quick_items = 500,
        .items_at = fewer_when_long,
        .sweep = "work_ns",
        .points = BENCH_POINTS(100, 1000, 10000, 100000, 1000000),
        .user = &three_stages,
        .variants = {{.name = "serial", .run = three_serial},
            {.name = "pthread", .run = three_pthread}, {.name = "conc", .run = three_conc}},
        .setup = work_setup,
        .teardown = teardown,
        .check = check_three,
        .crossover = "C4",
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 5, .slug = "pipeline", .title = "Pipeline", .workloads = workloads});
}
