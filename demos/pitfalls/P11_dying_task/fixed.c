/* SPDX-License-Identifier: MIT */
/* P11, fixed: the error of an item is returned, and the others go on. */
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
    if (*end != '\0')
        return EINVAL;
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
    conc_errgroup_collect(&work, NULL);
    return verdict(values[0] + values[1] + values[3] == 7 && errors[2] == EINVAL,
        "three items have a value, the third has an error");
}
