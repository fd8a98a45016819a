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
#include <signal.h>
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
#include "runtime/setting.h"

struct fibers conc_fibers = {.next_deadline = CONC_FOREVER};

CONC_THREAD_LOCAL_DEFINE(struct worker *, conc_fiber_worker);

/* --- stealing ------------------------------------------------------------------------------------
 */

/* False: the owner stays inside, which it does for nanoseconds unless it was preempted. */
static bool thief_enter(struct worker *w)
{
    if (!conc_lock_try_acquire_raw(&w->thieves))
        return false;
    atomic_fetch_or(&w->look_out, THIEF_IN);
    if (!conc_fibers.no_membarrier)
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    for (int i = 0; i < 1000; i++) {
        if (atomic_load_explicit(&w->turns, memory_order_acquire) % 2 == 0)
            return true;
        conc_core_pause();
    }
    atomic_fetch_and(&w->look_out, (unsigned char)~THIEF_IN);
    conc_lock_release(&w->thieves);
    return false;
}

static void thief_leave(struct worker *w)
{
    atomic_fetch_and(&w->look_out, (unsigned char)~THIEF_IN);
    conc_lock_release(&w->thieves);
}

/* Without a barrier of the thieves' the owner makes one of its own each time. */
void conc_fiber_enter_slowly(struct worker *w, unsigned long turns)
{
    for (;;) {
        atomic_exchange(&w->turns, turns + 1);
        if (!(atomic_load(&w->look_out) & THIEF_IN))
            return;
        atomic_store_explicit(&w->turns, turns, memory_order_release);
        while (atomic_load(&w->look_out) & THIEF_IN)
            conc_core_pause();
    }
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
    push_all_local(thief, &loot);
    return taken;
}

/* What a watcher remembers of the others between two looks. */
struct look {
    unsigned long picks[MAX_WORKERS];
    int64_t at_ns;
    bool still; /* nobody has switched since the look before, and nobody waits */
};

/* How long to look before judging. A theft interrupts the victim's core (a barrier): a worker that
 * starts tasks, one every few hundred nanoseconds, must not pay for each that is stolen. */
static const int64_t LOOK_NS = 30000;

/* How long a task may be expected to wait in another worker's queue before it is worth stealing. Of
 * tasks that compute as of tasks that pass messages each runs for microseconds; what tells them
 * apart is what comes of a theft. Where the thief then found locks taken again and again, it has
 * parted tasks that belong together, and a message takes five times as long. So it will be twice as
 * long before the next theft, and less again after one that was good. */
static const int64_t WORTH_MIN_NS = 30000;
static const int64_t WORTH_MAX_NS = 960000;
static const int64_t STRIFE_NS = 5000; /* a lock found taken so often */
static _Atomic(int64_t) worth_ns = WORTH_MIN_NS;

/* The caller has run what it stole last. */
static void judge_theft(struct worker *w, int64_t now)
{
    int64_t contended = (int64_t)(conc_lock_contended() - w->contended);
    int64_t worth = atomic_load_explicit(&worth_ns, memory_order_relaxed);
    int64_t span = now - w->stole_ns;
    if (w->stole_ns == 0)
        return;
    w->stole_ns = 0;
    if (contended * STRIFE_NS > span)
        worth = worth < WORTH_MAX_NS ? 2 * worth : worth;
    else if (span > worth)
        worth = worth > WORTH_MIN_NS ? worth / 2 : worth;
    atomic_store_explicit(&worth_ns, worth, memory_order_relaxed);
}

static struct fiber *note_theft(struct worker *w, int64_t now, struct fiber *taken)
{
    w->stole_ns = taken ? now : 0;
    w->contended = conc_lock_contended();
    return taken;
}

/* Looks at the queues of the others. Where the one that runs has run since the last look, or the
 * queue will take long at the pace seen, steals. */
static struct fiber *steal(struct worker *w, struct look *look)
{
    int64_t now = conc_machine_now_ns();
    int64_t span = now - look->at_ns;
    struct fiber *taken = NULL;
    if (span < LOOK_NS)
        return NULL;
    judge_theft(w, now);
    int64_t worth = atomic_load_explicit(&worth_ns, memory_order_relaxed);
    look->still = true;
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++) {
        struct worker *victim = conc_fibers.workers[i];
        if (victim == w)
            continue;
        unsigned long picks = picks_of(victim);
        unsigned long done = picks - look->picks[i];
        look->picks[i] = picks;
        if (atomic_load(&victim->asleep))
            continue;
        int64_t waiting = (int64_t)queue_len(&victim->queue);
        bool none = waiting == 0 && !__atomic_load_n(&victim->next_run, __ATOMIC_RELAXED);
        look->still = look->still && done == 0 && none;
        if (taken || none || span > CONC_S(1))
            continue;
        if (done == 0 && span >= worth)
            taken = steal_from(w, victim, true);
        else if (done > 0 && waiting * (span / (int64_t)done) > worth)
            taken = steal_from(w, victim, false);
    }
    look->at_ns = now;
    return note_theft(w, now, taken);
}

/* --- waking --------------------------------------------------------------------------------------
 */

static void futex_wake(atomic_uint *word)
{
    int saved_errno = conc_errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    conc_errno = saved_errno;
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
        conc_census_ends(); /* somebody was faster, and has counted it */
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
    if (n < atomic_load(&conc_fibers.wanted))
        start_worker();
}

void conc_fiber_inject(struct fiber *fiber)
{
    conc_lock_acquire_runtime(&conc_fibers.lock);
    queue_push(&conc_fibers.inject, fiber);
    conc_lock_release(&conc_fibers.lock);
    atomic_thread_fence(memory_order_seq_cst); /* against a worker that says "asleep" and looks */
    if (atomic_load(&conc_fibers.sleepers) > 0 ||
        atomic_load(&conc_fibers.started) < conc_fibers.wanted)
        conc_fiber_wake_any();
}

void conc_fiber_make_ready_slowly(
    struct worker *w, unsigned long turns, struct fiber *fiber, enum where where)
{
    if (!w) {
        conc_fiber_inject(fiber);
        return;
    }
    conc_fiber_enter_slowly(w, turns);
    put_ready(w, fiber, where);
    owner_leave(w, turns);
    backlog();
}

struct fiber *conc_fiber_take_injected(void)
{
    if (queue_len(&conc_fibers.inject) == 0)
        return NULL;
    conc_lock_acquire_runtime(&conc_fibers.lock);
    struct fiber *fiber = queue_pop(&conc_fibers.inject);
    conc_lock_release(&conc_fibers.lock);
    return fiber;
}

/* --- idle workers --------------------------------------------------------------------------------
 */

static bool must_leave(const struct worker *w)
{
    const struct worker *survivor = atomic_load(&conc_fibers.survivor);
    return survivor && survivor != w;
}

static bool somebody_works(const struct worker *w)
{
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++)
        if (conc_fibers.workers[i] != w && !atomic_load(&conc_fibers.workers[i]->asleep))
            return true;
    return false;
}

static const int64_t LOOK_AGAIN_NS = 100000000;

/* One that has said "asleep" and found work has been counted as awake all the while: if not, a
 * thread that has put it there could fall asleep as the last. */
static void stay_awake(struct worker *w)
{
    if (atomic_exchange(&w->asleep, false))
        atomic_fetch_sub(&conc_fibers.sleepers, 1);
    else
        (void)conc_census_asleep(); /* who claimed it has counted it once more */
}

/* Sleeps until woken or until the clock reaches `until_ns`. */
static void worker_sleep(struct worker *w, int64_t until_ns, bool keeps_time)
{
    atomic_store(&w->wake, 0);
    atomic_store(&w->asleep, true);
    atomic_fetch_add(&conc_fibers.sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
    bool work = queue_len(&conc_fibers.inject) > 0 ||
                (keeps_time && atomic_load(&conc_fibers.next_deadline) < until_ns) || must_leave(w);
    if (work) {
        stay_awake(w);
        return;
    }
    /* The last to fall asleep looks for a deadlock, again and again while there are threads that
     * conc does not know. */
    if (conc_census_asleep() && !conc_census_check_deadlock()) {
        int64_t again_ns = conc_time_add(conc_machine_now_ns(), LOOK_AGAIN_NS);
        until_ns = again_ns < until_ns ? again_ns : until_ns;
    }
#if CONC_TSAN
    /* TSan keeps a signal back until the thread makes a call that TSan knows, and a futex is none.
     */
    int64_t soon = conc_time_add(conc_machine_now_ns(), CONC_MS(10));
    until_ns = soon < until_ns ? soon : until_ns;
#endif
    struct timespec until = {until_ns / CONC_S(1), until_ns % CONC_S(1)};
    syscall(SYS_futex, &w->wake, FUTEX_WAIT_BITSET_PRIVATE, 0,
        until_ns == CONC_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    claim_sleeper(w); /* unless somebody has */
}

/* How long an idle worker looks on before it sleeps; its shortest and longest nap as a watcher, and
 * from where on it asks to be woken; and after how many naps, all of them idle, it rests. Resting
 * costs nothing, but a worker with a backlog has to wake the one that rests: so not at once. */
static const int64_t SPIN_NS = 10000;
static const int64_t NAP_MIN_NS = 20000;
static const int64_t NAP_LONG_NS = 150000;
static const int64_t NAP_MAX_NS = 1000000;
enum { REST_AFTER = 20 };

static struct fiber *find_work(struct worker *w, struct look *look)
{
    conc_fiber_timers_fire(w);
    struct fiber *fiber = pick(w);
    if (!fiber)
        fiber = conc_fiber_take_injected();
    return fiber ? fiber : steal(w, look);
}

/* Until when an idle worker that watches sleeps. Where it rests it gives up watching, before it
 * looks a last time whether it may: a worker that begins to work says so before it looks whether
 * anybody watches, so one of them sees the other. It does the same for a long nap while the others
 * do nothing but compute: the first task that one of them makes ready is to wake it, and if that
 * comes at this very moment it waits for the nap's end. Where tasks pass messages it naps on
 * undisturbed, or it would be woken for nothing again and again. */
static int64_t watch_until(
    struct worker *w, bool *watching, int64_t *nap_ns, int *idle_naps, bool still)
{
    int64_t now = conc_machine_now_ns();
    bool rests = !somebody_works(w) && *idle_naps >= REST_AFTER;
    if (rests || (still && *nap_ns >= NAP_LONG_NS)) {
        *watching = false;
        atomic_store(&conc_fibers.watched, false);
    }
    int64_t nap = NAP_MAX_NS;
    if (somebody_works(w)) {
        *idle_naps = 0;
        nap = *nap_ns;
        *nap_ns = nap < NAP_MAX_NS ? 2 * nap : nap;
    } else if (*watching) {
        ++*idle_naps;
        *nap_ns = NAP_MIN_NS;
    } else {
        nap = CONC_FOREVER;
    }
    int64_t until = conc_time_add(now, nap);
    int64_t deadline = atomic_load(&conc_fibers.next_deadline);
    return deadline < until ? deadline : until;
}

/* Waits until there is a fiber for this worker, and returns it; NULL: the engine stops. */
static struct fiber *wait_for_work(struct worker *w)
{
    conc_lock_bias_idle(&w->bias);
    struct look look = {.at_ns = 0};
    bool watching = false;
    int64_t nap_ns = NAP_MIN_NS;
    int idle_naps = 0;
    struct fiber *fiber = NULL;
    int64_t spin_until =
        conc_machine_now_ns() + (atomic_load(&conc_fibers.wanted) > 1 ? SPIN_NS : 0);
    while (!must_leave(w) && !(fiber = find_work(w, &look))) {
        if (conc_machine_now_ns() < spin_until) {
            for (int i = 0; i < 20; i++)
                conc_core_pause();
            continue;
        }
        if (!watching)
            watching = !atomic_exchange(&conc_fibers.watched, true);
        bool keeps_time = watching;
        int64_t until = CONC_FOREVER;
        if (keeps_time)
            until = watch_until(w, &watching, &nap_ns, &idle_naps, look.still);
        worker_sleep(w, until, keeps_time);
    }
    if (watching)
        atomic_store(&conc_fibers.watched, false);
    if (fiber)
        conc_lock_bias_busy(&w->bias);
    atomic_store_explicit(&conc_fibers.coarse_ns, conc_machine_now_ns(), memory_order_relaxed);
    conc_fiber_monitor_wake();
    return fiber;
}

void conc_fiber_finish_left(struct worker *w)
{
    struct fiber *left = w->left;
    w->left = NULL;
    int running = 0;
    if (w->left_because == YIELDS) {
        push_local(w, left);
        backlog();
    } else if (!atomic_compare_exchange_strong(&left->state, &running, PARKED)) {
        make_ready(w, left, NEXT); /* woken in between */
    }
}

/* Enters a fiber from the scheduler's own stack and returns when there is nothing to run. */
static void run(struct worker *w, struct fiber *fiber)
{
    struct conc_lock *held = switch_to(w, &w->scheduler, &w->scheduler_asan, fiber, NULL);
    __sanitizer_finish_switch_fiber(w->scheduler_asan, NULL, NULL);
    finish_switch(held);
}

static void schedule(struct worker *w)
{
    for (struct fiber *fiber; (fiber = wait_for_work(w));)
        run(w, fiber);
}

/* --- workers -------------------------------------------------------------------------------------
 */

/* The destructor of a thread-local of each worker's thread: comes when the thread has returned from
 * its scheduler, and when a fiber has called pthread_exit. Those that conc started end on their own
 * stacks (engine_fibers.c); so it is main who has left, and the worker goes on without. */
static void thread_ends(void *arg)
{
    struct worker *w = arg;
    struct fiber *left = w->current;
    if (!left)
        return;
    conc_census_remove(&left->task);
    conc_census_main_left();
    if (w->of_main) /* on main's stack, at its top */
        conc_fiber_leave(left);
    w->current = NULL; /* on the thread's own, at its top */
    conc_task_current_set(NULL);
    __tsan_switch_to_fiber(w->scheduler_tsan, 0);
    __sanitizer_start_switch_fiber(NULL, w->scheduler_bottom, w->scheduler_size);
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    const char *below = __builtin_frame_address(0); /* frames that nobody has returned from */
    __asan_unpoison_memory_region(
        w->scheduler_bottom, (size_t)(below - (const char *)w->scheduler_bottom));
    schedule(w);
}

static pthread_key_t worker_key; /* fixed by the first worker */

static void begin_worker(struct worker *w)
{
    conc_fiber_worker_set(w);
    conc_lock_bias_set(&w->bias);
    w->errno_at = &errno;
    w->thread = pthread_self();
    pthread_setspecific(worker_key, w);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* sleeps end when they should */
    conc_fiber_signal_stack();
}

/* Makes the worker known to the others. */
static void enter_worker(struct worker *w)
{
    int number = atomic_load(&conc_fibers.started);
    conc_fibers.workers[number] = w;
    atomic_store(&conc_fibers.started, number + 1);
}

static atomic_bool starting; /* some worker: one at a time */

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    begin_worker(w);
    char *bottom;
    conc_fiber_own_stack(&bottom, &w->scheduler_size);
    w->scheduler_bottom = bottom;
    w->scheduler_tsan = __tsan_get_current_fiber();
    enter_worker(w);
    atomic_store(&starting, false);
    schedule(w);
    return NULL;
}

static struct worker *new_worker(void)
{
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof *w);
    if (!w)
        return NULL;
    memset(w, 0, sizeof *w);
    conc_lock_init(&w->thieves);
    atomic_init(&w->look_out, conc_fibers.no_membarrier ? NO_BARRIER : 0);
    return w;
}

/* One thread more, if there are not enough. Without memory or threads the others do the work. */
static void start_worker(void)
{
    if (atomic_exchange(&starting, true))
        return;
    bool more = atomic_load(&conc_fibers.started) < atomic_load(&conc_fibers.wanted) &&
                !atomic_load(&conc_fibers.survivor);
    struct worker *w = more ? new_worker() : NULL;
    if (w) {
        pthread_t known_to_itself;
        conc_census_awake();
        conc_census_thread_added();
        int saved_errno = conc_errno;
        int rc = pthread_create(&known_to_itself, NULL, worker_main, w);
        conc_errno = saved_errno;
        if (rc == 0)
            return;
        conc_census_thread_removed();
        conc_census_ends();
        free(w);
    }
    if (more)
        atomic_store(&conc_fibers.wanted, atomic_load(&conc_fibers.started));
    atomic_store(&starting, false);
}

void conc_fiber_add_worker(void)
{
    int n = atomic_load(&conc_fibers.started);
    if (!conc_fibers.may_add || n >= MAX_WORKERS - 1)
        return;
    atomic_store(&conc_fibers.wanted, n + 1);
    start_worker();
}

void conc_fiber_init_workers(void)
{
    cpu_set_t set;
    long n = conc_setting("CONC_WORKERS", 1, MAX_WORKERS - 1, 0);
    conc_fibers.may_add = n == 0;
    if (n == 0)
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    conc_fibers.stuck_ns = CONC_MS(conc_setting("CONC_STUCK_MS", 0, 1000 * 1000 * 1000, 1000));
    atomic_store(&conc_fibers.wanted, n < MAX_WORKERS ? (int)n : MAX_WORKERS - 1);
    atomic_store(&conc_fibers.coarse_ns, conc_machine_now_ns());
    conc_fibers.no_membarrier =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
    if (conc_fibers.no_membarrier)
        atomic_store(&conc_lock_biased, false);
    if (pthread_key_create(&worker_key, thread_ends) != 0)
        abort();
}

static atomic_uint halted; /* futex word: the worker of main's thread has left its scheduler */

/* Main's thread ends with the process and not before. */
static void scheduler_main(void *arg, void *held)
{
    struct worker *w = arg;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    finish_switch(held);
    schedule(w);
    atomic_store(&halted, 1);
    futex_wake(&halted);
    for (;;)
        pause();
}

void conc_fiber_adopt_thread(struct fiber *fiber)
{
    struct worker *w = new_worker();
    if (!w) {
        fputs("conc: no memory for a worker\n", stderr);
        abort();
    }
    struct stack *scheduler = conc_fiber_new_stack();
    w->scheduler_bottom = scheduler->bottom;
    w->scheduler_size = scheduler->size;
    w->scheduler_tsan = __tsan_create_fiber(0);
    conc_fiber_prepare(&w->scheduler, scheduler->bottom, scheduler, scheduler_main, w);
    conc_fiber_own_stack(&fiber->stack->bottom, &fiber->stack->size);
    w->current = fiber;
    w->of_main = true;
    begin_worker(w);
    conc_lock_bias_busy(&w->bias);
    conc_census_awake();
    conc_census_thread_added();
    while (atomic_exchange(&starting, true))
        sched_yield();
    enter_worker(w);
    atomic_store(&starting, false);
}

void conc_fiber_stop_workers(void)
{
    struct worker *self = conc_fiber_worker_get();
    atomic_store(&conc_fibers.survivor, self);
    while (atomic_load(&starting))
        sched_yield();
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++) {
        struct worker *w = conc_fibers.workers[i];
        if (w == self)
            continue;
        conc_fiber_wake(w);
        if (!w->of_main)
            pthread_join(w->thread, NULL);
        while (w->of_main && !atomic_load(&halted))
            syscall(SYS_futex, &halted, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    conc_fiber_monitor_end();
}
