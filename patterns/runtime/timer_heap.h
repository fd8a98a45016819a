/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_TIMER_HEAP_H
#define CONC_RUNTIME_TIMER_HEAP_H

/*
 * A heap of deadlines that allocates nothing: the nodes are the callers' own, so putting one in
 * cannot fail. A pairing heap (M. Fredman, R. Sedgewick, D. Sleator, R. Tarjan, 1986): insert and
 * look at the earliest in constant time, removing costs log n in the long run. The caller locks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_timer_node {
    int64_t when_ns;
    struct conc_timer_node *child;   /* the first of those below */
    struct conc_timer_node *sibling; /* the next below the same parent */
    struct conc_timer_node **link;   /* what points to this node; NULL: in no heap */
};

struct conc_timer_heap {
    struct conc_timer_node *earliest; /* NULL: empty */
};

/* Puts in a node that is in no heap. */
void conc_timer_heap_insert(
    struct conc_timer_heap *heap, struct conc_timer_node *node, int64_t when_ns);

/* Takes a node out: true; false when it is in no heap. */
bool conc_timer_heap_remove(struct conc_timer_heap *heap, struct conc_timer_node *node);

#endif
