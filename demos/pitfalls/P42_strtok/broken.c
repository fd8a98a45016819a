/* SPDX-License-Identifier: MIT */
/*
 * P42: strtok in two threads, each with a line of its own
 *
 * @family classic
 * @kind race
 * @weakness CWE-663, CERT CON33-C
 * @rule strtok remembers in a hidden variable of the library where it has stopped, and there is one
 *     for all threads. TSan does not see into the library, and Valgrind is told to keep silent
 * about it. Each call in a thread has to be one that the manual page calls MT-Safe; strtok_r keeps
 * its place in a variable of the caller's.
 * @detect native:wrong
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <string.h>

#include "demos/pitfalls/pitfall.h"

static struct gate has_begun;
static struct gate other_has_begun;
static char red[] = "red apples";
static char green[] = "green pears";

static void *first(void *arg)
{
    strtok(red, " ");
    gate_open(&has_begun);
    gate_wait(&other_has_begun);
    /* place 1: goes on where the library was last */
    *(char **)arg = strtok(NULL, " ");
    return NULL;
}

static void *second(void *arg)
{
    gate_wait(&has_begun);
    /* place 2: and that is in this line */
    strtok(green, " ");
    gate_open(&other_has_begun);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    char *what = NULL;
    pthread_create(&threads[0], NULL, first, &what);
    pthread_create(&threads[1], NULL, second, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(!strcmp(what, "apples"), "red %s", what);
}
