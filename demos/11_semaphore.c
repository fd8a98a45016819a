/* SPDX-License-Identifier: MIT */
/*
 * 11 Weighted semaphore: ten tasks, three permits. Who works, who waits, and is anybody starved?
 *
 *   ./conc run 11 --gantt semaphore.svg
 *
 * Look for: jobs weigh 1, 2 or 3; the permits in use are never more than three; jobs that fail
 * give theirs back, too; a small job that comes late does not overtake a large one that waits.
 * Try: --permits 1: jobs that weigh more are told at once that they never fit (EMSGSIZE);
 *      --permits 30: nobody waits;
 *      --workers 1: one task alone cannot make itself wait.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/demo.h"
#include "sync/context.h"
#include "sync/semaphore.h"
#include "sync/timer.h"
#include "sync/wait_group.h"

struct shop {
    struct conc_semaphore permits;
    int64_t size;
    int64_t items, units;
    atomic_int_fast64_t next, in_use, done, failed, too_large;
};

/* Fails for every fifth job. */
static int do_job(struct shop *shop, int64_t job, int64_t weight)
{
    int64_t in_use = atomic_fetch_add(&shop->in_use, weight) + weight;
    CHECK(in_use <= shop->size);
    demo_work((uint64_t)job, shop->units);
    atomic_fetch_sub(&shop->in_use, weight);
    return job % 5 == 4 ? EIO : 0;
}

static void worker(void *arg)
{
    struct shop *shop = arg;
    int64_t job;
    while ((job = atomic_fetch_add(&shop->next, 1)) < shop->items) {
        int64_t weight = job % 3 + 1;
        /* snippet: use */
        int rc = conc_semaphore_acquire(&shop->permits, weight, NULL);
        if (rc == EMSGSIZE) {
            atomic_fetch_add(&shop->too_large, 1);
            continue;
        }
        CHECK_OK(rc);
        demo_say("job %" PRId64 " works, weight %" PRId64, job, weight);
        rc = do_job(shop, job, weight);
        /* One way out, whether the job failed or not. */
        conc_semaphore_release(&shop->permits, weight);
        /* end snippet */
        atomic_fetch_add(rc == 0 ? &shop->done : &shop->failed, 1);
    }
}

static void large(void *arg)
{
    CHECK_OK(conc_semaphore_acquire((struct conc_semaphore *)arg, 3, NULL));
    conc_semaphore_release((struct conc_semaphore *)arg, 3);
}

/* Three permits, one is free, a request for three waits: a request for one has to wait behind it.
 */
static void first_come_first_served(void)
{
    struct conc_semaphore permits;
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    struct conc_context ctx;
    CHECK_OK(conc_semaphore_init(&permits, 3));
    CHECK_OK(conc_semaphore_acquire(&permits, 2, NULL));
    CHECK_OK(conc_wait_group_go(&tasks, large, &permits));
    /* When the large one stands in the line, trying for the free permit fails. */
    while (conc_semaphore_try_acquire(&permits, 1) == 0) {
        conc_semaphore_release(&permits, 1);
        conc_yield();
    }
    demo_result("a large request waits, %" PRId64 " permit is free: a small one gets EAGAIN\n",
        conc_semaphore_available(&permits));

    /* And one that waits with a deadline leaves without a permit. */
    conc_context_with_timeout(&ctx, NULL, CONC_MS(1));
    CHECK(conc_semaphore_acquire(&permits, 1, &ctx) == ETIMEDOUT);
    conc_context_destroy(&ctx);
    conc_semaphore_release(&permits, 2);
    CHECK_OK(conc_wait_group_wait(&tasks, NULL));
    demo_result("in the end %" PRId64 " of 3 are free\n", conc_semaphore_available(&permits));
    conc_semaphore_destroy(&permits);
    conc_wait_group_destroy(&tasks);
}

int main(int argc, char **argv)
{
    int64_t permits = 3, work = 100;
    const struct demo_flag flags[] = {
        {"permits", &permits, 0, 1000000, "permits of the semaphore"},
        {"work", &work, 0, 100000, "simulated work per job, 10 us each, at most"},
        {0},
    };
    struct demo demo = {
        .number = 11, .title = "Weighted semaphore", .workers = 10, .items = 10, .flags = flags};
    demo_begin(&demo, argc, argv);

    /* With many jobs each has less work: the whole stays below a few hundred milliseconds. */
    struct shop shop = {.size = permits,
        .items = demo.items,
        .units = demo.items > 0 && work * demo.items > 4000 ? 4000 / demo.items : work};
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    CHECK_OK(conc_semaphore_init(&shop.permits, permits));
    for (int64_t i = 0; i < demo.workers; i++)
        CHECK_OK(conc_wait_group_go(&tasks, worker, &shop));
    CHECK_OK(conc_wait_group_wait(&tasks, NULL));
    demo_result("%" PRId64 " jobs: %" PRIdFAST64 " done, %" PRIdFAST64 " failed, %" PRIdFAST64
                " too large\n",
        demo.items, atomic_load(&shop.done), atomic_load(&shop.failed),
        atomic_load(&shop.too_large));
    demo_result("never more than %" PRId64 " permits in use\n", permits);
    demo_result("permits free in the end: %" PRId64 "\n", conc_semaphore_available(&shop.permits));
    CHECK(conc_semaphore_available(&shop.permits) == permits);
    conc_semaphore_destroy(&shop.permits);
    conc_wait_group_destroy(&tasks);

    first_come_first_served();
    return demo_end(&demo);
}
