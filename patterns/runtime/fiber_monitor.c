/* SPDX-License-Identifier: MIT */

/*
 * The monitor of the fibers engine: a thread that looks, every few milliseconds and only while some
 * task runs, whether one of them holds others up. A worker that runs the same task as at the last
 * look, and has others waiting,
 *
 *   - is helped, if workers sleep: one is woken, to steal what waits or to see to the timers;
 *   - is asked to let others run, which the task does at its next conc_checkpoint;
 *   - is named on stderr, after CONC_STUCK_MS in which neither has helped. If no worker sleeps, and
 *     CONC_WORKERS does not say how many there are to be, one more is started for those that wait.
 *
 * When all workers have slept for a while, so does the monitor, until a worker has work again: an
 * idle program uses no processor.
 */

#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/fiber_hot_internal.h"

static const int64_t LOOK_EVERY_NS = 5000000;
enum { REST_AFTER_LOOKS = 20, NOTICES = 10 };

struct waiting {
    const struct fiber *queued;
    const struct fiber *next;
    const struct fiber *injected;
    int64_t deadline;
    size_t n;
};

static struct {
    atomic_uint rests; /* futex word */
    atomic_bool begun;
    atomic_bool stop;
    bool runs;        /* fixed by begin */
    pthread_t thread; /* fixed by begin */
    int notices;      /* the monitor's, as are the two below */
    unsigned long picks[MAX_WORKERS];
    int64_t since_ns[MAX_WORKERS]; /* when its count of picks was first seen; 0: it idles */
    struct waiting first[MAX_WORKERS];
    int64_t first_since_ns[MAX_WORKERS]; /* when this one was first seen to wait */
} monitor;

/* Who waits for this worker, or for any: how many, and which come first. Others may take them
 * meanwhile; the pointers are for comparison alone. */
static struct waiting waiting_for(const struct worker *w, int64_t now)
{
    int64_t deadline = atomic_load_explicit(&conc_fibers.next_deadline, memory_order_relaxed);
    struct waiting waiting = {
        .queued = __atomic_load_n(&w->queue.head, __ATOMIC_RELAXED),
        .next = __atomic_load_n(&w->next_run, __ATOMIC_RELAXED),
        .injected = __atomic_load_n(&conc_fibers.inject.head, __ATOMIC_RELAXED),
        .deadline = deadline <= now ? deadline : CONC_FOREVER,
        .n = queue_len(&w->queue) + queue_len(&conc_fibers.inject),
    };
    waiting.n += waiting.next != NULL;
    waiting.n += deadline <= now;
    return waiting;
}

/* Whether the same ones come first. */
static bool nobody_has_gone(const struct waiting *a, const struct waiting *b)
{
    return a->queued == b->queued && a->next == b->next && a->injected == b->injected &&
           a->deadline == b->deadline;
}

/* Names the task that a worker has run for long, once. */
static void give_notice(int number, struct fiber *fiber, int64_t ran_ns, size_t waiting)
{
    if (fiber->noticed || monitor.notices == NOTICES)
        return;
    const struct conc_task *task = &fiber->task;
    const struct conc_site *started = task->started;
    char site[192] = "";
    if (started)
        snprintf(site, sizeof site, ", started at %s:%d in %s", started->file, started->line,
            started->function);
    char line[512];
    snprintf(line, sizeof line - 1,
        "conc: task %llu %s%s: has run for %.1f s without letting others run, and %zu %s. "
        "conc_checkpoint() in a long loop lets them, conc_blocking() for a call that blocks%s",
        (unsigned long long)task->id, atomic_load(&task->name), site, (double)ran_ns / 1e9, waiting,
        waiting == 1 ? "waits" : "wait",
        monitor.notices + 1 == NOTICES ? " (the last notice)" : "");
    strcat(line, "\n");
    atomic_thread_fence(memory_order_acquire); /* what was read above, and then the count */
    if (picks_of(conc_fibers.workers[number]) != monitor.picks[number])
        return; /* it has let others run meanwhile, and what was read may be of another task */
    fiber->noticed = true;
    monitor.notices++;
    ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
    (void)ignored;
}

/* Looks at all workers. False: all of them sleep. */
static bool look(void)
{
    bool awake = false;
    bool asked = false;
    int64_t now = conc_machine_now_ns();
    atomic_store_explicit(&conc_fibers.coarse_ns, now, memory_order_relaxed);
    int n = atomic_load(&conc_fibers.started);
    for (int i = 0; i < n; i++) {
        struct worker *w = conc_fibers.workers[i];
        awake |= !atomic_load(&w->asleep);
        conc_lock_bias_grant(&w->bias);
        struct fiber *fiber = atomic_load_explicit(&w->current, memory_order_acquire);
        unsigned long picks = picks_of(w);
        if (!fiber || monitor.since_ns[i] == 0 || picks != monitor.picks[i]) {
            monitor.picks[i] = picks;
            monitor.since_ns[i] = fiber ? now : 0;
            monitor.first[i].n = 0;
            monitor.first_since_ns[i] = now;
            atomic_store_explicit(&w->asked, false, memory_order_relaxed);
            continue;
        }
        struct waiting waiting = waiting_for(w, now);
        if (monitor.first[i].n == 0 || !nobody_has_gone(&waiting, &monitor.first[i])) {
            monitor.first[i] = waiting;
            monitor.first_since_ns[i] = now;
        }
        if (waiting.n == 0)
            continue;
        if (atomic_load(&conc_fibers.sleepers) > 0 && !atomic_load(&conc_fibers.watched))
            conc_fiber_wake_any();
        atomic_store_explicit(&w->asked, true, memory_order_relaxed);
        asked = true;
        int64_t held_up_ns = now - monitor.first_since_ns[i];
        if (conc_fibers.stuck_ns == 0 || held_up_ns < conc_fibers.stuck_ns)
            continue;
        give_notice(i, fiber, now - monitor.since_ns[i], waiting.n);
        if (atomic_load(&conc_fibers.sleepers) == 0) {
            conc_fiber_add_worker();
            monitor.first_since_ns[i] = now; /* it has as long to help */
        }
    }
    __atomic_store_n(&conc_checkpoint_asked, asked, __ATOMIC_RELAXED);
    return awake;
}

/* Sleeps until a worker has work again. A worker that begins says so before it looks whether the
 * monitor rests. */
static void rest(void)
{
    atomic_store(&monitor.rests, 1);
    int n = atomic_load(&conc_fibers.started);
    bool awake = atomic_load(&monitor.stop);
    for (int i = 0; i < n; i++)
        awake |= !atomic_load(&conc_fibers.workers[i]->asleep);
    while (!awake && atomic_load(&monitor.rests))
        syscall(SYS_futex, &monitor.rests, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    atomic_store(&monitor.rests, 0);
}

static void *monitor_main(void *unused)
{
    (void)unused;
    for (int idle = 0; !atomic_load(&monitor.stop);) {
        struct timespec nap = {.tv_nsec = LOOK_EVERY_NS};
        nanosleep(&nap, NULL);
        idle = look() ? 0 : idle + 1;
        if (idle >= REST_AFTER_LOOKS)
            rest();
    }
    return NULL;
}

void conc_fiber_monitor_wake(void)
{
    if (!atomic_load(&monitor.rests) || !atomic_exchange(&monitor.rests, 0))
        return;
    int saved_errno = conc_errno;
    syscall(SYS_futex, &monitor.rests, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    conc_errno = saved_errno;
}

void conc_fiber_monitor_begin(void)
{
    if (atomic_exchange(&monitor.begun, true))
        return;
    monitor.runs = conc_census_start_thread(&monitor.thread, monitor_main);
}

void conc_fiber_monitor_end(void)
{
    if (!monitor.runs)
        return;
    atomic_store(&monitor.stop, true);
    conc_fiber_monitor_wake();
    pthread_join(monitor.thread, NULL);
}
