/* SPDX-License-Identifier: MIT */

/*
 * Runs all loads at once for SOAK_SECONDS (10 without it), from SOAK_DRIVERS tasks (8) that each
 * draw one load after the other. At the end no task is left, no descriptor, and the memory is what
 * it was: the second half of the time takes no more than the first. A driver whose load does not
 * end within a minute is a hang, and the list of all tasks is printed.
 *
 *   SOAK_SECONDS=600 build/dev/tests/soak
 */

#include <dirent.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/clock.h"
#include "sync/timer.h"
#include "sync/wait_group.h"
#include "tests/soak.h"
#include "tests/unit.h"

enum { MAX_DRIVERS = 64, STUCK_S = 60, PER_SECOND = 4 };

struct driver {
    uint64_t random;
    atomic_ullong rounds;
    atomic_size_t load; /* the one that runs */
    uint64_t seen;      /* the watcher's, as the next */
    int64_t since_ns;
};

static struct driver drivers[MAX_DRIVERS];
static size_t n_drivers;
static atomic_ullong rounds_of[64];
static atomic_bool over;

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    uint64_t number = given && *given ? strtoull(given, NULL, 10) : otherwise;
    return number > 0 ? number : 1;
}

static void drive(void *arg)
{
    struct driver *driver = arg;
    while (!atomic_load(&over)) {
        size_t i = soak_draw(&driver->random, soak_n_loads);
        atomic_store(&driver->load, i);
        soak_loads[i].run(&driver->random);
        atomic_fetch_add(&rounds_of[i], 1);
        atomic_fetch_add(&driver->rounds, 1);
    }
}

/* ---------------------------------------------------------------- what it takes */

static double resident_mib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static size_t descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* ---------------------------------------------------------------- watching */

static void look_for_stuck(void)
{
    int64_t now_ns = conc_now_ns();
    for (size_t i = 0; i < n_drivers; i++) {
        struct driver *driver = &drivers[i];
        uint64_t rounds = atomic_load(&driver->rounds);
        if (rounds != driver->seen || driver->since_ns == 0) {
            driver->seen = rounds;
            driver->since_ns = now_ns;
        } else if (now_ns - driver->since_ns > CONC_S(STUCK_S)) {
            fprintf(
                stderr, "soak: '%s' does not end\n", soak_loads[atomic_load(&driver->load)].name);
            conc_census_print(STDERR_FILENO);
            abort();
        }
    }
}

/* Watches for so many seconds; the mean of what it takes in the second to the fourth quarter goes
 * to mean[1] … mean[3]. (The first warms up.) */
static void watch(uint64_t seconds, double mean[4])
{
    uint64_t n = seconds * PER_SECOND;
    uint64_t samples[4] = {0};
    for (uint64_t i = 0; i < n; i++) {
        conc_sleep(CONC_S(1) / PER_SECOND, NULL);
        size_t quarter = (size_t)(4 * i / n);
        mean[quarter] += resident_mib();
        samples[quarter]++;
        look_for_stuck();
    }
    for (int q = 0; q < 4; q++)
        mean[q] /= samples[q] ? (double)samples[q] : 1;
}

int main(void)
{
    uint64_t seconds = setting("SOAK_SECONDS", 10);
    uint64_t seed = unit_seed();
    double mean[4] = {0};
    struct conc_wait_group group;
    n_drivers = setting("SOAK_DRIVERS", 8);
    if (n_drivers > MAX_DRIVERS)
        n_drivers = MAX_DRIVERS;
    soak_check(soak_n_loads <= sizeof rounds_of / sizeof rounds_of[0]);
    conc_wait_group_init(&group);
    /* Each load once, alone: what the library keeps for ever is there when the count begins. */
    for (size_t i = 0; i < soak_n_loads; i++)
        soak_loads[i].run(&seed);
    size_t tasks = conc_census_count();
    size_t open = descriptors();
    for (size_t i = 0; i < n_drivers; i++) {
        drivers[i].random = conc_splitmix64(&seed);
        soak_ok(conc_wait_group_go(&group, drive, &drivers[i]));
    }
    watch(seconds, mean);
    atomic_store(&over, true);
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);

    for (size_t i = 0; i < soak_n_loads; i++)
        printf("%-16s %10llu rounds\n", soak_loads[i].name, atomic_load(&rounds_of[i]));
    printf("memory: %.1f MiB, %.1f, %.1f and %.1f in the four quarters\n", mean[0], mean[1],
        mean[2], mean[3]);
    printf("descriptors: %zu before, %zu after\n", open, descriptors());
    soak_check(tasks == 1 && conc_census_count() == 1);
    soak_check(descriptors() <= open + 4); /* a worker or two may have come since */
    /* Grown by less than a twentieth from one half to the next, or by nothing worth the name. A
     * sanitizer keeps what was freed. */
    double before = (mean[0] + mean[1]) / 2, after = (mean[2] + mean[3]) / 2;
    if (!UNIT_SANITIZED)
        soak_check(after < 1.05 * before + 2);
    return 0;
}
