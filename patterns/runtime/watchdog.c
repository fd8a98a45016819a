/* SPDX-License-Identifier: MIT */
#include "runtime/watchdog.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/cores.h"
#include "runtime/setting.h"

enum { MOST_KNOWN = 1000, LOOKS = 4 }; /* so many looks in the time that is too long */

/* A wait that was too long at the last look. It is named when two looks in a row have seen it: one
 * alone may have met a task between two waits. */
struct long_wait {
    uint64_t task;
    int64_t since_ns;
    bool seen;      /* in this look, too */
    bool named;     /* in this look or before */
    bool named_now; /* in this look */
};

static struct {
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t stops; /* the watchdog alone waits for it */
    bool stop;
    bool runs; /* by begin, until end, as the two below */
    pthread_t thread;
    int64_t hang_ns;
    struct long_wait known[MOST_KNOWN]; /* the watchdog's; further ones are not looked at */
    size_t known_n;                     /* the same */
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One look at all tasks. */
struct look {
    int64_t now_ns;
    bool holders;  /* the second time round: who holds a lock and was not named in the first */
    bool headline; /* it has been printed */
};

static void headline(struct look *look)
{
    char text[80];
    if (look->holders)
        snprintf(text, sizeof text, "conc: others that hold a lock:\n");
    else
        snprintf(text, sizeof text, "conc: waits for %.1f s or longer:\n",
            (double)dog.hang_ns / (double)CONC_S(1));
    if (!look->headline)
        look->headline = write(STDERR_FILENO, text, strlen(text)) > 0;
}

static int64_t hangs_since(const struct conc_task *task, int64_t now_ns)
{
    int64_t since_ns = atomic_load_explicit(&task->wait_since, memory_order_relaxed);
    bool waits = atomic_load_explicit(&task->wait_what, memory_order_acquire) &&
                 atomic_load_explicit(&task->wait_site, memory_order_relaxed) &&
                 !atomic_load_explicit(&task->wait_ends_itself, memory_order_relaxed);
    return waits && since_ns > 0 && now_ns - since_ns >= dog.hang_ns ? since_ns : 0;
}

static struct long_wait *known(uint64_t task, int64_t since_ns)
{
    for (size_t i = 0; i < dog.known_n; i++)
        if (dog.known[i].task == task && dog.known[i].since_ns == since_ns)
            return &dog.known[i];
    return NULL;
}

static void name(const struct conc_task *task, struct look *look)
{
    headline(look);
    conc_census_print_task(task, STDERR_FILENO);
}

static void look_at(const struct conc_task *task, void *arg)
{
    struct look *look = arg;
    int64_t since_ns = task->kind->service ? 0 : hangs_since(task, look->now_ns);
    struct long_wait *wait = since_ns > 0 ? known(task->id, since_ns) : NULL;
    if (wait) {
        if (!wait->named)
            name(task, look);
        wait->named_now = !wait->named;
        wait->named = wait->seen = true;
    } else if (since_ns > 0 && dog.known_n < MOST_KNOWN) {
        dog.known[dog.known_n++] = (struct long_wait){task->id, since_ns, .seen = true};
    }
}

static void look_at_holder(const struct conc_task *task, void *arg)
{
    struct conc_check_held held;
    for (size_t i = 0; i < dog.known_n; i++)
        if (dog.known[i].task == task->id && dog.known[i].named_now)
            return;
    if (!task->kind->service && conc_check_holds(task->id, &held, 1) > 0)
        name(task, arg);
}

static void look_around(void)
{
    struct look look = {.now_ns = conc_machine_now_ns()};
    size_t kept = 0;
    for (size_t i = 0; i < dog.known_n; i++)
        dog.known[i].seen = dog.known[i].named_now = false;
    conc_census_visit(look_at, &look);
    for (size_t i = 0; i < dog.known_n; i++)
        if (dog.known[i].seen)
            dog.known[kept++] = dog.known[i];
    dog.known_n = kept;
    if (look.headline) {
        look = (struct look){.now_ns = look.now_ns, .holders = true};
        conc_census_visit(look_at_holder, &look);
    }
}

static void *watch(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&dog.lock);
    while (!dog.stop) {
        int64_t next_ns = conc_machine_now_ns() + dog.hang_ns / LOOKS;
        struct timespec next = {next_ns / CONC_S(1), next_ns % CONC_S(1)};
        pthread_cond_timedwait(&dog.stops, &dog.lock, &next);
        if (dog.stop)
            break;
        pthread_mutex_unlock(&dog.lock);
        look_around();
        pthread_mutex_lock(&dog.lock);
    }
    pthread_mutex_unlock(&dog.lock);
    conc_census_thread_removed();
    return NULL;
}

void conc_watchdog_begin(void)
{
    dog.hang_ns = CONC_MS(conc_setting("CONC_HANG_MS", 0, 1000 * 1000 * 1000, 0));
    if (dog.hang_ns == 0 || conc_engine() == &conc_engine_sim)
        return;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dog.stops, &attr);
    pthread_condattr_destroy(&attr);
    dog.runs = conc_census_start_thread(&dog.thread, watch);
}

void conc_watchdog_end(void)
{
    if (!dog.runs)
        return;
    dog.runs = false;
    pthread_mutex_lock(&dog.lock);
    dog.stop = true;
    pthread_cond_signal(&dog.stops);
    pthread_mutex_unlock(&dog.lock);
    pthread_join(dog.thread, NULL);
}
