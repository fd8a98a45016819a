/* SPDX-License-Identifier: MIT */

/*
 * The queue of a mutex, two conditions and a ring: the textbook's on POSIX threads, ours on conc's
 * mutex and conditions, and a channel, which does the same with one internal lock.
 *
 * Pushers and poppers begin together and their start is not measured. The last pusher closes.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/baselines/pthread_queue.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "bounded_queue.h"
#include "sync/chan.h"

struct sides {
    int64_t pushers;
    int64_t poppers;
};

static struct sides one_to_one = {1, 1};
static struct sides four_to_four = {4, 4};

/* A run uses one of the three. */
struct queues {
    const struct sides *sides;
    struct bench_run *run;
    struct textbook_queue textbook;
    bool textbook_made;
    struct conc_bounded_queue *bounded;
    struct conc_chan *chan;
    uint64_t *ring; /* the serial one: no lock */
    atomic_int pushing;
    atomic_int_fast64_t popped;
};

/* ---- setup ---- */

static void setup(struct bench_run *run)
{
    struct queues *q = calloc(1, sizeof *q);
    run->state = q;
    if (!q) {
        bench_fail(run, "no memory");
        return;
    }
    size_t capacity = (size_t)run->parameter;
    q->sides = run->user;
    q->run = run;
    atomic_store(&q->pushing, (int)q->sides->pushers);
    q->ring = calloc(capacity, sizeof *q->ring);
    int rc = q->ring ? textbook_queue_init(&q->textbook, sizeof(uint64_t), capacity) : ENOMEM;
    q->textbook_made = rc == 0;
    if (rc == 0)
        rc = conc_bounded_queue_create(&q->bounded, sizeof(uint64_t), capacity, NULL);
    if (rc == 0)
        rc = conc_chan_create(&q->chan, sizeof(uint64_t), capacity, NULL);
    if (rc != 0)
        bench_fail(run, "a queue: %s", strerror(rc));
}

static void teardown(struct bench_run *run)
{
    struct queues *q = run->state;
    if (!q)
        return;
    conc_chan_destroy(q->chan);
    conc_bounded_queue_destroy(q->bounded);
    if (q->textbook_made)
        textbook_queue_destroy(&q->textbook);
    free(q->ring);
    free(q);
}

/* ---- the two sides ---- */

static bool is_pusher(const struct team_share *share)
{
    const struct queues *q = share->state;
    return share->worker < q->sides->pushers;
}

/* A pusher's items. */
static uint64_t first_of(const struct team_share *share, int64_t pusher)
{
    const struct queues *q = share->state;
    return (uint64_t)(q->run->items * pusher / q->sides->pushers);
}

/* Whether the caller is the last pusher to end, who closes. */
static bool last_pusher(struct queues *q)
{
    return atomic_fetch_sub(&q->pushing, 1) == 1;
}

/* What a team member does, written once for the three queues. */
#define SIDES(name, push, pop, close)                                                              \
    static void name(struct team_share *share)                                                     \
    {                                                                                              \
        struct queues *q = share->state;                                                           \
        uint64_t item;                                                                             \
        if (is_pusher(share)) {                                                                    \
            uint64_t end = first_of(share, share->worker + 1);                                     \
            for (item = first_of(share, share->worker); item < end; item++)                        \
                push;                                                                              \
            if (last_pusher(q))                                                                    \
                close;                                                                             \
        } else {                                                                                   \
            int64_t popped = 0;                                                                    \
            for (; pop == 0; popped++)                                                             \
                share->result += item;                                                             \
            atomic_fetch_add(&q->popped, popped);                                                  \
        }                                                                                          \
    }
SIDES(work_textbook, textbook_queue_push(&q->textbook, &item),
    textbook_queue_pop(&q->textbook, &item), textbook_queue_close(&q->textbook))
SIDES(work_bounded, conc_bounded_queue_push(q->bounded, &item, NULL),
    conc_bounded_queue_pop(q->bounded, &item, NULL), conc_bounded_queue_close(q->bounded))
SIDES(work_chan, conc_chan_send(q->chan, &item, NULL), conc_chan_recv(q->chan, &item, NULL),
    conc_chan_close(q->chan))

/* ---- the runs ---- */

/* One task that fills the ring and empties it, in turn: what remains when nobody has to agree. */
static void run_serial(struct bench_run *run)
{
    struct queues *q = run->state;
    volatile uint64_t *ring = q->ring;
    uint64_t items = (uint64_t)run->items;
    uint64_t capacity = (uint64_t)run->parameter;
    for (uint64_t base = 0; base < items; base += capacity) {
        uint64_t n = items - base < capacity ? items - base : capacity;
        for (uint64_t i = 0; i < n; i++)
            ring[i] = base + i;
        for (uint64_t i = 0; i < n; i++)
            run->result += ring[i];
    }
    q->popped = run->items;
}

static void run_pthread(struct bench_run *run)
{
    team_pthread(run, work_textbook);
}

static void run_conc(struct bench_run *run)
{
    team_conc(run, work_bounded);
}

static void run_chan(struct bench_run *run)
{
    team_conc(run, work_chan);
}

static bool check(const struct bench_run *run)
{
    const struct queues *q = run->state;
    uint64_t items = (uint64_t)run->items;
    return q->popped == run->items && run->result == items * (items - 1) / 2;
}

/* ---- the table ---- */

/* A queue of one place costs a wake-up for each item, or two. */
static int64_t fewer_when_small(int64_t capacity, int64_t items)
{
    return capacity >= 100 ? items : capacity >= 10 ? items / 4 : items / 20;
}

static const struct bench_workload workloads[] = {
    {
        .name = "one_to_one",
        .title = "One pushes, one pops",
        .note = "The larger the queue, the seldomer one side has to wait for the other, and the "
                "fewer wake-ups there are for an item.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 200000,
        .quick_items = 50000,
        .items_at = fewer_when_small,
        .sweep = "capacity",
        .points = BENCH_POINTS(1, 10, 100, 1000),
        .workers = 2,
        .user = &one_to_one,
        .variants = {{.name = "serial", .run = run_serial}, {.name = "pthread", .run = run_pthread},
            {.name = "conc", .run = run_conc}, {.name = "conc_chan", .run = run_chan}},
        .setup = setup,
        .teardown = teardown,
        .check = check,
    },
    {
        .name = "four_to_four",
        .title = "Four push, four pop",
        .note = "The same with eight tasks. More tasks than cores: who runs meets a queue that is "
                "full or empty more often, and more of them wait for the same lock.",
        .kind = BENCH_MESSAGE,
        .unit = "item",
        .items = 200000,
        .quick_items = 50000,
        .items_at = fewer_when_small,
        .sweep = "capacity",
        .points = BENCH_POINTS(1, 10, 100, 1000),
        .workers = 8,
        .user = &four_to_four,
        .variants = {{.name = "serial", .run = run_serial}, {.name = "pthread", .run = run_pthread},
            {.name = "conc", .run = run_conc}, {.name = "conc_chan", .run = run_chan}},
        .setup = setup,
        .teardown = teardown,
        .check = check,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){.number = 2,
            .slug = "bounded_queue",
            .title = "Bounded queue",
            .workloads = workloads});
}
