/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_TASK_H
#define CONC_RUNTIME_TASK_H

/*
 * Tasks: what Go calls goroutines. A task runs one function and ends when the function returns.
 * What carries it – a thread, a fiber – is the engine's business (engine.h).
 *
 * Nothing is detached: whoever starts a task joins it, with conc_task_join or through the wait
 * group or error group that started it (sync/wait_group.h, errgroup.h). A program whose main
 * function returns while tasks are still there is told which, and exits with code 4.
 *
 * A thread that conc did not start (main, or a thread of a program that links the library) becomes
 * a task by its first call into conc, and stays one until it ends.
 *
 *   static void hello(void *arg)
 *   {
 *       puts(arg);
 *   }
 *
 *   struct conc_task *task;
 *   int rc = conc_task_start(&task, hello, "hello");
 *   if (rc == 0)
 *       conc_task_join(task);
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/site.h"

struct conc_task; /* opaque; owned by whoever started it until joined */

/*
 * int conc_task_start(struct conc_task **task, void (*fn)(void *), void *arg)
 *
 * Starts a task that calls fn(arg). Never waits. `task` receives the handle, which the caller must
 * give to conc_task_join once. `arg` may be NULL and stays the caller's. What the caller wrote
 * before is visible to fn.
 *
 * 0; EINVAL: task or fn is NULL; ENOMEM: no memory; EAGAIN: no further thread can be had. On
 * failure nothing was started and *task is untouched.
 */
#define conc_task_start(task, fn, arg) conc_task_start_at((task), (fn), (arg), #fn, CONC_HERE)
int conc_task_start_at(struct conc_task **task, void (*fn)(void *), void *arg, const char *name,
    const struct conc_site *site);

/*
 * void conc_task_join(struct conc_task *task)
 *
 * Waits until the task has ended, however long that takes, and frees its handle. Woken by the end
 * of the task alone: to give up on a task, cancel it through its context and join it all the same.
 * What the task wrote is visible afterwards. NULL is allowed and does nothing. Joining a task twice
 * is an error the library cannot see; joining oneself ends the program with a message.
 */
#define conc_task_join(task) conc_task_join_at((task), CONC_HERE)
void conc_task_join_at(struct conc_task *task, const struct conc_site *site);

/* Ends the calling task at once, as Go's runtime.Goexit does: the cleanups pushed and not popped
 * are run, newest first, then the task has ended. Only for tasks that conc started: in any other
 * thread, main's in particular, it ends the program with a message. */
_Noreturn void conc_task_exit(void);

/* Lets other tasks run. Never waits for anything. */
void conc_yield(void);

/*
 * void conc_checkpoint(void)
 *
 * For a long loop that never waits: lets others run if they have waited for this task for some ten
 * milliseconds, and else does nothing, in less than a nanosecond. On the fibers engine a task keeps
 * its thread until it waits, so without this it may hold up others. The threads engine needs and
 * does nothing, on sim it is a choice point. May switch to other tasks, so it must not be called
 * with a lock held that they take by spinning or that belongs to a thread (a pthread mutex).
 */
extern bool conc_checkpoint_asked; /* the engine's */
void conc_checkpoint_now(void);
static inline bool conc_checkpoint_is_asked(void)
{
    return __builtin_expect(__atomic_load_n(&conc_checkpoint_asked, __ATOMIC_RELAXED), 0);
}
static inline void conc_checkpoint(void)
{
    if (conc_checkpoint_is_asked())
        conc_checkpoint_now();
}

/* The calling task; never NULL. */
struct conc_task *conc_task_self(void);

/* A task's number: 1 for the first (main as a rule), counted upwards, never used again. */
uint64_t conc_task_id(const struct conc_task *task);

/* Names the calling task in reports and traces, printf fashion, cut at 31 characters. A task starts
 * with the name of its function. */
void conc_task_set_name(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A cleanup: what must happen even if a callee ends the task with conc_task_exit. The record lives
 * in the frame that pushes it.
 */
struct conc_cleanup {
    void (*fn)(void *);
    void *arg;
    struct conc_cleanup *next; /* owner's only */
};

/* Pushes a cleanup for the calling task. `cleanup` must stay valid until popped. */
void conc_cleanup_push(struct conc_cleanup *cleanup, void (*fn)(void *), void *arg);

/* Pops the newest cleanup, which must be `cleanup`, and calls it when `run` is true. */
void conc_cleanup_pop(struct conc_cleanup *cleanup, bool run);

/*
 * Runs fn(arg), which may block in the kernel (a library that sleeps, a disk), without holding up
 * other tasks. Returns when fn has returned; errno is what fn left there. The deadlock detector
 * counts the caller as awake. May be called from any task; nests.
 */
void conc_blocking(void (*fn)(void *), void *arg);

#endif
