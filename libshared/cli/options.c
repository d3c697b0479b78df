/* options.c - see options.h */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "parse.h"

enum { DISTANCE_WORD_MAX = 31, DISTANCE_NEAR = 2 };

void
text_list_add(struct text_list *list, const char *text)
{
    base_grow((void **)&list->items, &list->capacity, list->count + 2, sizeof(*list->items));
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

void
text_list_free(struct text_list *list)
{
    free(list->items);
    *list = (struct text_list){ 0 };
}

bool
option_takes_value(const struct option *option)
{
    return option->kind != OPTION_FLAG && option->kind != OPTION_FLAG_OFF;
}

/* ---- one value, by kind ---- */

static uint64_t
option_limit(const struct option *option, uint64_t of_type)
{
    return option->limit != 0 ? option->limit : of_type;
}

static bool
put_flag(const struct option *option, const char *text, void *place)
{
    (void)text;
    *(bool *)place = option->kind == OPTION_FLAG;
    return true;
}

static bool
put_text(const struct option *option, const char *text, void *place)
{
    (void)option;
    *(const char **)place = text;
    return true;
}

static bool
put_list(const struct option *option, const char *text, void *place)
{
    (void)option;
    text_list_add(place, text);
    return true;
}

static bool
put_count(const struct option *option, const char *text, void *place)
{
    uint64_t value;

    if (!parse_u64(text, option_limit(option, UINT32_MAX), &value))
        return false;
    *(uint32_t *)place = (uint32_t)value;
    return true;
}

static bool
put_integer(const struct option *option, const char *text, void *place)
{
    int64_t limit = (int64_t)option_limit(option, INT32_MAX);
    int64_t value;

    if (!parse_i64(text, -limit, limit, &value))
        return false;
    *(int32_t *)place = (int32_t)value;
    return true;
}

static bool
put_duration(const struct option *option, const char *text, void *place)
{
    uint64_t value;

    if (!parse_duration(text, &value) || value > option_limit(option, UINT64_MAX))
        return false;
    *(uint64_t *)place = value;
    return true;
}

static bool
put_size(const struct option *option, const char *text, void *place)
{
    uint64_t value;

    if (!parse_size(text, &value) || value > option_limit(option, UINT64_MAX))
        return false;
    *(uint64_t *)place = value;
    return true;
}

static bool
put_milli(const struct option *option, const char *text, void *place)
{
    uint64_t value;

    if (!parse_milli(text, &value) || value > option_limit(option, UINT32_MAX))
        return false;
    *(uint32_t *)place = (uint32_t)value;
    return true;
}

static const struct {
    bool (*put)(const struct option *option, const char *text, void *place);
    const char *expects;
} option_kinds[OPTION_KIND_COUNT] = {
    [OPTION_FLAG]     = { put_flag,     "nothing" },
    [OPTION_FLAG_OFF] = { put_flag,     "nothing" },
    [OPTION_TEXT]     = { put_text,     "text" },
    [OPTION_LIST]     = { put_list,     "text" },
    [OPTION_COUNT]    = { put_count,    "a whole number" },
    [OPTION_INTEGER]  = { put_integer,  "a whole number" },
    [OPTION_DURATION] = { put_duration, "a duration such as 90, 1.5s, 200ms, 5m or 2h" },
    [OPTION_SIZE]     = { put_size,     "a size such as 512K, 64M or 1.5G" },
    [OPTION_MILLI]    = { put_milli,    "a number such as 2 or 0.5" },
};

static muster_err
option_store(const struct options_parse *parse, const struct option_group *group,
             const struct option *option, const char *text, struct muster_error *error)
{
    char *base = group->global ? parse->globals : parse->settings;

    if (option_kinds[option->kind].put(option, text, base + option->offset))
        return MUSTER_OK;
    if (option->limit == 0)
        return error_set(error, MUSTER_ERR_INVALID, "--%s expects %s, not '%s'", option->name,
                         option_kinds[option->kind].expects, text);
    return error_set(error, MUSTER_ERR_INVALID, "--%s expects %s (at most %llu%s), not '%s'",
                     option->name, option_kinds[option->kind].expects,
                     (unsigned long long)(option->kind == OPTION_MILLI ? option->limit / 1000
                                                                       : option->limit),
                     option->kind == OPTION_DURATION ? " ms" : "", text);
}

/* ---- finding rows ---- */

struct found {
    const struct option_group *group;
    const struct option       *option;    /* NULL: none */
};

static struct found
option_find(const struct option_group *const *groups, char letter, const char *name,
            size_t name_bytes)
{
    for (; *groups != NULL; groups++)
        for (const struct option *row = (*groups)->rows; row->name != NULL; row++) {
            bool same = name != NULL
                            ? strlen(row->name) == name_bytes &&
                                  memcmp(row->name, name, name_bytes) == 0
                            : row->letter != 0 && row->letter == letter;

            if (same)
                return (struct found){ *groups, row };
        }
    return (struct found){ NULL, NULL };
}

unsigned
text_distance(const char *a, const char *b)
{
    unsigned row[DISTANCE_WORD_MAX + 1];
    size_t   a_bytes = strlen(a);
    size_t   b_bytes = strlen(b);

    if (a_bytes > DISTANCE_WORD_MAX || b_bytes > DISTANCE_WORD_MAX)
        return 9;
    for (unsigned j = 0; j <= b_bytes; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_bytes; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b_bytes; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_bytes] < 9 ? row[b_bytes] : 9;
}

const char *
options_nearest(const struct option_group *const *groups, const char *typed)
{
    const char *nearest = NULL;
    unsigned    least = DISTANCE_NEAR + 1;

    for (; *groups != NULL; groups++)
        for (const struct option *row = (*groups)->rows; row->name != NULL; row++) {
            unsigned distance = text_distance(row->name, typed);

            if (distance < least) {
                least = distance;
                nearest = row->name;
            }
        }
    return nearest;
}

/* ---- the walk over argv ---- */

struct walk {
    const struct options_parse *parse;
    char                      **argv;
    int                         argc;
    int                         at;
    struct muster_error        *error;
};

static muster_err
walk_value(struct walk *walk, struct found found, const char *attached)
{
    if (!option_takes_value(found.option))
        return option_store(walk->parse, found.group, found.option, NULL, walk->error);
    /* `--after $job --` with an empty variable means no job called "--". */
    if (attached == NULL && walk->at < walk->argc && strcmp(walk->argv[walk->at], "--") != 0)
        attached = walk->argv[walk->at++];
    if (attached == NULL)
        return error_set(walk->error, MUSTER_ERR_INVALID, "--%s needs a value: --%s %s",
                         found.option->name, found.option->name, found.option->value);
    return option_store(walk->parse, found.group, found.option, attached, walk->error);
}

static muster_err
walk_long(struct walk *walk, const char *text)
{
    size_t       bytes = strcspn(text, "=");
    const char  *attached = text[bytes] == '=' ? text + bytes + 1 : NULL;
    struct found found = option_find(walk->parse->groups, 0, text, bytes);
    char         typed[DISTANCE_WORD_MAX + 1];
    const char  *nearest;

    if (found.option != NULL && attached != NULL && !option_takes_value(found.option))
        return error_set(walk->error, MUSTER_ERR_INVALID, "--%s takes no value",
                         found.option->name);
    if (found.option != NULL)
        return walk_value(walk, found, attached);
    snprintf(typed, sizeof(typed), "%.*s", (int)bytes, text);
    nearest = options_nearest(walk->parse->groups, typed);
    if (nearest != NULL)
        return error_set(walk->error, MUSTER_ERR_INVALID,
                         "there is no option --%s; did you mean --%s?", typed, nearest);
    return error_set(walk->error, MUSTER_ERR_INVALID, "there is no option --%s", typed);
}

/* -k, -kq, -j4, -j 4 */
static muster_err
walk_short(struct walk *walk, const char *text)
{
    while (*text != '\0') {
        struct found found = option_find(walk->parse->groups, *text, NULL, 0);
        muster_err   err;

        if (found.option == NULL)
            return error_set(walk->error, MUSTER_ERR_INVALID, "there is no option -%c", *text);
        text++;
        if (option_takes_value(found.option))
            return walk_value(walk, found, *text != '\0' ? text : NULL);
        err = walk_value(walk, found, NULL);
        if (err)
            return err;
    }
    return MUSTER_OK;
}

static muster_err
walk_all(struct walk *walk, struct operands *operands)
{
    bool options_ended = false;

    while (walk->at < walk->argc) {
        char      *text = walk->argv[walk->at++];
        muster_err err = MUSTER_OK;

        if (options_ended || text[0] != '-' || text[1] == '\0') {
            operands->items[operands->count++] = text;
            options_ended = options_ended || walk->parse->stop_at_operand;
        } else if (strcmp(text, "--") == 0) {
            options_ended = true;
        } else if (text[1] == '-') {
            err = walk_long(walk, text + 2);
        } else {
            err = walk_short(walk, text + 1);
        }
        if (err)
            return err;
    }
    return MUSTER_OK;
}

muster_err
options_parse(const struct options_parse *parse, int argc, char **argv,
              struct operands *operands_out, struct muster_error *error)
{
    struct walk     walk = { parse, argv, argc, 0, error };
    struct operands operands = { base_array((size_t)argc + 1, sizeof(char *)), 0 };
    muster_err      err = walk_all(&walk, &operands);

    if (err) {
        free(operands.items);
        return err;
    }
    *operands_out = operands;
    return MUSTER_OK;
}
