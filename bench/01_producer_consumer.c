/* SPDX-License-Identifier: MIT */

/*
 * Producers and consumers: what a message costs from one task to another, for the four shapes of
 * the catalogue and a channel without room, with a little and with much.
 *
 * Producers and consumers begin together and their start is not measured. The last producer closes.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/baselines/pthread_queue.h"
#include "bench/shim/bench.h"
#include "bench/team.h"
#include "sync/chan.h"

struct shape {
    int64_t producers;
    int64_t consumers;
};

static struct shape one_to_one = {1, 1};
static struct shape one_to_many = {1, 4};
static struct shape many_to_one = {4, 1};
static struct shape many_to_many = {4, 4};

/* What the members of a run share: a queue or a channel. */
struct post {
    const struct shape *shape;
    int64_t items;
    struct textbook_queue queue;
    bool queue_made;
    struct conc_chan *chan;
    atomic_int producing;
    atomic_int_fast64_t received;
};

/* ---- setup ---- */

static void setup(struct bench_run *run)
{
    struct post *post = calloc(1, sizeof *post);
    run->state = post;
    if (!post) {
        bench_fail(run, "no memory");
        return;
    }
    post->shape = run->user;
    post->items = run->items;
    atomic_store(&post->producing, (int)post->shape->producers);
    size_t capacity = (size_t)run->parameter;
    int rc = textbook_queue_init(&post->queue, sizeof(uint64_t), capacity);
    post->queue_made = rc == 0;
    if (rc == 0)
        rc = conc_chan_create(&post->chan, sizeof(uint64_t), capacity, NULL);
    if (rc != 0)
        bench_fail(run, "a queue: %s", strerror(rc));
}

static void teardown(struct bench_run *run)
{
    struct post *post = run->state;
    if (!post)
        return;
    conc_chan_destroy(post->chan);
    if (post->queue_made)
        textbook_queue_destroy(&post->queue);
    free(post);
}

/* ---- the members ---- */

/* The first item of a producer; it ends where the next one begins. */
static uint64_t first_of(const struct post *post, int64_t producer)
{
    return (uint64_t)(post->items * producer / post->shape->producers);
}

static void work_textbook(struct team_share *share)
{
    struct post *post = share->state;
    uint64_t item;
    if (share->worker < post->shape->producers) {
        uint64_t end = first_of(post, share->worker + 1);
        for (item = first_of(post, share->worker); item < end; item++)
            textbook_queue_push(&post->queue, &item);
        if (atomic_fetch_sub(&post->producing, 1) == 1)
            textbook_queue_close(&post->queue);
    } else {
        int64_t received = 0;
        for (; textbook_queue_pop(&post->queue, &item) == 0; received++)
            share->result += item;
        atomic_fetch_add(&post->received, received);
    }
}

static void work_conc(struct team_share *share)
{
    struct post *post = share->state;
    uint64_t item;
    if (share->worker < post->shape->producers) {
        uint64_t end = first_of(post, share->worker + 1);
        for (item = first_of(post, share->worker); item < end; item++)
            conc_chan_send(post->chan, &item, NULL);
        if (atomic_fetch_sub(&post->producing, 1) == 1)
            conc_chan_close(post->chan);
    } else {
        int64_t received = 0;
        for (; conc_chan_recv(post->chan, &item, NULL) == 0; received++)
            share->result += item;
        atomic_fetch_add(&post->received, received);
    }
}

/* ---- the runs ---- */

/* Produces and consumes in one loop, through memory the compiler must not leave out. */
static void run_serial(struct bench_run *run)
{
    struct post *post = run->state;
    volatile uint64_t place;
    for (uint64_t item = 0; item < (uint64_t)run->items; item++) {
        place = item;
        run->result += place;
    }
    post->received = run->items;
}

static void run_pthread(struct bench_run *run)
{
    team_pthread(run, work_textbook);
}

static void run_conc(struct bench_run *run)
{
    team_conc(run, work_conc);
}

static bool check(const struct bench_run *run)
{
    const struct post *post = run->state;
    uint64_t items = (uint64_t)run->items;
    return post->received == run->items && run->result == items * (items - 1) / 2;
}

/* ---- the table ---- */

/* Without room, or with little, every item costs a wake-up or two. */
static int64_t fewer_when_small(int64_t capacity, int64_t items)
{
    return capacity >= 100 ? items : capacity >= 10 ? items / 4 : items / 20;
}

#define SHAPE(shape, tasks, heading, text)                                                         \
    {                                                                                              \
        .name = #shape, .title = heading, .note = text, .kind = BENCH_MESSAGE, .unit = "message",  \
        .items = 200000, .quick_items = 40000, .items_at = fewer_when_small, .sweep = "capacity",  \
        .points = BENCH_POINTS(0, 1, 10, 100, 1000), .workers = tasks, .user = &shape,             \
        .variants = {{.name = "serial", .run = run_serial},                                        \
            {.name = "pthread", .run = run_pthread}, {.name = "conc", .run = run_conc}},           \
        .setup = setup, .teardown = teardown, .check = check,                                      \
    }

static const struct bench_workload workloads[] = {
    SHAPE(one_to_one, 2, "One producer, one consumer",
        "Capacity 0 is a rendezvous: both have to be there for every message. The textbook's queue "
        "has been given one for the comparison."),
    SHAPE(one_to_many, 5, "One producer, four consumers",
        "Four share what one produces. Consumers that find nothing fall asleep, and every message "
        "wakes one of them."),
    SHAPE(many_to_one, 5, "Four producers, one consumer",
        "Four producers fill the channel and have to wait for the one who empties it."),
    SHAPE(many_to_many, 8, "Four producers, four consumers",
        "Eight tasks and one channel: more tasks than cores on a small machine, so some are always "
        "waiting for a core, and the others for them."),
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){.number = 1,
            .slug = "producer_consumer",
            .title = "Producers and consumers",
            .workloads = workloads});
}
