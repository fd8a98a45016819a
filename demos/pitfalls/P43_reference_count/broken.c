/* SPDX-License-Identifier: MIT */
/*
 * P43: A reference count that orders nothing, and then free
 *
 * @family classic
 * @kind race
 * @weakness CWE-362, CWE-416
 * @rule Who drops the last reference frees, and has to come after all that the others did with the
 *     object. A relaxed decrement counts rightly and orders nothing: on a processor that reorders,
 *     the last write of one thread may land after the free of another. Each drop releases, and the
 *     last one acquires.
 * @detect tsan:race
 */
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
    /* place 1: counts, and orders nothing */
    if (atomic_fetch_sub_explicit(&document->references, 1, memory_order_relaxed) == 1) {
        /* place 2: frees what the other may still write to */
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
