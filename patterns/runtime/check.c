/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/check_internal.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "runtime/errno.h"
#include "runtime/setting.h"

atomic_int conc_watched;
struct conc_lock conc_check_lock = CONC_LOCK_INIT;
bool conc_check_all;
int64_t conc_check_long_ns;

static bool findings_fail;
static atomic_bool found;

static void init(void)
{
    static const char *const words[] = {"0", "errors", "1", "warn", NULL};
    enum { OFF, ERRORS, ALL, WARN };
    int chosen = conc_setting_word("CONC_CHECK", words, CONC_CHECK_DEFAULT ? ERRORS : OFF);
    conc_check_all = chosen == ALL || chosen == WARN;
    conc_check_long_ns = CONC_MS(conc_setting("CONC_HELD_MS", 0, 1000000, 100));
    findings_fail = chosen != WARN;
    if (chosen != OFF)
        atomic_fetch_or(&conc_watched, CONC_WATCH_CHECK);
    if (conc_check_all)
        atomic_fetch_or(&conc_watched, CONC_WATCH_MISUSE);
}

void conc_check_init(void)
{
    static atomic_bool done;
    if (atomic_load_explicit(&done, memory_order_acquire))
        return;
    static struct conc_lock lock = CONC_LOCK_INIT;
    conc_lock_acquire_raw(&lock);
    if (!atomic_load_explicit(&done, memory_order_relaxed))
        init();
    atomic_store_explicit(&done, true, memory_order_release);
    conc_lock_release(&lock);
}

bool conc_check_failed(void)
{
    return findings_fail && atomic_load(&found);
}

void *conc_check_calloc(size_t count, size_t size)
{
    int saved_errno = conc_errno;
    void *memory = calloc(count, size);
    conc_errno = saved_errno;
    return memory;
}

void conc_check_add(struct conc_check_report *report, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof report->text - report->len;
    int n = vsnprintf(report->text + report->len, room, format, args);
    va_end(args);
    if (n > 0)
        report->len += (size_t)n < room ? (size_t)n : room - 1;
}

bool conc_check_is_new(
    const char *what, const void *first, const void *second, const void *third, const void *fourth)
{
    static struct said {
        const void *about[5];
        struct said *next;
    } * all_said;
    for (const struct said *said = all_said; said; said = said->next)
        if (said->about[0] == what && said->about[1] == first && said->about[2] == second &&
            said->about[3] == third && said->about[4] == fourth)
            return false;
    struct said *said = conc_check_calloc(1, sizeof *said);
    if (said) {
        *said = (struct said){{what, first, second, third, fourth}, all_said};
        all_said = said;
    }
    return true;
}

void conc_check_say(const struct conc_check_report *report)
{
    int saved_errno = conc_errno;
    atomic_store(&found, true);
    fflush(stdout);
    fwrite(report->text, 1, report->len, stderr);
    conc_errno = saved_errno;
}
