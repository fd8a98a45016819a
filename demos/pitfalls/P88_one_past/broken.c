/* SPDX-License-Identifier: MIT */
/*
 * P88: Workers counted from 1, in an array that counts from 0
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-787, CWE-193, CERT ARR30-C
 * @rule A place for each thread in one array needs no lock, as long as each has a place. The last
 *     worker here writes behind the array, into what lies there. No other thread touches that at
 *     the same time, so it is no race, and it is memory of the program, so it is no wrong address.
 * @detect native:wrong asan:undefined
 */
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
    /* place 2: there is no place 4 */
    report.done[number] = 1;
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    int numbers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        /* place 1: 1 to 4 */
        numbers[i] = i + 1;
        pthread_create(&threads[i], NULL, worker, &numbers[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    return verdict(report.limit == 10, "the limit is %d", report.limit);
}
