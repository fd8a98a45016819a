/* SPDX-License-Identifier: MIT */

/*
 * Work that computes, by two workers: how much of two cores arrives. The figure is how long 10 µs
 * of serial work take then, 5 µs at best on two cores; serial and concurrent take turns in one run.
 */

#include <stdatomic.h>
#include <stdlib.h>

#include "bench/baselines/pthread_pool.h"
#include "bench/baselines/pthread_queue.h"
#include "bench/baselines/pthread_team.h"
#include "bench/targets/row.h"
#include "fan_out_fan_in.h"
#include "runtime/random.h"
#include "sync/chan.h"
#include "sync/wait_group.h"
#include "worker_pool.h"

enum { WORKERS = 2, CAPACITY = 64, TURNS = 4, WORK_NS = 10000 };

struct item {
    uint64_t seed;
    int64_t rounds;
    uint64_t answer;
};

static void compute(struct item *item)
{
    uint64_t state = item->seed;
    uint64_t answer = 0;
    for (int64_t i = 0; i < item->rounds; i++)
        answer ^= conc_splitmix64(&state);
    item->answer = answer;
}

/* How many rounds take WORK_NS here: the quickest of several tries, for the others were disturbed.
 */
static int64_t rounds_of_work(void)
{
    struct item item = {.rounds = 100000};
    int64_t best_ns = CONC_S(1);
    for (int i = 0; i < 10; i++) {
        int64_t began_ns = conc_now_ns();
        compute(&item);
        int64_t took_ns = conc_now_ns() - began_ns;
        item.seed += item.answer;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    return item.rounds * WORK_NS / best_ns;
}

/* Runs serial and concurrent in turns on n items and compares answers and times. The concurrent one
 * returns how long it took, without what can be done before. */
static void in_turns(
    struct trial *t, int64_t (*concurrent)(struct trial *t, struct item *items, int64_t n))
{
    int64_t n = t->n / TURNS + 1;
    int64_t rounds = rounds_of_work();
    int64_t serial_ns = 0;
    int64_t concurrent_ns = 0;
    struct item *items = calloc((size_t)n, sizeof *items);
    MUST(items != NULL);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t sum = 0;
        for (int64_t i = 0; i < n; i++)
            items[i] = (struct item){.seed = (uint64_t)(turn * n + i), .rounds = rounds};
        int64_t began_ns = conc_now_ns();
        for (int64_t i = 0; i < n; i++)
            compute(&items[i]);
        serial_ns += conc_now_ns() - began_ns;
        for (int64_t i = 0; i < n; i++) {
            sum += items[i].answer;
            items[i].answer = 0;
        }
        concurrent_ns += concurrent(t, items, n);
        for (int64_t i = 0; i < n; i++)
            sum -= items[i].answer;
        MUST(sum == 0);
    }
    free(items);
    t->elapsed_ns = serial_ns + concurrent_ns;
    t->figures[0] = WORK_NS * (double)concurrent_ns / (double)serial_ns;
    t->has_figures = true;
}

/* ---- fan-out: a channel in, two workers, a channel out ---- */

struct feed {
    struct conc_chan *in;
    struct item *items;
    int64_t n;
};

static void feed_items(void *arg)
{
    struct feed *feed = arg;
    for (int64_t i = 0; i < feed->n; i++) {
        struct item *item = &feed->items[i];
        OK(conc_chan_send(feed->in, &item, NULL));
    }
    OK(conc_chan_close(feed->in));
}

static int solve(void *in, void *out, void *arg, struct conc_context *ctx)
{
    (void)arg;
    (void)ctx;
    struct item *item = *(struct item **)in;
    compute(item);
    *(struct item **)out = item;
    return 0;
}

static int64_t fan_out(struct trial *t, struct item *items, int64_t n)
{
    (void)t;
    struct feed feed = {.items = items, .n = n};
    struct conc_wait_group feeder = CONC_WAIT_GROUP_INIT;
    struct conc_chan *out;
    struct conc_fan *fan;
    struct item *item;
    int64_t received = 0;
    OK(conc_chan_create(&feed.in, sizeof item, CAPACITY, NULL));
    OK(conc_chan_create(&out, sizeof item, CAPACITY, NULL));
    int64_t began_ns = conc_now_ns();
    struct conc_fan_work work = {.in = feed.in, .out = out, .workers = WORKERS, .fn = solve};
    OK(conc_fan_map(&fan, &work, NULL));
    OK(conc_wait_group_go(&feeder, feed_items, &feed));
    while (conc_chan_recv(out, &item, NULL) == 0)
        received++;
    int64_t took_ns = conc_now_ns() - began_ns;
    conc_wait_group_wait(&feeder, NULL);
    conc_wait_group_destroy(&feeder);
    OK(conc_fan_error(fan));
    conc_fan_destroy(fan);
    conc_chan_destroy(out);
    conc_chan_destroy(feed.in);
    MUST(received == n);
    return took_ns;
}

void cpu_fan_out(struct trial *t)
{
    in_turns(t, fan_out);
}

struct textbook_fan {
    struct textbook_queue in;
    struct textbook_queue out;
    atomic_int working;
    struct item *items;
    int64_t n;
};

static void *solve_textbook(void *arg)
{
    struct textbook_fan *fan = arg;
    struct item *item;
    while (textbook_queue_pop(&fan->in, &item) == 0) {
        compute(item);
        OK(textbook_queue_push(&fan->out, &item));
    }
    if (atomic_fetch_sub(&fan->working, 1) == 1)
        textbook_queue_close(&fan->out);
    return NULL;
}

static void *feed_textbook(void *arg)
{
    struct textbook_fan *fan = arg;
    for (int64_t i = 0; i < fan->n; i++) {
        struct item *item = &fan->items[i];
        OK(textbook_queue_push(&fan->in, &item));
    }
    textbook_queue_close(&fan->in);
    return NULL;
}

static int64_t fan_out_textbook(struct trial *t, struct item *items, int64_t n)
{
    (void)t;
    struct textbook_fan fan = {.items = items, .n = n, .working = WORKERS};
    struct textbook_team workers;
    struct textbook_team feeder;
    struct item *item;
    int64_t received = 0;
    OK(textbook_queue_init(&fan.in, sizeof item, CAPACITY));
    OK(textbook_queue_init(&fan.out, sizeof item, CAPACITY));
    int64_t began_ns = conc_now_ns();
    OK(textbook_team_start(&workers, WORKERS, solve_textbook, &fan));
    OK(textbook_team_start(&feeder, 1, feed_textbook, &fan));
    while (textbook_queue_pop(&fan.out, &item) == 0)
        received++;
    int64_t took_ns = conc_now_ns() - began_ns;
    textbook_team_join(&feeder);
    textbook_team_join(&workers);
    textbook_queue_destroy(&fan.out);
    textbook_queue_destroy(&fan.in);
    MUST(received == n);
    return took_ns;
}

void cpu_fan_out_textbook(struct trial *t)
{
    in_turns(t, fan_out_textbook);
}

/* ---- the same through a pool ---- */

static int solve_task(void *item, struct conc_context *ctx)
{
    (void)ctx;
    compute(item);
    return 0;
}

static int64_t pool(struct trial *t, struct item *items, int64_t n)
{
    (void)t;
    struct conc_worker_pool *it;
    int64_t began_ns = conc_now_ns();
    OK(conc_worker_pool_create(
        &it, &(struct conc_worker_pool_options){.workers = WORKERS, .capacity = CAPACITY}));
    for (int64_t i = 0; i < n; i++)
        OK(conc_worker_pool_submit(it, solve_task, &items[i], NULL));
    OK(conc_worker_pool_stop(it, CONC_POOL_DRAIN));
    int64_t took_ns = conc_now_ns() - began_ns;
    conc_worker_pool_destroy(it);
    return took_ns;
}

void cpu_pool(struct trial *t)
{
    in_turns(t, pool);
}

static void compute_task(void *item)
{
    compute(item);
}

static int64_t pool_textbook(struct trial *t, struct item *items, int64_t n)
{
    (void)t;
    struct textbook_pool it;
    int64_t began_ns = conc_now_ns();
    OK(textbook_pool_start(&it, WORKERS, CAPACITY));
    for (int64_t i = 0; i < n; i++)
        OK(textbook_pool_submit(&it, compute_task, &items[i]));
    textbook_pool_stop(&it);
    return conc_now_ns() - began_ns;
}

void cpu_pool_textbook(struct trial *t)
{
    in_turns(t, pool_textbook);
}
