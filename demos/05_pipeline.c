/* SPDX-License-Identifier: MIT */
/*
 * 05 Pipeline: can three stages work at the same time on one stream, and what becomes of an error?
 *
 *   ./conc run 05 --trace pipeline.json --gantt pipeline.svg
 *
 * Look for: the rows "numbers", "square" and "even" in the picture lie above each other, not one
 * after the other; the results are those of a plain loop, in its order.
 * Try: --workers 1: the picture is a staircase, and square is the slowest stage;
 *      --unordered: with several workers the trace shows items that overtake each other;
 *      --items 1000 --batch 50: fewer messages, longer runs; --work 0: nothing but messages.
 */
#include <errno.h>

#include "demos/demo.h"
#include "pipeline.h"

struct numbers {
    int64_t next;
    int64_t last;
    int64_t units; /* of simulated work per stage and number */
    int64_t bad;   /* square refuses this one; 0: none */
};

/* snippet: stages */
static int next_number(void **value, void *arg, struct conc_context *ctx)
{
    struct numbers *numbers = arg;
    (void)ctx; /* never waits */
    if (numbers->next > numbers->last)
        return EPIPE;
    demo_work((uint64_t)numbers->next, numbers->units);
    *value = (void *)(intptr_t)numbers->next++;
    return 0;
}

static int square(void **value, void *arg, struct conc_context *ctx)
{
    struct numbers *numbers = arg;
    intptr_t n = (intptr_t)*value;
    (void)ctx;
    if (n == numbers->bad)
        return ERANGE;
    demo_work((uint64_t)n, 2 * numbers->units);
    *value = (void *)(n * n);
    return 0;
}

/* That a number is odd is no error: it is just not kept. */
static bool is_even(void *value, void *arg)
{
    struct numbers *numbers = arg;
    demo_work(0, numbers->units);
    return (intptr_t)value % 2 == 0;
}
/* end snippet */

struct totals {
    int64_t kept;
    int64_t sum; /* modulo a prime: any number of items fits */
    bool print;
};

static int add(const struct conc_pipeline_item *item, void *arg)
{
    struct totals *totals = arg;
    int64_t value = (int64_t)(intptr_t)item->value;
    if (item->error != 0) {
        demo_result("number %" PRIu64 " failed in stage %d\n", item->index + 1, item->stage);
        return 0;
    }
    demo_say("received %" PRId64, value);
    totals->sum = (totals->sum + value % 1000003) % 1000003;
    if (totals->print && totals->kept < 10)
        demo_result("%" PRId64 "\n", value);
    totals->kept++;
    return 0;
}

int main(int argc, char **argv)
{
    int64_t batch = 1, capacity = 0, unordered = 0, work = 200;
    const struct demo_flag flags[] = {
        {"batch", &batch, 1, 10000, "numbers per message"},
        {"capacity", &capacity, 0, 10000, "messages that wait behind each stage"},
        {"unordered", &unordered, 0, 1, "let numbers overtake each other in square"},
        {"work", &work, 0, 100000, "simulated work per stage and number, 10 us each, at most"},
        {0},
    };
    struct demo demo = {.number = 5, .title = "Pipeline", .workers = 2, .items = 5, .flags = flags};
    demo_begin(&demo, argc, argv);

    /* With many numbers each gets less work: the whole stays below a few hundred milliseconds. */
    int64_t per_number = demo.items > 0 && work * demo.items > 4000 ? 4000 / demo.items : work;
    struct numbers numbers = {1, demo.items, per_number, 0};
    const struct conc_pipeline_stage square_then_even[] = {
        {.name = "square",
            .map = square,
            .arg = &numbers,
            .workers = (size_t)demo.workers,
            .unordered = unordered != 0,
            .capacity = (size_t)capacity},
        {.name = "even", .filter = is_even, .arg = &numbers, .capacity = (size_t)capacity},
    };
    /* A list of stages is a stage. */
    const struct conc_pipeline_stage stages[] = {
        {.name = "numbers", .generate = next_number, .arg = &numbers, .capacity = (size_t)capacity},
        {.stages = square_then_even, .count = 2},
    };
    struct conc_pipeline_options options = {.batch = (size_t)batch};
    struct totals totals = {.print = !unordered};
    CHECK_OK(conc_pipeline_run(stages, 2, &options, add, &totals, NULL));
    demo_result("%" PRId64 " numbers, %" PRId64 " kept\n", demo.items, totals.kept);

    struct totals loop = {0};
    for (int64_t n = 2; n <= demo.items; n += 2, loop.kept++)
        loop.sum = (loop.sum + n * n % 1000003) % 1000003;
    CHECK(totals.kept == loop.kept && totals.sum == loop.sum);
    demo_result("the same as the loop: yes\n");

    /* The middle number fails: first it stops all, then it passes. */
    numbers = (struct numbers){1, demo.items, 0, (demo.items + 1) / 2};
    totals = (struct totals){0};
    int rc = conc_pipeline_run(stages, 2, &options, add, &totals, NULL);
    CHECK(rc == (demo.items > 0 ? ERANGE : 0));
    demo_result("an error stops all: %s\n", rc != 0 ? "ERANGE" : "none to stop for");

    numbers.next = 1;
    totals = (struct totals){0};
    options.pass_errors = true;
    CHECK_OK(conc_pipeline_run(stages, 2, &options, add, &totals, NULL));
    CHECK(totals.kept == loop.kept - (demo.items > 0 && numbers.bad % 2 == 0));
    demo_result("errors pass: %" PRId64 " kept\n", totals.kept);
    return demo_end(&demo);
}
