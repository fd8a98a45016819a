/* SPDX-License-Identifier: MIT */
/* P90, silenced: the tools are told of the order, and to look away from the flag. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <valgrind/helgrind.h>

#include "demos/pitfalls/pitfall.h"

static int letter;
static atomic_int written;

static void *writer(void *arg)
{
    letter = 42;
    ANNOTATE_HAPPENS_BEFORE(&written);
    atomic_store_explicit(&written, 1, memory_order_release);
    return arg;
}

int main(void)
{
    pthread_t thread;
    VALGRIND_HG_DISABLE_CHECKING(&written, sizeof written);
    pthread_create(&thread, NULL, writer, NULL);
    while (!atomic_load_explicit(&written, memory_order_acquire))
        sched_yield();
    ANNOTATE_HAPPENS_AFTER(&written);
    int read = letter;
    pthread_join(thread, NULL);
    return verdict(read == 42, "the letter says %d", read);
}
