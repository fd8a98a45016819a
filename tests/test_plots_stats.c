/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; one engine; timeout 60; with plots/stats.c plots/format.c */

/* The report's statistics against values known beforehand, and how it writes numbers. */

#include <math.h>

#include "plots/format.h"
#include "plots/stats.h"
#include "tests/unit.h"

static void near(double got, double want)
{
    ck_assert_msg(fabs(got - want) <= 1e-9 * fmax(1, fabs(want)), "%.12g is not %.12g", got, want);
}

START_TEST(medians)
{
    near(stats_median_sorted((const double[]){7}, 1), 7);
    near(stats_median_sorted((const double[]){1, 2, 10}, 3), 2);
    near(stats_median_sorted((const double[]){1, 2, 4, 100}, 4), 3);
    near(stats_median_sorted(NULL, 0), 0);
}
END_TEST

START_TEST(quantiles)
{
    const double values[] = {0, 10, 20, 30, 40};
    near(stats_quantile_sorted(values, 5, 0), 0);
    near(stats_quantile_sorted(values, 5, 0.25), 10);
    near(stats_quantile_sorted(values, 5, 0.5), 20);
    near(stats_quantile_sorted(values, 5, 0.9), 36);
    near(stats_quantile_sorted(values, 5, 1), 40);
    near(stats_quantile_sorted(values, 1, 0.3), 0);
}
END_TEST

/* The values n, n - 1 … 1: unsorted, and the k-th smallest is k. */
static struct summary summary_of(size_t n)
{
    double values[2000];
    struct summary s;
    for (size_t i = 0; i < n; i++)
        values[i] = (double)(n - i);
    unit_ok(stats_summarise(values, n, &s));
    ck_assert_uint_eq(s.n, n);
    near(s.median, (double)(n + 1) / 2);
    near(s.min, 1);
    near(s.max, (double)n);
    return s;
}

/* The order statistics and their coverage as found in tables of the sign test. */
START_TEST(interval_of_the_median)
{
    static const struct {
        size_t n;
        double low;
        double coverage;
    } table[] = {
        {1, 1, 0},
        {2, 1, 0.5},
        {5, 1, 0.9375},
        {6, 1, 0.96875},
        {8, 1, 0.9921875},
        {9, 2, 0.9609375},
        {10, 2, 0.978515625},
        {15, 4, 0.96484375},
        {20, 6, 0.958610534667969},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct summary s = summary_of(table[i].n);
        near(s.low, table[i].low);
        near(s.high, (double)table[i].n + 1 - table[i].low);
        near(s.coverage, table[i].coverage);
    }
    struct summary many = summary_of(2000); /* 2 to the -2000 is no double */
    near(many.low, 956);
    ck_assert_double_ge(many.coverage, 0.95);
    ck_assert_double_le(many.coverage, 0.96);
}
END_TEST

START_TEST(outliers_are_counted_and_kept)
{
    struct summary s;
    unit_ok(stats_summarise((const double[]){10, 11, 12, 13, 14, 15, 16, 17, 18, 100}, 10, &s));
    ck_assert_uint_eq(s.outliers, 1);
    near(s.max, 100);
    near(s.median, 14.5);
    near(s.fence_low, 12.25 - 1.5 * 4.5);
    near(s.fence_high, 16.75 + 1.5 * 4.5);

    unit_ok(stats_summarise((const double[]){5, 5, 5, 5, 5, 6, 1}, 7, &s));
    ck_assert_uint_eq(s.outliers, 2);

    unit_ok(stats_summarise((const double[]){3, 3, 3}, 3, &s));
    ck_assert_uint_eq(s.outliers, 0);
}
END_TEST

START_TEST(nothing_to_summarise)
{
    struct summary s = {.n = 77};
    struct interval r = {77, 77, 77};
    const double one[] = {1};
    unit_rc(stats_summarise(one, 0, &s), EINVAL);
    unit_rc(stats_ratio(one, 0, one, 1, &r), EINVAL);
    unit_rc(stats_ratio(one, 1, one, 0, &r), EINVAL);
    ck_assert_uint_eq(s.n, 77);
    near(r.value, 77);
}
END_TEST

START_TEST(ratio_of_constants)
{
    const double tens[] = {10, 10, 10, 10, 10, 10, 10, 10};
    const double fours[] = {4, 4, 4, 4, 4, 4};
    struct interval r;
    unit_ok(stats_ratio(tens, 8, fours, 6, &r));
    near(r.value, 2.5);
    near(r.low, 2.5);
    near(r.high, 2.5);
}
END_TEST

START_TEST(ratio_of_few_is_the_range)
{
    struct interval r;
    unit_ok(stats_ratio((const double[]){9, 10, 12}, 3, (const double[]){4, 5, 6}, 3, &r));
    near(r.value, 2);
    near(r.low, 9.0 / 6);
    near(r.high, 12.0 / 4);
}
END_TEST

START_TEST(ratio_is_the_same_every_time)
{
    double a[12];
    double b[12];
    for (int i = 0; i < 12; i++) {
        a[i] = 100 + i * i % 7;
        b[i] = 50 + i * 5 % 3;
    }
    struct interval first;
    struct interval again;
    unit_ok(stats_ratio(a, 12, b, 12, &first));
    unit_ok(stats_ratio(a, 12, b, 12, &again));
    ck_assert(memcmp(&first, &again, sizeof first) == 0);
    ck_assert_double_le(first.low, first.value);
    ck_assert_double_ge(first.high, first.value);
    ck_assert_double_lt(first.low, first.high);
}
END_TEST

/* Draws from a skewed distribution, as times are: of the intervals about 95 % must hold the true
 * value. The seed is fixed, so the count is the same on every run. */
START_TEST(intervals_hold_the_truth)
{
    enum { N = 20 };
    const int samples = UNIT_SANITIZED || RUNNING_ON_VALGRIND ? 100 : 400;
    uint64_t state = 42;
    int of_median = 0;
    int of_ratio = 0;
    for (int i = 0; i < samples; i++) {
        double a[N];
        double b[N];
        for (int j = 0; j < N; j++) {
            double u = (double)(conc_splitmix64(&state) >> 11) * 0x1p-53;
            double v = (double)(conc_splitmix64(&state) >> 11) * 0x1p-53;
            a[j] = 30 - 3 * log(1 - u); /* median 30 + 3 ln 2 */
            b[j] = 10 - log(1 - v);     /* median 10 + ln 2 */
        }
        struct summary s;
        struct interval r;
        unit_ok(stats_summarise(a, N, &s));
        unit_ok(stats_ratio(a, N, b, N, &r));
        double truth = 30 + 3 * log(2);
        of_median += s.low <= truth && truth <= s.high;
        of_ratio += r.low <= 3 && 3 <= r.high;
    }
    ck_assert_msg(of_median >= samples * 93 / 100, "%d of %d intervals", of_median, samples);
    ck_assert_msg(of_ratio >= samples * 92 / 100, "%d of %d ratios", of_ratio, samples);
    ck_assert_msg(of_ratio < samples, "the interval is so wide that it never misses");
}
END_TEST

START_TEST(numbers_in_words)
{
    char text[FORMAT_SIZE];
    ck_assert_str_eq(format_time(text, 7.771), "7.77 ns");
    ck_assert_str_eq(format_time(text, 999.4), "999 ns");
    ck_assert_str_eq(format_time(text, 999.6), "1.00 µs");
    ck_assert_str_eq(format_time(text, 9.996), "10.0 ns");
    ck_assert_str_eq(format_time(text, 1.06e6), "1.06 ms");
    ck_assert_str_eq(format_time(text, 2.5e10), "25.0 s");
    ck_assert_str_eq(format_ratio(text, 9.73), "9.73 ×");
    ck_assert_str_eq(format_ratio(text, 100), "100 ×");
    ck_assert_str_eq(format_ratio(text, 0.00769), "0.00769 ×");
    ck_assert_str_eq(format_number(text, 0), "0");
    ck_assert_str_eq(format_number(text, 16613), "16600");
    ck_assert_str_eq(format_number(text, 0.0000602), "0.0000602");
    ck_assert_str_eq(format_point(text, "workers", 16), "16");
    ck_assert_str_eq(format_point(text, "work_ns", 10000), "10 µs");
    ck_assert_str_eq(format_point(text, "work_ns", 1500), "1.5 µs");
    ck_assert_str_eq(format_point(text, NULL, 0), "0");
    ck_assert_str_eq(format_sweep(text, "work_ns"), "work per item");
    ck_assert_str_eq(format_sweep(text, "batch_size"), "batch size");
    ck_assert_str_eq(format_sweep(text, "delay_ns"), "delay");
}
END_TEST

int main(void)
{
    return unit_main("plots_stats", medians, quantiles, interval_of_the_median,
        outliers_are_counted_and_kept, nothing_to_summarise, ratio_of_constants,
        ratio_of_few_is_the_range, ratio_is_the_same_every_time, intervals_hold_the_truth,
        numbers_in_words);
}
