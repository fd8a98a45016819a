/* SPDX-License-Identifier: MIT */
#include "charts.h"

#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "gnuplot.h"

enum { PATH_SIZE = 600 };

bool charts_has(const struct workload *workload, enum chart_kind kind)
{
    if (kind == CHART_COST && workload->kind != KIND_MESSAGE)
        return false;
    for (size_t i = 0; i < workload->n_cases; i++) {
        const struct measured *c = &workload->cases[i];
        if (kind == CHART_COST ? c->usable
                               : c->has_speedup && strcmp(c->variant, workload->baseline) != 0)
            return true;
    }
    return false;
}

const char *charts_name(char name[CHART_NAME_SIZE], const struct results *results,
    const struct pattern *pattern, const struct workload *workload, enum chart_kind kind)
{
    const char *first = results->patterns[0].engine;
    bool same = strcmp(pattern->engine, first) == 0;
    snprintf(name, CHART_NAME_SIZE, "%02d_%.50s-%.50s%s%.20s%s", pattern->number, pattern->slug,
        workload->name, same ? "" : "-", same ? "" : pattern->engine,
        kind == CHART_COST ? "-cost" : "");
    return name;
}

/* Writes the data and the script of one chart. 0, or 1 after one line on stderr. */
static int write_chart(const struct results *results, const struct pattern *p,
    const struct workload *w, enum chart_kind kind, const char *dir)
{
    char name[CHART_NAME_SIZE];
    char data[PATH_SIZE];
    char script[PATH_SIZE];
    charts_name(name, results, p, w, kind);
    snprintf(data, sizeof data, "%.400s/data/%s.dat", dir, name);
    snprintf(script, sizeof script, "%.400s/data/%s.gp", dir, name);
    struct chart chart = {.pattern = p, .workload = w, .kind = kind, .unit = 1};
    chart_find_variants(&chart);
    chart_find_range(&chart);
    if (kind == CHART_COST && !chart.logarithmic_y) {
        chart.unit = chart.high >= 1e6 ? 1e6 : chart.high >= 1e3 ? 1e3 : 1;
        chart_find_range(&chart);
    }

    int rc = 1;
    chart.data = fopen(data, "we");
    chart.script = fopen(script, "we");
    if (chart.data != NULL && chart.script != NULL) {
        chart_write_script(&chart, name);
        rc = ferror(chart.data) || ferror(chart.script);
    }
    if (chart.data != NULL && fclose(chart.data) != 0)
        rc = 1;
    if (chart.script != NULL && fclose(chart.script) != 0)
        rc = 1;
    if (rc != 0)
        fprintf(stderr, "conc-report: cannot write the chart %s\n", name);
    return rc;
}

int charts_write(const struct results *results, const char *dir)
{
    size_t room = 2;
    for (size_t i = 0; i < results->n; i++)
        room += 2 * results->patterns[i].n_workloads;
    char **argv = calloc(room, sizeof *argv);
    char(*scripts)[CHART_NAME_SIZE + 8] = calloc(room, sizeof *scripts);
    int rc = argv == NULL || scripts == NULL;
    if (rc != 0)
        fprintf(stderr, "conc-report: no memory\n");

    size_t n = 0;
    for (size_t i = 0; rc == 0 && i < results->n; i++) {
        const struct pattern *p = &results->patterns[i];
        for (size_t j = 0; rc == 0 && j < 2 * p->n_workloads; j++) {
            const struct workload *w = &p->workloads[j / 2];
            enum chart_kind kind = j % 2 == 0 ? CHART_SPEEDUP : CHART_COST;
            if (!charts_has(w, kind))
                continue;
            char name[CHART_NAME_SIZE];
            charts_name(name, results, p, w, kind);
            snprintf(scripts[n], sizeof scripts[n], "%s.gp", name);
            rc = write_chart(results, p, w, kind, dir);
            argv[n + 1] = scripts[n];
            n++;
        }
    }
    if (rc == 0 && n > 0) {
        char data[PATH_SIZE];
        char log[PATH_SIZE];
        argv[0] = "gnuplot";
        snprintf(data, sizeof data, "%.500s/data", dir);
        snprintf(log, sizeof log, "%.500s/gnuplot.log", dir);
        rc = gnuplot_run("conc-report", data, log, argv);
        unlink(log);
    }
    free(argv);
    free(scripts);
    return rc;
}
