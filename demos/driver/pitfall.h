/* SPDX-License-Identifier: MIT */
#ifndef DEMOS_DRIVER_PITFALL_H
#define DEMOS_DRIVER_PITFALL_H

/*
 * The pitfall laboratory, for `conc-driver pitfall`:
 *
 *   pitfall.c           the command line: list, one pitfall under one tool, verify
 *   pitfall_source.c    what the head of a broken.c says, its places, and how fixed.c differs
 *   pitfall_tools.c     the tools: how a program is run under each, and what its words mean
 *   expect.c            runs a program that may hang, and says how it ended
 *   pitfall_show.c      one pitfall under one tool, for a reader
 *   pitfall_verify.c    every claim of every pitfall, and what comes of it: the scoreboard
 *   pitfall_pages.c     what the pages show of the tools' reports
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Where the tree lies, out of the place of this program in build/release/demos. */
const char *pitfall_root(void);

/* ------------------------------------------------------------------ kinds */

/* What a tool reports, or is to report: race, lock-order, … Each once, sorted. */
enum { KINDS_MAX = 12, KIND_SIZE = 32 };
struct kinds {
    size_t n;
    char kind[KINDS_MAX][KIND_SIZE];
};

void kinds_add(struct kinds *kinds, const char *kind, size_t length);
bool kinds_have(const struct kinds *kinds, const char *kind);

/* "race, lock-order"; for none "-". Returns text. */
const char *kinds_text(const struct kinds *kinds, char *text, size_t size);

/* ------------------------------------------------------------------ a pitfall */

enum { PITFALLS_MAX = 128, TOOLS = 7 };

struct claim {
    struct kinds sure;    /* reported each time */
    struct kinds perhaps; /* written with a question mark: reported or not */
};

struct pitfall {
    int number;
    char slug[64];
    char title[128];
    char family[16];
    char kind[32];
    char from[256];
    char weakness[128];
    char rule[1024];
    char explore[16];  /* how many schedules find it; empty: it needs no luck */
    char options[256]; /* "drd:--exclusive-threshold=10": for one tool */
    struct claim broken[TOOLS];
    struct claim fixed[TOOLS];
};

/* All, in the order of their numbers. Prints what is wrong with a head, and returns BAD_USAGE. */
int pitfalls_read(struct pitfall *pitfalls, size_t *n);

/* By "P05", "p5", "5" or slug; NULL if there is none. */
const struct pitfall *pitfall_find(const struct pitfall *pitfalls, size_t n, const char *name);

/* PNN_slug. Returns text. */
const char *pitfall_name(const struct pitfall *pitfall, char *text, size_t size);

/* The path of the source, and of the program in the build of a tool. Return path. */
const char *pitfall_source(const struct pitfall *pitfall, bool fixed, char *path, size_t size);
const char *pitfall_program(
    const struct pitfall *pitfall, const char *preset, bool fixed, char *path, size_t size);

/* A line of broken.c marked by a comment "place N: remark" above it. */
struct place {
    int line;
    char code[128];
    char remark[128];
};
size_t pitfall_places(const struct pitfall *pitfall, struct place *places, size_t max);

/* The lines in which fixed.c differs from broken.c, without comments at their heads: each with its
 * number in its file, and '-' or '+'. */
struct change {
    char sign;
    int line;
    char code[128];
};
size_t pitfall_changes(const struct pitfall *pitfall, struct change *changes, size_t max);

/* ------------------------------------------------------------------ tools */

struct tool {
    const char *name;
    const char *title;
    const char *preset;  /* whose build it takes; NULL: this program's own */
    const char *program; /* to be found in PATH; NULL: comes with the compiler */
    const char *argv[8]; /* before the program's path */
    const char *env[4];
};
extern const struct tool tools[TOOLS];

enum { TOOL_NATIVE = 0 };

/* -1: no such tool. */
int tool_find(const char *name);

/* Whether it can be used here. */
bool tool_is_there(const struct tool *tool);

/* How a run ended. */
struct outcome {
    int status; /* of waitpid */
    bool hung;  /* all its threads slept, and went on sleeping; or it did not end */
    char *text; /* stdout and stderr, to be freed */
    size_t length;
};

/* What the tool has said, out of the text and the end of a run. */
void tool_reports(const struct tool *tool, const struct outcome *outcome, struct kinds *kinds);

/* Whether a line of a tidied report (below) is one that a kind is known by. */
bool tool_line_reports(const struct tool *tool, const char *line);

/* ------------------------------------------------------------------ running */

struct expected {
    pid_t pid;
    int out;
    int64_t began_ns;
    int64_t looked_ns;
    int asleep; /* for how many looks */
    int64_t killed_ns;
    size_t room;
    struct outcome outcome;
};

/* Begins to run a pitfall under a tool. DONE or FAILED. */
int expect_start(
    struct expected *run, const struct tool *tool, const struct pitfall *pitfall, bool fixed);

/* Looks after it, and returns whether it has ended. Call it every few milliseconds. */
bool expect_poll(struct expected *run);

/* Ends a run that nobody wants any more. */
void expect_kill(struct expected *run);

/* The two above until it has ended. */
int expect_run(
    struct outcome *outcome, const struct tool *tool, const struct pitfall *pitfall, bool fixed);

/* ------------------------------------------------------------------ commands */

/* Set by Ctrl-C. */
extern volatile int pitfall_interrupted;

int pitfall_show(const struct pitfall *pitfall, const struct tool *tool, bool fixed, bool raw);

struct verify_options {
    int repeat;
    const char *only;       /* names, separated by commas; NULL: all */
    const char *only_tools; /* the same */
    const char *json;       /* NULL: none, "-": stdout */
    const char *scoreboard; /* a Markdown file; NULL: none */
    bool pages;             /* fill in the pages */
};
int pitfall_verify(const struct pitfall *pitfalls, size_t n, const struct verify_options *options);

/* What one tool has said of a broken.c. */
struct seen {
    struct kinds kinds;
    char *text; /* NULL: it was not run */
};

/* Fills in the blocks of its page. `seen`: one for each tool. */
int pitfall_page(const struct pitfall *pitfall, const struct seen *seen);

/* What a report says, without process numbers, addresses of code and paths of this machine, and no
 * line wider than `width`. Returns a string to be freed; NULL: no memory. */
char *pitfall_tidy(const char *text, size_t width);

#endif
