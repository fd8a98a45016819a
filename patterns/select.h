/* SPDX-License-Identifier: MIT */
#ifndef CONC_SELECT_H
#define CONC_SELECT_H

/*
 * What programs build on select (sync/select.h): several channels read as one, the first of several
 * answers, and a case that goes before the others.
 *
 *   struct conc_chan *const ins[] = {north, south};
 *   int rc = conc_mux(ins, 2, all, NULL, ctx);             // on a task of its own, as a rule
 *   conc_chan_close(all);
 *
 *   const struct conc_question mirrors[] = {{fetch, "eu"}, {fetch, "us"}, {fetch, "asia"}};
 *   rc = conc_first_answer(mirrors, 3, sizeof page, &page, &winner, NULL, ctx);
 *
 * No call leaves a task behind.
 */

#include <stddef.h>

#include "sync/select.h"

/*
 * int conc_mux(struct conc_chan *const *ins, size_t n, struct conc_chan *out,
 *              void (*drop)(void *element), struct conc_context *ctx)
 *
 * Moves elements from n channels to `out` on the calling task, until all n are closed and drained.
 * Among inputs that are ready one is drawn with equal chance, so a busy one cannot shut out a quiet
 * one; elements of one input keep their order. An input that has ended, or is NULL, is never drawn.
 * `out` is left open. `drop` (may be NULL) is given an element that was taken and could not be
 * sent.
 *
 * It is one task with one select for all inputs; conc_fan_merge (fan_out_fan_in.h) is a task for
 * each. Woken by data, closes, a cancel or the deadline. Everything has to be read, so there is no
 * try form: conc_try_select does one step.
 *
 * 0: all inputs have ended. ECANCELED, ETIMEDOUT: the context's end, noticed also while elements
 * are always ready; EPIPE: `out` is closed; ENOMEM; EINVAL: ins or out is NULL, or sizes of
 * elements differ.
 */
#define conc_mux(ins, n, out, drop, ctx) conc_mux_at((ins), (n), (out), (drop), (ctx), CONC_HERE)
int conc_mux_at(struct conc_chan *const *ins, size_t n, struct conc_chan *out,
    void (*drop)(void *element), struct conc_context *ctx, const struct conc_site *site);

/*
 * int conc_select_first(struct conc_select_case *cases, size_t first, size_t n, size_t *chosen,
 *                       struct conc_context *ctx)
 *
 * A select in which the first `first` cases go before the others: one of those that is ready is
 * chosen, however many others are ready too. For a quit channel that must not lose the draw against
 * data. It is two selects, the first without waiting: a quit that comes between them has equal
 * chance once. Codes are those of conc_select; EINVAL also when first is larger than n.
 */
#define conc_select_first(cases, first, n, chosen, ctx)                                            \
    conc_select_first_at((cases), (first), (n), (chosen), (ctx), CONC_HERE)
int conc_select_first_at(struct conc_select_case *cases, size_t first, size_t n, size_t *chosen,
    struct conc_context *ctx, const struct conc_site *site);

/* The same without waiting: EAGAIN when no case is ready. */
int conc_try_select_first(struct conc_select_case *cases, size_t first, size_t n, size_t *chosen);

/* One who may answer. fn runs on a task of its own; *result is zeroed memory of its own. 0:
 * answered; else an error. Its context is done as soon as another has answered: hand it to every
 * wait. */
struct conc_question {
    int (*fn)(void *result, void *arg, struct conc_context *ctx);
    void *arg;
};

/*
 * int conc_first_answer(const struct conc_question *questions, size_t n, size_t size, void *result,
 *                       size_t *winner, void (*drop)(void *result), struct conc_context *ctx)
 *
 * Asks all n at once and returns the first answer; the others are cancelled, and have left when it
 * returns. (In Go the losers are left to themselves, and hang for ever where nobody made room for
 * their answers.) So it takes as long as the first answer, and then the slowest to notice: a
 * function that ignores its context belongs into timeout.h. `size` is that of a result; *result
 * receives the winner's, *winner its index (both may be NULL); `drop` (may be NULL) ends answers
 * that nobody gets.
 *
 * 0; ECANCELED, ETIMEDOUT: ctx ended first; when all have failed: the error of questions[0]
 * (EOWNERDEAD for one that ended its task); EINVAL: n is 0, questions or a fn is NULL; ENOMEM,
 * EAGAIN: no memory, no task; those already asked have been cancelled and have left.
 */
#define conc_first_answer(questions, n, size, result, winner, drop, ctx)                           \
    conc_first_answer_at((questions), (n), (size), (result), (winner), (drop), (ctx), CONC_HERE)
int conc_first_answer_at(const struct conc_question *questions, size_t n, size_t size, void *result,
    size_t *winner, void (*drop)(void *result), struct conc_context *ctx,
    const struct conc_site *site);

#endif
