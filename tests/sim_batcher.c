/* SPDX-License-Identifier: MIT */

/*
 * Batchers under many schedules: every item that was added is flushed once, in the order of its
 * adder, no batch is larger than it may be, and none is older than its age, whatever comes between
 * an add, the age and a close.
 */

#include "batcher.h"
#include "sync/context.h"
#include "tests/sim.h"

enum { MOST = 16, HALF = MOST / 2 };

static struct conc_batcher *batcher;
static struct conc_context ctx;
static size_t max_items;
static int64_t max_age_ns;
static bool added[MOST]; /* add returned 0 */
static int64_t added_ns[MOST];
static int flushed[MOST];
static bool in_flush;
static int n_batches;
static int fails_at; /* the batch, counted from 1, whose flush fails; 0: none */
static int64_t flush_takes_ns;
static int last[2]; /* of each side the last number flushed */

static int flush(void *arg, const void *items, size_t n, struct conc_context *with)
{
    sim_check(arg == &batcher && !with);
    sim_check(!in_flush && n >= 1 && n <= max_items);
    in_flush = true;
    int64_t now_ns = conc_now_ns();
    for (size_t i = 0; i < n; i++) {
        int number;
        memcpy(&number, (const char *)items + i * sizeof number, sizeof number);
        sim_check(number > 0 && number < MOST);
        sim_check(++flushed[number] == 1);
        sim_check(number > last[number >= HALF]);
        last[number >= HALF] = number;
        if (max_age_ns > 0 && flush_takes_ns == 0)
            sim_check(now_ns - added_ns[number] < max_age_ns + CONC_MS(1));
    }
    if (flush_takes_ns > 0)
        sim_ok(conc_sleep(flush_takes_ns, NULL));
    conc_sim_point();
    in_flush = false;
    return ++n_batches == fails_at ? EIO : 0;
}

static void create(size_t items, int64_t age_ns)
{
    max_items = items;
    max_age_ns = age_ns;
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_batcher_create(&batcher, &(struct conc_batcher_options){.size = sizeof(int),
                                             .max_items = items,
                                             .max_age_ns = age_ns,
                                             .flush = flush,
                                             .arg = &batcher}));
}

static struct conc_batcher_stats check_stats(void)
{
    struct conc_batcher_stats now = conc_batcher_stats(batcher);
    sim_check(now.added == now.flushed + now.pending);
    return now;
}

/* It is closed: everything has been flushed. How many there were. */
static int settle(void)
{
    struct conc_batcher_stats now = check_stats();
    int n = 0;
    for (int i = 0; i < MOST; i++) {
        sim_check(flushed[i] == added[i]);
        n += added[i];
    }
    sim_check(now.added == (uint64_t)n && now.pending == 0);
    sim_check(now.batches == (uint64_t)n_batches);
    sim_check(now.batches == now.by_size + now.by_age + now.by_close);
    conc_batcher_destroy(batcher);
    conc_context_destroy(&ctx);
    return n;
}

/* ---------------------------------------------------------------- the tasks */

struct range {
    int from;
    int to;
    struct conc_context *ctx;
    int64_t pause_ns;
};

static struct range low = {.from = 1, .to = 3};
static struct range high = {.from = HALF, .to = HALF + 2};

static void add(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        added_ns[i] = conc_now_ns();
        int rc = conc_batcher_add(batcher, &i, range->ctx);
        sim_check(rc == 0 || rc == EPIPE || (range->ctx && rc == ECANCELED));
        added[i] = rc == 0;
        if (range->pause_ns > 0)
            sim_ok(conc_sleep(range->pause_ns, NULL));
    }
}

static void close_it(void *arg)
{
    (void)arg;
    int rc = conc_batcher_close(batcher, NULL);
    sim_check(rc == (fails_at && n_batches >= fails_at ? EIO : 0));
    sim_check(check_stats().pending == 0);
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void observe(void *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++) {
        check_stats();
        conc_sim_point();
    }
}

/* ---------------------------------------------------------------- scenarios */

static void add_all(void)
{
    create((size_t)(1 + sim_draw(4)), 0);
    sim_go(add, &low);
    sim_go(observe, NULL);
    sim_go(add, &high);
    sim_join();
    close_it(NULL);
    sim_check(settle() == 6);
}

static void close_races(void)
{
    create((size_t)(1 + sim_draw(3)), sim_draw(2) ? CONC_MS(1) : 0);
    fails_at = sim_draw(3);
    sim_go(add, &low);
    sim_go(close_it, NULL);
    sim_go(add, &high);
    sim_go(close_it, NULL);
    sim_join();
    sim_reached(settle() == 6 ? "all added" : "cut short");
}

static void cancel_races(void)
{
    create(1 + (size_t)sim_draw(2), 0);
    low.ctx = high.ctx = &ctx;
    sim_go(add, &low);
    sim_go(cancel, NULL);
    sim_go(add, &high);
    sim_join();
    close_it(NULL);
    sim_reached(settle() == 6 ? "all added" : "given up");
}

/* Items trickle in, faster than the age: it counts from the first of a batch. */
static void age(void)
{
    create(8, CONC_MS(10));
    low.pause_ns = CONC_MS(4);
    high.pause_ns = CONC_MS(6);
    sim_go(add, &low);
    sim_go(add, &high);
    sim_ok(conc_sleep_until(CONC_MS(30), NULL));
    sim_check(check_stats().pending == 0);
    sim_join();
    close_it(NULL);
    sim_check(conc_batcher_stats(batcher).by_age > 0);
    sim_check(settle() == 6);
}

static void add_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    add(arg);
}

static void close_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    close_it(arg);
}

/* The age of the first item, the item that fills the batch and a close, all at the same moment. */
static void age_races(void)
{
    create(2, CONC_MS(10) - conc_now_ns());
    int first = 1;
    sim_ok(conc_batcher_add(batcher, &first, NULL));
    added[first] = true;
    added_ns[first] = conc_now_ns();
    low.from = 2;
    sim_go(add_at_ten, &low);
    sim_go(close_at_ten, NULL);
    sim_join();
    struct conc_batcher_stats now = check_stats();
    sim_reached(now.by_age ? "by age" : now.by_size ? "by size" : "by close");
    settle();
}

/* The flush is slower than the adders, who then wait for room. */
static void slow_flush(void)
{
    create(2, CONC_MS(1));
    flush_takes_ns = CONC_MS(10);
    sim_go(add, &low);
    sim_go(add, &high);
    sim_ok(conc_sleep(CONC_MS(5 + 5 * sim_draw(4)), NULL));
    close_it(NULL);
    sim_join();
    sim_reached(settle() == 6 ? "all added" : "cut short");
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(add_all), SIM(close_races, "all added", "cut short"),
        SIM(cancel_races, "all added", "given up"), SIM(age),
        SIM(age_races, "by age", "by size", "by close"), SIM(slow_flush, "all added", "cut short"));
}
