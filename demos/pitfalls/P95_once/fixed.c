/* SPDX-License-Identifier: MIT */
/* P95, silenced: Helgrind is told of the order. */
#include <pthread.h>
#include <valgrind/helgrind.h>

#include "demos/pitfalls/pitfall.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int table;

static void fill(void)
{
    table = 42;
    ANNOTATE_HAPPENS_BEFORE(&table);
}

static void *use(void *arg)
{
    pthread_once(&once, fill);
    ANNOTATE_HAPPENS_AFTER(&table);
    *(int *)arg = table;
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    int read[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, use, &read[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(read[0] == 42 && read[1] == 42, "both have read %d and %d", read[0], read[1]);
}
