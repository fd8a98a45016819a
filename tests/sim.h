/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

/*
 * Exploration: a scenario of a few tasks and a few operations, run under a thousand schedules of
 * the sim engine (runtime/sim.h). Small is what finds bugs: most need two or three changes of turn
 * at the right steps.
 *
 *   static void receive(void *arg)
 *   {
 *       if (conc_chan_recv(chan, NULL, NULL) == EPIPE)
 *           sim_reached("closed");
 *       else
 *           sim_reached("received");
 *   }
 *
 *   static void close_against_send(void)        // main's task
 *   {
 *       sim_ok(conc_chan_create(&chan, 0, 1, NULL));
 *       sim_go(receive, NULL);
 *       ...
 *       sim_join();
 *       sim_check(...);
 *   }
 *
 *   int main(int argc, char **argv)
 *   {
 *       return SIM_MAIN(argc, argv, SIM(close_against_send, "closed", "received"));
 *   }
 *
 * Each schedule is a process of its own, which begins with the file's variables as the program left
 * them: a scenario may use globals, and the number of a schedule is all that is needed to repeat
 * it. It fails by a check, a deadlock (exit code 3), a task left behind (4), a programming error
 * (abort) or its time limit, which counts the processor's time so that a busy machine does no harm.
 * The names given to SIM are outcomes that some schedule must reach: a scenario in which the race
 * it is about always ends the same way tests nothing.
 *
 *   SIM_SCHEDULE=17 tests/sim_chan close_against_send    that schedule alone, in this process
 *   SIM_SCHEDULES=N      how many, 1000 without it (100 under a sanitizer)
 *   SIM_FIRST=N          from which on, 0 without it
 *   SIM_KEEP_GOING=1     does not stop at the first that fails, and counts them
 *
 * Arguments name scenarios; without any all are run.
 */

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "runtime/sim.h"
#include "tests/unit.h"

enum {
    SIM_OUTCOMES = 8,  /* that a scenario may name */
    SIM_TASKS = 16,    /* that sim_go may start before a join */
    SIM_CPU_S = 5,     /* per schedule; one takes a thousandth of a second */
    SIM_ASLEEP_S = 300 /* per schedule, for one that sleeps in the kernel and never wakes */
};

struct sim_scenario {
    const char *name;
    void (*run)(void);
    const char *outcomes[SIM_OUTCOMES];
};

#define SIM(fn, ...)                                                                               \
    {                                                                                              \
        .name = #fn, .run = (fn), .outcomes = { __VA_ARGS__ }                                      \
    }
#define SIM_MAIN(argc, argv, ...)                                                                  \
    sim_main((argc), (argv), (const struct sim_scenario[]){__VA_ARGS__, {.name = NULL}})

/* ---------------------------------------------------------------- inside a scenario */

static const struct sim_scenario *sim_now;     /* the one that runs */
static uint64_t sim_schedule;                  /* its schedule */
static atomic_uint_fast64_t *sim_counts;       /* per outcome, shared by all processes */
static struct conc_task *sim_tasks[SIM_TASKS]; /* started and not joined */
static size_t sim_n_tasks;

/* Ends the process, which has failed. */
static inline _Noreturn void sim_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    _Exit(1);
}

/* The condition holds, in every build. */
#define sim_check(condition)                                                                       \
    ((condition) ? (void)0 : sim_fail(__FILE__, __LINE__, "not so: " #condition))

/* The call returns `expected`. */
#define sim_rc(call, expected) sim_rc_at((call), (expected), #call, __FILE__, __LINE__)
#define sim_ok(call) sim_rc((call), 0)
static inline void sim_rc_at(int rc, int expected, const char *call, const char *file, int line)
{
    if (rc == expected)
        return;
    char text[400];
    snprintf(text, sizeof text, "%s is %d (%s), not %d (%s)", call, rc, strerror(rc), expected,
        strerror(expected));
    sim_fail(file, line, text);
}

/* Starts a task that sim_join joins. */
#define sim_go(fn, arg)                                                                            \
    do {                                                                                           \
        sim_check(sim_n_tasks < SIM_TASKS);                                                        \
        sim_ok(conc_task_start(&sim_tasks[sim_n_tasks], (fn), (arg)));                             \
        sim_n_tasks++;                                                                             \
    } while (0)

/* Joins every task that was started so far, in that order. */
static inline void sim_join(void)
{
    for (size_t i = 0; i < sim_n_tasks; i++)
        conc_task_join(sim_tasks[i]);
    sim_n_tasks = 0;
}

/* A number below `bound`, from a sequence that follows from the schedule. */
static inline int sim_draw(int bound)
{
    return (int)conc_random_below((uint64_t)bound);
}

/* Notes that this schedule came to one of the scenario's outcomes. */
static inline void sim_reached(const char *outcome)
{
    for (size_t i = 0; i < SIM_OUTCOMES && sim_now->outcomes[i]; i++) {
        if (strcmp(sim_now->outcomes[i], outcome) == 0) {
            atomic_fetch_add(&sim_counts[i], 1);
            return;
        }
    }
    sim_fail(sim_now->name, 0, outcome); /* SIM does not name it */
}

/* ---------------------------------------------------------------- running */

static inline uint64_t sim_number(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    if (!given || !*given)
        return otherwise;
    char *end;
    errno = 0;
    uint64_t number = strtoull(given, &end, 10);
    if (*given < '0' || *given > '9' || *end != '\0' || errno != 0) {
        fprintf(stderr, "%s: '%s' is not a number of 64 bits\n", name, given);
        exit(2);
    }
    return number;
}

/* What the process of one schedule does. */
static inline int sim_run_here(void)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, sim_schedule);
    setenv("CONC_SCHEDULE", number, 1);
    setenv("CONC_SEED", number, 1); /* for main's task, which draws before there is a schedule */
    sim_ok(conc_engine_select("sim"));
    sim_now->run();
    sim_check(sim_n_tasks == 0);
    return 0;
}

/* The same in a child, whose stderr goes to `err`, which is emptied before: its wait status. */
static inline int sim_run_child(int err)
{
    if (ftruncate(err, 0) != 0 || lseek(err, 0, SEEK_SET) != 0) {
        perror("sim: stderr of a schedule");
        exit(2);
    }
    pid_t pid = fork();
    if (pid < 0) {
        perror("sim: fork");
        exit(2);
    }
    if (pid == 0) {
        dup2(err, STDERR_FILENO);
        struct itimerval limit = {.it_value.tv_sec = SIM_CPU_S};
        setitimer(ITIMER_PROF, &limit, NULL);
        alarm(SIM_ASLEEP_S);
        exit(sim_run_here());
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static inline void sim_report(const char *program, int status, int err)
{
    printf("%s: schedule %" PRIu64 " fails: ", sim_now->name, sim_schedule);
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (sig == SIGPROF || sig == SIGALRM)
        printf("it does not end within %d s\n", sig == SIGPROF ? SIM_CPU_S : SIM_ASLEEP_S);
    else if (sig != 0)
        printf("signal %d (%s)\n", sig, strsignal(sig));
    else
        printf("exit code %d%s\n", WEXITSTATUS(status),
            WEXITSTATUS(status) == 3   ? " (deadlock)"
            : WEXITSTATUS(status) == 4 ? " (tasks left behind)"
                                       : "");
    char text[16384];
    ssize_t len = pread(err, text, sizeof text, 0);
    if (len > 0)
        fwrite(text, 1, (size_t)len, stdout);
    printf("again: SIM_SCHEDULE=%" PRIu64 " %s %s\n", sim_schedule, program, sim_now->name);
}

/* How many schedules fail, or, without SIM_KEEP_GOING, whether one does. */
static inline uint64_t sim_explore(const char *program, uint64_t first, uint64_t n, int err)
{
    const char *wish = getenv("SIM_KEEP_GOING");
    bool keep_going = wish && *wish;
    uint64_t failed = 0;
    memset(sim_counts, 0, SIM_OUTCOMES * sizeof *sim_counts);
    for (sim_schedule = first; sim_schedule - first < n; sim_schedule++) {
        int status = sim_run_child(err);
        if (status == 0)
            continue;
        if (failed++ == 0)
            sim_report(program, status, err);
        if (!keep_going)
            return failed;
    }
    printf("%s: %" PRIu64 " schedules", sim_now->name, n);
    if (failed > 0)
        printf(", %" PRIu64 " of them fail", failed);
    for (size_t i = 0; i < SIM_OUTCOMES && sim_now->outcomes[i]; i++)
        printf("%s %s %" PRIu64, i > 0 ? "," : ":", sim_now->outcomes[i],
            (uint64_t)atomic_load(&sim_counts[i]));
    printf("\n");
    for (size_t i = 0; n >= 500 && i < SIM_OUTCOMES && sim_now->outcomes[i]; i++) {
        if (atomic_load(&sim_counts[i]) == 0) {
            printf("%s: no schedule reaches '%s'\n", sim_now->name, sim_now->outcomes[i]);
            failed++;
        }
    }
    return failed;
}

static inline bool sim_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

static inline int sim_main(int argc, char **argv, const struct sim_scenario *scenarios)
{
    for (int i = 1; i < argc; i++) {
        const struct sim_scenario *s = scenarios;
        while (s->name && strcmp(argv[i], s->name) != 0)
            s++;
        if (!s->name) {
            fprintf(stderr, "%s: no scenario '%s'\n", argv[0], argv[i]);
            return 2;
        }
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing in it when a child is made */
    sim_counts = mmap(NULL, SIM_OUTCOMES * sizeof *sim_counts, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FILE *file = tmpfile();
    if (sim_counts == MAP_FAILED || !file) {
        perror("sim");
        return 2;
    }
    int err = fileno(file);
    uint64_t only = sim_number("SIM_SCHEDULE", UINT64_MAX);
    uint64_t failed = 0;
    for (sim_now = scenarios; sim_now->name; sim_now++) {
        if (!sim_wanted(sim_now->name, argc, argv))
            continue;
        if (only != UINT64_MAX && argc == 2) {
            sim_schedule = only;
            return sim_run_here(); /* with nothing in between, for a debugger */
        }
        failed += only != UINT64_MAX
                      ? sim_explore(argv[0], only, 1, err)
                      : sim_explore(argv[0], sim_number("SIM_FIRST", 0),
                            sim_number("SIM_SCHEDULES", UNIT_SANITIZED ? 100 : 1000), err);
    }
    return failed > 0;
}

#endif
