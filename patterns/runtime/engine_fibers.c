/* SPDX-License-Identifier: MIT */

/*
 * The fibers engine: many tasks on few threads. A task is a fiber, a stack of its own that a worker
 * thread runs until the task waits; then the worker switches to the next, in a few nanoseconds and
 * without the kernel. One worker a processor, or CONC_WORKERS.
 *
 * Where a task stands:
 *   next_run    the task woken last by the one that runs: it goes next, while its data is in the
 * cache; at most three times in a row, so that two partners cannot starve the rest queue       of
 * each worker: first in, first out; others may steal from it inject      one for all: what threads
 * outside the engine have woken timers      one heap for all: tasks that wait with a deadline
 *
 * Waking a worker costs the waker some 6 microseconds and the woken 15, so it is done rarely. While
 * anybody works, one idle worker watches: it sleeps in short naps, looks at the queues of the
 * others and steals where tasks have to wait for long. Tasks that pass messages to and fro stay on
 * one core, where that is fastest; tasks that compute are spread within some tens of microseconds.
 *
 * The worker's own queue is touched by its owner a thousand times for each theft, so its lock is
 * biased: the owner enters by plain stores, and a thief makes every core pass a barrier
 * (membarrier(2)) before it looks whether the owner is inside.
 *
 * The main thread is the first worker, and main its fiber: it runs on no other thread, so a program
 * whose main is tied to its thread stays right.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/fiber_stack.h"
#include "runtime/fiber_switch.h"
#include "runtime/fiber_tools.h"
#include "runtime/memory.h"
#include "runtime/timer_heap.h"

enum { MAX_WORKERS = 256, IN_A_ROW = 3, FREE_FIBERS = 256 };

/* Bits of a fiber's state. 0: it runs, or is about to park. Whoever replaces PARKED by something
 * else makes it ready. */
enum { TOKEN = 1, TIMEOUT = 2, READY = 4, PARKED = 8 };

struct fiber {
    struct conc_task task;
    struct conc_fiber_context context; /* while it does not run */
    atomic_int state;
    bool sole;             /* parked so that only the holder of one lock can unpark it */
    struct worker *pinned; /* fixed: the worker that alone may run it; NULL: any */
    struct fiber *next;    /* in a queue or a free list */
    struct conc_timer_node timer;
    char *stack; /* fixed: the lowest address */
    int saved_errno;
    size_t stack_size;
    atomic_bool off;  /* has ended and left its stack */
    atomic_bool live; /* started and not destroyed */
    void *tsan;
    void *asan;
};

struct queue {
    struct fiber *head;
    struct fiber *tail;
    atomic_size_t len;
};

struct worker {
    /* The owner's only. */
    struct fiber *current;
    int in_a_row;
    unsigned picks;
    struct fiber *parking;  /* the fiber switched away from: to be marked as parked, */
    struct conc_lock *held; /* then its lock released; */
    struct fiber *ending;   /* or to be finished */
    struct fiber *yielding; /* or to be queued again */
    struct fiber *free;
    int free_len;
    struct conc_fiber_context scheduler; /* while a fiber runs */
    void *scheduler_tsan;
    void *scheduler_asan;
    const void *scheduler_bottom;
    size_t scheduler_size;
    pthread_t thread;
    int number;

    /* Looked at by others. */
    _Alignas(64) struct queue queue; /* under the biased lock */
    struct fiber *next_run;          /* under the biased lock */
    atomic_bool owner_in;
    atomic_bool thief_in;
    atomic_ulong switches;
    _Atomic(struct fiber *) pinned_ready; /* the pinned fiber, when it is ready */
    atomic_bool asleep;                   /* whoever clears it wakes the worker */
    atomic_uint wake;                     /* futex word */
    struct conc_lock thieves;
};

static struct {
    struct conc_lock lock; /* guards inject, the free list, the slabs and the start of workers */
    struct queue inject;
    struct fiber *free;
    char **slabs;
    size_t slab_room;
    atomic_size_t slab_len;

    struct conc_lock timer_lock;
    struct conc_timer_heap timers;
    _Atomic(int64_t) next_deadline; /* of the heap; CONC_FOREVER: empty */

    struct worker *workers[MAX_WORKERS];
    atomic_int started; /* workers that exist */
    int wanted;         /* fixed */
    atomic_int sleepers;
    atomic_bool watched; /* some idle worker watches */
    atomic_bool stopping;
    bool no_membarrier; /* fixed */
} s = {.next_deadline = CONC_FOREVER};

static _Thread_local struct worker *tls_worker __attribute__((tls_model("initial-exec")));

/* Never inlined: a fiber goes on on another thread after a switch, and a compiler may keep the
 * address of a thread-local across the call. */
static __attribute__((noinline)) struct worker *own_worker(void)
{
    __asm__ volatile("");
    return tls_worker;
}

static struct fiber *fiber_of(struct conc_task *task)
{
    return (struct fiber *)task; /* the task is its first member */
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return CONC_S(now.tv_sec) + now.tv_nsec;
}

static inline void pause_core(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* --- queues -------------------------------------------------------------------------------------
 */

static void queue_push(struct queue *queue, struct fiber *fiber)
{
    fiber->next = NULL;
    *(queue->tail ? &queue->tail->next : &queue->head) = fiber;
    queue->tail = fiber;
    size_t len = atomic_load_explicit(&queue->len, memory_order_relaxed);
    atomic_store_explicit(&queue->len, len + 1, memory_order_relaxed);
}

static struct fiber *queue_pop(struct queue *queue)
{
    struct fiber *fiber = queue->head;
    if (!fiber)
        return NULL;
    queue->head = fiber->next;
    if (!queue->head)
        queue->tail = NULL;
    size_t len = atomic_load_explicit(&queue->len, memory_order_relaxed);
    atomic_store_explicit(&queue->len, len - 1, memory_order_relaxed);
    return fiber;
}

static size_t queue_len(const struct queue *queue)
{
    return atomic_load_explicit(&queue->len, memory_order_relaxed);
}

/* The biased lock. The owner says "inside" and then looks for a thief; a thief says "thief" and
 * then, after a barrier on every core, looks whether the owner is inside. One of them sees the
 * other. */
static void owner_enter(struct worker *w)
{
    for (;;) {
        if (s.no_membarrier)
            atomic_exchange(&w->owner_in, true);
        else
            atomic_store_explicit(&w->owner_in, true, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        if (__builtin_expect(!atomic_load_explicit(&w->thief_in, memory_order_acquire), 1))
            return;
        atomic_store_explicit(&w->owner_in, false, memory_order_release);
        while (atomic_load_explicit(&w->thief_in, memory_order_acquire))
            pause_core();
    }
}

static void owner_leave(struct worker *w)
{
    atomic_store_explicit(&w->owner_in, false, memory_order_release);
}

/* False: the owner stays inside, which it does for nanoseconds unless it was preempted. */
static bool thief_enter(struct worker *w)
{
    if (!conc_lock_try_acquire(&w->thieves))
        return false;
    atomic_exchange(&w->thief_in, true);
    if (!s.no_membarrier)
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    for (int i = 0; i < 1000; i++) {
        if (!atomic_load_explicit(&w->owner_in, memory_order_acquire))
            return true;
        pause_core();
    }
    atomic_store_explicit(&w->thief_in, false, memory_order_release);
    conc_lock_release(&w->thieves);
    return false;
}

static void thief_leave(struct worker *w)
{
    atomic_store_explicit(&w->thief_in, false, memory_order_release);
    conc_lock_release(&w->thieves);
}

/* --- waking workers ------------------------------------------------------------------------------
 */

static void futex_wake(atomic_uint *word)
{
    int saved_errno = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

/* Whoever clears `asleep`, the worker itself or one that wakes it, has counted it as awake before:
 * else another worker, which sees that it need not be woken, could fall asleep as the last. */
static bool claim_sleeper(struct worker *w)
{
    if (!atomic_load(&w->asleep))
        return false;
    conc_census_awake();
    bool claimed = atomic_exchange(&w->asleep, false);
    if (claimed)
        atomic_fetch_sub(&s.sleepers, 1);
    else
        (void)conc_census_asleep(); /* somebody was faster, and has counted it */
    return claimed;
}

static bool wake_worker(struct worker *w)
{
    if (!claim_sleeper(w))
        return false;
    atomic_store(&w->wake, 1);
    futex_wake(&w->wake);
    return true;
}

static void start_worker(void);

/* Wakes one idle worker, or starts one more where there are fewer than wanted. */
static void wake_any(void)
{
    int n = atomic_load(&s.started);
    for (int i = 0; i < n; i++)
        if (wake_worker(s.workers[i]))
            return;
    if (n < s.wanted)
        start_worker();
}

/* Work waits behind the one that runs. If idle workers sleep and none of them watches, wake one. */
static inline void backlog(void)
{
    if (!atomic_load_explicit(&s.watched, memory_order_relaxed) &&
        (atomic_load_explicit(&s.sleepers, memory_order_relaxed) > 0 ||
            atomic_load_explicit(&s.started, memory_order_relaxed) < s.wanted))
        wake_any();
}

/* --- making ready --------------------------------------------------------------------------------
 */

static void inject(struct fiber *fiber)
{
    conc_lock_acquire(&s.lock);
    queue_push(&s.inject, fiber);
    conc_lock_release(&s.lock);
    atomic_thread_fence(memory_order_seq_cst); /* against a worker that says "asleep" and looks */
    if (atomic_load(&s.sleepers) > 0 || atomic_load(&s.started) < s.wanted)
        wake_any();
}

static void push_local(struct worker *w, struct fiber *fiber)
{
    owner_enter(w);
    queue_push(&w->queue, fiber);
    owner_leave(w);
}

/* Makes a fiber run some time: next, when it is called from a worker. */
static void make_ready(struct worker *w, struct fiber *fiber)
{
    if (fiber->pinned) {
        atomic_store(&fiber->pinned->pinned_ready, fiber);
        if (fiber->pinned != w)
            wake_worker(fiber->pinned);
        return;
    }
    if (!w) {
        inject(fiber);
        return;
    }
    owner_enter(w);
    struct fiber *before = w->next_run;
    w->next_run = fiber;
    if (before)
        queue_push(&w->queue, before);
    owner_leave(w);
    backlog();
}

/* Adds a bit to the state. True: the fiber was parked, and the caller must make it ready. */
static bool signal_fiber(struct fiber *fiber, int bit)
{
    __tsan_release(fiber);
    int state = atomic_load_explicit(&fiber->state, memory_order_relaxed);
    int wanted;
    do
        wanted = state & PARKED ? bit : state | bit;
    while (!atomic_compare_exchange_weak(&fiber->state, &state, wanted));
    return state & PARKED;
}

/* --- timers -------------------------------------------------------------------------------------
 */

static void publish_deadline(void)
{
    struct conc_timer_node *earliest = s.timers.earliest;
    int64_t when = earliest ? earliest->when_ns : CONC_FOREVER;
    int64_t before = atomic_exchange(&s.next_deadline, when);
    /* Timers that are pending will wake somebody: that counts as one who is awake. */
    if (before == CONC_FOREVER && when != CONC_FOREVER)
        conc_census_awake();
}

/* The other half, without the timer lock: asleep() may end the program. */
static void after_removal(bool emptied)
{
    if (emptied)
        conc_census_ends();
}

static void timer_insert(struct fiber *fiber, int64_t deadline_ns)
{
    conc_lock_acquire(&s.timer_lock);
    conc_timer_heap_insert(&s.timers, &fiber->timer, deadline_ns);
    bool earliest = s.timers.earliest == &fiber->timer;
    if (earliest)
        publish_deadline();
    conc_lock_release(&s.timer_lock);
    if (earliest)
        backlog(); /* somebody idle should know */
}

/* Takes the fiber's timer out, if it has not fired. */
static void timer_remove(struct fiber *fiber)
{
    conc_lock_acquire(&s.timer_lock);
    bool was_earliest = s.timers.earliest == &fiber->timer;
    conc_timer_heap_remove(&s.timers, &fiber->timer);
    if (was_earliest)
        publish_deadline();
    bool emptied = was_earliest && !s.timers.earliest;
    conc_lock_release(&s.timer_lock);
    after_removal(emptied);
}

/* Makes ready all whose deadline has passed. True: there were some. */
static bool timers_fire(struct worker *w)
{
    if (atomic_load_explicit(&s.next_deadline, memory_order_relaxed) > now_ns())
        return false;
    bool some = false;
    bool emptied = false;
    for (;;) {
        int64_t now = now_ns();
        conc_lock_acquire(&s.timer_lock);
        struct conc_timer_node *node = s.timers.earliest;
        if (!node || node->when_ns > now) {
            conc_lock_release(&s.timer_lock);
            break;
        }
        conc_timer_heap_remove(&s.timers, node);
        publish_deadline();
        emptied |= !s.timers.earliest;
        struct fiber *fiber = (struct fiber *)((char *)node - offsetof(struct fiber, timer));
        bool ready = signal_fiber(fiber, TIMEOUT); /* under the lock: it cannot end meanwhile */
        conc_lock_release(&s.timer_lock);
        if (!ready)
            continue;
        some = true;
        if (fiber->pinned || !w)
            make_ready(w, fiber);
        else
            push_local(w, fiber);
    }
    after_removal(emptied);
    return some;
}

/* --- switching -----------------------------------------------------------------------------------
 */

/* What is due after a switch, on the new stack: the fiber that was left is off its stack now. */
static void finish_switch(void)
{
    struct worker *w = own_worker();
    struct fiber *left = w->parking;
    if (left) {
        w->parking = NULL;
        int running = 0;
        if (!left->sole && !atomic_compare_exchange_strong(&left->state, &running, PARKED))
            make_ready(w, left); /* woken in between */
    }
    if (w->held) {
        struct conc_lock *held = w->held;
        w->held = NULL;
        conc_tsan_lock_release(held);
    }
    if (w->yielding) {
        left = w->yielding;
        w->yielding = NULL;
        if (left->pinned)
            make_ready(w, left);
        else
            push_local(w, left);
    }
    if (w->ending) {
        left = w->ending;
        w->ending = NULL;
        __tsan_destroy_fiber(left->tsan);
        atomic_store_explicit(&left->off, true, memory_order_release);
    }
}

static struct fiber *take_pinned(struct worker *w)
{
    return atomic_load_explicit(&w->pinned_ready, memory_order_relaxed)
               ? atomic_exchange(&w->pinned_ready, NULL)
               : NULL;
}

static struct fiber *take_injected(void)
{
    if (queue_len(&s.inject) == 0)
        return NULL;
    conc_lock_acquire(&s.lock);
    struct fiber *fiber = queue_pop(&s.inject);
    conc_lock_release(&s.lock);
    return fiber;
}

/* The next fiber for this worker from what it has itself, or NULL. */
static struct fiber *pick(struct worker *w)
{
    if (++w->picks % 16 == 0) {
        if (atomic_load_explicit(&s.next_deadline, memory_order_relaxed) != CONC_FOREVER)
            timers_fire(w);
        struct fiber *injected = take_injected();
        if (injected)
            return injected;
    }
    struct fiber *fiber = take_pinned(w);
    if (fiber)
        return fiber;
    owner_enter(w);
    fiber = w->next_run;
    if (fiber && (w->in_a_row < IN_A_ROW || !w->queue.head)) {
        w->in_a_row++;
        w->next_run = NULL;
    } else {
        w->in_a_row = 0;
        fiber = queue_pop(&w->queue); /* NULL only when next_run is, too */
    }
    owner_leave(w);
    return fiber;
}

/* Leaves `from` (its place is saved) for `to`, or for the scheduler where that is NULL. */
static inline __attribute__((always_inline)) void switch_away(
    struct worker *w, struct fiber *from, struct fiber *to, bool ends)
{
    unsigned long n = atomic_load_explicit(&w->switches, memory_order_relaxed);
    atomic_store_explicit(&w->switches, n + 1, memory_order_relaxed);
    w->current = to;
    conc_task_set_current(to ? &to->task : NULL);
    int saved_errno = errno;
    if (ends)
        __tsan_release(from); /* to whoever gets this stack next */
    if (to) {
        __tsan_switch_to_fiber(to->tsan, 0);
        __sanitizer_start_switch_fiber(ends ? NULL : &from->asan, to->stack, to->stack_size);
        conc_fiber_switch(&from->context, &to->context);
    } else {
        __tsan_switch_to_fiber(w->scheduler_tsan, 0);
        __sanitizer_start_switch_fiber(
            ends ? NULL : &from->asan, w->scheduler_bottom, w->scheduler_size);
        conc_fiber_switch(&from->context, &w->scheduler);
    }
    /* Here again, perhaps on another thread. */
    __sanitizer_finish_switch_fiber(from->asan, NULL, NULL);
    finish_switch();
    errno = saved_errno;
}

/* Ends the fiber on its own stack, so that whoever waits for its end can be the next to run. Nobody
 * may use the stack anew before `off` says that we have left it; fibers_reap waits for that. */
static void fiber_end(struct fiber *fiber)
{
    atomic_store_explicit(&fiber->live, false, memory_order_relaxed);
    conc_task_finish(&fiber->task);
    struct worker *w = own_worker();
    w->ending = fiber;
    switch_away(w, fiber, pick(w), true);
    abort();
}

static void fiber_main(void *arg)
{
    struct fiber *fiber = arg;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    finish_switch();
    __tsan_acquire(fiber);
    conc_task_main(&fiber->task);
    fiber_end(fiber);
}

/* Parks until a bit of the state is set; takes all that are, and returns them. */
static int park_for(struct fiber *fiber, struct conc_lock *held, int64_t deadline_ns)
{
    struct worker *w = own_worker();
    bool timed = deadline_ns != CONC_FOREVER;
    if (timed)
        timer_insert(fiber, deadline_ns);
    w->parking = fiber;
    w->held = held;
    if (held)
        __tsan_release(held);
    switch_away(w, fiber, pick(w), false);
    __tsan_acquire(fiber);
    if (timed)
        timer_remove(fiber); /* from here on it cannot fire */
    return atomic_exchange(&fiber->state, 0);
}

static int fibers_park(
    struct conc_task *self, struct conc_lock *held, int64_t deadline_ns, bool sole)
{
    struct fiber *fiber = fiber_of(self);
    if (!sole)
        return park_for(fiber, held, deadline_ns) & TOKEN ? 0 : ETIMEDOUT;
    struct worker *w = own_worker();
    fiber->sole = true;
    w->parking = fiber;
    w->held = held;
    __tsan_release(held);
    switch_away(w, fiber, pick(w), false);
    fiber->sole = false;
    __tsan_acquire(fiber);
    return 0;
}

static void fibers_unpark(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    __tsan_release(fiber);
    if (fiber->sole || signal_fiber(fiber, TOKEN))
        make_ready(own_worker(), fiber);
}

static void fibers_yield(void)
{
    struct worker *w = own_worker();
    if (atomic_load_explicit(&s.next_deadline, memory_order_relaxed) != CONC_FOREVER)
        timers_fire(w);
    struct fiber *to = pick(w);
    if (!to)
        return;
    w->yielding = w->current;
    switch_away(w, w->current, to, false);
}

/* --- idle workers --------------------------------------------------------------------------------
 */

/* Half of the victim's queue, or nothing: one to run, the rest into the thief's own. */
static struct fiber *steal_from(struct worker *thief, struct worker *victim, bool stuck)
{
    struct fiber *taken = NULL;
    if (!thief_enter(victim))
        return NULL;
    size_t n = (queue_len(&victim->queue) + 1) / 2;
    struct queue loot = {.head = NULL};
    while (n-- > 0) {
        struct fiber *fiber = queue_pop(&victim->queue);
        if (!fiber)
            break;
        queue_push(&loot, fiber);
    }
    if (stuck && !loot.head) {
        taken = victim->next_run;
        victim->next_run = NULL;
    }
    thief_leave(victim);
    if (!taken)
        taken = queue_pop(&loot);
    for (struct fiber *fiber; (fiber = queue_pop(&loot));)
        push_local(thief, fiber);
    return taken;
}

/* What a watcher remembers of the others between two looks. */
struct look {
    unsigned long switches[MAX_WORKERS];
    int64_t at_ns;
};

/* How long a task may be expected to wait in another worker's queue before it is worth stealing. */
static const int64_t WORTH_NS = 30000;

/* Looks at the queues of the others. Where the one that runs has run since the last look, or the
 * queue will take long at the pace seen, steals. */
static struct fiber *steal(struct worker *w, struct look *look)
{
    int64_t now = now_ns();
    int64_t span = now - look->at_ns;
    struct fiber *taken = NULL;
    int n = atomic_load(&s.started);
    for (int i = 0; i < n; i++) {
        struct worker *victim = s.workers[i];
        if (victim == w)
            continue;
        unsigned long switches = atomic_load_explicit(&victim->switches, memory_order_relaxed);
        unsigned long done = switches - look->switches[i];
        look->switches[i] = switches;
        if (taken || span > CONC_S(1) || atomic_load(&victim->asleep))
            continue;
        int64_t waiting = (int64_t)queue_len(&victim->queue);
        if (done == 0)
            taken = steal_from(w, victim, true);
        else if (waiting * (span / (int64_t)done) > WORTH_NS)
            taken = steal_from(w, victim, false);
    }
    look->at_ns = now;
    return taken;
}

static bool somebody_works(const struct worker *w)
{
    int n = atomic_load(&s.started);
    for (int i = 0; i < n; i++)
        if (s.workers[i] != w && !atomic_load(&s.workers[i]->asleep))
            return true;
    return false;
}

static const int64_t LOOK_AGAIN_NS = 100000000;

/* Sleeps until woken or until the clock reaches `until_ns`. */
static void worker_sleep(struct worker *w, int64_t until_ns, bool watches)
{
    atomic_store(&w->wake, 0);
    atomic_store(&w->asleep, true);
    atomic_fetch_add(&s.sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
    bool work = queue_len(&s.inject) > 0 || atomic_load(&w->pinned_ready) ||
                (watches && atomic_load(&s.next_deadline) < until_ns) || atomic_load(&s.stopping);
    /* The last to fall asleep looks for a deadlock, again and again while there are threads that
     * conc does not know. */
    if (conc_census_asleep() && !work && !conc_census_check_deadlock())
        until_ns = conc_time_add(now_ns(), LOOK_AGAIN_NS);
    if (!work) {
        struct timespec until = {until_ns / CONC_S(1), until_ns % CONC_S(1)};
        syscall(SYS_futex, &w->wake, FUTEX_WAIT_BITSET_PRIVATE, 0,
            until_ns == CONC_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    }
    claim_sleeper(w); /* unless somebody has */
}

/* How long an idle worker looks on before it sleeps, and its shortest and longest nap as a watcher.
 */
static const int64_t SPIN_NS = 10000;
static const int64_t NAP_MIN_NS = 20000;
static const int64_t NAP_MAX_NS = 1000000;

static struct fiber *find_work(struct worker *w, struct look *look)
{
    timers_fire(w);
    struct fiber *fiber = pick(w);
    if (!fiber)
        fiber = take_injected();
    return fiber ? fiber : steal(w, look);
}

/* Waits until there is a fiber for this worker, and returns it; NULL: the engine stops. */
static struct fiber *wait_for_work(struct worker *w)
{
    struct look look = {.at_ns = 0};
    bool watching = false;
    int64_t nap_ns = NAP_MIN_NS;
    struct fiber *fiber = NULL;
    int64_t spin_until = now_ns() + (s.wanted > 1 ? SPIN_NS : 0);
    while (!atomic_load(&s.stopping) && !(fiber = find_work(w, &look))) {
        int64_t now = now_ns();
        if (now < spin_until) {
            for (int i = 0; i < 20; i++)
                pause_core();
            continue;
        }
        if (!watching)
            watching = !atomic_exchange(&s.watched, true);
        int64_t until = CONC_FOREVER;
        if (watching) {
            until = atomic_load(&s.next_deadline);
            if (somebody_works(w)) {
                if (now + nap_ns < until)
                    until = now + nap_ns;
                nap_ns = nap_ns < NAP_MAX_NS ? 2 * nap_ns : nap_ns;
            } else {
                nap_ns = NAP_MIN_NS;
            }
        }
        worker_sleep(w, until, watching);
    }
    if (watching)
        atomic_store(&s.watched, false);
    return fiber;
}

/* Enters a fiber from the scheduler's own stack and returns when there is nothing to run. */
static void run(struct worker *w, struct fiber *fiber)
{
    unsigned long n = atomic_load_explicit(&w->switches, memory_order_relaxed);
    atomic_store_explicit(&w->switches, n + 1, memory_order_relaxed);
    w->current = fiber;
    conc_task_set_current(&fiber->task);
    __tsan_switch_to_fiber(fiber->tsan, 0);
    __sanitizer_start_switch_fiber(&w->scheduler_asan, fiber->stack, fiber->stack_size);
    conc_fiber_switch(&w->scheduler, &fiber->context);
    __sanitizer_finish_switch_fiber(w->scheduler_asan, NULL, NULL);
    finish_switch();
}

static void schedule(struct worker *w)
{
    for (struct fiber *fiber; (fiber = wait_for_work(w));)
        run(w, fiber);
}

/* --- workers -------------------------------------------------------------------------------------
 */

static void find_own_stack(char **bottom, size_t *size)
{
    pthread_attr_t attr;
    void *address = NULL;
    *size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &address, size);
        pthread_attr_destroy(&attr);
    }
    *bottom = address;
}

static void give_signal_stack(void);

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    tls_worker = w;
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    char *bottom;
    find_own_stack(&bottom, &w->scheduler_size);
    w->scheduler_bottom = bottom;
    w->scheduler_tsan = __tsan_get_current_fiber();
    give_signal_stack();
    schedule(w);
    return NULL;
}

/* Makes a worker, not yet known to the others. NULL: no memory. */
static struct worker *new_worker(void)
{
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof *w);
    if (!w)
        return NULL;
    memset(w, 0, sizeof *w);
    conc_lock_init(&w->thieves);
    return w;
}

static void enter_worker(struct worker *w)
{
    w->number = atomic_load(&s.started);
    s.workers[w->number] = w;
    conc_census_awake();
    conc_census_thread_added();
    atomic_store(&s.started, w->number + 1);
}

/* One thread more, if there are not enough. Without memory or threads the others do the work. */
static void start_worker(void)
{
    static atomic_bool busy; /* one at a time; the lock must not be held across a thread's start */
    if (atomic_exchange(&busy, true))
        return;
    struct worker *w = atomic_load(&s.started) < s.wanted ? new_worker() : NULL;
    if (w) {
        enter_worker(w);
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            atomic_fetch_sub(&s.started, 1);
            conc_census_thread_removed();
            (void)conc_census_asleep(); /* the one who calls is awake */
            s.wanted = atomic_load(&s.started);
            free(w);
        }
    }
    atomic_store(&busy, false);
}

/* --- fibers --------------------------------------------------------------------------------------
 */

/* Cuts a new slab into fibers, whose records lie at the top of their stacks: a task that does
 * little costs one page. Under s.lock, which is released meanwhile. False: no memory. */
static bool add_slab(void)
{
    conc_lock_release(&s.lock);
    char *slab = conc_fiber_slab_map();
    size_t size = conc_fiber_stack_size();
    conc_lock_acquire(&s.lock);
    if (!slab)
        return false;
    size_t n = atomic_load(&s.slab_len);
    if (n == s.slab_room) {
        size_t room = n ? 2 * n : 64;
        char **slabs = malloc(room * sizeof *slabs);
        if (!slabs)
            return false;
        if (n)
            memcpy(slabs, s.slabs, n * sizeof *slabs);
        s.slabs = slabs; /* the old one stays: a reader may be in it; it is small */
        s.slab_room = room;
    }
    s.slabs[n] = slab;
    atomic_store(&s.slab_len, n + 1);
    for (size_t i = CONC_STACKS_A_SLAB; i-- > 0;) {
        uintptr_t top = (uintptr_t)(slab + (i + 1) * size);
        struct fiber *fiber = (struct fiber *)((top - sizeof *fiber) & ~(uintptr_t)63);
        fiber->stack = slab + i * size;
        fiber->stack_size = (size_t)((char *)fiber - fiber->stack);
        fiber->next = s.free;
        s.free = fiber;
    }
    return true;
}

static struct fiber *take_free(struct worker *w)
{
    struct fiber *fiber = w ? w->free : NULL;
    if (fiber) {
        w->free = fiber->next;
        w->free_len--;
        return fiber;
    }
    conc_lock_acquire(&s.lock);
    while (!s.free)
        if (!add_slab())
            break;
    fiber = s.free;
    if (fiber)
        s.free = fiber->next;
    for (int i = 0; w && fiber && s.free && i < FREE_FIBERS / 4; i++) {
        struct fiber *more = s.free;
        s.free = more->next;
        more->next = w->free;
        w->free = more;
        w->free_len++;
    }
    conc_lock_release(&s.lock);
    return fiber;
}

static void give_free(struct worker *w, struct fiber *fiber)
{
    if (w && w->free_len < FREE_FIBERS) {
        fiber->next = w->free;
        w->free = fiber;
        w->free_len++;
        return;
    }
    conc_lock_acquire(&s.lock);
    fiber->next = s.free;
    s.free = fiber;
    for (int i = 0; w && i < FREE_FIBERS / 2; i++) {
        struct fiber *more = w->free;
        w->free = more->next;
        w->free_len--;
        more->next = s.free;
        s.free = more;
    }
    conc_lock_release(&s.lock);
}

static int fibers_create(struct conc_task **task)
{
    struct fiber *fiber = conc_fault_alloc_now() ? NULL : take_free(own_worker());
    if (!fiber)
        return ENOMEM;
    __tsan_acquire(fiber);
    memset(&fiber->task, 0, sizeof fiber->task);
    atomic_store_explicit(&fiber->state, 0, memory_order_relaxed);
    atomic_store_explicit(&fiber->off, false, memory_order_relaxed);
    fiber->sole = false;
    fiber->pinned = NULL;
    fiber->timer.link = NULL;
    *task = &fiber->task;
    return 0;
}

static int fibers_start(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    conc_fiber_prepare(&fiber->context, fiber->stack, fiber, fiber_main, fiber);
    fiber->tsan = __tsan_create_fiber(0);
    atomic_store_explicit(&fiber->live, true, memory_order_relaxed);
    __tsan_release(fiber);
    make_ready(own_worker(), fiber);
    return 0;
}

/* Its end is told while it is still on its stack, for some nanoseconds. */
static void fibers_reap(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    while (!atomic_load_explicit(&fiber->off, memory_order_acquire))
        pause_core();
}

static void fibers_destroy(struct conc_task *task)
{
    struct fiber *fiber = fiber_of(task);
    atomic_store_explicit(&fiber->live, false, memory_order_relaxed); /* one that never started */
    give_free(own_worker(), fiber);
}

static __attribute__((noreturn)) void fibers_exit(struct conc_task *self)
{
    fiber_end(fiber_of(self));
    abort();
}

/* --- blocking calls ------------------------------------------------------------------------------
 */

/* A call that a thread of the off-load pool makes for a fiber. On the fiber's stack. */
struct job {
    void (*fn)(void *);
    void *arg;
    struct conc_task *task;
    struct job *next;
};

/* Threads for calls that block in the kernel: one more when all are busy, one less after a second
 * of idleness. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct job *head;
    struct job *tail;
    int idle;
    int waiting; /* jobs in the list */
} offload = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void do_job(struct job *job)
{
    job->fn(job->arg);
    conc_unpark(job->task); /* the job is gone afterwards */
}

static void *offload_main(void *arg)
{
    do_job(arg);
    pthread_mutex_lock(&offload.mutex);
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        int rc = 0;
        offload.idle++;
        while (!offload.head && rc == 0)
            rc = pthread_cond_timedwait(&offload.more, &offload.mutex, &until);
        offload.idle--;
        struct job *job = offload.head;
        if (!job)
            break;
        offload.head = job->next;
        if (!offload.head)
            offload.tail = NULL;
        offload.waiting--;
        pthread_mutex_unlock(&offload.mutex);
        do_job(job);
        pthread_mutex_lock(&offload.mutex);
    }
    pthread_mutex_unlock(&offload.mutex);
    conc_census_thread_removed();
    return NULL;
}

static void fibers_blocking(void (*fn)(void *), void *arg)
{
    struct conc_task *self = conc_task_self();
    struct job job = {.fn = fn, .arg = arg, .task = self};
    conc_census_awake(); /* the thread that makes the call */
    pthread_mutex_lock(&offload.mutex);
    bool idle = offload.idle > offload.waiting;
    if (idle) {
        *(offload.tail ? &offload.tail->next : &offload.head) = &job;
        offload.tail = &job;
        offload.waiting++;
        pthread_cond_signal(&offload.more);
    }
    pthread_mutex_unlock(&offload.mutex);
    bool handed = idle;
    if (!idle) {
        pthread_t thread;
        conc_census_thread_added();
        handed = pthread_create(&thread, NULL, offload_main, &job) == 0;
        if (handed)
            pthread_detach(thread);
        else
            conc_census_thread_removed();
    }
    static const struct conc_wait_info info = {"for a blocking call", NULL, NULL};
    if (handed)
        conc_park(NULL, CONC_FOREVER, &info);
    else
        fn(arg); /* no thread to be had: slower for the others, but right */
    (void)conc_census_asleep();
}

/* --- file descriptors ----------------------------------------------------------------------------
 */

/* A fiber that waits for a descriptor. On its stack. */
struct fd_wait {
    struct fiber *fiber;
    short revents; /* under the mutex; the poller's */
};

/* One epoll for all, and a thread that sleeps in it from the first wait on. An event carries the
 * number and the generation of a place in the table: one that comes late finds the place used anew,
 * or empty, and is ignored. */
static struct {
    pthread_mutex_t mutex; /* guards the table */
    struct place {
        struct fd_wait *wait; /* NULL: free */
        uint32_t generation;
        uint32_t next_free; /* + 1; 0: the last */
    } * table;
    uint32_t room;
    uint32_t first_free; /* + 1; 0: none */
    int epoll_fd;        /* 0: not made yet */
} fds = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *poller_main(void *unused)
{
    (void)unused;
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(fds.epoll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct fiber *ready = NULL;
            pthread_mutex_lock(&fds.mutex);
            struct place *place = &fds.table[(uint32_t)events[i].data.u64];
            if (place->wait && place->generation == (uint32_t)(events[i].data.u64 >> 32)) {
                place->wait->revents = (short)events[i].events;
                struct fiber *fiber = place->wait->fiber;
                if (signal_fiber(fiber, READY)) /* under the mutex: it cannot go on meanwhile */
                    ready = fiber;
            }
            pthread_mutex_unlock(&fds.mutex);
            if (ready)
                make_ready(NULL, ready);
        }
    }
    return NULL;
}

/* Under the mutex. 0, or an error. */
static int start_poller(void)
{
    if (fds.epoll_fd > 0)
        return 0;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return errno;
    fds.epoll_fd = epoll_fd;
    pthread_t thread;
    conc_census_thread_added();
    int rc = pthread_create(&thread, NULL, poller_main, NULL);
    if (rc == 0) {
        pthread_detach(thread);
        return 0;
    }
    conc_census_thread_removed();
    close(epoll_fd);
    fds.epoll_fd = 0;
    return rc;
}

/* Takes a place in the table. Under the mutex. */
static int take_place(struct fd_wait *wait, uint32_t *number)
{
    if (fds.first_free == 0) {
        uint32_t room = fds.room ? 2 * fds.room : 64;
        struct place *table = realloc(fds.table, room * sizeof *table);
        if (!table)
            return ENOMEM;
        for (uint32_t i = fds.room; i < room; i++)
            table[i] = (struct place){.next_free = i + 1 < room ? i + 2 : 0};
        fds.first_free = fds.room + 1;
        fds.table = table;
        fds.room = room;
    }
    *number = fds.first_free - 1;
    struct place *place = &fds.table[*number];
    fds.first_free = place->next_free;
    place->wait = wait;
    place->generation++;
    return 0;
}

/* Enters the descriptor into the epoll: as a copy, if another fiber has it in there already. *own
 * is the descriptor entered. Under the mutex. */
static int enter_fd(int fd, short events, uint32_t number, int *own)
{
    struct epoll_event event = {
        .events = (uint32_t)(unsigned short)events | EPOLLONESHOT,
        .data.u64 = (uint64_t)fds.table[number].generation << 32 | number,
    };
    *own = fd;
    if (epoll_ctl(fds.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    *own = dup(fd);
    if (*own < 0)
        return errno;
    return epoll_ctl(fds.epoll_fd, EPOLL_CTL_ADD, *own, &event) == 0 ? 0 : errno;
}

static int poll_now(int fd, short events, short *revents)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, 0);
    if (n < 0 && errno != EINTR)
        return errno;
    if (n <= 0)
        return ETIMEDOUT;
    if (p.revents & POLLNVAL)
        return EBADF;
    *revents = p.revents;
    return 0;
}

static int fibers_park_fd(struct conc_task *self, struct conc_lock *held, int fd, short events,
    short *revents, int64_t deadline_ns)
{
    int saved_errno = errno;
    struct fiber *fiber = fiber_of(self);
    struct fd_wait wait = {.fiber = fiber};
    uint32_t number = 0;
    int own = -1;
    int bits = 0;
    *revents = 0;
    if (held)
        conc_lock_release(held);
    int rc = poll_now(fd, events, revents);
    if (rc != ETIMEDOUT || deadline_ns <= now_ns()) {
        errno = saved_errno;
        return rc;
    }
    pthread_mutex_lock(&fds.mutex);
    rc = start_poller();
    if (rc == 0)
        rc = take_place(&wait, &number);
    bool placed = rc == 0;
    if (placed)
        rc = enter_fd(fd, events, number, &own);
    pthread_mutex_unlock(&fds.mutex);

    if (rc == EPERM) {
        *revents = events; /* a regular file is always ready */
        rc = 0;
    } else if (rc == 0) {
        conc_census_awake(); /* the descriptor may wake us */
        bits = park_for(fiber, NULL, deadline_ns);
        (void)conc_census_asleep();
    }
    if (placed) {
        pthread_mutex_lock(&fds.mutex);
        struct place *place = &fds.table[number];
        place->wait = NULL;
        place->next_free = fds.first_free;
        fds.first_free = number + 1;
        if (own >= 0)
            epoll_ctl(fds.epoll_fd, EPOLL_CTL_DEL, own, NULL);
        pthread_mutex_unlock(&fds.mutex);
        if (own >= 0 && own != fd)
            close(own);
    }
    bits |= atomic_exchange(&fiber->state, 0); /* what came until the place was given back */
    if (wait.revents) {
        *revents = wait.revents;
        if (bits & TOKEN)
            atomic_fetch_or(&fiber->state, TOKEN); /* for the park to come */
    } else if (rc == 0 && *revents == 0 && !(bits & TOKEN)) {
        rc = ETIMEDOUT;
    }
    errno = saved_errno;
    return rc;
}

/* --- overflow ------------------------------------------------------------------------------------
 */

/* A fault in the guard of a stack is said to be what it is; any other is left to the system. */
static void fault(int signo, siginfo_t *info, void *context)
{
    (void)context;
    size_t slabs = atomic_load(&s.slab_len);
    size_t place;
    for (size_t i = 0; i < slabs; i++) {
        if (!conc_fiber_in_guard(s.slabs[i], info->si_addr, &place))
            continue;
        static const char message[] =
            "conc: a task has overflowed its stack; CONC_STACK=KIB gives all of them more\n";
        ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
        (void)ignored;
        conc_census_print(STDERR_FILENO);
        break;
    }
    signal(signo, SIG_DFL); /* the instruction faults again when we return */
}

/* The handler cannot run on the stack that has overflowed: each worker thread has one for signals.
 */
static void give_signal_stack(void)
{
    enum { SIZE = 32768 };
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE))
        return;
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    stack = (stack_t){.ss_sp = memory, .ss_size = SIZE};
    sigaltstack(&stack, NULL);
}

static void catch_overflow(void)
{
    struct sigaction old;
    if (sigaction(SIGSEGV, NULL, &old) != 0 || old.sa_handler != SIG_DFL)
        return; /* a sanitizer's, or the program's own */
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
}

/* --- the engine ----------------------------------------------------------------------------------
 */

static void init(void)
{
    const char *wish = getenv("CONC_WORKERS");
    long n = wish ? strtol(wish, NULL, 10) : 0;
    cpu_set_t set;
    if (n < 1)
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    s.wanted = n > MAX_WORKERS ? MAX_WORKERS : (int)n;
    s.no_membarrier = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
}

static void scheduler_main(void *arg)
{
    struct worker *w = arg;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    finish_switch();
    schedule(w);
    abort(); /* the main thread's scheduler ends with the process */
}

struct conc_task *conc_fibers_adopt_main(void)
{
    static struct fiber main_fiber;
    init();
    struct worker *w = new_worker();
    struct fiber *scheduler = w ? take_free(NULL) : NULL;
    if (!scheduler) {
        fputs("conc: no memory for the first worker\n", stderr);
        abort();
    }
    tls_worker = w;
    w->scheduler_bottom = scheduler->stack;
    w->scheduler_size = scheduler->stack_size;
    w->scheduler_tsan = __tsan_create_fiber(0);
    conc_fiber_prepare(&w->scheduler, scheduler->stack, scheduler, scheduler_main, w);
    main_fiber.task.engine = &conc_engine_fibers;
    main_fiber.pinned = w;
    main_fiber.tsan = __tsan_get_current_fiber();
    find_own_stack(&main_fiber.stack, &main_fiber.stack_size);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    w->current = &main_fiber;
    w->thread = pthread_self();
    enter_worker(w);
    give_signal_stack();
    catch_overflow();
    return &main_fiber.task;
}

void conc_fibers_stop(void)
{
    atomic_store(&s.stopping, true);
    int n = atomic_load(&s.started);
    for (int i = 0; i < n; i++)
        wake_worker(s.workers[i]);
    for (int i = 0; i < n; i++)
        if (!pthread_equal(s.workers[i]->thread, pthread_self()))
            pthread_join(s.workers[i]->thread, NULL);
}

static size_t fibers_tasks(void (*visit)(const struct conc_task *task, void *arg), void *arg)
{
    size_t n = 0;
    size_t slabs = atomic_load(&s.slab_len);
    size_t size = conc_fiber_stack_size();
    for (size_t i = 0; i < slabs; i++) {
        for (size_t k = 0; k < CONC_STACKS_A_SLAB; k++) {
            uintptr_t top = (uintptr_t)(s.slabs[i] + (k + 1) * size);
            const struct fiber *fiber =
                (const struct fiber *)((top - sizeof *fiber) & ~(uintptr_t)63);
            if (!atomic_load_explicit(&fiber->live, memory_order_relaxed) || fiber->task.service)
                continue;
            n++;
            if (visit)
                visit(&fiber->task, arg);
        }
    }
    return n;
}

const struct conc_engine conc_engine_fibers = {
    .name = "fibers",
    .create = fibers_create,
    .start = fibers_start,
    .reap = fibers_reap,
    .destroy = fibers_destroy,
    .exit = fibers_exit,
    .park = fibers_park,
    .unpark = fibers_unpark,
    .park_fd = fibers_park_fd,
    .yield = fibers_yield,
    .now_ns = now_ns,
    .blocking = fibers_blocking,
    .tasks = fibers_tasks,
};
