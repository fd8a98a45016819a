/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 12: what an item costs in batches, when each flush costs a call of 100 µs, and when
 * flushing is free and the batcher itself is all there is.
 */

#include <errno.h>
#include <string.h>

#include "batcher.h"
#include "bench/baselines/pthread_batcher.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "sync/timer.h"

/* Where the items go: only what was flushed counts. One flush at a time, in every variant. */
struct store {
    int64_t call_ns; /* what a flush costs, however many items it has */
    int64_t count;
    uint64_t sum;
    struct textbook_batcher textbook;
    struct conc_batcher *conc;
};

static void keep(struct store *store, const void *items, size_t n)
{
    const uint64_t *values = items;
    for (size_t i = 0; i < n; i++)
        store->sum += values[i] * values[i];
    store->count += (int64_t)n;
}

static void flush_textbook(void *arg, const void *items, size_t n)
{
    struct store *store = arg;
    if (store->call_ns > 0)
        textbook_sleep_ns(store->call_ns);
    keep(store, items, n);
}

static int flush_conc(void *arg, const void *items, size_t n, struct conc_context *ctx)
{
    struct store *store = arg;
    conc_sleep(store->call_ns, ctx);
    keep(store, items, n);
    return 0;
}

/* All items, each once. */
static bool all_stored(const struct bench_run *run)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < (uint64_t)run->items; i++)
        sum += i * i;
    return run->done == run->items && run->result == sum;
}

static void stored(struct bench_run *run, const struct store *store)
{
    run->done = store->count;
    run->result = store->sum;
}

/* ---- one task adds, flushes cost 100 µs ---- */

/* An item takes 2 µs to make: at 50 items a batch, as long as a flush. */
enum { FLUSH_NS = 100000, MAKE_NS = 2000 };

/* The items are numbered; what the work computes serves only to be work. */
static uint64_t make(uint64_t i)
{
    return bench_work_ns(i, MAKE_NS) != 1 ? i : i + 1;
}

static void each_alone(struct bench_run *run)
{
    struct store store = {.call_ns = FLUSH_NS};
    for (uint64_t i = 0; i < (uint64_t)run->items; i++) {
        uint64_t item = make(i);
        flush_textbook(&store, &item, 1);
    }
    stored(run, &store);
}

static void batches_textbook(struct bench_run *run)
{
    struct store store = {.call_ns = FLUSH_NS};
    int rc = textbook_batcher_init(
        &store.textbook, sizeof(uint64_t), (size_t)run->parameter, flush_textbook, &store);
    if (rc != 0) {
        bench_fail(run, "textbook_batcher_init: %s", strerror(rc));
        return;
    }
    for (uint64_t i = 0; i < (uint64_t)run->items; i++) {
        uint64_t item = make(i);
        textbook_batcher_add(&store.textbook, &item);
    }
    textbook_batcher_flush(&store.textbook);
    textbook_batcher_destroy(&store.textbook);
    stored(run, &store);
}

static int create_conc(struct store *store, size_t max_items)
{
    return conc_batcher_create(
        &store->conc, &(struct conc_batcher_options){.size = sizeof(uint64_t),
                          .max_items = max_items,
                          .max_age_ns = CONC_S(1),
                          .flush = flush_conc,
                          .arg = store});
}

static void batches_conc(struct bench_run *run)
{
    struct store store = {.call_ns = FLUSH_NS};
    int rc = create_conc(&store, (size_t)run->parameter);
    for (uint64_t i = 0; rc == 0 && i < (uint64_t)run->items; i++) {
        uint64_t item = make(i);
        rc = conc_batcher_add(store.conc, &item, NULL);
    }
    if (rc == 0)
        rc = conc_batcher_close(store.conc, NULL);
    if (rc != 0)
        bench_fail(run, "batcher: %s", strerror(rc));
    conc_batcher_destroy(store.conc);
    stored(run, &store);
}

/* ---- several tasks add, flushes are free ---- */

enum { BATCH = 100 };

static void open_textbook(struct bench_run *run)
{
    struct store *store = calloc(1, sizeof *store);
    run->state = store;
    int rc = store ? textbook_batcher_init(
                         &store->textbook, sizeof(uint64_t), BATCH, flush_textbook, store)
                   : ENOMEM;
    if (rc != 0)
        bench_fail(run, "textbook_batcher_init: %s", strerror(rc));
}

static void close_textbook(struct bench_run *run)
{
    struct store *store = run->state;
    if (store)
        textbook_batcher_destroy(&store->textbook);
    free(store);
}

static void open_conc(struct bench_run *run)
{
    struct store *store = calloc(1, sizeof *store);
    run->state = store;
    int rc = store ? create_conc(store, BATCH) : ENOMEM;
    if (rc != 0)
        bench_fail(run, "conc_batcher_create: %s", strerror(rc));
}

static void close_conc(struct bench_run *run)
{
    struct store *store = run->state;
    if (store)
        conc_batcher_destroy(store->conc);
    free(store);
}

static void add_alone(struct team_share *share)
{
    struct store *store = share->state;
    uint64_t batch[BATCH];
    size_t n = 0;
    for (int64_t i = 0; i < share->count; i++) {
        batch[n++] = (uint64_t)(share->first + i);
        if (n == BATCH) {
            flush_textbook(store, batch, n);
            n = 0;
        }
    }
    flush_textbook(store, batch, n);
}

static void add_textbook(struct team_share *share)
{
    struct store *store = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        uint64_t item = (uint64_t)(share->first + i);
        textbook_batcher_add(&store->textbook, &item);
    }
}

static void add_conc(struct team_share *share)
{
    struct store *store = share->state;
    for (int64_t i = 0; i < share->count; i++) {
        uint64_t item = (uint64_t)(share->first + i);
        if (conc_batcher_add(store->conc, &item, NULL) != 0)
            return;
    }
}

static void run_add_alone(struct bench_run *run)
{
    team_alone(run, add_alone);
    stored(run, run->state);
}

static void run_add_textbook(struct bench_run *run)
{
    struct store *store = run->state;
    team_pthread(run, add_textbook);
    textbook_batcher_flush(&store->textbook);
    stored(run, store);
}

static void run_add_conc(struct bench_run *run)
{
    struct store *store = run->state;
    team_conc(run, add_conc);
    int64_t closing_ns = bench_now_ns();
    int rc = conc_batcher_close(store->conc, NULL);
    if (rc != 0)
        bench_fail(run, "conc_batcher_close: %s", strerror(rc));
    run->elapsed_ns += bench_now_ns() - closing_ns; /* the last batch belongs to it */
    stored(run, store);
}

static const struct bench_workload workloads[] = {
    {
        .name = "flush_100us",
        .title = "Items of 2 µs into a store that takes 100 µs per call",
        .note = "serial makes a call for each item. In batches of n a call is shared by n items. "
                "conc makes the next batch while the last is on its way; the textbook stands still "
                "meanwhile.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 200,
        .quick_items = 100,
        .smoke_items = 10,
        .sweep = "items per batch",
        .points = BENCH_POINTS(1, 2, 5, 10, 20, 50, 100),
        .variants = {{.name = "serial", .once = true, .run = each_alone},
            {.name = "pthread", .run = batches_textbook}, {.name = "conc", .run = batches_conc}},
        .check = all_stored,
    },
    {
        .name = "add",
        .title = "Adds, batches of 100, flushes free",
        .note = "What the batcher itself costs. serial fills an array of its own; conc hands each "
                "full batch to its flushing task.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 200000,
        .quick_items = 50000,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial",
                         .once = true,
                         .run = run_add_alone,
                         .setup = open_textbook,
                         .teardown = close_textbook},
            {.name = "pthread",
                .run = run_add_textbook,
                .setup = open_textbook,
                .teardown = close_textbook},
            {.name = "conc", .run = run_add_conc, .setup = open_conc, .teardown = close_conc}},
        .check = all_stored,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 12, .slug = "batcher", .title = "Batcher", .workloads = workloads});
}
