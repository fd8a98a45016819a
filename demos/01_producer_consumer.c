/* SPDX-License-Identifier: MIT */
/*
 * 01 Producers and consumers
 *
 * How do several producers feed several consumers so that every item is handled exactly once?
 *
 *   ./conc run 01 --producers 3 --workers 4 --capacity 8
 *
 * Look for: who takes which item differs from run to run; the result does not.
 * Try: --capacity 0 (every item is handed over in person), --workers 1 (the items of each producer
 * come out in order), --producers 1 --workers 64 (most consumers never get an item).
 */
#include <errno.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "producer_consumer.h"

struct item {
    int64_t producer;
    int64_t sequence; /* 0, 1, 2 … of this producer */
};

struct result {
    int64_t id; /* of the item, among all */
    uint64_t square;
};

struct factory {
    const struct demo *demo;
    int64_t producers;
    int64_t *made; /* by each producer; its own */
    int64_t
        *newest;    /* [consumer][producer]: the last sequence number it took; the consumer's own */
    bool *in_order; /* of each consumer; its own */
    char *collected; /* how often each item came back; the collector's */
    int64_t total;
    uint64_t sum;
};

/* Producer p makes the items p, p + producers, p + 2 · producers, … */
/* snippet: produce */
static int produce(void *arg, size_t p, void *item, struct conc_context *ctx)
{
    struct factory *f = arg;
    int64_t sequence = f->made[p];
    (void)ctx;
    if ((int64_t)p + sequence * f->producers >= f->demo->items)
        return EPIPE; /* this producer has no more; the channel closes after the last one */
    f->made[p]++;
    *(struct item *)item = (struct item){(int64_t)p, sequence};
    return 0;
}
/* end snippet */

static int consume(void *arg, size_t c, const void *item, void *result, struct conc_context *ctx)
{
    struct factory *f = arg;
    struct item it = *(const struct item *)item;
    int64_t *newest = &f->newest[(int64_t)c * f->producers + it.producer];
    (void)ctx;
    if (it.sequence <= *newest)
        f->in_order[c] = false;
    *newest = it.sequence;

    int64_t id = it.producer + it.sequence * f->producers;
    demo_say("consumer %zu: item %" PRId64 " of producer %" PRId64, c, it.sequence, it.producer);
    demo_work((uint64_t)id, 1);
    *(struct result *)result = (struct result){id, (uint64_t)id * (uint64_t)id};
    return 0;
}

static int collect(void *arg, const void *result)
{
    struct factory *f = arg;
    const struct result *r = result;
    f->collected[r->id]++;
    f->total++;
    f->sum += r->square;
    return 0;
}

int main(int argc, char **argv)
{
    int64_t producers = 3, capacity = 8;
    const struct demo_flag flags[] = {
        {"producers", &producers, 1, 64, "tasks that make items"},
        {"capacity", &capacity, 0, 1000000, "places in the channel"},
        {0},
    };
    struct demo demo = {.number = 1,
        .title = "Producers and consumers",
        .workers = 4,
        .items = 100,
        .flags = flags};
    demo_begin(&demo, argc, argv);

    struct factory f = {.demo = &demo, .producers = producers};
    f.made = calloc((size_t)producers, sizeof *f.made);
    f.newest = calloc((size_t)(demo.workers * producers), sizeof *f.newest);
    f.in_order = calloc((size_t)demo.workers, sizeof *f.in_order);
    f.collected = calloc((size_t)demo.items + 1, 1);
    CHECK(f.made && f.newest && f.in_order && f.collected);
    for (int64_t i = 0; i < demo.workers * producers; i++)
        f.newest[i] = -1;
    for (int64_t c = 0; c < demo.workers; c++)
        f.in_order[c] = true;

    struct conc_producer_consumer_options options = {.producers = (size_t)producers,
        .consumers = (size_t)demo.workers,
        .capacity = (size_t)capacity,
        .results_capacity = (size_t)capacity,
        .item_size = sizeof(struct item),
        .result_size = sizeof(struct result),
        .produce = produce,
        .consume = consume,
        .collect = collect,
        .arg = &f};
    CHECK_OK(conc_producer_consumer_run(&options, NULL));

    bool once = true, in_order = true;
    for (int64_t i = 0; i < demo.items; i++)
        once = once && f.collected[i] == 1;
    for (int64_t c = 0; c < demo.workers; c++)
        in_order = in_order && f.in_order[c];
    CHECK(once && in_order && f.total == demo.items);
    demo_result("%" PRId64 " producers, %" PRId64 " consumers, capacity %" PRId64 "\n", producers,
        demo.workers, capacity);
    demo_result("results: %" PRId64 ", sum %" PRIu64 "\n", f.total, f.sum);
    demo_result("each item exactly once: %s\n", once ? "yes" : "no");
    demo_result("items of a producer taken in its order: %s\n", in_order ? "yes" : "no");

    free(f.made);
    free(f.newest);
    free(f.in_order);
    free(f.collected);
    return demo_end(&demo);
}
