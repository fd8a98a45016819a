/* SPDX-License-Identifier: MIT */

/*
 * Reads Chrome's trace-event format: an array of events, or an object with "traceEvents". Of the
 * events these count: complete slices ("ph":"X", with ts and dur in microseconds) and the names of
 * tasks ("ph":"M", "name":"thread_name"). A slice whose category is "wait", or whose name begins
 * with "blocked", is waiting; every other slice is running.
 */

#include "gantt.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad_event(const struct gantt *g, size_t index, const char *what)
{
    fprintf(stderr, "conc-gantt: %s: event %zu: %s\n", g->file, index, what);
    return 1;
}

/* The row of a task, made when it is seen first; NULL: no memory. */
static struct row *find_row(struct gantt *g, const json_t *event)
{
    int64_t pid = json_integer_value(json_object_get(event, "pid"));
    int64_t tid = json_integer_value(json_object_get(event, "tid"));
    for (size_t i = g->n_rows; i-- > 0;)
        if (g->rows[i].pid == pid && g->rows[i].tid == tid)
            return &g->rows[i];
    if (g->n_rows == g->room) {
        size_t room = g->room > 0 ? 2 * g->room : 64;
        struct row *grown = realloc(g->rows, room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        g->rows = grown;
        g->room = room;
    }
    g->rows[g->n_rows] = (struct row){.pid = pid, .tid = tid};
    return &g->rows[g->n_rows++];
}

static int add_slice(struct gantt *g, struct row *row, const struct slice *slice)
{
    if (row->n == row->room) {
        size_t room = row->room > 0 ? 2 * row->room : 16;
        struct slice *grown = realloc(row->slices, room * sizeof *grown);
        if (grown == NULL)
            return ENOMEM;
        row->slices = grown;
        row->room = room;
    }
    row->slices[row->n++] = *slice;
    row->begin = row->n == 1 ? slice->begin : fmin(row->begin, slice->begin);
    g->begin = fmin(g->begin, slice->begin);
    g->end = fmax(g->end, slice->end);
    return 0;
}

static int read_event(struct gantt *g, size_t index, const json_t *event)
{
    const char *phase = json_string_value(json_object_get(event, "ph"));
    const char *name = json_string_value(json_object_get(event, "name"));
    const char *category = json_string_value(json_object_get(event, "cat"));
    if (phase == NULL)
        return bad_event(g, index, "\"ph\" is missing");
    bool names = strcmp(phase, "M") == 0 && name != NULL && strcmp(name, "thread_name") == 0;
    if (strcmp(phase, "X") != 0 && !names)
        return 0;
    if (!json_is_integer(json_object_get(event, "tid")))
        return bad_event(g, index, "\"tid\" is missing or no integer");
    struct row *row = find_row(g, event);
    if (row == NULL)
        return bad_event(g, index, "no memory");
    if (names) {
        row->name = json_string_value(json_object_get(json_object_get(event, "args"), "name"));
        return 0;
    }

    const json_t *ts = json_object_get(event, "ts");
    const json_t *dur = json_object_get(event, "dur");
    if (!json_is_number(ts) || !json_is_number(dur) || json_number_value(dur) < 0)
        return bad_event(g, index, "\"ts\" and \"dur\" must be numbers, dur not negative");
    struct slice slice = {
        .begin = json_number_value(ts),
        .end = json_number_value(ts) + json_number_value(dur),
        .waiting = (category != NULL && strcmp(category, "wait") == 0) ||
                   (name != NULL && strncmp(name, "blocked", 7) == 0),
    };
    return add_slice(g, row, &slice) == 0 ? 0 : bad_event(g, index, "no memory");
}

static int compare_slices(const void *a, const void *b)
{
    double x = ((const struct slice *)a)->begin;
    double y = ((const struct slice *)b)->begin;
    return (x > y) - (x < y);
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    if (x->begin != y->begin)
        return x->begin > y->begin ? 1 : -1;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Tasks with slices, in the order of their begin; the others go. */
static void order_rows(struct gantt *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_rows; i++) {
        if (g->rows[i].n == 0)
            continue;
        qsort(g->rows[i].slices, g->rows[i].n, sizeof *g->rows[i].slices, compare_slices);
        g->rows[n++] = g->rows[i];
    }
    g->n_rows = n;
    if (n > 0)
        qsort(g->rows, n, sizeof *g->rows, compare_rows);
}

int gantt_read(struct gantt *g)
{
    json_error_t error;
    g->document = json_load_file(g->file, 0, &error);
    if (g->document == NULL) {
        if (error.line > 0)
            fprintf(
                stderr, "conc-gantt: %s: line %d: no JSON: %s\n", g->file, error.line, error.text);
        else
            fprintf(stderr, "conc-gantt: %s\n", error.text);
        return 1;
    }
    const json_t *events =
        json_is_array(g->document) ? g->document : json_object_get(g->document, "traceEvents");
    if (!json_is_array(events)) {
        fprintf(stderr, "conc-gantt: %s: no trace: no array and no \"traceEvents\"\n", g->file);
        return 1;
    }
    g->begin = INFINITY;
    g->end = -INFINITY;
    for (size_t i = 0; i < json_array_size(events); i++)
        if (read_event(g, i, json_array_get(events, i)) != 0)
            return 1;
    order_rows(g);
    if (g->n_rows == 0) {
        fprintf(stderr, "conc-gantt: %s: the trace holds no slices\n", g->file);
        return 1;
    }
    return 0;
}

void gantt_free(struct gantt *g)
{
    for (size_t i = 0; i < g->n_rows; i++)
        free(g->rows[i].slices);
    free(g->rows);
    json_decref(g->document);
}
