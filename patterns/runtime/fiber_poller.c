/* SPDX-License-Identifier: MIT */

/*
 * Waiting for file descriptors: one epoll for all fibers, and a thread that sleeps in it from the
 * first wait on.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/fiber_hot_internal.h"

/* A fiber that waits for a descriptor. On its stack. */
struct fd_wait {
    struct fiber *fiber;
    short revents; /* under the mutex; the poller's */
};

/* One epoll for all, and a thread that sleeps in it from the first wait on. An event carries the
 * number and the generation of a place in the table: one that comes late finds the place used anew,
 * or empty, and is ignored. */
static struct {
    pthread_mutex_t mutex; /* guards the table */
    struct place {
        struct fd_wait *wait; /* NULL: free */
        uint32_t generation;
        uint32_t next_free; /* + 1; 0: the last */
    } * table;
    uint32_t room;
    uint32_t first_free; /* + 1; 0: none */
    int epoll_fd;        /* 0: not made yet */
} fds = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *poller_main(void *unused)
{
    (void)unused;
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(fds.epoll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct fiber *ready = NULL;
            pthread_mutex_lock(&fds.mutex);
            struct place *place = &fds.table[(uint32_t)events[i].data.u64];
            if (place->wait && place->generation == (uint32_t)(events[i].data.u64 >> 32)) {
                place->wait->revents = (short)events[i].events;
                struct fiber *fiber = place->wait->fiber;
                if (signal_fiber(fiber, READY)) /* under the mutex: it cannot go on meanwhile */
                    ready = fiber;
            }
            pthread_mutex_unlock(&fds.mutex);
            if (ready)
                make_ready(NULL, ready, LAST);
        }
    }
    return NULL;
}

/* Under the mutex. 0, or an error. */
static int start_poller(void)
{
    if (fds.epoll_fd > 0)
        return 0;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return errno;
    fds.epoll_fd = epoll_fd;
    pthread_t thread;
    if (conc_census_start_thread(&thread, poller_main)) {
        pthread_detach(thread);
        return 0;
    }
    close(epoll_fd);
    fds.epoll_fd = 0;
    return EAGAIN;
}

/* Takes a place in the table. Under the mutex. */
static int take_place(struct fd_wait *wait, uint32_t *number)
{
    if (fds.first_free == 0) {
        uint32_t room = fds.room ? 2 * fds.room : 64;
        struct place *table = realloc(fds.table, room * sizeof *table);
        if (!table)
            return ENOMEM;
        for (uint32_t i = fds.room; i < room; i++)
            table[i] = (struct place){.next_free = i + 1 < room ? i + 2 : 0};
        fds.first_free = fds.room + 1;
        fds.table = table;
        fds.room = room;
    }
    *number = fds.first_free - 1;
    struct place *place = &fds.table[*number];
    fds.first_free = place->next_free;
    place->wait = wait;
    place->generation++;
    return 0;
}

/* Enters the descriptor into the epoll: as a copy, if another fiber has it in there already. *own
 * is the descriptor entered. Under the mutex. */
static int enter_fd(int fd, short events, uint32_t number, int *own)
{
    struct epoll_event event = {
        .events = (uint32_t)(unsigned short)events | EPOLLONESHOT,
        .data.u64 = (uint64_t)fds.table[number].generation << 32 | number,
    };
    *own = fd;
    if (epoll_ctl(fds.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    *own = dup(fd);
    if (*own < 0)
        return errno;
    return epoll_ctl(fds.epoll_fd, EPOLL_CTL_ADD, *own, &event) == 0 ? 0 : errno;
}

static int poll_now(int fd, short events, short *revents)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, 0);
    if (n < 0 && errno != EINTR)
        return errno;
    if (n <= 0)
        return ETIMEDOUT;
    if (p.revents & POLLNVAL)
        return EBADF;
    *revents = p.revents;
    return 0;
}

int conc_fiber_park_fd(struct conc_task *self, struct conc_lock *held, int fd, short events,
    short *revents, int64_t deadline_ns)
{
    int saved_errno = conc_errno;
    struct fiber *fiber = fiber_of(self);
    struct fd_wait wait = {.fiber = fiber};
    uint32_t number = 0;
    int own = -1;
    int bits = 0;
    *revents = 0;
    if (held)
        conc_lock_release(held);
    int rc = poll_now(fd, events, revents);
    if (rc != ETIMEDOUT || deadline_ns <= conc_machine_now_ns()) {
        conc_errno = saved_errno;
        return rc;
    }
    pthread_mutex_lock(&fds.mutex);
    rc = start_poller();
    if (rc == 0)
        rc = take_place(&wait, &number);
    bool placed = rc == 0;
    if (placed)
        rc = enter_fd(fd, events, number, &own);
    pthread_mutex_unlock(&fds.mutex);

    if (rc == EPERM) {
        *revents = events; /* a regular file is always ready */
        rc = 0;
    } else if (rc == 0) {
        conc_census_awake(); /* the descriptor may wake us */
        bits = conc_fiber_park(fiber, NULL, deadline_ns);
        (void)conc_census_asleep();
    }
    if (placed) {
        pthread_mutex_lock(&fds.mutex);
        struct place *place = &fds.table[number];
        place->wait = NULL;
        place->next_free = fds.first_free;
        fds.first_free = number + 1;
        if (own >= 0)
            epoll_ctl(fds.epoll_fd, EPOLL_CTL_DEL, own, NULL);
        pthread_mutex_unlock(&fds.mutex);
        if (own >= 0 && own != fd)
            close(own);
    }
    bits |= atomic_exchange(&fiber->state, 0); /* what came until the place was given back */
    if (wait.revents) {
        *revents = wait.revents;
        if (bits & TOKEN)
            atomic_fetch_or(&fiber->state, TOKEN); /* for the park to come */
    } else if (rc == 0 && *revents == 0 && !(bits & TOKEN)) {
        rc = ETIMEDOUT;
    }
    conc_errno = saved_errno;
    return rc;
}
