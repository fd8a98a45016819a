/* SPDX-License-Identifier: MIT */
/* P87, fixed: a cleanup handler frees, whichever way the thread ends. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"

enum { SIZE = 100 };

static int ends[2]; /* of a pipe, into which nobody writes */

static void *worker(void *arg)
{
    char *line = malloc(SIZE);
    ssize_t n = 0;
    pthread_cleanup_push(free, line);
    n = read(ends[0], line, SIZE);
    pthread_cleanup_pop(1);
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
