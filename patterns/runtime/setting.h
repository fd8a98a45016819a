/* SPDX-License-Identifier: MIT */
#ifndef CONC_RUNTIME_SETTING_H
#define CONC_RUNTIME_SETTING_H

/* The number in an environment variable; `otherwise` where it is unset or empty. One that is no
 * number from min to max ends the program with a line on stderr and exit code 2. */
long conc_setting(const char *name, long min, long max, long otherwise);

/* The same for one of some words, NULL at their end: its index. */
int conc_setting_word(const char *name, const char *const *words, int otherwise);

#endif
