/* SPDX-License-Identifier: MIT */
/* P25, fixed: who has made the batcher closes it, when all have added. */
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

enum { TASKS = 3, EACH = 4, FULL = 5 };

struct batcher {
    struct conc_mutex mutex;
    int items[FULL];
    int n;
};

static int saved;

static void flush(struct batcher *b)
{
    saved += b->n;
    b->n = 0;
}

static void add(struct batcher *b, int item)
{
    conc_mutex_lock(&b->mutex, NULL);
    b->items[b->n++] = item;
    if (b->n == FULL)
        flush(b);
    conc_mutex_unlock(&b->mutex);
}

static void close_batcher(struct batcher *b)
{
    flush(b);
    conc_mutex_destroy(&b->mutex);
    free(b);
}

static void adder(void *batcher)
{
    for (int i = 0; i < EACH; i++)
        add(batcher, i);
}

static void add_all(void)
{
    struct conc_wait_group tasks = CONC_WAIT_GROUP_INIT;
    struct batcher *b = calloc(1, sizeof *b);
    conc_mutex_init(&b->mutex);
    for (int i = 0; i < TASKS; i++)
        conc_wait_group_go(&tasks, adder, b);
    conc_wait_group_wait(&tasks, NULL);
    conc_wait_group_destroy(&tasks);
    close_batcher(b);
}

int main(void)
{
    add_all();
    return verdict(saved == TASKS * EACH, "%d of %d items were saved", saved, TASKS * EACH);
}
