/* SPDX-License-Identifier: MIT */
#ifndef PLOTS_TEMPLATE_H
#define PLOTS_TEMPLATE_H

/* What stands around the page's body. */
extern const char template_head[];
extern const char template_foot[];

#endif
