/* SPDX-License-Identifier: MIT */
#ifndef CONC_FAN_OUT_FAN_IN_H
#define CONC_FAN_OUT_FAN_IN_H

/*
 * Fan-out, fan-in: one stream to several tasks and back to one. Go programs write it as a worker
 * function with `for v := range in`, a merge with a goroutine per input, and a wait group before
 * the close; here each of these is one call that puts tasks between channels which the caller owns:
 *
 *   map     one input, k workers, one output; as they finish or in the order of the input
 *   merge   n inputs, one output; as they come or one of each in turn
 *   deal    one input, n outputs, in turn: what merge in turn puts together again
 *   tee     one input, n outputs, every element to every one, with a rule for slow readers
 *
 *   struct conc_fan *fan;
 *   struct conc_fan_work work = {.in = jobs, .out = results, .workers = 4, .fn = solve};
 *   conc_fan_map(&fan, &work, ctx);
 *   while (conc_chan_recv(results, &result, ctx) == 0)
 *       use(result);
 *   int rc = conc_fan_error(fan);       // 0: results were all of them
 *   conc_fan_destroy(fan);              // joins
 *
 * Output channels are closed once, by the last task of the fan, after all inputs have ended. Nobody
 * is left hanging on the other side either: a fan that stops early, because of an error, a cancel
 * or a reader who closed the output, closes its *inputs* too, so that senders get EPIPE and leave.
 * (In Go that would end the program, so there the reader must cancel a context that every sender
 * watches; forgetting it is the classical leaked goroutine.) Elements still in an input stay with
 * the owner of that channel.
 *
 * Channels must outlive the fan. Of one fan, any task may call anything but destroy. Elements are
 * copied; what they point to goes along with them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_chan;
struct conc_context;
struct conc_fan; /* opaque: the tasks of one fan */

/* What fn of a map returns to send nothing for this element. */
enum { CONC_FAN_SKIP = -1 };

struct conc_fan_work {
    struct conc_chan *in;  /* elements to work on; ends when it is closed and drained */
    struct conc_chan *out; /* receives one element for each, unless skipped; closed at the end */
    size_t workers;        /* how many tasks; 0 is taken as 1 */
    bool ordered;          /* true: `out` has the order of `in`; false: as they finish */

    /* Makes the element *out from the element *in, on a worker's task. Both lie in memory of the
     * worker, aligned for any type; *in is fn's: what it points to has been moved here. `ctx` is
     * done when the fan stops. 0; CONC_FAN_SKIP: there is nothing to send; an error code: *out
     * holds nothing, the fan stops, the first such code is conc_fan_error. May end its task
     * (conc_task_exit): the fan stops with EOWNERDEAD. */
    int (*fn)(void *in, void *out, void *arg, struct conc_context *ctx);
    void *arg; /* the last argument of fn and drop; may be NULL */

    /* Given an element that was made and could not be sent. NULL: elements own nothing. */
    void (*drop)(void *element, void *arg);

    const char *name; /* of the tasks in reports and traces; NULL: "map" */
};

/*
 * Starts the workers. In order, a worker that has finished waits for its turn to send: at most
 * `workers` elements are under way, and a slow one holds up those behind it. The turn is a token
 * that goes from one element to the next, so each hand-over wakes one task and not all.
 *
 * The fan stops when `parent` (may be NULL) is done. The caller owns *fan and destroys it.
 * 0; EINVAL: fan, work, in, out or fn is NULL, or in and out are the same; ENOMEM, EAGAIN: no
 * memory, no task; then no element has been taken and no channel closed.
 */
int conc_fan_map(
    struct conc_fan **fan, const struct conc_fan_work *work, struct conc_context *parent);

/*
 * Merges n inputs into `out`, whose elements must have the same size. in_turn false: one task per
 * input, elements come as they come, those of one input in their order. in_turn true: one task
 * takes one element of each in turn and leaves out inputs that have ended: it undoes conc_fan_deal,
 * provided that one element comes out for each that went in. n of 0: `out` is closed at once. `ins`
 * is copied. `drop` (may be NULL) is given elements that were taken and could not be sent.
 *
 * 0; EINVAL: a NULL, `out` among the inputs, or sizes that differ; ENOMEM, EAGAIN as above.
 */
int conc_fan_merge(struct conc_fan **fan, struct conc_chan *const *ins, size_t n,
    struct conc_chan *out, bool in_turn, void (*drop)(void *element), struct conc_context *parent);

/* Sends the elements of `in` to n outputs in turn, the first to outs[0]. An output that somebody
 * has closed stops the fan with EPIPE. Arguments and codes are those of merge; n must not be 0. */
int conc_fan_deal(struct conc_fan **fan, struct conc_chan *in, struct conc_chan *const *outs,
    size_t n, void (*drop)(void *element), struct conc_context *parent);

/* What a tee does when a reader is not ready to receive (its channel is full, or has no capacity
 * and nobody receives at this moment). */
enum conc_fan_slow {
    CONC_FAN_WAIT, /* wait for it: the slowest reader sets the pace of all; nothing is lost */
    CONC_FAN_MISS, /* this reader misses this element, which is counted; nobody waits */
    CONC_FAN_CUT,  /* this reader's channel is closed, the others go on; nobody waits */
};

struct conc_fan_tee_options {
    enum conc_fan_slow slow;
    /* Makes one more of an element, for one reader: deep copies, or counts a reference. NULL: the
     * bytes are enough. Never fails. */
    void (*copy)(void *to, const void *from);
    /* Ends one copy that is not delivered, and the original once its copies are made. Only with
     * copy: several readers cannot own the same bytes. */
    void (*drop)(void *element);
};

/*
 * Sends every element of `in` to every one of n outputs; options NULL: wait, bytes. A reader who
 * leaves closes its own output: the tee goes on without it, and stops with EPIPE after the last
 * one. With n of 0 the input is drained. Sizes must be equal. Where nobody may wait, give the
 * outputs some capacity: with 0 a reader is ready only while it sits in its receive. Codes as
 * above.
 */
int conc_fan_tee(struct conc_fan **fan, struct conc_chan *in, struct conc_chan *const *outs,
    size_t n, const struct conc_fan_tee_options *options, struct conc_context *parent);

/* How many elements output i of a tee missed, at this moment: those of CONC_FAN_MISS, and
 * everything after the cut or after the reader left. 0 for any other fan or index. */
uint64_t conc_fan_missed(struct conc_fan *fan, size_t i);

/*
 * int conc_fan_wait(struct conc_fan *fan, struct conc_context *ctx)
 *
 * Waits until the fan's tasks have left and its outputs are closed; woken by that, a cancel or the
 * deadline of ctx. Somebody must receive the outputs meanwhile. What the tasks wrote is visible
 * afterwards. 0; ECANCELED, ETIMEDOUT: ctx ended first; EINVAL: fan is NULL.
 */
#define conc_fan_wait(fan, ctx) conc_fan_wait_at((fan), (ctx), CONC_HERE)
int conc_fan_wait_at(struct conc_fan *fan, struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN while a task is there. */
int conc_fan_try_wait(struct conc_fan *fan);

/* Why the fan stopped early: the first error of fn, EPIPE when a reader closed the output, or the
 * cause of a cancel. 0: it has not, and once its outputs are closed every element has gone through.
 * To be asked when an output has ended. */
int conc_fan_error(struct conc_fan *fan);

/* Stops the fan with ECANCELED. Does not wait: its tasks leave at their next wait or element. */
void conc_fan_cancel(struct conc_fan *fan);

/* Stops the fan if it still runs, joins its tasks and frees it. The channels stay. NULL is allowed.
 */
void conc_fan_destroy(struct conc_fan *fan);

#endif
