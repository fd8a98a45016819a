/* SPDX-License-Identifier: MIT */
/*
 * P11: One bad item, and the whole program is gone
 *
 * @family documents
 * @kind misuse
 * @from In-depth guide to Go's concurrency patterns, 7.1 DON'T 3: a panic that nobody recovers ends
 *     the program
 * @weakness CWE-617, CWE-248, CERT ERR06-C
 * @rule What is wrong with one item is the result of that item. A task that ends the program over
 *     it takes with it the items of all others, finished or not. C has no recover: so what runs in
 *     a task returns its error, and whoever waits for the tasks gets it.
 * @detect native:abort memcheck:possibly-lost
 */
#include <errno.h>
#include <stdlib.h>

#include "demos/pitfalls/pitfall.h"
#include "errgroup.h"

static const char *const texts[] = {"1", "2", "three", "4"};

static int parse(const void *item, void *result, void *arg, struct conc_context *ctx)
{
    char *end;
    (void)arg, (void)ctx;
    long value = strtol(*(const char *const *)item, &end, 10);
    if (*end != '\0') {
        /* place 1: not a number, and that is the end of everything */
        abort();
    }
    *(long *)result = value;
    return 0;
}

int main(void)
{
    long values[4] = {0};
    int errors[4];
    struct conc_collect work = {.fn = parse,
        .items = texts,
        .item_size = sizeof texts[0],
        .results = values,
        .result_size = sizeof values[0],
        .errors = errors,
        .n = 4};
    /* place 2: would have a result or an error for each item */
    conc_errgroup_collect(&work, NULL);
    return verdict(values[0] + values[1] + values[3] == 7 && errors[2] == EINVAL,
        "three items have a value, the third has an error");
}
