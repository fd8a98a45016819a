/* SPDX-License-Identifier: MIT */
/*
 * P80: A thread is joined twice
 *
 * @family classic
 * @kind lifetime
 * @weakness CERT CON39-C
 * @rule After the join the identifier is worth nothing: it may belong to a new thread
 *     already, and that one is then joined, by the wrong owner. One owner, one join.
 * @detect helgrind:api-error
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static int worked;

static void *work(void *arg)
{
    worked++;
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    /* place 1: joined */
    pthread_join(thread, NULL);
    /* place 2: and again: who is that now? */
    pthread_join(thread, NULL);
    return verdict(worked == 1, "worked %d times", worked);
}
