/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/lock.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#if !CONC_LOCK_PTHREAD

#include <errno.h>
#include <time.h>

#include "runtime/cores.h"

/* Who finds the lock taken stays away for a while: whoever works with it on another core has its
 * cache line to itself meanwhile, and does in 20 ns each what takes 100 ns in turns. Then we
 * look for the release, about a microsecond, the length of a few critical sections. A lock held for
 * longer has a holder that was preempted; then we sleep, as short as the kernel can. Tried and
 * worse with eight threads on two cores, by a factor of three and more: a futex, which makes every
 * release a second locked instruction and many of them a system call; sched_yield, which sends the
 * waiters round in circles. */
enum { AWAY_NS = 600, SPINS = 40, NAP_NS = 5000 };

static _Thread_local unsigned long contended;

unsigned long conc_lock_contended(void)
{
    return contended;
}

void conc_lock_acquire_slow(struct conc_lock *lock)
{
    int saved_errno = errno;
    int spins = conc_cores() > 1 ? SPINS : 0; /* with one the holder cannot run meanwhile */
    contended++;
    for (;;) {
        bool others_ran = conc_sim_wait_lock(lock); /* on sim the holder is on our own thread */
        if (spins > 0 && !others_ran)
            conc_core_wait(AWAY_NS);
        for (int i = 0; i < spins && !others_ran; i++) {
            /* Look before the exchange: looking leaves the cache line with the holder. */
            if (!atomic_load_explicit(&lock->held, memory_order_relaxed))
                break;
            conc_core_pause();
        }
        if (conc_lock_try_acquire_raw(lock))
            break;
        if (!others_ran)
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
    errno = saved_errno;
}

#else

unsigned long conc_lock_contended(void)
{
    return 0;
}

#endif

/*
 * ---- the bias ----
 *
 * At most one worker is alone at a time, and only while it is the only busy one:
 *
 *   - a worker that becomes busy, and an outsider, end the loneliness of another before they take a
 *     lock. Ending it clears `alone` and then makes every core pass a barrier: the worker either
 *     was entering before, which is seen and waited for, or sees that it is no longer alone;
 *   - while an outsider is on its way into a lock, nobody becomes alone: each says what it does
 *     before it looks what the other does, so one of the two sees the other.
 *
 * After J. Kawachiya, A. Koseki, T. Onodera, Lock Reservation (2002), with the barrier of the
 * kernel (membarrier) in the place of a stopped thread.
 */

CONC_THREAD_LOCAL_DEFINE(struct conc_lock_bias *, conc_lock_bias);

atomic_bool conc_lock_biased = CONC_LOCK_BIASED;

static struct conc_lock guard = CONC_LOCK_INIT;    /* of all below, but for outsiders */
static int busy;                                   /* workers that run tasks */
static bool disturbed;                             /* since the last grant */
static _Atomic(struct conc_lock_bias *) alone_one; /* changed under the guard */
static atomic_int outsiders;                       /* on their way into a lock */

/* Under the guard, as the next. */
static void end_alone(void)
{
    struct conc_lock_bias *bias = atomic_load(&alone_one);
    if (!bias)
        return;
    disturbed = true;
    atomic_store(&bias->alone, false);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    /* A few instructions, unless the worker was taken off its core. */
    while (atomic_load_explicit(&bias->entering, memory_order_acquire))
        sched_yield();
    atomic_store(&alone_one, NULL);
}

static void be_alone(struct conc_lock_bias *bias)
{
    atomic_store(&alone_one, bias);
    if (atomic_load(&outsiders) == 0)
        atomic_store_explicit(&bias->alone, true, memory_order_release);
    else
        atomic_store(&alone_one, NULL);
}

static bool is_biased(void)
{
    return atomic_load_explicit(&conc_lock_biased, memory_order_relaxed);
}

void conc_lock_bias_busy(struct conc_lock_bias *bias)
{
    if (!is_biased())
        return;
    conc_lock_acquire_raw(&guard);
    end_alone();
    bias->busy = true;
    if (++busy == 1 && !disturbed)
        be_alone(bias);
    conc_lock_release(&guard);
}

void conc_lock_bias_idle(struct conc_lock_bias *bias)
{
    if (!bias->busy) /* its own word, and it has not begun yet */
        return;
    conc_lock_acquire_raw(&guard);
    if (atomic_load(&alone_one) == bias) {
        atomic_store_explicit(&bias->alone, false, memory_order_relaxed);
        atomic_store(&alone_one, NULL);
    }
    bias->busy = false;
    busy--;
    conc_lock_release(&guard);
}

void conc_lock_bias_grant(struct conc_lock_bias *bias)
{
    if (!is_biased() || atomic_load_explicit(&bias->alone, memory_order_relaxed))
        return;
    conc_lock_acquire_raw(&guard);
    disturbed = false;
    if (busy == 1 && bias->busy && !atomic_load(&alone_one))
        be_alone(bias);
    conc_lock_release(&guard);
}

void conc_lock_acquire_outside(struct conc_lock *lock)
{
    atomic_fetch_add(&outsiders, 1);
    if (atomic_load(&alone_one)) {
        conc_lock_acquire_raw(&guard);
        end_alone();
        conc_lock_release(&guard);
    }
    conc_lock_acquire_raw(lock);
    atomic_fetch_sub(&outsiders, 1);
}
