/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_CHECK_INTERNAL_H
#define CONC_RUNTIME_CHECK_INTERNAL_H

/* What the checks share. Not installed. */

#include "runtime/check.h"
#include "runtime/lock.h"

/* Guards all that the checks know. Taken without a choice point, and a leaf: they see a program and
 * do not change its schedule. */
extern struct conc_lock conc_check_lock;

/* Nor does TSan see them (CMakeLists.txt), what libc does for them included: the order which this
 * lock makes would hide from it the races of the program. */
#if defined(CONC_TSAN)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#define AnnotateIgnoreWritesBegin(file, line) ((void)0)
#define AnnotateIgnoreWritesEnd(file, line) ((void)0)
#endif

static inline void conc_check_leave(void)
{
    conc_lock_release(&conc_check_lock);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/* False: somebody is in. */
static inline bool conc_check_try_enter(void)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    if (conc_lock_try_acquire_raw(&conc_check_lock))
        return true;
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    return false;
}

static inline void conc_check_enter(void)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    conc_lock_acquire_raw(&conc_check_lock);
}

/* Whether what is legal but seldom meant is wanted, too. Fixed. */
extern bool conc_check_all;

/* For how long a lock may be held. Fixed. */
extern int64_t conc_check_long_ns;

/* Memory that an armed fault of runtime/memory.h does not count. NULL: there is none; what it was
 * for is not noted. */
void *conc_check_calloc(size_t count, size_t size);

/* A report that grows by lines. */
struct conc_check_report {
    size_t len;
    char text[4096];
};
void conc_check_add(struct conc_check_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "FILE:LINE in FUNCTION" for a report: three arguments for "%s:%d in %s". */
#define CONC_CHECK_AT(site)                                                                        \
    (site) ? (site)->file : "a place not known", (site) ? (site)->line : 0,                        \
        (site) ? (site)->function : "?"

/* Whether the place is the program's own, and not libconc's, which knows what it does. */
static inline bool conc_check_is_theirs(const struct conc_site *site)
{
    return site && !site->inside;
}

/* True the first time it is asked with these places: a finding that is not said yet. Under the
 * lock. */
bool conc_check_is_new(
    const char *what, const void *first, const void *second, const void *third, const void *fourth);

/* Prints a finding, without the lock. The program will fail. */
void conc_check_say(const struct conc_check_report *report);

#endif
