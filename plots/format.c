/* SPDX-License-Identifier: MIT */
#include "format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many digits after the point make three that count, once the value is rounded to three: 9.996
 * is 10.0 and not 10.00. */
static int places(double value)
{
    char rounded[FORMAT_SIZE];
    snprintf(rounded, sizeof rounded, "%.2e", fabs(value));
    double size = strtod(rounded, NULL);
    if (size == 0 || !isfinite(size))
        return 0;
    int before = (int)floor(log10(size) + 1e-9) + 1;
    return before >= 3 ? 0 : 3 - before;
}

/* 1.50 keeps its zero, which was measured; 16613 is 16600. */
const char *format_number(char text[FORMAT_SIZE], double value)
{
    char rounded[FORMAT_SIZE];
    snprintf(rounded, sizeof rounded, "%.2e", value);
    if (value != 0 && fabs(value) < 1e-6)
        snprintf(text, FORMAT_SIZE, "%s", rounded);
    else
        snprintf(text, FORMAT_SIZE, "%.*f", places(value), strtod(rounded, NULL));
    return text;
}

const char *format_ratio(char text[FORMAT_SIZE], double ratio)
{
    char number[FORMAT_SIZE];
    snprintf(text, FORMAT_SIZE, "%.50s ×", format_number(number, ratio));
    return text;
}

const char *format_time(char text[FORMAT_SIZE], double ns)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    size_t unit = 0;
    while (fabs(ns) >= 999.5 && unit < 3) {
        ns /= 1000;
        unit++;
    }
    char number[FORMAT_SIZE];
    snprintf(text, FORMAT_SIZE, "%.50s %s", format_number(number, ns), units[unit]);
    return text;
}

static bool is_time(const char *sweep)
{
    size_t length = strlen(sweep);
    return length > 3 && strcmp(sweep + length - 3, "_ns") == 0;
}

const char *format_point(char text[FORMAT_SIZE], const char *sweep, int64_t point)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    if (sweep == NULL || !is_time(sweep)) {
        snprintf(text, FORMAT_SIZE, "%lld", (long long)point);
        return text;
    }
    double value = (double)point;
    size_t unit = 0;
    while (value >= 1000 && unit < 3) {
        value /= 1000;
        unit++;
    }
    snprintf(text, FORMAT_SIZE, "%g %s", value, units[unit]);
    return text;
}

const char *format_sweep(char text[FORMAT_SIZE], const char *sweep)
{
    if (sweep == NULL) {
        text[0] = '\0';
    } else if (strcmp(sweep, "work_ns") == 0) {
        snprintf(text, FORMAT_SIZE, "work per item");
    } else {
        size_t length = strlen(sweep);
        if (is_time(sweep))
            length -= 3;
        snprintf(text, FORMAT_SIZE, "%.*s", (int)(length < 60 ? length : 60), sweep);
        for (char *c = text; *c != '\0'; c++)
            if (*c == '_')
                *c = ' ';
    }
    return text;
}
