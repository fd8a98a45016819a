/* SPDX-License-Identifier: MIT */

/* From the table of workloads to the list of cases. */

#include "bench/shim/harness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace harness
{

[[noreturn]] static void bad_table(const struct bench_workload *w, const char *what)
{
    fprintf(stderr, "bench: workload %s: %s\n", w->name, what);
    abort();
}

static const struct bench_variant *find_variant(const struct bench_workload *w, const char *name)
{
    for (const struct bench_variant *v = w->variants; v < w->variants + BENCH_VARIANTS; v++)
        if (v->name != nullptr && strcmp(v->name, name) == 0)
            return v;
    return nullptr;
}

static int count_variants(const struct bench_workload *w)
{
    int n = 0;
    while (n < BENCH_VARIANTS && w->variants[n].name != nullptr)
        n++;
    return n;
}

const char *baseline_of(const struct bench_workload *w)
{
    if (w->baseline != nullptr)
        return w->baseline;
    return find_variant(w, "serial") != nullptr ? "serial" : w->variants[0].name;
}

const char *answer_of(const struct bench_workload *w, const struct bench_claim *claim)
{
    if (claim->variant != nullptr)
        return claim->variant;
    return find_variant(w, "conc") != nullptr ? "conc" : w->variants[count_variants(w) - 1].name;
}

static bool has_point(const struct bench_workload *w, int64_t at)
{
    if (w->sweep == nullptr)
        return at == 0;
    return std::find(w->points.values, w->points.values + w->points.count, at) !=
           w->points.values + w->points.count;
}

static void check_table(const struct bench_workload *w)
{
    if (w->title == nullptr || w->unit == nullptr)
        bad_table(w, "no title or no unit");
    if (w->kind < BENCH_CPU || w->kind > BENCH_MESSAGE)
        bad_table(w, "no kind");
    if (w->check == nullptr)
        bad_table(w, "no check: a result nobody looks at is no result");
    if (w->items < 1)
        bad_table(w, "no items");
    if ((w->sweep == nullptr) != (w->points.count == 0))
        bad_table(w, "a sweep needs points and points need a sweep");
    if (count_variants(w) == 0)
        bad_table(w, "no variants");
    if (find_variant(w, baseline_of(w)) == nullptr)
        bad_table(w, "the baseline is none of the variants");
    for (int i = 0; i < w->points.count; i++)
        if (w->points.values[i] < 0 || (i > 0 && w->points.values[i] <= w->points.values[i - 1]))
            bad_table(w, "points must ascend from 0 or more");
    for (const struct bench_variant *v = w->variants; v < w->variants + count_variants(w); v++) {
        if (v->run == nullptr)
            bad_table(w, "a variant without a run function");
        if (v->once && w->items_at != nullptr)
            bad_table(w, "a variant measured once in a workload with items_at");
    }
    for (const struct bench_claim *c = w->claims; c < w->claims + BENCH_CLAIMS && c->id; c++) {
        if (!has_point(w, c->at))
            bad_table(w, "a claim at what is no point of the sweep");
        if (find_variant(w, answer_of(w, c)) == nullptr ||
            (c->baseline != nullptr && find_variant(w, c->baseline) == nullptr))
            bad_table(w, "a claim about what is none of the variants");
    }
}

static int64_t items_of(const struct bench_workload *w, enum mode mode, int64_t point)
{
    int64_t items = w->items;
    if (mode == mode::quick && w->quick_items > 0)
        items = w->quick_items;
    if (mode == mode::smoke)
        items = w->smoke_items > 0 ? w->smoke_items : w->items / 100;
    if (w->items_at != nullptr)
        items = w->items_at(point, items);
    return std::max<int64_t>(items, 1);
}

static void add_case(cases &all, const struct bench_workload *w, const struct bench_variant *v,
    enum mode mode, int64_t point)
{
    auto c = std::make_unique<bench_case>();
    bool of_workers = w->sweep != nullptr && strcmp(w->sweep, "workers") == 0;
    c->workload = w;
    c->variant = v;
    c->once = v->once;
    c->point = point;
    c->workers = of_workers ? std::max<int64_t>(point, 1) : std::max<int64_t>(w->workers, 1);
    c->parameter = w->sweep != nullptr && !of_workers ? point : w->parameter;
    c->items = items_of(w, mode, point);
    c->name = std::string(w->name) + "/" + v->name;
    if (w->sweep != nullptr && !v->once)
        c->name += std::string("/") + w->sweep + ":" + std::to_string(point);
    all.push_back(std::move(c));
}

void make_cases(cases &all, const struct bench_program *program, enum mode mode)
{
    for (const struct bench_workload *w = program->workloads; w->name != nullptr; w++) {
        check_table(w);
        for (const struct bench_variant *v = w->variants; v < w->variants + count_variants(w);
             v++) {
            int points = w->sweep == nullptr || v->once ? 1 : w->points.count;
            for (int i = 0; i < points; i++)
                add_case(all, w, v, mode, w->sweep == nullptr ? 0 : w->points.values[i]);
        }
    }
}

} // namespace harness
