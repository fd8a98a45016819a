/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_getaffinity */

#include "demos/driver/driver.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A program, and what is lost where it is missing. */
static const struct {
    const char *program;
    const char *loss;
} tools[] = {
    {"gcc", "nothing can be built"},
    {"g++", "no benchmarks: google-benchmark is C++"},
    {"cmake", "nothing can be built"},
    {"ninja", "nothing can be built"},
    {"pkg-config", "nothing can be built: no library is found"},
    {"gnuplot", "no charts in the report"},
    {"valgrind", "the tests under Helgrind, DRD and memcheck are skipped"},
    {"clang", "no second compiler: ./conc test --preset ci-clang does not build"},
    {"clang-format", "the form of the sources is not checked"},
    {"shellcheck", "the scripts are not checked"},
    {"go", "no Go program to compare with"},
};

static bool in_path(const char *program, char *found, size_t size)
{
    const char *directory = getenv("PATH");
    while (directory && *directory != '\0') {
        size_t length = strcspn(directory, ":");
        snprintf(found, size, "%.*s/%s", (int)length, directory, program);
        if (length > 0 && access(found, X_OK) == 0)
            return true;
        directory += length + (directory[length] == ':');
    }
    return false;
}

/* The first line of a small file, without its end; false if it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

static void check_tools(void)
{
    printf("tools\n");
    for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
        char path[PATH_MAX];
        if (in_path(tools[i].program, path, sizeof(path)))
            printf("  ok       %-13s %s\n", tools[i].program, path);
        else
            printf("  missing  %-13s %s\n", tools[i].program, tools[i].loss);
    }
}

/* One line on the machine: fit or not, what was found, and what that does to a measurement. */
static bool say(bool fit, const char *what, const char *found, const char *consequence)
{
    if (fit)
        printf("  ok       %-13s %s\n", what, found);
    else
        printf("  note     %-13s %s: %s\n", what, found, consequence);
    return fit;
}

static bool check_cores(int *cores)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    *cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : (int)online;
    char found[64];
    snprintf(found, sizeof(found), "%d of %ld may be used", *cores, online);
    return say(*cores >= 2, "cores", found, "nothing can run in parallel, CPU speedups stay at 1");
}

static bool check_load(int cores)
{
    double load = 0;
    char found[64];
    if (getloadavg(&load, 1) != 1)
        return say(false, "load", "unknown", "other programs may disturb");
    snprintf(found, sizeof(found), "%.2f over the last minute", load);
    return say(load < 0.25 * cores, "load", found, "other programs disturb, wait until they end");
}

static bool check_governor(void)
{
    char governor[64];
    if (!read_line(
            "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof(governor)))
        return say(true, "governor", "none here, the clock rate is not this system's to set", "");
    return say(!strcmp(governor, "performance"), "governor", governor,
        "the clock rate moves while measuring; 'performance' holds it");
}

static bool check_timer_slack(void)
{
    int slack = prctl(PR_GET_TIMERSLACK);
    char found[64];
    snprintf(found, sizeof(found), "%d ns", slack);
    /* 50 microseconds are Linux' default; the benchmarks set 1 ns for themselves. */
    return say(slack >= 0 && slack <= 50000, "timer slack", found, "sleeps end late by that much");
}

static bool check_mmap_bits(void)
{
    char bits[32];
    if (!read_line("/proc/sys/vm/mmap_rnd_bits", bits, sizeof(bits)))
        return say(true, "mmap_rnd_bits", "unknown", "");
    return say(atoi(bits) <= 28, "mmap_rnd_bits", bits,
        "ThreadSanitizer needs 28; the tests switch the spreading off with setarch -R");
}

static void check_machine(void)
{
    struct utsname name;
    char model[256] = "unknown processor";
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && fgets(line, sizeof(line), file)) {
        char *colon = strchr(line, ':');
        if (!strncmp(line, "model name", 10) && colon) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(model, sizeof(model), "%s", colon + 2);
            break;
        }
    }
    if (file)
        fclose(file);
    printf("\nmachine\n");
    if (uname(&name) == 0)
        printf("  %s, %s %s, %s\n", model, name.sysname, name.release, name.machine);

    int cores = 1;
    bool fit = check_cores(&cores);
    fit &= check_load(cores);
    fit &= check_governor();
    fit &= check_timer_slack();
    check_mmap_bits(); /* of no consequence to a measurement */
    printf("\n%s\n",
        fit ? "Fit to measure on." : "Measurements here need a second look: see the notes.");
}

int command_doctor(int argc, char **argv)
{
    if (argc > 1)
        return bad_usage("doctor: unexpected argument '%s': it takes none", argv[1]);
    check_tools();
    check_machine();
    return DONE;
}
