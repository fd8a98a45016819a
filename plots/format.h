/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_FORMAT_H
#define PLOTS_FORMAT_H

/*
 * Numbers for readers: three digits that count, and a unit that fits. Each function fills a buffer
 * of the caller's and returns it, so that several fit into one printf.
 */

#include "results.h"

enum { FORMAT_SIZE = 64 };

/* "12.5 ns", "1.06 ms". */
const char *format_time(char text[FORMAT_SIZE], double ns);

/* "9.73 ×", "0.00769 ×". */
const char *format_ratio(char text[FORMAT_SIZE], double ratio);

/* Three digits that count, without an exponent where that is readable: "133", "0.0077". */
const char *format_number(char text[FORMAT_SIZE], double value);

/* A point of a sweep: "16", or for a sweep whose name ends in _ns, "10 µs". */
const char *format_point(char text[FORMAT_SIZE], const char *sweep, int64_t point);

/* The name of a sweep as words: "workers", "work per item". */
const char *format_sweep(char text[FORMAT_SIZE], const char *sweep);

#endif
