/* SPDX-License-Identifier: MIT */

/* Every claim of every pitfall, under every tool that is here, broken and fixed. */

#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demos/driver/driver.h"
#include "demos/driver/pitfall.h"

struct check {
    const struct pitfall *pitfall;
    int tool;
    bool fixed;
    struct kinds reported; /* of the last run; of the first that broke the claim, if one has */
    char *text;            /* of the first run of a broken one, where there are pages to fill */
    int runs;
    int broken; /* how many of them did not do as claimed */
    bool ended; /* it was ended, or ended itself, in the middle of what it did */
};

struct verify {
    struct check *checks;
    size_t n;
    size_t next; /* to be started */
    size_t done;
    size_t failed;
    bool keep; /* the text of broken ones */
};

static const struct claim *claim_of(const struct check *check)
{
    return check->fixed ? &check->pitfall->fixed[check->tool]
                        : &check->pitfall->broken[check->tool];
}

/* Reported is what is claimed for sure, and nothing that is not claimed at all. */
static bool as_claimed(const struct claim *claim, const struct kinds *reported)
{
    for (size_t i = 0; i < claim->sure.n; i++)
        if (!kinds_have(reported, claim->sure.kind[i]))
            return false;
    for (size_t i = 0; i < reported->n; i++)
        if (!kinds_have(&claim->sure, reported->kind[i]) &&
            !kinds_have(&claim->perhaps, reported->kind[i]))
            return false;
    return true;
}

/* ------------------------------------------------------------------ running them */

static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (!strncasecmp(at, name, length) && (at[length] == ',' || at[length] == '\0'))
            return true;
    return !list;
}

static int plan(struct verify *v, const struct pitfall *pitfalls, size_t n,
    const struct verify_options *options)
{
    v->checks = calloc(n * TOOLS * 2, sizeof *v->checks);
    if (!v->checks)
        return FAILED;
    for (int tool = 0; tool < TOOLS; tool++) {
        if (!listed(options->only_tools, tools[tool].name))
            continue;
        if (!tool_is_there(&tools[tool])) {
            fprintf(
                stderr, "pitfall: %s is not installed: its claims are skipped\n", tools[tool].name);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            char number[8];
            snprintf(number, sizeof number, "P%02d", pitfalls[i].number);
            if (!listed(options->only, number))
                continue;
            for (int fixed = 0; fixed < 2; fixed++)
                v->checks[v->n++] =
                    (struct check){.pitfall = &pitfalls[i], .tool = tool, .fixed = fixed};
        }
    }
    if (v->n > 0)
        return DONE;
    fprintf(stderr, "pitfall: nothing to verify\n");
    return 77;
}

/* Killed for it hung, aborted, or ended by conc's report of a deadlock or a leak. */
static bool was_ended(const struct outcome *outcome)
{
    static const char *const reports[] = {"– deadlock!\n", "– leak!\n", "conc: deadlock: "};
    bool ended = outcome->hung || WIFSIGNALED(outcome->status);
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        ended |= strstr(outcome->text, reports[i]) != NULL;
    return ended;
}

static void judge(struct verify *v, struct check *check, struct outcome *outcome)
{
    struct kinds reported;
    char says[256];
    char claims[256];
    tool_reports(&tools[check->tool], outcome, &reported);
    check->runs++;
    v->done++;
    bool holds = as_claimed(claim_of(check), &reported);
    if (check->broken == 0) {
        check->reported = reported;
        check->ended = was_ended(outcome);
    }
    if (!holds && check->broken++ == 0) {
        v->failed++;
        fprintf(stderr, "%sP%02d %s under %s: claimed %s, reported %s\n",
            isatty(STDERR_FILENO) ? "\r\033[K" : "", check->pitfall->number,
            check->fixed ? "fixed.c" : "broken.c", tools[check->tool].name,
            kinds_text(&claim_of(check)->sure, claims, sizeof claims),
            kinds_text(&reported, says, sizeof says));
    }
    if (v->keep && !check->fixed && !check->text)
        check->text = outcome->text;
    else
        free(outcome->text);
}

/* A few more than cores: those that hang use none. */
static int run_all(struct verify *v, int repeat)
{
    enum { LANES_MAX = 64 };
    struct expected lanes[LANES_MAX];
    struct check *of[LANES_MAX] = {NULL};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int width = cores < 1 ? 3 : cores > LANES_MAX - 2 ? LANES_MAX : (int)cores + 1;
    size_t total = v->n * (size_t)repeat;
    struct timespec a_while = {0, 5 * 1000 * 1000};
    int rc = DONE;
    while (v->done < total && rc == DONE) {
        for (int i = 0; i < width && rc == DONE; i++) {
            if (of[i] && expect_poll(&lanes[i])) {
                judge(v, of[i], &lanes[i].outcome);
                of[i] = NULL;
                if (isatty(STDERR_FILENO))
                    fprintf(
                        stderr, "\r\033[K%zu of %zu, %zu claims broken", v->done, total, v->failed);
            }
            if (of[i] || v->next == total)
                continue;
            struct check *check = &v->checks[v->next++ % v->n];
            rc = expect_start(&lanes[i], &tools[check->tool], check->pitfall, check->fixed);
            if (rc == DONE)
                of[i] = check;
        }
        if (pitfall_interrupted)
            rc = 128 + pitfall_interrupted;
        nanosleep(&a_while, NULL);
    }
    for (int i = 0; i < width; i++)
        if (of[i])
            expect_kill(&lanes[i]);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    return rc;
}

/* ------------------------------------------------------------------ the scoreboard */

static const struct check *check_of(
    const struct verify *v, const struct pitfall *pitfall, int tool, bool fixed)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->checks[i].pitfall == pitfall && v->checks[i].tool == tool &&
            v->checks[i].fixed == fixed)
            return &v->checks[i];
    return NULL;
}

static bool is_false_alarm(const struct pitfall *pitfall)
{
    return !strcmp(pitfall->family, "false-alarm");
}

/* What a program had when it was ended, which names no mistake. */
static bool is_by_product(const struct check *check, const char *kind)
{
    return check->ended && (!strcmp(kind, "possibly-lost") || !strcmp(kind, "exit-holding-lock"));
}

static bool is_perhaps(const struct check *check, const char *kind)
{
    return kinds_have(&claim_of(check)->perhaps, kind);
}

/* Each time: the count must not depend on the run. */
static bool finds_it(const struct check *check)
{
    bool finds = false;
    for (size_t i = 0; check && i < check->reported.n; i++)
        finds |= !is_by_product(check, check->reported.kind[i]) &&
                 !is_perhaps(check, check->reported.kind[i]);
    return finds;
}

/* In this run or in another. */
static bool may_find_it(const struct check *check)
{
    bool may = finds_it(check);
    for (size_t i = 0; check && i < claim_of(check)->perhaps.n; i++)
        may |= !is_by_product(check, claim_of(check)->perhaps.kind[i]);
    return may;
}

/* A by-product stands in brackets, and what is not reported every time has a question mark. */
static void put_cell(FILE *out, const struct check *check)
{
    const struct kinds *reported = &check->reported;
    for (size_t i = 0; i < reported->n; i++) {
        bool aside = is_by_product(check, reported->kind[i]);
        bool perhaps = is_perhaps(check, reported->kind[i]);
        fprintf(out, "%s%s%s%s%s", i ? ", " : "", aside ? "(" : "", reported->kind[i],
            perhaps ? "?" : "", aside ? ")" : "");
    }
    if (reported->n == 0)
        fprintf(out, "-");
}

/* How many of the pitfalls a tool finds each time, and how many of them no other ever. */
static void count(const struct verify *v, const struct pitfall *pitfalls, size_t n, int tool,
    int *finds, int *alone)
{
    *finds = *alone = 0;
    for (size_t i = 0; i < n; i++) {
        const struct check *mine = check_of(v, &pitfalls[i], tool, false);
        if (!finds_it(mine) || is_false_alarm(&pitfalls[i]))
            continue;
        bool others = false;
        for (int other = 0; other < TOOLS; other++) {
            const struct check *check = check_of(v, &pitfalls[i], other, false);
            others |= other != tool && other != TOOL_NATIVE && may_find_it(check);
        }
        ++*finds;
        *alone += !others;
    }
}

static void put_rows(
    FILE *out, const struct verify *v, const struct pitfall *pitfalls, size_t n, bool false_alarms)
{
    fprintf(out, "| # | Program |");
    for (int tool = 0; tool < TOOLS; tool++)
        fprintf(out, " %s |", tools[tool].name);
    fprintf(out, "\n|---|---|");
    for (int tool = 0; tool < TOOLS; tool++)
        fprintf(out, "---|");
    for (size_t i = 0; i < n; i++) {
        if (is_false_alarm(&pitfalls[i]) != false_alarms)
            continue;
        fprintf(out, "\n| [P%02d](P%02d_%s.md) | %s |", pitfalls[i].number, pitfalls[i].number,
            pitfalls[i].slug, pitfalls[i].title);
        for (int tool = 0; tool < TOOLS; tool++) {
            const struct check *check = check_of(v, &pitfalls[i], tool, false);
            fprintf(out, " ");
            if (check)
                put_cell(out, check);
            else
                fprintf(out, "not run");
            fprintf(out, " |");
        }
    }
    fprintf(out, "\n");
}

static int write_scoreboard(
    const struct verify *v, const struct pitfall *pitfalls, size_t n, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) {
        fprintf(stderr, "pitfall: --scoreboard: %s: %s\n", path, strerror(errno));
        return FAILED;
    }
    fprintf(out,
        "# The scoreboard\n\n"
        "Made by `./conc pitfall verify --scoreboard docs/pitfalls/scoreboard.md`, never by hand.\n"
        "Each program was run under each tool; a cell says what was reported, and - that the tool\n"
        "kept silent. *native*: what one sees without a tool. *conc*: conc's own checks. A "
        "question\n"
        "mark: not each time. In brackets: what a program that was ended, for it hung or aborted,\n"
        "still held at that moment; that names no mistake. Neither is counted as a find.\n\n");
    put_rows(out, v, pitfalls, n, false);
    fprintf(out, "\n| | finds | and no other tool does |\n|---|---|---|\n");
    for (int tool = 1; tool < TOOLS; tool++) {
        int finds;
        int alone;
        count(v, pitfalls, n, tool, &finds, &alone);
        fprintf(out, "| %s | %d | %d |\n", tools[tool].title, finds, alone);
    }
    fprintf(out,
        "\n## False alarms\n\nThese programs are correct. What is reported here is wrong.\n\n");
    put_rows(out, v, pitfalls, n, true);
    if (fclose(out) == 0)
        return DONE;
    fprintf(stderr, "pitfall: --scoreboard: %s: %s\n", path, strerror(errno));
    return FAILED;
}

/* ------------------------------------------------------------------ the pages */

static int write_pages(const struct verify *v, const struct pitfall *pitfalls, size_t n)
{
    int rc = DONE;
    for (size_t i = 0; i < n; i++) {
        struct seen seen[TOOLS] = {{.text = NULL}};
        bool any = false;
        for (int tool = 0; tool < TOOLS; tool++) {
            const struct check *check = check_of(v, &pitfalls[i], tool, false);
            if (check)
                seen[tool] = (struct seen){check->reported, check->text};
            any |= check != NULL;
        }
        if (any && pitfall_page(&pitfalls[i], seen) != DONE)
            rc = FAILED;
    }
    return rc;
}

/* ------------------------------------------------------------------ results */

static json_t *kinds_json(const struct kinds *kinds)
{
    json_t *list = json_array();
    for (size_t i = 0; i < kinds->n; i++)
        json_array_append_new(list, json_string(kinds->kind[i]));
    return list;
}

static int write_json(const struct verify *v, const char *path)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->n; i++) {
        const struct check *c = &v->checks[i];
        json_array_append_new(list,
            json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:b}", "number",
                c->pitfall->number, "slug", c->pitfall->slug, "title", c->pitfall->title, "family",
                c->pitfall->family, "kind", c->pitfall->kind, "tool", tools[c->tool].name,
                "program", c->fixed ? "fixed" : "broken", "claimed", kinds_json(&claim_of(c)->sure),
                "reported", kinds_json(&c->reported), "runs", c->runs, "holds", c->broken == 0));
    }
    bool whole = strcmp(path, "-") != 0
                     ? json_dump_file(list, path, JSON_INDENT(1)) == 0
                     : json_dumpf(list, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF;
    json_decref(list);
    if (!whole)
        fprintf(stderr, "pitfall: --json: %s: %s\n", path, strerror(errno));
    return whole ? DONE : FAILED;
}

static void print_summary(const struct verify *v, const struct pitfall *pitfalls, size_t n)
{
    printf("%-9s  %5s  %s\n", "tool", "finds", "and no other does");
    for (int tool = 1; tool < TOOLS; tool++) {
        int finds;
        int alone;
        count(v, pitfalls, n, tool, &finds, &alone);
        printf("%-9s  %5d  %5d\n", tools[tool].name, finds, alone);
    }
    printf("%zu claims, %zu runs, %zu claims do not hold\n", v->n, v->done, v->failed);
}

int pitfall_verify(const struct pitfall *pitfalls, size_t n, const struct verify_options *options)
{
    struct verify v = {.keep = options->pages};
    int rc = plan(&v, pitfalls, n, options);
    if (rc == DONE)
        rc = run_all(&v, options->repeat);
    if (rc == DONE && options->json)
        rc = write_json(&v, options->json);
    if (rc == DONE && options->scoreboard)
        rc = write_scoreboard(&v, pitfalls, n, options->scoreboard);
    if (rc == DONE && options->pages)
        rc = write_pages(&v, pitfalls, n);
    if (rc == DONE && !(options->json && !strcmp(options->json, "-")))
        print_summary(&v, pitfalls, n);
    if (rc == DONE && v.failed > 0)
        rc = FAILED;
    for (size_t i = 0; i < v.n; i++)
        free(v.checks[i].text);
    free(v.checks);
    return rc;
}
