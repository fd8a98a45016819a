/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_GANTT_H
#define PLOTS_GANTT_H

/* A trace as rows of slices. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct slice {
    double begin; /* microseconds */
    double end;
    bool waiting;
};

struct row {
    int64_t pid;
    int64_t tid;
    const char *name; /* NULL: none given; belongs to the document */
    struct slice *slices;
    size_t n;
    size_t room;
    double begin; /* of the first slice */
};

struct gantt {
    const char *file;
    json_t *document;
    struct row *rows;
    size_t n_rows;
    size_t room;
    double begin; /* of all rows */
    double end;
};

/* Reads the trace g->file into a *g that is otherwise zero. 0, or 1 after one line on stderr;
 * either way gantt_free is due. */
int gantt_read(struct gantt *g);

void gantt_free(struct gantt *g);

#endif
