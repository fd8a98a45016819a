/* SPDX-License-Identifier: MIT */
/* P26, fixed: the batch is taken out under the lock, and saved without it. */
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
    }
    conc_mutex_unlock(&mutex);
    if (size > 0)
        save(batch, size);
}

/* The database refuses the first item, which is to come with the next batch. */
static void save(int *batch, int size)
{
    saved += size - 1;
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
