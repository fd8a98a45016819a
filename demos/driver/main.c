/* SPDX-License-Identifier: MIT */
/* conc-driver: list, run, explore, pitfall and doctor. The script ./conc builds it and hands these
 * commands on. */
#include "demos/driver/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"list", command_list, "list [--json]                 the catalogue"},
    {"run", command_run, "run NN|slug|all [flag...]     a numbered demo; run NN --help: its flags"},
    {"explore", command_explore,
        "explore NN|slug [flag...]     a demo under many seeded schedules"},
    {"pitfall", command_pitfall,
        "pitfall list|PNN|verify       what goes wrong, and which tool says so"},
    {"doctor", command_doctor, "doctor                        what is installed, fit to measure?"},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

int bad_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return BAD_USAGE;
}

static int help(void)
{
    printf("usage:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  conc-driver %s\n", commands[i].usage);
    return DONE;
}

/* A result that could not be written is a failure, whatever the command thinks of itself. */
static int finish(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "stdout: %s\n", strerror(errno != 0 ? errno : EIO));
    return code != DONE ? code : FAILED;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return bad_usage("no command: list, run, explore, pitfall or doctor");
    if (!strcmp(argv[1], "--help"))
        return finish(help());
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (argc == 3 && !strcmp(argv[2], "--help")) {
            printf("usage: conc-driver %s\n", commands[i].usage);
            return finish(DONE);
        }
        return finish(commands[i].run(argc - 1, argv + 1));
    }
    return bad_usage("unknown command '%s': list, run, explore, pitfall or doctor", argv[1]);
}
