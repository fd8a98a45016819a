/* SPDX-License-Identifier: MIT */

/*
 * Neighbours. On a virtual machine a processor's other hardware thread may belong to another guest,
 * who takes up to half of what the processor can do. The load does not show it; a loop that keeps
 * all units busy does, as long as it once ran alone. (What other processes of this machine do is
 * not seen so: who has slept is let in before them. For those there is the load.)
 */

#define _GNU_SOURCE
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/targets/compare.h"
#include "runtime/cores.h"

enum { ROUNDS = 30000, LOOKS = 3, FIRST_LOOKS = 100 };

/* As much longer than at best as still counts as alone. */
static const double alone = 1.1;

/* A core was in use that had something to do for such a part of the time. */
static const double in_use = 0.2;

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

/* Whether the core that we are on is ours alone. The cores are taken to be of one kind, and their
 * clock to be steady: where it is not, a slower one looks the same as a shared one. */
static bool alone_here(void)
{
    static int64_t best_ns; /* 0: not known */
    int64_t took_ns = INT64_MAX;
    for (int looks = best_ns == 0 ? FIRST_LOOKS : LOOKS; looks > 0; looks--) {
        int64_t once_ns = probe_ns();
        took_ns = once_ns < took_ns ? once_ns : took_ns;
    }
    if (best_ns == 0 || took_ns < best_ns)
        best_ns = took_ns;
    return (double)took_ns <= alone * (double)best_ns;
}

static void look_at_neighbours(struct quiet *quiet)
{
    cpu_set_t ours;
    if (sched_getaffinity(0, sizeof ours, &ours) != 0)
        return;
    for (size_t core = 0; core < QUIET_CORES; core++) {
        cpu_set_t one;
        if (!CPU_ISSET(core, &ours))
            continue;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        if (sched_setaffinity(0, sizeof one, &one) == 0 && !alone_here())
            quiet->disturbed[core] = true;
    }
    if (sched_setaffinity(0, sizeof ours, &ours) != 0)
        perror("conc-targets: sched_setaffinity, back to all cores");
}

/* How long each core has had nothing to do: proc_stat(5). Where that cannot be read all counts as
 * in use. */
static void read_idle(double idle_ns[QUIET_CORES])
{
    FILE *file = fopen("/proc/stat", "r");
    char line[512];
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    while (file && fgets(line, sizeof line, file)) {
        int core;
        uint64_t idle, waits;
        if (sscanf(line, "cpu%d %*u %*u %*u %" SCNu64 " %" SCNu64, &core, &idle, &waits) == 3 &&
            core >= 0 && core < QUIET_CORES)
            idle_ns[core] = (double)(idle + waits) * tick_ns;
    }
    if (file)
        fclose(file);
}

void quiet_begin(struct quiet *quiet)
{
    *quiet = (struct quiet){.began_ns = 0};
    look_at_neighbours(quiet);
    read_idle(quiet->idle_ns);
    quiet->began_ns = conc_machine_now_ns();
}

bool quiet_end(struct quiet *quiet)
{
    double idle_ns[QUIET_CORES] = {0};
    double span_ns = (double)(conc_machine_now_ns() - quiet->began_ns);
    read_idle(idle_ns);
    look_at_neighbours(quiet);
    for (int core = 0; core < QUIET_CORES; core++)
        if (quiet->disturbed[core] &&
            span_ns - (idle_ns[core] - quiet->idle_ns[core]) >= in_use * span_ns)
            return false;
    return true;
}
