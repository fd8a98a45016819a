/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

/* A program whose tasks all wait uses no processor. */

#include <poll.h>

#include "sync/chan.h"
#include "sync/context.h"
#include "sync/fd.h"
#include "sync/wait_group.h"
#include "tests/unit.h"

static int64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return CONC_S(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           CONC_US(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

struct idlers {
    struct conc_chan *ch;
    int fd;
    struct conc_context ctx;
};

static void wait_for_channel(void *arg)
{
    struct idlers *idlers = arg;
    conc_chan_recv(idlers->ch, NULL, NULL);
}

static void wait_for_descriptor(void *arg)
{
    struct idlers *idlers = arg;
    conc_fd_wait(idlers->fd, POLLIN, NULL);
}

static void wait_for_deadline(void *arg)
{
    struct idlers *idlers = arg;
    conc_chan_recv(idlers->ch, NULL, &idlers->ctx);
}

static const int64_t SPAN_NS = CONC_S(3);

START_TEST(idle)
{
    if (unit_on_sim() || RUNNING_ON_VALGRIND)
        return; /* no time passes; a simulated processor is never idle */
    struct idlers idlers;
    struct conc_wait_group group;
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    idlers.fd = ends[0];
    conc_context_with_timeout(&idlers.ctx, NULL, CONC_S(100));
    conc_wait_group_init(&group);
    unit_ok(conc_chan_create(&idlers.ch, 0, 0, NULL));
    for (int i = 0; i < 20; i++)
        unit_ok(conc_wait_group_go(&group, wait_for_channel, &idlers));
    unit_ok(conc_wait_group_go(&group, wait_for_descriptor, &idlers));
    unit_ok(conc_wait_group_go(&group, wait_for_deadline, &idlers));
    unit_wait_parked(22);

    int64_t before = cpu_ns();
    conc_sleep(SPAN_NS, NULL);
    int64_t used = cpu_ns() - before;
    /* A sanitizer has threads of its own. */
    int64_t bound = UNIT_SANITIZED ? SPAN_NS / 20 : SPAN_NS / 100;
    ck_assert_msg(used < bound, "%.1f ms of processor time in %.0f ms", (double)used / 1e6,
        (double)SPAN_NS / 1e6);
    fprintf(stderr, "%.3f ms of processor time\n", (double)used / 1e6);

    ck_assert_int_eq(write(ends[1], "", 1), 1);
    conc_chan_close(idlers.ch);
    conc_wait_group_wait(&group, NULL);
    conc_wait_group_destroy(&group);
    conc_chan_destroy(idlers.ch);
    conc_context_destroy(&idlers.ctx);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    return unit_main("idle", idle);
}
