/* SPDX-License-Identifier: MIT */
/* P80, fixed: once. */
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
    pthread_join(thread, NULL);
    return verdict(worked == 1, "worked %d times", worked);
}
