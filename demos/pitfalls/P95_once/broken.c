/* SPDX-License-Identifier: MIT */
/*
 * P95: A correct initialiser under pthread_once, which Helgrind takes for a race
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule pthread_once orders the initialiser before the return of every call. Helgrind does not know
 *     that function, so what the initialiser writes and the others read is a race for it.
 * @detect helgrind:race
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int table;

static void fill(void)
{
    /* place 1: written by the first who comes */
    table = 42;
}

static void *use(void *arg)
{
    pthread_once(&once, fill);
    /* place 2: read by all, afterwards */
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
