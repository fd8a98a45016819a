/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "demos/driver/pitfall.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Valgrind and TSan look at threads, so conc runs its tasks as threads there. --fair-sched: threads
 * that wait at a gate must not keep the others from running. */
const struct tool tools[TOOLS] = {
    {"native", "no tool at all", NULL, NULL, {NULL}, {"CONC_CHECK=0", NULL}},
    {"conc", "conc's own checks", NULL, NULL, {NULL}, {"CONC_CHECK=1", NULL}},
    {"helgrind", "Valgrind's Helgrind", "valgrind", "valgrind",
        {"valgrind", "--tool=helgrind", "--fair-sched=yes", "--history-level=full", NULL}, {NULL}},
    {"drd", "Valgrind's DRD", "valgrind", "valgrind",
        {"valgrind", "--tool=drd", "--fair-sched=yes", NULL}, {NULL}},
    {"memcheck", "Valgrind's memcheck", "valgrind", "valgrind",
        {"valgrind", "--tool=memcheck", "--fair-sched=yes", "--leak-check=full", NULL}, {NULL}},
    {"tsan", "ThreadSanitizer", "tsan", NULL, {NULL},
        {"CONC_CHECK=0", "CONC_ENGINE=threads", "TSAN_OPTIONS=second_deadlock_stack=1", NULL}},
    {"asan", "AddressSanitizer, LeakSanitizer and UBSan", "asan", NULL, {NULL},
        {"CONC_CHECK=0", "CONC_ENGINE=threads", "ASAN_OPTIONS=detect_stack_use_after_return=1",
            NULL}},
};

int tool_find(const char *name)
{
    for (int i = 0; i < TOOLS; i++)
        if (!strcmp(tools[i].name, name))
            return i;
    return -1;
}

bool tool_is_there(const struct tool *tool)
{
    char path[PATH_MAX];
    if (!tool->program)
        return true;
    const char *dirs = getenv("PATH");
    while (dirs && *dirs) {
        size_t length = strcspn(dirs, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)length, dirs, tool->program);
        if (access(path, X_OK) == 0)
            return true;
        dirs += length + (dirs[length] == ':');
    }
    return false;
}

/* ------------------------------------------------------------------ what a tool says */

/* Words of a report, and the kind that they mean. */
static const struct {
    const char *tool;
    const char *words;
    const char *kind;
} meanings[] = {
    {"helgrind", "Possible data race", "race"},
    {"helgrind", "lock order \"", "lock-order"},
    {"helgrind", "Exiting thread still holds", "exit-holding-lock"},
    {"helgrind", "unlocked a not-locked lock", "unlock-not-locked"},
    {"helgrind", "currently held by thread", "unlock-other-thread"},
    {"helgrind", "unlocked an invalid lock", "unlock-invalid"},
    {"helgrind", "destroy of a locked mutex", "destroy-locked"},
    {"helgrind", "attempt to re-lock", "relock"},
    {"helgrind", "Attempt to re-lock", "relock"},
    {"helgrind", "associated lock is not held", "dubious-signal"},
    {"helgrind", "call to pthread_", "api-error"},
    {"helgrind", "call to sem_", "api-error"},
    {"helgrind", "called with un-held mutex", "wait-without-mutex"},
    {"helgrind", "with un-held mutex", "wait-without-mutex"},
    {"helgrind", "condition variable being waited upon", "destroy-waited"},
    {"helgrind", "barrier being waited upon", "destroy-waited"},
    {"helgrind", "cond is associated with a different mutex", "two-mutexes"},
    {"helgrind", "default action of signal 11", "crash"},
    {"drd", "Conflicting load", "race"},
    {"drd", "Conflicting store", "race"},
    {"drd", "Recursive locking not allowed", "relock"},
    {"drd", "Mutex not locked by calling thread", "unlock-other-thread"},
    {"drd", "Mutex not locked:", "unlock-not-locked"},
    {"drd", "Destroying locked mutex", "destroy-locked"},
    {"drd", "Mutex still locked at thread exit", "exit-holding-lock"},
    {"drd", "The object at address", "not-a-mutex"},
    {"drd", "Not a mutex", "not-a-mutex"},
    {"drd", "Probably a race condition: condition variable", "dubious-signal"},
    {"drd", "Inconsistent association", "two-mutexes"},
    {"drd", "inconsistent association", "two-mutexes"},
    {"drd", "Acquired at:", "held-long"},
    {"drd", "destruction of condition variable being waited upon", "destroy-waited"},
    {"drd", "Destruction of condition variable being waited upon", "destroy-waited"},
    {"drd", "estruction of a semaphore", "destroy-waited"},
    {"drd", "estruction of semaphore", "destroy-waited"},
    {"drd", "estruction of a barrier", "destroy-waited"},
    {"drd", "estruction of barrier", "destroy-waited"},
    {"drd", "default action of signal 11", "crash"},
    {"memcheck", "Invalid read", "invalid-access"},
    {"memcheck", "Invalid write", "invalid-access"},
    {"memcheck", "Invalid free", "invalid-free"},
    {"memcheck", "uninitialised", "uninitialised"},
    {"memcheck", "are definitely lost", "leak"},
    {"memcheck", "are possibly lost", "possibly-lost"},
    {"memcheck", "default action of signal 11", "crash"},
    {"tsan", "ThreadSanitizer: data race", "race"},
    {"tsan", "ThreadSanitizer: lock-order-inversion", "lock-order"},
    {"tsan", "ThreadSanitizer: thread leak", "thread-leak"},
    {"tsan", "ThreadSanitizer: unlock of an unlocked mutex", "bad-unlock"},
    {"tsan", "ThreadSanitizer: destroy of a locked mutex", "destroy-locked"},
    {"tsan", "ThreadSanitizer: use of an invalid mutex", "invalid-mutex"},
    {"tsan", "ThreadSanitizer: double lock", "relock"},
    {"tsan", "ThreadSanitizer: heap-use-after-free", "use-after-free"},
    {"tsan", "ThreadSanitizer: signal-unsafe call", "signal-unsafe"},
    {"tsan", "ThreadSanitizer: signal handler spoils errno", "errno-in-signal"},
    {"tsan", "ThreadSanitizer: SEGV", "crash"},
    {"asan", "AddressSanitizer: heap-use-after-free", "use-after-free"},
    {"asan", "AddressSanitizer: stack-use-after-return", "use-after-return"},
    {"asan", "AddressSanitizer: stack-use-after-scope", "use-after-scope"},
    {"asan", "AddressSanitizer: stack-buffer-overflow", "overflow"},
    {"asan", "AddressSanitizer: global-buffer-overflow", "overflow"},
    {"asan", "AddressSanitizer: heap-buffer-overflow", "overflow"},
    {"asan", "AddressSanitizer: SEGV", "crash"},
    {"asan", "AddressSanitizer: stack-overflow", "stack-overflow"},
    {"asan", "AddressSanitizer: attempting double-free", "double-free"},
    {"asan", "LeakSanitizer: detected memory leaks", "leak"},
    {"asan", "runtime error:", "undefined"},
    {"conc", "conc: all tasks are asleep", "deadlock"},
    {"conc", "conc: deadlock: ", "deadlock"},
    {"conc", "left – leak!", "leak"},
    {"conc", "locks a mutex that it holds", "relock"},
    {"conc", "unlocks a mutex that another task holds", "unlock-other-task"},
    {"conc", "unlocks a mutex that is not locked", "unlock-not-locked"},
    {"conc", "is destroyed that", "destroy-used"},
    {"conc", "conc: lock order", "lock-order"},
    {"conc", "conc: held long", "held-long"},
    {"conc", "conc: closed twice", "close-twice"},
    {"conc", "conc: send after close", "send-closed"},
    {"conc", "conc: closed by its receiver", "close-by-receiver"},
    {"conc", "conc: counted after the wait", "count-late"},
    {"conc", "conc: waits with a lock held", "wait-with-lock"},
    {"conc", "the count of a wait group", "wait-group"},
    {"conc", "conc: too many tasks", "too-many"},
};

/* A program's own end is what one sees without a tool. */
static void native_reports(const struct outcome *outcome, struct kinds *kinds)
{
    int status = outcome->status;
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const char *kind = NULL;
    if (outcome->hung)
        kind = "hang";
    else if (signal == SIGABRT)
        kind = "abort";
    else if (signal)
        kind = "crash";
    else if (WEXITSTATUS(status) == 3)
        kind = "deadlock";
    else if (WEXITSTATUS(status) == 4)
        kind = "leak";
    else if (strstr(outcome->text, "wrong: "))
        kind = "wrong";
    else if (WEXITSTATUS(status) != 0)
        kind = "failed";
    if (kind)
        kinds_add(kinds, kind, strlen(kind));
}

/* What comes from Valgrind begins with ==, and from others it is not to be taken for theirs: a
 * program prints what it likes. "0 bytes in 0 blocks" is no leak. */
static bool is_theirs(const struct tool *tool, const char *line)
{
    if (tool->program)
        return !strncmp(line, "==", 2) && !strstr(line, ": 0 bytes in");
    return true;
}

bool tool_line_reports(const struct tool *tool, const char *line)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (!strcmp(meanings[i].tool, tool->name) && strstr(line, meanings[i].words))
            return true;
    return false;
}

/* Helgrind takes two things for the program's that are not (tests/valgrind.supp says why): the look
 * of its own wrapper of pthread_mutex_destroy at the mutex, and the signal that a timed wait of
 * glibc passes on. They show in the first two frames of the stack that comes next. */
static bool is_slip(const struct tool *tool, const char *kind, const char *stack)
{
    const char *below = !strcmp(kind, "race")             ? "vgpreload_helgrind"
                        : !strcmp(kind, "dubious-signal") ? "__pthread_cond_wait_common"
                                                          : NULL;
    const char *first = stack ? strstr(stack, "   at 0x") : NULL;
    if (strcmp(tool->name, "helgrind") != 0 || !below || !first)
        return false;
    size_t one = strcspn(first, "\n");
    size_t two = one + (first[one] ? 1 + strcspn(first + one + 1, "\n") : 0);
    const char *wrapper = strstr(first, "vgpreload_helgrind");
    const char *caller = strstr(first + one, below);
    return wrapper && wrapper < first + one && caller && caller < first + two;
}

void tool_reports(const struct tool *tool, const struct outcome *outcome, struct kinds *kinds)
{
    kinds->n = 0;
    if (tool == &tools[TOOL_NATIVE]) {
        native_reports(outcome, kinds);
        return;
    }
    char *text = strdup(outcome->text);
    char *rest = text;
    for (char *line; text && (line = strsep(&rest, "\n")) != NULL;)
        for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
            if (!strcmp(meanings[i].tool, tool->name) && is_theirs(tool, line) &&
                strstr(line, meanings[i].words) && !is_slip(tool, meanings[i].kind, rest))
                kinds_add(kinds, meanings[i].kind, strlen(meanings[i].kind));
    free(text);
}
