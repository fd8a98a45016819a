/* SPDX-License-Identifier: MIT */
/* P39, fixed: the orders are in the frame of main, which joins the threads. */
#include <pthread.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

struct order {
    int number;
    char wishes[500];
};

static struct gate all_started;
static atomic_int sum; /* of the numbers that the cooks have seen */

static void *cook(void *arg)
{
    struct order *order = arg;
    gate_wait(&all_started);
    atomic_fetch_add(&sum, order->number);
    return NULL;
}

static __attribute__((noinline)) void start(pthread_t *thread, struct order *order, int number)
{
    *order = (struct order){number, "no onions"};
    pthread_create(thread, NULL, cook, order);
}

int main(void)
{
    pthread_t threads[2];
    struct order orders[2];
    for (int i = 0; i < 2; i++)
        start(&threads[i], &orders[i], i + 1);
    gate_open(&all_started);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(sum == 3, "the cooks have orders %s", sum == 3 ? "1 and 2" : "that nobody gave");
}
