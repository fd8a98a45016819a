/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create, strsignal */
#include "demos/driver/driver.h"
#include "demos/driver/pitfall.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A run that takes so long goes round in circles: time on sim is virtual. */
enum { TIME_LIMIT_S = 20 };

/* How much of the trace and of the program's own report is shown. */
enum { TURNS_SHOWN = 24, COLUMNS = 3, REPORT_LINES = 16 };

struct explored {
    const char *program;
    char **argv; /* of the program */
    char title[80];
    const char *replay;
    uint64_t schedules;
    uint64_t seed;
    int out; /* the stdout of the run of the moment */
    int err;
    int log;
    char log_path[32];
};

/* How one run ended. */
struct ending {
    int status;      /* of waitpid */
    bool other;      /* succeeded, with another result than the first that did */
    uint64_t result; /* a digest of stdout */
};

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t child_pid;

static void on_signal(int number)
{
    interrupted = number;
    if (child_pid > 0)
        kill(-(pid_t)child_pid, SIGKILL); /* its whole group */
}

/* ------------------------------------------------------------------ one run */

static void become(const struct explored *e, uint64_t seed, bool logged)
{
    char text[32];
    setpgid(0, 0); /* Ctrl-C is ours */
    alarm(TIME_LIMIT_S);
    dup2(e->out, STDOUT_FILENO);
    dup2(e->err, STDERR_FILENO);
    snprintf(text, sizeof text, "%" PRIu64, seed);
    setenv("CONC_ENGINE", "sim", 1);
    setenv("CONC_SCHEDULE", text, 1);
    if (logged)
        setenv("CONC_SCHEDULE_LOG", e->log_path, 1);
    execv(e->program, e->argv);
    fprintf(stderr, "explore: %s: %s\n", e->program, strerror(errno));
    _exit(127);
}

static void empty(int fd)
{
    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        perror("explore");
}

/* FNV-1a, of what the run has printed. */
static uint64_t digest(int fd)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    unsigned char bytes[4096];
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, bytes, sizeof bytes, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++)
            hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static int run(const struct explored *e, uint64_t seed, bool logged, struct ending *outcome)
{
    empty(e->out);
    empty(e->err);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become(e, seed, logged);
    if (child < 0) {
        fprintf(stderr, "explore: fork: %s\n", strerror(errno));
        return FAILED;
    }
    setpgid(child, child); /* as the child does: whoever comes first */
    child_pid = child;
    while (waitpid(child, &outcome->status, 0) < 0)
        if (errno != EINTR)
            return FAILED;
    child_pid = 0;
    outcome->result = digest(e->out);
    return DONE;
}

static bool succeeded(const struct ending *outcome)
{
    return WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == 0;
}

static void describe(const struct ending *outcome, char *text, size_t size)
{
    int status = outcome->status;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(text, size, "does not end");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "killed: %s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 3)
        snprintf(text, size, "deadlock");
    else if (WEXITSTATUS(status) == 4)
        snprintf(text, size, "tasks left behind");
    else if (WEXITSTATUS(status) != 0)
        snprintf(text, size, "exit code %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "another result than before");
}

/* ------------------------------------------------------------------ what a run has left */

/* The text of a file, to be freed; NULL: no memory. */
static char *text_of(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)size + 1);
    if (text) {
        ssize_t n = pread(fd, text, (size_t)size, 0);
        text[n > 0 ? n : 0] = '\0';
    }
    return text;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

/* The last `n` lines of a text. */
static const char *tail(const char *text, size_t n)
{
    for (size_t skip = lines_of(text); skip > n; skip--)
        text = strchr(text, '\n') + 1;
    return text;
}

/* One line of the log: STEP, task: number and name, what it waits for, place, next task: number and
 * name. */
struct turn {
    const char *step;
    const char *number;
    const char *name;
    char gives_up[96]; /* why its turn ends */
};

static bool read_turn(char *line, struct turn *turn)
{
    char *field[7];
    for (int i = 0; i < 7; i++) {
        field[i] = strsep(&line, "\t");
        if (!field[i])
            return false;
    }
    *turn = (struct turn){.step = field[0], .number = field[1], .name = field[2]};
    const char *slash = strrchr(field[4], '/');
    const char *place = slash ? slash + 1 : field[4];
    char *text = turn->gives_up;
    size_t size = sizeof turn->gives_up;
    if (!strcmp(field[3], "for its turn"))
        snprintf(text, size, "could go on");
    else if (!strcmp(field[3], "ends"))
        snprintf(text, size, "ends");
    else if (!strcmp(field[4], "-"))
        snprintf(text, size, "waits %s", field[3]);
    else
        snprintf(text, size, "waits %s, at %s", field[3], place);
    return true;
}

/* The column of a task; a new one, if it has none; -1: there are enough. */
static int column_of(const struct turn *turn, const struct turn **columns, int *n)
{
    for (int i = 0; i < *n; i++)
        if (!strcmp(columns[i]->number, turn->number))
            return i;
    if (*n == COLUMNS)
        return -1;
    columns[*n] = turn;
    return (*n)++;
}

/* Side by side, where there are few tasks: what they did to each other is seen best so. */
static bool print_columns(const struct turn *turns, int n)
{
    const struct turn *columns[COLUMNS];
    int width = 0;
    int used = 0;
    for (int i = 0; i < n; i++)
        if (column_of(&turns[i], columns, &used) < 0)
            return false;
    if (used == 0)
        return false;
    width = 70 / used;
    printf("  %6s", "step");
    for (int c = 0; c < used; c++) {
        char who[48];
        snprintf(who, sizeof who, "%s %s", columns[c]->number, columns[c]->name);
        printf("  %-*.*s", width - 2, width - 2, who);
    }
    putchar('\n');
    for (int i = 0; i < n; i++) {
        int c = column_of(&turns[i], columns, &used);
        const char *rest = turns[i].gives_up;
        /* What is too long for its column goes on below. */
        for (bool first = true; *rest; first = false) {
            int length = (int)strlen(rest);
            int cut = length;
            if (length > width - 2)
                for (cut = width - 2; cut > 10 && rest[cut] != ' ';)
                    cut--;
            printf("  %6s%*s  %.*s\n", first ? turns[i].step : "", c * width, "", cut, rest);
            rest += cut + (rest[cut] == ' ');
        }
    }
    return true;
}

static void print_trace(const struct explored *e)
{
    struct turn turns[TURNS_SHOWN];
    int n = 0;
    char *text = text_of(e->log);
    if (!text)
        return;
    size_t all = lines_of(text);
    char *rest = text + (tail(text, TURNS_SHOWN) - text);
    for (char *line; n < TURNS_SHOWN && (line = strsep(&rest, "\n")) && *line;)
        n += read_turn(line, &turns[n]);
    if (all > TURNS_SHOWN)
        printf("  %6s  %zu turns before\n", "...", all - TURNS_SHOWN);
    if (!print_columns(turns, n)) {
        printf("  %6s  %-22s %s\n", "step", "task", "gives up its turn");
        for (int i = 0; i < n; i++) {
            char who[48];
            snprintf(who, sizeof who, "%s %s", turns[i].number, turns[i].name);
            printf("  %6s  %-22.22s %s\n", turns[i].step, who, turns[i].gives_up);
        }
    }
    free(text);
}

static void print_report(const struct explored *e)
{
    char *text = text_of(e->err);
    if (text && *text)
        printf("\nwhat it says:\n%s", tail(text, REPORT_LINES));
    free(text);
}

/* ------------------------------------------------------------------ many runs */

struct failures {
    uint64_t number;
    uint64_t first;
    uint64_t shortest;
    size_t turns; /* of the shortest */
    char first_is[64];
    char shortest_is[64];
    bool repeats; /* each so far, when it was run again */
};

/* Runs a failed schedule again, with the log on: how long is it, and does it repeat? */
static int note_failure(
    const struct explored *e, uint64_t seed, const struct ending *outcome, struct failures *f)
{
    struct ending again = *outcome;
    empty(e->log);
    if (run(e, seed, true, &again) != DONE)
        return FAILED;
    if (interrupted)
        again = *outcome; /* killed by us: nothing is known */
    f->repeats &= again.status == outcome->status && again.result == outcome->result;
    char *log = text_of(e->log);
    size_t turns = log ? lines_of(log) : 0;
    free(log);
    char text[64];
    describe(outcome, text, sizeof text);
    if (f->number++ == 0) {
        f->first = seed;
        snprintf(f->first_is, sizeof f->first_is, "%s", text);
    }
    if (f->number == 1 || turns < f->turns) {
        f->shortest = seed;
        f->turns = turns;
        snprintf(f->shortest_is, sizeof f->shortest_is, "%s", text);
    }
    return DONE;
}

static void report(const struct explored *e, const struct failures *f, uint64_t done)
{
    printf("%s%" PRIu64 " schedules from %" PRIu64 ", %" PRIu64 " failed\n", e->title, done,
        e->seed, f->number);
    if (f->number == 0)
        return;
    struct ending last;
    empty(e->log);
    if (run(e, f->shortest, true, &last) != DONE)
        return;
    printf("first:    schedule %" PRIu64 ": %s\n", f->first, f->first_is);
    printf("shortest: schedule %" PRIu64 ": %s, after %zu turns\n\n", f->shortest, f->shortest_is,
        f->turns);
    print_trace(e);
    print_report(e);
    printf("\nto repeat it: CONC_SCHEDULE=%" PRIu64 " %s\n", f->shortest, e->replay);
    if (!f->repeats)
        printf("some did not repeat: the program depends on more than its schedule (threads or "
               "processes outside conc, the clock, addresses)\n");
}

static void show_progress(uint64_t done, const struct explored *e, const struct failures *f)
{
    if (isatty(STDERR_FILENO) && (done % 16 == 0 || done == e->schedules))
        fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 ", %" PRIu64 " failed", done,
            e->schedules, f->number);
}

/* What the log begins with until sim opens it. */
static const char UNTOUCHED = '?';

/* After the first run, whose log is on: it was not one on sim. Says why. */
static bool cannot_be_explored(const struct explored *e, const struct ending *outcome)
{
    int status = outcome->status;
    if (WIFEXITED(status) && (WEXITSTATUS(status) == BAD_USAGE || WEXITSTATUS(status) == 127)) {
        char *text = text_of(e->err);
        fprintf(stderr, "%s", text ? text : "");
        free(text);
        return true;
    }
    char first = '\0';
    bool ended = WIFEXITED(status) || WTERMSIG(status) == SIGALRM;
    if (!ended || pread(e->log, &first, 1, 0) != 1 || first != UNTOUCHED)
        return false;
    bad_usage("explore: %s: does not run on sim: it does not use conc, starts no task, or chooses "
              "another engine",
        e->program);
    return true;
}

static int explore(struct explored *e)
{
    struct failures f = {.repeats = true};
    bool known = false;
    uint64_t result = 0;
    uint64_t done = 0;
    if (write(e->log, &UNTOUCHED, 1) != 1)
        return FAILED;
    for (; done < e->schedules && !interrupted; done++) {
        struct ending outcome = {.other = false};
        uint64_t seed = e->seed + done;
        if (run(e, seed, done == 0, &outcome) != DONE)
            return FAILED;
        if (interrupted)
            break;
        if (done == 0 && cannot_be_explored(e, &outcome))
            return BAD_USAGE;
        if (succeeded(&outcome) && !known) {
            known = true;
            result = outcome.result;
        }
        outcome.other = succeeded(&outcome) && outcome.result != result;
        if (!succeeded(&outcome) || outcome.other)
            if (note_failure(e, seed, &outcome, &f) != DONE)
                return FAILED;
        show_progress(done + 1, e, &f);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    int by = interrupted;
    interrupted = 0;
    report(e, &f, done);
    return by != 0 ? 128 + by : f.number > 0 ? FAILED : DONE;
}

/* ------------------------------------------------------------------ the command line */

/* Appends a word as a shell takes it, and a space before all but the first. */
static void put_word(char *line, size_t size, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_@%+=:,./-";
    size_t used = strlen(line);
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        snprintf(line + used, size - used, "%s%s", used ? " " : "", word);
        return;
    }
    if (used + 8 >= size)
        return;
    used += (size_t)snprintf(line + used, size - used, "%s'", used ? " " : "");
    for (; *word && used + 8 < size; word++)
        used += (size_t)snprintf(line + used, size - used, *word == '\'' ? "'\\%c'" : "%c", *word);
    snprintf(line + used, size - used, "'");
}

/* How the user gets at a file of ours from where he is. */
static const char *from_here(char *text, size_t size, const char *file)
{
    const char *root = pitfall_root();
    char here[PATH_MAX];
    bool in_root = getcwd(here, sizeof here) && !strcmp(here, root);
    snprintf(text, size, "%s%s%s", in_root ? (strchr(file, '/') ? "" : "./") : root,
        in_root ? "" : "/", file);
    return text;
}

static bool number(const char *text, uint64_t least, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n < least)
        return false;
    *value = n;
    return true;
}

/* Takes our own flags out of argv, wherever they stand; the others are the demo's. */
static int parse(int *argc, char **argv, struct explored *e, const char **program, bool *fixed)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *flag = argv[i];
        if (!strcmp(flag, "--fixed")) {
            *fixed = true;
            continue;
        }
        bool mine =
            !strcmp(flag, "--schedules") || !strcmp(flag, "--seed") || !strcmp(flag, "--program");
        if (!mine) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *value = i + 1 < *argc ? argv[++i] : "";
        if (!strcmp(flag, "--program")) {
            *program = value;
            if (*value == '\0')
                return bad_usage("explore: --program: no value: a program that uses conc");
        } else if (!strcmp(flag, "--schedules") && !number(value, 1, &e->schedules)) {
            return bad_usage("explore: --schedules: bad value '%s': an integer above 0", value);
        } else if (!strcmp(flag, "--seed") && !number(value, 0, &e->seed)) {
            return bad_usage(
                "explore: --seed: bad value '%s': the number of the first schedule", value);
        }
    }
    if (e->schedules - 1 > UINT64_MAX - e->seed)
        return bad_usage("explore: --seed: there are not %" PRIu64 " schedules from %" PRIu64 " on",
            e->schedules, e->seed);
    argv[kept] = NULL;
    *argc = kept;
    return DONE;
}

static int open_files(struct explored *e)
{
    e->out = memfd_create("stdout", MFD_CLOEXEC);
    e->err = memfd_create("stderr", MFD_CLOEXEC);
    e->log = memfd_create("schedule", 0);
    snprintf(e->log_path, sizeof e->log_path, "/proc/self/fd/%d", e->log);
    if (e->out >= 0 && e->err >= 0 && e->log >= 0)
        return DONE;
    perror("explore: memfd_create");
    return FAILED;
}

int command_explore(int argc, char **argv)
{
    struct explored e = {.schedules = 1000, .seed = 1};
    const char *program = NULL;
    bool fixed = false;
    int rc = parse(&argc, argv, &e, &program, &fixed);
    if (rc != DONE)
        return rc;
    char path[2 * PATH_MAX];
    char replay[4 * PATH_MAX] = "CONC_ENGINE=sim";
    char file[2 * PATH_MAX];
    char **args = argv + 1;
    bool of_pitfall = !program && argc > 1 && (argv[1][0] == 'P' || argv[1][0] == 'p') &&
                      argv[1][1] >= '0' && argv[1][1] <= '9';
    if (program) {
        snprintf(path, sizeof path, "%s", program);
        put_word(replay, sizeof replay, program);
        args--; /* argv[0] is the program's now */
    } else if (of_pitfall) {
        static struct pitfall pitfalls[PITFALLS_MAX];
        size_t n = 0;
        rc = pitfalls_read(pitfalls, &n);
        if (rc != DONE)
            return rc;
        const struct pitfall *pitfall = pitfall_find(pitfalls, n, argv[1]);
        if (!pitfall)
            return bad_usage("explore: no pitfall '%s' (./conc pitfall list)", argv[1]);
        if (argc > 2)
            return bad_usage("explore: unexpected '%s': a pitfall takes --fixed, --schedules and "
                             "--seed",
                argv[2]);
        pitfall_program(pitfall, NULL, fixed, path, sizeof path);
        put_word(
            replay, sizeof replay, from_here(file, sizeof file, path + strlen(pitfall_root()) + 1));
        snprintf(
            e.title, sizeof e.title, "P%02d %s: ", pitfall->number, fixed ? "fixed" : "broken");
    } else {
        const struct catalogue_entry *entry = argc > 1 ? catalogue_find(argv[1]) : NULL;
        if (!entry)
            return bad_usage(
                "explore: %s%s%s: a number from %02d to %02d, a slug, a pitfall, or --program",
                argc > 1 ? "no demo '" : "no demo", argc > 1 ? argv[1] : "", argc > 1 ? "'" : "",
                catalogue[0].number, catalogue[catalogue_length - 1].number);
        demo_path(entry, path, sizeof path);
        replay[0] = '\0';
        put_word(replay, sizeof replay, from_here(file, sizeof file, "conc"));
        size_t used = strlen(replay);
        snprintf(replay + used, sizeof replay - used, " run %02d --engine sim", entry->number);
        snprintf(e.title, sizeof e.title, "%02d %s: ", entry->number, entry->title);
    }
    for (char **arg = args + 1; *arg; arg++)
        put_word(replay, sizeof replay, *arg);
    args[0] = path;
    e.program = path;
    e.argv = args;
    e.replay = replay;
    if (access(path, X_OK) != 0)
        return bad_usage("explore: %s: %s: a program that uses conc", path, strerror(errno));
    if (fixed && !of_pitfall)
        return bad_usage("explore: --fixed: only a pitfall has a fixed program");
    if (open_files(&e) != DONE)
        return FAILED;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return explore(&e);
}
