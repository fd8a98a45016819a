/* SPDX-License-Identifier: MIT */

/*
 * Benchmark 15: what it costs to receive from one of n channels, when all have something, when only
 * one has, and when the receiver must sleep until one has; against asking them one by one, and
 * against poll(2) on as many pipes. And what the first answer of several is worth.
 */

#include <stdlib.h>
#include <string.h>

#include "bench/baselines/pthread_first.h"
#include "bench/baselines/pthread_pipes.h"
#include "bench/baselines/pthread_queue.h"
#include "bench/baselines/pthread_sleep.h"
#include "bench/baselines/pthread_team.h"
#include "bench/shim/bench.h"
#include "runtime/random.h"
#include "select.h"
#include "sync/timer.h"
#include "sync/wait_group.h"

enum { MOST_CHANNELS = 64 };

/* n sources of numbers: channels with a select over them, or pipes. */
struct sources {
    size_t n;
    struct conc_chan *chans[MOST_CHANNELS];
    struct conc_select_case cases[MOST_CHANNELS];
    uint64_t value; /* where the select receives */
    size_t next;    /* where polling looks next */
    struct textbook_pipes pipes;
};

/* Which source the i-th message goes to: any, so that nobody who polls in turn can be lucky. */
static size_t source_of(const struct sources *s, int64_t i)
{
    uint64_t state = (uint64_t)i;
    return (size_t)(conc_splitmix64(&state) % s->n);
}

static struct sources *sources_create(struct bench_run *run)
{
    struct sources *s = calloc(1, sizeof *s);
    run->state = s;
    if (!s)
        bench_fail(run, "no memory for the sources");
    else
        s->n = (size_t)run->parameter;
    return s;
}

static void make_chans(struct bench_run *run, size_t capacity)
{
    struct sources *s = sources_create(run);
    for (size_t i = 0; s && i < s->n; i++) {
        int rc = conc_chan_create(&s->chans[i], sizeof(uint64_t), capacity, NULL);
        if (rc != 0)
            bench_fail(run, "conc_chan_create: %s", strerror(rc));
        s->cases[i] = (struct conc_select_case)CONC_RECV(s->chans[i], &s->value);
    }
}

/* Room for all: messages need not be spread evenly. */
static void chans_with_room(struct bench_run *run)
{
    make_chans(run, (size_t)run->items);
}

static void chans_without_room(struct bench_run *run)
{
    make_chans(run, 0);
}

static void chans_filled(struct bench_run *run)
{
    chans_with_room(run);
    struct sources *s = run->state;
    for (int64_t i = 0; s && i < run->items; i++) {
        uint64_t value = (uint64_t)i;
        conc_chan_try_send(s->chans[source_of(s, i)], &value);
    }
}

static void pipes_open(struct bench_run *run)
{
    struct sources *s = sources_create(run);
    int rc = s ? textbook_pipes_init(&s->pipes, s->n) : 0;
    if (rc != 0)
        bench_fail(run, "pipes: %s", strerror(rc));
}

static void pipes_filled(struct bench_run *run)
{
    pipes_open(run);
    struct sources *s = run->state;
    for (int64_t i = 0; s && i < run->items; i++) {
        int rc = textbook_pipes_send(&s->pipes, source_of(s, i), (uint64_t)i);
        if (rc != 0)
            bench_fail(run, "write: %s", strerror(rc));
    }
}

static void sources_destroy(struct bench_run *run)
{
    struct sources *s = run->state;
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        conc_chan_destroy(s->chans[i]);
    textbook_pipes_destroy(&s->pipes);
    free(s);
}

/* The four ways to receive the next message, wherever it is. */

static uint64_t recv_known(struct sources *s, int64_t i)
{
    uint64_t value = 0;
    conc_chan_recv(s->chans[source_of(s, i)], &value, NULL);
    return value;
}

static uint64_t recv_polling(struct sources *s)
{
    uint64_t value;
    while (conc_chan_try_recv(s->chans[s->next++ % s->n], &value) != 0) {
    }
    return value;
}

static uint64_t recv_poll(struct sources *s)
{
    uint64_t value = 0;
    textbook_pipes_recv(&s->pipes, &value);
    return value;
}

static uint64_t recv_select(struct sources *s)
{
    size_t chosen;
    return conc_select(s->cases, s->n, &chosen, NULL) == 0 ? s->value : 0;
}

/* Numbers 0 … items-1, each once: their sum, and the sum of their squares, which a message that is
 * lost and another that is doubled would change. */
static void count(struct bench_run *run, uint64_t value)
{
    run->done += (int64_t)value;
    run->result += value * value;
}

static bool each_once(const struct bench_run *run)
{
    uint64_t squares = 0;
    for (uint64_t i = 0; i < (uint64_t)run->items; i++)
        squares += i * i;
    return run->done == run->items * (run->items - 1) / 2 && run->result == squares;
}

/* ---- all are ready ---- */

static void all_known(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        count(run, recv_known(run->state, i));
}

static void all_polling(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        count(run, recv_polling(run->state));
}

static void all_poll(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        count(run, recv_poll(run->state));
}

static void all_select(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++)
        count(run, recv_select(run->state));
}

/* ---- one is ready ---- */

static void send_chan(struct sources *s, int64_t i)
{
    uint64_t value = (uint64_t)i;
    conc_chan_try_send(s->chans[source_of(s, i)], &value);
}

static void one_known(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++) {
        send_chan(run->state, i);
        count(run, recv_known(run->state, i));
    }
}

static void one_polling(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++) {
        send_chan(run->state, i);
        count(run, recv_polling(run->state));
    }
}

static void one_poll(struct bench_run *run)
{
    struct sources *s = run->state;
    for (int64_t i = 0; i < run->items; i++) {
        textbook_pipes_send(&s->pipes, source_of(s, i), (uint64_t)i);
        count(run, recv_poll(s));
    }
}

static void one_select(struct bench_run *run)
{
    for (int64_t i = 0; i < run->items; i++) {
        send_chan(run->state, i);
        count(run, recv_select(run->state));
    }
}

/* ---- the receiver sleeps: send, wait for the echo, send to the next ---- */

/* What the sender of a round trip needs. The echo comes back on its own channel or pipe. */
struct trip {
    struct bench_run *run;
    struct conc_chan *echo;
    struct textbook_pipes echo_pipe;
    struct textbook_queue queue; /* of the textbook with one queue for all sources */
    struct textbook_queue echo_queue;
};

static void trip_sender_conc(void *arg)
{
    struct trip *trip = arg;
    struct sources *s = trip->run->state;
    for (int64_t i = 0; i < trip->run->items; i++) {
        uint64_t value = (uint64_t)i;
        conc_chan_send(s->chans[source_of(s, i)], &value, NULL);
        conc_chan_recv(trip->echo, &value, NULL);
        count(trip->run, value);
    }
}

static void trip_conc(struct bench_run *run)
{
    struct trip trip = {.run = run};
    struct conc_wait_group group = CONC_WAIT_GROUP_INIT;
    int rc = conc_chan_create(&trip.echo, sizeof(uint64_t), 0, NULL);
    if (rc == 0)
        rc = conc_wait_group_go(&group, trip_sender_conc, &trip);
    for (int64_t i = 0; rc == 0 && i < run->items; i++) {
        uint64_t value = recv_select(run->state);
        conc_chan_send(trip.echo, &value, NULL);
    }
    if (rc != 0)
        bench_fail(run, "round trips: %s", strerror(rc));
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(trip.echo);
}

static void *trip_sender_pipes(void *arg)
{
    struct trip *trip = arg;
    struct sources *s = trip->run->state;
    for (int64_t i = 0; i < trip->run->items; i++) {
        uint64_t value = 0;
        textbook_pipes_send(&s->pipes, source_of(s, i), (uint64_t)i);
        textbook_pipes_recv(&trip->echo_pipe, &value);
        count(trip->run, value);
    }
    return NULL;
}

static void trip_pipes(struct bench_run *run)
{
    struct trip trip = {.run = run};
    struct textbook_team team = {0};
    int rc = textbook_pipes_init(&trip.echo_pipe, 1);
    if (rc == 0)
        rc = textbook_team_start(&team, 1, trip_sender_pipes, &trip);
    for (int64_t i = 0; rc == 0 && i < run->items; i++)
        textbook_pipes_send(&trip.echo_pipe, 0, recv_poll(run->state));
    if (rc != 0)
        bench_fail(run, "round trips: %s", strerror(rc));
    textbook_team_join(&team);
    textbook_pipes_destroy(&trip.echo_pipe);
}

static void *trip_sender_queue(void *arg)
{
    struct trip *trip = arg;
    for (int64_t i = 0; i < trip->run->items; i++) {
        uint64_t value = (uint64_t)i;
        textbook_queue_push(&trip->queue, &value);
        textbook_queue_pop(&trip->echo_queue, &value);
        count(trip->run, value);
    }
    return NULL;
}

static void trip_queue(struct bench_run *run)
{
    struct trip trip = {.run = run};
    struct textbook_team team = {0};
    int rc = textbook_queue_init(&trip.queue, sizeof(uint64_t), 1);
    if (rc != 0) {
        bench_fail(run, "round trips: %s", strerror(rc));
        return;
    }
    rc = textbook_queue_init(&trip.echo_queue, sizeof(uint64_t), 1);
    if (rc == 0) {
        rc = textbook_team_start(&team, 1, trip_sender_queue, &trip);
        for (int64_t i = 0; rc == 0 && i < run->items; i++) {
            uint64_t value;
            textbook_queue_pop(&trip.queue, &value);
            textbook_queue_push(&trip.echo_queue, &value);
        }
        textbook_team_join(&team);
        textbook_queue_destroy(&trip.echo_queue);
    }
    if (rc != 0)
        bench_fail(run, "round trips: %s", strerror(rc));
    textbook_queue_destroy(&trip.queue);
}

/* ---- the first answer of several ---- */

/* A replica answers in 200 µs, but one time in eight it takes 3 ms. */
enum { FAST_NS = 200000, SLOW_NS = 3000000, SLOW_ONE_IN = 8, MOST_REPLICAS = 8 };

static int64_t delay_of(int64_t question, size_t replica)
{
    uint64_t state = (uint64_t)question * MOST_REPLICAS + replica;
    return conc_splitmix64(&state) % SLOW_ONE_IN == 0 ? SLOW_NS : FAST_NS;
}

static uint64_t answer_to(int64_t question)
{
    return (uint64_t)question * 2654435761u + 1;
}

static void ask_one(struct bench_run *run)
{
    for (int64_t q = 0; q < run->items; q++) {
        textbook_sleep_ns(delay_of(q, 0));
        run->result += answer_to(q);
    }
}

static uint64_t replica_textbook(void *arg, size_t i)
{
    const int64_t *question = arg;
    textbook_sleep_ns(delay_of(*question, i));
    return answer_to(*question);
}

static void ask_textbook(struct bench_run *run)
{
    for (int64_t q = 0; q < run->items; q++) {
        uint64_t answer = 0;
        int rc = textbook_first((size_t)run->workers, replica_textbook, &q, &answer);
        if (rc != 0)
            bench_fail(run, "a thread did not start: %s", strerror(rc));
        run->result += answer;
    }
}

struct replica {
    int64_t question;
    size_t number;
};

static int replica_conc(void *result, void *arg, struct conc_context *ctx)
{
    const struct replica *replica = arg;
    int rc = conc_sleep(delay_of(replica->question, replica->number), ctx);
    if (rc == 0)
        *(uint64_t *)result = answer_to(replica->question);
    return rc;
}

static void ask_conc(struct bench_run *run)
{
    struct replica replicas[MOST_REPLICAS];
    struct conc_question questions[MOST_REPLICAS];
    size_t n = (size_t)run->workers;
    for (int64_t q = 0; q < run->items; q++) {
        uint64_t answer = 0;
        for (size_t i = 0; i < n; i++) {
            replicas[i] = (struct replica){.question = q, .number = i};
            questions[i] = (struct conc_question){.fn = replica_conc, .arg = &replicas[i]};
        }
        int rc = conc_first_answer(questions, n, sizeof answer, &answer, NULL, NULL, NULL);
        if (rc != 0)
            bench_fail(run, "conc_first_answer: %s", strerror(rc));
        run->result += answer;
    }
}

static bool answers_right(const struct bench_run *run)
{
    uint64_t sum = 0;
    for (int64_t q = 0; q < run->items; q++)
        sum += answer_to(q);
    return run->result == sum;
}

static const struct bench_workload workloads[] = {
    {
        .name = "all_ready",
        .title = "Receive from one of n channels, all of them ready",
        .note = "serial knows which channel to ask, polling asks one after the other, pthread is "
                "poll(2) on pipes, which reports all ready ones at once. A select looks at every "
                "channel to draw fairly among the ready.",
        .kind = BENCH_MESSAGE,
        .unit = "message",
        .items = 4096,
        .quick_items = 2048,
        .sweep = "channels",
        .points = BENCH_POINTS(1, 2, 4, 8, 16, 32, 64),
        .variants = {{.name = "serial", .run = all_known, .setup = chans_filled},
            {.name = "polling", .run = all_polling, .setup = chans_filled},
            {.name = "pthread", .run = all_poll, .setup = pipes_filled},
            {.name = "conc", .run = all_select, .setup = chans_filled}},
        .teardown = sources_destroy,
        .check = each_once,
    },
    {
        .name = "one_ready",
        .title = "Send to one of n channels, receive from whichever has it",
        .note = "The same with one message at a time: now polling has to search, and poll(2) to "
                "look at all pipes for each.",
        .kind = BENCH_MESSAGE,
        .unit = "message",
        .items = 2000,
        .quick_items = 1000,
        .sweep = "channels",
        .points = BENCH_POINTS(1, 4, 16, 64),
        .variants = {{.name = "serial", .run = one_known, .setup = chans_with_room},
            {.name = "polling", .run = one_polling, .setup = chans_with_room},
            {.name = "pthread", .run = one_poll, .setup = pipes_open},
            {.name = "conc", .run = one_select, .setup = chans_with_room}},
        .teardown = sources_destroy,
        .check = each_once,
    },
    {
        .name = "round_trip",
        .title = "Round trips with a receiver that sleeps on n channels",
        .note = "A second task sends to one of n channels and waits for the echo. pthread is "
                "poll(2) on pipes; queue is one mutex-and-condition queue for all sources, which "
                "is what to use when the receiver may not care where a message comes from.",
        .kind = BENCH_MESSAGE,
        .unit = "round trip",
        .items = 400,
        .quick_items = 200,
        .sweep = "channels",
        .points = BENCH_POINTS(1, 4, 16, 64),
        .workers = 2,
        .baseline = "pthread",
        .variants = {{.name = "pthread", .run = trip_pipes, .setup = pipes_open},
            {.name = "queue", .run = trip_queue},
            {.name = "conc", .run = trip_conc, .setup = chans_without_room}},
        .teardown = sources_destroy,
        .check = each_once,
    },
    {
        .name = "first_answer",
        .title = "The first answer of so many replicas",
        .note = "A replica answers in 200 µs, one time in eight in 3 ms. Asking several at once "
                "and taking the first answer cuts off the slow ones. conc calls the losers off; "
                "the textbook's threads have to be waited for, so its slowest replica decides.",
        .kind = BENCH_MESSAGE,
        .unit = "question",
        .items = 40,
        .quick_items = 20,
        .smoke_items = 4,
        .sweep = "workers",
        .points = BENCH_POINTS(1, 2, 4, 8),
        .variants = {{.name = "serial", .once = true, .run = ask_one},
            {.name = "pthread", .run = ask_textbook}, {.name = "conc", .run = ask_conc}},
        .check = answers_right,
    },
    {0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
        &(struct bench_program){
            .number = 15, .slug = "select", .title = "Select", .workloads = workloads});
}
