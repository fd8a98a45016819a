/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demos/driver/driver.h"
#include "demos/driver/pitfall.h"

enum { WIDTH = 80, PLACES_MAX = 4, CHANGES_MAX = 40 };

/* ------------------------------------------------------------------ colours */

static bool coloured(void)
{
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static const char *paint(const char *code)
{
    return coloured() ? code : "";
}

#define BOLD paint("\033[1m")
#define RED paint("\033[31m")
#define GREEN paint("\033[32m")
#define DIM paint("\033[2m")
#define PLAIN paint("\033[0m")

/* ------------------------------------------------------------------ a tool's words */

struct writer {
    char *text;
    size_t length;
    FILE *file;
};

/* "==123== " and "==123==ERROR: " begin the lines of tools: the number of a process. */
static const char *without_number(const char *line)
{
    if (strncmp(line, "==", 2) != 0 || !isdigit((unsigned char)line[2]))
        return line;
    const char *end = line + 2 + strspn(line + 2, "0123456789");
    if (strncmp(end, "==", 2) != 0)
        return line;
    return end + 2 + (end[2] == ' ');
}

/* Addresses of code, in front of the name of a function: "at 0x10B769: first", "#0 0x10B769 in
 * first". */
static const char *past_code_address(const char *at)
{
    if (strncmp(at, "0x", 2) != 0)
        return at;
    const char *end = at + 2 + strspn(at + 2, "0123456789abcdefABCDEF");
    if (!strncmp(end, ": ", 2))
        return end + 2;
    return !strncmp(end, " in ", 4) ? end + 4 : at;
}

/* Addresses of data stay: one sees which are the same. Paths of the tree, numbers of processes and
 * offsets in a program go. */
static void clean(const char *line, char *to, size_t size)
{
    const char *root = pitfall_root();
    size_t root_length = strlen(root);
    size_t used = 0;
    for (const char *from = line; *(from = past_code_address(from)) && used + 1 < size;) {
        if (!strncmp(from, root, root_length) && from[root_length] == '/')
            from += root_length + 1;
        else if (!strncmp(from, "demos/pitfalls/P", 16) && strchr(from + 16, '/'))
            from = strchr(from + 16, '/') + 1;
        else if (!strncmp(from, " (broken+", 9) || !strncmp(from, " (fixed+", 8) ||
                 !strncmp(from, " (pid=", 6))
            from += strcspn(from, ")") + 1;
        else if (!strncmp(from, "tid=", 4) && strstr(from, ", "))
            from = strstr(from, ", ") + 2;
        else
            to[used++] = *from++;
    }
    to[used] = '\0';
}

/* Lines and frames of a stack that say nothing of the program: the tool's own, the system's, and
 * how conc starts a task. */
static bool is_noise(const char *line)
{
    static const char *const noise[] = {"Copyright (C)", "Using Valgrind-", "Using LibVEX",
        "Command: ", "For lists of detected", "For counts of detected", "rerun with",
        "Use --history-level", "the cost of reduced accuracy", "ERROR SUMMARY", "Rerun with",
        "Helgrind, a thread error", "drd, a thread error", "Memcheck, a memory error",
        "ThreadSanitizer: reported", "HEAP SUMMARY", "in use at exit", "total heap usage",
        "(in /usr/", "vgpreload_", "mythread_wrapper", "vgDrd_", "start_thread (", "clone (",
        "conc_task_main", "clone3 (", "clone-internal.c", "pthread_create.c", "_intercepts.c",
        "libtsan.so", "libasan.so", "libc.so", "__libc_start", "_start+", "_start (",
        "engine_threads.c", "engine_fibers.c",
        "(task.c:", "/task.c:", "(wait_group.c:", "/wait_group.c:", NULL};
    for (size_t i = 0; noise[i]; i++)
        if (strstr(line, noise[i]))
            return true;
    return false;
}

/* Folds at a blank; what goes on is indented. */
static void put_folded(FILE *out, const char *line, size_t width)
{
    size_t indent = strspn(line, " ");
    size_t length = strlen(line);
    const char *at = line;
    while (length > width) {
        size_t cut = width;
        while (cut > indent + 20 && at[cut] != ' ')
            cut--;
        if (cut <= indent + 20)
            for (cut = width; (at[cut] & 0xC0) == 0x80;) /* not inside a letter */
                cut--;
        fprintf(out, "%.*s\n%*s", (int)cut, at, (int)indent + 4, "");
        at += cut + (at[cut] == ' ');
        length = strlen(at) + indent + 4;
        width = width > indent + 24 ? width : indent + 24;
        if (length > width) {
            /* the rest has less room */
            char *copy = NULL;
            if (asprintf(&copy, "%*s%s", (int)indent + 4, "", at) < 0)
                return;
            fseek(out, -(long)(indent + 4), SEEK_CUR);
            put_folded(out, copy, width);
            free(copy);
            return;
        }
    }
    fprintf(out, "%s\n", at);
}

char *pitfall_tidy(const char *text, size_t width)
{
    struct writer w = {.text = NULL};
    char *copy = strdup(text);
    char *rest = copy;
    w.file = open_memstream(&w.text, &w.length);
    if (!copy || !w.file) {
        free(copy);
        return NULL;
    }
    bool blank = true;
    bool dump = false; /* AddressSanitizer's map of memory, to the end */
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char cleaned[512];
        clean(without_number(line), cleaned, sizeof cleaned);
        dump |= !strncmp(cleaned, "Shadow bytes around", 19);
        bool rule = !strncmp(cleaned, "---", 3) || !strncmp(cleaned, "===", 3);
        bool empty = cleaned[strspn(cleaned, " ")] == '\0';
        if (dump || rule || is_noise(cleaned) || (empty && blank))
            continue;
        blank = empty;
        put_folded(w.file, cleaned, width);
    }
    fclose(w.file);
    free(copy);
    return w.text;
}

/* One line, folded; to be freed. (put_folded goes back in what it writes: not for a terminal.) */
static char *fold(const char *line)
{
    struct writer w = {.text = NULL};
    w.file = open_memstream(&w.text, &w.length);
    if (!w.file)
        return NULL;
    put_folded(w.file, line, WIDTH);
    fclose(w.file);
    return w.text;
}

/* ------------------------------------------------------------------ one pitfall */

static void print_wrapped(const char *text)
{
    size_t column = 0;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        if (column > 0 && column + 1 + length > WIDTH) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)length, word);
        word += length;
        word += strspn(word, " ");
    }
    putchar('\n');
}

/* A line that is folded where it is too long. */
static __attribute__((format(printf, 1, 2))) void put_line(const char *format, ...)
{
    va_list args;
    char *line = NULL;
    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        line = NULL;
    va_end(args);
    char *folded = line ? fold(line) : NULL;
    if (folded)
        fputs(folded, stdout);
    free(folded);
    free(line);
}

static void print_report(const struct tool *tool, const struct outcome *outcome, bool raw)
{
    char *text = raw ? strdup(outcome->text) : pitfall_tidy(outcome->text, WIDTH);
    char *rest = text;
    for (char *line; text && (line = strsep(&rest, "\n")) != NULL && (rest || *line);) {
        bool bad = tool_line_reports(tool, line) || !strncmp(line, "wrong: ", 7);
        printf("%s%s%s\n", bad ? RED : "", line, bad ? PLAIN : "");
    }
    free(text);
}

static void print_end(const struct outcome *outcome)
{
    int status = outcome->status;
    if (outcome->hung)
        printf("%sIt hangs: all its threads sleep. It was ended.%s\n", RED, PLAIN);
    else if (WIFSIGNALED(status))
        printf("%sIt is killed: %s.%s\n", RED, strsignal(WTERMSIG(status)), PLAIN);
    else
        printf("Exit code %d.\n", WEXITSTATUS(status));
}

static void print_meaning(const struct pitfall *pitfall)
{
    struct place places[PLACES_MAX];
    struct change changes[CHANGES_MAX];
    size_t n = pitfall_places(pitfall, places, PLACES_MAX);
    printf("\n%sWhat is wrong%s\n", BOLD, PLAIN);
    print_wrapped(pitfall->rule);
    for (size_t i = 0; i < n; i++) {
        put_line("  broken.c:%-3d  %s", places[i].line, places[i].code);
        fputs(DIM, stdout);
        put_line("                %s", places[i].remark);
        fputs(PLAIN, stdout);
    }
    n = pitfall_changes(pitfall, changes, CHANGES_MAX);
    printf("\n%sThe fix%s\n", BOLD, PLAIN);
    for (size_t i = 0; i < n; i++) {
        bool out = changes[i].sign == '-';
        fputs(out ? RED : GREEN, stdout);
        put_line("  %s:%-3d %c %s", out ? "broken.c" : " fixed.c", changes[i].line, changes[i].sign,
            changes[i].code);
        fputs(PLAIN, stdout);
    }
}

static void print_others(const struct pitfall *pitfall, const struct tool *shown)
{
    char text[256];
    printf("\n%sThe tools%s\n", BOLD, PLAIN);
    for (int i = 0; i < TOOLS; i++)
        printf("  %s%-9s %s%s\n", &tools[i] == shown ? BOLD : "", tools[i].name,
            kinds_text(&pitfall->broken[i].sure, text, sizeof text),
            &tools[i] == shown ? PLAIN : "");
}

int pitfall_show(const struct pitfall *pitfall, const struct tool *tool, bool fixed, bool raw)
{
    struct outcome outcome;
    struct kinds kinds;
    if (!tool_is_there(tool)) {
        fprintf(stderr, "pitfall: %s is not installed: skipped\n", tool->name);
        return 77;
    }
    fputs(BOLD, stdout);
    put_line("P%02d  %s", pitfall->number, pitfall->title);
    printf("%s%s", PLAIN, DIM);
    put_line("%s%s%s, under %s", pitfall->kind, pitfall->weakness[0] ? " · " : "",
        pitfall->weakness, tool->title);
    printf("%s\n", PLAIN);
    int rc = expect_run(&outcome, tool, pitfall, fixed);
    if (rc != DONE)
        return rc;
    print_report(tool, &outcome, raw);
    print_end(&outcome);
    tool_reports(tool, &outcome, &kinds);
    char text[256];
    if (kinds.n == 0)
        printf("%s%s: %s reports nothing.%s\n", GREEN, fixed ? "fixed.c" : "broken.c", tool->name,
            PLAIN);
    else
        printf("%s: %s reports: %s\n", fixed ? "fixed.c" : "broken.c", tool->name,
            kinds_text(&kinds, text, sizeof text));
    free(outcome.text);
    if (!fixed) {
        print_meaning(pitfall);
        print_others(pitfall, tool);
    }
    return DONE;
}
