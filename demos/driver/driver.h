/* SPDX-License-Identifier: MIT */
#ifndef DEMOS_DRIVER_DRIVER_H
#define DEMOS_DRIVER_DRIVER_H

/* What the parts of the `conc-driver` program share. Each command gets argv[0] = its own name and
 * returns the exit code. */

#include <stddef.h>

/* A line of catalogue.txt. */
struct catalogue_entry {
    int number;
    const char *slug;
    const char *title;
    const char *tags; /* separated by commas */
    const char *line;
};

extern const struct catalogue_entry *const catalogue;
extern const size_t catalogue_length;

/* By number ("3", "03") or slug; NULL if there is none. */
const struct catalogue_entry *catalogue_find(const char *name);

/* The program of a demo: it lies beside this one. */
void demo_path(const struct catalogue_entry *entry, char *path, size_t size);

enum { DONE = 0, FAILED = 1, BAD_USAGE = 2 };

/* Prints a line to stderr; returns BAD_USAGE. */
int bad_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

int command_list(int argc, char **argv);
int command_run(int argc, char **argv);
int command_explore(int argc, char **argv);
int command_pitfall(int argc, char **argv);
int command_doctor(int argc, char **argv);

#endif
