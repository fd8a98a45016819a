/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000, FEWEST = 6 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A sorted copy, or NULL. The caller frees it. */
static double *sorted_copy(const double *values, size_t n)
{
    double *copy = malloc(n * sizeof *copy);
    if (copy != NULL) {
        memcpy(copy, values, n * sizeof *copy);
        qsort(copy, n, sizeof *copy, compare);
    }
    return copy;
}

double stats_median_sorted(const double *sorted, size_t n)
{
    if (n == 0)
        return 0;
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double stats_quantile_sorted(const double *sorted, size_t n, double p)
{
    double place = p * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* The probability that exactly k of n values lie below the median: a term of binomial(n, 1/2). By
 * logarithms, for 2 to the -n is no double any more from n = 1075 on. */
static double probability_below(size_t n, size_t k)
{
    double m = (double)n;
    double j = (double)k;
    return exp(lgamma(m + 1) - lgamma(j + 1) - lgamma(m - j + 1) - m * log(2.0));
}

/* The largest k, at least 1, for which the k-th smallest and the k-th largest of n values enclose
 * the median with 95 % probability; and that probability. */
static size_t order_of_interval(size_t n, double *coverage)
{
    size_t k = 1;
    double tail = probability_below(n, 0); /* that the median lies outside on one side */
    while (2 * (k + 1) <= n + 1) {
        double next = tail + probability_below(n, k);
        if (next > 0.025)
            break;
        tail = next;
        k++;
    }
    *coverage = fmax(0, 1 - 2 * tail);
    return k;
}

int stats_summarise(const double *values, size_t n, struct summary *summary)
{
    if (n == 0)
        return EINVAL;
    double *sorted = sorted_copy(values, n);
    if (sorted == NULL)
        return ENOMEM;

    struct summary s = {.n = n, .min = sorted[0], .max = sorted[n - 1]};
    size_t k = order_of_interval(n, &s.coverage);
    s.median = stats_median_sorted(sorted, n);
    s.low = sorted[k - 1];
    s.high = sorted[n - k];

    double first = stats_quantile_sorted(sorted, n, 0.25);
    double third = stats_quantile_sorted(sorted, n, 0.75);
    s.fence_low = first - 1.5 * (third - first);
    s.fence_high = third + 1.5 * (third - first);
    for (size_t i = 0; i < n; i++)
        s.outliers += sorted[i] < s.fence_low || sorted[i] > s.fence_high;

    free(sorted);
    *summary = s;
    return 0;
}

/* SplitMix64 (G. Steele, D. Lea, C. Flood, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* The median of n draws, with replacement, from n values. */
static double resampled_median(const double *values, size_t n, double *room, uint64_t *random_state)
{
    for (size_t i = 0; i < n; i++)
        room[i] = values[(next_random(random_state) >> 11) % n];
    qsort(room, n, sizeof *room, compare);
    return stats_median_sorted(room, n);
}

int stats_ratio(const double *above, size_t n_above, const double *below, size_t n_below,
    struct interval *ratio)
{
    struct summary a;
    struct summary b;
    int rc = stats_summarise(above, n_above, &a);
    if (rc == 0)
        rc = stats_summarise(below, n_below, &b);
    if (rc != 0)
        return rc;

    if (n_above < FEWEST || n_below < FEWEST) {
        *ratio = (struct interval){a.median / b.median, a.min / b.max, a.max / b.min};
        return 0;
    }

    double *room = malloc((n_above > n_below ? n_above : n_below) * sizeof *room);
    double *ratios = malloc(RESAMPLES * sizeof *ratios);
    if (room == NULL || ratios == NULL) {
        free(room);
        free(ratios);
        return ENOMEM;
    }
    uint64_t state = 1;
    for (size_t i = 0; i < RESAMPLES; i++) {
        double upper = resampled_median(above, n_above, room, &state);
        ratios[i] = upper / resampled_median(below, n_below, room, &state);
    }
    qsort(ratios, RESAMPLES, sizeof *ratios, compare);
    *ratio = (struct interval){
        .value = a.median / b.median,
        .low = stats_quantile_sorted(ratios, RESAMPLES, 0.025),
        .high = stats_quantile_sorted(ratios, RESAMPLES, 0.975),
    };
    free(room);
    free(ratios);
    return 0;
}
