/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 120; one engine */

/* conc-report and conc-gantt as programs: what they write from good files, and that bad ones give
 * one line and leave nothing behind. */

#include <jansson.h>

#include "tests/test_plots_samples.h"

/* Skips where gnuplot is not installed: the programs say so with exit code 77. */
static void need_gnuplot(const struct unit_child *child)
{
    if (child->exit_code == 77)
        exit(0);
}

static void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is missing", part);
}

static void has_chart(const char *dir, const char *name)
{
    char file[SAMPLE_PATH];
    snprintf(file, sizeof file, "charts/%.100s.svg", name);
    char *svg = sample_read(dir, file);
    ck_assert_msg(svg != NULL && strstr(svg, "<svg") != NULL && strstr(svg, "</svg>") != NULL,
        "no whole %s", file);
    has(svg, "0123456789ab"); /* the commit, in the caption */
    free(svg);
    snprintf(file, sizeof file, "charts/%.100s.png", name);
    char *png = sample_read(dir, file);
    ck_assert_msg(png != NULL && memcmp(png, "\x89PNG", 4) == 0, "no %s", file);
    free(png);
    snprintf(file, sizeof file, "data/%.100s.gp", name);
    char *script = sample_read(dir, file);
    ck_assert_msg(script != NULL && strstr(script, "plot ") != NULL, "no %s", file);
    free(script);
    snprintf(file, sizeof file, "data/%.100s.dat", name);
    char *data = sample_read(dir, file);
    ck_assert_msg(data != NULL && data[0] == '#', "no %s", file);
    free(data);
}

START_TEST(whole_report)
{
    char dir[SAMPLE_PATH];
    char out[SAMPLE_PATH + 16];
    char pool[SAMPLE_PATH];
    char pipeline[SAMPLE_PATH];
    static struct unit_child child;
    sample_dir(dir);
    snprintf(out, sizeof out, "%s/new/report", dir);
    sample_pool(pool, dir);
    sample_pipeline(pipeline, dir);
    sample_run(&child, "conc-report", "--out", out, pipeline, pool, NULL);
    need_gnuplot(&child);
    ck_assert_msg(child.exit_code == 0, "exit code %d: %s", child.exit_code, child.err);
    ck_assert_str_eq(child.err, "");
    has(child.out, "/new/report/index.html\n");
    ck_assert_int_eq(sample_entries(out), 4); /* index.html, results.json, charts, data: no rest */

    has_chart(out, "03_worker_pool-sleep_1ms");
    has_chart(out, "05_pipeline-grain");
    has_chart(out, "05_pipeline-inc");
    has_chart(out, "05_pipeline-inc-cost");

    char *page = sample_read(out, "index.html");
    ck_assert_ptr_nonnull(page);
    has(page, "<!doctype html>");
    has(page, "prefers-color-scheme: dark");
    has(page, "</html>");
    has(page, "<table>");
    has(page, "Sample &lt;CPU&gt;");
    has(page, "Worker | *pool*");
    has(page, "<img src=\"charts/03_worker_pool-sleep_1ms.svg\"");
    has(page, "2 true");
    has(page, "2 false");
    has(page, "7 not measured");
    has(page, "100 times slower");
    has(page, "concurrency pays here from about 1.00 µs of work per item on");
    has(page, "The claimed 2.70 × is not reached up to 100 µs.");
    ck_assert_msg(strstr(page, "03 Worker") < strstr(page, "05 Pipeline"), "order of patterns");
    free(page);

    char path[SAMPLE_PATH * 2];
    snprintf(path, sizeof path, "%s/results.json", out);
    json_t *merged = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(merged);
    json_t *patterns = json_object_get(merged, "patterns");
    ck_assert_uint_eq(json_array_size(patterns), 2);
    json_t *workload = json_array_get(json_object_get(json_array_get(patterns, 0), "workloads"), 0);
    json_t *ten = json_array_get(json_object_get(workload, "cases"), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(ten, "rounds_ns")), SAMPLE_ROUNDS);
    json_t *speedup = json_object_get(json_object_get(ten, "statistics"), "speedup");
    ck_assert_double_eq_tol(json_number_value(json_object_get(speedup, "value")), 10, 1e-6);
    ck_assert_uint_eq(json_array_size(json_object_get(merged, "claims")), 11);
    json_decref(merged);
    sample_remove(dir);
}
END_TEST

/* A second report over the first one; what else lies in the directory stays. */
START_TEST(report_with_pitfalls)
{
    char dir[SAMPLE_PATH];
    char out[SAMPLE_PATH + 16];
    char pool[SAMPLE_PATH];
    char board[SAMPLE_PATH];
    static struct unit_child child;
    sample_dir(dir);
    snprintf(out, sizeof out, "%s/report", dir);
    sample_pool(pool, dir);
    sample_file(board, dir, "board.md",
        "# The scoreboard\n\n| # | tsan |\n|---|---|\n| [P05](P05_counter.md) | race |\n");
    sample_run(&child, "conc-report", "--out", out, "--pitfalls", board, pool, NULL);
    need_gnuplot(&child);
    ck_assert_msg(child.exit_code == 0, "exit code %d: %s", child.exit_code, child.err);
    char *page = sample_read(out, "index.html");
    has(page, "<a href=\"pitfalls.html\">");
    free(page);
    page = sample_read(out, "pitfalls.html");
    has(page, "<!doctype html>");
    has(page, "<td>P05</td>");
    has(page, "<td>race</td>");
    free(page);
    sample_run(&child, "conc-report", "--out", out, "--pitfalls", "/nowhere.md", pool, NULL);
    sample_refused(&child, 1, "/nowhere.md");
    sample_remove(dir);
}
END_TEST

START_TEST(report_again)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    char mine[SAMPLE_PATH];
    static struct unit_child child;
    sample_dir(dir);
    sample_pool(path, dir);
    sample_file(mine, dir, "mine.txt", "mine");
    for (int i = 0; i < 2; i++) {
        sample_run(&child, "conc-report", path, "--out", dir, NULL);
        need_gnuplot(&child);
        ck_assert_msg(child.exit_code == 0, "exit code %d: %s", child.exit_code, child.err);
        ck_assert_int_eq(sample_entries(dir), 6);
    }
    char *text = sample_read(dir, "mine.txt");
    ck_assert_str_eq(text, "mine");
    free(text);
    sample_remove(dir);
}
END_TEST

/* The sample with `old` replaced by `new`, or cut off there when new is NULL. */
static void damaged(const char *dir, const char *old, const char *new, const char *complaint)
{
    char path[SAMPLE_PATH];
    char out[SAMPLE_PATH + 16];
    static struct unit_child child;
    sample_pool(path, dir);
    char *text = sample_read(dir, "pool.json");
    char *at = strstr(text, old);
    ck_assert_ptr_nonnull(at);
    size_t size = strlen(text) + (new != NULL ? strlen(new) : 0) + 1;
    char *changed = malloc(size);
    snprintf(changed, size, "%.*s%s%s", (int)(at - text), text, new != NULL ? new : "",
        new != NULL ? at + strlen(old) : "");
    sample_file(path, dir, "pool.json", changed);
    free(changed);
    free(text);

    snprintf(out, sizeof out, "%s/report", dir);
    sample_run(&child, "conc-report", "--out", out, path, NULL);
    sample_refused(&child, 1, complaint);
    has(child.err, "pool.json");
    ck_assert_int_eq(sample_entries(out), -1);
}

START_TEST(bad_files)
{
    char dir[SAMPLE_PATH];
    sample_dir(dir);
    damaged(dir, "\"rounds_ns\": [2", NULL, "line 1: no JSON");
    damaged(dir, "{\"schema\"", "", "no JSON");
    damaged(dir, "conc-bench-1", "conc-bench-9", "conc-bench-9");
    damaged(dir, "\"slug\"", "\"snail\"", "\"slug\" is missing");
    damaged(dir, "worker_pool", "../../etc", "\"slug\" is no word");
    damaged(dir, "sleep_1ms", "a'b", "\"name\" is no word");
    damaged(dir, "\"machine\"", "\"engine_room\"", "\"machine\" is missing");
    damaged(dir, "\"cores\": 2", "\"cores\": 0", "\"cores\" is missing or no integer");
    damaged(dir, "\"kind\": \"wait\"", "\"kind\": \"fast\"", "\"kind\" is fast");
    damaged(dir, "\"items\": 100", "\"items\": 0", "case 0: \"items\"");
    damaged(dir, "\"rounds_ns\": [100000000.0", "\"rounds_ns\": [-1", "no positive number");
    damaged(dir, "\"rounds_ns\": [100000000.0", "\"rounds_ns\": [\"x\"", "no positive number");
    damaged(dir, "\"workers\": 10,", "\"workers\": \"10\",", "workload sleep_1ms: case 2");
    damaged(dir, "\"cases\": [", "\"cases\": [], \"others\": [", "\"cases\" is empty");
    damaged(dir, "\"workloads\": [", "\"workloads\": [], \"others\": [", "\"workloads\" is empty");
    sample_remove(dir);
}
END_TEST

START_TEST(bad_usage)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    char out[SAMPLE_PATH + 16];
    char none[SAMPLE_PATH + 16];
    static struct unit_child child;
    sample_dir(dir);
    sample_pool(path, dir);
    snprintf(out, sizeof out, "%s/report", dir);
    snprintf(none, sizeof none, "%s/none.json", dir);

    sample_run(&child, "conc-report", "--out", out, NULL);
    sample_refused(&child, 2, "no result files");
    sample_run(&child, "conc-report", path, NULL);
    sample_refused(&child, 2, "--out");
    sample_run(&child, "conc-report", path, "--out", NULL);
    sample_refused(&child, 2, "--out");
    sample_run(&child, "conc-report", "--fast", "--out", out, path, NULL);
    sample_refused(&child, 2, "--fast");
    sample_run(&child, "conc-report", "--out", out, none, NULL);
    sample_refused(&child, 1, "none.json");
    sample_run(&child, "conc-report", "--out", out, path, path, NULL);
    sample_refused(&child, 1, "two files hold results of 03 worker_pool");
    ck_assert_int_eq(sample_entries(out), -1);

    /* A file where the directory should be. */
    sample_run(&child, "conc-report", "--out", path, path, NULL);
    sample_refused(&child, 1, "cannot write to");
    sample_run(&child, "conc-report", "--help", NULL);
    ck_assert_int_eq(child.exit_code, 0);
    has(child.out, "usage: conc-report");
    sample_remove(dir);
}
END_TEST

/* ---------------------------------------------------------------- conc-gantt */

/* A trace of `tasks` tasks: each runs for 1 ms, waits for 2 ms and runs again. */
static const char *sample_trace(char path[SAMPLE_PATH], const char *dir, int tasks, bool bare)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    fputs(bare ? "[" : "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", out);
    for (int i = 1; i <= tasks; i++) {
        int at = 100 * i;
        fprintf(out,
            "{\"ph\": \"M\", \"name\": \"thread_name\", \"pid\": 1, \"tid\": %d, "
            "\"args\": {\"name\": \"%s\"}}, "
            "{\"ph\": \"X\", \"name\": \"run\", \"cat\": \"run\", \"pid\": 1, \"tid\": %d, "
            "\"ts\": %d, \"dur\": 1000}, "
            "{\"ph\": \"X\", \"name\": \"blocked: to receive from channel\", \"cat\": \"wait\", "
            "\"pid\": 1, \"tid\": %d, \"ts\": %d, \"dur\": 2000, \"args\": {\"at\": \"a.c:1\"}}, "
            "{\"ph\": \"i\", \"name\": \"wake\", \"pid\": 1, \"tid\": %d, \"ts\": %d}, "
            "{\"ph\": \"X\", \"name\": \"run\", \"cat\": \"run\", \"pid\": 1, \"tid\": %d, "
            "\"ts\": %d, \"dur\": 500.5}%s",
            i, i == 1 ? "main" : "it's a worker", i, at, i, at + 1000, i, at + 3000, i, at + 3000,
            i < tasks ? ", " : "");
    }
    fputs(bare ? "]" : "]}", out);
    ck_assert_int_eq(fclose(out), 0);
    sample_file(path, dir, "trace.json", text);
    free(text);
    return path;
}

START_TEST(gantt)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    char svg[SAMPLE_PATH + 16];
    char png[SAMPLE_PATH + 16];
    static struct unit_child child;
    sample_dir(dir);
    snprintf(svg, sizeof svg, "%s/chart.svg", dir);
    snprintf(png, sizeof png, "%s/chart.png", dir);

    sample_run(&child, "conc-gantt", sample_trace(path, dir, 3, false), svg, NULL);
    need_gnuplot(&child);
    ck_assert_msg(child.exit_code == 0, "exit code %d: %s", child.exit_code, child.err);
    char *text = sample_read(dir, "chart.svg");
    has(text, "</svg>");
    has(text, "3 tasks");
    has(text, "main");
    has(text, "running");
    has(text, "waiting");
    has(text, "it's a worker 3"); /* of two with the same name, each has its number */
    free(text);

    sample_run(&child, "conc-gantt", sample_trace(path, dir, 50, true), svg, NULL);
    ck_assert_msg(child.exit_code == 0, "exit code %d: %s", child.exit_code, child.err);
    text = sample_read(dir, "chart.svg");
    has(text, "the first 40 of 50 tasks");
    has(text, "it's a worker 40");
    ck_assert_ptr_null(strstr(text, "it's a worker 41"));
    free(text);

    sample_run(&child, "conc-gantt", path, png, NULL);
    ck_assert_int_eq(child.exit_code, 0);
    text = sample_read(dir, "chart.png");
    ck_assert(memcmp(text, "\x89PNG", 4) == 0);
    free(text);
    ck_assert_int_eq(sample_entries(dir), 3); /* the trace and two charts */
    sample_remove(dir);
}
END_TEST

START_TEST(bad_traces)
{
    char dir[SAMPLE_PATH];
    char path[SAMPLE_PATH];
    char svg[SAMPLE_PATH + 16];
    static struct unit_child child;
    sample_dir(dir);
    snprintf(svg, sizeof svg, "%s/chart.svg", dir);
    static const struct {
        const char *text;
        const char *complaint;
    } bad[] = {
        {"[{\"ph\": \"X\"", "no JSON"},
        {"{\"events\": []}", "no trace"},
        {"[]", "no slices"},
        {"[{\"name\": \"run\"}]", "event 0: \"ph\""},
        {"[{\"ph\": \"X\", \"tid\": 1, \"ts\": 5}]", "\"ts\" and \"dur\""},
        {"[{\"ph\": \"X\", \"tid\": 1, \"ts\": 5, \"dur\": -1}]", "not negative"},
        {"[{\"ph\": \"X\", \"ts\": 5, \"dur\": 1}]", "\"tid\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sample_file(path, dir, "trace.json", bad[i].text);
        sample_run(&child, "conc-gantt", path, svg, NULL);
        sample_refused(&child, 1, bad[i].complaint);
        ck_assert_int_eq(sample_entries(dir), 1);
    }

    sample_trace(path, dir, 1, false);
    sample_run(&child, "conc-gantt", path, "chart.gif", NULL);
    sample_refused(&child, 2, ".svg or .png");
    sample_run(&child, "conc-gantt", path, NULL);
    sample_refused(&child, 2, "usage");
    sample_run(&child, "conc-gantt", path, "/nowhere/at/all.svg", NULL);
    sample_refused(&child, 1, "/nowhere/at/all.svg");
    sample_remove(dir);
}
END_TEST

int main(void)
{
    return unit_main("plots_report", whole_report, report_with_pitfalls, report_again, bad_files,
        bad_usage, gantt, bad_traces);
}
