/* SPDX-License-Identifier: MIT */

/*
 * The workers of the fibers engine: threads that run fibers, steal them from each other, and sleep
 * when there are none.
 *
 * Waking a worker costs the waker some 6 microseconds and the woken 15, so it is done rarely. While
 * anybody works, one idle worker watches: it sleeps in short naps, looks at the queues of the
 * others and steals where tasks have to wait for long. Tasks that pass messages to and fro stay on
 * one core, where that is fastest; tasks that compute are spread within some tens of microseconds.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/fiber_hot_internal.h"
#include "runtime/fiber_stack.h"

struct fibers conc_fibers = {.next_deadline = CONC_FOREVER};

static _Thread_local struct worker *tls_worker __attribute__((tls_model("initial-exec")));

/* Never inlined: a fiber goes on on another thread after a switch, and a compiler may keep the
 * address of a thread-local across the call. */
__attribute__((noinline)) struct worker *conc_fiber_worker(void)
{
    __asm__ volatile("");
    return tls_worker;
}

/* --- stealing ------------------------------------------------------------------------------------
 */

/* False: the owner stays inside, which it does for nanoseconds unless it was preempted. */
static bool thief_enter(struct worker *w)
{
    if (!conc_lock_try_acquire(&w->thieves))
        return false;
    atomic_exchange(&w->thief_in, true);
    if (!conc_fibers.no_membarrier)
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
    int64_t now = conc_fiber_now_ns();
    int64_t span = now - look->at_ns;
    struct fiber *taken = NULL;
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++) {
        struct worker *victim = conc_fibers.workers[i];
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

/* --- waking --------------------------------------------------------------------------------------
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
        atomic_fetch_sub(&conc_fibers.sleepers, 1);
    else
        (void)conc_census_asleep(); /* somebody was faster, and has counted it */
    return claimed;
}

bool conc_fiber_wake(struct worker *w)
{
    if (!claim_sleeper(w))
        return false;
    atomic_store(&w->wake, 1);
    futex_wake(&w->wake);
    return true;
}

static void start_worker(void);

/* Wakes one idle worker, or starts one more where there are fewer than wanted. */
void conc_fiber_wake_any(void)
{
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++)
        if (conc_fiber_wake(conc_fibers.workers[i]))
            return;
    if (n < conc_fibers.wanted)
        start_worker();
}

void conc_fiber_inject(struct fiber *fiber)
{
    conc_lock_acquire(&conc_fibers.lock);
    queue_push(&conc_fibers.inject, fiber);
    conc_lock_release(&conc_fibers.lock);
    atomic_thread_fence(memory_order_seq_cst); /* against a worker that says "asleep" and looks */
    if (atomic_load(&conc_fibers.sleepers) > 0 ||
        atomic_load(&conc_fibers.started) < conc_fibers.wanted)
        conc_fiber_wake_any();
}

struct fiber *conc_fiber_take_injected(void)
{
    if (queue_len(&conc_fibers.inject) == 0)
        return NULL;
    conc_lock_acquire(&conc_fibers.lock);
    struct fiber *fiber = queue_pop(&conc_fibers.inject);
    conc_lock_release(&conc_fibers.lock);
    return fiber;
}

/* --- idle workers --------------------------------------------------------------------------------
 */

static bool somebody_works(const struct worker *w)
{
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++)
        if (conc_fibers.workers[i] != w && !atomic_load(&conc_fibers.workers[i]->asleep))
            return true;
    return false;
}

static const int64_t LOOK_AGAIN_NS = 100000000;

/* Sleeps until woken or until the clock reaches `until_ns`. */
static void worker_sleep(struct worker *w, int64_t until_ns, bool watches)
{
    atomic_store(&w->wake, 0);
    atomic_store(&w->asleep, true);
    atomic_fetch_add(&conc_fibers.sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
    bool work = queue_len(&conc_fibers.inject) > 0 || atomic_load(&w->pinned_ready) ||
                (watches && atomic_load(&conc_fibers.next_deadline) < until_ns) ||
                atomic_load(&conc_fibers.stopping);
    /* The last to fall asleep looks for a deadlock, again and again while there are threads that
     * conc does not know. */
    if (conc_census_asleep() && !work && !conc_census_check_deadlock())
        until_ns = conc_time_add(conc_fiber_now_ns(), LOOK_AGAIN_NS);
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
    conc_fiber_timers_fire(w);
    struct fiber *fiber = pick(w);
    if (!fiber)
        fiber = conc_fiber_take_injected();
    return fiber ? fiber : steal(w, look);
}

/* Waits until there is a fiber for this worker, and returns it; NULL: the engine stops. */
static struct fiber *wait_for_work(struct worker *w)
{
    struct look look = {.at_ns = 0};
    bool watching = false;
    int64_t nap_ns = NAP_MIN_NS;
    struct fiber *fiber = NULL;
    int64_t spin_until = conc_fiber_now_ns() + (conc_fibers.wanted > 1 ? SPIN_NS : 0);
    while (!atomic_load(&conc_fibers.stopping) && !(fiber = find_work(w, &look))) {
        int64_t now = conc_fiber_now_ns();
        if (now < spin_until) {
            for (int i = 0; i < 20; i++)
                pause_core();
            continue;
        }
        if (!watching)
            watching = !atomic_exchange(&conc_fibers.watched, true);
        int64_t until = CONC_FOREVER;
        if (watching) {
            until = atomic_load(&conc_fibers.next_deadline);
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
        atomic_store(&conc_fibers.watched, false);
    return fiber;
}

/* Enters a fiber from the scheduler's own stack and returns when there is nothing to run. */
static void run(struct worker *w, struct fiber *fiber)
{
    unsigned long n = atomic_load_explicit(&w->switches, memory_order_relaxed);
    atomic_store_explicit(&w->switches, n + 1, memory_order_relaxed);
    w->current = fiber;
    conc_task_current_set(&fiber->task);
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

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    tls_worker = w;
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    char *bottom;
    conc_fiber_own_stack(&bottom, &w->scheduler_size);
    w->scheduler_bottom = bottom;
    w->scheduler_tsan = __tsan_get_current_fiber();
    conc_fiber_signal_stack();
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
    w->number = atomic_load(&conc_fibers.started);
    conc_fibers.workers[w->number] = w;
    conc_census_awake();
    conc_census_thread_added();
    atomic_store(&conc_fibers.started, w->number + 1);
}

/* One thread more, if there are not enough. Without memory or threads the others do the work. */
static void start_worker(void)
{
    static atomic_bool busy; /* one at a time; the lock must not be held across a thread's start */
    if (atomic_exchange(&busy, true))
        return;
    struct worker *w = atomic_load(&conc_fibers.started) < conc_fibers.wanted ? new_worker() : NULL;
    if (w) {
        enter_worker(w);
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            atomic_fetch_sub(&conc_fibers.started, 1);
            conc_census_thread_removed();
            (void)conc_census_asleep(); /* the one who calls is awake */
            conc_fibers.wanted = atomic_load(&conc_fibers.started);
            free(w);
        }
    }
    atomic_store(&busy, false);
}

static void init(void)
{
    const char *wish = getenv("CONC_WORKERS");
    long n = wish ? strtol(wish, NULL, 10) : 0;
    cpu_set_t set;
    if (n < 1)
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    conc_fibers.wanted = n > MAX_WORKERS ? MAX_WORKERS : (int)n;
    conc_fibers.no_membarrier =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
}

static void scheduler_main(void *arg)
{
    struct worker *w = arg;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    finish_switch();
    schedule(w);
    abort(); /* the main thread's scheduler ends with the process */
}

void conc_fiber_first_worker(struct fiber *fiber)
{
    init();
    struct worker *w = new_worker();
    struct fiber *scheduler = w ? conc_fiber_take_free(NULL) : NULL;
    if (!scheduler) {
        fputs("conc: no memory for the first worker\n", stderr);
        abort();
    }
    tls_worker = w;
    w->scheduler_bottom = scheduler->stack;
    w->scheduler_size = scheduler->stack_size;
    w->scheduler_tsan = __tsan_create_fiber(0);
    conc_fiber_prepare(&w->scheduler, scheduler->stack, scheduler, scheduler_main, w);
    fiber->pinned = w;
    conc_fiber_own_stack(&fiber->stack, &fiber->stack_size);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    w->current = fiber;
    w->thread = pthread_self();
    enter_worker(w);
    conc_fiber_signal_stack();
}

void conc_fiber_stop_workers(void)
{
    atomic_store(&conc_fibers.stopping, true);
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++)
        conc_fiber_wake(conc_fibers.workers[i]);
    for (int i = 0; i < n; i++)
        if (!pthread_equal(conc_fibers.workers[i]->thread, pthread_self()))
            pthread_join(conc_fibers.workers[i]->thread, NULL);
}
