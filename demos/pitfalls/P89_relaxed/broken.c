/* SPDX-License-Identifier: MIT */
/*
 * P89: A pointer published by a relaxed store
 *
 * @family classic
 * @kind race
 * @weakness CWE-362, CERT CON43-C
 * @rule An atomic pointer is never half written, and says nothing of what it points to. Relaxed, it
 *     may be seen before the letter behind it. The store that publishes is a release, and the load
 *     that finds it an acquire.
 * @detect helgrind:race drd:race tsan:race
 * @fixed helgrind:race drd:race
 */
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
    /* place 1: publishes the pointer, not the letter */
    atomic_store_explicit(&box, letter, memory_order_relaxed);
    return arg;
}

int main(void)
{
    pthread_t thread;
    struct letter *letter;
    pthread_create(&thread, NULL, writer, NULL);
    /* place 2: finds the pointer, and the letter perhaps */
    while ((letter = atomic_load_explicit(&box, memory_order_relaxed)) == NULL)
        sched_yield();
    int answer = letter->answer;
    pthread_join(thread, NULL);
    free(letter);
    return verdict(answer == 42, "the letter says %d", answer);
}
