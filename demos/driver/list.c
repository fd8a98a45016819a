/* SPDX-License-Identifier: MIT */
#include "demos/driver/driver.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/catalogue_data.h"

const struct catalogue_entry *const catalogue = catalogue_data;
const size_t catalogue_length = sizeof(catalogue_data) / sizeof(catalogue_data[0]);

const struct catalogue_entry *catalogue_find(const char *name)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(name, &end, 10);
    if (*name < '0' || *name > '9' || *end != '\0' || errno != 0)
        number = -1;
    for (size_t i = 0; i < catalogue_length; i++) {
        if (catalogue[i].number == number || !strcmp(catalogue[i].slug, name))
            return &catalogue[i];
    }
    return NULL;
}

/* "a,b" as a JSON array of strings. */
static json_t *tags_of(const struct catalogue_entry *entry)
{
    json_t *tags = json_array();
    for (const char *tag = entry->tags; *tag != '\0';) {
        size_t length = strcspn(tag, ",");
        json_array_append_new(tags, json_stringn(tag, length));
        tag += length + (tag[length] == ',');
    }
    return tags;
}

static int list_json(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < catalogue_length; i++) {
        const struct catalogue_entry *entry = &catalogue[i];
        json_array_append_new(list,
            json_pack("{s:i, s:s, s:s, s:o, s:s}", "number", entry->number, "slug", entry->slug,
                "title", entry->title, "tags", tags_of(entry), "line", entry->line));
    }
    bool whole = json_array_size(list) == catalogue_length &&
                 json_dumpf(list, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(list);
    if (!whole)
        fprintf(stderr, "list: the JSON could not be written\n");
    return whole ? DONE : FAILED;
}

int command_list(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--json"))
        return list_json();
    if (argc > 1)
        return bad_usage("list: unexpected argument '%s': --json or nothing", argv[argc - 1]);
    for (size_t i = 0; i < catalogue_length; i++)
        printf("%02d  %-18s  %s\n", catalogue[i].number, catalogue[i].slug, catalogue[i].title);
    return DONE;
}
