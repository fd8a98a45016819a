/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/lock.h"

#if !CONC_LOCK_PTHREAD

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "runtime/cores.h"

/* How long to look for the release before sleeping: about a microsecond, the length of a few
 * critical sections. A lock held for longer has a holder that was preempted; then we sleep, as
 * short as the kernel can. Tried and worse with eight threads on two cores, by a factor of three
 * and more: a futex, which makes every release a second locked instruction and many of them a
 * system call; sched_yield, which sends the waiters round in circles. */
enum { SPINS = 40, NAP_NS = 5000 };

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
        for (int i = 0; i < spins && !others_ran; i++) {
            /* Look before the exchange: looking leaves the cache line with the holder. */
            if (!atomic_load_explicit(&lock->held, memory_order_relaxed))
                break;
            conc_core_pause();
        }
        if (conc_lock_try_acquire(lock))
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
