/* SPDX-License-Identifier: MIT */
/*
 * P39: A thread is given the address of a variable whose function returns
 *
 * @family classic
 * @kind lifetime
 * @weakness CWE-562, CERT CON34-C
 * @rule pthread_create hands over an address, not what is there. What it points to has to live
 *     until the thread has read it for the last time: on the heap, static, or in a frame that
 *     does not return before the thread is joined. Here the next call lies where the last one did.
 * @detect native:wrong helgrind:race memcheck:invalid-access tsan:race asan:use-after-return
 */
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
    /* place 1: in a frame that is gone */
    atomic_fetch_add(&sum, order->number);
    return NULL;
}

static __attribute__((noinline)) void start(pthread_t *thread, int number)
{
    struct order order = {number, "no onions"};
    /* place 2: the address of a variable that ends with this call */
    pthread_create(thread, NULL, cook, &order);
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        start(&threads[i], i + 1);
    gate_open(&all_started);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(sum == 3, "the cooks have orders %s", sum == 3 ? "1 and 2" : "that nobody gave");
}
