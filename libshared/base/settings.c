/* settings.c - see settings.h */
#include "settings.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

enum { SETTING_ENV_BYTES_MAX = 96, SETTING_NAME_COLUMN = 30 };

static void
setting_env_name(char name[static SETTING_ENV_BYTES_MAX], const char *prefix, const char *option)
{
    snprintf(name, SETTING_ENV_BYTES_MAX, "%s_%s", prefix, option);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static bool
setting_put_text(const struct setting *rule, void *place, const char *text)
{
    (void)rule;
    *(const char **)place = text;
    return true;
}

static bool
setting_put_flag(const struct setting *rule, void *place, const char *text)
{
    (void)rule;
    if (text != NULL && strcmp(text, "1") != 0 && strcmp(text, "0") != 0)
        return false;
    *(bool *)place = text == NULL || *text == '1';
    return true;
}

static bool
setting_put_u32(const struct setting *rule, void *place, const char *text)
{
    uint64_t value;

    (void)rule;
    if (!parse_u64(text, UINT32_MAX, &value))
        return false;
    *(uint32_t *)place = (uint32_t)value;
    return true;
}

static bool
setting_put_size(const struct setting *rule, void *place, const char *text)
{
    (void)rule;
    return parse_size(text, place);
}

static bool
setting_put_duration(const struct setting *rule, void *place, const char *text)
{
    uint64_t value;

    (void)rule;
    if (!parse_duration(text, &value) || value > UINT32_MAX)
        return false;
    *(uint32_t *)place = (uint32_t)value;
    return true;
}

static bool
setting_put_fd(const struct setting *rule, void *place, const char *text)
{
    uint64_t value;

    (void)rule;
    if (!parse_u64(text, INT32_MAX, &value) || fcntl((int)value, F_GETFD) < 0)
        return false;
    *(int *)place = (int)value;
    return true;
}

static bool
setting_put_choice(const struct setting *rule, void *place, const char *text)
{
    for (uint32_t i = 0; rule->choices[i] != NULL; i++) {
        if (strcmp(rule->choices[i], text) == 0) {
            *(uint32_t *)place = i;
            return true;
        }
    }
    return false;
}

static void
setting_list_add(struct setting_list *list, char *item)
{
    base_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = item;
}

static bool
setting_put_list(const struct setting *rule, void *place, const char *text)
{
    (void)rule;
    setting_list_add(place, base_text_copy(slice_text(text)));
    return true;
}

/* In the environment a list is one text; empty items are nobody's wish. */
static void
setting_split_list(struct setting_list *list, const char *text)
{
    while (*text != '\0') {
        size_t bytes = strcspn(text, ",");

        if (bytes > 0)
            setting_list_add(list, base_text_copy(slice_of(text, bytes)));
        text += bytes + (text[bytes] == ',');
    }
}

static bool (*const setting_put[])(const struct setting *, void *, const char *) = {
    [SETTING_FLAG] = setting_put_flag,         [SETTING_TEXT] = setting_put_text,
    [SETTING_U32] = setting_put_u32,           [SETTING_SIZE] = setting_put_size,
    [SETTING_DURATION] = setting_put_duration, [SETTING_FD] = setting_put_fd,
    [SETTING_CHOICE] = setting_put_choice,     [SETTING_LIST] = setting_put_list,
};

static void *
setting_place(const struct setting *rule, void *config)
{
    return (char *)config + rule->offset;
}

static muster_err
setting_bad(const struct setting *rule, const char *where, const char *text,
            struct muster_error *error)
{
    static const char *const expected[] = {
        [SETTING_FLAG] = "1 or 0",
        [SETTING_TEXT] = "text",
        [SETTING_U32] = "a whole number",
        [SETTING_SIZE] = "a size such as 512M or 4G",
        [SETTING_DURATION] = "a duration such as 30s, 5m or 2h",
        [SETTING_FD] = "the number of an open descriptor",
        [SETTING_CHOICE] = "one of those that --help names",
        [SETTING_LIST] = "text",
    };

    return error_set(error, MUSTER_ERR_INVALID, "%s: '%s' is not %s", where, text,
                     expected[rule->kind]);
}

static muster_err
settings_read_env(const struct setting *table, const char *prefix, void *config,
                  struct muster_error *error)
{
    for (const struct setting *rule = table; rule->name != NULL; rule++) {
        char        name[SETTING_ENV_BYTES_MAX];
        const char *text;

        setting_env_name(name, prefix, rule->name);
        text = getenv(name);
        if (text == NULL)
            continue;
        if (rule->kind == SETTING_LIST)
            setting_split_list(setting_place(rule, config), text);
        else if (!setting_put[rule->kind](rule, setting_place(rule, config), text))
            return setting_bad(rule, name, text, error);
    }
    return MUSTER_OK;
}

static const struct setting *
setting_find(const struct setting *table, const char *option, size_t bytes)
{
    for (const struct setting *rule = table; rule->name != NULL; rule++) {
        if (strlen(rule->name) == bytes && memcmp(rule->name, option, bytes) == 0)
            return rule;
    }
    return NULL;
}

/* One option at argv[*at]; moves *at over its value. */
static muster_err
settings_read_option(const struct setting *table, int argc, char **argv, int *at, void *config,
                     struct muster_error *error)
{
    const char           *option = argv[*at];
    const char           *value = strchr(option, '=');
    const struct setting *rule = NULL;

    if (strncmp(option, "--", 2) == 0)
        rule = setting_find(table, option + 2,
                            value != NULL ? (size_t)(value - option) - 2 : strlen(option) - 2);
    if (rule == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "unknown option %s; --help lists all", option);

    if (value != NULL)
        value++;
    else if (rule->kind != SETTING_FLAG) {
        if (*at + 1 >= argc)
            return error_set(error, MUSTER_ERR_INVALID, "--%s needs a value: %s", rule->name,
                             rule->argument);
        value = argv[++*at];
    }
    if (!setting_put[rule->kind](rule, setting_place(rule, config), value))
        return setting_bad(rule, option, value, error);
    return MUSTER_OK;
}

muster_err
settings_read(const struct setting *table, const char *env_prefix, int argc, char **argv,
              void *config, struct muster_error *error)
{
    muster_err err = settings_read_env(table, env_prefix, config, error);

    for (int at = 1; at < argc && !err; at++)
        err = settings_read_option(table, argc, argv, &at, config, error);
    return err;
}

void
settings_help(FILE *out, const struct setting *table, const char *env_prefix)
{
    for (const struct setting *rule = table; rule->name != NULL; rule++) {
        char        head[64];
        char        env[SETTING_ENV_BYTES_MAX];
        const char *line = rule->help;

        snprintf(head, sizeof(head), "  --%s%s%s", rule->name, rule->argument != NULL ? " " : "",
                 rule->argument != NULL ? rule->argument : "");
        setting_env_name(env, env_prefix, rule->name);
        fprintf(out, "%-*s", SETTING_NAME_COLUMN, head);
        if (strlen(head) >= SETTING_NAME_COLUMN)
            fprintf(out, "\n%*s", SETTING_NAME_COLUMN, "");
        for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
            fprintf(out, "%.*s\n%*s", (int)(end - line), line, SETTING_NAME_COLUMN, "");
        fprintf(out, "%s\n%*s[%s]\n", line, SETTING_NAME_COLUMN, "", env);
    }
}

bool
settings_asked(int argc, char **argv, const char *option)
{
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], option) == 0)
            return true;
    }
    return false;
}

void
setting_list_free(struct setting_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct setting_list){ 0 };
}
