/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/task.h"
#include "select.h"
#include "sync/context.h"
#include "sync/wait_group.h"

/* ------------------------------------------------------------------ mux */

static int mux(struct conc_select_case *cases, size_t n, struct conc_chan *out, void *element,
    void (*drop)(void *element), struct conc_context *ctx, const struct conc_site *site)
{
    size_t left = 0, chosen;
    for (size_t i = 0; i < n; i++)
        left += cases[i].chan != NULL;
    while (left > 0) {
        /* A select prefers what is ready to a context that is done. Here data may always be ready.
         */
        int rc = conc_context_error(ctx);
        if (rc == 0)
            rc = conc_select_at(cases, n, &chosen, ctx, site);
        if (rc != 0)
            return rc;
        if (cases[chosen].rc == EPIPE) {
            cases[chosen].chan = NULL;
            left--;
            continue;
        }
        rc = conc_chan_send_at(out, element, ctx, site);
        if (rc != 0) {
            if (drop)
                drop(element);
            return rc;
        }
    }
    return 0;
}

int conc_mux_at(struct conc_chan *const *ins, size_t n, struct conc_chan *out,
    void (*drop)(void *element), struct conc_context *ctx, const struct conc_site *site)
{
    if ((!ins && n > 0) || !out)
        return EINVAL;
    size_t size = conc_chan_size(out);
    for (size_t i = 0; i < n; i++)
        if (ins[i] && (ins[i] == out || conc_chan_size(ins[i]) != size))
            return EINVAL;
    struct conc_select_case *cases = conc_calloc(n ? n : 1, sizeof(*cases));
    void *element = conc_calloc(1, size ? size : 1);
    int rc = ENOMEM;
    if (cases && element) {
        for (size_t i = 0; i < n; i++)
            cases[i] = (struct conc_select_case)CONC_RECV(ins[i], element);
        rc = mux(cases, n, out, element, drop, ctx, site);
    }
    conc_free(element);
    conc_free(cases);
    return rc;
}

/* ------------------------------------------------------------------ first cases first */

/* Waits when `site` is given. */
int conc_select_first_at(struct conc_select_case *cases, size_t first, size_t n, size_t *chosen,
    struct conc_context *ctx, const struct conc_site *site)
{
    if (first > n)
        return EINVAL;
    int rc = conc_try_select(cases, first, chosen);
    if (rc != EAGAIN)
        return rc;
    return site ? conc_select_at(cases, n, chosen, ctx, site) : conc_try_select(cases, n, chosen);
}

int conc_try_select_first(struct conc_select_case *cases, size_t first, size_t n, size_t *chosen)
{
    return conc_select_first_at(cases, first, n, chosen, NULL, NULL);
}

/* ------------------------------------------------------------------ first answer */

struct asked {
    const struct conc_question *question;
    struct conc_context *ctx;
    struct conc_chan
        *answered; /* element: the index; room for all, so that nobody waits to answer */
    size_t index;
    int rc;
    void *result;
};

static void answer(void *arg)
{
    struct asked *asked = arg;
    conc_chan_try_send(asked->answered, &asked->index);
}

static void ask(void *arg)
{
    struct asked *asked = arg;
    struct conc_cleanup cleanup;
    conc_task_set_name("answer.%zu", asked->index + 1);
    conc_cleanup_push(&cleanup, answer, asked);
    asked->rc = asked->question->fn(asked->result, asked->question->arg, asked->ctx);
    conc_cleanup_pop(&cleanup, true);
}

/* Asks all and waits for the first answer; none before the last has failed. */
static int ask_all(struct asked *all, size_t n, struct conc_wait_group *group, size_t *winner,
    const struct conc_site *site)
{
    for (size_t i = 0; i < n; i++) {
        int rc = conc_wait_group_go_at(group, ask, &all[i], "answer", site);
        if (rc != 0)
            return rc;
    }
    for (size_t heard = 0; heard < n; heard++) {
        conc_chan_recv_at(all->answered, winner, NULL, site);
        if (all[*winner].rc == 0)
            return 0;
    }
    int rc = conc_context_error(all->ctx);
    return rc != 0 ? rc : all[0].rc;
}

int conc_first_answer_at(const struct conc_question *questions, size_t n, size_t size, void *result,
    size_t *winner, void (*drop)(void *result), struct conc_context *ctx,
    const struct conc_site *site)
{
    if (!questions || n == 0)
        return EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!questions[i].fn)
            return EINVAL;
    size_t unit = _Alignof(max_align_t), stride = size / unit * unit + unit, won = 0;
    struct conc_chan *answered = NULL;
    struct asked *all = conc_calloc(n, sizeof(*all));
    char *results = size <= SIZE_MAX / 2 ? conc_calloc(n, stride) : NULL;
    int rc = all && results ? conc_chan_create(&answered, sizeof(size_t), n, NULL) : ENOMEM;
    if (rc == 0) {
        struct conc_context asking;
        struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
        conc_context_with_cancel(&asking, ctx);
        for (size_t i = 0; i < n; i++)
            all[i] = (struct asked){.question = &questions[i],
                .ctx = &asking,
                .answered = answered,
                .index = i,
                .rc = EOWNERDEAD,
                .result = results + i * stride};
        rc = ask_all(all, n, &group, &won, site);
        conc_context_cancel(&asking);
        conc_wait_group_wait_at(&group, NULL, site);
        conc_wait_group_destroy(&group);
        conc_context_destroy(&asking);
        /* Who has answered, in time or too late, but those that were never started? */
        for (size_t i = 0; i < n && drop; i++)
            if (all[i].rc == 0 && !(rc == 0 && i == won && result))
                drop(all[i].result);
    }
    if (rc == 0 && result && size > 0)
        memcpy(result, all[won].result, size);
    if (rc == 0 && winner)
        *winner = won;
    conc_chan_destroy(answered);
    conc_free(results);
    conc_free(all);
    return rc;
}
