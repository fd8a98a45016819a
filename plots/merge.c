/* SPDX-License-Identifier: MIT */
#include "merge.h"

#include <stdio.h>

static json_t *interval_json(const struct interval *value)
{
    return json_pack(
        "{s:f, s:f, s:f}", "value", value->value, "low", value->low, "high", value->high);
}

static json_t *case_json(
    const struct pattern *p, const struct workload *w, const struct measured *c)
{
    if (!c->usable)
        return json_null();
    const struct summary *s = &c->cost;
    json_t *out = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i}", "median_ns_per_item",
        s->median, "low", s->low, "high", s->high, "coverage", s->coverage, "min", s->min, "max",
        s->max, "rounds", (int)s->n, "outliers", (int)s->outliers);
    if (c->has_speedup)
        json_object_set_new(out, "speedup", interval_json(&c->speedup));
    double ideal = results_ideal(p, w, c);
    if (ideal > 0)
        json_object_set_new(out, "ideal_speedup", json_real(ideal));
    return out;
}

/* The pattern's own document, copied, with "statistics" in each case. */
static json_t *pattern_json(const struct pattern *p)
{
    json_t *out = json_deep_copy(p->document);
    json_t *workloads = json_object_get(out, "workloads");
    for (size_t i = 0; i < p->n_workloads; i++) {
        const struct workload *w = &p->workloads[i];
        json_t *cases = json_object_get(json_array_get(workloads, i), "cases");
        for (size_t j = 0; j < w->n_cases; j++)
            json_object_set_new(
                json_array_get(cases, j), "statistics", case_json(p, w, &w->cases[j]));
    }
    return out;
}

static json_t *answer_json(const struct answer *a)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", a->claim->id, "workload",
        a->claim->workload, "claimed", a->claim->claimed, "verdict",
        claims_verdict_name(a->verdict), "why", a->claim->why);
    if (a->verdict == VERDICT_MISSING)
        return out;
    const char *what = a->claim->kind == CLAIM_COST ? "ns_per_item" : "ratio";
    json_object_set_new(out, "measured_as", json_string(what));
    json_object_set_new(out, "measured", interval_json(&a->value));
    json_object_set_new(out, "claimed_figure", json_real(a->figure));
    json_object_set_new(out, "pattern", json_string(a->pattern->slug));
    json_object_set_new(out, "measured_in", json_string(a->workload->name));
    json_object_set_new(out, "variant", json_string(a->measured->variant));
    json_object_set_new(out, "at", json_integer(a->measured->point));
    return out;
}

int merge_write(
    const struct results *results, const struct answer *answers, size_t n, const char *path)
{
    json_t *patterns = json_array();
    json_t *claims = json_array();
    for (size_t i = 0; i < results->n; i++)
        json_array_append_new(patterns, pattern_json(&results->patterns[i]));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(claims, answer_json(&answers[i]));
    json_t *document = json_pack(
        "{s:s, s:o, s:o}", "schema", "conc-results-1", "claims", claims, "patterns", patterns);
    int rc = document == NULL ||
             json_dump_file(document, path, JSON_INDENT(1) | JSON_REAL_PRECISION(8)) != 0;
    if (rc != 0)
        fprintf(stderr, "conc-report: cannot write results.json\n");
    json_decref(document);
    return rc;
}
