/* SPDX-License-Identifier: MIT */
/*
 * P58: A mutex is unlocked that nobody has locked
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-832
 * @rule Who unlocks has locked, on every way through the function. Unlocking a free mutex is
 *     undefined: here nothing is to be seen, with another type of mutex or another library a
 *     later lock is let through that should wait.
 * @detect helgrind:unlock-invalid drd:not-a-mutex tsan:bad-unlock
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int stored;

static void store(int value)
{
    /* place 1: locked only where something is to be stored */
    if (value > 0) {
        pthread_mutex_lock(&mutex);
        stored = value;
    }
    /* place 2: unlocked always */
    pthread_mutex_unlock(&mutex);
}

int main(void)
{
    store(0);
    return verdict(stored == 0, "nothing was to be stored");
}
