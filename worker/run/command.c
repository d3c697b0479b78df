/* command.c - from a job's description and a task's input to strings for execve */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "order.h"
#include "placeholder.h"

static void
string_end(struct buffer *out)
{
    buffer_append(out, "", 1);
}

static uint32_t
args_put(const struct command_task *task, struct slice input, uint64_t number,
         struct buffer *out)
{
    const struct wire_spec *spec = task->spec;
    struct reader           in = reader_of(spec->args.bytes);
    uint32_t                count = spec->args.count;

    for (uint32_t i = 0; i < spec->args.count; i++) {
        struct wire_text argument;
        bool             read = wire_get_text(&in, &argument);

        assert(read);
        if (spec->replace)
            placeholder_expand(out, argument.text, input, number, ORDER_STRINGS_BYTES_MAX);
        else
            buffer_append_slice(out, argument.text);
        string_end(out);
        if (out->bytes > ORDER_STRINGS_BYTES_MAX)
            return count;
    }
    if (!spec->replace && !spec->input_is_stdin && input.bytes > 0) {
        buffer_append_slice(out, input);
        string_end(out);
        count++;
    }
    return count;
}

/* ---- environment ---- */

/* Is NAME of `entry` set by one of the job's or by us? */
static bool
env_is_set(const struct wire_spec *spec, const char *entry)
{
    size_t        bytes = strcspn(entry, "=") + 1;
    struct reader in = reader_of(spec->env.bytes);

    for (uint32_t i = 0; i < spec->env.count; i++) {
        struct wire_text own;

        if (wire_get_text(&in, &own) && own.text.bytes >= bytes &&
            memcmp(own.text.data, entry, bytes) == 0)
            return true;
    }
    return false;
}

static bool
env_is_ours(const struct command_task *task, struct slice entry)
{
    /* The last two are ours in a task with a key alone. */
    static const char *const names[] = { "MUSTER_JOB_ID=", "MUSTER_TASK_ID=", "MUSTER_ATTEMPT=",
                                         "MUSTER_CPUS=", "MUSTER_TASK_DIR=", "MUSTER_TASK_INDEX=",
                                         "MUSTER_WORKER=", "MUSTER_AUTHKEY_FILE=",
                                         "MUSTER_ADDRESS=" };
    size_t count = sizeof(names) / sizeof(names[0]) - (task->key_file == NULL ? 2 : 0);

    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(names[i]);

        if (entry.bytes >= bytes && memcmp(entry.data, names[i], bytes) == 0)
            return true;
    }
    return false;
}

static uint32_t
env_own_put(const struct command_task *task, struct buffer *out)
{
    const struct wire_spec *spec = task->spec;
    uint64_t                number = spec->number_first + task->token->index * spec->number_step;

    buffer_printf(out, "MUSTER_JOB_ID=%llu", (unsigned long long)task->token->job);
    string_end(out);
    buffer_printf(out, "MUSTER_TASK_ID=%llu", (unsigned long long)number);
    string_end(out);
    buffer_printf(out, "MUSTER_ATTEMPT=%u", task->token->attempt);
    string_end(out);
    if (spec->cpus_milli % 1000 == 0)
        buffer_printf(out, "MUSTER_CPUS=%u", spec->cpus_milli / 1000);
    else
        buffer_printf(out, "MUSTER_CPUS=%u.%03u", spec->cpus_milli / 1000,
                      spec->cpus_milli % 1000);
    string_end(out);
    buffer_printf(out, "MUSTER_TASK_DIR=%s", task->scratch);
    string_end(out);
    buffer_printf(out, "MUSTER_TASK_INDEX=%u", task->token->index);
    string_end(out);
    buffer_printf(out, "MUSTER_WORKER=%s", task->worker);
    string_end(out);
    if (task->key_file == NULL)
        return 7;
    buffer_printf(out, "MUSTER_AUTHKEY_FILE=%s", task->key_file);
    string_end(out);
    buffer_printf(out, "MUSTER_ADDRESS=%s", task->address);
    string_end(out);
    return 9;
}

static uint32_t
env_put(const struct command_task *task, struct buffer *out)
{
    struct reader in = reader_of(task->spec->env.bytes);
    uint32_t      count = 0;

    for (const char *const *at = task->base_env; *at != NULL; at++) {
        if (env_is_set(task->spec, *at))
            continue;
        buffer_append(out, *at, strlen(*at) + 1);
        count++;
    }
    for (uint32_t i = 0; i < task->spec->env.count; i++) {
        struct wire_text own;
        bool             read = wire_get_text(&in, &own);

        assert(read);
        if (env_is_ours(task, own.text) || memchr(own.text.data, '=', own.text.bytes) == NULL)
            continue;
        buffer_append_slice(out, own.text);
        string_end(out);
        count++;
    }
    return count + env_own_put(task, out);
}

muster_err
command_put(const struct command_task *task, struct buffer *strings, uint32_t *argc_out,
            uint32_t *envc_out, struct muster_error *error)
{
    const struct wire_spec *spec = task->spec;
    uint64_t                number = spec->number_first + task->token->index * spec->number_step;
    struct slice            input = task->input;
    char                    text[24];
    uint32_t                argc, envc;

    if (spec->number_is_input) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        input = slice_text(text);
    }
    argc = args_put(task, input, number, strings);
    envc = env_put(task, strings);
    buffer_append_slice(strings, spec->cwd);
    string_end(strings);
    if (strings->bytes > ORDER_STRINGS_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE,
                         "arguments and environment of more than %u MiB",
                         ORDER_STRINGS_BYTES_MAX >> 20);
    *argc_out = argc;
    *envc_out = envc;
    return MUSTER_OK;
}

struct slice
command_name(struct slice strings)
{
    const char *zero = strings.bytes > 0 ? memchr(strings.data, 0, strings.bytes) : NULL;

    return zero == NULL ? slice_of(NULL, 0)
                        : slice_of(strings.data, (size_t)(zero - (const char *)strings.data));
}

/* ---- what tasks see of the worker's environment ---- */

static bool
env_allowed(const char *entry)
{
    /* Names that end with * allow everything that begins so. */
    static const char *const allowed[] = { "PATH=", "HOME=", "USER=", "LOGNAME=", "SHELL=", "LANG=",
                                           "LANGUAGE=", "LC_*", "TZ=", "TMPDIR=" };

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        size_t bytes = strlen(allowed[i]);

        if (allowed[i][bytes - 1] == '*')
            bytes--;
        if (strncmp(entry, allowed[i], bytes) == 0)
            return true;
    }
    return false;
}

static bool
env_is_about_user(const char *entry)
{
    return strncmp(entry, "HOME=", 5) == 0 || strncmp(entry, "USER=", 5) == 0 ||
           strncmp(entry, "LOGNAME=", 8) == 0 || strncmp(entry, "SHELL=", 6) == 0 ||
           strncmp(entry, "TMPDIR=", 7) == 0;
}

const char **
command_base_env(char *const *environment, const char *user, const char *home)
{
    static const char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    struct buffer     text = { 0 };
    uint32_t          count = 0;
    bool              has_path = false;
    const char      **list;
    char             *at;

    for (; *environment != NULL; environment++) {
        if (!env_allowed(*environment) || (user != NULL && env_is_about_user(*environment)))
            continue;
        has_path = has_path || strncmp(*environment, "PATH=", 5) == 0;
        buffer_append(&text, *environment, strlen(*environment) + 1);
        count++;
    }
    if (!has_path) {
        buffer_append(&text, path, sizeof(path));
        count++;
    }
    if (user != NULL) {
        buffer_printf(&text, "USER=%s%cLOGNAME=%s%cHOME=%s", user, 0, user, 0, home);
        string_end(&text);
        count += 3;
    }
    list = base_alloc((count + 1) * sizeof(*list) + text.bytes);
    at = (char *)(list + count + 1);
    memcpy(at, text.data, text.bytes);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    buffer_free(&text);
    return list;
}
