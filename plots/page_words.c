/* SPDX-License-Identifier: MIT */
#include "page_parts.h"

#include <string.h>

#include "format.h"

void page_put(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("\\`*_[]<>&|~#", *text) != NULL)
            fputc('\\', out);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
    }
}

void page_put_tag(FILE *out, const char *class, const char *text)
{
    fprintf(out, "<span class=\"%s\">%s</span>", class, text);
}

void page_put_ratio(FILE *out, const struct interval *value)
{
    char a[FORMAT_SIZE];
    char b[FORMAT_SIZE];
    char c[FORMAT_SIZE];
    fprintf(out, "**%s** (%s … %s)", format_ratio(a, value->value), format_number(b, value->low),
        format_number(c, value->high));
}

void page_put_time(FILE *out, double value, double low, double high)
{
    char a[FORMAT_SIZE];
    char b[FORMAT_SIZE];
    char c[FORMAT_SIZE];
    fprintf(
        out, "**%s** (%s … %s)", format_time(a, value), format_time(b, low), format_time(c, high));
}
