/* SPDX-License-Identifier: MIT */
/*
 * 06 Fan-out, fan-in: what do k workers gain on one stream, and what does its order cost?
 *
 *   ./conc run 06 --workers 4
 *
 * Look for: the times on stderr. Work that computes gets faster up to the number of processors,
 * work that waits up to the number of workers; the results are the same, in order or not. Try:
 * --workers 1 and --workers 64; --units 1: too little work per item to be worth a message;
 *      --wait 10000: longer waits, and more to gain.
 */
#include <errno.h>

#include "demos/demo.h"
#include "fan_out_fan_in.h"
#include "runtime/clock.h"
#include "sync/chan.h"
#include "sync/timer.h"
#include "sync/wait_group.h"

struct item {
    int64_t number;
    uint64_t answer;
};

struct work {
    int64_t units;
    int64_t wait_ns;
};

/* snippet: workers */
static int compute(void *in, void *out, void *arg, struct conc_context *ctx)
{
    const struct work *work = arg;
    struct item *item = in;
    (void)ctx; /* short enough to be finished */
    item->answer = demo_work((uint64_t)item->number, work->units);
    *(struct item *)out = *item;
    return 0;
}

static int wait_and_answer(void *in, void *out, void *arg, struct conc_context *ctx)
{
    const struct work *work = arg;
    struct item *item = in;
    item->answer = (uint64_t)item->number;
    *(struct item *)out = *item;
    return conc_sleep(work->wait_ns, ctx);
}
/* end snippet */

struct feed {
    struct conc_chan *to;
    int64_t items;
};

static void feed(void *arg)
{
    struct feed *feed = arg;
    struct item item = {0};
    for (item.number = 1; item.number <= feed->items; item.number++)
        CHECK_OK(conc_chan_send(feed->to, &item, NULL));
    CHECK_OK(conc_chan_close(feed->to));
}

/* One stream through `workers` tasks: the sum of the answers; every item must come once. */
static uint64_t run(const char *what, struct conc_fan_work *work, int64_t items)
{
    struct conc_wait_group feeding = CONC_WAIT_GROUP_INIT;
    struct conc_fan *fan;
    struct item item;
    int64_t count = 0, numbers = 0;
    uint64_t sum = 0;
    bool in_order = true;
    int64_t begin_ns = conc_now_ns();
    CHECK_OK(conc_chan_create(&work->in, sizeof(struct item), 0, NULL));
    CHECK_OK(conc_chan_create(&work->out, sizeof(struct item), 0, NULL));
    CHECK_OK(conc_fan_map(&fan, work, NULL));
    struct feed feeder = {work->in, items};
    CHECK_OK(conc_wait_group_go(&feeding, feed, &feeder));
    while (conc_chan_recv(work->out, &item, NULL) == 0) {
        in_order = in_order && item.number == ++count;
        numbers += item.number;
        sum += item.answer;
    }
    CHECK_OK(conc_fan_error(fan));
    CHECK(numbers == items * (items + 1) / 2 && (in_order || !work->ordered));
    CHECK_OK(conc_wait_group_wait(&feeding, NULL));
    conc_wait_group_destroy(&feeding);
    conc_fan_destroy(fan);
    conc_chan_destroy(work->in);
    conc_chan_destroy(work->out);
    demo_say("%-9s %3zu workers, %-9s %8.2f ms", what, work->workers,
        work->ordered ? "in order" : "any order", (double)(conc_now_ns() - begin_ns) / 1e6);
    return sum;
}

int main(int argc, char **argv)
{
    int64_t units = 100, wait_us = 1000;
    const struct demo_flag flags[] = {
        {"units", &units, 0, 100000, "work per item that computes, 10 us each, at most"},
        {"wait", &wait_us, 0, 1000000, "microseconds an item waits, at most"},
        {0},
    };
    struct demo demo = {
        .number = 6, .title = "Fan-out, fan-in", .workers = 4, .items = 40, .flags = flags};
    demo_begin(&demo, argc, argv);
    int64_t items = demo.items > 0 ? demo.items : 1;
    /* With many items each gets less: a run stays below a few hundred milliseconds. */
    struct work work = {.units = units * items > 4000 ? 4000 / items : units,
        .wait_ns = CONC_US(wait_us * items > 100000 ? 100000 / items : wait_us)};

    static int (*const functions[])(void *, void *, void *, struct conc_context *) = {
        compute, wait_and_answer};
    static const char *const names[] = {"computes", "waits"};
    for (int f = 0; f < 2; f++) {
        struct conc_fan_work how = {.fn = functions[f], .arg = &work, .name = names[f]};
        how.workers = 1;
        uint64_t alone = run(names[f], &how, demo.items);
        how.workers = (size_t)demo.workers;
        CHECK(run(names[f], &how, demo.items) == alone);
        how.ordered = true;
        CHECK(run(names[f], &how, demo.items) == alone);
        demo_result("work that %s: %" PRId64 " items, each once, same sum as with one worker\n",
            names[f], demo.items);
    }
    demo_result("in order when asked: yes\n");
    return demo_end(&demo);
}
