/* SPDX-License-Identifier: MIT */

/*
 * Neighbours. On a shared machine a processor's other hardware thread may belong to somebody else,
 * who takes up to half of what it can do in a moment. The load does not show it; a loop that keeps
 * all units busy does.
 */

#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <stdint.h>

#include "bench/targets/compare.h"
#include "runtime/clock.h"
#include "runtime/cores.h"

enum { ROUNDS = 100000, MOST_CORES = 8, PAUSE_MS = 5, PATIENCE_MS = 300 };

/* As much longer than at best as still counts as alone. */
static const double alone = 1.1;

static int64_t best_ns = INT64_MAX;
static int waits;
static int given_up;

/* Four chains that do not wait for each other. */
static int64_t probe_ns(void)
{
    uint64_t chains[4] = {1, 2, 3, 4};
    int64_t began_ns = conc_machine_now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 4; k++)
            chains[k] = (chains[k] ^ (chains[k] >> 3)) + 7;
        __asm__ volatile("" : : "r"(chains[0]), "r"(chains[1]), "r"(chains[2]), "r"(chains[3]));
    }
    int64_t took_ns = conc_machine_now_ns() - began_ns;
    if (took_ns < best_ns)
        best_ns = took_ns;
    return took_ns;
}

/* On all of the first cores that we may use, one after the other. */
static bool quiet_now(const cpu_set_t *ours)
{
    bool quiet = true;
    for (size_t core = 0, probed = 0; core < CPU_SETSIZE && probed < MOST_CORES; core++) {
        cpu_set_t one;
        if (!CPU_ISSET(core, ours))
            continue;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        sched_setaffinity(0, sizeof one, &one);
        quiet = (double)probe_ns() <= alone * (double)best_ns && quiet;
        probed++;
    }
    sched_setaffinity(0, sizeof *ours, ours);
    return quiet;
}

void quiet_wait(void)
{
    cpu_set_t ours;
    if (sched_getaffinity(0, sizeof ours, &ours) != 0)
        return;
    if (best_ns == INT64_MAX)
        for (int i = 0; i < PATIENCE_MS; i++)
            probe_ns();
    waits++;
    for (int ms = 0; !quiet_now(&ours); ms += PAUSE_MS) {
        if (ms >= PATIENCE_MS) {
            given_up++;
            return;
        }
        poll(NULL, 0, PAUSE_MS);
    }
}

double quiet_share(void)
{
    return waits > 0 ? 1 - (double)given_up / waits : 1;
}
