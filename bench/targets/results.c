/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/targets/compare.h"
#include "bench/baselines/machine.h"
#include "bench/baselines/whole_file.h"

/* Within this much above its target a row counts as there: the noise of a shared machine. */
static const double tolerance = 1.15;

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In order, in a copy. */
static int sorted(const struct measured *m, enum contender contender, double values[MAX_ROUNDS])
{
    int n = m->n[contender];
    memcpy(values, m->values[contender], (size_t)n * sizeof *values);
    qsort(values, (size_t)n, sizeof *values, compare);
    return n;
}

double measured_median(const struct measured *m, enum contender contender)
{
    double values[MAX_ROUNDS];
    int n = sorted(m, contender, values);
    if (n == 0)
        return 0;
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double measured_go(const struct measured *m)
{
    double one = measured_median(m, GO_1);
    double two = measured_median(m, GO_2);
    return one > 0 && (two <= 0 || one < two) ? one : two;
}

/* Half the distance between the quartiles, in per cent of the median. */
static double spread(const struct measured *m, enum contender contender)
{
    double values[MAX_ROUNDS];
    int n = sorted(m, contender, values);
    double median = measured_median(m, contender);
    return n < 2 ? 0 : (values[(3 * n - 1) / 4] - values[n / 4]) / 2 / median * 100;
}

static double target_of(const struct row *row, enum contender engine)
{
    return engine == THREADS ? row->threads_target : row->target;
}

static double limit_of(const struct row *row, enum contender engine)
{
    return engine == THREADS ? row->threads_limit : row->limit;
}

/* ---- the table ---- */

/* A figure in three digits, and a letter for the thousands. */
static const char *figure(char text[16], double value)
{
    static const char letters[] = " kMG";
    size_t i = 0;
    if (value <= 0) {
        snprintf(text, 16, "-");
        return text;
    }
    for (bool large = value >= 99999.5; large && value >= 999.5 && letters[i + 1]; i++)
        value /= 1000;
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text, 16, "%.*f%.*s", decimals, value, i > 0, &letters[i]);
    return text;
}

struct tally {
    int met;
    int near;
    int missed;
    int paced; /* of those missed: would be met or near where the targets were set */
    int slow;  /* not as many times as fast as Go as they are to be */
};

/* Judges a figure and counts it. `pace` is how many times as long this machine takes as the one on
 * which the targets were set, or 1: a figure that misses its target is judged once more at that. */
static const char *verdict(
    char text[32], double value, double target, double pace, struct tally *tally)
{
    text[0] = '\0';
    if (target <= 0)
        return text;
    bool missed = value > target * tolerance;
    bool paced = missed && value <= target * tolerance * pace;
    double at = paced ? target * pace : target;
    const char *word = value <= at ? "met" : value <= at * tolerance ? "within 15 %" : "MISSED";
    if (paced)
        snprintf(text, 32, "MISSED, / %.2f %s", pace, word);
    else
        snprintf(text, 32, "%s", word);
    tally->met += value <= target;
    tally->near += value > target && !missed;
    tally->missed += missed;
    tally->paced += paced;
    return text;
}

static void print_row(const struct row *row, const struct measured *m, enum contender engine,
    double pace, struct tally *tally)
{
    double value = measured_median(m, engine);
    double target = target_of(row, engine);
    double go = measured_go(m);
    double wanted = engine == FIBERS ? row->times_go : 0;
    char text[4][16];
    char ratio[24] = "- ";
    char limit[16] = "-";
    char judged[32];
    if (value <= 0) {
        printf("%-22s %-7s failed\n", row->id, engine == FIBERS ? "fibers" : "threads");
        return;
    }
    bool slow = go > 0 && go / value * tolerance < wanted;
    if (go > 0)
        snprintf(
            ratio, sizeof ratio, "%.*f%s", go / value < 10 ? 2 : 1, go / value, slow ? "!" : " ");
    double least = limit_of(row, engine);
    if (least > 0)
        snprintf(limit, sizeof limit, value / least < 10 ? "%.2f" : "%.0f", value / least);
    printf("%-22s %-7s %8s %3.0f%% %8s %8s %8s %8s %7s  %s\n", row->id,
        engine == FIBERS ? "fibers" : "threads", figure(text[0], value), spread(m, engine),
        figure(text[1], measured_median(m, TEXTBOOK)), figure(text[2], go), ratio,
        figure(text[3], target), limit,
        verdict(judged, value, target, wanted > 0 ? pace : 1, tally));
    tally->slow += slow;
}

static void print_tally(const char *engine, const struct tally *tally, bool go)
{
    printf("%s: %d targets met, %d within 15 %%, %d missed", engine, tally->met, tally->near,
        tally->missed);
    if (tally->paced > 0)
        printf(" (%d of them for this machine alone)", tally->paced);
    if (go && strcmp(engine, "fibers") == 0)
        printf("; %d rows marked ! are not as far ahead of Go as they are to be", tally->slow);
    printf("\n");
}

/* How this machine compares with the one on which the targets were set. */
static void print_machine(double slower)
{
    struct machine here = machine_measure();
    printf("Where the targets were set a locked instruction took 4.6 ns, here it takes %.1f",
        here.locked_ns);
    if (here.line_ns > 0)
        printf("; a cache line\nthere and back between two cores 107 ns, here %.0f", here.line_ns);
    printf(".");
    if (slower > 0)
        printf(" Go takes %.2f times as long as there.", slower);
    printf("\n");
    if (slower > 1)
        printf(
            "A row on fibers that misses its target, and holds when its time is divided by that, "
            "says so.\n");
    if (here.wake_ns > 0)
        printf("A thread that wakes where others compute on all cores costs them %.0f us.\n",
            here.wake_ns / 1000);
}

/* How much longer Go takes here than it took there, over the rows for which that is known: the
 * geometric mean. 0: for none of them. */
static double go_here(const struct measured *results)
{
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < rows_n; i++) {
        double go = measured_go(&results[i]);
        if (go <= 0 || rows[i].go_there <= 0)
            continue;
        sum += log(go / rows[i].go_there);
        n++;
    }
    return n > 0 ? exp(sum / n) : 0;
}

/* Which of the wanted rows the threads engine does not have. */
static void print_left_out(const struct measured *results)
{
    const struct row *last = NULL;
    for (size_t i = 0; i < rows_n; i++) {
        if (!results[i].wanted || !rows[i].fibers_only || (last && row_same_run(last, &rows[i])))
            continue;
        last = &rows[i];
        printf("Not on threads, where every task is a thread: %s.\n",
            rows[i].group ? rows[i].group : rows[i].id);
    }
}

/* In per cent of all figures. */
static double disturbed(const struct measured *results)
{
    int n = 0;
    int quiet = 0;
    for (size_t i = 0; i < rows_n; i++) {
        for (enum contender c = FIBERS; c < CONTENDERS; c++) {
            n += results[i].n[c];
            quiet += results[i].quiet[c];
        }
    }
    return n > 0 ? 100.0 * (n - quiet) / n : 0;
}

void table_print(const struct measured *results, int rounds, bool go, double load)
{
    struct tally tallies[2] = {0};
    double slower = go_here(results);
    double pace = slower > 1 ? slower : 1;
    printf("Median of %d rounds; ns, memory in bytes (k, M, G: thousands). +-: half the distance "
           "of the quartiles.\n",
        rounds);
    print_machine(slower);
    if (load > 0.5)
        printf("The load was %.1f before it began: figures of two threads are not to be trusted.\n",
            load);
    if (disturbed(results) > 0)
        printf(
            "%.0f %% of the figures are of cores that were slower than at their best: shared with "
            "another\nguest of the host, or at a lower clock.\n",
            disturbed(results));
    printf("\n");
    printf("%-22s %-7s %8s %4s %8s %8s %8s %8s %7s  %s\n", "row", "engine", "time", "+-", "pthread",
        "Go", "Go/ours ", "target", "x limit", "verdict");
    for (size_t i = 0; i < rows_n; i++) {
        if (!results[i].wanted)
            continue;
        print_row(&rows[i], &results[i], FIBERS, pace, &tallies[0]);
        if (contender_has(THREADS, &rows[i], go))
            print_row(&rows[i], &results[i], THREADS, pace, &tallies[1]);
    }
    printf("\n");
    print_tally("fibers", &tallies[0], go);
    print_tally("threads", &tallies[1], go);
    print_left_out(results);
    if (!go)
        printf("Without Go: golang-go, golang-golang-x-sync-dev and golang-golang-x-time-dev are "
               "needed for it.\n");
}

/* ---- the file ---- */

static json_t *number_or_null(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static json_t *as_json(const struct measured *results)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < rows_n; i++) {
        for (enum contender engine = FIBERS; engine <= THREADS; engine++) {
            double value = measured_median(&results[i], engine);
            double go = measured_go(&results[i]);
            if (!results[i].wanted || value <= 0)
                continue;
            json_t *object = json_pack("{s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o}", "id", rows[i].id,
                "engine", engine == FIBERS ? "fibers" : "threads", "ns", value, "textbook_ns",
                number_or_null(measured_median(&results[i], TEXTBOOK)), "go_ns", number_or_null(go),
                "ratio_go", number_or_null(go / value), "target_ns",
                number_or_null(target_of(&rows[i], engine)), "limit_ns",
                number_or_null(limit_of(&rows[i], engine)));
            if (json_array_append_new(array, object) != 0) {
                json_decref(array);
                return NULL;
            }
        }
    }
    return array;
}

static bool say(const char *path, const char *why)
{
    fprintf(stderr, "conc-targets: --json: '%s': %s\n", path, why);
    return false;
}

bool json_writable(const char *path)
{
    int rc = whole_file_check(path);
    return rc == 0 || say(path, strerror(rc));
}

bool json_write(const struct measured *results, const char *path)
{
    json_t *array = as_json(results);
    char *text = array ? json_dumps(array, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    size_t size = text ? strlen(text) : 0;
    int rc = ENOMEM;
    if (text) {
        text[size] = '\n'; /* in the place of the zero */
        rc = whole_file_write(path, text, size + 1);
    }
    free(text);
    json_decref(array);
    return rc == 0 || say(path, strerror(rc));
}
