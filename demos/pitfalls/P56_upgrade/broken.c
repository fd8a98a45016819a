/* SPDX-License-Identifier: MIT */
/*
 * P56: A reader that wants to become a writer
 *
 * @family classic
 * @kind deadlock
 * @weakness CWE-764
 * @rule A read lock cannot be turned into a write lock: the writer waits until all readers
 *     have left, and the caller is one of them. Give the read lock back, take the write
 *     lock, and look again: in between the world may have changed.
 * @detect native:hang helgrind:exit-holding-lock?
 */
#include <pthread.h>

#include "demos/pitfalls/pitfall.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static int entries;

static void add_once(void)
{
    /* place 1: reads under the read lock */
    pthread_rwlock_rdlock(&lock);
    if (entries == 0) {
        /* place 2: waits for all readers to leave, itself among them */
        pthread_rwlock_wrlock(&lock);
        entries++;
        pthread_rwlock_unlock(&lock);
    }
    pthread_rwlock_unlock(&lock);
}

int main(void)
{
    add_once();
    add_once();
    return verdict(entries == 1, "%d entries", entries);
}
