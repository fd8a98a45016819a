/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine.h"
#include "runtime/random.h"
#include "runtime/schedule_internal.h"

/* Priorities: drawn ones above MAX_CHANGES, those after a change from MAX_CHANGES down to 1, those
 * of tasks that yield from -1 down. */
enum { MAX_CHANGES = 3 };

static struct {
    bool begun;
    bool draws; /* it also decides what tasks draw, such as which ready case of a select */
    bool by_priority;
    uint64_t seed;
    uint64_t random;
    uint64_t steps;
    uint64_t changes[MAX_CHANGES]; /* the steps at which the one that runs falls below the others */
    int64_t floor;                 /* the lowest priority so far */
    int log_fd;
} s = {.log_fd = -1};

static uint64_t draw(void)
{
    return conc_splitmix64(&s.random);
}

size_t conc_schedule_draw(size_t bound)
{
    return (size_t)((unsigned __int128)draw() * bound >> 64);
}

static void begin(uint64_t seed)
{
    s.begun = true;
    s.seed = seed;
    s.random = seed;
    s.random = draw();
    s.by_priority = seed % 2 != 0;
    /* How long the run will be is not known: a power of two from 16 to 8192. */
    size_t length = (size_t)16 << conc_schedule_draw(10);
    size_t changes = 1 + conc_schedule_draw(MAX_CHANGES);
    for (size_t i = 0; i < changes; i++)
        s.changes[i] = 1 + conc_schedule_draw(length);
}

bool conc_schedule_begin(void)
{
    if (s.begun)
        return false;
    const char *wish = getenv("CONC_SCHEDULE");
    s.draws = wish && *wish;
    if (!s.draws) {
        begin(conc_random_program_seed());
        return true;
    }
    int saved_errno = errno;
    char *end;
    errno = 0;
    uint64_t seed = strtoull(wish, &end, 10);
    if (*wish < '0' || *wish > '9' || *end != '\0' || errno != 0) {
        fprintf(stderr, "conc: CONC_SCHEDULE: '%s' is not a number of 64 bits\n", wish);
        _Exit(2);
    }
    errno = saved_errno;
    begin(seed);
    return true;
}

bool conc_schedule_by_priority(void)
{
    return s.by_priority;
}

int64_t conc_schedule_priority(void)
{
    return (int64_t)(draw() >> 2) + MAX_CHANGES + 1;
}

uint64_t conc_schedule_task_seed(void)
{
    return s.draws ? draw() | 1 : 0;
}

int64_t conc_schedule_step(int64_t priority)
{
    s.steps++;
    for (int i = 0; i < MAX_CHANGES; i++)
        if (s.changes[i] == s.steps)
            priority = MAX_CHANGES - i;
    return priority;
}

int64_t conc_schedule_lowest(void)
{
    return --s.floor;
}

void conc_schedule_note(char *text, size_t size)
{
    if (s.draws)
        snprintf(text, size,
            "conc: schedule %" PRIu64 ", step %" PRIu64 "; CONC_ENGINE=sim CONC_SCHEDULE=%" PRIu64
            " repeats it",
            s.seed, s.steps, s.seed);
    else
        snprintf(text, size,
            "conc: seed %" PRIu64 ", step %" PRIu64 "; CONC_ENGINE=sim and this seed repeat it",
            s.seed, s.steps);
}

/* --- the log ------------------------------------------------------------------------------------
 */

void conc_schedule_open_log(void)
{
    const char *path = getenv("CONC_SCHEDULE_LOG");
    if (!path || !*path)
        return;
    int saved_errno = errno;
    s.log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (s.log_fd < 0) {
        fprintf(stderr, "conc: CONC_SCHEDULE_LOG: cannot write '%s': %s\n", path, strerror(errno));
        _Exit(2);
    }
    errno = saved_errno;
}

bool conc_schedule_logs(void)
{
    return s.log_fd >= 0;
}

/* Written at once: the process may be about to die. STEP; of the task that leaves: number, name,
 * why, FILE:LINE or "-"; of the next: number, name. Separated by tabs. */
void conc_schedule_log(const struct conc_task *from, const char *why, const struct conc_site *site,
    const struct conc_task *to)
{
    char place[256] = "-";
    if (site)
        snprintf(place, sizeof place, "%s:%d", site->file, site->line);
    dprintf(s.log_fd, "%" PRIu64 "\t%" PRIu64 "\t%s\t%s\t%s\t%" PRIu64 "\t%s\n", s.steps, from->id,
        atomic_load(&from->name), why, place, to->id, atomic_load(&to->name));
}
