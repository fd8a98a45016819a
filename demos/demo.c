/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create */
#include "demos/demo.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/engine.h"
#include "runtime/random.h"
#include "runtime/trace.h"

enum { MAX_WORKERS = 10000, MAX_ITEMS = 100000000 };

/* Written by demo_begin before the first task starts, read-only afterwards. */
static int64_t begin_ns;
static bool say_nothing;

/* The trace that the chart is drawn from, when the user did not ask to keep it: a file without a
 * name, which ends with the demo and the program that draws. */
static char nameless_trace[32];

/* ------------------------------------------------------------------ flags */

/* The common flags. Their values in struct option are these; a demo's own follow from OWN on. */
enum { WORKERS = 256, ITEMS, ENGINE, SEED, TRACE, GANTT, QUIET, HELP, OWN };

static const struct option common[] = {
    {"workers", required_argument, NULL, WORKERS},
    {"items", required_argument, NULL, ITEMS},
    {"engine", required_argument, NULL, ENGINE},
    {"seed", required_argument, NULL, SEED},
    {"trace", required_argument, NULL, TRACE},
    {"gantt", required_argument, NULL, GANTT},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},
};
enum { COMMON = sizeof(common) / sizeof(common[0]) };

static bool is_switch(const struct demo_flag *flag)
{
    return flag->min == 0 && flag->max == 1;
}

/* A line on stderr, and the exit code for a wrong command line. */
static _Noreturn void __attribute__((format(printf, 1, 2))) refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* strtoll accepts leading blanks and a sign of any kind; a flag does not. */
static int64_t integer(const char *name, const char *text, int64_t min, int64_t max)
{
    const char *digits = *text == '-' ? text + 1 : text;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || value < min || value > max)
        refuse("%s: bad value '%s': an integer from %" PRId64 " to %" PRId64, name, text, min, max);
    return value;
}

static uint64_t seed_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        refuse("seed: bad value '%s': an integer from 0 to %" PRIu64, text, UINT64_MAX);
    return value;
}

static const char *file_name(const char *name, const char *text)
{
    if (*text == '\0')
        refuse("%s: empty name: a file to write", name);
    return text;
}

static void select_engine(const char *name)
{
    int rc = conc_engine_select(name);
    if (rc == EINVAL)
        refuse("engine: unknown name '%s': one of %s", name, conc_engine_names());
    if (rc != 0)
        refuse("engine: '%s' cannot be selected: %s", name, strerror(rc));
}

static _Noreturn void print_help(const struct demo *demo, const char *program)
{
    const char *slash = strrchr(program, '/');
    printf(
        "usage: %s [flag...]\n%02d %s\n\n", slash ? slash + 1 : program, demo->number, demo->title);
    printf("  --workers N        tasks that work, 1 to %d (%" PRId64 ")\n", MAX_WORKERS,
        demo->workers);
    printf("  --items N          items to handle, 0 to %d (%" PRId64 ")\n", MAX_ITEMS, demo->items);
    for (const struct demo_flag *flag = demo->flags; flag && flag->name; flag++) {
        char name[64];
        char range[64] = "";
        snprintf(name, sizeof(name), "--%s%s", flag->name, is_switch(flag) ? "" : " N");
        if (!is_switch(flag))
            snprintf(range, sizeof(range), ", %" PRId64 " to %" PRId64, flag->min, flag->max);
        printf("  %-18s %s%s (%" PRId64 ")\n", name, flag->help, range, *flag->value);
    }
    printf("  --engine NAME      what runs the tasks, one of %s\n", conc_engine_names());
    printf("  --seed N           start of the random numbers (%" PRIu64 ")\n", demo->seed);
    printf("  --trace FILE       write a trace for Perfetto or chrome://tracing\n");
    printf("  --gantt FILE.svg   draw the trace: who ran and who waited, when\n");
    printf("  --quiet            no trace on stderr\n");
    printf("  --help             this text\n\n");
    printf("The result goes to stdout, what happens on the way to stderr.\n");
    printf("Exit codes: 0 done, 1 failed, 2 wrong flags, 3 deadlock, 4 tasks left behind.\n");
    exit(0);
}

/* Sets one of the demo's own flags. The value of a switch may follow as a word of its own. */
static void own_flag(const struct demo_flag *flag, int argc, char **argv)
{
    const char *text = optarg;
    if (!text && optind < argc && (!strcmp(argv[optind], "0") || !strcmp(argv[optind], "1")))
        text = argv[optind++];
    *flag->value = text ? integer(flag->name, text, flag->min, flag->max) : 1;
}

static void parse(struct demo *demo, int argc, char **argv)
{
    size_t own = 0;
    while (demo->flags && demo->flags[own].name)
        own++;
    struct option *options = calloc(COMMON + own + 1, sizeof(*options));
    CHECK(options != NULL);
    memcpy(options, common, sizeof(common));
    for (size_t i = 0; i < own; i++) {
        options[COMMON + i] = (struct option){.name = demo->flags[i].name,
            .has_arg = is_switch(&demo->flags[i]) ? optional_argument : required_argument,
            .val = OWN + (int)i};
    }

    const char *engine = NULL;
    bool help = false;
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
        switch (found) {
        case WORKERS:
            demo->workers = integer("workers", optarg, 1, MAX_WORKERS);
            break;
        case ITEMS:
            demo->items = integer("items", optarg, 0, MAX_ITEMS);
            break;
        case ENGINE:
            engine = optarg;
            break;
        case SEED:
            demo->seed = seed_of(optarg);
            break;
        case TRACE:
            demo->trace = file_name("trace", optarg);
            break;
        case GANTT:
            demo->gantt = file_name("gantt", optarg);
            break;
        case QUIET:
            demo->quiet = true;
            break;
        case HELP:
            help = true;
            break;
        case ':':
            refuse("%s: no value: --help says which", argv[optind - 1]);
        case '?':
            if (optopt > UCHAR_MAX)
                refuse("%s: this flag takes no value", argv[optind - 1]);
            if (optopt != 0)
                refuse("unknown flag '-%c': --help lists them", optopt);
            refuse("unknown flag '%s': --help lists them", argv[optind - 1]);
        default:
            own_flag(&demo->flags[found - OWN], argc, argv);
        }
    }
    free(options);
    if (optind < argc)
        refuse("unexpected argument '%s': --help lists the flags", argv[optind]);
    if (help)
        print_help(demo, argv[0]);
    if (engine)
        select_engine(engine);
}

/* ------------------------------------------------------------------ trace and chart */

static int failed(const char *what, int rc)
{
    fprintf(stderr, "%s: %s\n", what, strerror(rc));
    return 1;
}

/* Before the work is done for it: whether there can be a picture. */
static void check_gantt(const char *picture)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", picture);
    if (access(dirname(copy), W_OK | X_OK) != 0)
        refuse("--gantt: '%s': %s", picture, strerror(errno));
}

static void begin_trace(const struct demo *demo)
{
    const char *path = demo->trace;
    if (!path) {
        int fd = memfd_create("trace", 0);
        if (fd < 0)
            refuse("--gantt: %s", strerror(errno));
        snprintf(nameless_trace, sizeof(nameless_trace), "/proc/self/fd/%d", fd);
        path = nameless_trace;
    }
    int rc = conc_trace_start(path);
    if (rc != 0)
        refuse("--trace: '%s': %s", path, strerror(rc));
}

/* The program that draws: named by CONC_GANTT, or of the same build as this one, or in PATH. */
static const char *gantt_program(char *buffer, size_t size)
{
    const char *named = getenv("CONC_GANTT");
    if (named && *named)
        return named;
    ssize_t length = readlink("/proc/self/exe", buffer, size - 1);
    if (length > 0) {
        buffer[length] = '\0';
        char *slash = strrchr(buffer, '/');
        if (slash) {
            size_t used = (size_t)(slash - buffer);
            snprintf(slash, size - used, "/../plots/conc-gantt");
            if (access(buffer, X_OK) == 0)
                return buffer;
        }
    }
    return "conc-gantt";
}

static int draw_gantt(const char *trace, const char *picture)
{
    char buffer[PATH_MAX];
    const char *program = gantt_program(buffer, sizeof(buffer));
    pid_t child = fork();
    if (child < 0)
        return failed("--gantt", errno);
    if (child == 0) {
        execlp(program, program, trace, picture, (char *)NULL);
        fprintf(stderr, "gantt: %s: %s\n", program, strerror(errno));
        _exit(1);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return failed("--gantt", errno);
    }
    /* The child has said what is wrong, unless a signal took its chance to. */
    if (WIFSIGNALED(status))
        fprintf(stderr, "gantt: %s: %s\n", program, strsignal(WTERMSIG(status)));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static int end_trace(const struct demo *demo)
{
    const char *path = demo->trace ? demo->trace : nameless_trace;
    int rc = conc_trace_finish();
    if (rc != 0)
        return failed(path, rc);
    return demo->gantt ? draw_gantt(path, demo->gantt) : 0;
}

/* ------------------------------------------------------------------ the demo's own calls */

void demo_begin(struct demo *demo, int argc, char **argv)
{
    parse(demo, argc, argv);
    say_nothing = demo->quiet;
    conc_random_seed(demo->seed);
    if (demo->gantt)
        check_gantt(demo->gantt);
    if (demo->trace || demo->gantt)
        begin_trace(demo);
    begin_ns = conc_now_ns();
}

int demo_end(struct demo *demo)
{
    int code = demo->trace || demo->gantt ? end_trace(demo) : 0;
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return failed("stdout", errno != 0 ? errno : EIO);
    return code;
}

void demo_say(const char *format, ...)
{
    if (say_nothing)
        return;
    int64_t us = (conc_now_ns() - begin_ns) / 1000;
    char line[1024];
    int used = snprintf(line, sizeof(line), "%6" PRId64 ".%03d ms  ", us / 1000, (int)(us % 1000));
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
    va_end(args);
    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (length > sizeof(line) - 2)
        length = sizeof(line) - 2;
    line[length] = '\n';
    /* One write, so that the lines of several tasks do not mix. A trace that cannot be written is
     * no reason to stop. */
    if (write(STDERR_FILENO, line, length + 1) < 0)
        return;
}

void demo_result(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

/* Steps of a chain in which each needs the one before: about 10 microseconds on a processor of
 * 2025. A count, not a time, so that the value and the amount are the same everywhere. */
enum { STEPS_PER_UNIT = 6500 };

uint64_t demo_work(uint64_t seed, int64_t units)
{
    uint64_t x = seed ^ UINT64_C(0x9E3779B97F4A7C15);
    for (int64_t unit = 0; unit < units; unit++) {
        for (int step = 0; step < STEPS_PER_UNIT; step++) {
            x ^= x >> 29;
            x *= UINT64_C(0xBF58476D1CE4E5B9);
        }
    }
    return x;
}

void demo_check_failed(const char *text, int rc, const char *file, int line)
{
    if (rc != 0)
        fprintf(stderr, "%s:%d: CHECK failed: %s: %s\n", file, line, text, strerror(rc));
    else
        fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, text);
    /* Other tasks may run: no exit handlers, which would take down what they use. */
    _exit(1);
}
