/* SPDX-License-Identifier: MIT */
/*
 * P50: The top of the stack is the same again, and the stack is another (ABA)
 *
 * @family classic
 * @kind logic
 * @weakness CWE-362
 * @rule compare_exchange asks whether the value is what it was, and not whether it has been the
 *     same all the time. Between the load of the top and the exchange another may pop two and push
 *     the first back: the exchange succeeds and makes a node the top that is in somebody's hands.
 *     A version that grows with each change tells the two apart.
 * @detect native:wrong
 */
#include <pthread.h>
#include <stdatomic.h>

#include "demos/pitfalls/pitfall.h"

enum { NOBODY, A, B };

/* The stack is A, then B. */
static atomic_uint top = A;
static atomic_uint next_of[3] = {NOBODY, B, NOBODY};
static struct gate has_looked;
static struct gate is_back;

static unsigned pop(int slow)
{
    unsigned node = atomic_load(&top);
    for (;;) {
        unsigned next = atomic_load(&next_of[node]);
        if (slow) {
            gate_open(&has_looked);
            gate_wait(&is_back);
        }
        /* place 1: A is the top as before, and B no longer below it */
        if (atomic_compare_exchange_strong(&top, &node, next))
            return node;
    }
}

static void push(unsigned node)
{
    unsigned below = atomic_load(&top);
    do
        atomic_store(&next_of[node], below);
    while (!atomic_compare_exchange_strong(&top, &below, node));
}

static void *slow_thread(void *arg)
{
    pop(1);
    return arg;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, slow_thread, NULL);
    gate_wait(&has_looked);
    unsigned a = pop(0);
    unsigned kept = pop(0);
    /* place 2: back where it was, and B is kept */
    push(a);
    gate_open(&is_back);
    pthread_join(thread, NULL);
    unsigned left = top;
    return verdict(left != kept, "B is kept, and B is %son the stack", left == kept ? "" : "not ");
}
