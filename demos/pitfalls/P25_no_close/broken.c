/* SPDX-License-Identifier: MIT */
/*
 * P25: A batcher that cannot be closed loses what is in it at the end
 *
 * @family own
 * @kind leak
 * @from Go 1.25.3 in practice, 7.2 "batching": NewBatcher, Add and flush, and no Close; the example
 *     adds 12 items by fives and returns
 * @weakness CWE-772, CWE-401
 * @rule Whatever holds back work needs an end that lets it go: close flushes the rest, waits, and
 *     says what went wrong. A timer that would have done it later is no help to a program that ends
 *     now. In C the record itself is lost, too, and that is what two tools see.
 * @detect native:wrong memcheck:leak asan:leak
 */
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
    /* place 1: a batch goes when it is full */
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
    /* place 2: and the last, which is not full? */
}

int main(void)
{
    add_all();
    return verdict(saved == TASKS * EACH, "%d of %d items were saved", saved, TASKS * EACH);
}
