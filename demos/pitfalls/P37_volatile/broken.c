/* SPDX-License-Identifier: MIT */
/*
 * P37: volatile as a flag between threads
 *
 * @family classic
 * @kind race
 * @weakness CWE-366, CERT CON02-C
 * @rule volatile makes the compiler read and write the flag each time. It does not order the letter
 *     before the flag, neither for the compiler nor for the processor, and it makes nothing atomic.
 *     It goes well on this machine, with this compiler. Threads need an atomic, a lock or a
 *     semaphore; volatile is for device registers and signal handlers.
 * @detect helgrind:race drd:race tsan:race
 */
#include <pthread.h>
#include <sched.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static volatile int written;

static void *writer(void *arg)
{
    /* place 1: nothing keeps these two in order */
    letter = 42;
    written = 1;
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, writer, NULL);
    /* place 2: sees the flag, and then perhaps the letter */
    while (!written)
        sched_yield();
    int read = letter;
    pthread_join(thread, NULL);
    return verdict(read == 42, "the letter says %d", read);
}
