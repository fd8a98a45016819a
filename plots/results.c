/* SPDX-License-Identifier: MIT */
#include "results.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where we are in a file, for the one line that says what is wrong. */
struct place {
    const char *file;
    const char *workload; /* or NULL */
    long index;           /* of a case, or -1 */
};

__attribute__((format(printf, 2, 3))) static int complain(
    const struct place *at, const char *format, ...)
{
    fprintf(stderr, "conc-report: %s: ", at->file);
    if (at->workload != NULL)
        fprintf(stderr, "workload %s: ", at->workload);
    if (at->index >= 0)
        fprintf(stderr, "case %ld: ", at->index);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return -1;
}

/* ---- fields, each with a check of its type ---- */

static int get_string(
    const struct place *at, const json_t *object, const char *name, const char **value)
{
    const json_t *field = json_object_get(object, name);
    if (!json_is_string(field))
        return complain(at, "\"%s\" is missing or no string", name);
    *value = json_string_value(field);
    return 0;
}

static int get_optional_string(
    const struct place *at, const json_t *object, const char *name, const char **value)
{
    *value = NULL;
    const json_t *field = json_object_get(object, name);
    return field == NULL || json_is_null(field) ? 0 : get_string(at, object, name, value);
}

static int get_integer(
    const struct place *at, const json_t *object, const char *name, int64_t least, int64_t *value)
{
    const json_t *field = json_object_get(object, name);
    if (!json_is_integer(field) || json_integer_value(field) < least)
        return complain(
            at, "\"%s\" is missing or no integer of at least %lld", name, (long long)least);
    *value = json_integer_value(field);
    return 0;
}

/* A string that may become part of a file's name: letters, digits and underscores. */
static int get_word(
    const struct place *at, const json_t *object, const char *name, const char **value)
{
    if (get_string(at, object, name, value) != 0)
        return -1;
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    if (**value == '\0' || (*value)[strspn(*value, allowed)] != '\0')
        return complain(at, "\"%s\" is no word of letters, digits and underscores", name);
    return 0;
}

/* A list with at least `least` elements. */
static int get_list(const struct place *at, const json_t *object, const char *name, size_t least,
    const json_t **value)
{
    *value = json_object_get(object, name);
    if (!json_is_array(*value))
        return complain(at, "\"%s\" is missing or no list", name);
    if (json_array_size(*value) < least)
        return complain(at, "\"%s\" is empty", name);
    return 0;
}

/* ---- the parts of a file ---- */

static int load_rounds(const struct place *at, const json_t *object, struct measured *c)
{
    const json_t *list;
    if (get_list(at, object, "rounds_ns", 0, &list) != 0)
        return -1;
    size_t n = json_array_size(list);
    c->rounds = calloc(n + 1, sizeof *c->rounds);
    if (c->rounds == NULL)
        return complain(at, "no memory");
    for (size_t i = 0; i < n; i++) {
        const json_t *round = json_array_get(list, i);
        double ns = json_number_value(round);
        if (!json_is_number(round) || !(ns > 0) || !isfinite(ns))
            return complain(at, "\"rounds_ns\" holds what is no positive number");
        c->rounds[i] = ns / (double)c->items;
    }
    c->n = n;
    c->usable = n > 0 && strcmp(c->check, "ok") == 0;
    if (c->usable && stats_summarise(c->rounds, n, &c->cost) != 0)
        return complain(at, "no memory");
    return 0;
}

static int load_case(const struct place *at, const json_t *object, struct measured *c)
{
    if (!json_is_object(object))
        return complain(at, "no object");
    if (get_string(at, object, "variant", &c->variant) != 0 ||
        get_integer(at, object, "point", 0, &c->point) != 0 ||
        get_integer(at, object, "workers", 1, &c->workers) != 0 ||
        get_integer(at, object, "items", 1, &c->items) != 0 ||
        get_string(at, object, "check", &c->check) != 0)
        return -1;
    c->once = json_is_true(json_object_get(object, "once"));
    return load_rounds(at, object, c);
}

static int load_claims(const struct place *at, const json_t *object, struct workload *w)
{
    const json_t *list;
    if (get_list(at, object, "claims", 0, &list) != 0)
        return -1;
    w->claims = calloc(json_array_size(list) + 1, sizeof *w->claims);
    if (w->claims == NULL)
        return complain(at, "no memory");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *claim = json_array_get(list, i);
        struct claim_use *use = &w->claims[i];
        if (get_string(at, claim, "id", &use->id) != 0 ||
            get_integer(at, claim, "at", 0, &use->at) != 0 ||
            get_string(at, claim, "variant", &use->variant) != 0 ||
            get_string(at, claim, "baseline", &use->baseline) != 0)
            return -1;
        w->n_claims++;
    }
    return 0;
}

static int compare_points(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The points of the sweep: those of all cases that depend on it, each once. */
static int collect_points(const struct place *at, struct workload *w)
{
    w->points = calloc(w->n_cases + 1, sizeof *w->points);
    if (w->points == NULL)
        return complain(at, "no memory");
    size_t n = 0;
    for (size_t i = 0; i < w->n_cases; i++)
        if (!w->cases[i].once)
            w->points[n++] = w->cases[i].point;
    if (n == 0) /* only the level lines were measured */
        w->points[n++] = w->cases[0].point;
    qsort(w->points, n, sizeof *w->points, compare_points);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || w->points[i] != w->points[i - 1])
            w->points[w->n_points++] = w->points[i];
    return 0;
}

static int compute_speedups(const struct place *at, struct workload *w)
{
    for (size_t i = 0; i < w->n_cases; i++) {
        struct measured *c = &w->cases[i];
        const struct measured *base = results_find(w, w->baseline, c->point);
        if (!c->usable || base == NULL || !base->usable)
            continue;
        c->has_speedup = true;
        if (base == c)
            c->speedup = (struct interval){1, 1, 1};
        else if (stats_ratio(base->rounds, base->n, c->rounds, c->n, &c->speedup) != 0)
            return complain(at, "no memory");
    }
    return 0;
}

static int load_workload(const struct place *in, const json_t *object, struct workload *w)
{
    struct place at = *in;
    const char *kind = "";
    const json_t *list;
    if (!json_is_object(object))
        return complain(&at, "a workload is no object");
    if (get_word(&at, object, "name", &w->name) != 0)
        return -1;
    at.workload = w->name;
    if (get_string(&at, object, "title", &w->title) != 0 ||
        get_optional_string(&at, object, "note", &w->note) != 0 ||
        get_string(&at, object, "kind", &kind) != 0 ||
        get_string(&at, object, "unit", &w->unit) != 0 ||
        get_optional_string(&at, object, "sweep", &w->sweep) != 0 ||
        get_string(&at, object, "baseline", &w->baseline) != 0 ||
        get_optional_string(&at, object, "crossover", &w->crossover) != 0 ||
        load_claims(&at, object, w) != 0 || get_list(&at, object, "cases", 1, &list) != 0)
        return -1;

    if (strcmp(kind, "cpu") == 0)
        w->kind = KIND_CPU;
    else if (strcmp(kind, "wait") == 0)
        w->kind = KIND_WAIT;
    else if (strcmp(kind, "message") == 0)
        w->kind = KIND_MESSAGE;
    else
        return complain(&at, "\"kind\" is %s, not cpu, wait or message", kind);

    w->cases = calloc(json_array_size(list), sizeof *w->cases);
    if (w->cases == NULL)
        return complain(&at, "no memory");
    for (size_t i = 0; i < json_array_size(list); i++) {
        at.index = (long)i;
        w->n_cases++;
        if (load_case(&at, json_array_get(list, i), &w->cases[i]) != 0)
            return -1;
    }
    at.index = -1;
    return collect_points(&at, w) == 0 && compute_speedups(&at, w) == 0 ? 0 : -1;
}

static int load_machine(const struct place *at, const json_t *object, struct machine *m)
{
    if (!json_is_object(object))
        return complain(at, "\"machine\" is missing");
    if (get_string(at, object, "cpu", &m->cpu) != 0 ||
        get_integer(at, object, "cores", 1, &m->cores) != 0 ||
        get_string(at, object, "kernel", &m->kernel) != 0 ||
        get_string(at, object, "compiler", &m->compiler) != 0 ||
        get_optional_string(at, object, "governor", &m->governor) != 0)
        return -1;
    m->is_virtual = json_is_true(json_object_get(object, "virtual"));
    const json_t *load = json_object_get(object, "load_before");
    m->load = json_is_number(load) ? json_number_value(load) : -1;
    return 0;
}

static int load_pattern(const struct place *at, struct pattern *p)
{
    const json_t *root = p->document;
    const char *schema = "";
    int64_t number;
    const json_t *list;
    if (!json_is_object(root))
        return complain(at, "no result file: the document is no object");
    if (get_string(at, root, "schema", &schema) != 0)
        return -1;
    if (strcmp(schema, "conc-bench-1") != 0)
        return complain(at, "\"schema\" is %s, not conc-bench-1", schema);
    if (get_integer(at, root, "number", 0, &number) != 0 ||
        get_word(at, root, "slug", &p->slug) != 0 ||
        get_string(at, root, "title", &p->title) != 0 ||
        get_string(at, root, "date", &p->date) != 0 ||
        get_string(at, root, "commit", &p->commit) != 0 ||
        get_word(at, root, "engine", &p->engine) != 0 ||
        get_string(at, root, "mode", &p->mode) != 0 ||
        get_integer(at, root, "rounds_wanted", 1, &p->rounds_wanted) != 0 ||
        load_machine(at, json_object_get(root, "machine"), &p->machine) != 0 ||
        get_list(at, root, "workloads", 1, &list) != 0)
        return -1;
    if (number > 999)
        return complain(at, "\"number\" is %lld, more than 999", (long long)number);
    p->number = (int)number;

    p->workloads = calloc(json_array_size(list), sizeof *p->workloads);
    if (p->workloads == NULL)
        return complain(at, "no memory");
    for (size_t i = 0; i < json_array_size(list); i++) {
        p->n_workloads++;
        if (load_workload(at, json_array_get(list, i), &p->workloads[i]) != 0)
            return -1;
        for (size_t j = 0; j < i; j++)
            if (strcmp(p->workloads[j].name, p->workloads[i].name) == 0)
                return complain(at, "two workloads are called %s", p->workloads[i].name);
    }
    return 0;
}

static void free_pattern(struct pattern *p)
{
    for (size_t i = 0; i < p->n_workloads; i++) {
        struct workload *w = &p->workloads[i];
        for (size_t j = 0; j < w->n_cases; j++)
            free(w->cases[j].rounds);
        free(w->cases);
        free(w->claims);
        free(w->points);
    }
    free(p->workloads);
    json_decref(p->document);
}

/* ---- what the others call ---- */

int results_add(struct results *results, const char *path)
{
    struct place at = {.file = path, .index = -1};
    json_error_t error;
    struct pattern p = {.document = json_load_file(path, JSON_REJECT_DUPLICATES, &error)};
    if (p.document == NULL) {
        if (error.line > 0)
            return complain(&at, "line %d: no JSON: %s", error.line, error.text);
        return complain(&at, "%s", error.text);
    }
    struct pattern *grown = realloc(results->patterns, (results->n + 1) * sizeof *grown);
    if (grown != NULL)
        results->patterns = grown;
    if (grown == NULL || load_pattern(&at, &p) != 0) {
        free_pattern(&p);
        return grown == NULL ? complain(&at, "no memory") : -1;
    }
    results->patterns[results->n++] = p;
    return 0;
}

static int compare_patterns(const void *a, const void *b)
{
    const struct pattern *x = a;
    const struct pattern *y = b;
    return x->number != y->number ? x->number - y->number : strcmp(x->engine, y->engine);
}

int results_sort(struct results *results)
{
    if (results->n == 0)
        return 0;
    qsort(results->patterns, results->n, sizeof *results->patterns, compare_patterns);
    for (size_t i = 1; i < results->n; i++) {
        const struct pattern *p = &results->patterns[i];
        if (compare_patterns(p - 1, p) == 0) {
            fprintf(stderr, "conc-report: two files hold results of %02d %s on the %s engine\n",
                p->number, p->slug, p->engine);
            return -1;
        }
    }
    return 0;
}

void results_free(struct results *results)
{
    for (size_t i = 0; i < results->n; i++)
        free_pattern(&results->patterns[i]);
    free(results->patterns);
    *results = (struct results){0};
}

const struct measured *results_find(
    const struct workload *workload, const char *variant, int64_t point)
{
    for (size_t i = 0; i < workload->n_cases; i++) {
        const struct measured *c = &workload->cases[i];
        if (strcmp(c->variant, variant) == 0 && (c->once || c->point == point))
            return c;
    }
    return NULL;
}

double results_ideal(
    const struct pattern *pattern, const struct workload *workload, const struct measured *c)
{
    if (c->once || strcmp(c->variant, workload->baseline) == 0)
        return 0;
    if (workload->kind == KIND_WAIT)
        return (double)c->workers;
    if (workload->kind == KIND_CPU)
        return (double)(c->workers < pattern->machine.cores ? c->workers : pattern->machine.cores);
    return 0;
}
