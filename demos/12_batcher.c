/* SPDX-License-Identifier: MIT */
/*
 * 12 Batcher
 *
 * How do many single items become few large writes, without one of them waiting for ever?
 *
 *   ./conc run 12 --workers 3 --items 95 --size 10
 *
 * Look for, first act: full batches, and the last one that close cuts short. Second act: a trickle
 * of items far too slow to fill a batch; each is flushed when it has reached its age.
 * Try: --size 1 (no batching at all), --size 1000 (a single batch, at close), --items 90 (close
 * finds nothing left).
 */
#include <stdlib.h>

#include "batcher.h"
#include "demos/demo.h"
#include "runtime/clock.h"
#include "sync/chan.h"
#include "sync/wait_group.h"

struct item {
    int64_t worker;
    int64_t sequence; /* 0, 1, 2 … of this worker */
};

struct shared {
    struct conc_batcher *batcher;
    int64_t workers;
    int64_t items;
    int64_t *next; /* of each worker: the sequence number that must come; flush's only */
    bool in_order;
    int64_t saved;
};

struct adder {
    struct shared *shared;
    int64_t number;
};

/* Writes one batch. Never two at a time, so it needs no lock for what is its own. */
static int save(void *arg, const void *items, size_t n, struct conc_context *ctx)
{
    struct shared *s = arg;
    const struct item *batch = items;
    (void)ctx;
    demo_work(n, 2); /* costs the same for one item as for many */
    for (size_t i = 0; i < n; i++)
        if (batch[i].sequence != s->next[batch[i].worker]++)
            s->in_order = false;
    s->saved += (int64_t)n;
    demo_say("saved a batch of %zu", n);
    return 0;
}

static void add_all(void *arg)
{
    struct adder *me = arg;
    struct shared *s = me->shared;
    for (int64_t i = me->number, sequence = 0; i < s->items; i += s->workers, sequence++) {
        struct item item = {me->number, sequence};
        CHECK_OK(conc_batcher_add(s->batcher, &item, NULL));
    }
}

static int tell(void *arg, const void *items, size_t n, struct conc_context *ctx)
{
    (void)items;
    demo_say("saved a batch of %zu: it was old enough", n);
    return conc_chan_send(arg, &n, ctx);
}

/* Adds an item only when the one before has been flushed: no batch is ever full. */
static void trickle(int64_t items)
{
    struct conc_chan *flushed;
    struct conc_batcher *batcher;
    CHECK_OK(conc_chan_create(&flushed, sizeof(size_t), 1, NULL));
    CHECK_OK(conc_batcher_create(&batcher, &(struct conc_batcher_options){.size = sizeof(int64_t),
                                               .max_items = 1000,
                                               .max_age_ns = CONC_MS(5),
                                               .flush = tell,
                                               .arg = flushed}));
    for (int64_t i = 0; i < items; i++) {
        size_t n;
        CHECK_OK(conc_batcher_add(batcher, &i, NULL));
        CHECK_OK(conc_chan_recv(flushed, &n, NULL));
    }
    CHECK_OK(conc_batcher_close(batcher, NULL));
    struct conc_batcher_stats stats = conc_batcher_stats(batcher);
    demo_result("trickle: %" PRIu64 " items in %" PRIu64 " batches, by age %" PRIu64 "\n",
        stats.flushed, stats.batches, stats.by_age);
    conc_batcher_destroy(batcher);
    conc_chan_destroy(flushed);
}

int main(int argc, char **argv)
{
    int64_t size = 10;
    const struct demo_flag flags[] = {
        {"size", &size, 1, 100000, "items of a full batch"},
        {0},
    };
    struct demo demo = {
        .number = 12, .title = "Batcher", .workers = 3, .items = 95, .flags = flags};
    demo_begin(&demo, argc, argv);

    struct shared s = {.workers = demo.workers, .items = demo.items, .in_order = true};
    struct adder *adders = calloc((size_t)demo.workers, sizeof *adders);
    s.next = calloc((size_t)demo.workers, sizeof *s.next);
    CHECK(adders && s.next);

    /* No age here: on a busy machine it would cut a batch short now and then. */
    /* snippet: batcher */
    CHECK_OK(conc_batcher_create(&s.batcher,
        &(struct conc_batcher_options){
            .size = sizeof(struct item), .max_items = (size_t)size, .flush = save, .arg = &s}));
    struct conc_wait_group adding = CONC_WAIT_GROUP_INIT;
    for (int64_t i = 0; i < demo.workers; i++) {
        adders[i] = (struct adder){&s, i};
        CHECK_OK(conc_wait_group_go(&adding, add_all, &adders[i]));
    }
    CHECK_OK(conc_wait_group_wait(&adding, NULL));
    CHECK_OK(conc_batcher_close(s.batcher, NULL)); /* flushes the rest, and waits for it */
    /* end snippet */

    struct conc_batcher_stats stats = conc_batcher_stats(s.batcher);
    CHECK(s.in_order && s.saved == demo.items && stats.pending == 0);
    demo_result("%" PRId64 " workers, %" PRId64 " items, batches of %" PRId64 "\n", demo.workers,
        demo.items, size);
    demo_result("saved %" PRId64 " in %" PRIu64 " batches: full %" PRIu64 ", by close %" PRIu64
                "\n",
        s.saved, stats.batches, stats.by_size, stats.by_close);
    demo_result("items of each worker in order: %s\n", s.in_order ? "yes" : "no");
    trickle(demo.items < 5 ? demo.items : 5);

    conc_wait_group_destroy(&adding);
    conc_batcher_destroy(s.batcher);
    free(s.next);
    free(adders);
    return demo_end(&demo);
}
