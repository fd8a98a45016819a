/* SPDX-License-Identifier: MIT */

/*
 * Bounded queues under many schedules: what a channel promises, by a mutex and two conditions.
 */

#include "bounded_queue.h"
#include "sync/context.h"
#include "tests/sim.h"

enum { MOST = 16, HALF = MOST / 2 };

static struct conc_bounded_queue *queue;
static struct conc_context ctx;
static bool pushed[MOST]; /* push returned 0 */
static int popped[MOST];

static void drop(void *item)
{
    popped[*(const int *)item]++;
}

static void create(size_t capacity)
{
    sim_ok(conc_bounded_queue_create(&queue, sizeof(int), capacity, drop));
    conc_context_with_cancel(&ctx, NULL);
}

/* What was pushed has been popped, or is dropped now. How many there were. */
static int settle(void)
{
    int n = 0;
    conc_bounded_queue_destroy(queue);
    for (int i = 0; i < MOST; i++) {
        sim_check(popped[i] == pushed[i]);
        n += pushed[i];
    }
    conc_context_destroy(&ctx);
    return n;
}

struct range {
    int from;
    int to;
    struct conc_context *ctx;
};

static struct range low = {.from = 1, .to = 3};
static struct range high = {.from = HALF, .to = HALF + 2};

static void push(void *arg)
{
    const struct range *range = arg;
    for (int i = range->from; i <= range->to; i++) {
        int rc = conc_bounded_queue_push(queue, &i, range->ctx);
        sim_check(rc == 0 || rc == EPIPE || (range->ctx && rc == ECANCELED));
        pushed[i] = rc == 0;
        if (rc != 0)
            return;
    }
}

static void pop_all(void *arg)
{
    struct conc_context *with = arg;
    int last[2] = {0, 0};
    int number = -1;
    int rc;
    while ((rc = conc_bounded_queue_pop(queue, &number, with)) == 0) {
        sim_check(number > 0 && number < MOST && ++popped[number] == 1);
        sim_check(number > last[number >= HALF]);
        last[number >= HALF] = number;
        number = -1;
    }
    if (rc == EPIPE)
        sim_check(number == 0);
    else
        sim_check(with && rc == ECANCELED && number == -1);
}

static void close_queue(void *arg)
{
    (void)arg;
    sim_ok(conc_bounded_queue_close(queue));
}

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void all_arrive(void)
{
    struct conc_task *poppers[2];
    create((size_t)(1 + sim_draw(2)));
    for (int i = 0; i < 2; i++)
        sim_ok(conc_task_start(&poppers[i], pop_all, NULL));
    sim_go(push, &low);
    sim_go(push, &high);
    sim_join();
    close_queue(NULL);
    for (int i = 0; i < 2; i++)
        conc_task_join(poppers[i]);
    sim_check(settle() == 6);
}

static void close_races(void)
{
    create((size_t)(1 + sim_draw(2)));
    sim_go(push, &low);
    sim_go(pop_all, NULL);
    sim_go(push, &high);
    sim_go(close_queue, NULL);
    sim_go(pop_all, NULL);
    sim_join();
    sim_check(conc_bounded_queue_len(queue) == 0);
    sim_reached(settle() == 6 ? "all pushed" : "cut short");
}

static void cancel_races(void)
{
    create(1);
    low.ctx = high.ctx = &ctx;
    sim_go(push, &low);
    sim_go(pop_all, &ctx);
    sim_go(push, &high);
    sim_go(pop_all, &ctx);
    sim_go(cancel, NULL);
    sim_join();
    sim_reached(settle() == 6 ? "all pushed" : "cut short");
}

/* Of two poppers one gives up when the only item comes: the other gets it. */
static void pop_one(void *arg)
{
    int number;
    sim_ok(conc_bounded_queue_pop(queue, &number, arg));
    popped[number]++;
}

static void pop_or_give_up(void *arg)
{
    int number;
    int rc = conc_bounded_queue_pop(queue, &number, arg);
    sim_check(rc == 0 || rc == ECANCELED || rc == ETIMEDOUT);
    sim_reached(rc == 0 ? "popped" : "given up");
    if (rc == 0)
        popped[number]++;
}

static void signal_not_lost(void)
{
    static struct range one = {.from = 1, .to = 1};
    static struct range two = {.from = 2, .to = 2};
    create(2);
    sim_go(pop_or_give_up, &ctx);
    sim_go(pop_one, NULL);
    sim_go(push, &one);
    sim_go(cancel, NULL);
    sim_ok(conc_sleep(CONC_MS(1), NULL));
    sim_check(popped[1] == 1);
    push(&two); /* for the one without luck */
    sim_join();
    settle();
}

static void push_at_ten(void *arg)
{
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    push(arg);
}

static void deadline_races(void)
{
    static struct conc_context at_ten;
    static struct range one = {.from = 1, .to = 1};
    create(1);
    conc_context_with_deadline(&at_ten, NULL, CONC_MS(10));
    sim_go(pop_or_give_up, &at_ten);
    sim_go(push_at_ten, &one);
    sim_join();
    conc_context_destroy(&at_ten);
    sim_check(settle() == 1);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(all_arrive), SIM(close_races, "all pushed", "cut short"),
        SIM(cancel_races, "all pushed", "cut short"), SIM(signal_not_lost, "popped", "given up"),
        SIM(deadline_races, "popped", "given up"));
}
