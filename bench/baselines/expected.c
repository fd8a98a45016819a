/* SPDX-License-Identifier: MIT */
#include "bench/baselines/expected.h"

#include <stddef.h>

uint64_t expected_result(
    uint64_t (*compute)(int64_t items, int64_t parameter), int64_t items, int64_t parameter)
{
    static struct {
        uint64_t (*compute)(int64_t items, int64_t parameter);
        int64_t items;
        int64_t parameter;
        uint64_t result;
    } known[128];
    static size_t n;

    for (size_t i = 0; i < n; i++)
        if (known[i].compute == compute && known[i].items == items &&
            known[i].parameter == parameter)
            return known[i].result;
    uint64_t result = compute(items, parameter);
    if (n < sizeof known / sizeof known[0]) {
        known[n].compute = compute;
        known[n].items = items;
        known[n].parameter = parameter;
        known[n++].result = result;
    }
    return result;
}
