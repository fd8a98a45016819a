/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_SITE_H
#define CONC_RUNTIME_SITE_H

/*
 * A place in the source. Every start and every waiting call records the place it was written at, so
 * that a deadlock or leak report can say where each task came from and where it sleeps.
 *
 * Waiting calls are macros that add CONC_HERE to a function whose name ends in _at. To call one on
 * behalf of somebody else (a wrapper of your own), call the _at form and hand the caller's site on.
 */

struct conc_site {
    const char *file;
    int line;
    const char *function;
    int inside; /* 1: in libconc itself, which knows what it does: some checks pass over it */
};

#ifndef CONC_INSIDE
#define CONC_INSIDE 0
#endif

/* The address of a static record of this very line: one pointer to pass, nothing to fill in. */
#define CONC_HERE                                                                                  \
    (__extension__({                                                                               \
        static const struct conc_site conc_here_ = {__FILE__, __LINE__, __func__, CONC_INSIDE};    \
        &conc_here_;                                                                               \
    }))

#endif
