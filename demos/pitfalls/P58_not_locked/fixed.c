/* SPDX-License-Identifier: MIT */
/* P58, fixed: both under the same condition. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int stored;

static void store(int value)
{
    if (value > 0) {
        pthread_mutex_lock(&mutex);
        stored = value;
        pthread_mutex_unlock(&mutex);
    }
}

int main(void)
{
    store(0);
    return verdict(stored == 0, "nothing was to be stored");
}
