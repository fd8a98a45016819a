/* SPDX-License-Identifier: MIT */

/*
 * The claims. The reasons have to hold on every machine and for every outcome: they say what
 * decides the result, and the report puts the measured numbers beside them.
 */

#include "claims.h"

const struct claim claims_list[] = {
    {"C1", "1000 jobs of 1 ms sleep, 10 workers, against one after the other", "10 × faster",
        CLAIM_RATIO, 10,
        "Jobs that only wait need no core, so 10 workers overlap 10 waits however many cores there "
        "are; what is missing to 10 is the start of the workers and the last, uneven round."},
    {"C2", "the same jobs, 100 workers", "100 × faster", CLAIM_RATIO, 100,
        "The more workers, the shorter the run, and the larger the part of it that goes into "
        "starting and waking them: the waits still overlap, the start does not."},
    {"C3", "pipeline of integers, square, keep even, unbuffered, against the plain loop",
        "2.7 × faster", CLAIM_RATIO, 2.7,
        "An unbuffered hand-off makes two tasks meet for every item at every stage and costs many "
        "times a multiplication. Stages pay only when the work per item outweighs the hand-offs, "
        "and then at most as many times as there are cores."},
    {"C4", "pipeline that carries errors beside values, against the loop", "2.7 × faster",
        CLAIM_RATIO, 2.7,
        "An error slot makes the message a little larger and the work no larger: the hand-off "
        "decides, as in C3."},
    {"C5", "100 jobs of 100 µs sleep, 4 workers", "4 × faster", CLAIM_RATIO, 4,
        "Waits overlap, so the bound is the number of workers; with waits as short as 100 µs, "
        "starting and waking a worker is a visible part of each."},
    {"C6", "the same jobs, 8 workers", "8 × faster", CLAIM_RATIO, 8,
        "As C5, with more workers to start for less waiting each; 100 jobs are also no multiple of "
        "8, so the last round is not full: 13 rounds of waiting, at best 7.7 ×."},
    {"C7", "counter: atomic increment against a mutex around it", "12 ns against 150 ns",
        CLAIM_RATIO, 150.0 / 12.0,
        "An atomic increment is one locked instruction, a free mutex is two. Under contention both "
        "wait for the cache line to come over from the other core; the mutex grows much dearer "
        "only when its waiters go to sleep and must be woken."},
    {"C8", "submitting an empty task to a pool of 10 workers", "250 ns", CLAIM_COST, 250,
        "A submission is one passage through a locked queue. Its cost is decided by how often a "
        "sleeping worker has to be woken for it: a wake-up costs many times the passage."},
    {"C9", "dynamic pool of 2 to 16 workers against 8 fixed ones, tasks of 10 ms", "30 % faster",
        CLAIM_RATIO, 1.3,
        "Workers beyond 8 help only while more than 8 tasks are there at once and only if they "
        "wait; under a load that 8 workers keep up with, there is nothing to gain."},
    {"C10", "pool on work that computes", "N × faster on N cores", CLAIM_CORES, 0,
        "A core computes one thing at a time, so N cores are the bound; it is approached when a "
        "task is large beside the cost of handing it out, and when nothing else runs."},
    {"C11", "fan-out and fan-in on work that computes", "4 to 8 × faster", CLAIM_RATIO, 4,
        "The bound is the number of cores: 4 to 8 times needs 4 to 8 free cores, and on fewer, "
        "more workers only take turns."},
};

const size_t claims_count = sizeof claims_list / sizeof claims_list[0];
