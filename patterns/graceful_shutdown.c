/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2, syscall */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "graceful_shutdown.h"
#include "runtime/memory.h"
#include "runtime/task.h"
#include "sync/chan.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "worker_pool.h"

struct watched {
    int signal;
    struct sigaction before;
};

struct conc_shutdown {
    struct conc_context ctx;      /* done at the first signal */
    struct conc_context watching; /* done at destroy */
    struct conc_chan *signalled;  /* closed at the first signal */
    struct conc_task *watcher;
    int read_end;
    int write_end;
    size_t n; /* handlers that are set */
    struct watched signals[];
};

/* Signal handlers belong to the process, so what they use does too. */
static atomic_bool taken;        /* there is a struct conc_shutdown */
static atomic_int caught;        /* the first signal, or 0 */
static atomic_int pipe_end = -1; /* where its handler writes, or -1 */
static atomic_int handling;      /* handlers that run at this moment */

/* Past everything, also past what sanitizers wrap around _exit: that takes locks, and this is a
 * signal handler in a program that hangs. */
static void end_at_once(int code)
{
    syscall(SYS_exit_group, code);
}

static void on_signal(int signal)
{
    int error = errno, none = 0;
    atomic_fetch_add(&handling, 1);
    int fd = atomic_load(&pipe_end);
    if (fd >= 0) {
        if (!atomic_compare_exchange_strong(&caught, &none, signal))
            end_at_once(128 + signal);
        ssize_t written = write(fd, "", 1);
        (void)written; /* the pipe is empty: there is room */
    }
    atomic_fetch_sub(&handling, 1);
    errno = error;
}

static void watch(void *arg)
{
    struct conc_shutdown *shutdown = arg;
    conc_task_set_name("signal watcher");
    char byte;
    do {
        if (conc_fd_wait(shutdown->read_end, POLLIN, &shutdown->watching) != 0)
            return;
    } while (read(shutdown->read_end, &byte, 1) != 1);
    conc_context_cancel_cause(&shutdown->ctx, ESHUTDOWN);
    conc_chan_close(shutdown->signalled);
}

/* Undoes what create has done so far, in the order that loses no signal. */
static void undo(struct conc_shutdown *shutdown)
{
    /* Backwards: of a signal that was named twice, the second handler saved is our own. */
    for (size_t i = shutdown->n; i-- > 0;)
        sigaction(shutdown->signals[i].signal, &shutdown->signals[i].before, NULL);
    /* A handler may just have begun on another thread. It counts itself first and looks for the
     * pipe then; we take the pipe away and look at the count then: one of us sees the other. */
    atomic_store(&pipe_end, -1);
    while (atomic_load(&handling) > 0)
        conc_yield();
    conc_context_cancel(&shutdown->watching);
    conc_task_join(shutdown->watcher);
    conc_chan_destroy(shutdown->signalled);
    if (shutdown->read_end >= 0) {
        close(shutdown->read_end);
        close(shutdown->write_end);
    }
    conc_context_destroy(&shutdown->watching);
    conc_context_destroy(&shutdown->ctx);
    conc_free(shutdown);
    atomic_store(&caught, 0);
    atomic_store(&taken, false);
}

static int set_handlers(struct conc_shutdown *shutdown, const int *signals, size_t n)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < n; i++) {
        struct watched *watched = &shutdown->signals[i];
        watched->signal = signals[i];
        if (sigaction(signals[i], &action, &watched->before) != 0)
            return errno;
        shutdown->n++;
    }
    return 0;
}

static int begin(struct conc_shutdown *shutdown, const int *signals, size_t n)
{
    int ends[2];
    int rc = conc_chan_create(&shutdown->signalled, 0, 0, NULL);
    if (rc != 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return errno;
    shutdown->read_end = ends[0];
    shutdown->write_end = ends[1];
    rc = conc_task_start(&shutdown->watcher, watch, shutdown);
    if (rc != 0)
        return rc;
    atomic_store(&pipe_end, shutdown->write_end);
    return set_handlers(shutdown, signals, n);
}

int conc_shutdown_create(
    struct conc_shutdown **shutdown, const int *signals, size_t n, struct conc_context *parent)
{
    static const int usual[] = {SIGINT, SIGTERM};
    if (!signals) {
        signals = usual;
        n = sizeof(usual) / sizeof(usual[0]);
    }
    if (!shutdown || n == 0)
        return EINVAL;
    if (atomic_exchange(&taken, true))
        return EBUSY;
    struct conc_shutdown *made = conc_calloc(1, sizeof(*made) + n * sizeof(struct watched));
    if (!made) {
        atomic_store(&taken, false);
        return ENOMEM;
    }
    made->read_end = -1;
    conc_context_with_cancel(&made->ctx, parent);
    conc_context_with_cancel(&made->watching, NULL);
    int rc = begin(made, signals, n);
    if (rc == 0)
        *shutdown = made;
    else
        undo(made);
    return rc;
}

struct conc_context *conc_shutdown_context(struct conc_shutdown *shutdown)
{
    return &shutdown->ctx;
}

/* Waits when `site` is given. */
int conc_shutdown_wait_at(
    struct conc_shutdown *shutdown, struct conc_context *ctx, const struct conc_site *site)
{
    if (!shutdown)
        return EINVAL;
    int rc = site ? conc_chan_recv_at(shutdown->signalled, NULL, ctx, site)
                  : conc_chan_try_recv(shutdown->signalled, NULL);
    return rc == EPIPE ? 0 : rc;
}

int conc_shutdown_try_wait(struct conc_shutdown *shutdown)
{
    return conc_shutdown_wait_at(shutdown, NULL, NULL);
}

int conc_shutdown_signal(struct conc_shutdown *shutdown)
{
    return shutdown ? atomic_load(&caught) : 0;
}

int conc_shutdown_exit_code(struct conc_shutdown *shutdown)
{
    int signal = conc_shutdown_signal(shutdown);
    return signal != 0 ? 128 + signal : 0;
}

void conc_shutdown_destroy(struct conc_shutdown *shutdown)
{
    if (shutdown)
        undo(shutdown);
}

int conc_shutdown_pool_at(struct conc_worker_pool *pool, int64_t limit_ns,
    struct conc_shutdown_report *report, const struct conc_site *site)
{
    if (!pool)
        return EINVAL;
    conc_worker_pool_close(pool);
    struct conc_worker_pool_stats at_first = conc_worker_pool_stats(pool);
    struct conc_context limit;
    conc_context_with_timeout(&limit, NULL, limit_ns);
    int rc = conc_worker_pool_wait_at(pool, &limit, site);
    conc_context_destroy(&limit);
    struct conc_worker_pool_stats at_limit = conc_worker_pool_stats(pool);
    conc_worker_pool_stop_at(pool, rc == 0 ? CONC_POOL_DRAIN : CONC_POOL_CANCEL, site);
    struct conc_worker_pool_stats at_end = conc_worker_pool_stats(pool);
    if (report)
        *report = (struct conc_shutdown_report){
            /* The workers are gone: what still seems to wait is a submit about to be refused. */
            .submitted = at_end.submitted - at_end.waiting,
            .finished = at_first.completed,
            .drained = at_limit.completed - at_first.completed,
            .interrupted = at_end.completed - at_limit.completed,
            .cancelled = at_end.cancelled,
        };
    bool nothing_left =
        at_end.completed == at_limit.completed && at_end.cancelled == at_first.cancelled;
    /* The wait may have found the pool idle because its parent's end had emptied it. */
    return nothing_left ? 0 : rc != 0 ? rc : ETIMEDOUT;
}
