/* SPDX-License-Identifier: MIT */

/* The clock, and work that takes a known time. */

#include "bench/shim/harness.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

static uint64_t work_steps(uint64_t x, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        x ^= x >> 29;
    }
    return x;
}

static double steps_per_ns = 0.5;

namespace harness
{

double seconds_since(int64_t start_ns)
{
    return static_cast<double>(bench_now_ns() - start_ns) * 1e-9;
}

/* The fastest of several tries: an interruption can only make one slower. */
void calibrate_work()
{
    const uint64_t steps = 200000;
    int64_t best = INT64_MAX;
    for (int i = 0; i < 9; i++) {
        int64_t start = bench_now_ns();
        benchmark::DoNotOptimize(work_steps(static_cast<uint64_t>(start), steps));
        best = std::min(best, bench_now_ns() - start);
    }
    steps_per_ns = static_cast<double>(steps) / static_cast<double>(std::max<int64_t>(best, 1));
}

} // namespace harness

int64_t bench_now_ns(void)
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

uint64_t bench_work_ns(uint64_t seed, int64_t ns)
{
    if (ns <= 0)
        return seed;
    return work_steps(seed, static_cast<uint64_t>(static_cast<double>(ns) * steps_per_ns) + 1);
}
