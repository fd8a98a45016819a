/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/trace.h"

struct event {
    int64_t at_ns;
    uint64_t task;
    uint64_t by;    /* the task that recorded it */
    uint64_t order; /* of recording: two events may have the same time */
    const char *what;
    const struct conc_site *site;
    enum conc_trace_kind kind;
    char name[32]; /* of CONC_TRACE_START and CONC_TRACE_END */
};

enum { BLOCK_EVENTS = 64 };

struct block {
    struct block *next; /* older */
    size_t len;
    struct event events[BLOCK_EVENTS];
};

/* One a thread and trace. Nobody but that thread takes its lock, until finish does once. */
struct buffer {
    struct conc_lock lock;
    struct buffer *next;  /* under trace.lock */
    bool closed;          /* under lock: the trace is over */
    size_t dropped;       /* under lock */
    struct block *blocks; /* under lock: newest first */
};

static struct {
    struct conc_lock lock; /* guards all below */
    struct buffer *buffers;
    struct buffer *retired; /* of traces that are over; a thread may still look at its own */
    FILE *file;             /* what cannot be replaced; NULL: is opened at the end */
    char *path;             /* NULL: there is no trace */
    char *part_path;        /* written first, and renamed; NULL: writes to file */
    int64_t started_ns;
} trace = {.lock = CONC_LOCK_INIT};

atomic_bool conc_trace_on;

/* How many traces have been started: tells a thread that its buffer is of an older one. */
static atomic_uint round_number;

/* How many events have been recorded, in all traces. */
static _Atomic(uint64_t) recorded;

static _Thread_local struct buffer *own_buffer;
static _Thread_local unsigned own_round;

/* --- recording ----------------------------------------------------------------------------------
 */

/* Everything here takes plain malloc: a test that fails the k-th allocation must not count ours. */

static struct buffer *buffer_of_thread(void)
{
    unsigned round = atomic_load(&round_number);
    if (own_buffer && own_round == round)
        return own_buffer;
    struct buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return NULL;
    conc_lock_init(&buffer->lock);
    conc_lock_acquire_raw(&trace.lock);
    buffer->closed = !trace.path || round != atomic_load(&round_number);
    struct buffer **list = buffer->closed ? &trace.retired : &trace.buffers;
    buffer->next = *list;
    *list = buffer;
    conc_lock_release(&trace.lock);
    own_buffer = buffer;
    own_round = round;
    return buffer;
}

static void append(struct buffer *buffer, const struct event *event)
{
    struct block *fresh = NULL;
    conc_lock_acquire_raw(&buffer->lock);
    if (!buffer->closed && (!buffer->blocks || buffer->blocks->len == BLOCK_EVENTS)) {
        conc_lock_release(&buffer->lock);
        fresh = malloc(sizeof *fresh);
        conc_lock_acquire_raw(&buffer->lock);
        if (fresh && !buffer->closed) {
            fresh->len = 0;
            fresh->next = buffer->blocks;
            buffer->blocks = fresh;
            fresh = NULL;
        }
    }
    if (!buffer->closed && buffer->blocks && buffer->blocks->len < BLOCK_EVENTS)
        buffer->blocks->events[buffer->blocks->len++] = *event;
    else
        buffer->dropped++;
    conc_lock_release(&buffer->lock);
    free(fresh);
}

void conc_trace_record(
    enum conc_trace_kind kind, const struct conc_task *task, const struct conc_wait_info *info)
{
    struct conc_task *self = conc_task_current_get();
    struct event event = {
        .at_ns = conc_engine()->now_ns(), /* not a look of the program's: those count, on sim */
        .order = atomic_fetch_add_explicit(&recorded, 1, memory_order_relaxed),
        .task = task->id,
        .by = self ? self->id : 0,
        .what = info ? info->what : NULL,
        .site = info ? info->site : NULL,
        .kind = kind,
    };
    if (kind == CONC_TRACE_START || kind == CONC_TRACE_END)
        snprintf(event.name, sizeof event.name, "%s", atomic_load(&task->name));
    struct buffer *buffer = buffer_of_thread();
    if (buffer)
        append(buffer, &event);
}

/* Whether there could be a file of this name, which is only made when there is something to write:
 * what is stopped before leaves nothing behind. */
static bool can_make(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool can = directory && access(directory, W_OK | X_OK) == 0;
    free(directory);
    return can;
}

int conc_trace_start(const char *path)
{
    if (!path)
        return EINVAL;
    if (atomic_load(&conc_trace_on))
        return EBUSY;
    int saved_errno = errno;
    char *copy = realpath(path, NULL); /* what a link leads to; NULL: there is none yet */
    copy = copy ? copy : strdup(path);
    size_t size = copy ? strlen(copy) + sizeof ".part" : 0;
    char *part = malloc(size);
    int rc = copy && part ? 0 : ENOMEM;
    FILE *file = NULL;
    if (rc == 0) {
        struct stat status;
        snprintf(part, size, "%s.part", copy);
        /* A pipe, a device, a file without a name: cannot be replaced by renaming. */
        bool replaced =
            stat(copy, &status) != 0 || (S_ISREG(status.st_mode) && status.st_nlink > 0);
        errno = 0;
        if (replaced) {
            rc = can_make(part) ? 0 : errno;
        } else {
            free(part);
            part = NULL;
            file = fopen(copy, "w");
            rc = file ? 0 : errno;
        }
    }
    int64_t now_ns = conc_engine()->now_ns();
    conc_lock_acquire_raw(&trace.lock);
    if (rc == 0 && trace.path)
        rc = EBUSY;
    if (rc == 0) {
        trace.file = file;
        trace.path = copy;
        trace.part_path = part;
        trace.started_ns = now_ns;
        atomic_fetch_add(&round_number, 1);
        atomic_store(&conc_trace_on, true);
        atomic_fetch_or(&conc_watched, CONC_WATCH_TRACE);
    }
    conc_lock_release(&trace.lock);
    if (rc != 0) {
        if (file)
            fclose(file);
        free(copy);
        free(part);
    }
    errno = saved_errno;
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static int by_task_and_time(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void write_string(FILE *file, const char *string)
{
    putc('"', file);
    for (; *string; string++) {
        unsigned char c = (unsigned char)*string;
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 0x20)
            fprintf(file, "\\u%04x", c);
        else
            putc(c, file);
    }
    putc('"', file);
}

/* Chrome's unit is the microsecond. Not printed as floating point, which some locales write with a
 * comma. */
static void write_us(FILE *file, const char *key, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    fprintf(file, "\"%s\":%" PRId64 ".%03d", key, ns / 1000, (int)(ns % 1000));
}

static void write_slice(
    FILE *file, const struct event *from, int64_t start_ns, int64_t end_ns, const char *what)
{
    fprintf(file, ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%" PRIu64 ",", from->task);
    write_us(file, "ts", start_ns - trace.started_ns);
    putc(',', file);
    write_us(file, "dur", end_ns - start_ns);
    putc(',', file);
    if (!what) {
        fputs("\"cat\":\"run\",\"name\":\"run\"}", file);
        return;
    }
    char name[96];
    snprintf(name, sizeof name, "blocked: %s", what);
    fputs("\"cat\":\"wait\",\"name\":", file);
    write_string(file, name);
    if (from->site) {
        char at[512];
        snprintf(at, sizeof at, "%s:%d", from->site->file, from->site->line);
        fputs(",\"args\":{\"at\":", file);
        write_string(file, at);
        putc('}', file);
    }
    putc('}', file);
}

static void write_name(FILE *file, uint64_t task, const char *name)
{
    fprintf(file,
        ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%llu,\"ts\":0,\"name\":\"thread_name\",\"args\":{"
        "\"name\":",
        (unsigned long long)task);
    write_string(file, name);
    fputs("}}", file);
}

/* Writes the events of one task, which are sorted by time. A task that lived before the trace began
 * has run since then, for all we know. */
static void write_task(FILE *file, const struct event *events, size_t n, int64_t now_ns)
{
    const char *name = NULL;
    const struct event *wait = NULL; /* blocked since this event */
    bool runs = true;
    int64_t since_ns = trace.started_ns;
    for (size_t i = 0; i < n; i++) {
        const struct event *e = &events[i];
        switch (e->kind) {
        case CONC_TRACE_START:
            name = e->name;
            runs = false;
            break;
        case CONC_TRACE_BEGIN:
            runs = true;
            since_ns = e->at_ns;
            break;
        case CONC_TRACE_BLOCK:
            if (runs)
                write_slice(file, e, since_ns, e->at_ns, NULL);
            runs = false;
            wait = e;
            break;
        case CONC_TRACE_RUN:
            if (wait)
                write_slice(file, wait, wait->at_ns, e->at_ns, wait->what);
            wait = NULL;
            runs = true;
            since_ns = e->at_ns;
            break;
        case CONC_TRACE_WAKE:
            fprintf(file, ",\n{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%" PRIu64 ",", e->by);
            write_us(file, "ts", e->at_ns - trace.started_ns);
            fprintf(file, ",\"cat\":\"wake\",\"name\":\"wakes %" PRIu64 "\"}", e->task);
            break;
        case CONC_TRACE_END:
            name = e->name;
            if (runs)
                write_slice(file, e, since_ns, e->at_ns, NULL);
            runs = false;
            break;
        }
    }
    if (wait)
        write_slice(file, wait, wait->at_ns, now_ns, wait->what);
    else if (runs && n > 0)
        write_slice(file, &events[n - 1], since_ns, now_ns, NULL);
    if (!name)
        name = events[0].task == 1 ? "main" : "task";
    write_name(file, events[0].task, name);
}

static void write_all(FILE *file, struct event *events, size_t n, size_t dropped, int64_t now_ns)
{
    qsort(events, n, sizeof *events, by_task_and_time);
    fprintf(file,
        "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"dropped\":%zu},\"traceEvents\":[\n"
        "{\"ph\":\"M\",\"pid\":1,\"ts\":0,\"name\":\"process_name\",\"args\":{\"name\":\"conc\"}}",
        dropped);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && events[to].task == events[from].task; to++)
            ;
        write_task(file, events + from, to - from, now_ns);
    }
    fputs("\n]}\n", file);
}

/* Closes the buffers and returns their blocks as one list. */
static struct block *close_buffers(struct buffer *buffers, size_t *n, size_t *dropped)
{
    struct block *all = NULL;
    *n = *dropped = 0;
    for (; buffers; buffers = buffers->next) {
        conc_lock_acquire_raw(&buffers->lock);
        buffers->closed = true;
        *dropped += buffers->dropped;
        while (buffers->blocks) {
            struct block *block = buffers->blocks;
            buffers->blocks = block->next;
            block->next = all;
            all = block;
            *n += block->len;
        }
        conc_lock_release(&buffers->lock);
    }
    return all;
}

/* Empties the blocks into one array, which the caller frees, and frees them. NULL: no memory. */
static struct event *gather(struct block *blocks, size_t n)
{
    struct event *events = malloc((n + 1) * sizeof *events);
    size_t at = 0;
    while (blocks) {
        struct block *next = blocks->next;
        for (size_t i = 0; events && i < blocks->len; i++)
            events[at++] = blocks->events[i];
        free(blocks);
        blocks = next;
    }
    return events;
}

int conc_trace_finish(void)
{
    int saved_errno = errno;
    int64_t now_ns = conc_engine()->now_ns();
    conc_lock_acquire_raw(&trace.lock);
    atomic_store(&conc_trace_on, false);
    atomic_fetch_and(&conc_watched, ~CONC_WATCH_TRACE);
    FILE *file = trace.file;
    struct buffer *buffers = trace.buffers;
    char *path = trace.path;
    char *part = trace.part_path;
    trace.file = NULL;
    trace.path = NULL;
    trace.buffers = NULL;
    size_t n = 0, dropped = 0;
    struct block *blocks = close_buffers(buffers, &n, &dropped);
    for (struct buffer *next; buffers; buffers = next) {
        next = buffers->next;
        buffers->next = trace.retired;
        trace.retired = buffers;
    }
    conc_lock_release(&trace.lock);
    if (!path)
        return EINVAL;

    struct event *events = gather(blocks, n);
    int rc = events ? 0 : ENOMEM;
    errno = 0;
    if (part && rc == 0 && !(file = fopen(part, "w")))
        rc = errno;
    if (file && events)
        write_all(file, events, n, dropped, now_ns);
    free(events);
    errno = 0;
    bool bad = file && ferror(file) != 0;
    if (file && (fclose(file) != 0 || bad))
        rc = rc ? rc : errno ? errno : EIO;
    if (rc == 0 && part && rename(part, path) != 0)
        rc = errno;
    if (rc != 0 && part)
        unlink(part);
    free(part);
    free(path);
    errno = saved_errno;
    return rc;
}
