/* SPDX-License-Identifier: MIT */
#include "runtime/timer_heap.h"

#include <assert.h>

/* Makes the later of two roots the first child of the earlier, which is returned. */
static struct conc_timer_node *meld(struct conc_timer_node *a, struct conc_timer_node *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->when_ns < a->when_ns) {
        struct conc_timer_node *later = a;
        a = b;
        b = later;
    }
    b->sibling = a->child;
    if (b->sibling)
        b->sibling->link = &b->sibling;
    a->child = b;
    b->link = &a->child;
    return a;
}

/* Melds a list of siblings into one root: in pairs from the left, then the pairs from the right. */
static struct conc_timer_node *meld_all(struct conc_timer_node *list)
{
    struct conc_timer_node *pairs = NULL;
    while (list) {
        struct conc_timer_node *a = list;
        struct conc_timer_node *b = a->sibling;
        list = b ? b->sibling : NULL;
        a->sibling = NULL;
        if (b)
            b->sibling = NULL;
        a = meld(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    struct conc_timer_node *root = NULL;
    while (pairs) {
        struct conc_timer_node *next = pairs->sibling;
        pairs->sibling = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

static void set_root(struct conc_timer_heap *heap, struct conc_timer_node *root)
{
    heap->earliest = root;
    if (root) {
        root->link = &heap->earliest;
        root->sibling = NULL;
    }
}

void conc_timer_heap_insert(
    struct conc_timer_heap *heap, struct conc_timer_node *node, int64_t when_ns)
{
    assert(!node->link);
    node->when_ns = when_ns;
    node->child = NULL;
    node->sibling = NULL;
    set_root(heap, meld(heap->earliest, node));
}

bool conc_timer_heap_remove(struct conc_timer_heap *heap, struct conc_timer_node *node)
{
    if (!node->link)
        return false;
    struct conc_timer_node *below = meld_all(node->child);
    if (node == heap->earliest) {
        set_root(heap, below);
    } else {
        *node->link = node->sibling;
        if (node->sibling)
            node->sibling->link = node->link;
        set_root(heap, meld(heap->earliest, below));
    }
    node->link = NULL;
    node->child = NULL;
    node->sibling = NULL;
    return true;
}
