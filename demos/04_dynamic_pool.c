/* SPDX-License-Identifier: MIT */
/*
 * 04 Dynamic pool
 *
 * How does a pool get more workers when tasks pile up, and give them back when it is quiet?
 *
 *   ./conc run 04 --workers 8 --items 60
 *
 * --workers is the maximum here. Look for: the growth on stderr, one worker at a time while a burst
 * waits behind a closed gate; then the way back to the minimum, one idle time later.
 * Try: --many (the other growth rule: fewer, larger steps), --min 8 (nothing to grow), --items 4 (a
 * burst too small to be worth more workers).
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "dynamic_pool.h"
#include "runtime/clock.h"
#include "sync/chan.h"

struct shared {
    struct conc_chan *gate; /* closed: open for all */
    atomic_char *runs;      /* how often each task ran */
};

struct job {
    struct shared *shared;
    int64_t number;
};

static int behind_gate(void *arg, struct conc_context *ctx)
{
    struct job *job = arg;
    conc_chan_recv(job->shared->gate, NULL, ctx);
    demo_work((uint64_t)job->number, 1);
    atomic_fetch_add(&job->shared->runs[job->number], 1);
    return 0;
}

/* The number of workers over time, as a picture. */
static void draw(struct conc_dynamic_pool *pool)
{
    static const char bar[] = "########################################################";
    struct conc_dynamic_pool_change changes[CONC_DYNAMIC_CHANGES];
    size_t n = conc_dynamic_pool_changes(pool, changes, CONC_DYNAMIC_CHANGES);
    for (size_t i = 0; i < n; i++) {
        int length = changes[i].workers < 56 ? (int)changes[i].workers : 56;
        demo_say("after %7.2f ms, %3" PRIu64 " waiting: %3zu workers %.*s",
            (double)(changes[i].at_ns - changes[0].at_ns) / 1e6, changes[i].waiting,
            changes[i].workers, length, bar);
    }
}

int main(int argc, char **argv)
{
    int64_t min = 2, many = 0;
    const struct demo_flag flags[] = {
        {"min", &min, 1, 10000, "workers that always stay (at most --workers)"},
        {"many", &many, 0, 1, "grow by several when twice as many wait"},
        {0},
    };
    struct demo demo = {
        .number = 4, .title = "Dynamic pool", .workers = 8, .items = 60, .flags = flags};
    demo_begin(&demo, argc, argv);
    if (min > demo.workers)
        min = demo.workers;

    struct shared shared;
    struct job *jobs = calloc((size_t)demo.items + 1, sizeof *jobs);
    shared.runs = calloc((size_t)demo.items + 1, sizeof *shared.runs);
    CHECK(jobs && shared.runs);
    CHECK_OK(conc_chan_create(&shared.gate, 0, 0, NULL));

    /* Submitted behind the closed gate, this many tasks make either rule grow to the maximum: more
     * than three times the workers there are, of whom one each can have begun. */
    int64_t burst = 3 * demo.workers;
    struct conc_dynamic_pool *pool;
    CHECK_OK(conc_dynamic_pool_create(&pool, &(struct conc_dynamic_pool_options){.min = (size_t)min,
                                                 .max = (size_t)demo.workers,
                                                 .growth = many ? CONC_GROW_MANY : CONC_GROW_ONE,
                                                 .capacity = (size_t)burst,
                                                 .idle_ns = CONC_MS(20)}));
    for (int64_t i = 0; i < demo.items; i++) {
        jobs[i] = (struct job){&shared, i};
        CHECK_OK(conc_dynamic_pool_submit(pool, behind_gate, &jobs[i], NULL));
        if (i + 1 == (burst < demo.items ? burst : demo.items))
            CHECK_OK(conc_chan_close(shared.gate));
    }
    CHECK_OK(conc_dynamic_pool_wait(pool, NULL));
    struct conc_dynamic_pool_stats busy = conc_dynamic_pool_stats(pool);
    CHECK_OK(conc_dynamic_pool_wait_workers(pool, 0, (size_t)min, NULL));
    struct conc_dynamic_pool_stats quiet = conc_dynamic_pool_stats(pool);
    draw(pool);
    CHECK_OK(conc_dynamic_pool_stop(pool, CONC_DYNAMIC_DRAIN));

    bool once = true;
    for (int64_t i = 0; i < demo.items; i++)
        once = once && shared.runs[i] == 1;
    CHECK(once && quiet.workers == (size_t)min && busy.peak <= (size_t)demo.workers);
    demo_result("workers from %" PRId64 " to %" PRId64 ", tasks %" PRId64 "\n", min, demo.workers,
        demo.items);
    demo_result(
        "completed %" PRIu64 ", each exactly once: %s\n", quiet.completed, once ? "yes" : "no");
    if (demo.items >= burst) {
        CHECK(busy.peak == (size_t)demo.workers);
        demo_result("most workers at a time: %zu\n", busy.peak);
    }
    demo_result("workers after the idle time: %zu\n", quiet.workers);

    conc_dynamic_pool_destroy(pool);
    conc_chan_destroy(shared.gate);
    free(shared.runs);
    free(jobs);
    return demo_end(&demo);
}
