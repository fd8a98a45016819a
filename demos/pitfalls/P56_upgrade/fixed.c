/* SPDX-License-Identifier: MIT */
/* P56, fixed: given back, taken for writing, and looked at again. */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int entries;

static void add_once(void)
{
    pthread_rwlock_rdlock(&lock);
    int there = entries > 0;
    pthread_rwlock_unlock(&lock);
    if (there)
        return;
    pthread_rwlock_wrlock(&lock);
    if (entries == 0)
        entries++;
    pthread_rwlock_unlock(&lock);
}

int main(void)
{
    add_once();
    add_once();
    return verdict(entries == 1, "%d entries", entries);
}
