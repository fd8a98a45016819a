/* SPDX-License-Identifier: MIT */
#include "bench/baselines/machine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "bench/baselines/place.h"
#include "runtime/clock.h"
#include "runtime/cores.h"
#include "runtime/random.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The best of several tries: the others were disturbed. */
static double locked_ns(void)
{
    enum { ADDS = 100000, TRIES = 20 };
    static atomic_long counter;
    int64_t best_ns = CONC_S(1);
    for (int i = 0; i < TRIES; i++) {
        int64_t began_ns = conc_machine_now_ns();
        for (int add = 0; add < ADDS; add++)
            atomic_fetch_add(&counter, 1);
        best_ns = least(best_ns, conc_machine_now_ns() - began_ns);
    }
    return (double)best_ns / ADDS;
}

/* ---- a cache line there and back ---- */

enum { TRIPS = 20000, LINE_TRIES = 5 };

static _Alignas(128) atomic_int line;

static void *send_back(void *arg)
{
    team_place(1);
    for (int i = 1; i <= TRIPS * LINE_TRIES; i++) {
        while (atomic_load_explicit(&line, memory_order_acquire) != i)
            continue;
        atomic_store_explicit(&line, -i, memory_order_release);
    }
    return arg;
}

static double line_ns(void)
{
    pthread_t other;
    int64_t best_ns = CONC_S(1);
    atomic_store(&line, 0);
    if (conc_cores() < 2 || pthread_create(&other, NULL, send_back, NULL) != 0)
        return 0;
    team_place(0);
    for (int i = 1, try = 0; try < LINE_TRIES; try++) {
        int64_t began_ns = conc_machine_now_ns();
        for (int trip = 0; trip < TRIPS; trip++, i++) {
            atomic_store_explicit(&line, i, memory_order_release);
            while (atomic_load_explicit(&line, memory_order_acquire) != -i)
                continue;
        }
        best_ns = least(best_ns, conc_machine_now_ns() - began_ns);
    }
    pthread_join(other, NULL);
    return (double)best_ns / TRIPS;
}

/* ---- a wake-up among threads that compute ---- */

enum { MOST_CORES = 64, SPAN_MS = 100 };

struct computing {
    int n; /* threads, one for each core */
    atomic_int placed;
    atomic_bool end;
    atomic_long units;
    atomic_long wakes;
};

static void *compute(void *arg)
{
    struct computing *c = arg;
    uint64_t state = 1;
    long units = 0;
    team_place(atomic_fetch_add(&c->placed, 1));
    for (; !atomic_load_explicit(&c->end, memory_order_relaxed); units++)
        for (int i = 0; i < 100; i++)
            conc_splitmix64(&state);
    atomic_fetch_add(&c->units, units + (state == 0)); /* so that none of it is left out */
    return NULL;
}

static void *wake_often(void *arg)
{
    struct computing *c = arg;
    for (; !atomic_load_explicit(&c->end, memory_order_relaxed); atomic_fetch_add(&c->wakes, 1))
        nanosleep(&(struct timespec){.tv_nsec = CONC_US(200)}, NULL);
    return NULL;
}

/* How much the threads get done per nanosecond, together. */
static double speed(struct computing *c, bool with_wakes)
{
    pthread_t threads[MOST_CORES + 1];
    int started = 0;
    int64_t began_ns = conc_machine_now_ns();
    atomic_store(&c->end, false);
    atomic_store(&c->placed, 0);
    atomic_store(&c->units, 0);
    while (started < c->n && pthread_create(&threads[started], NULL, compute, c) == 0)
        started++;
    if (with_wakes && pthread_create(&threads[started], NULL, wake_often, c) == 0)
        started++;
    nanosleep(&(struct timespec){.tv_nsec = CONC_MS(SPAN_MS)}, NULL);
    atomic_store(&c->end, true);
    int64_t took_ns = conc_machine_now_ns() - began_ns;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return (double)atomic_load(&c->units) / (double)took_ns;
}

static double wake_ns(void)
{
    struct computing c = {.n = conc_cores()};
    if (c.n < 2 || c.n > MOST_CORES)
        return 0;
    double undisturbed = speed(&c, false);
    double disturbed = speed(&c, true);
    long wakes = atomic_load(&c.wakes);
    if (undisturbed <= 0 || wakes == 0)
        return 0;
    double lost = (1 - disturbed / undisturbed) * c.n * (double)CONC_MS(SPAN_MS) / (double)wakes;
    return lost > 0 ? lost : 0;
}

struct machine machine_measure(void)
{
    return (struct machine){.locked_ns = locked_ns(), .line_ns = line_ns(), .wake_ns = wake_ns()};
}
