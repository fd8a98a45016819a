/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_CLAIMS_H
#define PLOTS_CLAIMS_H

/*
 * The documents' claims about speed, and what was measured about each. The claims themselves, with
 * the reasons, are the table in claims_list.c.
 *
 * A claim is a round figure, so it counts as true when at least nine tenths of the gain it promises
 * are there: 9.1 for "10 times". It is false when the whole 95 % interval lies below that, and true
 * when the whole interval lies at or above it. When the interval holds the mark, the noise is
 * larger than the difference and the verdict says so.
 */

#include <stdio.h>

#include "results.h"

enum claim_kind {
    CLAIM_RATIO, /* at least `figure` times as fast as the baseline */
    CLAIM_CORES, /* as many times as there are cores */
    CLAIM_COST,  /* at most `figure` nanoseconds per item */
};

struct claim {
    const char *id;
    const char *workload; /* what was claimed about, in words */
    const char *claimed;  /* the claim, in words */
    enum claim_kind kind;
    double figure;
    const char *why; /* a general truth, right whatever is measured */
};

extern const struct claim claims_list[];
extern const size_t claims_count;

enum verdict { VERDICT_TRUE, VERDICT_FALSE, VERDICT_NOISE, VERDICT_MISSING, VERDICT_COUNT };

/* One place where a claim was measured. */
struct answer {
    const struct claim *claim;
    enum verdict verdict;
    const struct pattern *pattern;   /* NULL: not measured */
    const struct workload *workload; /* NULL: not measured */
    const struct measured *measured; /* NULL: not measured */
    const struct measured *baseline; /* NULL: none, or the claim is about a cost */
    struct interval value;           /* a ratio, or nanoseconds per item for a cost */
    double figure;                   /* what was claimed, in numbers, on this machine */
};

/* All answers, in the order of the list; a claim that nobody measured has one with VERDICT_MISSING,
 * a claim that several workloads answer has one for each. The caller frees *answers. 0; ENOMEM. */
int claims_answer(const struct results *results, struct answer **answers, size_t *n);

/* "true", "false", "within noise", "not measured". */
const char *claims_verdict_name(enum verdict verdict);

/* From which work per item on the variant is at least `gain` times as fast as the baseline, and
 * stays so, in a sweep over it: an interpolated point. 0: from the first point on. Negative: at no
 * measured point for good. */
double claims_crossover(const struct workload *workload, const char *variant, double gain);

/* The workload whose sweep shows the crossover of a claim; NULL: none was measured. */
const struct workload *claims_crossover_workload(const struct results *results, const char *id);

#endif
