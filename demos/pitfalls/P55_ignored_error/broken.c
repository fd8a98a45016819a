/* SPDX-License-Identifier: MIT */
/*
 * P55: A mutex that checks for errors, and nobody looks at what it says
 *
 * @family classic
 * @kind misuse
 * @weakness CWE-252, CERT POS54-C
 * @rule An error-checking mutex refuses the second lock of its owner by EDEADLK, and the
 *     unlock of another thread by EPERM. Whose return value is thrown away has a mutex that
 *     does not lock: the inner unlock frees the outer lock.
 * @detect native:wrong helgrind:api-error drd:relock
 * @fixed helgrind:api-error drd:relock
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static int held_in_the_middle;

static void inner(void)
{
    /* place 1: refused by EDEADLK, and nobody looks */
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

int main(void)
{
    pthread_mutex_lock(&mutex);
    inner();
    /* place 2: the lock is gone */
    held_in_the_middle = pthread_mutex_trylock(&mutex) == EBUSY;
    pthread_mutex_unlock(&mutex);
    return verdict(held_in_the_middle, "the lock is %s", held_in_the_middle ? "held" : "lost");
}
