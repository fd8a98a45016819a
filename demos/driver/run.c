/* SPDX-License-Identifier: MIT */
#include "demos/driver/driver.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void demo_path(const struct catalogue_entry *entry, char *path, size_t size)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    snprintf(path, size, "%s/%02d_%s", slash ? self : ".", entry->number, entry->slug);
}

/* Becomes the demo; argv[0] is overwritten by its path. Returns only when that fails. */
static int become(const struct catalogue_entry *entry, char **argv)
{
    char path[2 * PATH_MAX];
    demo_path(entry, path, sizeof(path));
    argv[0] = path;
    execv(path, argv);
    fprintf(stderr, "run: %s: %s\n", path, strerror(errno));
    return FAILED;
}

/* ------------------------------------------------------------------ all */

static volatile sig_atomic_t running; /* the demo's process, 0 between demos */
static volatile sig_atomic_t interrupted;

/* A terminal sends Ctrl-C to the whole group, the demo included; handing it on would make it two,
 * and a second one means "at once" to some. What somebody sends to us alone is handed on. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    interrupted = number;
    if (running > 0 && info->si_code <= 0)
        kill((pid_t)running, number);
}

/* The demo's exit code, as a shell counts it. */
static int run_one(const struct catalogue_entry *entry, char **argv, const sigset_t *block)
{
    sigset_t before;
    fflush(stdout);
    /* Blocked, so that no signal finds the child without `running` set. */
    sigprocmask(SIG_BLOCK, block, &before);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        _exit(become(entry, argv));
    }
    running = child;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child < 0) {
        fprintf(stderr, "run: fork: %s\n", strerror(errno));
        return FAILED;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return FAILED;
    }
    running = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_all(char **argv)
{
    for (char **arg = argv + 1; *arg; arg++) {
        if (!strncmp(*arg, "--trace", 7) || !strncmp(*arg, "--gantt", 7))
            return bad_usage("run all: %s: one file cannot hold %zu demos", *arg, catalogue_length);
    }
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    size_t passed = 0;
    int code = DONE;
    for (size_t i = 0; i < catalogue_length && interrupted == 0; i++) {
        printf("== %02d %s\n", catalogue[i].number, catalogue[i].title);
        int one = run_one(&catalogue[i], argv, &block);
        if (one == BAD_USAGE)
            return BAD_USAGE; /* the same flags are wrong for the others too */
        if (one == DONE) {
            passed++;
            continue;
        }
        fprintf(
            stderr, "run: %02d_%s: exit code %d\n", catalogue[i].number, catalogue[i].slug, one);
        code = FAILED;
    }
    if (interrupted != 0)
        return 128 + interrupted;
    printf("== %zu of %zu passed\n", passed, catalogue_length);
    return code;
}

int command_run(int argc, char **argv)
{
    if (argc < 2)
        return bad_usage("run: no demo: a number from %02d to %02d, a slug, or all",
            catalogue[0].number, catalogue[catalogue_length - 1].number);
    if (!strcmp(argv[1], "all"))
        return run_all(argv + 1);
    const struct catalogue_entry *entry = catalogue_find(argv[1]);
    if (!entry)
        return bad_usage("run: no demo '%s': a number from %02d to %02d, a slug, or all", argv[1],
            catalogue[0].number, catalogue[catalogue_length - 1].number);
    return become(entry, argv + 1);
}
