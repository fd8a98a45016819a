/* SPDX-License-Identifier: MIT */
/* P89, fixed: released by the store, acquired by the load. Helgrind and DRD do not know of these
 * (P90). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct letter {
    int answer;
};

static _Atomic(struct letter *) box;

static void *writer(void *arg)
{
    struct letter *letter = malloc(sizeof *letter);
    letter->answer = 42;
    atomic_store_explicit(&box, letter, memory_order_release);
    return arg;
}

int main(void)
{
    pthread_t thread;
    struct letter *letter;
    pthread_create(&thread, NULL, writer, NULL);
    while ((letter = atomic_load_explicit(&box, memory_order_acquire)) == NULL)
        sched_yield();
    int answer = letter->answer;
    pthread_join(thread, NULL);
    free(letter);
    return verdict(answer == 42, "the letter says %d", answer);
}
