/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TEST_PLOTS_SAMPLES_H
#define TESTS_TEST_PLOTS_SAMPLES_H

/*
 * Small result files, a directory to put them in, and the programs of plots/ run on them. The times
 * are made up so that every number in the report is known beforehand.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "tests/unit.h"

enum { SAMPLE_PATH = 512, SAMPLE_ROUNDS = 10 };

/* A fresh directory below $TMPDIR or /tmp. */
static inline void sample_dir(char dir[SAMPLE_PATH])
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, SAMPLE_PATH, "%.300s/conc-plots-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline void sample_remove(const char *dir)
{
    char command[SAMPLE_PATH + 16];
    ck_assert_ptr_nonnull(strstr(dir, "/conc-plots-"));
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

/* Writes dir/name and gives its path. */
static inline const char *sample_file(
    char path[SAMPLE_PATH], const char *dir, const char *name, const char *text)
{
    snprintf(path, SAMPLE_PATH, "%.400s/%.100s", dir, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* The whole of dir/name, to be freed; NULL: there is no such file. */
static inline char *sample_read(const char *dir, const char *name)
{
    char path[SAMPLE_PATH];
    snprintf(path, sizeof path, "%.400s/%.100s", dir, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(memory);
    for (int c; (c = fgetc(file)) != EOF;)
        fputc(c, memory);
    fclose(file);
    fclose(memory);
    return text;
}

/* How many entries a directory has; -1: there is none. */
static inline int sample_entries(const char *dir)
{
    DIR *list = opendir(dir);
    if (list == NULL)
        return -1;
    int n = -2; /* . and .. */
    while (readdir(list) != NULL)
        n++;
    closedir(list);
    return n;
}

/* A case whose rounds are base_ns times 0.98, 1.00 and 1.02 in turn: the median is base_ns. */
static inline void sample_case(
    FILE *out, const char *variant, bool once, int point, int workers, int items, double base_ns)
{
    static const double jitter[] = {1.0, 0.98, 1.02, 1.0};
    fprintf(out,
        "{\"variant\": \"%s\", \"once\": %s, \"point\": %d, \"workers\": %d, \"parameter\": 0, "
        "\"items\": %d, \"runs_per_round\": 1, \"check\": \"ok\", \"rounds_ns\": [",
        variant, once ? "true" : "false", point, workers, items);
    for (int i = 0; i < SAMPLE_ROUNDS; i++)
        fprintf(out, "%s%.1f", i > 0 ? ", " : "", base_ns * jitter[i % 4]);
    fprintf(out, "]}");
}

/* The beginning of a result file, up to its list of workloads. */
static inline void sample_head(FILE *out, int number, const char *slug, const char *title)
{
    fprintf(out,
        "{\"schema\": \"conc-bench-1\", \"number\": %d, \"slug\": \"%s\", \"title\": \"%s\", "
        "\"date\": \"2025-01-02T03:04:05Z\", \"commit\": \"0123456789ab\", "
        "\"engine\": \"threads\", \"mode\": \"quick\", \"rounds_wanted\": 10, "
        "\"machine\": {\"cpu\": \"Sample <CPU>\", \"cores\": 2, \"virtual\": true, "
        "\"kernel\": \"Linux 6\", \"compiler\": \"gcc 12\", \"governor\": null, "
        "\"load_before\": 0.1}, \"workloads\": [",
        number, slug, title);
}

/*
 * A pool on waiting jobs: serial 1 ms a job, conc exactly 10 × at 10 workers (claim C1 holds) and
 * 50 × at 100 (C2 does not). The odd title has to be escaped.
 */
static inline const char *sample_pool(char path[SAMPLE_PATH], const char *dir)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    sample_head(out, 3, "worker_pool", "Worker | *pool*");
    fprintf(out, "{\"name\": \"sleep_1ms\", \"title\": \"Jobs of 1 ms\", \"note\": \"A note.\", "
                 "\"kind\": \"wait\", \"unit\": \"job\", \"sweep\": \"workers\", "
                 "\"baseline\": \"serial\", \"crossover\": null, \"claims\": ["
                 "{\"id\": \"C1\", \"at\": 10, \"variant\": \"conc\", \"baseline\": \"serial\"}, "
                 "{\"id\": \"C2\", \"at\": 100, \"variant\": \"conc\", \"baseline\": \"serial\"}"
                 "], \"cases\": [");
    sample_case(out, "serial", true, 1, 1, 100, 100e6);
    fputs(", ", out);
    sample_case(out, "conc", false, 1, 1, 100, 100e6);
    fputs(", ", out);
    sample_case(out, "conc", false, 10, 10, 100, 10e6);
    fputs(", ", out);
    sample_case(out, "conc", false, 100, 100, 100, 2e6);
    fputs("]}]}", out);
    ck_assert_int_eq(fclose(out), 0);
    sample_file(path, dir, "pool.json", text);
    free(text);
    return path;
}

/*
 * A pipeline: at 10 ns of work per item 100 × slower than its loop (C3 does not hold), at 1 µs as
 * fast, at 100 µs twice as fast: the crossover is at 1 µs. And a counter: mutex 150 ns, atomic 12
 * ns (C7 holds), no sweep.
 */
static inline const char *sample_pipeline(char path[SAMPLE_PATH], const char *dir)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    sample_head(out, 5, "pipeline", "Pipeline");
    fprintf(out, "{\"name\": \"grain\", \"title\": \"Work per item\", \"note\": null, "
                 "\"kind\": \"cpu\", \"unit\": \"item\", \"sweep\": \"work_ns\", "
                 "\"baseline\": \"serial\", \"crossover\": \"C4 C3\", \"claims\": ["
                 "{\"id\": \"C3\", \"at\": 10, \"variant\": \"conc\", \"baseline\": \"serial\"}"
                 "], \"cases\": [");
    static const double serial[] = {10e3, 1e6, 100e6};
    static const double conc[] = {1000e3, 1e6, 50e6};
    for (int i = 0; i < 3; i++) {
        int point = i == 0 ? 10 : i == 1 ? 1000 : 100000;
        sample_case(out, "serial", false, point, 2, 1000, serial[i]);
        fputs(", ", out);
        sample_case(out, "conc", false, point, 2, 1000, conc[i]);
        fputs(i < 2 ? ", " : "", out);
    }
    fprintf(out, "]}, {\"name\": \"inc\", \"title\": \"One increment\", \"note\": null, "
                 "\"kind\": \"message\", \"unit\": \"increment\", \"sweep\": null, "
                 "\"baseline\": \"mutex\", \"crossover\": null, \"claims\": ["
                 "{\"id\": \"C7\", \"at\": 0, \"variant\": \"atomic\", \"baseline\": \"mutex\"}"
                 "], \"cases\": [");
    sample_case(out, "mutex", false, 0, 1, 1000, 150e3);
    fputs(", ", out);
    sample_case(out, "atomic", false, 0, 1, 1000, 12e3);
    fputs("]}]}", out);
    ck_assert_int_eq(fclose(out), 0);
    sample_file(path, dir, "pipeline.json", text);
    free(text);
    return path;
}

/* ---------------------------------------------------------------- programs */

static inline int sample_exec(void *argv)
{
    char *const *words = argv;
    execv(words[0], words);
    perror(words[0]);
    return 127;
}

/* Runs a program of plots/, which is built beside the tests, with the given words, NULL at the end.
 */
static inline void sample_run(struct unit_child *child, const char *program, ...)
{
    char self[SAMPLE_PATH];
    char path[SAMPLE_PATH + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert_int_gt(length, 0);
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    snprintf(path, sizeof path, "%s/../plots/%s", self, program);

    char *argv[20] = {path};
    va_list words;
    va_start(words, program);
    for (size_t i = 1; i < 19 && (argv[i] = va_arg(words, char *)) != NULL; i++)
        ;
    va_end(words);
    unit_child_run(child, sample_exec, argv, NULL);
    ck_assert_int_ne(child->exit_code, 127);
}

/* The child said one line on stderr, with `text` in it, and left with `code`. */
static inline void sample_refused(const struct unit_child *child, int code, const char *text)
{
    ck_assert_msg(child->exit_code == code, "exit code %d, not %d; stderr: %s", child->exit_code,
        code, child->err);
    const char *end = strchr(child->err, '\n');
    ck_assert_msg(end != NULL && end[1] == '\0', "not one line: '%s'", child->err);
    ck_assert_msg(strstr(child->err, text) != NULL, "no '%s' in: %s", text, child->err);
}

#endif
