/* SPDX-License-Identifier: MIT */

/*
 * Sleeps: many short ones, divided among workers. The start of the workers is part of it, as it is
 * for whoever waits for the whole; the parameter is their number.
 */

#include <stdatomic.h>

#include "bench/baselines/pthread_sleep.h"
#include "bench/baselines/pthread_team.h"
#include "bench/targets/row.h"
#include "sync/timer.h"
#include "sync/wait_group.h"

enum { MS_SLEEPS = 1000, US_SLEEPS = 100 };

struct sleeps {
    int64_t sleeps;
    int64_t workers;
    int64_t ns; /* of each */
    atomic_int_fast64_t arrived;
    atomic_int_fast64_t slept;
};

static int64_t share_of(struct sleeps *s)
{
    int64_t me = atomic_fetch_add(&s->arrived, 1);
    return s->sleeps * (me + 1) / s->workers - s->sleeps * me / s->workers;
}

static void sleeper(void *arg)
{
    struct sleeps *s = arg;
    int64_t share = share_of(s);
    for (int64_t i = 0; i < share; i++)
        OK(conc_sleep(s->ns, NULL));
    atomic_fetch_add(&s->slept, share);
}

/* It cannot be quicker than the worker with the largest share, who sleeps one after the other. */
static void check(const struct trial *t, const struct sleeps *s)
{
    MUST(s->slept == s->sleeps);
    MUST(t->elapsed_ns >= (s->sleeps + s->workers - 1) / s->workers * s->ns);
}

static void sleep_conc(struct trial *t, int64_t sleeps, int64_t ns)
{
    struct sleeps s = {.sleeps = sleeps, .workers = t->row->parameter, .ns = ns};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    trial_begin(t);
    for (int64_t i = 0; i < s.workers; i++)
        OK(conc_wait_group_go(&group, sleeper, &s));
    OK(conc_wait_group_wait(&group, NULL));
    trial_end(t);
    conc_wait_group_destroy(&group);
    check(t, &s);
}

static void *sleeper_textbook(void *arg)
{
    struct sleeps *s = arg;
    int64_t share = share_of(s);
    for (int64_t i = 0; i < share; i++)
        textbook_sleep_ns(s->ns);
    atomic_fetch_add(&s->slept, share);
    return NULL;
}

static void sleep_textbook(struct trial *t, int64_t sleeps, int64_t ns)
{
    struct sleeps s = {.sleeps = sleeps, .workers = t->row->parameter, .ns = ns};
    struct textbook_team team;
    trial_begin(t);
    OK(textbook_team_start(&team, (size_t)s.workers, sleeper_textbook, &s));
    textbook_team_join(&team);
    trial_end(t);
    check(t, &s);
}

void sleep_1ms(struct trial *t)
{
    sleep_conc(t, MS_SLEEPS, CONC_MS(1));
}

void sleep_1ms_textbook(struct trial *t)
{
    sleep_textbook(t, MS_SLEEPS, CONC_MS(1));
}

void sleep_100us(struct trial *t)
{
    sleep_conc(t, US_SLEEPS, CONC_US(100));
}

void sleep_100us_textbook(struct trial *t)
{
    sleep_textbook(t, US_SLEEPS, CONC_US(100));
}
