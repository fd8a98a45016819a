/* SPDX-License-Identifier: MIT */

/*
 * Runs, rounds and how many of them, on google-benchmark.
 *
 * Each round registers every case anew, in a new random order, with one repetition and manual time,
 * and runs them all. Rejected: the library's own random interleaving (--benchmark_enable_random_
 * interleaving). It shuffles all repetitions of all benchmarks in one heap, so it has no rounds:
 * the serial baseline may come in a bunch, a time limit cuts off some cases and not others, and
 * every case gets the same number of repetitions whatever it costs. Rounds of our own keep the
 * library's timing loop and reporter and need none of that. Nor do we use its threads (it divides
 * by them) or its processor time (the main thread's only).
 */

#include "bench/shim/harness.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

#include <unistd.h>

namespace harness
{

const struct plan plans[] = {
    {20, 10, 10, 60.0, 0.002},
    {20, 10, 3, 7.5, 0.001},
    {1, 1, 1, 1.0, 0.0},
};

/* The whole of one run. The time in nanoseconds, which means nothing when the case has failed. */
static double run_once(struct bench_case &c)
{
    const struct bench_workload *w = c.workload;
    auto *setup = c.variant->setup != nullptr ? c.variant->setup : w->setup;
    auto *teardown = c.variant->teardown != nullptr ? c.variant->teardown : w->teardown;
    struct bench_run run;
    memset(&run, 0, sizeof run);
    run.workers = c.workers;
    run.items = c.items;
    run.parameter = c.parameter;
    run.user = w->user;
    run.variant = c.variant->name;
    run.self = &c;

    int64_t elapsed = 0;
    if (setup != nullptr)
        setup(&run);
    if (!c.failed()) {
        int64_t start = bench_now_ns();
        c.variant->run(&run);
        elapsed = bench_now_ns() - start;
        if (run.elapsed_ns > 0)
            elapsed = run.elapsed_ns;
        if (!c.failed() && !w->check(&run))
            c.fail("the result is wrong");
    }
    if (teardown != nullptr)
        teardown(&run);
    return static_cast<double>(std::max<int64_t>(elapsed, 1));
}

/* Takes what the library measured back to the case, whose index is the benchmark's name. */
class collector : public benchmark::BenchmarkReporter
{
  public:
    explicit collector(cases &list) : all(list)
    {
    }

    bool ReportContext(const Context &) override
    {
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            struct bench_case &c = *all[std::stoul(run.run_name.function_name)];
            if (!run.error_occurred && run.iterations > 0)
                c.rounds.push_back(
                    run.real_accumulated_time * 1e9 / static_cast<double>(run.iterations));
        }
    }

  private:
    cases &all;
};

static void measure(cases &all, const std::vector<size_t> &order)
{
    benchmark::ClearRegisteredBenchmarks();
    for (size_t index : order) {
        struct bench_case *c = all[index].get();
        auto body = [c](benchmark::State &state) {
            for (auto _ : state) {
                int64_t start = bench_now_ns();
                double ns = run_once(*c);
                c->spent_s += seconds_since(start);
                if (c->failed()) {
                    state.SkipWithError("failed");
                    break;
                }
                state.SetIterationTime(ns * 1e-9);
            }
        };
        benchmark::RegisterBenchmark(std::to_string(index).c_str(), body)
            ->Iterations(c->runs)
            ->Repetitions(1)
            ->UseManualTime();
    }
    collector reporter(all);
    if (!order.empty())
        benchmark::RunSpecifiedBenchmarks(&reporter, nullptr, ".");
}

/* Runs each case once: caches and the allocator warm up, and we learn what a round costs. From that
 * follow the runs a round needs to be long enough for the clock. */
static void warm_up(cases &all, const struct plan &plan)
{
    for (auto &c : all) {
        int64_t start = bench_now_ns();
        double ns = run_once(*c);
        double whole_s = seconds_since(start);
        if (c->failed())
            continue;
        if (whole_s >= 0.1) /* too long to throw away, and too long for a cold start to show */
            c->rounds.push_back(ns);
        c->kept = c->have();
        if (whole_s < 0.02) { /* the very first run is slower than the ones that follow */
            start = bench_now_ns();
            ns = run_once(*c);
            whole_s = seconds_since(start);
        }
        double runs = std::ceil(plan.round_s / (ns * 1e-9));
        double most = std::ceil(10 * plan.round_s / std::max(whole_s, 1e-9));
        c->runs = static_cast<int64_t>(std::max(1.0, std::min({runs, most, 1000.0})));
        c->estimate_s = whole_s * static_cast<double>(c->runs) + 20e-6;
    }
}

/* How many rounds a case should have in all when it gets `share` seconds, but at least `least` and
 * at most `most`. */
static int64_t fair_rounds(const struct bench_case &c, double share, int64_t least, int64_t most)
{
    auto rounds = static_cast<int64_t>(std::min(share / c.estimate_s, 1e6));
    return std::clamp(rounds, least, most);
}

/* Plans the rounds that are still missing to that. The time they will take. */
static double plan_share(cases &all, double share, int64_t least, int64_t most)
{
    double sum = 0;
    for (auto &c : all) {
        int64_t missing = fair_rounds(*c, share, least, most) - c->have();
        c->planned = c->failed() ? 0 : std::max<int64_t>(missing, 0);
        sum += static_cast<double>(c->planned) * c->estimate_s;
    }
    return sum;
}

/* Enough rounds for all, if there is time, and more for the short cases, up to what is wanted; else
 * enough for the short cases and fewer for the long ones, but at least the least. */
static void plan_rounds(cases &all, const struct plan &plan, double seconds)
{
    bool time_enough = plan_share(all, 0, plan.enough, plan.enough) <= seconds;
    int64_t least = time_enough ? plan.enough : plan.least;
    int64_t most = time_enough || plan.least == plan.enough ? plan.wanted : plan.enough;
    double low = 0;
    double high = std::max(plan.seconds, 0.0);
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (plan_share(all, middle, least, most) <= seconds)
            low = middle;
        else
            high = middle;
    }
    plan_share(all, low, least, most);
}

/* Runs the rounds that are planned. A case with fewer of them than the others skips some, evenly.
 */
static void run_rounds(cases &all, const struct bench_program *program, const struct plan &plan,
    bool limited, int64_t start)
{
    std::mt19937 random(20090110);
    int64_t most = 0;
    for (auto &c : all)
        most = std::max(most, c->planned);
    bool talk = isatty(STDERR_FILENO) != 0;
    for (int64_t round = 0; round < most; round++) {
        /* The estimate came from one run each. If the machine has become much slower, stop. */
        if (limited && seconds_since(start) > 1.25 * plan.seconds) {
            bool all_have = std::all_of(all.begin(), all.end(),
                [&](auto &c) { return c->failed() || c->have() >= plan.least; });
            if (all_have)
                break;
        }
        if (talk)
            fprintf(stderr, "\r%02d %s: round %d of %d ", program->number, program->slug,
                static_cast<int>(round + 1), static_cast<int>(most));
        std::vector<size_t> order;
        for (size_t i = 0; i < all.size(); i++) {
            int64_t n = all[i]->planned;
            bool due = (round + 1) * n / most > round * n / most;
            if (due && !all[i]->failed())
                order.push_back(i);
        }
        std::shuffle(order.begin(), order.end(), random);
        measure(all, order);
    }
    if (talk)
        fprintf(stderr, "\r\033[K");
}

int64_t measure_all(
    cases &all, const struct bench_program *program, const struct options &o, int64_t start_ns)
{
    const struct plan &plan = plans[static_cast<int>(o.mode)];
    int64_t promised = o.rounds > 0 ? o.rounds : plan.enough;
    if (o.mode != mode::smoke)
        warm_up(all, plan);
    if (o.rounds > 0 || o.mode == mode::smoke) {
        plan_share(all, 0, promised, promised);
        run_rounds(all, program, plan, false, start_ns);
        return promised;
    }

    /* The first plan rests on one run of each case, which may have been a slow one. Later plans
     * know better, and use the time that is left. */
    for (int i = 0; i < 4; i++) {
        plan_rounds(all, plan, plan.seconds - seconds_since(start_ns));
        run_rounds(all, program, plan, o.mode == mode::quick, start_ns);
        for (auto &c : all)
            if (c->measured() > 0)
                c->estimate_s = c->spent_s / static_cast<double>(c->measured()) + 20e-6;
    }
    return promised;
}

} // namespace harness
