/* SPDX-License-Identifier: MIT */

/*
 * Neighbours. On a virtual machine a processor's other hardware thread may belong to another guest,
 * who takes up to half of what the processor can do in a moment. The load does not show it; a loop
 * that keeps all units busy does, as long as it once ran alone. (What other processes of this
 * machine do is not seen so: who has slept is let in before them. For those there is the load.)
 */

#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/targets/compare.h"
#include "runtime/clock.h"
#include "runtime/cores.h"

enum { ROUNDS = 30000, LOOKS = 3, FIRST_LOOKS = 100, MOST_CORES = 8, PAUSE_MS = 5 };

/* For a wait; and how many waits in vain say that the cores have become slower for good. */
enum { PATIENCE_MS = 300, IN_VAIN = 100 };

/* As much longer than at best as still counts as alone. */
static const double alone = 1.1;

static int64_t best_ns[MOST_CORES]; /* 0: not known */
static int in_vain;                 /* waits, in a row */

/* Four chains that do not wait for each other. */
static int64_t probe_ns(void)
{
    uint64_t chains[4] = {1, 2, 3, 4};
    int64_t began_ns = conc_machine_now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 4; k++) {
            chains[k] = (chains[k] ^ (chains[k] >> 3)) + 7;
            __asm__ volatile("" : "+r"(chains[k]));
        }
    }
    return conc_machine_now_ns() - began_ns;
}

/* On the core that we are on, the nth of ours. */
static bool quiet_here(int nth)
{
    int64_t took_ns = INT64_MAX;
    for (int looks = best_ns[nth] == 0 ? FIRST_LOOKS : LOOKS; looks > 0; looks--) {
        int64_t once_ns = probe_ns();
        took_ns = once_ns < took_ns ? once_ns : took_ns;
    }
    if (best_ns[nth] == 0 || took_ns < best_ns[nth])
        best_ns[nth] = took_ns;
    return (double)took_ns <= alone * (double)best_ns[nth];
}

/* On the first of the cores that we may use, one after the other. */
static bool quiet_now(const cpu_set_t *ours)
{
    bool quiet = true;
    int nth = 0;
    for (size_t core = 0; core < CPU_SETSIZE && nth < MOST_CORES && quiet; core++) {
        cpu_set_t one;
        if (!CPU_ISSET(core, ours))
            continue;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        sched_setaffinity(0, sizeof one, &one);
        quiet = quiet_here(nth++);
    }
    if (sched_setaffinity(0, sizeof *ours, ours) != 0)
        perror("conc-targets: sched_setaffinity, back to all cores");
    return quiet;
}

bool quiet_wait(void)
{
    cpu_set_t ours;
    if (sched_getaffinity(0, sizeof ours, &ours) != 0)
        return true;
    int64_t give_up_ns = conc_machine_now_ns() + CONC_MS(PATIENCE_MS);
    while (!quiet_now(&ours)) {
        if (conc_machine_now_ns() >= give_up_ns) {
            if (++in_vain % IN_VAIN == 0)
                for (int i = 0; i < MOST_CORES; i++)
                    best_ns[i] = 0;
            return false;
        }
        poll(NULL, 0, PAUSE_MS);
    }
    in_vain = 0;
    return true;
}

bool quiet_still(void)
{
    cpu_set_t ours;
    return sched_getaffinity(0, sizeof ours, &ours) != 0 || quiet_now(&ours);
}
