/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "sync/chan.h"
#include "sync/fd.h"
#include "sync/wait_group.h"
#include "tests/wait_matrix.h"

/* ---------------------------------------------------------------- the matrix */

struct variant {
    bool out;  /* wait until it can be written, not read */
    bool hang; /* it becomes ready by the other end's leaving */
};

struct fd_state {
    struct variant variant;
    int fd;    /* the one waited for */
    int other; /* -1 once closed */
};

static void matrix_init(void *state, const void *param)
{
    struct fd_state *s = state;
    int ends[2];
    s->variant = *(const struct variant *)param;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    s->fd = ends[0];
    s->other = ends[1];
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    fcntl(s->other, F_SETFL, O_NONBLOCK);
    char block[4096] = {0};
    while (s->variant.out && write(s->fd, block, sizeof block) > 0)
        ;
    while (s->variant.out && write(s->fd, block, 1) > 0)
        ;
}

static short events(const struct fd_state *s)
{
    return s->variant.out ? POLLOUT : POLLIN;
}

static int matrix_call(void *state, struct conc_context *ctx)
{
    struct fd_state *s = state;
    return conc_fd_wait(s->fd, events(s), ctx);
}

static int matrix_try(void *state)
{
    struct fd_state *s = state;
    return conc_fd_try_wait(s->fd, events(s));
}

static void matrix_ready(void *state, bool waiting)
{
    struct fd_state *s = state;
    (void)waiting;
    char block[4096];
    if (s->variant.hang) {
        close(s->other);
        s->other = -1;
    } else if (s->variant.out) {
        while (read(s->other, block, sizeof block) > 0)
            ;
    } else {
        ck_assert_int_eq(write(s->other, "x", 1), 1);
    }
}

static void matrix_fini(void *state, int rc)
{
    struct fd_state *s = state;
    if (rc != 0)
        unit_rc(conc_fd_try_wait(s->fd, events(s)), EAGAIN); /* nothing was read */
    close(s->fd);
    if (s->other >= 0)
        close(s->other);
}

START_TEST(matrix)
{
    const struct {
        const char *name;
        struct variant variant;
    } kinds[] = {
        {"fd wait for input", {false, false}},
        {"fd wait for room", {true, false}},
        {"fd wait for input, hang-up", {false, true}},
        {"fd wait for room, hang-up", {true, true}},
    };
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 4; i++) {
        const struct wait_call call = {.name = kinds[i].name,
            .size = sizeof(struct fd_state),
            .param = &kinds[i].variant,
            .init = matrix_init,
            .call = matrix_call,
            .try_call = matrix_try,
            .ready = matrix_ready,
            .ready_is_kept = true,
            .fini = matrix_fini};
        wait_matrix_check(&call);
    }
}
END_TEST

/* ---------------------------------------------------------------- the rest */

START_TEST(arguments)
{
    struct conc_context done;
    int ends[2];
    conc_context_with_timeout(&done, NULL, 0);
    ck_assert_int_eq(pipe(ends), 0);
    unit_rc(conc_fd_wait(ends[0], 0, NULL), EINVAL);
    unit_rc(conc_fd_try_wait(ends[0], 0), EINVAL);
    unit_rc(conc_fd_try_wait(ends[0], POLLIN), EAGAIN);
    unit_rc(conc_fd_wait(ends[0], POLLIN, &done), ETIMEDOUT);
    unit_ok(conc_fd_wait(ends[1], POLLOUT, &done));
    close(ends[1]);
    unit_ok(conc_fd_wait(ends[0], POLLIN, NULL)); /* the end of the stream can be read */
    close(ends[0]);
    unit_rc(conc_fd_wait(ends[0], POLLIN, NULL), EBADF);
    unit_rc(conc_fd_try_wait(ends[0], POLLIN), EBADF);
    unit_rc(conc_fd_wait(-1, POLLIN, NULL), EBADF);
    unit_rc(conc_fd_wait(-1, POLLIN, &done), EBADF);
    unit_rc(conc_fd_try_wait(-1, POLLIN), EBADF);
    conc_context_destroy(&done);
}
END_TEST

static atomic_int signals;

static void on_signal(int signo)
{
    (void)signo;
    atomic_fetch_add(&signals, 1);
}

struct reader {
    int fd;
    int rc;
    char byte;
    pthread_t thread;
    struct conc_chan *known;
};

static void read_one(void *arg)
{
    struct reader *r = arg;
    r->thread = pthread_self();
    conc_chan_send(r->known, NULL, NULL);
    r->rc = conc_fd_wait(r->fd, POLLIN, NULL);
    if (r->rc == 0 && read(r->fd, &r->byte, 1) != 1)
        r->rc = -2;
}

/* A signal does not end the wait. */
START_TEST(signals_do_not_wake)
{
    struct reader reader = {.rc = -1};
    struct conc_task *task;
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: poll gets EINTR */
    int ends[2];
    sigaction(SIGUSR1, &action, NULL);
    ck_assert_int_eq(pipe(ends), 0);
    reader.fd = ends[0];
    unit_ok(conc_chan_create(&reader.known, 0, 0, NULL));
    unit_ok(conc_task_start(&task, read_one, &reader));
    unit_ok(conc_chan_recv(reader.known, NULL, NULL));
    unit_wait_parked(1);
    for (int i = 1; i <= 5; i++) {
        pthread_kill(reader.thread, SIGUSR1);
        if (!UNIT_TSAN) /* which may keep it for a fiber that runs no more */
            unit_wait_until(atomic_load(&signals) == i);
    }
    ck_assert_int_eq(write(ends[1], "z", 1), 1);
    conc_task_join(task);
    unit_ok(reader.rc);
    ck_assert_int_eq(reader.byte, 'z');
    conc_chan_destroy(reader.known);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

enum { BYTES = 2000 };

static void pump(void *arg)
{
    int *ends = arg;
    for (int i = 0; i < BYTES; i++) {
        char byte;
        if (conc_fd_wait(ends[0], POLLIN, NULL) != 0 || read(ends[0], &byte, 1) != 1 ||
            conc_fd_wait(ends[1], POLLOUT, NULL) != 0 || write(ends[1], &byte, 1) != 1)
            abort();
    }
}

/* There and back through two pipes, many times: a descriptor's wake-up is never lost. */
START_TEST(there_and_back)
{
    int there[2];
    int back[2];
    ck_assert(pipe(there) == 0 && pipe(back) == 0);
    int echo[2] = {there[0], back[1]};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, pump, echo));
    for (int i = 0; i < BYTES; i++) {
        char out = (char)(i & 127);
        char in = -1;
        if (write(there[1], &out, 1) != 1 || conc_fd_wait(back[0], POLLIN, NULL) != 0 ||
            read(back[0], &in, 1) != 1 || in != out)
            ck_abort_msg("byte %d", i);
    }
    conc_task_join(task);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
}
END_TEST

START_TEST(deadline_long_ago)
{
    int ends[2];
    struct conc_context ctx;
    ck_assert_int_eq(pipe(ends), 0);
    conc_context_with_timeout(&ctx, NULL, INT64_MIN);
    ck_assert_int_eq(conc_fd_wait(ends[0], POLLIN, &ctx), ETIMEDOUT);
    conc_context_destroy(&ctx);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    return unit_main(
        "fd", matrix, arguments, signals_do_not_wake, there_and_back, deadline_long_ago);
}
