/* SPDX-License-Identifier: MIT */
/* P57, fixed: one way out. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int stored;

static int store(int value)
{
    if (value < 0)
        return -1;
    pthread_mutex_lock(&mutex);
    stored = value;
    pthread_mutex_unlock(&mutex);
    return 0;
}

static void *client(void *arg)
{
    *(int *)arg = store(-1);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int rc = 0;
    pthread_create(&thread, NULL, client, &rc);
    pthread_join(thread, NULL);
    return verdict(rc == -1 && stored == 0, "a negative value was refused");
}
