/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/lock.h"

#if !CONC_LOCK_PTHREAD

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often to look before sleeping: about a microsecond, the length of a few critical sections. */
enum { SPINS = 40 };

/* With one core the holder cannot run while we spin. */
static bool several_cores(void)
{
    static atomic_int cores; /* 0: not counted yet */
    int n = atomic_load_explicit(&cores, memory_order_relaxed);
    if (n == 0) {
        cpu_set_t set;
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
        atomic_store_explicit(&cores, n, memory_order_relaxed);
    }
    return n > 1;
}

static inline void pause_core(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void conc_lock_acquire_slow(struct conc_lock *lock)
{
    int saved_errno = errno;
    if (several_cores()) {
        for (int i = 0; i < SPINS; i++) {
            if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
                conc_lock_try_acquire(lock))
                goto done;
            pause_core();
        }
    }
    /* Whoever gets the lock this way leaves 2 behind: there may be others asleep. */
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
done:
    errno = saved_errno;
}

/* The lock may be gone by now: then the address wakes nobody, or somebody who looks again. */
void conc_lock_wake(struct conc_lock *lock)
{
    int saved_errno = errno;
    syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

#else

/* ISO C forbids an empty translation unit. */
extern const int conc_lock_is_a_pthread_mutex;
const int conc_lock_is_a_pthread_mutex = 1;

#endif
