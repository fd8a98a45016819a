/* SPDX-License-Identifier: MIT */

/* What a program says when it has measured: a table for people, a result file for conc-report. */

#include "bench/shim/harness.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace harness
{

double median(std::vector<double> values)
{
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    size_t n = values.size();
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static std::string show_time(double ns)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    int unit = 0;
    while (ns >= 1000 && unit < 3) {
        ns /= 1000;
        unit++;
    }
    char text[32];
    snprintf(text, sizeof text, "%.*f %s", ns < 10 ? 2 : ns < 100 ? 1 : 0, ns, units[unit]);
    return text;
}

static const struct bench_case *baseline_case(const cases &all, const struct bench_case &of)
{
    for (auto &c : all)
        if (c->workload == of.workload && strcmp(c->variant->name, baseline_of(of.workload)) == 0 &&
            (c->once || c->point == of.point))
            return c.get();
    return nullptr;
}

/* printf counts bytes, and µ has two. */
static void print_padded(const std::string &text, int width)
{
    int seen = 0;
    for (char byte : text)
        seen += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    printf("%*s%s", std::max(0, width - seen), "", text.c_str());
}

void print_table(const cases &all)
{
    const struct bench_workload *last = nullptr;
    for (auto &c : all) {
        const struct bench_workload *w = c->workload;
        if (w != last) {
            printf("\n%s (%s)\n  %-14s %10s %10s %6s %12s %12s  %s\n", w->title, w->name, "variant",
                w->sweep != nullptr ? w->sweep : "", "items", "rounds", "a run", w->unit,
                baseline_of(w));
            last = w;
        }
        printf("  %-14s %10s %10lld %6zu ", c->variant->name,
            w->sweep == nullptr || c->once ? "" : std::to_string(c->point).c_str(),
            static_cast<long long>(c->items), c->rounds.size());
        if (c->rounds.empty()) {
            printf("%s\n", c->failure.empty() ? "not measured" : "failed");
            continue;
        }
        double middle = median(c->rounds);
        print_padded(show_time(middle), 12);
        print_padded(show_time(middle / static_cast<double>(c->items)), 13);
        const struct bench_case *base = baseline_case(all, *c);
        if (base != nullptr && !base->rounds.empty())
            printf("  %.2f x", median(base->rounds) / static_cast<double>(base->items) / middle *
                                   static_cast<double>(c->items));
        printf("\n");
    }
}

static std::string quoted(const std::string &text)
{
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
            out += code;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

static std::string quoted(const char *text)
{
    return text == nullptr ? "null" : quoted(std::string(text));
}

static std::string number(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.1f", value);
    return text;
}

static std::string case_json(const struct bench_case &c)
{
    std::string out = "        {\"variant\": " + quoted(c.variant->name);
    out += std::string(", \"once\": ") + (c.once ? "true" : "false");
    out += ", \"point\": " + std::to_string(c.point);
    out += ", \"workers\": " + std::to_string(c.workers);
    out += ", \"parameter\": " + std::to_string(c.parameter);
    out += ", \"items\": " + std::to_string(c.items);
    out += ", \"runs_per_round\": " + std::to_string(c.runs);
    out += ", \"check\": " + quoted(c.failure.empty() ? "ok" : c.failure);
    out += ",\n         \"rounds_ns\": [";
    for (size_t i = 0; i < c.rounds.size(); i++)
        out += (i > 0 ? ", " : "") + number(c.rounds[i]);
    return out + "]}";
}

static std::string workload_json(const struct bench_workload *w, const cases &all)
{
    static const char *const kinds[] = {"", "cpu", "wait", "message"};
    std::string out = "    {\"name\": " + quoted(w->name) + ", \"title\": " + quoted(w->title);
    out += ",\n      \"note\": " + quoted(w->note);
    out += ",\n      \"kind\": " + quoted(kinds[w->kind]) + ", \"unit\": " + quoted(w->unit);
    out += ", \"sweep\": " + quoted(w->sweep) + ", \"baseline\": " + quoted(baseline_of(w));
    out += ", \"crossover\": " + quoted(w->crossover) + ",\n      \"claims\": [";
    for (int i = 0; i < BENCH_CLAIMS && w->claims[i].id != nullptr; i++) {
        const struct bench_claim *claim = &w->claims[i];
        out += std::string(i > 0 ? ", " : "") + "{\"id\": " + quoted(claim->id);
        out += ", \"at\": " + std::to_string(claim->at);
        out += ", \"variant\": " + quoted(answer_of(w, claim)) + ", \"baseline\": " +
               quoted(claim->baseline != nullptr ? claim->baseline : baseline_of(w)) + "}";
    }
    out += "],\n      \"cases\": [";
    bool first = true;
    for (auto &c : all) {
        if (c->workload != w)
            continue;
        out += first ? "\n" : ",\n";
        out += case_json(*c);
        first = false;
    }
    return out + "\n      ]}";
}

static std::string machine_json(const struct machine &m)
{
    std::string out = "{\"cpu\": " + quoted(m.cpu) + ", \"cores\": " + std::to_string(m.cores);
    out += std::string(", \"virtual\": ") + (m.is_virtual ? "true" : "false");
    out += ", \"kernel\": " + quoted(m.kernel) + ", \"compiler\": " + quoted(m.compiler);
    out += ", \"governor\": " + (m.governor.empty() ? "null" : quoted(m.governor));
    out += ", \"timer_slack_ns\": 1, \"load_before\": ";
    char load[32];
    snprintf(load, sizeof load, "%.2f", m.load);
    return out + (m.load < 0 ? "null" : load) + "}";
}

std::string results_json(const struct bench_program *program, const cases &all,
    const struct machine &m, const struct options &o, int64_t rounds)
{
    static const char *const modes[] = {"full", "quick", "smoke"};
    char date[32];
    time_t now = time(nullptr);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));

    std::string out = "{\n  \"schema\": \"conc-bench-1\",\n";
    out += "  \"number\": " + std::to_string(program->number);
    out += ", \"slug\": " + quoted(program->slug) + ", \"title\": " + quoted(program->title);
    out += ",\n  \"date\": " + quoted(date) + ", \"commit\": " + quoted(find_commit());
    out += ", \"engine\": " + quoted(engine_name());
    out += ", \"mode\": " + quoted(modes[static_cast<int>(o.mode)]);
    out += ", \"rounds_wanted\": " + std::to_string(rounds);
    out += ",\n  \"machine\": " + machine_json(m) + ",\n  \"workloads\": [";
    bool first = true;
    for (const struct bench_workload *w = program->workloads; w->name != nullptr; w++) {
        if (std::none_of(all.begin(), all.end(), [w](auto &c) { return c->workload == w; }))
            continue; /* left out by the filter */
        out += first ? "\n" : ",\n";
        out += workload_json(w, all);
        first = false;
    }
    return out + "\n  ]\n}\n";
}

} // namespace harness
