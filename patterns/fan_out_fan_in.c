/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "fan_out_fan_in.h"
#include "runtime/memory.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/mutex.h"
#include "sync/select.h"
#include "sync/wait_group.h"

struct fan_task {
    struct conc_fan *fan;
    size_t index;
    char *in;  /* room for an element of the input */
    char *out; /* room for one of the output; of a tee: one for each output */
};

struct conc_fan {
    struct conc_context ctx;
    struct conc_wait_group group;
    void (*run)(struct fan_task *); /* fixed, as all below that has no rule of its own */
    struct conc_chan *gate;         /* no task begins before it is closed */
    bool abandoned;                 /* written before the gate closes: not all could be started */
    atomic_size_t running;          /* tasks that have not left */
    atomic_int error;               /* the first */

    struct conc_chan **ins;
    size_t n_ins;
    struct conc_chan **outs;
    size_t n_outs;
    struct fan_task *tasks;
    size_t n_tasks;

    struct conc_fan_work work;   /* of a map */
    void (*drop)(void *element); /* of the others */
    struct conc_mutex intake; /* of a map in order: to receive and to draw a ticket is one step */
    uint64_t tickets;         /* under intake */
    struct conc_chan **turns; /* of a map in order: where ticket i waits, at i modulo workers */
    bool *gone;               /* the task's only: inputs that have ended, outputs without reader */
    struct conc_fan_tee_options tee;
    struct conc_select_case *cases; /* of a tee; the task's only */
    atomic_uint_least64_t *missed;  /* of a tee */
};

/* ------------------------------------------------------------------ making and ending */

static void stop(struct conc_fan *fan, int rc)
{
    int none = 0;
    atomic_compare_exchange_strong(&fan->error, &none, rc);
    conc_context_cancel_cause(&fan->ctx, rc);
}

/* Stops the fan for the code of a wait that failed. */
static void stop_waiting(struct conc_fan *fan, int rc)
{
    int cause = conc_context_cause(&fan->ctx);
    stop(fan, rc == EPIPE || cause == 0 ? rc : cause);
}

/* True when the fan is to stop. An endless supply of ready elements would hide it from the waits.
 */
static bool stopped(struct conc_fan *fan)
{
    int rc = conc_context_error(&fan->ctx);
    if (rc != 0)
        stop_waiting(fan, rc);
    return rc != 0;
}

/* The last task out closes: all inputs have ended then. (Rejected: one more task that waits for the
 * others and closes, as Go programs have it: a thread for one call.) */
static void leave(struct conc_fan *fan)
{
    if (atomic_fetch_sub(&fan->running, 1) > 1)
        return;
    for (size_t i = 0; i < fan->n_outs; i++)
        conc_chan_close(fan->outs[i]);
    for (size_t i = 0; i < fan->n_ins && atomic_load(&fan->error) != 0; i++)
        conc_chan_close(fan->ins[i]);
}

static void task_was_ended(void *arg)
{
    struct conc_fan *fan = arg;
    stop(fan, EOWNERDEAD);
    leave(fan);
}

static void task_main(void *arg)
{
    struct fan_task *task = arg;
    struct conc_fan *fan = task->fan;
    conc_chan_recv(fan->gate, NULL, NULL);
    if (fan->abandoned)
        return;
    struct conc_cleanup cleanup;
    conc_cleanup_push(&cleanup, task_was_ended, fan);
    fan->run(task);
    conc_cleanup_pop(&cleanup, false);
    leave(fan);
}

static void fan_free(struct conc_fan *fan)
{
    for (size_t i = 0; fan->tasks && i < fan->n_tasks; i++) {
        conc_free(fan->tasks[i].in);
        conc_free(fan->tasks[i].out);
    }
    for (size_t i = 0; fan->turns && i < fan->n_tasks; i++)
        conc_chan_destroy(fan->turns[i]);
    conc_chan_destroy(fan->gate);
    conc_mutex_destroy(&fan->intake);
    conc_wait_group_destroy(&fan->group);
    conc_context_destroy(&fan->ctx);
    conc_free(fan->ins);
    conc_free(fan->outs);
    conc_free(fan->tasks);
    conc_free(fan->turns);
    conc_free(fan->gone);
    conc_free(fan->cases);
    conc_free(fan->missed);
    conc_free(fan);
}

static void *array(size_t n, size_t size)
{
    return conc_calloc(n ? n : 1, size);
}

static int make_tasks(struct conc_fan *fan, size_t in_size, size_t out_size, size_t outs)
{
    fan->tasks = array(fan->n_tasks, sizeof(*fan->tasks));
    for (size_t i = 0; fan->tasks && i < fan->n_tasks; i++) {
        struct fan_task *task = &fan->tasks[i];
        *task = (struct fan_task){
            .fan = fan, .index = i, .in = array(1, in_size), .out = array(outs, out_size)};
        if (!task->in || !task->out)
            return ENOMEM;
    }
    return fan->tasks ? conc_chan_create(&fan->gate, 0, 0, NULL) : ENOMEM;
}

/* Checks the channels and makes a fan without tasks that run. */
static int fan_new(struct conc_fan **made, struct conc_chan *const *ins, size_t n_ins,
    struct conc_chan *const *outs, size_t n_outs, size_t n_tasks, bool same_size,
    struct conc_context *parent)
{
    struct conc_chan *first = n_ins > 0 ? ins[0] : n_outs > 0 ? outs[0] : NULL;
    size_t size = conc_chan_size(first);
    for (size_t i = 0; i < n_ins + n_outs; i++) {
        struct conc_chan *ch = i < n_ins ? ins[i] : outs[i - n_ins];
        if (!ch || (same_size && conc_chan_size(ch) != size))
            return EINVAL;
        for (size_t j = 0; i < n_ins && j < n_outs; j++)
            if (outs[j] == ch)
                return EINVAL;
    }
    struct conc_fan *fan = conc_calloc(1, sizeof(*fan));
    if (!fan)
        return ENOMEM;
    conc_context_with_cancel(&fan->ctx, parent);
    conc_wait_group_init(&fan->group);
    conc_mutex_init(&fan->intake);
    fan->n_ins = n_ins;
    fan->n_outs = n_outs;
    fan->n_tasks = n_tasks;
    fan->ins = array(n_ins, sizeof(struct conc_chan *));
    fan->outs = array(n_outs, sizeof(struct conc_chan *));
    fan->gone = array(n_ins + n_outs, sizeof(bool));
    int rc = ENOMEM;
    if (fan->ins && fan->outs && fan->gone) {
        if (n_ins > 0)
            memcpy(fan->ins, ins, n_ins * sizeof(struct conc_chan *));
        if (n_outs > 0)
            memcpy(fan->outs, outs, n_outs * sizeof(struct conc_chan *));
        size_t out_size = n_outs > 0 ? conc_chan_size(outs[0]) : 0;
        rc = make_tasks(fan, size, out_size, n_outs);
    }
    if (rc == 0)
        *made = fan;
    else
        fan_free(fan);
    return rc;
}

/* Starts the tasks, all or none: none takes an element before all are there. */
static int fan_start(struct conc_fan *fan, void (*run)(struct fan_task *), const char *name)
{
    int rc = 0;
    fan->run = run;
    atomic_init(&fan->running, fan->n_tasks);
    for (size_t i = 0; i < fan->n_tasks && rc == 0; i++)
        rc = conc_wait_group_go_at(&fan->group, task_main, &fan->tasks[i], name, CONC_HERE);
    fan->abandoned = rc != 0;
    conc_chan_close(fan->gate);
    if (rc != 0) {
        conc_wait_group_wait(&fan->group, NULL);
        fan_free(fan);
    }
    return rc;
}

/* ------------------------------------------------------------------ map */

/* Takes the next element, in order with the number of its turn. EPIPE: there is no more. */
static int map_take(struct fan_task *task, uint64_t *ticket)
{
    struct conc_fan *fan = task->fan;
    if (!fan->turns)
        return conc_chan_recv(fan->work.in, task->in, &fan->ctx);
    int rc = conc_mutex_lock(&fan->intake, &fan->ctx);
    if (rc != 0)
        return rc;
    rc = conc_chan_recv(fan->work.in, task->in, &fan->ctx);
    if (rc == 0)
        *ticket = fan->tickets++;
    conc_mutex_unlock(&fan->intake);
    return rc;
}

/* Sends what was made, in order when the turn has come. The token waits at ticket modulo workers:
 * no more tickets than workers are out at once, so each has a place of its own. */
static int map_send(struct fan_task *task, uint64_t ticket, bool skip)
{
    struct conc_fan *fan = task->fan;
    int rc = 0;
    if (fan->turns)
        rc = conc_chan_recv(fan->turns[ticket % fan->n_tasks], NULL, &fan->ctx);
    if (rc == 0 && !skip)
        rc = conc_chan_send(fan->work.out, task->out, &fan->ctx);
    if (rc == 0 && fan->turns)
        conc_chan_try_send(fan->turns[(ticket + 1) % fan->n_tasks], NULL);
    return rc;
}

static void map_run(struct fan_task *task)
{
    struct conc_fan *fan = task->fan;
    const struct conc_fan_work *work = &fan->work;
    uint64_t ticket = 0;
    if (fan->n_tasks > 1)
        conc_task_set_name("%s.%zu", work->name, task->index + 1);
    while (!stopped(fan)) {
        int rc = map_take(task, &ticket);
        if (rc == EPIPE)
            return;
        if (rc != 0) {
            stop_waiting(fan, rc);
            return;
        }
        int made = work->fn(task->in, task->out, work->arg, &fan->ctx);
        if (made != 0 && made != CONC_FAN_SKIP) {
            stop(fan, made);
            return;
        }
        rc = map_send(task, ticket, made == CONC_FAN_SKIP);
        if (rc != 0) {
            if (made == 0 && work->drop)
                work->drop(task->out, work->arg);
            stop_waiting(fan, rc);
            return;
        }
        conc_chan_give_way(work->in, work->out);
    }
}

static int make_turns(struct conc_fan *fan)
{
    fan->turns = array(fan->n_tasks, sizeof(struct conc_chan *));
    int rc = fan->turns ? 0 : ENOMEM;
    for (size_t i = 0; i < fan->n_tasks && rc == 0; i++)
        rc = conc_chan_create(&fan->turns[i], 0, 1, NULL);
    return rc == 0 ? conc_chan_try_send(fan->turns[0], NULL) : rc;
}

int conc_fan_map(
    struct conc_fan **fan, const struct conc_fan_work *work, struct conc_context *parent)
{
    if (!fan || !work || !work->fn)
        return EINVAL;
    struct conc_fan *made;
    size_t workers = work->workers > 0 ? work->workers : 1;
    int rc = fan_new(&made, &work->in, 1, &work->out, 1, workers, false, parent);
    if (rc != 0)
        return rc;
    made->work = *work;
    if (!made->work.name)
        made->work.name = "map";
    if (work->ordered && workers > 1)
        rc = make_turns(made);
    if (rc != 0) {
        fan_free(made);
        return rc;
    }
    rc = fan_start(made, map_run, made->work.name);
    if (rc == 0)
        *fan = made;
    return rc;
}

/* ------------------------------------------------------------------ merge and deal */

/* Takes one element from `in` and sends it on `out`. 0; EPIPE: `in` has ended; ECANCELED: the fan
 * has been stopped. */
static int move(struct fan_task *task, struct conc_chan *in, struct conc_chan *out)
{
    struct conc_fan *fan = task->fan;
    if (stopped(fan))
        return ECANCELED;
    int rc = conc_chan_recv(in, task->in, &fan->ctx);
    if (rc == EPIPE)
        return rc;
    if (rc == 0) {
        rc = conc_chan_send(out, task->in, &fan->ctx);
        if (rc != 0 && fan->drop)
            fan->drop(task->in);
    }
    if (rc != 0) {
        stop_waiting(fan, rc);
        rc = ECANCELED;
    }
    return rc;
}

static void merge_run(struct fan_task *task)
{
    struct conc_fan *fan = task->fan;
    conc_task_set_name("merge.%zu", task->index + 1);
    while (move(task, fan->ins[task->index], fan->outs[0]) == 0)
        continue;
}

static void merge_in_turn_run(struct fan_task *task)
{
    struct conc_fan *fan = task->fan;
    for (size_t left = fan->n_ins; left > 0;) {
        for (size_t i = 0; i < fan->n_ins; i++) {
            if (fan->gone[i])
                continue;
            int rc = move(task, fan->ins[i], fan->outs[0]);
            if (rc == ECANCELED)
                return;
            if (rc == EPIPE) {
                fan->gone[i] = true;
                left--;
            }
        }
    }
}

int conc_fan_merge(struct conc_fan **fan, struct conc_chan *const *ins, size_t n,
    struct conc_chan *out, bool in_turn, void (*drop)(void *element), struct conc_context *parent)
{
    if (!fan || (!ins && n > 0))
        return EINVAL;
    if (n == 0)
        in_turn = true; /* a task that has nothing to take */
    struct conc_fan *made;
    int rc = fan_new(&made, ins, n, &out, 1, in_turn ? 1 : n, true, parent);
    if (rc != 0)
        return rc;
    made->drop = drop;
    rc = fan_start(made, in_turn ? merge_in_turn_run : merge_run, "merge");
    if (rc == 0)
        *fan = made;
    return rc;
}

static void deal_run(struct fan_task *task)
{
    struct conc_fan *fan = task->fan;
    for (size_t i = 0; move(task, fan->ins[0], fan->outs[i]) == 0;)
        i = i + 1 == fan->n_outs ? 0 : i + 1;
}

int conc_fan_deal(struct conc_fan **fan, struct conc_chan *in, struct conc_chan *const *outs,
    size_t n, void (*drop)(void *element), struct conc_context *parent)
{
    if (!fan || !outs || n == 0)
        return EINVAL;
    struct conc_fan *made;
    int rc = fan_new(&made, &in, 1, outs, n, 1, true, parent);
    if (rc != 0)
        return rc;
    made->drop = drop;
    rc = fan_start(made, deal_run, "deal");
    if (rc == 0)
        *fan = made;
    return rc;
}

/* ------------------------------------------------------------------ tee */

static void tee_drop(struct conc_fan *fan, void *element)
{
    if (fan->tee.drop)
        fan->tee.drop(element);
}

/* The copy for output i was not delivered. */
static void tee_miss(struct conc_fan *fan, size_t i)
{
    tee_drop(fan, (void *)(uintptr_t)fan->cases[i].send_from);
    atomic_fetch_add_explicit(&fan->missed[i], 1, memory_order_relaxed);
}

/* Sends to whoever is ready first, until all have theirs. */
static int tee_send_waiting(struct conc_fan *fan, size_t pending)
{
    while (pending > 0) {
        size_t i;
        int rc = conc_select(fan->cases, fan->n_outs, &i, &fan->ctx);
        if (rc != 0) {
            for (i = 0; i < fan->n_outs; i++)
                if (fan->cases[i].chan)
                    tee_drop(fan, (void *)(uintptr_t)fan->cases[i].send_from);
            return rc;
        }
        if (fan->cases[i].rc != 0) {
            fan->gone[i] = true;
            tee_miss(fan, i);
        }
        fan->cases[i].chan = NULL; /* never ready: served */
        pending--;
    }
    return 0;
}

static void tee_send_now(struct conc_fan *fan)
{
    for (size_t i = 0; i < fan->n_outs; i++) {
        if (!fan->cases[i].chan)
            continue;
        int rc = conc_chan_try_send(fan->outs[i], fan->cases[i].send_from);
        if (rc == 0)
            continue;
        tee_miss(fan, i);
        if (rc == EAGAIN && fan->tee.slow == CONC_FAN_CUT)
            rc = conc_chan_close(fan->outs[i]);
        fan->gone[i] = fan->gone[i] || rc != EAGAIN;
    }
}

/* One element to every reader. 0; EPIPE: no reader is left; else the context's end. */
static int tee_send(struct fan_task *task)
{
    struct conc_fan *fan = task->fan;
    size_t size = conc_chan_size(fan->ins[0]), pending = 0;
    for (size_t i = 0; i < fan->n_outs; i++) {
        char *mine = task->out + i * size;
        fan->cases[i] = (struct conc_select_case)CONC_SEND(NULL, mine);
        if (fan->gone[i]) {
            atomic_fetch_add_explicit(&fan->missed[i], 1, memory_order_relaxed);
            continue;
        }
        if (fan->tee.copy)
            fan->tee.copy(mine, task->in);
        else
            memcpy(mine, task->in, size);
        fan->cases[i].chan = fan->outs[i];
        pending++;
    }
    tee_drop(fan, task->in);
    if (pending == 0 && fan->n_outs > 0)
        return EPIPE;
    if (fan->tee.slow == CONC_FAN_WAIT)
        return tee_send_waiting(fan, pending);
    tee_send_now(fan);
    return 0;
}

static void tee_run(struct fan_task *task)
{
    struct conc_fan *fan = task->fan;
    while (!stopped(fan)) {
        int rc = conc_chan_recv(fan->ins[0], task->in, &fan->ctx);
        if (rc == EPIPE)
            return;
        if (rc == 0)
            rc = tee_send(task);
        if (rc != 0)
            stop_waiting(fan, rc);
    }
}

int conc_fan_tee(struct conc_fan **fan, struct conc_chan *in, struct conc_chan *const *outs,
    size_t n, const struct conc_fan_tee_options *options, struct conc_context *parent)
{
    if (!fan || (!outs && n > 0))
        return EINVAL;
    if (options && ((options->drop && !options->copy) || options->slow > CONC_FAN_CUT))
        return EINVAL;
    struct conc_fan *made;
    int rc = fan_new(&made, &in, 1, outs, n, 1, true, parent);
    if (rc != 0)
        return rc;
    if (options)
        made->tee = *options;
    made->cases = array(n, sizeof(*made->cases));
    made->missed = array(n, sizeof(*made->missed));
    if (!made->cases || !made->missed) {
        fan_free(made);
        return ENOMEM;
    }
    rc = fan_start(made, tee_run, "tee");
    if (rc == 0)
        *fan = made;
    return rc;
}

uint64_t conc_fan_missed(struct conc_fan *fan, size_t i)
{
    if (!fan || !fan->missed || i >= fan->n_outs)
        return 0;
    return atomic_load_explicit(&fan->missed[i], memory_order_relaxed);
}

/* ------------------------------------------------------------------ the owner's side */

int conc_fan_wait_at(struct conc_fan *fan, struct conc_context *ctx, const struct conc_site *site)
{
    return fan ? conc_wait_group_wait_at(&fan->group, ctx, site) : EINVAL;
}

int conc_fan_try_wait(struct conc_fan *fan)
{
    return fan ? conc_wait_group_try_wait(&fan->group) : EINVAL;
}

int conc_fan_error(struct conc_fan *fan)
{
    return fan ? atomic_load(&fan->error) : 0;
}

void conc_fan_cancel(struct conc_fan *fan)
{
    if (fan)
        conc_context_cancel(&fan->ctx);
}

void conc_fan_destroy(struct conc_fan *fan)
{
    if (!fan)
        return;
    conc_fan_cancel(fan);
    conc_wait_group_wait(&fan->group, NULL);
    fan_free(fan);
}
