/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_GNUPLOT_H
#define PLOTS_GNUPLOT_H

/*
 * Runs gnuplot as a child. In a header of its own because two programs need it and share no source
 * file. One child draws all scripts: starting it costs more than a chart.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The colours of M. Okabe and K. Ito, told apart with any colour vision; yellow is left out, for it
 * vanishes on a light ground. */
#define COLOUR_BLUE "#0072B2"
#define COLOUR_VERMILION "#D55E00"
#define COLOUR_GREEN "#009E73"
#define COLOUR_PURPLE "#CC79A7"
#define COLOUR_ORANGE "#E69F00"
#define COLOUR_LIGHT_ORANGE "#F0C466"
#define COLOUR_SKY "#56B4E9"
#define COLOUR_GREY "#666666"

enum { GNUPLOT_MISSING = 77 };

/* Writes `text` as a gnuplot string in single quotes. */
static inline void gnuplot_string(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputc('\'', out);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
    }
    fputc('\'', out);
}

/*
 * Runs argv (gnuplot and its scripts, NULL at the end) in directory `dir` and waits for its end.
 * What it says goes to the file `log`. 0; GNUPLOT_MISSING: there is no gnuplot; 1: it failed, or
 * could not be started. In the last two cases one line has gone to stderr, beginning with `who`.
 */
static inline int gnuplot_run(const char *who, const char *dir, const char *log, char *const *argv)
{
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "%s: cannot start gnuplot: %s\n", who, strerror(errno));
        return 1;
    }
    if (child == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 || chdir(dir) != 0)
            _exit(126);
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        fprintf(stderr, "%s: there is no gnuplot (package gnuplot-nox)\n", who);
        return GNUPLOT_MISSING;
    }

    /* Of what gnuplot prints, the line with the cause stands last. */
    char line[300];
    char cause[300] = "no message";
    FILE *file = fopen(log, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[strspn(line, " \t^")] != '\0')
            memcpy(cause, line, sizeof cause);
    }
    if (file != NULL)
        fclose(file);
    fprintf(stderr, "%s: gnuplot failed: %s\n", who, cause);
    return 1;
}

#endif
