/* SPDX-License-Identifier: MIT */

/* The fibers themselves: cut from slabs of stacks (fiber_stack.h), never given back, used anew.
 * Each worker keeps some at hand. */

#include "runtime/fiber_hot_internal.h"
#include "runtime/fiber_stack.h"

/* Stacks for eight million tasks: what is not used of the table costs no memory. */
enum { MAX_SLABS = 1 << 17 };

static struct {
    struct conc_lock lock; /* guards the rest */
    struct fiber *free;
    char *slabs[MAX_SLABS]; /* read without the lock, below slab_len */
    atomic_size_t slab_len;
} store = {.lock = CONC_LOCK_INIT};

/* The record of fiber i of a slab: at the top of its stack, with the first frames below it in the
 * same page. Not at the same place in every page: stacks lie 64 KiB apart, and caches are so made
 * that of lines at such a distance only a dozen find room. */
static struct fiber *fiber_at(char *slab, size_t i)
{
    enum { COLOURS = 24, LINE = 64 };
    uintptr_t top = (uintptr_t)(slab + (i + 1) * conc_fiber_stack_size()) - i % COLOURS * LINE;
    return (struct fiber *)((top - sizeof(struct fiber)) & ~(uintptr_t)(LINE - 1));
}

/* Cuts a new slab into fibers, whose records lie at the top of their stacks: a task that does
 * little costs one page. Under the lock, which is released meanwhile. False: no memory. */
static bool add_slab(void)
{
    conc_lock_release(&store.lock);
    char *slab = conc_fiber_slab_map();
    if (slab)
        conc_fiber_slab_prepare(slab);
    conc_lock_acquire(&store.lock);
    size_t n = atomic_load(&store.slab_len);
    if (!slab || n == MAX_SLABS)
        return false;
    for (size_t i = CONC_STACKS_A_SLAB; i-- > 0;) {
        struct fiber *fiber = fiber_at(slab, i);
        fiber->stack = slab + i * conc_fiber_stack_size();
        fiber->stack_size = (size_t)((char *)fiber - fiber->stack);
        fiber->next = store.free;
        store.free = fiber;
    }
    store.slabs[n] = slab;
    atomic_store(&store.slab_len, n + 1);
    return true;
}

struct fiber *conc_fiber_take_free(struct worker *w)
{
    struct fiber *fiber = w ? w->free : NULL;
    if (fiber) {
        w->free = fiber->next;
        w->free_len--;
        if (w->free)
            fiber_prefetch(w->free);
        return fiber;
    }
    if (w)
        conc_fiber_monitor_begin();
    conc_lock_acquire(&store.lock);
    while (!store.free)
        if (!add_slab())
            break;
    fiber = store.free;
    if (fiber)
        store.free = fiber->next;
    for (int i = 0; w && fiber && store.free && i < FREE_FIBERS / 4; i++) {
        struct fiber *more = store.free;
        store.free = more->next;
        more->next = w->free;
        w->free = more;
        w->free_len++;
    }
    conc_lock_release(&store.lock);
    return fiber;
}

void conc_fiber_give_free(struct worker *w, struct fiber *fiber)
{
    if (w && w->free_len < FREE_FIBERS) {
        fiber->next = w->free;
        w->free = fiber;
        w->free_len++;
        return;
    }
    conc_lock_acquire(&store.lock);
    fiber->next = store.free;
    store.free = fiber;
    for (int i = 0; w && i < FREE_FIBERS / 2; i++) {
        struct fiber *more = w->free;
        w->free = more->next;
        w->free_len--;
        more->next = store.free;
        store.free = more;
    }
    conc_lock_release(&store.lock);
}

const struct conc_task *conc_fiber_stack_hit(const void *address)
{
    size_t place;
    size_t slabs = atomic_load(&store.slab_len);
    for (size_t i = 0; i < slabs; i++)
        if (conc_fiber_in_guard(store.slabs[i], address, &place))
            return &fiber_at(store.slabs[i], place)->task;
    return NULL;
}

size_t conc_fiber_tasks(void (*visit)(const struct conc_task *task, void *arg), void *arg)
{
    size_t n = 0;
    size_t slabs = atomic_load(&store.slab_len);
    for (size_t i = 0; i < slabs * CONC_STACKS_A_SLAB; i++) {
        const struct fiber *fiber =
            fiber_at(store.slabs[i / CONC_STACKS_A_SLAB], i % CONC_STACKS_A_SLAB);
        if (!atomic_load_explicit(&fiber->live, memory_order_relaxed) || fiber->task.service)
            continue;
        n++;
        if (visit)
            visit(&fiber->task, arg);
    }
    return n;
}
