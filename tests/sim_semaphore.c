/* SPDX-License-Identifier: MIT */

/*
 * Semaphores under many schedules: permits are neither made nor lost, the queue is first come first
 * served so that a large request is not starved, and who gives up holds up nobody.
 */

#include "sync/context.h"
#include "sync/semaphore.h"
#include "tests/sim.h"

static struct conc_semaphore semaphore;
static struct conc_context ctx;
static int64_t size;
static int64_t held; /* by the tasks, by their own account */

static void create(int64_t permits)
{
    size = permits;
    sim_ok(conc_semaphore_init(&semaphore, permits));
}

static void settle(void)
{
    sim_check(held == 0);
    sim_check(conc_semaphore_available(&semaphore) == size);
    conc_semaphore_destroy(&semaphore);
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void took(int64_t n)
{
    held += n;
    sim_check(held <= size);
}

static void give_back(int64_t n)
{
    held -= n;
    conc_semaphore_release(&semaphore, n);
}

static const int64_t weights[] = {0, 1, 2, 3};

static void *weight(int n)
{
    return (void *)(uintptr_t)&weights[n];
}

/* ---------------------------------------------------------------- conservation */

static void use_twice(void *arg)
{
    int64_t n = *(const int64_t *)arg;
    for (int i = 0; i < 2; i++) {
        sim_ok(conc_semaphore_acquire(&semaphore, n, NULL));
        took(n);
        conc_sim_point();
        give_back(n);
    }
}

static void conserved(void)
{
    create(3);
    for (int n = 1; n <= 3; n++)
        sim_go(use_twice, weight(n));
    sim_join();
    settle();
}

static void try_twice(void *arg)
{
    int64_t n = *(const int64_t *)arg;
    for (int i = 0; i < 2; i++) {
        int rc = conc_semaphore_try_acquire(&semaphore, n);
        sim_check(rc == 0 || rc == EAGAIN);
        sim_reached(rc == 0 ? "taken" : "refused");
        if (rc == 0) {
            took(n);
            conc_sim_point();
            give_back(n);
        }
    }
}

static void trying(void)
{
    create(2);
    sim_go(use_twice, weight(1));
    sim_go(try_twice, weight(1));
    sim_go(use_twice, weight(2));
    sim_join();
    settle();
}

/* ---------------------------------------------------------------- order */

static int turns;

struct turn {
    int at_ms;
    int64_t n;
};

static void acquire_in_turn(void *arg)
{
    const struct turn *turn = arg;
    sim_ok(conc_sleep(CONC_MS(turn->at_ms), NULL));
    sim_ok(conc_semaphore_acquire(&semaphore, turn->n, NULL));
    sim_check(++turns == turn->at_ms);
    took(turn->n);
    conc_sim_point();
    give_back(turn->n);
}

/* The small one could go at once, but the large one was there before it. */
static void large_one_first(void)
{
    static const struct turn plan[] = {{1, 2}, {2, 1}, {3, 2}};
    create(2);
    sim_ok(conc_semaphore_acquire(&semaphore, 1, NULL));
    took(1);
    for (int i = 0; i < 3; i++)
        sim_go(acquire_in_turn, (void *)(uintptr_t)&plan[i]);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    sim_check(turns == 0);
    sim_rc(conc_semaphore_try_acquire(&semaphore, 1), EAGAIN);
    give_back(1);
    sim_join();
    sim_check(turns == 3);
    settle();
}

/* One release serves all in front that it is enough for. */
static void use_and_keep(void *arg)
{
    int64_t n = *(const int64_t *)arg;
    sim_ok(conc_semaphore_acquire(&semaphore, n, NULL));
    took(n);
}

static void release_serves_several(void)
{
    create(3);
    sim_ok(conc_semaphore_acquire(&semaphore, 3, NULL));
    took(3);
    for (int n = 1; n <= 2; n++)
        sim_go(use_and_keep, weight(n));
    conc_yield();
    give_back(3);
    sim_join(); /* both hold their permits: neither waits for the other's */
    sim_check(held == 3);
    give_back(3);
    settle();
}

/* ---------------------------------------------------------------- giving up */

static void acquire_or_give_up(void *arg)
{
    int64_t n = *(const int64_t *)arg;
    int rc = conc_semaphore_acquire(&semaphore, n, &ctx);
    sim_check(rc == 0 || rc == ECANCELED || rc == ETIMEDOUT);
    sim_reached(rc == 0 ? "held" : "given up");
    if (rc == 0) {
        took(n);
        conc_sim_point();
        give_back(n);
    }
}

/* The one behind needs no permits but those that are free: it goes as soon as the one in front
 * gives up, for nothing else happens. */
static void behind_one_that_gives_up(void)
{
    create(2);
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_semaphore_acquire(&semaphore, 1, NULL));
    took(1);
    sim_go(acquire_or_give_up, weight(2));
    sim_go(use_twice, weight(1));
    sim_go(cancel, NULL);
    sim_join();
    give_back(1);
    settle();
    conc_context_destroy(&ctx);
}

static void cancel_races(void)
{
    create(2);
    conc_context_with_cancel(&ctx, NULL);
    sim_go(acquire_or_give_up, weight(2));
    sim_go(use_twice, weight(1));
    sim_go(acquire_or_give_up, weight(1));
    sim_go(cancel, NULL);
    sim_join();
    settle();
    conc_context_destroy(&ctx);
}

/* The release and the end of the wait come at the same moment. */
static void deadline_races(void)
{
    create(1);
    conc_context_with_deadline(&ctx, NULL, CONC_MS(10));
    sim_ok(conc_semaphore_acquire(&semaphore, 1, NULL));
    took(1);
    sim_go(acquire_or_give_up, weight(1));
    sim_go(use_twice, weight(1));
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    give_back(1);
    sim_join();
    settle();
    conc_context_destroy(&ctx);
}

/* ---------------------------------------------------------------- anything at any time */

static void any_calls(void *arg)
{
    (void)arg;
    int64_t mine = 0;
    for (int i = 0; i < 5; i++) {
        struct conc_context limit;
        int64_t n = sim_draw(3);
        conc_context_with_timeout(&limit, &ctx, CONC_MS(1 + sim_draw(2)));
        int way = sim_draw(4);
        if (way == 0 || mine > 0) {
            int64_t back = mine > 0 ? 1 + sim_draw((int)mine) : 0;
            mine -= back;
            give_back(back);
        } else {
            int rc = way == 1 ? conc_semaphore_try_acquire(&semaphore, n)
                              : conc_semaphore_acquire(&semaphore, n, &limit);
            sim_check(rc == 0 || rc == EAGAIN || rc == ETIMEDOUT || rc == ECANCELED);
            if (rc == 0) {
                took(n);
                mine += n;
            }
        }
        if (sim_draw(12) == 0)
            conc_context_cancel(&ctx);
        conc_context_destroy(&limit);
    }
    give_back(mine);
}

static void anything(void)
{
    create(2);
    conc_context_with_cancel(&ctx, NULL);
    for (int i = 0; i < 3; i++)
        sim_go(any_calls, NULL);
    sim_join();
    settle();
    conc_context_destroy(&ctx);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(conserved), SIM(trying, "taken", "refused"),
        SIM(large_one_first), SIM(release_serves_several),
        SIM(behind_one_that_gives_up, "given up"), SIM(cancel_races, "held", "given up"),
        SIM(deadline_races, "held", "given up"), SIM(anything));
}
