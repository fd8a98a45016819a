/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/cores.h"

int conc_cores(void)
{
    static atomic_int cores; /* 0: not counted yet */
    int n = atomic_load_explicit(&cores, memory_order_relaxed);
    if (n == 0) {
        cpu_set_t set;
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
        atomic_store_explicit(&cores, n, memory_order_relaxed);
    }
    return n;
}

int64_t conc_machine_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return CONC_S(now.tv_sec) + now.tv_nsec;
}

void conc_core_wait(int64_t ns)
{
    for (int64_t until_ns = conc_machine_now_ns() + ns; conc_machine_now_ns() < until_ns;)
        conc_core_pause();
}
