/* SPDX-License-Identifier: MIT */
/* P81, fixed: not detached, and joined after it was told to end. */
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
    gate_open(&done);
    worked = pthread_join(thread, NULL) == 0;
    return verdict(worked, "the thread was joined");
}
