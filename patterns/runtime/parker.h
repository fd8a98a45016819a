/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_PARKER_H
#define CONC_RUNTIME_PARKER_H

/*
 * How a thread sleeps, and is woken: one word, which holds the token or says what its owner does.
 *
 *   the owner                                     who gives the token
 *   ---------                                     -------------------
 *   look: is the token there? take it             it is COUNTED: count it as awake
 *   enter: from AWAKE to ASLEEP, if it still is   put: exchange the word for TOKEN
 *   sleep: while the word is ASLEEP               it was ASLEEP, COUNTED: wake the owner
 *   take: from TOKEN to AWAKE                     it was AWAKE: nothing more to do
 *
 * Either the exchange comes first, and the owner cannot enter; or the owner has entered, and the
 * exchange, of which there is one, says that it has to be woken. So it is woken exactly once, and
 * not at all while it looks: a wake-up is a system call of 6 microseconds for who makes it and 15
 * until the woken runs, where a look takes a tenth of one.
 *
 * The owner alone leaves TOKEN, and it alone goes from AWAKE to anything but TOKEN. One thread
 * waits on a word, and another on none: glibc 2.36 can lose a signal of a condition with several
 * waiters (bug 25847), and a futex does not say whom it has woken.
 *
 * In the valgrind and tsan presets it is a mutex and a condition, and nobody looks: Helgrind and
 * DRD understand nothing weaker, and TSan keeps back the signals of a thread that sleeps on a
 * futex.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/config.h"

enum {
    CONC_PARKER_AWAKE,
    CONC_PARKER_TOKEN,
    CONC_PARKER_ASLEEP,
    CONC_PARKER_COUNTED, /* asleep and known to the census as such: it has no deadline */
    CONC_PARKER_POLLING, /* asleep elsewhere: who puts the token wakes it by means of its own */
};

#if CONC_PARKER_PTHREAD
#include <pthread.h>
#else
#include <stdatomic.h>
#endif

struct conc_parker {
#if CONC_PARKER_PTHREAD
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int word; /* under the mutex */
#else
    atomic_int word;
    int in_vain;   /* the owner's: how often in a row it has looked for long and seen nothing */
    int not_again; /* the owner's: so many times it will not look for long */
#endif
};

/* Both by the owner, or before and after it lives. */
void conc_parker_init(struct conc_parker *p);
void conc_parker_destroy(struct conc_parker *p);

/* By the owner. */

/* Takes the token if it is there or comes soon, as long as looking is cheaper than a sleep: true.
 * Not beyond deadline_ns of CLOCK_MONOTONIC. */
bool conc_parker_look(struct conc_parker *p, int64_t deadline_ns);

/* From AWAKE to `state`: false when the token is there. And back: false when the token came. */
bool conc_parker_enter(struct conc_parker *p, int state);
bool conc_parker_leave(struct conc_parker *p, int state);

/* Sleeps in `state` until the token is there: 0; or until the deadline: ETIMEDOUT, or 0. */
int conc_parker_sleep(struct conc_parker *p, int state, int64_t deadline_ns);

/* Takes the token, which is there. */
void conc_parker_take(struct conc_parker *p);

/* By anybody: puts the token there and wakes the owner where it has to be woken. The owner may go
 * on and be freed before this returns; nothing of it is touched after the token is visible. Returns
 * the state it was in; a POLLING owner is the caller's to wake. */
int conc_parker_put(struct conc_parker *p);

#endif
