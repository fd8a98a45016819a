/* SPDX-License-Identifier: MIT */

/*
 * Runs a program that may hang or crash, and says how it ended. A run hangs when all its threads
 * sleep, and still do a second later: that does not depend on how fast the machine is, as a time
 * limit would. A program that goes round in circles meets a limit all the same.
 */

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demos/driver/driver.h"
#include "demos/driver/pitfall.h"

static const int64_t MS = 1000000;

enum {
    LOOK_MS = 50,       /* between two looks at the states of its threads */
    ASLEEP_LOOKS = 24,  /* so often asleep: it hangs */
    LIMIT_MS = 60000,   /* it goes round in circles */
    TERM_MS = 3000,     /* what a tool gets to print its last words */
    TEXT_MAX = 1 << 20, /* what is kept of the output */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 * MS + now.tv_nsec;
}

/* ------------------------------------------------------------------ beginning */

/* The options of this pitfall for this tool: "TOOL:--flag", separated by blanks. */
static void add_options(
    const struct tool *tool, const struct pitfall *pitfall, const char **argv, size_t *n)
{
    static char text[sizeof pitfall->options];
    snprintf(text, sizeof text, "%s", pitfall->options);
    char *rest = text;
    size_t length = strlen(tool->name);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (!strncmp(word, tool->name, length) && word[length] == ':')
            argv[(*n)++] = word + length + 1;
}

/* Where the addresses of mappings are drawn from too many bits, TSan does not find its own. */
static bool too_random(void)
{
    char text[16] = "";
    FILE *file = fopen("/proc/sys/vm/mmap_rnd_bits", "r");
    const char *got = file ? fgets(text, sizeof text, file) : NULL;
    if (file)
        fclose(file);
    return got && atoi(text) > 28;
}

static void become(
    const struct tool *tool, const struct pitfall *pitfall, int out, const char *path)
{
    const char *argv[32];
    size_t n = 0;
    if (!strcmp(tool->name, "tsan") && too_random()) {
        argv[n++] = "setarch";
        argv[n++] = "-R";
    }
    for (size_t i = 0; tool->argv[i]; i++)
        argv[n++] = tool->argv[i];
    if (tool->program)
        add_options(tool, pitfall, argv, &n);
    argv[n++] = path;
    argv[n] = NULL;
    setpgid(0, 0); /* Ctrl-C is ours */
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    unsetenv("CONC_ENGINE");
    unsetenv("CONC_CHECK");
    unsetenv("CONC_TRACE");
    for (size_t i = 0; tool->env[i]; i++)
        putenv((char *)(uintptr_t)tool->env[i]);
    execvp(argv[0], (char **)(uintptr_t)argv);
    fprintf(stderr, "pitfall: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int expect_start(
    struct expected *run, const struct tool *tool, const struct pitfall *pitfall, bool fixed)
{
    char path[PATH_MAX];
    int ends[2];
    *run = (struct expected){.pid = 0};
    pitfall_program(pitfall, tool->preset, fixed, path, sizeof path);
    if (access(path, X_OK) != 0) {
        fprintf(stderr, "pitfall: %s: %s: build it by ./conc pitfall\n", path, strerror(errno));
        return FAILED;
    }
    run->room = 4096;
    run->outcome.text = calloc(1, run->room);
    if (!run->outcome.text || pipe2(ends, O_CLOEXEC) != 0) {
        fprintf(stderr, "pitfall: %s\n", strerror(errno));
        free(run->outcome.text);
        return FAILED;
    }
    fflush(NULL);
    run->pid = fork();
    if (run->pid == 0)
        become(tool, pitfall, ends[1], path);
    close(ends[1]);
    if (run->pid < 0) {
        fprintf(stderr, "pitfall: fork: %s\n", strerror(errno));
        close(ends[0]);
        free(run->outcome.text);
        return FAILED;
    }
    setpgid(run->pid, run->pid); /* as the child does: whoever comes first */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    run->out = ends[0];
    run->began_ns = now_ns();
    return DONE;
}

/* ------------------------------------------------------------------ looking after it */

static void drain(struct expected *run)
{
    char bytes[4096];
    ssize_t n;
    struct outcome *o = &run->outcome;
    while ((n = read(run->out, bytes, sizeof bytes)) > 0) {
        size_t length = (size_t)n;
        if (o->length + length + 1 > run->room && run->room < TEXT_MAX) {
            char *more = realloc(o->text, 2 * run->room + length);
            if (!more)
                return;
            o->text = more;
            run->room = 2 * run->room + length;
        }
        if (o->length + length + 1 > run->room)
            continue; /* enough is enough */
        memcpy(o->text + o->length, bytes, length);
        o->length += length;
        o->text[o->length] = '\0';
    }
}

/* The state of a thread stands behind its name, which is in brackets. */
static bool thread_sleeps(pid_t pid, const char *thread)
{
    char path[64];
    char line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", (int)pid, thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return true; /* it has ended */
    const char *got = fgets(line, sizeof line, file);
    fclose(file);
    const char *name_ends = got ? strrchr(line, ')') : NULL;
    return name_ends && name_ends[1] == ' ' && name_ends[2] == 'S';
}

static bool all_asleep(pid_t pid)
{
    char path[32];
    bool all = true;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (isdigit((unsigned char)entry->d_name[0]))
            all &= thread_sleeps(pid, entry->d_name);
    if (dir)
        closedir(dir);
    return all;
}

/* Whoever is hung is asked to end, and then made to: some tools print more at a SIGTERM. */
static void end_if_hung(struct expected *run, int64_t now)
{
    if (run->killed_ns) {
        if (now - run->killed_ns > TERM_MS * MS)
            kill(-run->pid, SIGKILL);
        return;
    }
    if (now - run->looked_ns < LOOK_MS * MS)
        return;
    run->looked_ns = now;
    run->asleep = all_asleep(run->pid) ? run->asleep + 1 : 0;
    if (run->asleep >= ASLEEP_LOOKS || now - run->began_ns > LIMIT_MS * MS) {
        run->outcome.hung = true;
        run->killed_ns = now;
        kill(-run->pid, SIGTERM);
    }
}

bool expect_poll(struct expected *run)
{
    drain(run);
    pid_t ended = waitpid(run->pid, &run->outcome.status, WNOHANG);
    if (ended == 0) {
        end_if_hung(run, now_ns());
        return false;
    }
    drain(run);
    kill(-run->pid, SIGKILL); /* what it has left */
    close(run->out);
    return true;
}

void expect_kill(struct expected *run)
{
    kill(-run->pid, SIGKILL);
    waitpid(run->pid, NULL, 0);
    close(run->out);
    free(run->outcome.text);
}

int expect_run(
    struct outcome *outcome, const struct tool *tool, const struct pitfall *pitfall, bool fixed)
{
    struct expected run;
    struct timespec a_while = {0, 5 * 1000 * 1000};
    if (expect_start(&run, tool, pitfall, fixed) != DONE)
        return FAILED;
    while (!expect_poll(&run)) {
        if (pitfall_interrupted) {
            expect_kill(&run);
            return 128 + pitfall_interrupted;
        }
        nanosleep(&a_while, NULL);
    }
    *outcome = run.outcome;
    return DONE;
}
