/* SPDX-License-Identifier: MIT */
/* P96, silenced: the tools are told of the order. */
#include <pthread.h>
#include <unistd.h>
#include <valgrind/helgrind.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static int ends[2];

static void *writer(void *arg)
{
    letter = 42;
    ANNOTATE_HAPPENS_BEFORE(&ends);
    return write(ends[1], "x", 1) == 1 ? arg : NULL;
}

int main(void)
{
    pthread_t thread;
    char byte = 0;
    if (pipe(ends) != 0)
        return 2;
    pthread_create(&thread, NULL, writer, NULL);
    ssize_t n = read(ends[0], &byte, 1);
    ANNOTATE_HAPPENS_AFTER(&ends);
    int read_letter = letter;
    pthread_join(thread, NULL);
    return verdict(n == 1 && read_letter == 42, "the letter says %d", read_letter);
}
