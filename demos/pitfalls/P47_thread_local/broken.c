/* SPDX-License-Identifier: MIT */
/*
 * P47: What a thread-local pointer points to outlives the thread
 *
 * @family classic
 * @kind leak
 * @weakness CWE-401, CERT CON30-C
 * @rule A thread-local variable ends with its thread, and what it points to does not: C calls no
 *     destructor. Each thread that comes and goes leaves a buffer behind. pthread_key_create takes
 *     a destructor, which is called with the value of each thread that ends.
 * @detect memcheck:leak asan:leak
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "demos/pitfalls/pitfall.h"

enum { SIZE = 100 };

/* place 1: one for each thread */
static _Thread_local char *buffer;

static char *own_buffer(void)
{
    if (!buffer)
        buffer = malloc(SIZE);
    return buffer;
}

static void *worker(void *arg)
{
    memset(own_buffer(), 'x', SIZE);
    *(int *)arg = own_buffer()[SIZE - 1] == 'x';
    /* place 2: the pointer ends here, the buffer does not */
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int worked = 0;
    pthread_create(&thread, NULL, worker, &worked);
    pthread_join(thread, NULL);
    return verdict(worked, "the worker has used its buffer");
}
