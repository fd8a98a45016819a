/* SPDX-License-Identifier: MIT */
/* P12, fixed: an error group waits for its tasks, ends them when the time is over, and gives the
 * caller the first error. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"
#include "errgroup.h"
#include "runtime/task.h"
#include "sync/fd.h"

static int files[2];

static int process(void *file, struct conc_context *ctx)
{
    return conc_fd_wait(*(int *)file, POLLIN, ctx);
}

static int process_files(void)
{
    struct conc_context in_time;
    struct conc_errgroup group;
    conc_context_with_timeout(&in_time, NULL, CONC_MS(50));
    conc_errgroup_init(&group, &in_time);
    for (int i = 0; i < 2; i++)
        conc_errgroup_go(&group, process, &files[i], NULL);
    int rc = conc_errgroup_wait(&group, NULL);
    conc_errgroup_destroy(&group);
    conc_context_destroy(&in_time);
    return rc;
}

int main(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 2;
    files[0] = files[1] = ends[0]; /* nobody writes to it: a file on a disk that is gone */
    int rc = process_files();
    return verdict(rc == 0 || rc == ETIMEDOUT, "files: %s", rc ? "not all in time" : "no error");
}
