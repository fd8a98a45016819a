/* SPDX-License-Identifier: MIT */

/*
 * The fibers and their stacks. Both come by the slab, are never given back, and are used anew.
 * There is a stack for each fiber, so that whoever has been started finds one, and besides as many
 * as the workers may have at hand. The two are kept apart, for a fiber needs a stack only once it
 * runs: a hundred tasks that are started and do not wait run on one stack, which is in the cache,
 * and not on a hundred, which are not. Each worker keeps some of both at hand.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fiber_hot_internal.h"
#include "runtime/fiber_stack.h"
#include "runtime/fiber_tools.h"

/* For eight million tasks: what is not used of the table costs no memory. */
enum { MAX_SLABS = 1 << 17 };

/* As many slabs are mapped at once as there are already, up to this: each mapping waits for the
 * kernel's lock of the address space, which a worker that prepares stacks holds nearly always. */
enum { MAX_MAPPED = 64 };

static struct {
    struct conc_lock lock; /* guards the rest */
    struct fiber *fibers;  /* that are free */
    struct stack *stacks;  /* the same */
    size_t cut;            /* slabs of stacks that have been made, or are being made */
    size_t cutting;        /* of them, those that are being made */
    char *mapped;          /* slabs to come, */
    size_t mapped_len;     /* so many */
    /* Slabs of fibers, and of stacks. What the table says of them is read without the lock. */
    atomic_size_t n;
    atomic_size_t stacks_n;
    struct {
        char *stacks;
        struct fiber *fibers;
    } slabs[MAX_SLABS];
} store = {.lock = CONC_LOCK_INIT};

/* The stacks of one more slab. Under the lock, which may be released meanwhile. NULL: no memory. */
static char *next_mapped(void)
{
    if (store.mapped_len == 0) {
        size_t count = atomic_load(&store.n);
        count = count < 1 ? 1 : count > MAX_MAPPED ? MAX_MAPPED : count;
        conc_lock_release(&store.lock);
        char *slabs = conc_fiber_slabs_map(count);
        if (!slabs && count > 1)
            slabs = conc_fiber_slabs_map(count = 1);
        conc_lock_acquire_runtime(&store.lock);
        if (store.mapped_len == 0 && slabs) {
            store.mapped = slabs;
            store.mapped_len = count;
        } else if (slabs) { /* another was faster */
            conc_fiber_slabs_unmap(slabs, count);
        }
        if (store.mapped_len == 0)
            return NULL;
    }
    char *slab = store.mapped;
    store.mapped += conc_fiber_slab_size();
    store.mapped_len--;
    return slab;
}

/* One more slab of stacks. Under the lock, which may be released meanwhile. False: no memory. */
static bool add_stacks(void)
{
    char *stacks = next_mapped();
    size_t n = atomic_load(&store.stacks_n);
    if (stacks && n == MAX_SLABS) { /* it goes back */
        store.mapped = stacks;
        store.mapped_len++;
    }
    if (!stacks || n == MAX_SLABS)
        return false;
    store.slabs[n].stacks = stacks;
    atomic_store(&store.stacks_n, n + 1);
    return true;
}

/* So many slabs of stacks belong to so many of fibers: the workers keep FREE_STACKS - 1 at most. */
static size_t stacks_for(size_t fibers)
{
    size_t workers = (size_t)atomic_load(&conc_fibers.wanted) + 1;
    return fibers + (workers * (FREE_STACKS - 1) + CONC_STACKS_A_SLAB - 1) / CONC_STACKS_A_SLAB;
}

/* One more slab of fibers. Under the lock, which is released meanwhile. False: no memory. */
static bool add_fibers(void)
{
    enum { SIZE = CONC_STACKS_A_SLAB * sizeof(struct fiber) };
    conc_lock_release(&store.lock);
    struct fiber *fibers = aligned_alloc(_Alignof(struct fiber), SIZE);
    if (fibers)
        memset(fibers, 0, SIZE);
    conc_lock_acquire_runtime(&store.lock);
    bool have = fibers != NULL;
    while (have && atomic_load(&store.stacks_n) < stacks_for(atomic_load(&store.n) + 1))
        have = add_stacks();
    if (!have) {
        free(fibers);
        return false;
    }
    for (size_t i = CONC_STACKS_A_SLAB; i-- > 0;) {
        fibers[i].task.engine = &conc_engine_fibers;
        __tsan_release(&fibers[i]); /* to whoever uses it first: TSan does not see our lock */
        fibers[i].next = store.fibers;
        store.fibers = &fibers[i];
    }
    size_t n = atomic_load(&store.n);
    store.slabs[n].fibers = fibers;
    atomic_store(&store.n, n + 1);
    return true;
}

struct fiber *conc_fiber_new(struct worker *w)
{
    conc_fiber_monitor_begin();
    conc_lock_acquire_runtime(&store.lock);
    while (!store.fibers)
        if (!add_fibers())
            break;
    struct fiber *fiber = store.fibers;
    if (fiber)
        store.fibers = fiber->next;
    for (int i = 0; w && store.fibers && i < FREE_FIBERS / 4; i++) {
        struct fiber *more = store.fibers;
        store.fibers = more->next;
        more->next = w->fibers;
        w->fibers = more;
        w->fibers_len++;
    }
    conc_lock_release(&store.lock);
    return fiber;
}

void conc_fiber_return(struct worker *w, struct fiber *fiber)
{
    conc_lock_acquire_runtime(&store.lock);
    fiber->next = store.fibers;
    store.fibers = fiber;
    for (int i = 0; w && i < FREE_FIBERS / 2; i++) {
        struct fiber *more = w->fibers;
        w->fibers = more->next;
        w->fibers_len--;
        more->next = store.fibers;
        store.fibers = more;
    }
    conc_lock_release(&store.lock);
}

/* The record of stack i of a slab: at its top, with the first frames below it in the same page. Not
 * at the same place in every page: stacks lie whole pages apart, and caches are so made that of
 * lines at such a distance only a dozen find room. */
static struct stack *stack_at(char *slab, size_t i)
{
    enum { COLOURS = 24, LINE = 64 };
    uintptr_t top = (uintptr_t)(slab + (i + 1) * conc_fiber_stack_size()) - i % COLOURS * LINE;
    return (struct stack *)((top - sizeof(struct stack)) & ~(uintptr_t)(LINE - 1));
}

/* Makes the stacks of a slab: a list of them. */
static struct stack *cut_slab(char *slab)
{
    struct stack *list = NULL;
    conc_fiber_slab_prepare(slab);
    for (size_t i = CONC_STACKS_A_SLAB; i-- > 0;) {
        struct stack *stack = stack_at(slab, i);
        stack->bottom = slab + i * conc_fiber_stack_size();
        stack->size = (size_t)((char *)stack - stack->bottom);
        (void)VALGRIND_STACK_REGISTER(stack->bottom, (char *)stack - 1);
        stack->next = list;
        list = stack;
    }
    return list;
}

/* Makes the stacks of one more slab. Under the lock, which is released meanwhile. */
static void cut_next(void)
{
    char *slab = store.slabs[store.cut++].stacks;
    store.cutting++;
    conc_lock_release(&store.lock);
    struct stack *list = cut_slab(slab);
    struct stack *last = list;
    while (last->next)
        last = last->next;
    conc_lock_acquire_runtime(&store.lock);
    last->next = store.stacks;
    store.stacks = list;
    store.cutting--;
}

/* Sees to it that some are free. Under the lock, which is released meanwhile. False: no memory. */
static bool have_stacks(void)
{
    while (!store.stacks) {
        if (store.cut < atomic_load(&store.stacks_n))
            cut_next();
        else if (!add_stacks() && !store.stacks && store.cutting == 0)
            return false; /* not to happen, but where workers were added */
    }
    __tsan_acquire(&store.stacks);
    return true;
}

struct stack *conc_fiber_new_stack(void)
{
    conc_lock_acquire_runtime(&store.lock);
    if (!have_stacks()) {
        fputs("conc: no memory for the stack of a task\n", stderr);
        abort();
    }
    struct stack *stack = store.stacks;
    store.stacks = stack->next;
    conc_lock_release(&store.lock);
    return stack;
}

void conc_fiber_stock_stacks(struct worker *w)
{
    conc_lock_acquire_runtime(&store.lock);
    if (!store.stacks && store.cut < atomic_load(&store.stacks_n))
        cut_next();
    __tsan_acquire(&store.stacks);
    struct stack **end = &w->stacks;
    *end = store.stacks;
    for (; *end && w->stacks_len < FREE_STACKS / 2; w->stacks_len++)
        end = &(*end)->next;
    store.stacks = *end;
    *end = NULL;
    conc_lock_release(&store.lock);
}

/* The first of the worker's stacks stays: it may still be in use. */
void conc_fiber_return_stacks(struct worker *w)
{
    struct stack *first = w->stacks;
    struct stack *from = first->next;
    struct stack *last = from;
    for (int i = 1; i < FREE_STACKS / 2; i++)
        last = last->next;
    first->next = last->next;
    w->stacks_len -= FREE_STACKS / 2;
    conc_lock_acquire_runtime(&store.lock);
    __tsan_release(&store.stacks); /* to whoever runs on them next */
    last->next = store.stacks;
    store.stacks = from;
    conc_lock_release(&store.lock);
}

bool conc_fiber_stack_hit(const void *address)
{
    size_t place;
    size_t n = atomic_load(&store.stacks_n);
    for (size_t i = 0; i < n; i++)
        if (conc_fiber_in_guard(store.slabs[i].stacks, address, &place))
            return true;
    return false;
}

/* Copies the record of a live task, which may end meanwhile and the record be another's. False: it
 * has. Word by word, for the owner's stores are no atomic ones. */
static bool copy_record(const struct fiber *fiber, struct conc_task *copy)
{
    enum { WORDS = sizeof(struct conc_task) / sizeof(uint64_t) };
    static_assert(WORDS * sizeof(uint64_t) == sizeof(struct conc_task), "in whole words");
    if (!atomic_load_explicit(&fiber->live, memory_order_acquire))
        return false;
    uint64_t id = __atomic_load_n(&fiber->task.id, __ATOMIC_RELAXED);
    const uint64_t *from = (const void *)&fiber->task;
    uint64_t *to = (void *)copy;
    for (size_t i = 0; i < WORDS; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_acquire);
    const char *name = atomic_load_explicit(&copy->name, memory_order_relaxed);
    if (name == fiber->task.own_name)
        atomic_store_explicit(&copy->name, copy->own_name, memory_order_relaxed);
    return atomic_load_explicit(&fiber->live, memory_order_relaxed) && copy->id == id &&
           __atomic_load_n(&fiber->task.id, __ATOMIC_RELAXED) == id;
}

size_t conc_fiber_tasks(void (*visit)(const struct conc_task *task, void *arg), void *arg)
{
    size_t count = 0;
    size_t n = atomic_load(&store.n);
    for (size_t i = 0; i < n * CONC_STACKS_A_SLAB; i++) {
        const struct fiber *fiber =
            &store.slabs[i / CONC_STACKS_A_SLAB].fibers[i % CONC_STACKS_A_SLAB];
        struct conc_task task;
        if (!copy_record(fiber, &task) || task.kind->service)
            continue;
        count++;
        if (visit)
            visit(&task, arg);
    }
    return count;
}
