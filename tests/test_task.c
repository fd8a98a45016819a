/* SPDX-License-Identifier: MIT */
/* ctest: labels unit conformance; timeout 60 */

#include <poll.h>
#include <pthread.h>

#include "runtime/engine.h"
#include "sync/chan.h"
#include "tests/unit.h"

/* ---------------------------------------------------------------- start and join */

struct work {
    int value; /* plain: start and join alone order it */
    struct conc_task *self;
    uint64_t id;
};

static void work_main(void *arg)
{
    struct work *w = arg;
    w->value++;
    w->self = conc_task_self();
    w->id = conc_task_id(conc_task_self());
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(starts_and_joins)
{
    struct work w = {.value = 41};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, work_main, &w));
    struct conc_task *handle = task;
    uint64_t id = conc_task_id(task);
    conc_task_join(task);
    ck_assert_int_eq(w.value, 42);
    ck_assert_ptr_eq(w.self, handle);
    ck_assert_uint_eq(w.id, id);
    conc_task_join(NULL);
}
END_TEST

START_TEST(arguments)
{
    struct conc_task *task = (struct conc_task *)&task;
    struct conc_task *untouched = task;
    conc_task_self(); /* the caller is one from here on */
    unit_rc(conc_task_start(NULL, nothing, NULL), EINVAL);
    unit_rc(conc_task_start(&task, NULL, NULL), EINVAL);
    ck_assert_ptr_eq(task, untouched);
    if (conc_fault_start_at(1) == 0) { /* -1: built without fault injection */
        unit_rc(conc_task_start(&task, nothing, NULL), EAGAIN);
        ck_assert_ptr_eq(task, untouched);
        ck_assert_int_eq(conc_fault_alloc_at(1), 0);
        unit_rc(conc_task_start(&task, nothing, NULL), ENOMEM);
        ck_assert_ptr_eq(task, untouched);
    }
    ck_assert_uint_eq(conc_census_count(), 1);
    unit_ok(conc_task_start(&task, nothing, NULL));
    conc_task_join(task);
}
END_TEST

struct handle_reader {
    struct conc_task *task;
    bool seen;
};

static void read_handle(void *arg)
{
    struct handle_reader *r = arg;
    r->seen = r->task == conc_task_self();
}

/* The handle is there before the task runs. */
START_TEST(handle_is_set_first)
{
    for (size_t i = 0; i < unit_scaled(500); i++) {
        struct handle_reader r = {NULL, false};
        unit_ok(conc_task_start(&r.task, read_handle, &r));
        struct conc_task *task = r.task;
        conc_task_join(task);
        ck_assert(r.seen);
    }
}
END_TEST

START_TEST(numbers)
{
    ck_assert_ptr_nonnull(conc_task_self());
    ck_assert_ptr_eq(conc_task_self(), conc_task_self());
    ck_assert_uint_eq(conc_task_id(conc_task_self()), 1); /* the first */
    uint64_t last = 1;
    for (int i = 0; i < 10; i++) {
        struct conc_task *task;
        unit_ok(conc_task_start(&task, nothing, NULL));
        ck_assert_uint_gt(conc_task_id(task), last); /* never used again */
        last = conc_task_id(task);
        conc_task_join(task);
    }
}
END_TEST

enum { MANY = 300 };

START_TEST(many_at_once)
{
    struct conc_task *tasks[MANY];
    struct work works[MANY];
    int n = (int)unit_scaled(MANY);
    for (int i = 0; i < n; i++) {
        works[i] = (struct work){.value = i};
        unit_ok(conc_task_start(&tasks[i], work_main, &works[i]));
    }
    for (int i = n - 1; i >= 0; i--)
        conc_task_join(tasks[i]);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(works[i].value, i + 1);
    ck_assert_uint_eq(conc_census_count(), 1);
}
END_TEST

static void grow(void *arg)
{
    int depth = *(int *)arg - 1;
    struct conc_task *children[2];
    if (depth == 0)
        return;
    for (int i = 0; i < 2; i++)
        if (conc_task_start(&children[i], grow, &depth) != 0)
            abort();
    for (int i = 0; i < 2; i++)
        conc_task_join(children[i]);
}

START_TEST(tasks_start_tasks)
{
    int depth = 6;
    grow(&depth);
    ck_assert_uint_eq(conc_census_count(), 1);
}
END_TEST

/* Joining one that still runs, and one that has long ended. */
START_TEST(join_before_and_after_the_end)
{
    struct conc_chan *gate;
    struct conc_task *task;
    unit_ok(conc_chan_create(&gate, 0, 0, NULL));
    unit_ok(conc_task_start(&task, nothing, NULL));
    unit_wait_until(conc_census_count() == 1);
    conc_task_join(task);
    conc_chan_destroy(gate);
}
END_TEST

/* ---------------------------------------------------------------- exit and cleanups */

struct log {
    int entries[8];
    int n;
    struct conc_cleanup cleanups[4];
};

struct note {
    struct log *log;
    int number;
};

static void write_note(void *arg)
{
    struct note *note = arg;
    note->log->entries[note->log->n++] = note->number;
}

static void deeper(void)
{
    conc_task_exit();
}

static void leave_deep_inside(void)
{
    deeper();
}

static struct note notes[4];

static void exits(void *arg)
{
    struct log *log = arg;
    for (int i = 0; i < 4; i++) {
        notes[i] = (struct note){log, i};
        conc_cleanup_push(&log->cleanups[i], write_note, &notes[i]);
    }
    conc_cleanup_pop(&log->cleanups[3], false); /* popped and not called */
    conc_cleanup_pop(&log->cleanups[2], true);  /* popped and called */
    leave_deep_inside();
    log->entries[log->n++] = 99; /* never */
}

START_TEST(exit_runs_the_cleanups)
{
    struct log log = {.n = 0};
    struct conc_task *task;
    unit_ok(conc_task_start(&task, exits, &log));
    conc_task_join(task);
    ck_assert_int_eq(log.n, 3);
    ck_assert_int_eq(log.entries[0], 2);
    ck_assert_int_eq(log.entries[1], 1); /* newest first */
    ck_assert_int_eq(log.entries[2], 0);
    ck_assert_uint_eq(conc_census_count(), 1);
}
END_TEST

/* ---------------------------------------------------------------- foreign threads */

static void *become_task(void *arg)
{
    atomic_uint_least64_t *id = arg;
    struct conc_task *self = conc_task_self();
    if (self != conc_task_self())
        abort();
    struct conc_task *child;
    int depth = 2;
    if (conc_task_start(&child, grow, &depth) != 0)
        abort();
    conc_task_join(child);
    atomic_store(id, conc_task_id(self));
    return NULL;
}

struct joined {
    struct conc_task *task;
    atomic_bool soon; /* orders nothing */
};

static void end_when_waited_for(void *arg)
{
    struct joined *joined = arg;
    while (!atomic_load_explicit(&joined->soon, memory_order_relaxed))
        ;
    for (int64_t end = conc_now_ns() + CONC_MS(20); conc_now_ns() < end;)
        ;
}

static void *join_it(void *arg)
{
    struct joined *joined = arg;
    atomic_store_explicit(&joined->soon, true, memory_order_relaxed);
    conc_task_join(joined->task);
    return NULL;
}

/* Its first call is the join of a task that another has started, and nothing else orders the two:
 * TSan is to know that they are. */
START_TEST(foreign_thread_joins)
{
    if (unit_on_sim() || RUNNING_ON_VALGRIND) /* whose tools take the flag for a race */
        return;
    struct joined joined = {.soon = false};
    pthread_t thread;
    unit_ok(conc_task_start(&joined.task, end_when_waited_for, &joined));
    ck_assert_int_eq(pthread_create(&thread, NULL, join_it, &joined), 0);
    conc_yield();
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(foreign_threads)
{
    if (unit_on_sim())
        return;
    ck_assert_uint_eq(conc_task_id(conc_task_self()), 1);
    for (int i = 0; i < 3; i++) {
        atomic_uint_least64_t id = 0;
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, become_task, &id), 0);
        pthread_join(thread, NULL);
        ck_assert_uint_gt(id, 1);
        ck_assert_uint_eq(conc_census_count(), 1); /* it stays one until it ends */
    }
}
END_TEST

/* ---------------------------------------------------------------- names, blocking, yield */

static void rename_self(void *arg)
{
    conc_task_set_name("reader %d of a name that is much longer than fits", 7);
    *(char **)arg = unit_census();
}

static void keep_name(void *arg)
{
    *(char **)arg = unit_census();
}

START_TEST(names)
{
    char *list = NULL;
    struct conc_task *task;
    unit_ok(conc_task_start(&task, keep_name, &list));
    conc_task_join(task);
    ck_assert_msg(strstr(list, " keep_name, started at ") != NULL, "%s", list);
    ck_assert_msg(strstr(list, "test_task.c:") != NULL, "%s", list);
    ck_assert_msg(strstr(list, "task 1 main:") != NULL, "%s", list);
    free(list);
    unit_ok(conc_task_start(&task, rename_self, &list));
    conc_task_join(task);
    ck_assert_msg(strstr(list, " reader 7 of a name that is much,") != NULL, "%s", list);
    free(list);
}
END_TEST

static void inner(void *arg)
{
    ++*(int *)arg;
}

static void outer(void *arg)
{
    conc_blocking(inner, arg); /* nests */
    poll(NULL, 0, 1);          /* blocks in the kernel: what conc_blocking is for */
    ++*(int *)arg;
}

START_TEST(blocking)
{
    int count = 0;
    conc_blocking(outer, &count);
    ck_assert_int_eq(count, 2);
    conc_yield();
}
END_TEST

/* ---------------------------------------------------------------- the engine */

START_TEST(engine_names)
{
    const char *wish = getenv("CONC_ENGINE");
    bool valgrind = RUNNING_ON_VALGRIND || CONC_LOCK_PTHREAD;
    const char *name = wish && *wish ? wish : valgrind ? "threads" : "fibers";
    bool threads = strcmp(name, "threads") == 0;
    const struct conc_engine *expected = threads                    ? &conc_engine_threads
                                         : strcmp(name, "sim") == 0 ? &conc_engine_sim
                                                                    : &conc_engine_fibers;
    ck_assert_str_eq(conc_engine_name(), name);
    ck_assert_ptr_nonnull(strstr(conc_engine_names(), "threads"));
    ck_assert_ptr_nonnull(strstr(conc_engine_names(), "fibers"));
    ck_assert_ptr_nonnull(strstr(conc_engine_names(), "sim"));
    unit_rc(conc_engine_select("no such engine"), EINVAL);
    unit_rc(conc_engine_select(NULL), EINVAL);
    unit_rc(conc_engine_select(""), EINVAL);
    unit_ok(conc_engine_select(name));
    unit_rc(conc_engine_select(threads ? "fibers" : "threads"), EBUSY);
    ck_assert_ptr_eq(conc_engine(), expected);
}
END_TEST

static int first_call(void *arg)
{
    setenv("CONC_ENGINE", arg, 1);
    conc_task_self();
    return 0;
}

START_TEST(engine_from_the_environment)
{
    struct unit_child child;
    unit_child_run(&child, first_call, (void *)(uintptr_t) "threads", NULL);
    ck_assert_int_eq(child.exit_code, 0);
    unit_child_run(&child, first_call, (void *)(uintptr_t) "", NULL);
    ck_assert_int_eq(child.exit_code, 0);
    unit_child_run(&child, first_call, (void *)(uintptr_t) "warp", NULL);
    ck_assert_int_eq(child.exit_code, 2);
    ck_assert_msg(strstr(child.err, "CONC_ENGINE") && strstr(child.err, "'warp'") &&
                      strstr(child.err, "threads"),
        "what, where, what would be right: %s", child.err);
    ck_assert_ptr_eq(strchr(child.err, '\n'), child.err + strlen(child.err) - 1); /* one line */
}
END_TEST

/* ---------------------------------------------------------------- programming errors */

static void join_oneself(void)
{
    conc_task_join(conc_task_self());
}

static void pop_the_wrong_one(void)
{
    struct conc_cleanup a;
    struct conc_cleanup b;
    conc_cleanup_push(&a, nothing, NULL);
    conc_cleanup_push(&b, nothing, NULL);
    conc_cleanup_pop(&a, false);
}

static void panic(void)
{
    conc_panic(CONC_HERE, "the %s of %d", "end", 42);
}

static void exit_from_main(void)
{
    conc_task_exit();
}

START_TEST(programming_errors_abort)
{
    unit_aborts_in(exit_from_main, "conc did not start", "conc: ");
    unit_aborts(join_oneself, "joins itself");
    unit_aborts_in(pop_the_wrong_one, "cleanup", "conc: ");
    unit_aborts(panic, "the end of 42");
}
END_TEST

int main(void)
{
    return unit_main("task", starts_and_joins, arguments, handle_is_set_first, numbers,
        many_at_once, tasks_start_tasks, join_before_and_after_the_end, exit_runs_the_cleanups,
        foreign_threads, foreign_thread_joins, names, blocking, engine_names,
        engine_from_the_environment, programming_errors_abort);
}
