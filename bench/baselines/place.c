/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench/baselines/place.h"

#include <sched.h>

void team_place(int64_t worker)
{
    cpu_set_t all;
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    int64_t nth = worker % CPU_COUNT(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        sched_setaffinity(0, sizeof all, &all);
        return;
    }
}
