/* SPDX-License-Identifier: MIT */
/*
 * P96: A correct hand-over through a pipe, which two tools take for a race
 *
 * @family false-alarm
 * @kind false-alarm
 * @weakness none: the program is correct
 * @rule Who reads a byte from a pipe comes after who wrote it: the kernel orders them. TSan follows
 *     descriptors; Helgrind and DRD do not, so whatever is handed over beside the byte is a race
 *     for them. An eventfd and a socket are the same.
 * @detect helgrind:race drd:race
 */
#include <pthread.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static int ends[2];

static void *writer(void *arg)
{
    letter = 42;
    /* place 1: says that it is written */
    return write(ends[1], "x", 1) == 1 ? arg : NULL;
}

int main(void)
{
    pthread_t thread;
    char byte = 0;
    if (pipe(ends) != 0)
        return 2;
    pthread_create(&thread, NULL, writer, NULL);
    /* place 2: waits until it is said */
    ssize_t n = read(ends[0], &byte, 1);
    int read_letter = letter;
    pthread_join(thread, NULL);
    return verdict(n == 1 && read_letter == 42, "the letter says %d", read_letter);
}
