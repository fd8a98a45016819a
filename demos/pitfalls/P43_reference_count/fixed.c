/* SPDX-License-Identifier: MIT */
/* P43, fixed: each drop releases what it did, and the last acquires what the others did. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"

struct document {
    atomic_int references;
    int views;
};

static struct gate has_dropped;
static atomic_int freed;

static void drop(struct document *document)
{
    if (atomic_fetch_sub_explicit(&document->references, 1, memory_order_acq_rel) == 1) {
        free(document);
        freed++;
    }
}

static void *viewer(void *arg)
{
    struct document *document = arg;
    document->views++;
    drop(document);
    gate_open(&has_dropped);
    return NULL;
}

static void *owner(void *arg)
{
    gate_wait(&has_dropped);
    drop(arg);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    struct document *document = malloc(sizeof *document);
    *document = (struct document){2, 0};
    pthread_create(&threads[0], NULL, viewer, document);
    pthread_create(&threads[1], NULL, owner, document);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return verdict(freed == 1, "freed %d times", freed);
}
