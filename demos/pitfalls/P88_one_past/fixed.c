/* SPDX-License-Identifier: MIT */
/* P88, fixed: counted from 0. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

enum { WORKERS = 4 };

struct report {
    int done[WORKERS];
    int limit;
};

static struct report report = {.limit = 10};

static void *worker(void *arg)
{
    int number = *(int *)arg;
    report.done[number] = 1;
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    int numbers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, worker, &numbers[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    return verdict(report.limit == 10, "the limit is %d", report.limit);
}
