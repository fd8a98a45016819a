/* SPDX-License-Identifier: MIT */
#ifndef DEMOS_DEMO_H
#define DEMOS_DEMO_H

/*
 * What every numbered demo shares: the common flags, the two outputs, the checks that live in all
 * builds, and simulated work whose cost is a parameter.
 *
 *   int main(int argc, char **argv)
 *   {
 *       int64_t capacity = 0;
 *       const struct demo_flag flags[] = {
 *           {"capacity", &capacity, 0, 1000000, "places in the channel"},
 *           {0},
 *       };
 *       struct demo demo = {.number = 1, .title = "Producers and consumers",
 *                           .workers = 4, .items = 100, .flags = flags};
 *       demo_begin(&demo, argc, argv);          // parses; bad flags: one line, exit 2
 *       ... demo.workers, demo.items, capacity ...
 *       demo_say("consumer %d took %d", i, item);     // trace: stderr, unless --quiet
 *       demo_result("items %" PRId64 "\n", demo.items);  // result: stdout, deterministic
 *       return demo_end(&demo);                 // writes --trace and --gantt; 0, or 1 and a line
 *   }
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One flag of a demo's own: --name N, an integer between min and max. A list ends with name NULL.
 * A flag with min 0 and max 1 may be given without a value, which means 1. */
struct demo_flag {
    const char *name;
    int64_t *value; /* holds the default before, the user's choice after demo_begin */
    int64_t min;
    int64_t max;
    const char *help;
};

struct demo {
    int number;                    /* of the catalogue */
    const char *title;             /* of the catalogue */
    int64_t workers;               /* in: the default; out: --workers, 1 … 10 000 */
    int64_t items;                 /* in: the default; out: --items, 0 … 100 000 000 */
    uint64_t seed;                 /* in: the default; out: --seed */
    bool quiet;                    /* out: --quiet was given: no trace */
    const char *trace;             /* out: --trace FILE, or NULL */
    const char *gantt;             /* out: --gantt FILE.svg, or NULL */
    const struct demo_flag *flags; /* the demo's own, or NULL */
};

/* Parses the command line into *demo and selects the engine. --help prints the flags and exits 0;
 * an unknown flag or a bad value prints one line to stderr and exits 2. */
void demo_begin(struct demo *demo, int argc, char **argv);

/* Writes the trace and the chart that were asked for. Returns the exit code for main: 0, or 1 after
 * one line on stderr when a file could not be written. */
int demo_end(struct demo *demo);

/* A line of the trace, to stderr, with the time since demo_begin in front; nothing under --quiet.
 * Whole lines, from any task. */
void demo_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A piece of the result, to stdout. The same bytes on every run, engine and machine. */
void demo_result(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Simulated CPU work: `units` of about 10 microseconds each, which no compiler can remove. Returns
 * a value that depends on `seed` and `units` alone. */
uint64_t demo_work(uint64_t seed, int64_t units);

/* Ends the program with file, line and text when `expression` is false; in every build. */
#define CHECK(expression)                                                                          \
    do {                                                                                           \
        if (!(expression))                                                                         \
            demo_check_failed(#expression, 0, __FILE__, __LINE__);                                 \
    } while (0)

/* The same for a call that returns an error code: anything but 0 ends the program. */
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        int check_rc_ = (call);                                                                    \
        if (check_rc_ != 0)                                                                        \
            demo_check_failed(#call, check_rc_, __FILE__, __LINE__);                               \
    } while (0)

_Noreturn void demo_check_failed(const char *text, int rc, const char *file, int line);

#endif
