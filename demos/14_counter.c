/* SPDX-License-Identifier: MIT */
/*
 * 14 Counter: four ways to count with many tasks, and what a lock costs that is held for too long.
 *
 *   ./conc run 14 --items 10000000
 *
 * Look for: every way comes to the same total; what each took is on stderr. With the slow work
 * inside the lock the tasks work one at a time, and more workers do not help. Try: --workers 1:
 * nobody competes; the lock itself is cheap, waiting for it is not;
 *      --work 0: nothing but lock and unlock; --work 1000: a long lock, a long line.
 */
#include <errno.h>
#include <stdlib.h>

#include "counter.h"
#include "demos/demo.h"
#include "runtime/clock.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

/* What all tasks share, and each task's part of the items. */
struct job {
    struct conc_counter *counter;
    int64_t items;
    struct shared *shared;
};

static void count(void *arg)
{
    struct job *job = arg;
    for (int64_t i = 0; i < job->items; i++)
        conc_counter_inc(job->counter);
}

static void count_locally(void *arg)
{
    struct job *job = arg;
    /* snippet: local */
    struct conc_counter_local local;
    CHECK_OK(conc_counter_attach(job->counter, &local));
    for (int64_t i = 0; i < job->items; i++)
        conc_counter_local_add(&local, 1);
    conc_counter_detach(&local);
    /* end snippet */
}

/* Takes tickets while there are fewer than ten: look and take must be one step, or there may be
 * eleven. */
static void take_tickets(void *arg)
{
    struct job *job = arg;
    for (int64_t i = 0; i < job->items; i++) {
        /* snippet: limit */
        int64_t taken = conc_counter_get(job->counter);
        while (
            taken < 10 && conc_counter_compare_and_swap(job->counter, taken, taken + 1) == EAGAIN)
            taken = conc_counter_get(job->counter);
        /* end snippet */
    }
}

/* The lesson of the lock: the same work, done with the lock held and without. */
struct shared {
    struct conc_mutex mutex;
    uint64_t sum;      /* under mutex */
    int working, most; /* under mutex: how many were between the marks at once */
    int64_t units;
};

/* snippet: contention */
static void work_inside(void *arg)
{
    struct job *job = arg;
    struct shared *shared = job->shared;
    for (int64_t i = 0; i < job->items; i++) {
        conc_mutex_lock(&shared->mutex, NULL);
        shared->most = ++shared->working > shared->most ? shared->working : shared->most;
        shared->sum += demo_work(7, shared->units);
        shared->working--;
        conc_mutex_unlock(&shared->mutex);
    }
}

static void work_outside(void *arg)
{
    struct job *job = arg;
    struct shared *shared = job->shared;
    for (int64_t i = 0; i < job->items; i++) {
        uint64_t result = demo_work(7, shared->units);
        conc_mutex_lock(&shared->mutex, NULL);
        shared->sum += result;
        conc_mutex_unlock(&shared->mutex);
    }
}
/* end snippet */

/* Divides the items among the workers, runs fn in each, and says what it took. */
static void run(const struct demo *demo, const char *name, void (*fn)(void *), int64_t items,
    struct conc_counter *counter, struct shared *shared)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    struct job *jobs = calloc((size_t)demo->workers, sizeof(*jobs));
    CHECK(jobs);
    int64_t begin_ns = conc_now_ns();
    for (int64_t i = 0; i < demo->workers; i++) {
        int64_t part = items / demo->workers + (i < items % demo->workers);
        jobs[i] = (struct job){counter, part, shared};
        CHECK_OK(conc_wait_group_go(&tasks, fn, &jobs[i]));
    }
    CHECK_OK(conc_wait_group_wait(&tasks, NULL));
    demo_say("%-20s %8.2f ms", name, (double)(conc_now_ns() - begin_ns) / 1e6);
    conc_wait_group_destroy(&tasks);
    free(jobs);
}

int main(int argc, char **argv)
{
    int64_t work = 20;
    const struct demo_flag flags[] = {
        {"work", &work, 0, 100000, "simulated work per item, 10 us each, at most"},
        {0},
    };
    struct demo demo = {
        .number = 14, .title = "Counter", .workers = 4, .items = 100000, .flags = flags};
    demo_begin(&demo, argc, argv);

    const struct {
        const char *name;
        enum conc_counter_kind kind;
        void (*fn)(void *);
    } ways[] = {{"mutex", CONC_COUNTER_MUTEX, count}, {"atomic", CONC_COUNTER_ATOMIC, count},
        {"striped", CONC_COUNTER_STRIPED, count},
        {"striped, local", CONC_COUNTER_STRIPED, count_locally}};
    struct conc_counter *counter;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        CHECK_OK(conc_counter_create(&counter, ways[i].kind));
        run(&demo, ways[i].name, ways[i].fn, demo.items, counter, NULL);
        demo_result("%-15s %" PRId64 "\n", ways[i].name, conc_counter_get(counter));
        CHECK(conc_counter_get(counter) == demo.items);
        conc_counter_destroy(counter);
    }
    CHECK_OK(conc_counter_create(&counter, CONC_COUNTER_ATOMIC));
    run(&demo, "tickets", take_tickets, demo.items, counter, NULL);
    demo_result("tickets taken   %" PRId64 "\n", conc_counter_get(counter));
    CHECK(conc_counter_get(counter) == (demo.items < 10 ? demo.items : 10));
    conc_counter_destroy(counter);

    /* Fewer items for the slow work: the whole takes some tens of milliseconds. */
    int64_t slow = demo.items < 200 ? demo.items : 200;
    struct shared inside = {.mutex = CONC_MUTEX_INIT, .units = work};
    struct shared outside = {.mutex = CONC_MUTEX_INIT, .units = work};
    run(&demo, "slow work inside", work_inside, slow, NULL, &inside);
    run(&demo, "slow work outside", work_outside, slow, NULL, &outside);
    CHECK(inside.sum == outside.sum);
    demo_result("slow work inside the lock: %d at a time\n", inside.most);
    demo_result("slow work outside: the same sum\n");
    conc_mutex_destroy(&inside.mutex);
    conc_mutex_destroy(&outside.mutex);
    return demo_end(&demo);
}
