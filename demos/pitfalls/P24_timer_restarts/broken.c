/* SPDX-License-Identifier: MIT */
/*
 * P24: A batcher whose timer starts anew with every item never flushes a steady trickle
 *
 * @family own
 * @kind logic
 * @from Go 1.25.3 in practice, 7.2 "batching": Add ends with b.timer.Reset(b.interval)
 * @weakness CWE-670
 * @rule A limit of age is for the oldest item, so its clock starts with the first of a batch and
 *     with no other. Started anew by each item it says "when nothing has come for so long", and as
 *     long as something comes nothing goes. Every access is right, so no tool sees it; a clock that
 *     the test turns itself does.
 * @detect native:wrong
 */
#include <stdint.h>

#include "demos/pitfalls/pitfall.h"
#include "runtime/clock.h"
#include "sync/mutex.h"

enum { ITEMS = 20, FULL = 100 };

static const int64_t max_age = CONC_S(1);

static struct conc_mutex mutex = CONC_MUTEX_INIT;
static int64_t now = 0; /* of a clock that the program turns, so that no machine is too slow */
static int64_t flush_at = CONC_FOREVER;
static int64_t first_at; /* when the oldest item came */
static int64_t oldest;   /* the greatest age at a flush */
static int items;

static void flush(void)
{
    oldest = now - first_at > oldest ? now - first_at : oldest;
    items = 0;
    flush_at = CONC_FOREVER;
}

static void time_passes(int64_t ns)
{
    conc_mutex_lock(&mutex, NULL);
    now += ns;
    if (now >= flush_at)
        flush();
    conc_mutex_unlock(&mutex);
}

static void add(void)
{
    conc_mutex_lock(&mutex, NULL);
    /* place 1: the first of a batch is the oldest */
    if (items == 0)
        first_at = now;
    /* place 2: each starts the timer anew */
    flush_at = now + max_age;
    if (++items == FULL)
        flush();
    conc_mutex_unlock(&mutex);
}

int main(void)
{
    for (int i = 0; i < ITEMS; i++) {
        add();
        time_passes(CONC_MS(200));
    }
    time_passes(max_age);
    conc_mutex_destroy(&mutex);
    return verdict(oldest <= max_age, "the oldest item was %d ms old when it was flushed, of %d",
        (int)(oldest / CONC_MS(1)), (int)(max_age / CONC_MS(1)));
}
