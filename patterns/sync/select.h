/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_SELECT_H
#define CONC_SYNC_SELECT_H

/*
 * Select: Go's select statement. Waits for several sends and receives at once and does exactly one.
 *
 *   int job;
 *   int64_t tick;
 *   struct conc_select_case cases[] = {
 *       CONC_RECV(jobs, &job),
 *       CONC_RECV(conc_timer_chan(ticker), &tick),
 *       CONC_SEND(results, &result),
 *   };
 *   size_t chosen;
 *   int rc = conc_select(cases, 3, &chosen, ctx);
 *   if (rc == 0 && chosen == 0 && cases[0].rc == 0)
 *       ...  // a job; cases[0].rc == EPIPE: the jobs are closed
 *
 * Among several cases that are ready one is drawn with equal chance. A case whose channel is NULL
 * is never ready. The same channel may stand in several cases, for sending and for receiving. There
 * is no bound on the number of cases and nothing is allocated: what each needs is in the array.
 */

#include <stddef.h>

#include "sync/chan.h"
#include "sync/waiter.h"

struct conc_select_case {
    struct conc_chan *chan; /* in: NULL is never ready */
    void *recv_into;        /* in: where a received element goes; NULL forgets it */
    const void *send_from;  /* in: the element to send */
    int send;               /* in: 1 to send, 0 to receive */
    int rc;                 /* out, of the chosen case: 0, or EPIPE where the channel is closed */

    struct conc_wait_node node; /* select's own */
    size_t order;               /* select's own */
};

/* A case that receives from `ch` into *element, and one that sends *element on `ch`. */
#define CONC_RECV(ch, element)                                                                     \
    {                                                                                              \
        .chan = (ch), .recv_into = (element), .send = 0                                            \
    }
#define CONC_SEND(ch, element)                                                                     \
    {                                                                                              \
        .chan = (ch), .send_from = (element), .send = 1                                            \
    }

/*
 * int conc_select(struct conc_select_case *cases, size_t n, size_t *chosen,
 *                 struct conc_context *ctx)
 *
 * Waits until one of the n cases can go ahead, does it, and stores its index in *chosen and its own
 * outcome in cases[*chosen].rc: 0, or EPIPE when that channel is closed (and drained, for a
 * receive: the element is zeroed). Woken by data, a close, a cancel or the deadline; a case that is
 * ready wins over a context that is done. Ordering is that of conc_chan_send and conc_chan_recv.
 * With no case but NULL channels it waits for the context alone.
 *
 * 0: a case was chosen. Otherwise none, and nothing was sent or received: ECANCELED, ETIMEDOUT: the
 * context's end; EINVAL: cases is NULL with n > 0, chosen is NULL, n is larger than INT_MAX, or a
 * send case has no element for a channel whose elements are not of size 0.
 */
#define conc_select(cases, n, chosen, ctx) conc_select_at((cases), (n), (chosen), (ctx), CONC_HERE)
int conc_select_at(struct conc_select_case *cases, size_t n, size_t *chosen,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting (a select with a default): EAGAIN when no case is ready. */
int conc_try_select(struct conc_select_case *cases, size_t n, size_t *chosen);

#endif
