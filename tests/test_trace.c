/* SPDX-License-Identifier: MIT */
/* ctest: labels unit; timeout 60 */

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "runtime/trace.h"
#include "sync/chan.h"
#include "tests/unit.h"

/* ---------------------------------------------------------------- files */

static char directory[64];
static char path[96];

/* A directory of the test's own; `path` is a file in it that does not exist. */
static void make_directory(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.40s/conc-trace-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/trace.json", directory);
}

/* Nothing but `path`, if that, is left in the directory: no half-written file. */
static void remove_directory(void)
{
    unlink(path);
    ck_assert_msg(rmdir(directory) == 0, "something was left in %s", directory);
}

static bool exists(void)
{
    struct stat status;
    return stat(path, &status) == 0;
}

static json_t *load(void)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    ck_assert_msg(root != NULL, "%s:%d: %s", path, error.line, error.text);
    return root;
}

/* ---------------------------------------------------------------- events */

static const char *text(json_t *event, const char *key)
{
    const char *value = json_string_value(json_object_get(event, key));
    return value ? value : "";
}

static double number(json_t *event, const char *key)
{
    json_t *value = json_object_get(event, key);
    ck_assert_msg(json_is_number(value), "no number %s in an event '%s'", key, text(event, "name"));
    return json_number_value(value);
}

/* How many events of this phase, task (0: any) and beginning of the name there are. */
static size_t count(json_t *root, const char *phase, uint64_t task, const char *name)
{
    json_t *events = json_object_get(root, "traceEvents");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(events); i++) {
        json_t *event = json_array_get(events, i);
        if (strcmp(text(event, "ph"), phase) == 0 &&
            strncmp(text(event, "name"), name, strlen(name)) == 0 &&
            (task == 0 || (uint64_t)json_integer_value(json_object_get(event, "tid")) == task))
            n++;
    }
    return n;
}

static json_t *find(json_t *root, const char *phase, uint64_t task, const char *name)
{
    json_t *events = json_object_get(root, "traceEvents");
    for (size_t i = 0; i < json_array_size(events); i++) {
        json_t *event = json_array_get(events, i);
        if (strcmp(text(event, "ph"), phase) == 0 &&
            strncmp(text(event, "name"), name, strlen(name)) == 0 &&
            (uint64_t)json_integer_value(json_object_get(event, "tid")) == task)
            return event;
    }
    ck_abort_msg("no event '%s' of task %" PRIu64, name, task);
}

/* What any reader of the format relies on: times not negative, and the slices of a row one after
 * the other. */
static void check_form(json_t *root)
{
    json_t *events = json_object_get(root, "traceEvents");
    ck_assert(json_is_array(events));
    for (size_t i = 0; i < json_array_size(events); i++) {
        json_t *a = json_array_get(events, i);
        ck_assert_double_ge(number(a, "ts"), 0);
        if (strcmp(text(a, "ph"), "X") != 0)
            continue;
        ck_assert_double_ge(number(a, "dur"), 0);
        for (size_t j = i + 1; j < json_array_size(events); j++) {
            json_t *b = json_array_get(events, j);
            if (strcmp(text(b, "ph"), "X") != 0 || number(a, "tid") != number(b, "tid"))
                continue;
            double a_end = number(a, "ts") + number(a, "dur");
            double b_end = number(b, "ts") + number(b, "dur");
            ck_assert_msg(a_end <= number(b, "ts") + 0.002 || b_end <= number(a, "ts") + 0.002,
                "two slices of task %.0f overlap: [%.3f, %.3f] and [%.3f, %.3f]", number(a, "tid"),
                number(a, "ts"), a_end, number(b, "ts"), b_end);
        }
    }
}

/* ---------------------------------------------------------------- a small program */

static int wait_line;

static void consume(void *arg)
{
    struct conc_chan *ch = arg;
    wait_line = __LINE__ + 1;
    while (conc_chan_recv(ch, NULL, NULL) == 0)
        continue;
}

static void wake_main(void *arg)
{
    while (unit_parked() < 1)
        conc_yield();
    if (conc_chan_send((struct conc_chan *)arg, NULL, NULL) != 0)
        abort();
}

/* Main waits once, whatever the machine does: so its row is there. */
static void wait_once(void)
{
    struct conc_chan *ch;
    struct conc_task *task;
    unit_ok(conc_chan_create(&ch, 0, 0, NULL));
    unit_ok(conc_task_start(&task, wake_main, ch));
    unit_ok(conc_chan_recv(ch, NULL, NULL));
    conc_task_join(task);
    conc_chan_destroy(ch);
}

/* Main (task 1) and a consumer (task 2, or as told) that blocks for each of three elements. */
static uint64_t small_program(void)
{
    struct conc_chan *ch;
    struct conc_task *task;
    int value = 0;
    wait_once();
    unit_ok(conc_chan_create(&ch, sizeof value, 0, NULL));
    unit_ok(conc_task_start(&task, consume, ch));
    uint64_t id = conc_task_id(task);
    for (int i = 0; i < 3; i++) {
        unit_wait_parked(1);
        unit_ok(conc_chan_send(ch, &value, NULL));
    }
    unit_ok(conc_chan_close(ch));
    conc_task_join(task);
    conc_chan_destroy(ch);
    return id;
}

START_TEST(tells_who_ran_and_waited)
{
    make_directory();
    conc_task_self();
    unit_ok(conc_trace_start(path));
    ck_assert(!exists()); /* whole or not at all */
    uint64_t id = small_program();
    unit_ok(conc_trace_finish());

    json_t *root = load();
    check_form(root);
    ck_assert_str_eq(
        text(json_object_get(find(root, "M", id, "thread_name"), "args"), "name"), "consume");
    ck_assert_str_eq(
        text(json_object_get(find(root, "M", 1, "thread_name"), "args"), "name"), "main");
    size_t blocked = count(root, "X", id, "blocked: to receive from channel");
    ck_assert_uint_ge(blocked, 1);
    ck_assert_uint_le(blocked, 4);
    ck_assert_uint_ge(count(root, "X", id, "run"), 1);
    ck_assert_uint_ge(count(root, "X", 1, "run"), 1);
    char wakes[32];
    snprintf(wakes, sizeof wakes, "wakes %" PRIu64, id);
    ck_assert_uint_eq(count(root, "i", 1, wakes), blocked); /* on the row of the one that wakes */
    char place[32];
    snprintf(place, sizeof place, "test_trace.c:%d", wait_line);
    const char *at =
        text(json_object_get(find(root, "X", id, "blocked: to receive"), "args"), "at");
    ck_assert_msg(strstr(at, place) != NULL, "'%s' and not %s", at, place);
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(root, "otherData"), "dropped")), 0);
    json_decref(root);
    remove_directory();
}
END_TEST

START_TEST(one_after_the_other)
{
    make_directory();
    unit_rc(conc_trace_finish(), EINVAL); /* none is being made */
    small_program();                      /* not recorded */
    unit_ok(conc_trace_start(path));
    unit_rc(conc_trace_start(path), EBUSY);
    uint64_t first = small_program();
    unit_ok(conc_trace_finish());
    unit_rc(conc_trace_finish(), EINVAL);
    json_t *root = load();
    ck_assert_uint_eq(count(root, "M", 0, "thread_name"), 3);
    json_decref(root);

    small_program(); /* between the two: not recorded */
    unit_ok(conc_trace_start(path));
    uint64_t second = small_program();
    unit_ok(conc_trace_finish());
    root = load();
    check_form(root);
    ck_assert_uint_eq(count(root, "X", first, ""), 0);
    ck_assert_uint_ge(count(root, "X", second, ""), 1);
    ck_assert_uint_eq(count(root, "M", 0, "thread_name"), 3);
    json_decref(root);
    remove_directory();
}
END_TEST

/* A task that runs or waits when the trace ends is cut at that moment. */
START_TEST(cut_at_the_end)
{
    make_directory();
    struct conc_chan *ch;
    struct conc_task *task;
    unit_ok(conc_chan_create(&ch, 4, 0, NULL));
    unit_ok(conc_trace_start(path));
    wait_once();
    unit_ok(conc_task_start(&task, consume, ch));
    uint64_t id = conc_task_id(task);
    unit_wait_parked(1);
    unit_ok(conc_trace_finish());
    unit_ok(conc_chan_close(ch)); /* recorded nowhere */
    conc_task_join(task);
    json_t *root = load();
    check_form(root);
    ck_assert_uint_eq(count(root, "X", id, "blocked: to receive"), 1);
    ck_assert_uint_ge(count(root, "X", 1, "run"), 1);
    json_decref(root);
    conc_chan_destroy(ch);
    remove_directory();
}
END_TEST

START_TEST(many_events)
{
    make_directory();
    unit_ok(conc_trace_start(path));
    struct conc_chan *there;
    struct conc_task *task;
    unit_ok(conc_chan_create(&there, 0, 0, NULL));
    unit_ok(conc_task_start(&task, consume, there));
    uint64_t id = conc_task_id(task);
    for (int i = 0; i < 800; i++) /* more than fit into one block */
        unit_ok(conc_chan_send(there, NULL, NULL));
    unit_ok(conc_chan_close(there));
    conc_task_join(task);
    unit_ok(conc_trace_finish());
    json_t *root = load();
    /* No slice got lost: each wait is followed by a run. */
    size_t runs = count(root, "X", id, "run");
    size_t waits = count(root, "X", id, "blocked");
    ck_assert_msg(runs == waits || runs == waits + 1, "%zu runs and %zu waits", runs, waits);
    json_decref(root);
    conc_chan_destroy(there);
    remove_directory();
}
END_TEST

static void rename_oddly(void *arg)
{
    (void)arg;
    conc_task_set_name("a \"quoted\" \\ name\n");
}

START_TEST(odd_names)
{
    make_directory();
    struct conc_task *task;
    unit_ok(conc_trace_start(path));
    unit_ok(conc_task_start(&task, rename_oddly, NULL));
    uint64_t id = conc_task_id(task);
    conc_task_join(task);
    unit_ok(conc_trace_finish());
    json_t *root = load();
    ck_assert_str_eq(text(json_object_get(find(root, "M", id, "thread_name"), "args"), "name"),
        "a \"quoted\" \\ name\n");
    json_decref(root);
    remove_directory();
}
END_TEST

/* ---------------------------------------------------------------- errors */

START_TEST(bad_files)
{
    make_directory();
    unit_rc(conc_trace_start(NULL), EINVAL);
    unit_rc(conc_trace_start("/nonexistent/directory/trace.json"), ENOENT);
    ck_assert_int_ne(conc_trace_start(directory), 0);
    unit_rc(conc_trace_finish(), EINVAL); /* nothing was begun */

    /* An old file stays until the new one is whole. */
    FILE *old = fopen(path, "w");
    fputs("old", old);
    fclose(old);
    unit_ok(conc_trace_start(path));
    struct stat status;
    ck_assert(stat(path, &status) == 0 && status.st_size == 3);
    unit_ok(conc_trace_finish());
    json_decref(load());
    remove_directory();
}
END_TEST

START_TEST(full_disk)
{
    if (access("/dev/full", W_OK) != 0)
        return;
    unit_ok(conc_trace_start("/dev/full"));
    small_program();
    unit_rc(conc_trace_finish(), ENOSPC);
    unit_rc(conc_trace_finish(), EINVAL); /* it is over all the same */
}
END_TEST

/* ---------------------------------------------------------------- from the environment */

static int traced_program(void *file)
{
    setenv("CONC_TRACE", file, 1);
    small_program();
    return 0;
}

static int traced_deadlock(void *file)
{
    static struct conc_chan *never;
    setenv("CONC_TRACE", file, 1);
    if (conc_chan_create(&never, 4, 0, NULL) != 0)
        return 9;
    conc_chan_recv(never, NULL, NULL);
    return 0;
}

START_TEST(environment)
{
    struct unit_child child;
    make_directory();
    unit_child_run(&child, traced_program, path, NULL);
    ck_assert_msg(child.exit_code == 0, "%d: %s", child.exit_code, child.err);
    json_t *root = load();
    check_form(root);
    ck_assert_uint_eq(count(root, "M", 0, "thread_name"), 3);
    json_decref(root);
    /* The way into a deadlock is what one wants to see. */
    unlink(path);
    unit_child_run(&child, traced_deadlock, path, NULL);
    if (!RUNNING_ON_VALGRIND) /* which finds fault with a death while a lock is held */
        ck_assert_int_eq(child.exit_code, 3);
    root = load();
    ck_assert_uint_eq(count(root, "X", 1, "blocked: to receive from channel"), 1);
    json_decref(root);
    /* It cannot be written: one line, and the program runs. */
    unit_child_run(
        &child, traced_program, (void *)(uintptr_t) "/nonexistent/directory/t.json", NULL);
    ck_assert_int_eq(child.exit_code, 0);
    ck_assert_msg(strstr(child.err, "CONC_TRACE") && strstr(child.err, "/nonexistent/directory"),
        "%s", child.err);
    remove_directory();
}
END_TEST

int main(void)
{
    return unit_main("trace", tells_who_ran_and_waited, one_after_the_other, cut_at_the_end,
        many_events, odd_names, bad_files, full_disk, environment);
}
