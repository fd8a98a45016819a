/* SPDX-License-Identifier: MIT */
#include "claims.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_ROUNDS = 3 };

const char *claims_verdict_name(enum verdict verdict)
{
    static const char *const names[VERDICT_COUNT] = {
        "true", "false", "within noise", "not measured"};
    return names[verdict];
}

/* The verdict on a value that has to reach `mark`. */
static enum verdict judge(const struct interval *value, double mark)
{
    if (value->low >= mark)
        return VERDICT_TRUE;
    return value->high < mark ? VERDICT_FALSE : VERDICT_NOISE;
}

/* Fills in the value and the verdict of a claim that was measured. */
static void evaluate(struct answer *a)
{
    const struct measured *m = a->measured;
    size_t rounds = m->n;
    a->verdict = VERDICT_MISSING;
    if (!m->usable)
        return;
    if (a->claim->kind == CLAIM_COST) {
        a->baseline = NULL;
        a->figure = a->claim->figure;
        a->value = (struct interval){m->cost.median, m->cost.low, m->cost.high};
        struct interval below = {-m->cost.median, -m->cost.high, -m->cost.low};
        a->verdict = judge(&below, -1.1 * a->figure);
    } else {
        const struct measured *base = a->baseline;
        if (base == NULL || !base->usable ||
            stats_ratio(base->rounds, base->n, m->rounds, m->n, &a->value) != 0)
            return;
        a->figure =
            a->claim->kind == CLAIM_CORES ? (double)a->pattern->machine.cores : a->claim->figure;
        a->verdict = judge(&a->value, 1 + 0.9 * (a->figure - 1));
        if (base->n < rounds)
            rounds = base->n;
    }
    if (rounds < FEWEST_ROUNDS) /* no interval to speak of */
        a->verdict = VERDICT_NOISE;
}

/* Appends the answers of one workload to one claim. With answers NULL only counts. */
static size_t answers_of(const struct claim *claim, const struct pattern *p,
    const struct workload *w, struct answer *answers)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_claims; i++) {
        const struct claim_use *use = &w->claims[i];
        const struct measured *m = results_find(w, use->variant, use->at);
        if (strcmp(use->id, claim->id) != 0 || m == NULL)
            continue;
        if (answers != NULL) {
            answers[n] =
                (struct answer){.claim = claim, .pattern = p, .workload = w, .measured = m};
            answers[n].baseline = results_find(w, use->baseline, use->at);
            evaluate(&answers[n]);
        }
        n++;
    }
    return n;
}

static size_t answers_to(
    const struct results *results, const struct claim *claim, struct answer *answers)
{
    size_t n = 0;
    for (size_t i = 0; i < results->n; i++)
        for (size_t j = 0; j < results->patterns[i].n_workloads; j++)
            n += answers_of(claim, &results->patterns[i], &results->patterns[i].workloads[j],
                answers != NULL ? answers + n : NULL);
    if (n == 0) {
        if (answers != NULL)
            answers[0] = (struct answer){.claim = claim, .verdict = VERDICT_MISSING};
        n = 1;
    }
    return n;
}

int claims_answer(const struct results *results, struct answer **answers, size_t *n)
{
    size_t room = 0;
    for (size_t i = 0; i < claims_count; i++)
        room += answers_to(results, &claims_list[i], NULL);
    struct answer *list = calloc(room, sizeof *list);
    if (list == NULL)
        return ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < claims_count; i++)
        used += answers_to(results, &claims_list[i], list + used);
    *answers = list;
    *n = used;
    return 0;
}

double claims_crossover(const struct workload *workload, const char *variant, double gain)
{
    double from = -1;
    const struct measured *before = NULL;
    bool above = false;
    for (size_t i = 0; i < workload->n_points; i++) {
        const struct measured *c = results_find(workload, variant, workload->points[i]);
        if (c == NULL || !c->has_speedup)
            continue;
        if (c->speedup.value < gain) {
            above = false;
        } else if (!above) {
            above = true;
            from = 0;
            if (before != NULL && before->point > 0) {
                /* Between two points of a logarithmic sweep a line in logarithms. */
                double s0 = log(before->speedup.value);
                double s1 = log(c->speedup.value);
                double x0 = log((double)before->point);
                double x1 = log((double)c->point);
                from = exp(x0 + (x1 - x0) * (log(gain) - s0) / (s1 - s0));
            } else if (before != NULL) {
                from = (double)c->point;
            }
        }
        before = c;
    }
    return above ? from : -1;
}

const struct workload *claims_crossover_workload(const struct results *results, const char *id)
{
    size_t length = strlen(id);
    for (size_t i = 0; i < results->n; i++)
        for (size_t j = 0; j < results->patterns[i].n_workloads; j++) {
            const struct workload *w = &results->patterns[i].workloads[j];
            const char *at = w->crossover;
            while (at != NULL && *at != '\0') {
                at += strspn(at, " ");
                if (strncmp(at, id, length) == 0 && (at[length] == ' ' || at[length] == '\0'))
                    return w;
                at += strcspn(at, " ");
            }
        }
    return NULL;
}
