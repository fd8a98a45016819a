/* SPDX-License-Identifier: MIT */
#include "page_parts.h"

#include <string.h>

static bool same_run(const struct pattern *a, const struct pattern *b)
{
    return strcmp(a->commit, b->commit) == 0 && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->mode, b->mode) == 0 && strcmp(a->machine.cpu, b->machine.cpu) == 0 &&
           a->machine.cores == b->machine.cores &&
           strcmp(a->machine.kernel, b->machine.kernel) == 0 &&
           strcmp(a->machine.compiler, b->machine.compiler) == 0;
}

void page_put_machine(FILE *out, const struct results *r)
{
    fprintf(out, "## Machine\n\n");
    fprintf(out,
        "| patterns | processor | cores | kernel | compiler | governor | load before | "
        "engine | commit | mode | date |\n|---|---|--:|---|---|---|--:|---|---|---|---|\n");
    for (size_t i = 0; i < r->n;) {
        const struct pattern *p = &r->patterns[i];
        const struct machine *m = &p->machine;
        size_t last = i;
        while (last + 1 < r->n && same_run(p, &r->patterns[last + 1]))
            last++;
        if (last > i)
            fprintf(out, "| %02d–%02d | ", p->number, r->patterns[last].number);
        else
            fprintf(out, "| %02d | ", p->number);
        page_put(out, m->cpu);
        fprintf(
            out, "%s | %lld | ", m->is_virtual ? " (virtual machine)" : "", (long long)m->cores);
        page_put(out, m->kernel);
        fputs(" | ", out);
        page_put(out, m->compiler);
        fputs(" | ", out);
        page_put(out, m->governor != NULL ? m->governor : "unknown");
        if (m->load >= 0) /* of the first one: the others see the load of those before them */
            fprintf(out, " | %.2f | ", m->load);
        else
            fputs(" | unknown | ", out);
        page_put(out, p->engine);
        fputs(" | ", out);
        page_put(out, p->commit);
        fputs(" | ", out);
        page_put(out, p->mode);
        fputs(" | ", out);
        page_put(out, p->date);
        fputs(" |\n", out);
        i = last + 1;
    }
    fprintf(out, "\nSpeedups are ratios of medians in one run on one machine. The number in "
                 "brackets is the 95 %% interval: of a median by order statistics, of a ratio by "
                 "bootstrap; with fewer than 6 rounds it is the whole range. The timer slack is "
                 "1 ns for all variants. On a virtual machine the host may take the cores away "
                 "at any time, which shows as outliers.\n\n");
}
