/* SPDX-License-Identifier: MIT */
/*
 * P26: The batcher calls back with its lock held, and the callback adds an item
 *
 * @family own
 * @kind deadlock
 * @from Go 1.25.3 in practice, 7.2 "batching": flushLocked calls b.process with b.mu held
 * @weakness CWE-833, CWE-764
 * @rule What somebody else has written is not called with a lock held: it may be slow, and then all
 *     wait; it may wait for one of them; or it may call back into the owner of the lock, as this
 *     one does, which puts back what could not be saved. Take out under the lock, call without it.
 * @detect native:abort conc:relock helgrind:exit-holding-lock memcheck:possibly-lost
 */
#include "demos/pitfalls/pitfall.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

enum { FULL = 3 };

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static int items[FULL];
static int n;
static int saved;

static void save(int *batch, int size);

static void add(int item)
{
    int batch[FULL];
    int size = 0;
    conc_mutex_lock(&mutex, NULL);
    items[n++] = item;
    if (n == FULL) {
        for (; size < n; size++)
            batch[size] = items[size];
        n = 0;
        /* place 1: with the lock held */
        save(batch, size);
    }
    conc_mutex_unlock(&mutex);
}

/* The database refuses the first item, which is to come with the next batch. */
static void save(int *batch, int size)
{
    saved += size - 1;
    /* place 2: locks it again */
    add(batch[0]);
}

static void adder(void *arg)
{
    (void)arg;
    for (int i = 0; i < FULL; i++)
        add(i);
}

int main(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    conc_wait_group_go(&tasks, adder, NULL);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    conc_mutex_destroy(&mutex);
    return verdict(saved + n == FULL, "%d items saved, %d to come with the next", saved, n);
}
