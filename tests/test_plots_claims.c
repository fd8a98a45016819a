/* SPDX-License-Identifier: MIT */
/* ctest: one engine; with plots/claims.c plots/claims_list.c plots/results.c plots/stats.c */

/* Result files read into numbers, and the verdicts on the claims that follow from them. */

#include <math.h>

#include "plots/claims.h"
#include "tests/test_plots_samples.h"

static const struct answer *answer_of(const struct answer *answers, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(answers[i].claim->id, id) == 0)
            return &answers[i];
    ck_abort_msg("no answer for %s", id);
}

START_TEST(reads_the_samples)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    struct results r = {0};
    sample_dir(dir);
    ck_assert_int_eq(results_add(&r, sample_pipeline(path, dir)), 0);
    ck_assert_int_eq(results_add(&r, sample_pool(path, dir)), 0);
    ck_assert_int_eq(results_sort(&r), 0);
    ck_assert_uint_eq(r.n, 2);
    ck_assert_int_eq(r.patterns[0].number, 3);
    ck_assert_int_eq(r.patterns[1].number, 5);

    const struct workload *w = &r.patterns[0].workloads[0];
    ck_assert_uint_eq(w->n_points, 3); /* the level line adds none */
    const struct measured *ten = results_find(w, "conc", 10);
    ck_assert_ptr_nonnull(ten);
    ck_assert(ten->usable && ten->has_speedup);
    ck_assert_double_eq_tol(ten->cost.median, 1e5, 1e-6);
    ck_assert_double_eq_tol(ten->speedup.value, 10, 1e-9);
    ck_assert_double_eq(results_ideal(&r.patterns[0], w, ten), 10);
    ck_assert_ptr_eq(results_find(w, "serial", 100), &w->cases[0]); /* once: at any point */
    ck_assert_ptr_null(results_find(w, "conc", 7));

    const struct workload *grain = &r.patterns[1].workloads[0];
    const struct measured *two = results_find(grain, "conc", 100000);
    ck_assert_double_eq(results_ideal(&r.patterns[1], grain, two), 2);
    results_free(&r);
    sample_remove(dir);
}
END_TEST

START_TEST(verdicts)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    struct results r = {0};
    struct answer *answers;
    size_t n;
    sample_dir(dir);
    ck_assert_int_eq(results_add(&r, sample_pool(path, dir)), 0);
    ck_assert_int_eq(results_add(&r, sample_pipeline(path, dir)), 0);
    unit_ok(claims_answer(&r, &answers, &n));
    ck_assert_uint_eq(n, claims_count);

    ck_assert_int_eq(answer_of(answers, n, "C1")->verdict, VERDICT_TRUE);
    ck_assert_int_eq(answer_of(answers, n, "C2")->verdict, VERDICT_FALSE);
    ck_assert_double_eq_tol(answer_of(answers, n, "C2")->value.value, 50, 1e-6);
    ck_assert_int_eq(answer_of(answers, n, "C3")->verdict, VERDICT_FALSE);
    ck_assert_double_eq_tol(answer_of(answers, n, "C3")->value.value, 0.01, 1e-9);
    ck_assert_int_eq(answer_of(answers, n, "C7")->verdict, VERDICT_TRUE);
    static const char *const missing[] = {"C4", "C5", "C6", "C8", "C9", "C10", "C11"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
        ck_assert_int_eq(answer_of(answers, n, missing[i])->verdict, VERDICT_MISSING);
    free(answers);
    results_free(&r);
    sample_remove(dir);
}
END_TEST

/* One workload about one claim: the baseline's rounds and the variant's, given as text. */
static enum verdict verdict_of(
    const char *id, const char *base, const char *rounds, const char *check)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    sample_head(out, 4, "dynamic_pool", "Dynamic pool");
    fprintf(out,
        "{\"name\": \"w\", \"title\": \"W\", \"kind\": \"wait\", \"unit\": \"job\", "
        "\"baseline\": \"base\", \"claims\": [{\"id\": \"%s\", \"at\": 0, \"variant\": \"conc\", "
        "\"baseline\": \"base\"}], \"cases\": ["
        "{\"variant\": \"base\", \"point\": 0, \"workers\": 1, \"items\": 1, \"check\": \"ok\", "
        "\"rounds_ns\": [%s]}, "
        "{\"variant\": \"conc\", \"point\": 0, \"workers\": 1, \"items\": 1, \"check\": \"%s\", "
        "\"rounds_ns\": [%s]}]}]}",
        id, base, check, rounds);
    ck_assert_int_eq(fclose(out), 0);

    struct results r = {0};
    struct answer *answers;
    size_t n;
    sample_dir(dir);
    ck_assert_int_eq(results_add(&r, sample_file(path, dir, "w.json", text)), 0);
    unit_ok(claims_answer(&r, &answers, &n));
    enum verdict verdict = answer_of(answers, n, id)->verdict;
    free(answers);
    free(text);
    results_free(&r);
    sample_remove(dir);
    return verdict;
}

#define EVEN "100, 100, 100, 100, 100, 100, 100, 100"
#define TWICE "50, 50, 50, 50, 50, 50, 50, 50"
#define WIDE "50, 60, 70, 75, 80, 90, 100, 110"

/* C9 promises 1.3: the mark is 1.27. C10 promises as many times as cores, here 2. C8 is a cost. */
START_TEST(verdict_by_interval)
{
    ck_assert_int_eq(verdict_of("C9", EVEN, TWICE, "ok"), VERDICT_TRUE);
    ck_assert_int_eq(verdict_of("C9", EVEN, EVEN, "ok"), VERDICT_FALSE);
    ck_assert_int_eq(verdict_of("C9", EVEN, WIDE, "ok"), VERDICT_NOISE);
    ck_assert_int_eq(verdict_of("C10", EVEN, TWICE, "ok"), VERDICT_TRUE);
    ck_assert_int_eq(verdict_of("C10", EVEN, WIDE, "ok"), VERDICT_FALSE);
    ck_assert_int_eq(verdict_of("C8", EVEN, TWICE, "ok"), VERDICT_TRUE);
    ck_assert_int_eq(verdict_of("C8", EVEN, "900, 900, 900, 900, 900, 900", "ok"), VERDICT_FALSE);
    ck_assert_int_eq(
        verdict_of("C8", EVEN, "100, 900, 110, 800, 120, 700, 130", "ok"), VERDICT_NOISE);
}
END_TEST

/* Too few rounds prove nothing, and a wrong result is no measurement. */
START_TEST(verdict_without_evidence)
{
    ck_assert_int_eq(verdict_of("C9", EVEN, "50, 50", "ok"), VERDICT_NOISE);
    ck_assert_int_eq(verdict_of("C9", "100", TWICE, "ok"), VERDICT_NOISE);
    ck_assert_int_eq(verdict_of("C9", EVEN, TWICE, "the result is wrong"), VERDICT_MISSING);
    ck_assert_int_eq(verdict_of("C9", EVEN, "", "ok"), VERDICT_MISSING);
    ck_assert_int_eq(verdict_of("C9", "", TWICE, "ok"), VERDICT_MISSING);
}
END_TEST

START_TEST(crossovers)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    struct results r = {0};
    sample_dir(dir);
    ck_assert_int_eq(results_add(&r, sample_pipeline(path, dir)), 0);
    const struct workload *w = claims_crossover_workload(&r, "C3");
    ck_assert_ptr_eq(w, &r.patterns[0].workloads[0]);
    ck_assert_ptr_eq(claims_crossover_workload(&r, "C4"), w);
    ck_assert_ptr_null(claims_crossover_workload(&r, "C"));
    ck_assert_ptr_null(claims_crossover_workload(&r, "C33"));

    /* Speedups 0.01, 1 and 2 at 10 ns, 1 µs and 100 µs. */
    ck_assert_double_eq_tol(claims_crossover(w, "conc", 1), 1000, 1e-6);
    ck_assert_double_eq_tol(claims_crossover(w, "conc", 0.1), 100, 1e-6);
    ck_assert_double_eq_tol(claims_crossover(w, "conc", sqrt(2)), 10000, 1e-3);
    ck_assert_double_eq(claims_crossover(w, "conc", 0.005), 0);
    ck_assert_double_lt(claims_crossover(w, "conc", 2.7), 0);
    ck_assert_double_lt(claims_crossover(w, "nobody", 1), 0);
    results_free(&r);
    sample_remove(dir);
}
END_TEST

START_TEST(list_of_claims)
{
    ck_assert_uint_eq(claims_count, 11);
    for (size_t i = 0; i < claims_count; i++) {
        char id[8];
        snprintf(id, sizeof id, "C%zu", i + 1);
        ck_assert_str_eq(claims_list[i].id, id);
        ck_assert(claims_list[i].kind == CLAIM_CORES || claims_list[i].figure > 1);
        ck_assert_uint_gt(strlen(claims_list[i].why), 40);
    }
}
END_TEST

int main(void)
{
    return unit_main("plots_claims", reads_the_samples, verdicts, verdict_by_interval,
        verdict_without_evidence, crossovers, list_of_claims);
}
