/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_MACHINE_H
#define BENCH_BASELINES_MACHINE_H

/*
 * What this machine takes for that of which the rows are made: to compare it with the one on which
 * the targets were set, and to explain what is missed. 0 where it has but one core, or threads
 * cannot be started.
 */
struct machine {
    double locked_ns; /* a locked instruction on memory that nobody else wants */
    double line_ns;   /* a cache line, to another core and back */
    double wake_ns;   /* lost to threads that compute on all cores when one more wakes among them */
};

/* Takes about a third of a second. */
struct machine machine_measure(void);

#endif
