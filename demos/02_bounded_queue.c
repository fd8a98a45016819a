/* SPDX-License-Identifier: MIT */
/*
 * 02 Bounded queue
 *
 * How do a mutex, two conditions and a ring make a queue on which both sides can wait?
 *
 *   ./conc run 02 --pushers 3 --workers 2 --capacity 4
 *
 * Look for: pushers that wait while the queue is full, poppers that wait while it is empty, and the
 * length, which never passes the capacity. The last lines: a wait that is given up.
 * Try: --capacity 1 (one in, one out), --pushers 1 --workers 8 (poppers starve, and end all the
 * same when the queue closes).
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bounded_queue.h"
#include "demos/demo.h"
#include "sync/context.h"
#include "sync/wait_group.h"

struct shared {
    struct conc_bounded_queue *queue;
    int64_t items;
    int64_t pushers;
    atomic_llong longest; /* the longest queue that a popper has seen */
    atomic_llong sum;
    atomic_uchar *popped; /* how often each item was */
};

struct side {
    struct shared *shared;
    int64_t number;
};

static void pusher(void *arg)
{
    struct side *me = arg;
    struct shared *s = me->shared;
    for (int64_t item = me->number; item < s->items; item += s->pushers) {
        CHECK_OK(conc_bounded_queue_push(s->queue, &item, NULL));
        demo_say("pusher %" PRId64 ": pushed %" PRId64, me->number, item);
    }
}

static void popper(void *arg)
{
    struct side *me = arg;
    struct shared *s = me->shared;
    int64_t item;
    /* Until the queue is closed and empty. Nobody has to know how many items are to come. */
    while (conc_bounded_queue_pop(s->queue, &item, NULL) == 0) {
        long long length = (long long)conc_bounded_queue_len(s->queue);
        long long longest = atomic_load(&s->longest);
        while (length > longest && !atomic_compare_exchange_weak(&s->longest, &longest, length))
            ;
        demo_say("popper %" PRId64 ": popped %" PRId64, me->number, item);
        demo_work((uint64_t)item, 1);
        atomic_fetch_add(&s->popped[item], 1);
        atomic_fetch_add(&s->sum, item);
    }
}

int main(int argc, char **argv)
{
    int64_t pushers = 3, capacity = 4;
    const struct demo_flag flags[] = {
        {"pushers", &pushers, 1, 1000, "tasks that push"},
        {"capacity", &capacity, 1, 1000000, "places in the queue"},
        {0},
    };
    struct demo demo = {
        .number = 2, .title = "Bounded queue", .workers = 2, .items = 60, .flags = flags};
    demo_begin(&demo, argc, argv);

    struct shared s = {.items = demo.items, .pushers = pushers};
    struct side *sides = calloc((size_t)(pushers + demo.workers), sizeof *sides);
    s.popped = calloc((size_t)demo.items + 1, sizeof *s.popped);
    CHECK(sides && s.popped);
    CHECK_OK(conc_bounded_queue_create(&s.queue, sizeof(int64_t), (size_t)capacity, NULL));

    struct conc_wait_group pushing = CONC_WAIT_GROUP_INIT, popping = CONC_WAIT_GROUP_INIT;
    for (int64_t i = 0; i < pushers; i++) {
        sides[i] = (struct side){&s, i};
        CHECK_OK(conc_wait_group_go(&pushing, pusher, &sides[i]));
    }
    for (int64_t i = 0; i < demo.workers; i++) {
        sides[pushers + i] = (struct side){&s, i};
        CHECK_OK(conc_wait_group_go(&popping, popper, &sides[pushers + i]));
    }
    /* Who has waited for all pushers closes. */
    CHECK_OK(conc_wait_group_wait(&pushing, NULL));
    CHECK_OK(conc_bounded_queue_close(s.queue));
    CHECK_OK(conc_wait_group_wait(&popping, NULL));

    bool once = true;
    for (int64_t i = 0; i < demo.items; i++)
        once = once && s.popped[i] == 1;
    CHECK(once && s.longest <= capacity);
    demo_result("%" PRId64 " pushers, %" PRId64 " poppers, capacity %" PRId64 "\n", pushers,
        demo.workers, capacity);
    demo_result("items: %" PRId64 ", sum %lld\n", demo.items, (long long)s.sum);
    demo_result("each item exactly once: %s\n", once ? "yes" : "no");
    demo_result("never longer than the capacity: %s\n", s.longest <= capacity ? "yes" : "no");

    /* A context ends a wait that nobody else would end. */
    struct conc_bounded_queue *lonely;
    struct conc_context ctx;
    int64_t item = 0;
    CHECK_OK(conc_bounded_queue_create(&lonely, sizeof item, 1, NULL));
    conc_context_with_timeout(&ctx, NULL, CONC_MS(5));
    demo_result(
        "pop with nobody pushing: %s\n", strerror(conc_bounded_queue_pop(lonely, &item, &ctx)));
    conc_context_destroy(&ctx);
    conc_bounded_queue_destroy(lonely);

    conc_wait_group_destroy(&pushing);
    conc_wait_group_destroy(&popping);
    conc_bounded_queue_destroy(s.queue);
    free(s.popped);
    free(sides);
    return demo_end(&demo);
}
