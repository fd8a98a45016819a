/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SHIM_HARNESS_H
#define BENCH_SHIM_HARNESS_H

/* What the parts of the harness share. Programs see bench.h alone. */

#include "bench/shim/bench.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

/* One variant of a workload at one point of its sweep. */
struct bench_case {
    const struct bench_workload *workload;
    const struct bench_variant *variant;
    bool once;
    int64_t point;
    int64_t workers;
    int64_t parameter;
    int64_t items;
    std::string name; /* workload/variant/sweep:point */

    int64_t runs = 1;         /* per round */
    int64_t planned = 0;      /* rounds to come */
    double estimate_s = 1e-6; /* of a round, setup included */
    double spent_s = 0;       /* on the rounds so far, setup included */
    int64_t kept = 0;         /* rounds that are the warm-up's */
    std::vector<double> rounds;

    std::mutex lock;     /* protects failure: any thread of a run may report one */
    std::string failure; /* empty: all results right */

    bench_case() = default;
    bench_case(const bench_case &) = delete;
    bench_case &operator=(const bench_case &) = delete;

    int64_t have() const
    {
        return static_cast<int64_t>(rounds.size());
    }

    int64_t measured() const
    {
        return have() - kept;
    }

    bool failed()
    {
        std::lock_guard<std::mutex> guard(lock);
        return !failure.empty();
    }

    void fail(const std::string &why)
    {
        std::lock_guard<std::mutex> guard(lock);
        if (failure.empty())
            failure = why;
    }
};

namespace harness
{

using cases = std::vector<std::unique_ptr<bench_case>>;

enum class mode { full, quick, smoke };

struct options {
    enum mode mode = mode::full;
    int64_t rounds = 0; /* 0: as the mode says */
    std::string json;
    std::string filter;
    bool list = false;
};

struct machine {
    std::string cpu;
    int cores;
    bool is_virtual;
    std::string kernel;
    std::string compiler;
    std::string governor;
    double load;
};

/* How many rounds each mode wants, the fewest it accepts, and its time for the whole program.
 * Quick: seventeen programs and the charts have to fit in about two and a half minutes. */
struct plan {
    int64_t wanted;
    int64_t enough;
    int64_t least;
    double seconds;
    double round_s; /* a shorter round is filled up with repeated runs */
};

/* ---- table.cc ---- */

/* The name of the workload's baseline. */
const char *baseline_of(const struct bench_workload *w);

/* The name of the variant that answers a claim. */
const char *answer_of(const struct bench_workload *w, const struct bench_claim *claim);

/* Makes a case of every variant at every point. A table that makes no sense is a programming error:
 * a line on stderr, and abort. */
void make_cases(cases &all, const struct bench_program *program, enum mode mode);

/* ---- clock.cc ---- */

double seconds_since(int64_t start_ns);

/* Finds out how many steps of bench_work_ns take a nanosecond. */
void calibrate_work();

/* ---- rounds.cc ---- */

extern const struct plan plans[];

/* Measures all cases. With `rounds` more than 0, exactly that many each. Returns how many rounds a
 * case should have; one may have fewer in quick mode. */
int64_t measure_all(
    cases &all, const struct bench_program *program, const struct options &o, int64_t start_ns);

/* ---- facts.cc ---- */

struct machine find_machine();
std::string find_commit();
const char *engine_name();

/* ---- results.cc ---- */

/* The middle of the values; 0 for none. */
double median(std::vector<double> values);

void print_table(const cases &all);

/* The result file, as text. */
std::string results_json(const struct bench_program *program, const cases &all,
    const struct machine &m, const struct options &o, int64_t rounds);

} // namespace harness

#endif
