/* SPDX-License-Identifier: MIT */
#include "page_parts.h"

#include <string.h>

#include "charts.h"
#include "format.h"

/* What the interval says about a case and the baseline. */
static void put_comparison(FILE *out, const struct workload *w, const struct measured *c)
{
    if (strcmp(c->variant, w->baseline) == 0)
        fputs("baseline", out);
    else if (!c->has_speedup)
        fputs("–", out);
    else if (c->n < 3 || (c->speedup.low <= 1 && c->speedup.high >= 1))
        page_put_tag(out, "noise", "within noise");
    else if (c->speedup.low > 1)
        page_put_tag(out, "true", "faster");
    else
        page_put_tag(out, "false", "slower");
}

static void put_row(
    FILE *out, const struct pattern *p, const struct workload *w, const struct measured *c)
{
    char text[FORMAT_SIZE];
    fputs("| ", out);
    page_put(out, c->variant);
    if (w->sweep != NULL)
        fprintf(out, " | %s", c->once ? "any" : format_point(text, w->sweep, c->point));
    fputs(" | ", out);
    if (!c->usable) {
        fputs(strcmp(c->check, "ok") == 0 ? "not measured" : "wrong result: ", out);
        if (strcmp(c->check, "ok") != 0)
            page_put(out, c->check);
        fputs(" | – | – | – | – | – |\n", out);
        return;
    }
    page_put_time(out, c->cost.median, c->cost.low, c->cost.high);
    fputs(" | ", out);
    double ideal = results_ideal(p, w, c);
    if (strcmp(c->variant, w->baseline) == 0)
        fputs("1 | –", out);
    else if (!c->has_speedup)
        fputs("– | –", out);
    else {
        page_put_ratio(out, &c->speedup);
        if (ideal > 0)
            fprintf(out, " | %.0f %%", 100 * c->speedup.value / ideal);
        else
            fputs(" | –", out);
    }
    fprintf(out, " | ");
    put_comparison(out, w, c);
    fprintf(out, " | %zu | %zu |\n", c->n, c->cost.outliers);
}

static void put_chart(FILE *out, const struct results *r, const struct pattern *p,
    const struct workload *w, enum chart_kind kind)
{
    if (!charts_has(w, kind))
        return;
    char name[CHART_NAME_SIZE];
    charts_name(name, r, p, w, kind);
    fputs("![", out);
    page_put(out, w->title);
    fprintf(out,
        "%s](charts/%s.svg)\n\n[PNG](charts/%s.png) · [numbers](data/%s.dat) · "
        "[script](data/%s.gp)\n\n",
        kind == CHART_COST ? ", cost" : ", speedup", name, name, name, name);
}

static void put_workload(
    FILE *out, const struct results *r, const struct pattern *p, const struct workload *w)
{
    char text[FORMAT_SIZE];
    fprintf(out, "### <a id=\"p%02d-%s\"></a>", p->number, w->name);
    page_put(out, w->title);
    fputs("\n\n", out);
    if (w->note != NULL) {
        page_put(out, w->note);
        fputs("\n\n", out);
    }
    put_chart(out, r, p, w, CHART_SPEEDUP);
    put_chart(out, r, p, w, CHART_COST);

    fputs("| variant | ", out);
    if (w->sweep != NULL) {
        page_put(out, format_sweep(text, w->sweep));
        fputs(" | ", out);
    }
    fputs("time per ", out);
    page_put(out, w->unit);
    fputs(" | speedup over ", out);
    page_put(out, w->baseline);
    fprintf(out,
        " | of the ideal | verdict | rounds | outliers |\n|---|%s--:|--:|--:|---|--:|--:|\n",
        w->sweep != NULL ? "--:|" : "");
    for (size_t i = 0; i < w->n_cases; i++)
        put_row(out, p, w, &w->cases[i]);

    int64_t fewest = p->rounds_wanted;
    for (size_t i = 0; i < w->n_cases; i++)
        if (w->cases[i].usable && (int64_t)w->cases[i].n < fewest)
            fewest = (int64_t)w->cases[i].n;
    fputc('\n', out);
    if (fewest < p->rounds_wanted)
        fprintf(out,
            "Long cases got fewer rounds than the %lld that were wanted, to keep within the time "
            "of a quick run.\n\n",
            (long long)p->rounds_wanted);
}

static void put_contents(FILE *out, const struct results *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct pattern *p = &r->patterns[i];
        fprintf(out, "%s[%02d ", i > 0 ? " · " : "", p->number);
        page_put(out, p->title);
        fprintf(out, "](#p%02d)", p->number);
    }
    fputs("\n\n", out);
}

void page_put_patterns(FILE *out, const struct results *r)
{
    fputs("## The patterns\n\n", out);
    put_contents(out, r);
    for (size_t i = 0; i < r->n; i++) {
        const struct pattern *p = &r->patterns[i];
        fprintf(out, "## <a id=\"p%02d\"></a>%02d ", p->number, p->number);
        page_put(out, p->title);
        if (strcmp(p->engine, r->patterns[0].engine) != 0) {
            fputs(", engine ", out);
            page_put(out, p->engine);
        }
        fputs("\n\n", out);
        for (size_t j = 0; j < p->n_workloads; j++)
            put_workload(out, r, p, &p->workloads[j]);
    }
}
