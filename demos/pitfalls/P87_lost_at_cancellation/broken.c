/* SPDX-License-Identifier: MIT */
/*
 * P87: A thread is cancelled between malloc and free
 *
 * @family classic
 * @kind leak
 * @weakness CWE-401
 * @rule A cancelled thread ends inside the call in which it waits, and what comes after that is not
 *     run. What it has taken by then (memory, a lock, a file) has to be given back by a cleanup
 *     handler. Better still, nothing is cancelled: the thread is asked to end, and ends itself.
 * @detect memcheck:leak asan:leak
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"

enum { SIZE = 100 };

static int ends[2]; /* of a pipe, into which nobody writes */

static void *worker(void *arg)
{
    /* place 1: taken */
    char *line = malloc(SIZE);
    /* place 2: ends in here, and does not come to the free */
    ssize_t n = read(ends[0], line, SIZE);
    free(line);
    return n > 0 ? arg : NULL;
}

int main(void)
{
    pthread_t thread;
    void *result;
    if (pipe(ends) != 0)
        return 2;
    pthread_create(&thread, NULL, worker, NULL);
    wait_until_others_sleep();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    return verdict(result == PTHREAD_CANCELED, "the worker was cancelled");
}
