/* SPDX-License-Identifier: MIT */
#include "bench/targets/row.h"

const struct row rows[] = {
    {.id = "unbuffered",
        .title = "unbuffered channel, a message",
        .conc = chan_stream,
        .go_there = 93,
        .textbook = chan_stream_textbook,
        .target = 20,
        .threads_target = 150,
        .threads_limit = 107, /* a cache line there and back between two cores */
        .limit = 8,
        .times_go = 4},
    {.id = "ping_pong",
        .title = "two unbuffered channels, there and back",
        .conc = chan_ping_pong,
        .go_there = 185,
        .textbook = chan_ping_pong_textbook,
        .target = 40,
        .threads_target = 300,
        .threads_limit = 214,
        .limit = 14,
        .times_go = 4},
/* On threads only where there is room: with little of it each message is a cache line's trip. */
#define BOUNDED(name, cap, run, threads)                                                           \
    {                                                                                              \
        .id = "bounded_" name "_cap" #cap, .title = "channel of capacity " #cap ", a message",     \
        .conc = run, .textbook = run##_textbook, .parameter = cap, .target = 15,                   \
        .threads_target = threads, .limit = 7, .times_go = 2                                       \
    }
    BOUNDED("1_1", 1, chan_stream, 0),
    BOUNDED("1_1", 10, chan_stream, 0),
    BOUNDED("1_1", 100, chan_stream, 40),
    BOUNDED("1_1", 1000, chan_stream, 40),
    BOUNDED("4_4", 1, chan_many, 0),
    BOUNDED("4_4", 10, chan_many, 0),
    BOUNDED("4_4", 100, chan_many, 150),
    BOUNDED("4_4", 1000, chan_many, 150),
    {.id = "select_4_ready",
        .title = "select, four channels ready",
        .conc = chan_select,
        .go_there = 92,
        .textbook = chan_select_textbook,
        .target = 25,
        .limit = 10,
        .times_go = 4},
    {.id = "spawn_join",
        .title = "a task of a wait group, in batches of 100",
        .conc = spawn_group,
        .textbook = spawn_group_textbook,
        .target = 25,
        .limit = 14,
        .times_go = 4},
    {.id = "spawn_join_1",
        .title = "a task, started and joined alone",
        .conc = spawn_one,
        .textbook = spawn_one_textbook,
        .target = 25,
        .limit = 14,
        .times_go = 4},
    {.id = "pool_empty",
        .title = "pool of two, an empty task",
        .conc = pool_empty,
        .go_there = 36,
        .textbook = pool_empty_textbook,
        .target = 20,
        .limit = 5,
        .times_go = 2},
    {.id = "errgroup",
        .title = "error group, a task",
        .conc = errgroup_go,
        .go_there = 106,
        .textbook = errgroup_go_textbook,
        .target = 25,
        .limit = 6,
        .times_go = 4},
    {.id = "errgroup_limit",
        .title = "error group, a task, 2 at once",
        .conc = errgroup_go,
        .go_there = 232,
        .textbook = errgroup_go_textbook,
        .parameter = 2,
        .target = 35,
        .limit = 14,
        .times_go = 4},
    {.id = "limiter_allow",
        .title = "rate limiter, allow",
        .conc = limiter_allow,
        .go_there = 67,
        .textbook = limiter_allow_textbook,
        .target = 25,
        .limit = 13.5,
        .threads_limit = 13.5,
        .times_go = 2},
    {.id = "semaphore",
        .title = "semaphore, acquire and release",
        .conc = semaphore_pair,
        .go_there = 21.7,
        .textbook = semaphore_pair_textbook,
        .target = 10,
        .limit = 9.2,
        .threads_limit = 9.2,
        .times_go = 2},
    {.id = "cond_queue_100",
        .title = "queue of mutex and conditions, capacity 100",
        .conc = queue_stream,
        .go_there = 27,
        .textbook = chan_stream_textbook,
        .parameter = 100,
        .target = 15,
        .limit = 12,
        .times_go = 2},
    {.id = "counter_striped",
        .title = "counter, two tasks, striped",
        .conc = counter_striped,
        .textbook = counter_textbook,
        .target = 1,
        .limit = 0.5,
        .threads_limit = 0.5,
        .times_go = 2},
    {.id = "counter_atomic",
        .title = "counter, two tasks, one atomic",
        .conc = counter_atomic,
        .go_there = 6.5,
        .textbook = counter_textbook,
        .target = 7,
        .limit = 6.5,
        .threads_limit = 6.5},
    {.id = "map_get",
        .title = "map of 1024 keys, get",
        .conc = map_get,
        .go_there = 17.6,
        .textbook = map_get_textbook,
        .target = 10,
        .limit = 6,
        .threads_limit = 6,
        .times_go = 2},
    {.id = "map_put",
        .title = "map of 1024 keys, put",
        .conc = map_put,
        .textbook = map_put_textbook,
        .target = 20,
        .limit = 12,
        .threads_limit = 12},
    {.id = "context_create_cancel",
        .title = "context, made and cancelled",
        .conc = context_create,
        .go_there = 54,
        .textbook = context_create_textbook,
        .target = 40,
        .limit = 15,
        .threads_limit = 15,
        .times_go = 2},
    {.id = "context_poll",
        .title = "context, asked whether it is done",
        .conc = context_poll,
        .textbook = context_poll_textbook,
        .target = 0.5,
        .limit = 0.3,
        .threads_limit = 0.3,
        .times_go = 2},

/* The time of all; the limit is the ideal, and the target a few per cent more. */
#define MS_SLEEPS(w, ideal, most)                                                                  \
    {                                                                                              \
        .id = "sleep_1ms_w" #w, .title = "1000 sleeps of 1 ms by " #w, .conc = sleep_1ms,          \
        .textbook = sleep_1ms_textbook, .parameter = w, .fixed = true, .target = (ideal) * (most), \
        .limit = ideal, .threads_limit = ideal                                                     \
    }
    MS_SLEEPS(10, 100e6, 1.03),
    MS_SLEEPS(100, 10e6, 1.05),
    MS_SLEEPS(1000, 1e6, 1.25),
#define US_SLEEPS(w, ideal)                                                                        \
    {                                                                                              \
        .id = "sleep_100us_w" #w, .title = "100 sleeps of 100 us by " #w, .conc = sleep_100us,     \
        .textbook = sleep_100us_textbook, .parameter = w, .fixed = true, .target = (ideal)*1.2,    \
        .limit = ideal, .threads_limit = ideal                                                     \
    }
    US_SLEEPS(1, 10e6),
    US_SLEEPS(4, 2.5e6),
    US_SLEEPS(8, 1.3e6),

#define BLOCKED(what, text, in, most, least)                                                       \
    {                                                                                              \
        .id = "blocked_100k_" what, .group = "blocked_100k", .unit = in,                           \
        .title = "100 000 tasks that wait: " text, .conc = blocked, .parameter = 100000,           \
        .fixed = true, .cold = true, .fibers_only = true, .target = most, .limit = least           \
    }
    BLOCKED("start", "start", "ns", 0.3e9, 0),
    BLOCKED("memory", "memory", "bytes", 0.5e9, 0.4e9),
    BLOCKED("wake_join", "wake and join", "ns", 50e6, 0),

/* 10 µs of serial work, at 1.95 times the speed. */
#define COMPUTING(name, text)                                                                      \
    {                                                                                              \
        .id = #name, .title = text ", 10 us of work by two", .conc = name,                         \
        .textbook = name##_textbook, .target = 10000 / 1.95, .threads_target = 10000 / 1.95,       \
        .limit = 5000, .threads_limit = 5000                                                       \
    }
    COMPUTING(cpu_fan_out, "fan-out"),
    COMPUTING(cpu_pool, "pool"),
};

const size_t rows_n = sizeof rows / sizeof *rows;
