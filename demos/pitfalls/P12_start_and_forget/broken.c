/* SPDX-License-Identifier: MIT */
/*
 * P12: Files are processed by tasks that are started and forgotten
 *
 * @family documents
 * @kind leak
 * @from In-depth guide to Go's concurrency patterns, 1.1: processFiles, "unstructured concurrent
 *     code", with its five problems
 * @weakness CWE-772, CWE-252
 * @rule Who starts a task waits for it: only so are its results there, its errors known and its end
 *     certain. A function that returns while its tasks go on has not done what its name says, and
 *     nobody can tell whether it ever will.
 * @detect native:leak conc:leak memcheck:possibly-lost
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "demos/pitfalls/pitfall.h"
#include "errgroup.h"
#include "runtime/task.h"
#include "sync/fd.h"

static int files[2];

static void process(void *file)
{
    /* place 1: may fail, or never come to its end; who would know? */
    conc_fd_wait(*(int *)file, POLLIN, NULL);
}

static int process_files(void)
{
    for (int i = 0; i < 2; i++) {
        struct conc_task *task;
        /* place 2: the handle is dropped, and with it the end, the result and the error */
        conc_task_start(&task, process, &files[i]);
    }
    return 0;
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
