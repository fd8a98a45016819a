/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_STATS_H
#define PLOTS_STATS_H

/*
 * The few statistics a report needs. All of them are about medians: times of runs have a sharp left
 * edge and a long right tail, and a mean follows the tail. Nothing is ever dropped: outliers are
 * counted and shown, and they take part in every number here.
 *
 * The interval of a median comes from order statistics and assumes nothing about the distribution:
 * the number of values below the true median is binomial(n, 1/2), so the k-th smallest and the k-th
 * largest value enclose it with a probability that can be computed exactly. We take the largest k
 * that keeps it at 95 % or more. With fewer than 6 values there is none; then the interval is the
 * whole range, and `coverage` says how little that is.
 *
 * The interval of a ratio of medians is a percentile bootstrap (B. Efron, 1979) with a fixed seed:
 * the same rounds give the same report. With fewer than 6 values on a side it is the ratio of the
 * two ranges, which is wider.
 */

#include <stddef.h>

struct summary {
    size_t n;
    double median;
    double low;      /* of the interval of the median */
    double high;     /* of the interval of the median */
    double coverage; /* of that interval: 0.95 or more from 6 values on */
    double min;
    double max;
    double fence_low;  /* values beyond the fences are outliers: the quartiles plus and minus one */
    double fence_high; /* and a half times the distance between them (J. Tukey) */
    size_t outliers;
};

struct interval {
    double value;
    double low;
    double high;
};

/* The median of n values that are sorted; 0 for none. */
double stats_median_sorted(const double *sorted, size_t n);

/* The p-quantile, p from 0 to 1, of n > 0 sorted values, linear between the order statistics. */
double stats_quantile_sorted(const double *sorted, size_t n, double p);

/* The summary of n values in any order, n from 1 on. 0; ENOMEM; EINVAL: no values. */
int stats_summarise(const double *values, size_t n, struct summary *summary);

/* median(above) / median(below) with its 95 % interval. 0; ENOMEM; EINVAL: no values on a side. */
int stats_ratio(const double *above, size_t n_above, const double *below, size_t n_below,
    struct interval *ratio);

#endif
