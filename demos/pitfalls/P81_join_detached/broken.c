/* SPDX-License-Identifier: MIT */
/*
 * P81: A detached thread is joined
 *
 * @family classic
 * @kind lifetime
 * @weakness CERT CON39-C
 * @rule Who detaches a thread gives up the right to wait for it. Its identifier is free for
 *     reuse as soon as it ends. In conc nothing is detached: every task has somebody who
 *     waits for it.
 * @detect helgrind:api-error memcheck:possibly-lost?
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static struct gate done;
static int worked;

static void *work(void *arg)
{
    gate_wait(&done);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    /* place 1: nobody waits for it */
    pthread_detach(thread);
    /* place 2: and somebody does; EINVAL, if nothing worse */
    worked = pthread_join(thread, NULL) != 0;
    gate_open(&done);
    return verdict(worked, "the join was refused");
}
