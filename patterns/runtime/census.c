/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/census.h"
#include "runtime/check.h"
#include "runtime/clock.h"
#include "runtime/errno.h"
#include "runtime/trace.h"

static struct conc_lock lock = CONC_LOCK_INIT;
static struct conc_task *first; /* under lock: oldest first */
static struct conc_task *last;  /* under lock */
static size_t listed;           /* under lock: tasks that are not services */
static atomic_long awake;       /* tasks that run, or will by themselves */
static atomic_ulong awakened;   /* how often one more was */
static atomic_long threads;     /* threads that carry tasks */

void conc_census_add(struct conc_task *task)
{
    conc_lock_acquire_raw(&lock);
    task->census_next = NULL;
    task->census_prev = last;
    *(last ? &last->census_next : &first) = task;
    last = task;
    listed += !task->kind->service;
    conc_lock_release(&lock);
}

void conc_census_remove(struct conc_task *task)
{
    conc_lock_acquire_raw(&lock);
    *(task->census_prev ? &task->census_prev->census_next : &first) = task->census_next;
    *(task->census_next ? &task->census_next->census_prev : &last) = task->census_prev;
    listed -= !task->kind->service;
    conc_lock_release(&lock);
}

void conc_census_rename(struct conc_task *task, const char *name)
{
    conc_lock_acquire_raw(&lock);
    snprintf(task->own_name, sizeof task->own_name, "%s", name);
    atomic_store(&task->name, task->own_name);
    conc_lock_release(&lock);
}

size_t conc_census_count(void)
{
    conc_lock_acquire_raw(&lock);
    size_t count = listed;
    conc_lock_release(&lock);
    const struct conc_engine *engine = conc_engine();
    return count + (engine->tasks ? engine->tasks(NULL, NULL) : 0);
}

void conc_census_visit(void (*visit)(const struct conc_task *task, void *arg), void *arg)
{
    conc_lock_acquire_raw(&lock);
    for (const struct conc_task *task = first; task; task = task->census_next)
        visit(task, arg);
    conc_lock_release(&lock);
    const struct conc_engine *engine = conc_engine();
    if (engine->tasks)
        engine->tasks(visit, arg);
}

void conc_census_thread_added(void)
{
    atomic_fetch_add(&threads, 1);
}

void conc_census_thread_removed(void)
{
    atomic_fetch_sub(&threads, 1);
}

bool conc_census_start_thread(pthread_t *thread, void *(*fn)(void *))
{
    sigset_t all;
    sigset_t before;
    int saved_errno = conc_errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    conc_census_thread_added();
    bool started = pthread_create(thread, NULL, fn, NULL) == 0;
    if (!started)
        conc_census_thread_removed();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    conc_errno = saved_errno;
    return started;
}

/* --- the list, with nothing but what a signal handler may call ----------------------------------
 */

struct text {
    char bytes[1024];
    size_t len;
};

static void put(struct text *text, const char *string)
{
    while (*string && text->len < sizeof text->bytes - 2)
        text->bytes[text->len++] = *string++;
}

static void put_number(struct text *text, uint64_t n, unsigned base)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    digits[i] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n > 0);
    put(text, digits + i);
}

static void put_site(struct text *text, const struct conc_site *site)
{
    put(text, site->file);
    put(text, ":");
    put_number(text, (uint64_t)site->line, 10);
    put(text, " in ");
    put(text, site->function);
}

static void write_all(int fd, const char *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, bytes + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
}

static void flush_line(struct text *text, int fd)
{
    text->bytes[text->len++] = '\n';
    write_all(fd, text->bytes, text->len);
    text->len = 0;
}

static void put_holds(struct text *text, uint64_t task)
{
    struct conc_check_held held[4];
    size_t n = conc_check_holds(task, held, sizeof held / sizeof *held);
    for (size_t i = 0; i < n; i++) {
        put(text, i == 0 ? "; holds " : ", ");
        put(text, held[i].kind == CONC_CHECK_MUTEX ? "mutex 0x" : "read-write mutex 0x");
        put_number(text, (uintptr_t)held[i].lock, 16);
        if (held[i].site) {
            put(text, ", taken at ");
            put_site(text, held[i].site);
        }
    }
}

static void print_task(const struct conc_task *task, int64_t now_ns, int fd)
{
    struct text text = {.len = 0};
    put(&text, "  task ");
    put_number(&text, task->id, 10);
    put(&text, " ");
    put(&text, atomic_load(&task->name));
    if (task->started) {
        put(&text, ", started at ");
        put_site(&text, task->started);
    }
    const char *what = atomic_load_explicit(&task->wait_what, memory_order_acquire);
    if (!what) {
        put(&text, ": runs");
    } else {
        put(&text, ": waits ");
        put(&text, what);
        const void *object = atomic_load_explicit(&task->wait_object, memory_order_relaxed);
        if (object) {
            put(&text, " 0x");
            put_number(&text, (uintptr_t)object, 16);
        }
        /* A look that never sleeps (a try twin) has no site, and may be what we meet. */
        const struct conc_site *site = atomic_load_explicit(&task->wait_site, memory_order_relaxed);
        if (site) {
            put(&text, ", at ");
            put_site(&text, site);
        }
        int64_t since = atomic_load_explicit(&task->wait_since, memory_order_relaxed);
        uint64_t tenths = since && now_ns > since ? (uint64_t)(now_ns - since) / 100000000 : 0;
        put(&text, ", for ");
        put_number(&text, tenths / 10, 10);
        put(&text, ".");
        put_number(&text, tenths % 10, 10);
        put(&text, " s");
    }
    put_holds(&text, task->id);
    flush_line(&text, fd);
}

struct listing {
    const struct conc_task *left_out;
    int64_t now_ns;
    int fd;
};

static void print_listed(const struct conc_task *task, void *arg)
{
    const struct listing *listing = arg;
    if (!listing->left_out || task->id != listing->left_out->id)
        print_task(task, listing->now_ns, listing->fd);
}

/* Under the lock. */
static void print_all_but(const struct conc_task *left_out, int fd)
{
    int64_t now_ns = conc_engine()->now_ns();
    for (const struct conc_task *task = first; task; task = task->census_next)
        if (!task->kind->service && task != left_out)
            print_task(task, now_ns, fd);
    struct listing listing = {left_out, now_ns, fd};
    if (conc_engine()->tasks)
        conc_engine()->tasks(print_listed, &listing);
}

void conc_census_print_task(const struct conc_task *task, int fd)
{
    print_task(task, conc_engine()->now_ns(), fd);
}

void conc_census_print(int fd)
{
    struct text text = {.len = 0};
    /* The thread that a signal interrupted may be the one that holds the lock. */
    if (!conc_lock_try_acquire_raw(&lock)) {
        put(&text, "conc: the list of tasks is being changed; ask again");
        flush_line(&text, fd);
        return;
    }
    print_all_but(NULL, fd);
    conc_lock_release(&lock);
}

static void begin_to_die(const char *report)
{
    static atomic_bool dying;
    if (atomic_exchange(&dying, true))
        for (;;)
            pause();
    conc_trace_finish(); /* the way here is what one wants to see */
    fflush(stdout);
    write_all(STDERR_FILENO, report, strlen(report));
}

static _Noreturn void end_dying(int code)
{
    struct text text = {.len = 0};
    if (conc_engine()->note) {
        char note[160];
        conc_engine()->note(note, sizeof note);
        put(&text, note);
        flush_line(&text, STDERR_FILENO);
    }
    _exit(code);
}

void conc_census_die(const char *report, int exit_code)
{
    begin_to_die(report);
    end_dying(exit_code);
}

static _Noreturn void die(const char *headline, const struct conc_task *left_out, int code)
{
    begin_to_die(headline);
    conc_lock_acquire_raw(&lock);
    print_all_but(left_out, STDERR_FILENO);
    conc_lock_release(&lock);
    end_dying(code);
}

/* --- all asleep ---------------------------------------------------------------------------------
 */

static void sleep_a_millisecond(void)
{
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
}

/* How many threads the process has; LONG_MAX when that cannot be told: then there may be any. */
static long threads_of_process(void)
{
    int saved_errno = errno;
    DIR *dir = opendir("/proc/self/task");
    long n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    errno = saved_errno;
#if defined(__SANITIZE_THREAD__)
    n--; /* TSan has a thread of its own */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    n--;
#endif
#endif
    return dir ? n : LONG_MAX;
}

void conc_census_awake(void)
{
    atomic_fetch_add(&awakened, 1);
    atomic_fetch_add(&awake, 1);
}

bool conc_census_asleep(void)
{
    return atomic_fetch_sub(&awake, 1) == 1;
}

static atomic_bool main_left;

void conc_census_main_left(void)
{
    atomic_store(&main_left, true);
}

static void *exits(void *unused)
{
    (void)unused;
    exit(conc_check_failed() ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* None but threads of the runtime is left. The process is ended by one more, which is awake: for
 * handlers of the program may start tasks and wait for them, and those need all the others. */
static void end_program(void)
{
    long none = 0;
    pthread_t known_to_itself;
    if (!atomic_compare_exchange_strong(&awake, &none, 1))
        return; /* another has been faster */
    if (!conc_census_start_thread(&known_to_itself, exits))
        exits(NULL);
}

bool conc_census_check_deadlock(void)
{
    unsigned long before = atomic_load(&awakened);
    if (atomic_load(&awake) > 0)
        return true;
    bool over = conc_census_count() == 0;
    if (over && !atomic_load(&main_left))
        return true;
    /* A thread that conc does not know may call conc later and wake somebody. It may do so just
     * now, start another and end: so what has been seen counts only if all were asleep all the
     * while. */
    bool strangers = threads_of_process() > atomic_load(&threads);
    if (strangers || atomic_load(&awakened) != before)
        return false;
    if (!over)
        die("conc: all tasks are asleep – deadlock!\n", NULL, CONC_EXIT_DEADLOCK);
    end_program();
    return true;
}

static atomic_bool looking; /* a thread of look_on */

/* Until somebody is awake, ever less often. */
static void *look_on(void *unused)
{
    pthread_detach(pthread_self());
    do {
        int64_t nap_ns = CONC_MS(1);
        do {
            struct timespec nap = {nap_ns / CONC_S(1), nap_ns % CONC_S(1)};
            nanosleep(&nap, NULL);
            nap_ns = nap_ns < CONC_S(1) ? 2 * nap_ns : nap_ns;
        } while (!conc_census_check_deadlock());
        atomic_store(&looking, false);
        /* Whoever ends as the last from now on sees that; who has done so before is seen here. */
    } while (!conc_census_check_deadlock() && !atomic_exchange(&looking, true));
    conc_census_thread_removed();
    return unused;
}

/* Who ends cannot wait for a thread outside conc to end, which may wait for just this; and a thread
 * that has ended is seen for a moment longer. So another looks on. */
void conc_census_ends(void)
{
    pthread_t known_to_itself;
    if (!conc_census_asleep() || conc_census_check_deadlock() || atomic_exchange(&looking, true))
        return;
    if (!conc_census_start_thread(&known_to_itself, look_on))
        atomic_store(&looking, false); /* without a report, then */
}

/* --- at exit ------------------------------------------------------------------------------------
 */

/* How many tasks that conc started are left, but for the caller. A thread of the host program that
 * has called conc is not ours to miss. */
static void count_if_left(const struct conc_task *task, void *arg)
{
    size_t *n = arg;
    const struct conc_task *self = conc_task_current_get();
    *n += task->started && !task->kind->service && !(self && task->id == self->id);
}

static size_t left_behind(void)
{
    size_t n = 0;
    conc_census_visit(count_if_left, &n);
    return n;
}

void conc_census_check_leaks(void)
{
    /* A task that is about to end is given a moment to do so. */
    static const struct conc_wait_info info = {"for tasks to end", NULL, NULL};
    int others = conc_task_current_get() ? 1 : 0;
    /* A fiber that is ready, and whose worker is ours, is not counted: only what stays quiet is. */
    for (int i = 0, quiet = 0; i < 200 && left_behind() > 0 && quiet < 5; i++) {
        quiet = atomic_load(&awake) > others ? 0 : quiet + 1;
        if (conc_task_current_get()) /* as a task, so that they can run */
            conc_park(NULL, conc_time_add(conc_now_ns(), CONC_MS(1)), &info);
        else
            sleep_a_millisecond();
    }
    size_t left = left_behind();
    if (left == 0)
        return;
    char headline[96];
    snprintf(headline, sizeof headline, "conc: the program ends and %zu task%s left – leak!\n",
        left, left == 1 ? " is" : "s are");
    fflush(NULL); /* exit would have done so */
    die(headline, conc_task_current_get(), CONC_EXIT_LEAK);
}
