/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BASELINES_PTHREAD_PIPES_H
#define BENCH_BASELINES_PTHREAD_PIPES_H

/*
 * The textbook's way to wait for several sources at once: a pipe for each, and poll(2) over all.
 * One poll may report several pipes as readable; they are served before the next one.
 */

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

struct textbook_pipes {
    size_t n;
    struct pollfd *readers;
    int *writers;
    size_t next;   /* where to look on among what the last poll reported */
    int remaining; /* how many of these are not yet served */
};

/* 0; ENOMEM, EMFILE …: and nothing is left open. */
int textbook_pipes_init(struct textbook_pipes *pipes, size_t n);
void textbook_pipes_destroy(struct textbook_pipes *pipes);

/* 0, or the error of write(2). */
int textbook_pipes_send(struct textbook_pipes *pipes, size_t at, uint64_t value);

/* Waits until one of the pipes has a value. For one reader. 0, or the error of poll or read. */
int textbook_pipes_recv(struct textbook_pipes *pipes, uint64_t *value);

#endif
