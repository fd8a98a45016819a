/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "demos/pitfalls/pitfall.h"

#include <dirent.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/task.h"

#if __has_include(<valgrind/helgrind.h>)
#include <valgrind/drd.h>
#include <valgrind/helgrind.h>
#else
#define VALGRIND_HG_DISABLE_CHECKING(start, size) ((void)0)
#define DRD_IGNORE_VAR(variable) ((void)0)
#define RUNNING_ON_VALGRIND 0
#endif

/* For TSan the gate is a relaxed atomic, which orders nothing. The others take it for a race, and
 * are told to look away. */
static void hide(struct gate *gate)
{
    VALGRIND_HG_DISABLE_CHECKING(gate, sizeof *gate);
    DRD_IGNORE_VAR(*gate);
}

static int is_open(const struct gate *gate)
{
    return atomic_load_explicit(&gate->open, memory_order_relaxed);
}

void gate_open(struct gate *gate)
{
    hide(gate);
    atomic_store_explicit(&gate->open, 1, memory_order_relaxed);
}

void gate_wait(struct gate *gate)
{
    hide(gate);
    while (!is_open(gate))
        sched_yield();
}

void gate_wait_as_task(struct gate *gate)
{
    hide(gate);
    while (!is_open(gate))
        conc_yield();
}

/* ------------------------------------------------------------------ asleep? */

/* The state in /proc/…/stat comes after the name, which stands in brackets. */
static int sleeps(const char *thread)
{
    char path[64];
    char line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return 1; /* it has ended */
    const char *got = fgets(line, sizeof line, file);
    fclose(file);
    const char *name_ends = got ? strrchr(line, ')') : NULL;
    return name_ends && name_ends[1] == ' ' && name_ends[2] == 'S';
}

static int others_sleep(void)
{
    int all = 1;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != gettid())
            all &= sleeps(entry->d_name);
    if (dir)
        closedir(dir);
    return all;
}

void wait_until_others_sleep(void)
{
    /* Under Valgrind one thread runs at a time, and those that wait for their turn sleep, too. */
    int looks = RUNNING_ON_VALGRIND ? 20 : 4;
    struct timespec a_while = {0, 5 * 1000 * 1000};
    for (int quiet = 0; quiet < looks; quiet = others_sleep() ? quiet + 1 : 0)
        nanosleep(&a_while, NULL);
}

/* ------------------------------------------------------------------ */

int verdict(int right, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs(right ? "right: " : "wrong: ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    return right ? 0 : 1;
}
