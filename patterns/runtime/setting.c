/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/errno.h"
#include "runtime/setting.h"

long conc_setting(const char *name, long min, long max, long otherwise)
{
    const char *given = getenv(name);
    if (!given || !*given)
        return otherwise;
    int saved_errno = conc_errno;
    char *end;
    conc_errno = 0;
    long value = strtol(given, &end, 10);
    if (*end != '\0' || conc_errno != 0 || value < min || value > max) {
        fprintf(stderr, "conc: %s: '%s' is not a number from %ld to %ld\n", name, given, min, max);
        _Exit(2);
    }
    conc_errno = saved_errno;
    return value;
}

int conc_setting_word(const char *name, const char *const *words, int otherwise)
{
    const char *given = getenv(name);
    if (!given || !*given)
        return otherwise;
    for (int i = 0; words[i]; i++)
        if (strcmp(given, words[i]) == 0)
            return i;
    fprintf(stderr, "conc: %s: '%s' is not one of", name, given);
    for (int i = 0; words[i]; i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", words[i]);
    fputc('\n', stderr);
    _Exit(2);
}
