/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PLACE_H
#define BENCH_BASELINES_PLACE_H

#include <stdint.h>

/*
 * Puts the calling thread on the core that is the worker's, as far as there are enough, and then
 * leaves it to the kernel again. The kernel may start two threads on one core and part them at its
 * next look, milliseconds later: longer than many a run.
 */
void team_place(int64_t worker);

#endif
