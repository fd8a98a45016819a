/* SPDX-License-Identifier: MIT */

/* Deadlines of the fibers engine: one heap for all, of the fibers that wait with one. */

#include "runtime/census.h"
#include "runtime/fiber_hot_internal.h"

static struct conc_lock lock = CONC_LOCK_INIT;
static struct conc_timer_heap timers; /* under lock */

static void publish_deadline(void)
{
    struct conc_timer_node *earliest = timers.earliest;
    int64_t when = earliest ? earliest->when_ns : CONC_FOREVER;
    int64_t before = atomic_exchange(&conc_fibers.next_deadline, when);
    /* Timers that are pending will wake somebody: that counts as one who is awake. */
    if (before == CONC_FOREVER && when != CONC_FOREVER)
        conc_census_awake();
}

/* The other half, once for each time that the heap has become empty, and without the timer lock:
 * asleep() may end the program. */
static void after_removal(int emptied)
{
    while (emptied-- > 0)
        conc_census_ends();
}

void conc_fiber_timer_insert(struct fiber *fiber, int64_t deadline_ns)
{
    conc_lock_acquire_runtime(&lock);
    conc_timer_heap_insert(&timers, &fiber->timer, deadline_ns);
    bool earliest = timers.earliest == &fiber->timer;
    if (earliest)
        publish_deadline();
    conc_lock_release(&lock);
    if (earliest)
        backlog(); /* somebody idle should know */
}

/* Takes the fiber's timer out, if it has not fired. */
void conc_fiber_timer_remove(struct fiber *fiber)
{
    conc_lock_acquire_runtime(&lock);
    bool was_earliest = timers.earliest == &fiber->timer;
    conc_timer_heap_remove(&timers, &fiber->timer);
    if (was_earliest)
        publish_deadline();
    bool emptied = was_earliest && !timers.earliest;
    conc_lock_release(&lock);
    after_removal(emptied);
}

/* So many at most while the lock is held. */
enum { AT_A_TIME = 32 };

/* Takes out those whose deadline has passed, and puts the fibers that this wakes into `due`. False:
 * none had. *emptied counts how often the heap has become empty. */
static bool take_due(int64_t now, struct queue *due, int *emptied)
{
    int taken = 0;
    struct conc_timer_node *node;
    conc_lock_acquire_runtime(&lock);
    while (taken < AT_A_TIME && (node = timers.earliest) && node->when_ns <= now) {
        conc_timer_heap_remove(&timers, node);
        struct fiber *fiber = (struct fiber *)((char *)node - offsetof(struct fiber, timer));
        if (signal_fiber(fiber, TIMEOUT)) /* under the lock: it cannot end meanwhile */
            queue_push(due, fiber);
        taken++;
    }
    if (taken > 0)
        publish_deadline();
    *emptied += taken > 0 && !timers.earliest;
    conc_lock_release(&lock);
    return taken > 0;
}

/* Makes ready all whose deadline has passed. True: there were some. */
bool conc_fiber_timers_fire(struct worker *w)
{
    int64_t now = conc_machine_now_ns();
    if (atomic_load_explicit(&conc_fibers.next_deadline, memory_order_relaxed) > now)
        return false;
    size_t fired = 0;
    int emptied = 0;
    struct queue due = {.head = NULL};
    while (take_due(now, &due, &emptied)) {
        fired += queue_len(&due);
        push_all_local(w, &due);
        now = conc_machine_now_ns();
    }
    after_removal(emptied);
    if (fired > 1 || (fired > 0 && w->current))
        backlog(); /* the one can be run at once by an idle worker; more need others */
    return fired > 0;
}
