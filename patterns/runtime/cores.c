/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>

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
