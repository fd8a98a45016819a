/* SPDX-License-Identifier: MIT */
/* P42, fixed: strtok_r, and each caller keeps its place itself. */
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
    char *rest;
    strtok_r(red, " ", &rest);
    gate_open(&has_begun);
    gate_wait(&other_has_begun);
    *(char **)arg = strtok_r(NULL, " ", &rest);
    return NULL;
}

static void *second(void *arg)
{
    char *rest;
    gate_wait(&has_begun);
    strtok_r(green, " ", &rest);
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
