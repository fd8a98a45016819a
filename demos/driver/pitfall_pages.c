/* SPDX-License-Identifier: MIT */

/*
 * The blocks of docs/pitfalls/PNN_slug.md that nobody types: what the tools have said, and how
 * fixed.c differs from broken.c. A block stands between <!-- NAME --> and <!-- end NAME -->.
 */

#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demos/driver/driver.h"
#include "demos/driver/pitfall.h"

enum { WIDTH = 92, LINES_SHOWN = 18, CHANGES_MAX = 60 };

/* ------------------------------------------------------------------ blocks */

/* Addresses differ from run to run: the first in a report becomes 0xA, the next 0xB. */
static void put_named(FILE *out, const char *line, char known[][24], size_t *n)
{
    for (const char *at = line; *at;) {
        size_t digits = !strncmp(at, "0x", 2) ? strspn(at + 2, "0123456789abcdefABCDEF") : 0;
        if (digits < 5 || digits > 20) {
            fputc(*at++, out);
            continue;
        }
        char name[24];
        size_t i = 0;
        snprintf(name, sizeof name, "%.*s", (int)digits, at + 2);
        while (i < *n && strcasecmp(known[i], name) != 0)
            i++;
        if (i == *n && *n < 26)
            snprintf(known[(*n)++], sizeof name, "%s", name);
        fprintf(out, "0x%c", (char)('A' + (i < 26 ? i : 25)));
        at += 2 + digits;
    }
    fputc('\n', out);
}

/* From the first line that the tool is known by: what stands before announces threads. */
static void put_excerpt(FILE *out, const struct tool *tool, const char *text)
{
    char known[26][24];
    size_t n = 0;
    int shown = 0;
    char *tidy = pitfall_tidy(text, WIDTH);
    char *rest = tidy;
    fprintf(out, "```text\n");
    for (char *line; tidy && (line = strsep(&rest, "\n")) != NULL;) {
        if (shown == 0 && !tool_line_reports(tool, line))
            continue;
        if (shown == LINES_SHOWN || (shown > 0 && *line == '\0' && shown > LINES_SHOWN - 4) ||
            !strncmp(line, "right: ", 7) || !strncmp(line, "wrong: ", 7))
            break;
        shown++;
        put_named(out, line, known, &n);
    }
    fprintf(out, "```\n");
    free(tidy);
}

static void put_reports(FILE *out, const struct seen *seen)
{
    char text[256];
    char silent[128] = "";
    for (int i = 0; i < TOOLS; i++) {
        if (i != TOOL_NATIVE && seen[i].text && seen[i].kinds.n == 0) {
            size_t used = strlen(silent);
            snprintf(silent + used, sizeof silent - used, "%s%s", used ? ", " : "", tools[i].name);
        }
        if (!seen[i].text || (i != TOOL_NATIVE && seen[i].kinds.n == 0))
            continue;
        fprintf(out, "**%s**: %s\n\n", tools[i].name,
            seen[i].kinds.n ? kinds_text(&seen[i].kinds, text, sizeof text) : "nothing to be seen");
        if (i != TOOL_NATIVE) {
            put_excerpt(out, &tools[i], seen[i].text);
            fputc('\n', out);
        }
    }
    if (silent[0])
        fprintf(out, "Silent: %s.\n\n", silent);
}

static void put_changes(FILE *out, const struct pitfall *pitfall)
{
    struct change changes[CHANGES_MAX];
    size_t n = pitfall_changes(pitfall, changes, CHANGES_MAX);
    fprintf(out, "```diff\n");
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%c%4d  %s\n", changes[i].sign, changes[i].line, changes[i].code);
    fprintf(out, "```\n\n");
}

/* ------------------------------------------------------------------ a page */

/* Whether the text at `at` is the whole line <!-- PREFIXname -->; the rest of the line is skipped.
 */
static bool is_marker(const char *line, const char *prefix, const char *name)
{
    char marker[64];
    snprintf(marker, sizeof marker, "<!-- %s%s -->", prefix, name);
    return !strcmp(line, marker);
}

/* Copies the page, with both blocks filled anew. False: a block is missing. */
static bool fill(FILE *out, char *page, const struct pitfall *pitfall, const struct seen *seen)
{
    static const char *const names[] = {"reports", "changes"};
    bool filled[2] = {false, false};
    int inside = -1;
    char *rest = page;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && (rest || *line);) {
        if (inside >= 0) {
            if (!is_marker(line, "end ", names[inside]))
                continue;
            inside = -1;
        }
        fprintf(out, "%s\n", line);
        for (int i = 0; i < 2; i++) {
            if (!is_marker(line, "", names[i]))
                continue;
            inside = i;
            filled[i] = true;
            fputc('\n', out);
            if (i == 0)
                put_reports(out, seen);
            else
                put_changes(out, pitfall);
        }
    }
    return filled[0] && filled[1] && inside < 0;
}

int pitfall_page(const struct pitfall *pitfall, const struct seen *seen)
{
    char path[PATH_MAX];
    char temporary[PATH_MAX + 8];
    char *page = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/docs/pitfalls/P%02d_%s.md", pitfall_root(), pitfall->number,
        pitfall->slug);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *in = fopen(path, "r");
    if (!in || getdelim(&page, &room, '\0', in) < 0) {
        fprintf(stderr, "pitfall: --pages: %s: %s\n", path, strerror(errno));
        if (in)
            fclose(in);
        return FAILED;
    }
    fclose(in);
    FILE *out = fopen(temporary, "w");
    bool whole = out && fill(out, page, pitfall, seen);
    free(page);
    if (out)
        whole = fclose(out) == 0 && whole;
    if (whole && rename(temporary, path) == 0)
        return DONE;
    fprintf(stderr, "pitfall: --pages: %s: %s\n", path,
        out ? "the blocks <!-- reports --> and <!-- changes --> must be there, and end"
            : strerror(errno));
    unlink(temporary);
    return FAILED;
}
