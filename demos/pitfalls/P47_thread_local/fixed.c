/* SPDX-License-Identifier: MIT */
/* P47, fixed: a key with a destructor. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "demos/pitfalls/pitfall.h"

enum { SIZE = 100 };

static pthread_key_t key;

static char *own_buffer(void)
{
    if (!pthread_getspecific(key))
        pthread_setspecific(key, malloc(SIZE));
    return pthread_getspecific(key);
}

static void *worker(void *arg)
{
    memset(own_buffer(), 'x', SIZE);
    *(int *)arg = own_buffer()[SIZE - 1] == 'x';
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int worked = 0;
    pthread_key_create(&key, free);
    pthread_create(&thread, NULL, worker, &worked);
    pthread_join(thread, NULL);
    pthread_key_delete(key);
    return verdict(worked, "the worker has used its buffer");
}
