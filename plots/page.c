/* SPDX-License-Identifier: MIT */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include <md4c-html.h>

#include "format.h"
#include "page_parts.h"
#include "template.h"

/* ---- Markdown ---- */

static void put_summary(FILE *out, const struct results *r, const struct answer *answers, size_t n)
{
    size_t workloads = 0;
    size_t cases = 0;
    size_t rounds = 0;
    size_t outliers = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < r->patterns[i].n_workloads; j++) {
            const struct workload *w = &r->patterns[i].workloads[j];
            workloads++;
            for (size_t k = 0; k < w->n_cases; k++) {
                cases++;
                rounds += w->cases[k].n;
                outliers += w->cases[k].usable ? w->cases[k].cost.outliers : 0;
                wrong += strcmp(w->cases[k].check, "ok") != 0;
            }
        }
    fprintf(out,
        "%zu pattern%s, %zu workload%s, %zu cases, %zu rounds, serial and concurrent "
        "interleaved in one process. ",
        r->n, r->n == 1 ? "" : "s", workloads, workloads == 1 ? "" : "s", cases, rounds);
    if (wrong == 0)
        fprintf(out, "Every result was checked and was right. ");
    else
        fprintf(out,
            "<span class=\"false\">%zu case%s gave a wrong result</span> and %s not used. ", wrong,
            wrong == 1 ? "" : "s", wrong == 1 ? "is" : "are");
    fprintf(out, "%zu round%s outlying; %s kept and drawn as a small cross.\n\n", outliers,
        outliers == 1 ? " is" : "s are", outliers == 1 ? "it is" : "they are");

    size_t count[VERDICT_COUNT] = {0};
    for (size_t i = 0; i < n; i++)
        count[answers[i].verdict]++;
    fprintf(out, "Of the documents' claims, ");
    for (int v = 0; v < VERDICT_COUNT; v++) {
        char text[FORMAT_SIZE];
        static const char *const classes[] = {"true", "false", "noise", "missing"};
        snprintf(text, sizeof text, "%zu %s", count[v], claims_verdict_name((enum verdict)v));
        page_put_tag(out, classes[v], text);
        fprintf(out, v + 2 < VERDICT_COUNT ? ", " : v + 1 < VERDICT_COUNT ? " and " : ".\n\n");
    }
}

static void put_how(FILE *out, const struct results *r)
{
    const struct pattern *p = &r->patterns[0];
    bool quick = strcmp(p->mode, "full") != 0;
    fprintf(out,
        "## How to repeat it\n\n"
        "```\n./conc report%s            everything on this page\n"
        "./conc bench %02d --json FILE     one pattern\n"
        "cd data && gnuplot NAME.gp      one chart again\n```\n\n",
        quick ? " --quick" : "        ", p->number);
    fputs(
        "`results.json` holds every round, with the statistics and the verdicts. Before measuring, "
        "let nothing else run; on a laptop, use mains power and the performance governor.\n",
        out);
}

static void put_page(
    FILE *out, const struct results *r, const struct answer *answers, size_t n, bool pitfalls)
{
    fputs("# conc: measured\n\n", out);
    put_summary(out, r, answers, n);
    if (pitfalls)
        fputs("What goes wrong between tasks, and which tool says so: "
              "[the scoreboard of the pitfalls](pitfalls.html).\n\n",
            out);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->patterns[i].mode, "smoke") == 0) {
            fputs("<span class=\"false\">These numbers come from a smoke run</span>, one round of "
                  "few items: good for testing the report, for nothing else.\n\n",
                out);
            break;
        }
    page_put_claims(out, r, answers, n);
    page_put_machine(out, r);
    page_put_patterns(out, r);
    put_how(out, r);
}

/* ---- HTML ---- */

static void put_html(const MD_CHAR *text, MD_SIZE size, void *out)
{
    fwrite(text, 1, size, out);
}

/* 0, or 1 when the file could not be written. */
static int write_html(const char *path, const char *markdown, size_t size)
{
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return 1;
    fputs(template_head, out);
    int rc = md_html(markdown, (MD_SIZE)size, put_html, out, MD_FLAG_TABLES, 0) != 0;
    fputs(template_foot, out);
    rc |= ferror(out) != 0;
    return fclose(out) != 0 || rc;
}

static int write_text(const char *path, const char *text, size_t size)
{
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return 1;
    int rc = fwrite(text, 1, size, out) != size;
    return fclose(out) != 0 || rc;
}

int page_write(const struct results *results, const struct answer *answers, size_t n, bool pitfalls,
    const char *dir)
{
    char *markdown = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&markdown, &size);
    int rc = out == NULL;
    if (rc == 0) {
        put_page(out, results, answers, n, pitfalls);
        rc = ferror(out) != 0;
        rc |= fclose(out) != 0;
    }
    char path[600];
    snprintf(path, sizeof path, "%.500s/data/index.md", dir);
    rc = rc || write_text(path, markdown, size);
    snprintf(path, sizeof path, "%.500s/index.html", dir);
    rc = rc || write_html(path, markdown, size);
    free(markdown);
    if (rc != 0)
        fprintf(stderr, "conc-report: cannot write the page\n");
    return rc;
}

/* The text of a file without its links to other Markdown files, "[P05](P05_counter.md)": they are
 * not in the report. */
static char *read_without_links(const char *path)
{
    char *text = NULL;
    size_t room = 0;
    FILE *in = fopen(path, "re");
    if (in == NULL || getdelim(&text, &room, '\0', in) < 0) {
        free(text);
        text = NULL;
    }
    if (in != NULL)
        fclose(in);
    char *to = text;
    for (char *from = text; text != NULL && *from != '\0';) {
        char *middle = *from == '[' ? strstr(from, "](") : NULL;
        char *end = middle != NULL ? strstr(middle, ".md)") : NULL;
        if (end != NULL && memchr(from, '\n', (size_t)(end - from)) == NULL) {
            size_t length = (size_t)(middle - from) - 1;
            memmove(to, from + 1, length);
            to += length;
            from = end + strlen(".md)");
        } else {
            *to++ = *from++;
        }
    }
    if (text != NULL)
        *to = '\0';
    return text;
}

int page_write_pitfalls(const char *scoreboard, const char *dir)
{
    char path[600];
    char *markdown = read_without_links(scoreboard);
    if (markdown == NULL) {
        fprintf(stderr, "conc-report: cannot read %s\n", scoreboard);
        return 1;
    }
    snprintf(path, sizeof path, "%.500s/pitfalls.html", dir);
    int rc = write_html(path, markdown, strlen(markdown));
    free(markdown);
    if (rc != 0)
        fprintf(stderr, "conc-report: cannot write the page of the pitfalls\n");
    return rc;
}
