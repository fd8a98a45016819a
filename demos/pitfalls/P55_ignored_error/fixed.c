/* SPDX-License-Identifier: MIT */
/* P55, fixed: the answer is looked at, and what was not locked is not unlocked. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static int held_in_the_middle;

static void inner(void)
{
    if (pthread_mutex_lock(&mutex) == 0)
        pthread_mutex_unlock(&mutex);
}

int main(void)
{
    pthread_mutex_lock(&mutex);
    inner();
    held_in_the_middle = pthread_mutex_trylock(&mutex) == EBUSY;
    pthread_mutex_unlock(&mutex);
    return verdict(held_in_the_middle, "the lock is %s", held_in_the_middle ? "held" : "lost");
}
