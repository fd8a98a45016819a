/* SPDX-License-Identifier: MIT */
#include "page_parts.h"

#include <string.h>

#include "format.h"

static void put_crossover(FILE *out, const struct results *r, const struct answer *a)
{
    const struct workload *w = claims_crossover_workload(r, a->claim->id);
    if (w == NULL)
        return;
    const char *variant = a->measured != NULL ? a->measured->variant : "conc";
    if (results_find(w, variant, w->points[0]) == NULL)
        variant = w->cases[w->n_cases - 1].variant;
    char from[FORMAT_SIZE];
    char last[FORMAT_SIZE];
    double even = claims_crossover(w, variant, 1);
    format_point(last, w->sweep, w->points[w->n_points - 1]);
    if (even > 0)
        fprintf(out, " Crossover: concurrency pays here from about %s of work per item on.",
            format_time(from, even));
    else if (even == 0)
        fprintf(out, " Crossover: concurrency pays here at every work per item that was measured.");
    else
        fprintf(out, " Crossover: none up to %s of work per item.", last);
    if (a->claim->kind == CLAIM_COST || even < 0)
        return;
    double gain = a->figure > 0 ? a->figure : a->claim->figure;
    char figure[FORMAT_SIZE];
    double full = gain > 1 ? claims_crossover(w, variant, gain) : -1;
    if (full > 0)
        fprintf(out, " The claimed %s needs about %s.", format_ratio(figure, gain),
            format_time(from, full));
    else if (full < 0 && gain > 1)
        fprintf(out, " The claimed %s is not reached up to %s.", format_ratio(figure, gain), last);
}

static void put_measured(FILE *out, const struct answer *a)
{
    char text[FORMAT_SIZE];
    if (a->claim->kind == CLAIM_COST) {
        page_put_time(out, a->value.value, a->value.low, a->value.high);
    } else {
        page_put_ratio(out, &a->value);
        if (a->value.value < 1)
            fprintf(out, ", that is %s times slower", format_number(text, 1 / a->value.value));
        char base[FORMAT_SIZE];
        fprintf(out, "; %s against %s a ", format_time(text, a->measured->cost.median),
            format_time(base, a->baseline->cost.median));
        page_put(out, a->workload->unit);
    }
    fprintf(out, ", %lld a run, in [%02d ", (long long)a->measured->items, a->pattern->number);
    page_put(out, a->pattern->title);
    fprintf(out, "](#p%02d-%s)", a->pattern->number, a->workload->name);
}

void page_put_claims(FILE *out, const struct results *r, const struct answer *answers, size_t n)
{
    static const char *const classes[] = {"true", "false", "noise", "missing"};
    fprintf(out,
        "## The claims\n\nA claim is a round figure: it counts as true when at least nine tenths "
        "of the promised gain are there, and as within noise when the interval does not tell.\n\n"
        "| claim | workload | claimed | measured here | verdict | why "
        "|\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        const struct answer *a = &answers[i];
        fprintf(out, "| %s | ", a->claim->id);
        page_put(out, a->claim->workload);
        fputs(" | ", out);
        page_put(out, a->claim->claimed);
        if (a->claim->kind == CLAIM_CORES && a->pattern != NULL)
            fprintf(out, ", here %lld", (long long)a->pattern->machine.cores);
        fputs(" | ", out);
        if (a->verdict == VERDICT_MISSING)
            fputs("–", out);
        else
            put_measured(out, a);
        fputs(" | ", out);
        page_put_tag(out, classes[a->verdict], claims_verdict_name(a->verdict));
        fputs(" | ", out);
        page_put(out, a->claim->why);
        put_crossover(out, r, a);
        fputs(" |\n", out);
    }
    fputc('\n', out);
}
