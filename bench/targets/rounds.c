/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/targets/compare.h"
#include "runtime/cores.h"
#include "runtime/random.h"

enum { PATIENCE_S = 60, OUTPUT = 4096 };

static const char *const engine_names[CONTENDERS] = {"fibers", "threads", "pthread", "Go", "Go"};

/* One process to run: the first row of a group stands for all of it. */
struct job {
    size_t row;
    enum contender contender;
};

bool contender_has(enum contender contender, const struct row *row, bool go)
{
    switch (contender) {
    case FIBERS:
        return true;
    case THREADS:
        return !row->fibers_only;
    case TEXTBOOK:
        return row->textbook != NULL;
    default:
        return go;
    }
}

/* ---- one process ---- */

static char self[PATH_MAX];
static char go_program[PATH_MAX + 16];
static volatile pid_t child; /* 0 between processes */

static void on_signal(int number)
{
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static const char *name_of(const struct row *row)
{
    return row->group ? row->group : row->id;
}

static void exec_job(const struct job *job, int64_t ms)
{
    char number[24];
    const char *name = name_of(&rows[job->row]);
    snprintf(number, sizeof number, "%lld", (long long)ms);
    if (job->contender >= GO_1) {
        setenv("GOMAXPROCS", job->contender == GO_1 ? "1" : "2", 1);
        execl(go_program, go_program, name, "--ms", number, (char *)NULL);
        fprintf(stderr, "%s: %s\n", go_program, strerror(errno));
    } else {
        execl(self, self, name, "--engine", engine_names[job->contender], "--ms", number,
            (char *)NULL);
        fprintf(stderr, "%s: %s\n", self, strerror(errno));
    }
    _exit(127);
}

/* Reads what the process prints until it ends or patience does. False: patience did. */
static bool read_output(int fd, char *output, size_t size)
{
    size_t length = 0;
    time_t give_up = time(NULL) + PATIENCE_S;
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        time_t now = time(NULL);
        int n = now < give_up ? poll(&ready, 1, (int)(give_up - now) * 1000) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        char rest[OUTPUT];
        ssize_t got = read(fd, rest, sizeof rest);
        if (got <= 0)
            break;
        size_t room = size - 1 - length;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(output + length, rest, kept);
        length += kept;
    }
    output[length] = '\0';
    return true;
}

static bool complain(const struct job *job, const char *why)
{
    fprintf(stderr, "conc-targets: %s, %s: %s\n", name_of(&rows[job->row]),
        engine_names[job->contender], why);
    return false;
}

/* One figure more; where there is one for each round already, in the place of a disturbed one. */
static void keep(struct measured *m, enum contender contender, double value, bool quiet, int rounds)
{
    double *values = m->values[contender];
    int n = m->n[contender];
    int at = quiet ? m->quiet[contender]++ : n;
    if (n < rounds) {
        values[n] = values[at];
        m->n[contender]++;
    }
    if (at < rounds)
        values[at] = value;
}

/* Lines of "ID FIGURE", one for each row of the group. */
static bool keep_figures(
    const struct job *job, char *output, bool quiet, int rounds, struct measured *results)
{
    size_t row = job->row;
    char *rest = output;
    do {
        char *line = strsep(&rest, "\n");
        char *space = line ? strchr(line, ' ') : NULL;
        char *end = NULL;
        double value = space ? strtod(space + 1, &end) : 0;
        if (!space || end == space + 1 || *end != '\0' || !(value > 0) ||
            strncmp(line, rows[row].id, (size_t)(space - line)) != 0 ||
            rows[row].id[space - line] != '\0')
            return complain(job, "prints no figure");
        keep(&results[row], job->contender, value, quiet, rounds);
        row++;
    } while (row < rows_n && row_same_run(&rows[row], &rows[job->row]));
    return true;
}

/* Leaves what it prints in `output`. */
static bool run_job(const struct job *job, int64_t ms, char output[OUTPUT])
{
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return complain(job, strerror(errno));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        dup2(pipe_ends[1], STDOUT_FILENO);
        dup2(pipe_ends[1], STDERR_FILENO);
        exec_job(job, ms);
    }
    close(pipe_ends[1]);
    if (child < 0) {
        close(pipe_ends[0]);
        return complain(job, strerror(errno));
    }
    bool ended = read_output(pipe_ends[0], output, OUTPUT);
    close(pipe_ends[0]);
    if (!ended)
        kill(child, SIGKILL);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    child = 0;
    if (!ended)
        return complain(job, "no result in a minute");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        size_t length = strcspn(output, "\n");
        output[length] = '\0';
        return complain(job, length > 0 ? output : "it failed and did not say why");
    }
    return true;
}

/* ---- rounds ---- */

static bool find_programs(bool *go)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        fprintf(stderr, "conc-targets: /proc/self/exe: %s\n", strerror(errno));
        return false;
    }
    self[length] = '\0';
    const char *slash = strrchr(self, '/');
    snprintf(go_program, sizeof go_program, "%.*s/targets-go", (int)(slash - self), self);
    *go = access(go_program, X_OK) == 0;
    return true;
}

/* Fisher and Yates. */
static void shuffle(struct job *jobs, size_t n, uint64_t *draws)
{
    for (size_t i = n; i > 1; i--) {
        size_t with = (size_t)(conc_splitmix64(draws) % i);
        struct job kept = jobs[i - 1];
        jobs[i - 1] = jobs[with];
        jobs[with] = kept;
    }
}

/* The processes of which a figure is still wanted, and what they are to give. */
struct contest {
    struct job *jobs;
    size_t n;
    uint64_t draws;
    int64_t ms;
    int rounds; /* and so many figures of each */
    struct measured *results;
    bool good;     /* nothing has failed */
    bool terminal; /* where it may be said how far it is */
};

/* Runs one, and counts it out where it is done; or has failed, for it may hang each time. */
static void run_one(struct contest *contest, size_t i)
{
    char output[OUTPUT];
    struct job *job = &contest->jobs[i];
    struct quiet quiet;
    quiet_begin(&quiet);
    bool ran = run_job(job, contest->ms, output) &&
               keep_figures(job, output, quiet_end(&quiet), contest->rounds, contest->results);
    if (!ran || contest->results[job->row].quiet[job->contender] == contest->rounds)
        *job = contest->jobs[--contest->n];
    contest->good = contest->good && ran;
}

/* Each of them once, in random order; none after `until_ns`. */
static void run_all(struct contest *contest, int round, int64_t until_ns)
{
    shuffle(contest->jobs, contest->n, &contest->draws);
    for (size_t i = contest->n; i-- > 0 && conc_machine_now_ns() < until_ns;) {
        const struct job *job = &contest->jobs[i];
        if (contest->terminal)
            fprintf(stderr, "\r\033[Kround %d%s, %zu to go: %s, %s", round + 1,
                round < contest->rounds ? "" : ", of those disturbed", i + 1,
                name_of(&rows[job->row]), engine_names[job->contender]);
        run_one(contest, i);
    }
    if (contest->terminal)
        fprintf(stderr, "\r\033[K");
}

/* What there is to run, with room for all. */
static size_t list_jobs(struct job *jobs, const struct measured *results, bool go)
{
    size_t n = 0;
    for (size_t row = 0; row < rows_n; row++) {
        bool follows = row > 0 && row_same_run(&rows[row - 1], &rows[row]);
        for (enum contender c = FIBERS; c < CONTENDERS; c++)
            if (results[row].wanted && !follows && contender_has(c, &rows[row], go))
                jobs[n++] = (struct job){.row = row, .contender = c};
    }
    return n;
}

bool rounds_run(struct measured *results, int rounds, int64_t ms, bool *go)
{
    struct contest contest = {.draws = (uint64_t)time(NULL),
        .ms = ms,
        .rounds = rounds,
        .results = results,
        .good = true,
        .terminal = isatty(STDERR_FILENO) != 0};
    if (!find_programs(go))
        return false;
    contest.jobs = calloc(rows_n * CONTENDERS, sizeof *contest.jobs);
    if (!contest.jobs) {
        fprintf(stderr, "conc-targets: no memory\n");
        return false;
    }
    contest.n = list_jobs(contest.jobs, results, *go);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    int64_t began_ns = conc_machine_now_ns();
    int round = 0;
    while (round < rounds)
        run_all(&contest, round++, INT64_MAX);
    int64_t now_ns = conc_machine_now_ns();
    int64_t until_ns = now_ns + (now_ns - began_ns);
    while (contest.n > 0 && conc_machine_now_ns() < until_ns)
        run_all(&contest, round++, until_ns);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    free(contest.jobs);
    return contest.good;
}
