/* SPDX-License-Identifier: MIT */

/*
 * Read-write mutexes under many schedules: a writer is alone, readers share, none passes another
 * that came first, and one that gives up holds up nobody.
 */

#include "sync/context.h"
#include "sync/rw_mutex.h"
#include "tests/sim.h"

static struct conc_rw_mutex rw = CONC_RW_MUTEX_INIT;
static struct conc_context ctx;
static int readers;
static int writers;
static int counter; /* under the write lock; read and written in two steps */
static int writes;

static void cancel(void *arg)
{
    (void)arg;
    conc_context_cancel(&ctx);
}

static void in_reader(void)
{
    readers++;
    sim_check(writers == 0);
    int seen = counter;
    conc_sim_point();
    sim_check(counter == seen);
    readers--;
    conc_rw_mutex_read_unlock(&rw);
}

static void in_writer(void)
{
    sim_check(writers++ == 0 && readers == 0);
    int seen = counter;
    conc_sim_point();
    counter = seen + 1;
    writes++;
    writers--;
    conc_rw_mutex_unlock(&rw);
}

/* Nobody holds it, and it can be taken. */
static void settle(void)
{
    sim_check(counter == writes);
    sim_ok(conc_rw_mutex_try_lock(&rw));
    conc_rw_mutex_unlock(&rw);
    conc_rw_mutex_destroy(&rw);
}

static void read_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sim_ok(conc_rw_mutex_read_lock(&rw, NULL));
        in_reader();
    }
}

static void write_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sim_ok(conc_rw_mutex_lock(&rw, NULL));
        in_writer();
    }
}

static void exclusion(void)
{
    sim_go(read_twice, NULL);
    sim_go(write_twice, NULL);
    sim_go(read_twice, NULL);
    sim_go(write_twice, NULL);
    sim_join();
    sim_check(writes == 4);
    settle();
}

static int together;

static void read_together(void *arg)
{
    (void)arg;
    sim_ok(conc_rw_mutex_read_lock(&rw, NULL));
    together++;
    while (together < 2) /* both must be inside at once to go on */
        conc_yield();
    conc_rw_mutex_read_unlock(&rw);
}

static void readers_share(void)
{
    sim_ok(conc_rw_mutex_lock(&rw, NULL));
    sim_go(read_together, NULL);
    sim_go(read_together, NULL);
    conc_yield();
    conc_rw_mutex_unlock(&rw);
    sim_join();
    settle();
}

static void try_both(void *arg)
{
    (void)arg;
    int rc = conc_rw_mutex_try_lock(&rw);
    sim_check(rc == 0 || rc == EAGAIN);
    sim_reached(rc == 0 ? "written" : "refused");
    if (rc == 0)
        in_writer();
    rc = conc_rw_mutex_try_read_lock(&rw);
    sim_check(rc == 0 || rc == EAGAIN);
    if (rc == 0)
        in_reader();
}

static void trying(void)
{
    sim_go(try_both, NULL);
    sim_go(write_twice, NULL);
    sim_go(read_twice, NULL);
    sim_join();
    settle();
}

/* ---------------------------------------------------------------- order */

static int turns;

static void read_in_turn(void *arg)
{
    int turn = *(const int *)arg;
    sim_ok(conc_sleep(CONC_MS(turn), NULL));
    sim_ok(conc_rw_mutex_read_lock(&rw, NULL));
    sim_check(++turns == turn);
    in_reader();
}

static void write_in_turn(void *arg)
{
    int turn = *(const int *)arg;
    sim_ok(conc_sleep(CONC_MS(turn), NULL));
    sim_ok(conc_rw_mutex_lock(&rw, NULL));
    sim_check(++turns == turn);
    in_writer();
}

/* Readers come all the time, and the writer has its turn nevertheless. */
static void writer_not_starved(void)
{
    static const int numbers[] = {1, 2, 3};
    sim_ok(conc_rw_mutex_read_lock(&rw, NULL));
    sim_go(write_in_turn, (void *)(uintptr_t)&numbers[0]);
    sim_go(read_in_turn, (void *)(uintptr_t)&numbers[1]);
    sim_go(write_in_turn, (void *)(uintptr_t)&numbers[2]);
    sim_ok(conc_sleep(CONC_MS(10), NULL));
    sim_check(turns == 0);
    sim_rc(conc_rw_mutex_try_read_lock(&rw), EAGAIN);
    conc_rw_mutex_read_unlock(&rw);
    sim_join();
    sim_check(turns == 3);
    settle();
}

/* ---------------------------------------------------------------- giving up */

static void write_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_rw_mutex_lock(&rw, &ctx);
    sim_check(rc == 0 || rc == ECANCELED || rc == ETIMEDOUT);
    sim_reached(rc == 0 ? "written" : "given up");
    if (rc == 0)
        in_writer();
}

static void read_or_give_up(void *arg)
{
    (void)arg;
    int rc = conc_rw_mutex_read_lock(&rw, &ctx);
    sim_check(rc == 0 || rc == ECANCELED || rc == ETIMEDOUT);
    if (rc == 0)
        in_reader();
}

/* The readers behind the writer need only that it goes away: nothing is unlocked meanwhile. */
static void reader_behind_writer(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_ok(conc_rw_mutex_read_lock(&rw, NULL));
    sim_go(write_or_give_up, NULL);
    sim_go(read_twice, NULL);
    sim_go(cancel, NULL);
    sim_join();
    conc_rw_mutex_read_unlock(&rw);
    settle();
    conc_context_destroy(&ctx);
}

static void cancel_races(void)
{
    conc_context_with_cancel(&ctx, NULL);
    sim_go(write_or_give_up, NULL);
    sim_go(read_twice, NULL);
    sim_go(read_or_give_up, NULL);
    sim_go(write_twice, NULL);
    sim_go(cancel, NULL);
    sim_join();
    settle();
    conc_context_destroy(&ctx);
}

/* The unlock and the end of two waits come at the same moment. */
static void deadline_races(void)
{
    conc_context_with_deadline(&ctx, NULL, CONC_MS(10));
    sim_ok(conc_rw_mutex_lock(&rw, NULL));
    sim_go(write_or_give_up, NULL);
    sim_go(read_or_give_up, NULL);
    sim_go(write_twice, NULL);
    sim_ok(conc_sleep_until(CONC_MS(10), NULL));
    conc_rw_mutex_unlock(&rw);
    sim_join();
    settle();
    conc_context_destroy(&ctx);
}

int main(int argc, char **argv)
{
    return SIM_MAIN(argc, argv, SIM(exclusion), SIM(readers_share),
        SIM(trying, "written", "refused"), SIM(writer_not_starved),
        SIM(reader_behind_writer, "given up"), SIM(cancel_races, "written", "given up"),
        SIM(deadline_races, "written", "given up"));
}
