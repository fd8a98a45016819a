/* SPDX-License-Identifier: MIT */

/*
 * conc-report: reads the result files of the benchmark programs and writes one report:
 * results.json, the charts and index.html.
 *
 * Everything is made in a directory of its own inside the target and moved into place when it is
 * complete, the page last. A report that fails leaves what was there before.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "charts.h"
#include "claims.h"
#include "merge.h"
#include "page.h"
#include "results.h"

enum { PATH_SIZE = 900, LONGEST_OUT = 300 };

/* The parts of a report, in the order they are moved into place. */
static const char *const parts[] = {"charts", "data", ""};
enum { PARTS = sizeof parts / sizeof parts[0] };

static void print_help(void)
{
    puts(
        "usage: conc-report --out DIR [--pitfalls FILE.md] FILE...\n"
        "\n"
        "Makes one report from result files of the benchmark programs (bench --json FILE).\n"
        "\n"
        "  --out DIR  where it goes: index.html, results.json, charts/ and data/; made if missing\n"
        "  --pitfalls FILE.md  a scoreboard of the pitfalls, which becomes pitfalls.html\n"
        "  --help     print this and end\n"
        "\n"
        "exit code: 0 done, 1 a file is bad or cannot be written, 2 bad usage, 77 no gnuplot");
}

/* ---- directories ---- */

/* Calls fn for every file in a directory; stops at the first that returns not 0 and returns that.
 */
static int each_file(
    const char *dir, int (*fn)(const char *dir, const char *name, void *arg), void *arg)
{
    DIR *list = opendir(dir);
    if (list == NULL)
        return errno;
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(list)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = fn(dir, entry->d_name, arg);
    closedir(list);
    return rc;
}

static int remove_file(const char *dir, const char *name, void *arg)
{
    (void)arg;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%.500s/%.300s", dir, name);
    unlink(path);
    return 0;
}

static void remove_work(const char *work)
{
    for (size_t i = 0; i < PARTS; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%.400s/%s", work, parts[i]);
        each_file(path, remove_file, NULL);
        if (parts[i][0] != '\0')
            rmdir(path);
    }
    rmdir(work);
}

/* Moves one file of the work directory to the directory `arg`. 0, or errno. */
static int move_file(const char *dir, const char *name, void *arg)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    struct stat status;
    snprintf(from, sizeof from, "%.500s/%.300s", dir, name);
    snprintf(to, sizeof to, "%.500s/%.300s", (const char *)arg, name);
    if (stat(from, &status) == 0 && S_ISDIR(status.st_mode))
        return 0;
    return rename(from, to) == 0 ? 0 : errno;
}

static int make_dir(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : errno;
}

/* The directory and those above it. 0, or errno. */
static int make_dirs(const char *path)
{
    char part[PATH_SIZE];
    snprintf(part, sizeof part, "%.500s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = make_dir(part);
        if (rc != 0)
            return rc;
        *slash = '/';
    }
    return make_dir(part);
}

static int cannot_write(const char *path, int rc)
{
    fprintf(stderr, "conc-report: cannot write to %s: %s\n", path, strerror(rc));
    return 1;
}

/* ---- the report ---- */

static int make_report(const struct results *results, const char *scoreboard, const char *work)
{
    struct answer *answers;
    size_t n;
    char path[PATH_SIZE];
    if (claims_answer(results, &answers, &n) != 0) {
        fprintf(stderr, "conc-report: no memory\n");
        return 1;
    }
    snprintf(path, sizeof path, "%.500s/results.json", work);
    int rc = merge_write(results, answers, n, path);
    if (rc == 0)
        rc = charts_write(results, work);
    if (rc == 0)
        rc = page_write(results, answers, n, scoreboard != NULL, work);
    if (rc == 0 && scoreboard != NULL)
        rc = page_write_pitfalls(scoreboard, work);
    free(answers);
    return rc;
}

static int publish(const char *work, const char *out)
{
    for (size_t i = 0; i < PARTS; i++) {
        char from[PATH_SIZE];
        char to[PATH_SIZE];
        snprintf(from, sizeof from, "%.400s/%s", work, parts[i]);
        snprintf(to, sizeof to, "%.400s/%s", out, parts[i]);
        int rc = make_dir(to);
        if (rc == 0)
            rc = each_file(from, move_file, to);
        if (rc != 0)
            return cannot_write(to, rc);
    }
    return 0;
}

static int write_report(const struct results *results, const char *scoreboard, const char *out)
{
    int rc = make_dirs(out);
    char work[PATH_SIZE];
    snprintf(work, sizeof work, "%.400s/.part-XXXXXX", out);
    if (rc == 0 && mkdtemp(work) == NULL)
        rc = errno;
    if (rc != 0)
        return cannot_write(out, rc);
    for (size_t i = 0; rc == 0 && i < PARTS; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%.400s/%s", work, parts[i]);
        rc = make_dir(path);
        if (rc != 0)
            cannot_write(path, rc);
    }
    if (rc == 0)
        rc = make_report(results, scoreboard, work);
    if (rc == 0)
        rc = publish(work, out);
    remove_work(work);
    return rc;
}

int main(int argc, char **argv)
{
    const char *out = NULL;
    const char *scoreboard = NULL;
    int files = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 0;
        }
        if (strcmp(argv[i], "--out") == 0) {
            out = i + 1 < argc ? argv[++i] : "";
        } else if (strncmp(argv[i], "--out=", 6) == 0) {
            out = argv[i] + 6;
        } else if (strcmp(argv[i], "--pitfalls") == 0 && i + 1 < argc) {
            scoreboard = argv[++i];
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "conc-report: no flag '%s'; --help lists the flags\n", argv[i]);
            return 2;
        } else {
            argv[files++] = argv[i]; /* files <= i: what was read is overwritten */
        }
    }
    if (out == NULL || out[0] == '\0' || strlen(out) > LONGEST_OUT) {
        fprintf(
            stderr, "conc-report: --out needs a directory, at most %d characters\n", LONGEST_OUT);
        return 2;
    }
    if (files == 0) {
        fprintf(stderr, "conc-report: no result files given; --help shows the usage\n");
        return 2;
    }

    struct results results = {0};
    int rc = 0;
    for (int i = 0; rc == 0 && i < files; i++)
        rc = results_add(&results, argv[i]) != 0;
    if (rc == 0)
        rc = results_sort(&results) != 0;
    if (rc == 0)
        rc = write_report(&results, scoreboard, out);
    if (rc == 0)
        printf("%s/index.html\n", out);
    results_free(&results);
    return rc;
}
