/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_EXPECTED_H
#define BENCH_BASELINES_EXPECTED_H

/*
 * What a run should have computed, for check functions. Work that is worth measuring is slow to
 * repeat, and a check runs after every run: so each answer is computed once and kept.
 */

#include <stdint.h>

/* compute(items, parameter), from memory after the first time. For one thread. */
uint64_t expected_result(
    uint64_t (*compute)(int64_t items, int64_t parameter), int64_t items, int64_t parameter);

#endif
