/* SPDX-License-Identifier: MIT */
/* P50, fixed: beside the top stands a version, which grows with each change. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "demos/pitfalls/pitfall.h"

enum { NOBODY, A, B };

static const uint64_t VERSION = UINT64_C(1) << 32;

/* The stack is A, then B. The upper half of the top is the version. */
static _Atomic(uint64_t) top = A;
static atomic_uint next_of[3] = {NOBODY, B, NOBODY};
static struct gate has_looked;
static struct gate is_back;

static unsigned pop(int slow)
{
    uint64_t seen = atomic_load(&top);
    for (;;) {
        unsigned node = (unsigned)seen;
        unsigned next = atomic_load(&next_of[node]);
        if (slow) {
            gate_open(&has_looked);
            gate_wait(&is_back);
        }
        if (atomic_compare_exchange_strong(&top, &seen, (seen / VERSION + 1) * VERSION + next))
            return node;
    }
}

static void push(unsigned node)
{
    uint64_t seen = atomic_load(&top);
    do
        atomic_store(&next_of[node], (unsigned)seen);
    while (!atomic_compare_exchange_strong(&top, &seen, (seen / VERSION + 1) * VERSION + node));
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
    push(a);
    gate_open(&is_back);
    pthread_join(thread, NULL);
    unsigned left = (unsigned)top;
    return verdict(left != kept, "B is kept, and B is %son the stack", left == kept ? "" : "not ");
}
