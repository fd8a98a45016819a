/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

/*
 * What the tests share: a thin layer on check. Each test runs in a process of its own (CK_FORK=no
 * keeps it in one, for a debugger), so each ends with the library's leak report: a task that is
 * still there when the test returns makes it fail with exit code 4.
 *
 *   START_TEST(sends)
 *   {
 *       unit_ok(conc_chan_create(&ch, sizeof(int), 1, NULL));
 *       unit_rc(conc_chan_try_recv(ch, &value), EAGAIN);
 *       conc_chan_destroy(ch);
 *   }
 *   END_TEST
 *
 *   int main(void)
 *   {
 *       return unit_main("chan", sends);
 *   }
 *
 * One test alone: CK_RUN_CASE=sends ./test_chan. No task may be started outside a test: the process
 * is forked. A check in a hot loop should be a plain `if`: each ck_assert writes to a pipe.
 */

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "runtime/census.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/memory.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "sync/timer.h"

/* Which sanitizer this is compiled for. */
#if defined(__SANITIZE_THREAD__)
#define UNIT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNIT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNIT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNIT_ASAN 1
#endif
#endif
#ifndef UNIT_TSAN
#define UNIT_TSAN 0
#endif
#ifndef UNIT_ASAN
#define UNIT_ASAN 0
#endif
#define UNIT_SANITIZED (UNIT_TSAN || UNIT_ASAN)

/* ---------------------------------------------------------------- running */

#define UNIT_TIMEOUT_S 20 /* per test, before CK_TIMEOUT_MULTIPLIER; none takes a tenth of it */

/* Runs the tests: 0 when all passed, for main to return. The second form sets the time per test. */
#define unit_main(suite, ...) unit_main_timeout((suite), UNIT_TIMEOUT_S, __VA_ARGS__)
#define unit_main_timeout(suite, seconds, ...)                                                     \
    unit_run_tests((suite), (seconds), (const TTest *const[]){__VA_ARGS__, NULL})

static inline int unit_run_tests(const char *name, double seconds, const TTest *const *tests)
{
    /* The library's own death messages are wanted, core files of tests that abort are not. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    Suite *suite = suite_create(name);
    for (; *tests; tests++) {
        /* A case per test, so that CK_RUN_CASE can name it. */
        TCase *one = tcase_create((*tests)->name);
        tcase_set_timeout(one, seconds);
        tcase_add_test(one, *tests);
        suite_add_tcase(suite, one);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}

/* Whether all tasks share one thread and a virtual clock. What needs the kernel in between (a
 * thread that conc did not start and that a task waits for, a call that blocks for ever) cannot run
 * so. */
static inline bool unit_on_sim(void)
{
    return strcmp(conc_engine_name(), "sim") == 0;
}

/* ---------------------------------------------------------------- error codes */

/* The call returns `expected`; the message says both in words. */
#define unit_rc(call, expected)                                                                    \
    do {                                                                                           \
        int unit_got_ = (call);                                                                    \
        int unit_want_ = (expected);                                                               \
        ck_assert_msg(unit_got_ == unit_want_, "%s is %d (%s), not %d (%s)", #call, unit_got_,     \
            strerror(unit_got_), unit_want_, strerror(unit_want_));                                \
    } while (0)

/* The call returns 0. */
#define unit_ok(call) unit_rc((call), 0)

/* ---------------------------------------------------------------- waiting for a state */

/* The list of the census, to be freed. */
static inline char *unit_census(void)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    conc_census_print(fileno(file));
    off_t size = lseek(fileno(file), 0, SEEK_END);
    char *text = malloc((size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ssize_t len = pread(fileno(file), text, (size_t)size, 0);
    text[len > 0 ? len : 0] = '\0';
    fclose(file);
    return text;
}

/* How many tasks are asleep in a waiting call now, the caller not counted. Read from the census's
 * own list, so nothing has to be added to the library for the tests' sake. */
static inline size_t unit_parked(void)
{
    char *text = unit_census();
    size_t parked = 0;
    for (const char *at = text; (at = strstr(at, ": waits ")) != NULL; at++)
        parked++;
    free(text);
    return parked;
}

/* Sleeps a moment between two looks at a state; fails the test when that has gone on for too long.
 */
static inline void unit_wait_step(
    int64_t *begun_ns, const char *condition, const char *file, int line)
{
    if (*begun_ns == 0)
        *begun_ns = conc_now_ns();
    int64_t limit = CONC_S(RUNNING_ON_VALGRIND ? 200 : UNIT_SANITIZED ? 60 : 15);
    if (conc_now_ns() - *begun_ns > limit)
        ck_abort_msg("%s:%d: waited for %s in vain", file, line, condition);
    conc_yield();
    conc_sleep(CONC_US(100), NULL);
}

/* Waits until the condition is true. */
#define unit_wait_until(condition)                                                                 \
    do {                                                                                           \
        int64_t unit_begun_ = 0;                                                                   \
        while (!(condition))                                                                       \
            unit_wait_step(&unit_begun_, #condition, __FILE__, __LINE__);                          \
    } while (0)

/* Waits until at least n tasks are asleep, and so stand in the queue of what they wait for. */
#define unit_wait_parked(n) unit_wait_until(unit_parked() >= (size_t)(n))

/* ---------------------------------------------------------------- seeds and sizes */

/* The seed of this process: CONC_SEED if that is set, else a new one; printed either way. The
 * library draws from it, too. */
static inline uint64_t unit_seed(void)
{
    static uint64_t seed;
    static bool known;
    if (!known) {
        const char *given = getenv("CONC_SEED");
        if (given) {
            seed = strtoull(given, NULL, 0);
        } else {
            seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
            conc_random_seed(seed);
        }
        known = true;
        fprintf(stderr, "seed: CONC_SEED=%" PRIu64 "\n", seed);
    }
    return seed;
}

/* CONC_STRESS: how long and how large the stress tests are, as a factor; 1 without it. */
static inline double unit_stress_factor(void)
{
    const char *given = getenv("CONC_STRESS");
    double factor = given ? strtod(given, NULL) : 1.0;
    return factor > 0 ? factor : 1.0;
}

/* A size for the present tool: n, less under a sanitizer, much less under Valgrind, never below 1.
 */
static inline size_t unit_scaled(size_t n)
{
    size_t scaled = RUNNING_ON_VALGRIND ? n / 20 : UNIT_SANITIZED ? n / 4 : n;
    return scaled > 0 ? scaled : 1;
}

/* Rounds of a stress test, each with a seed of its own, until the time is up:
 *
 *   for (struct unit_stress s = unit_stress_begin(1.5); unit_stress_more(&s);)
 *       one_round(s.seed);
 *
 * The seeds follow from unit_seed, so a given CONC_SEED repeats the same rounds. */
struct unit_stress {
    uint64_t state;
    uint64_t seed; /* of this round */
    int64_t end_ns;
    long rounds;
};

static inline struct unit_stress unit_stress_begin(double seconds)
{
    return (struct unit_stress){.state = unit_seed(),
        .end_ns = conc_deadline_after((int64_t)(seconds * 1e9 * unit_stress_factor()))};
}

static inline bool unit_stress_more(struct unit_stress *stress)
{
    if (stress->rounds > 0 && conc_now_ns() >= stress->end_ns) {
        fprintf(stderr, "rounds: %ld\n", stress->rounds);
        return false;
    }
    stress->rounds++;
    stress->seed = conc_splitmix64(&stress->state);
    return true;
}

/* ---------------------------------------------------------------- stacks */

/* Uses n + 1 frames of half a KiB and some bytes of the caller's stack. */
static inline int unit_dig(int n)
{
    char frame[512];
    memset(frame, n, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory");
    return n == 0 ? frame[0] : unit_dig(n - 1) + frame[1];
}

/* ---------------------------------------------------------------- other processes */

/* How a child ended and what it wrote. Zero-terminated, cut at the size of the arrays. */
struct unit_child {
    int status;    /* of waitpid */
    int exit_code; /* -1: ended by a signal */
    int signal;    /* 0: it exited */
    char out[8192];
    char err[16384];
};

static inline void unit_child_read(FILE *file, char *text, size_t size)
{
    ssize_t len = pread(fileno(file), text, size - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    fclose(file);
}

/*
 * Runs fn(arg) in a child, as if it were a main function: what it returns goes to exit. With
 * `program` instead of fn, runs that program. Must come before the test's first call into conc,
 * which may start threads.
 */
static inline void unit_child_run(
    struct unit_child *child, int (*fn)(void *), void *arg, const char *program)
{
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    ck_assert(out && err);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        if (program) {
            execl(program, program, (char *)NULL);
            perror(program);
            _exit(127);
        }
        exit(fn(arg));
    }
    ck_assert_int_eq(waitpid(pid, &child->status, 0), pid);
    child->exit_code = WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1;
    child->signal = WIFSIGNALED(child->status) ? WTERMSIG(child->status) : 0;
    unit_child_read(out, child->out, sizeof(child->out));
    unit_child_read(err, child->err, sizeof(child->err));
}

static inline int unit_call_void(void *fn)
{
    void (*call)(void);
    memcpy(&call, fn, sizeof(call));
    call();
    return 0;
}

/* fn() is a programming error: it aborts, with this source file and `text` on stderr; the second
 * form is for calls that do not know their caller's line. */
#define unit_aborts(fn, text) unit_aborts_in((fn), (text), __FILE__)
static inline void unit_aborts_in(void (*fn)(void), const char *text, const char *file)
{
    struct unit_child child;
    unit_child_run(&child, unit_call_void, &fn, NULL);
    ck_assert_msg(child.signal == SIGABRT, "no abort: exit code %d, signal %d, stderr: %s",
        child.exit_code, child.signal, child.err);
    ck_assert_msg(strstr(child.err, file), "no '%s' on stderr: %s", file, child.err);
    ck_assert_msg(strstr(child.err, text), "no '%s' on stderr: %s", text, child.err);
}

#endif
