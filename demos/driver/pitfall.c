/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "demos/driver/pitfall.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "demos/driver/driver.h"

volatile int pitfall_interrupted;

static void on_signal(int number)
{
    pitfall_interrupted = number;
}

static struct pitfall pitfalls[PITFALLS_MAX];
static size_t pitfalls_n;

static json_t *claims_json(const struct claim *claims)
{
    char text[256];
    json_t *object = json_object();
    for (int tool = 0; tool < TOOLS; tool++)
        json_object_set_new(object, tools[tool].name,
            json_string(kinds_text(&claims[tool].sure, text, sizeof text)));
    return object;
}

/* 80 columns: a long title goes on below. */
static void print_row(const struct pitfall *p)
{
    enum { INDENT = 18, ROOM = 80 - INDENT };
    const char *title = p->title;
    printf("P%02d  %-12s ", p->number, p->kind);
    while (strlen(title) > ROOM) {
        int cut = ROOM;
        while (cut > 1 && title[cut] != ' ')
            cut--;
        printf("%.*s\n%*s", cut, title, INDENT, "");
        title += cut + 1;
    }
    printf("%s\n", title);
}

static int list(bool json)
{
    json_t *array = json_array();
    for (size_t i = 0; i < pitfalls_n; i++) {
        const struct pitfall *p = &pitfalls[i];
        if (json)
            json_array_append_new(array,
                json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "number", p->number, "slug",
                    p->slug, "title", p->title, "family", p->family, "kind", p->kind, "weakness",
                    p->weakness, "from", p->from, "detect", claims_json(p->broken)));
        else
            print_row(p);
    }
    bool whole = !json || (json_dumpf(array, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF);
    json_decref(array);
    return whole ? DONE : FAILED;
}

struct arguments {
    const char *what; /* list, verify, or a pitfall */
    const char *tool;
    bool fixed;
    bool raw;
    bool json;
    struct verify_options verify;
};

static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        const char **takes = NULL;
        if (!strcmp(flag, "--tool")) {
            takes = &a->tool;
        } else if (!strcmp(flag, "--only")) {
            takes = &a->verify.only;
        } else if (!strcmp(flag, "--scoreboard")) {
            takes = &a->verify.scoreboard;
        } else if (!strcmp(flag, "--repeat")) {
            char *end = NULL;
            long n = value ? strtol(value, &end, 10) : 0;
            if (n < 1 || n > 1000 || *end != '\0')
                return bad_usage(
                    "pitfall: --repeat: bad value '%s': 1 to 1000", value ? value : "");
            a->verify.repeat = (int)n;
            i++;
        } else if (!strcmp(flag, "--fixed")) {
            a->fixed = true;
        } else if (!strcmp(flag, "--pages")) {
            a->verify.pages = true;
        } else if (!strcmp(flag, "--raw")) {
            a->raw = true;
        } else if (!strcmp(flag, "--json")) {
            a->json = true;
            if (value && value[0] != '-') { /* a file's name may follow */
                a->verify.json = value;
                i++;
            }
        } else if (flag[0] == '-' || a->what) {
            return bad_usage("pitfall: unexpected argument '%s' (./conc pitfall --help)", flag);
        } else {
            a->what = flag;
        }
        if (takes) {
            if (!value)
                return bad_usage("pitfall: %s: a value must follow", flag);
            *takes = value;
            i++;
        }
    }
    if (!a->what)
        return bad_usage("pitfall: list, verify, or a pitfall's number: P05");
    return DONE;
}

static int show(const struct arguments *a)
{
    const struct pitfall *pitfall = pitfall_find(pitfalls, pitfalls_n, a->what);
    if (!pitfall)
        return bad_usage(
            "pitfall: no pitfall '%s': a number or a slug (./conc pitfall list)", a->what);
    int tool = a->tool ? tool_find(a->tool) : TOOL_NATIVE;
    if (tool < 0)
        return bad_usage("pitfall: --tool: no tool '%s': native, conc, helgrind, drd, memcheck, "
                         "tsan or asan",
            a->tool);
    return pitfall_show(pitfall, &tools[tool], a->fixed, a->raw);
}

int command_pitfall(int argc, char **argv)
{
    struct arguments a = {.verify.repeat = 1};
    int rc = parse(argc, argv, &a);
    if (rc == DONE)
        rc = pitfalls_read(pitfalls, &pitfalls_n);
    if (rc != DONE)
        return rc;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!strcmp(a.what, "list"))
        return list(a.json);
    if (strcmp(a.what, "verify") != 0)
        return show(&a);
    if (a.json && !a.verify.json)
        a.verify.json = "-";
    a.verify.only_tools = a.tool;
    return pitfall_verify(pitfalls, pitfalls_n, &a.verify);
}
