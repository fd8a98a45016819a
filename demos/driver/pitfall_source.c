/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "demos/driver/pitfall.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demos/driver/driver.h"

enum { LINES_MAX = 400 };

/* The place of this program: ROOT/build/PRESET/demos/conc-driver. */
static const char *place_of(char **preset)
{
    static char root[PATH_MAX];
    static char *own_preset;
    if (root[0] == '\0') {
        ssize_t length = readlink("/proc/self/exe", root, sizeof root - 1);
        root[length > 0 ? length : 0] = '\0';
        for (int up = 0; up < 4; up++) {
            char *slash = strrchr(root, '/');
            if (!slash)
                break;
            *slash = '\0';
            if (up == 2)
                own_preset = slash + 1;
        }
    }
    *preset = own_preset;
    return root;
}

const char *pitfall_root(void)
{
    char *preset;
    return place_of(&preset);
}

/* ------------------------------------------------------------------ kinds */

void kinds_add(struct kinds *kinds, const char *kind, size_t length)
{
    char text[KIND_SIZE];
    snprintf(text, sizeof text, "%.*s", (int)length, kind);
    size_t at = 0;
    while (at < kinds->n && strcmp(kinds->kind[at], text) < 0)
        at++;
    if ((at < kinds->n && !strcmp(kinds->kind[at], text)) || kinds->n == KINDS_MAX)
        return;
    memmove(kinds->kind[at + 1], kinds->kind[at], (kinds->n - at) * sizeof kinds->kind[0]);
    memcpy(kinds->kind[at], text, sizeof text);
    kinds->n++;
}

bool kinds_have(const struct kinds *kinds, const char *kind)
{
    for (size_t i = 0; i < kinds->n; i++)
        if (!strcmp(kinds->kind[i], kind))
            return true;
    return false;
}

const char *kinds_text(const struct kinds *kinds, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "-");
    for (size_t i = 0; i < kinds->n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", kinds->kind[i]);
    return text;
}

/* ------------------------------------------------------------------ the head of a broken.c */

struct head {
    const char *path;
    struct pitfall *pitfall;
    int faults;
};

static void fault(struct head *head, const char *what, const char *text)
{
    fprintf(stderr, "pitfall: %s: %s '%s'\n", head->path, what, text);
    head->faults++;
}

/* "helgrind:race,lock-order tsan:race? drd:-" */
static void read_claims(struct head *head, struct claim *claims, char *text)
{
    for (char *word; (word = strsep(&text, " ")) != NULL;) {
        if (*word == '\0')
            continue;
        char *colon = strchr(word, ':');
        if (!colon) {
            fault(head, "a claim is TOOL:KIND[,KIND…], or TOOL:-, not", word);
            continue;
        }
        *colon = '\0';
        int tool = tool_find(word);
        if (tool < 0) {
            fault(head, "no tool", word);
            continue;
        }
        char *kinds = colon + 1;
        for (char *kind; (kind = strsep(&kinds, ",")) != NULL;) {
            size_t length = strlen(kind);
            bool perhaps = length > 0 && kind[length - 1] == '?';
            if (length == 0 || length >= KIND_SIZE)
                fault(head, "not a kind:", kind);
            else if (strcmp(kind, "-") != 0)
                kinds_add(
                    perhaps ? &claims[tool].perhaps : &claims[tool].sure, kind, length - perhaps);
        }
    }
}

static void set(struct head *head, const char *key, char *value)
{
    struct pitfall *p = head->pitfall;
    const struct {
        const char *key;
        char *to;
        size_t size;
    } fields[] = {
        {"family", p->family, sizeof p->family},
        {"kind", p->kind, sizeof p->kind},
        {"from", p->from, sizeof p->from},
        {"weakness", p->weakness, sizeof p->weakness},
        {"rule", p->rule, sizeof p->rule},
        {"explore", p->explore, sizeof p->explore},
        {"options", p->options, sizeof p->options},
    };
    if (!strcmp(key, "detect")) {
        read_claims(head, p->broken, value);
        return;
    }
    if (!strcmp(key, "fixed")) {
        read_claims(head, p->fixed, value);
        return;
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        if (fields[i].to[0] != '\0')
            fault(head, "given twice:", key);
        if (strlen(value) >= fields[i].size)
            fault(head, "too long:", key);
        snprintf(fields[i].to, fields[i].size, "%s", value);
        return;
    }
    fault(head, "unknown field", key);
}

static void check(struct head *head)
{
    static const char *const families[] = {"documents", "own", "classic", "false-alarm"};
    const struct pitfall *p = head->pitfall;
    bool known = false;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        known |= !strcmp(p->family, families[i]);
    if (!known)
        fault(head, "@family is documents, own, classic or false-alarm, not", p->family);
    if (p->title[0] == '\0')
        fault(head, "the head begins with 'PNN: title', not", p->title);
    if (p->kind[0] == '\0' || p->rule[0] == '\0')
        fault(head, "missing:", p->kind[0] == '\0' ? "@kind" : "@rule");
}

/* The comment at the head: " * P05: title", then " * @key value", whose further lines are indented
 * by four more. */
static void read_head(struct head *head, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    char key[16] = "";
    char value[1024] = "";
    while (getline(&line, &room, file) > 0 && strncmp(line, " */", 3) != 0) {
        char *text = line + strcspn(line, "\n");
        *text = '\0';
        if (!strncmp(line, " * P", 4)) {
            char *colon = strstr(line, ": ");
            snprintf(
                head->pitfall->title, sizeof head->pitfall->title, "%s", colon ? colon + 2 : "");
        } else if (!strncmp(line, " *     ", 7) && key[0] != '\0') {
            size_t used = strlen(value);
            snprintf(value + used, sizeof value - used, " %s", line + 7);
        } else if (!strncmp(line, " * @", 4)) {
            if (key[0] != '\0')
                set(head, key, value);
            size_t length = strcspn(line + 4, " ");
            snprintf(key, sizeof key, "%.*s", (int)length, line + 4);
            snprintf(value, sizeof value, "%s", line[4 + length] ? line + 4 + length + 1 : "");
        }
    }
    if (key[0] != '\0')
        set(head, key, value);
    free(line);
    check(head);
}

static int by_number(const void *a, const void *b)
{
    return ((const struct pitfall *)a)->number - ((const struct pitfall *)b)->number;
}

int pitfalls_read(struct pitfall *pitfalls, size_t *n)
{
    char path[PATH_MAX];
    int faults = 0;
    *n = 0;
    snprintf(path, sizeof path, "%s/demos/pitfalls", pitfall_root());
    DIR *dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "pitfall: %s: %s\n", path, strerror(errno));
        return FAILED;
    }
    for (struct dirent *entry; (entry = readdir(dir)) && *n < PITFALLS_MAX;) {
        const char *name = entry->d_name;
        if (name[0] != 'P' || !isdigit(name[1]) || !isdigit(name[2]) || name[3] != '_')
            continue;
        struct pitfall *pitfall = &pitfalls[*n];
        *pitfall = (struct pitfall){.number = atoi(name + 1)};
        snprintf(pitfall->slug, sizeof pitfall->slug, "%.63s", name + 4);
        pitfall_source(pitfall, false, path, sizeof path);
        struct head head = {path, pitfall, 0};
        FILE *file = fopen(path, "r");
        if (!file) {
            fault(&head, "cannot be read:", strerror(errno));
        } else {
            read_head(&head, file);
            fclose(file);
        }
        faults += head.faults;
        ++*n;
    }
    closedir(dir);
    qsort(pitfalls, *n, sizeof *pitfalls, by_number);
    for (size_t i = 1; i < *n; i++) {
        if (pitfalls[i].number == pitfalls[i - 1].number) {
            fprintf(stderr, "pitfall: two have the number %02d: %s and %s\n", pitfalls[i].number,
                pitfalls[i - 1].slug, pitfalls[i].slug);
            faults++;
        }
    }
    return faults ? BAD_USAGE : DONE;
}

const struct pitfall *pitfall_find(const struct pitfall *pitfalls, size_t n, const char *name)
{
    const char *digits = name + (*name == 'P' || *name == 'p');
    char *end = NULL;
    long number = isdigit((unsigned char)*digits) ? strtol(digits, &end, 10) : -1;
    if (!end || *end != '\0')
        number = -1;
    for (size_t i = 0; i < n; i++)
        if (pitfalls[i].number == number || !strcmp(pitfalls[i].slug, name))
            return &pitfalls[i];
    return NULL;
}

const char *pitfall_name(const struct pitfall *pitfall, char *text, size_t size)
{
    snprintf(text, size, "P%02d_%s", pitfall->number, pitfall->slug);
    return text;
}

static const char *file_of(bool fixed)
{
    return fixed ? "fixed" : "broken";
}

const char *pitfall_source(const struct pitfall *pitfall, bool fixed, char *path, size_t size)
{
    snprintf(path, size, "%s/demos/pitfalls/P%02d_%s/%s.c", pitfall_root(), pitfall->number,
        pitfall->slug, file_of(fixed));
    return path;
}

const char *pitfall_program(
    const struct pitfall *pitfall, const char *preset, bool fixed, char *path, size_t size)
{
    char *own_preset;
    const char *root = place_of(&own_preset);
    snprintf(path, size, "%s/build/%s/pitfalls/P%02d_%s/%s", root, preset ? preset : own_preset,
        pitfall->number, pitfall->slug, file_of(fixed));
    return path;
}

/* ------------------------------------------------------------------ lines */

struct lines {
    char *text;
    size_t n;
    char *line[LINES_MAX];
    size_t code; /* where the code begins, after the comments at the head */
};

static int read_lines(const struct pitfall *pitfall, bool fixed, struct lines *lines)
{
    char path[PATH_MAX];
    size_t room = 0;
    *lines = (struct lines){.text = NULL};
    FILE *file = fopen(pitfall_source(pitfall, fixed, path, sizeof path), "r");
    if (!file || getdelim(&lines->text, &room, '\0', file) < 0) {
        fprintf(stderr, "pitfall: %s: %s\n", path, strerror(errno));
        if (file)
            fclose(file);
        return FAILED;
    }
    fclose(file);
    char *rest = lines->text;
    for (char *line; lines->n < LINES_MAX && (line = strsep(&rest, "\n")) != NULL;)
        lines->line[lines->n++] = line;
    while (lines->code < lines->n && lines->line[lines->code][0] != '#')
        lines->code++;
    return DONE;
}

static const char *trimmed(const char *line)
{
    return line + strspn(line, " \t");
}

size_t pitfall_places(const struct pitfall *pitfall, struct place *places, size_t max)
{
    struct lines lines;
    size_t n = 0;
    if (read_lines(pitfall, false, &lines) != DONE)
        return 0;
    for (size_t i = 0; i + 1 < lines.n && n < max; i++) {
        const char *text = trimmed(lines.line[i]);
        if (strncmp(text, "/* place ", 9) != 0)
            continue;
        struct place *place = &places[n++];
        const char *remark = strchr(text, ':');
        snprintf(place->remark, sizeof place->remark, "%s", remark ? trimmed(remark + 1) : "");
        /* A remark of two lines goes on in the next. */
        while (!strstr(lines.line[i], "*/") && i + 2 < lines.n) {
            size_t used = strlen(place->remark);
            const char *more = trimmed(lines.line[++i]);
            snprintf(place->remark + used, sizeof place->remark - used, " %s",
                *more == '*' ? trimmed(more + 1) : more);
        }
        char *end = strstr(place->remark, " */");
        if (end)
            *end = '\0';
        place->line = (int)i + 2;
        snprintf(place->code, sizeof place->code, "%s", trimmed(lines.line[i + 1]));
    }
    free(lines.text);
    return n;
}

/* The longest common subsequence of the two, by the table of lengths. */
size_t pitfall_changes(const struct pitfall *pitfall, struct change *changes, size_t max)
{
    static unsigned short length[LINES_MAX + 1][LINES_MAX + 1];
    struct lines a;
    struct lines b;
    size_t n = 0;
    if (read_lines(pitfall, false, &a) != DONE)
        return 0;
    if (read_lines(pitfall, true, &b) != DONE) {
        free(a.text);
        return 0;
    }
    memset(length, 0, sizeof length);
    for (size_t i = a.n; i-- > a.code;)
        for (size_t j = b.n; j-- > b.code;)
            length[i][j] = !strcmp(a.line[i], b.line[j])
                               ? (unsigned short)(length[i + 1][j + 1] + 1)
                           : length[i + 1][j] > length[i][j + 1] ? length[i + 1][j]
                                                                 : length[i][j + 1];
    for (size_t i = a.code, j = b.code; (i < a.n || j < b.n) && n < max;) {
        if (i < a.n && j < b.n && !strcmp(a.line[i], b.line[j])) {
            i++;
            j++;
            continue;
        }
        bool gone = j == b.n || (i < a.n && length[i + 1][j] >= length[i][j + 1]);
        const char *line = trimmed(gone ? a.line[i] : b.line[j]);
        bool remark = !strncmp(line, "/* place ", 9);
        if (*line != '\0' && !remark) {
            changes[n] = (struct change){.sign = gone ? '-' : '+', .line = (int)(gone ? i : j) + 1};
            snprintf(changes[n].code, sizeof changes[n].code, "%s", line);
            n++;
        }
        i += gone;
        j += !gone;
    }
    free(a.text);
    free(b.text);
    return n;
}
