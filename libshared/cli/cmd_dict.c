/* cmd_dict.c - muster dict get|set|cas|watch|...: shared dictionaries from the shell */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <muster/dict.h>

#include "commands.h"
#include "json_out.h"
#include "parse.h"
#include "waiting.h"

struct dict_settings {
    const char *timeout, *lock, *token;
    bool        all, null_separated, absent;
};

#define AT(field) offsetof(struct dict_settings, field)

static const struct option dict_rows[] = {
    { 0, "lock", "NAME", OPTION_TEXT, AT(lock), 0,
      "set, delete, cas: only while the lock NAME is held with --token", NAMES_NOTHING },
    { 0, "token", "N", OPTION_TEXT, AT(token), 0,
      "the fencing token; default $MUSTER_FENCING_TOKEN", NAMES_NOTHING },
    { 0, "absent", NULL, OPTION_FLAG, AT(absent), 0,
      "cas: set it only if there is no such key", NAMES_NOTHING },
    { 0, "all", NULL, OPTION_FLAG, AT(all), 0, "watch: go on after the first change",
      NAMES_NOTHING },
    { '0', "null", NULL, OPTION_FLAG, AT(null_separated), 0,
      "keys, items, watch: end each with a zero byte instead of a newline", NAMES_NOTHING },
    WAITING_OPTION(AT(timeout), "watch: wait"),
    OPTIONS_END,
};
static const struct option_group dict_options = { "Options", dict_rows, false };
static const struct option_group *const dict_groups[] = { &dict_options, &cli_options, NULL };

static const struct example dict_examples[] = {
    { "settings that all machines see", "muster dict set site colour blue\n"
                                        "muster dict get site colour" },
    { "all of them", "muster dict items site" },
    { "whoever is first wins: set it if it is still what you saw, or not there",
      "muster dict cas site leader --absent \"$(hostname)\" && echo 'I lead'\n"
      "muster dict cas site leader \"$(hostname)\" nobody" },
    { "do something at each change", "muster dict watch site --all | while read -r key; do\n"
                                     "    muster dict get site \"$key\"\ndone" },
    { "write only while the lock is really held",
      "muster lock deploy -- muster dict set --lock deploy site version 7" },
    EXAMPLES_END,
};

static const struct exit_row dict_exits[] = {
    { "0", "done" },
    { "1", "cas: it was something else (which is printed), or nothing; contains: it is not "
           "there" },
    { "2", "the command line is wrong" },
    { "66", "there is no such key, or no such dict" },
    { "75", "set, delete, cas: the lock is held by somebody else now" },
    { "124", "watch: nothing changed in time" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

struct dict_call {
    struct cli                 *cli;
    const struct dict_settings *settings;
    char *const                *rest;        /* operands behind the name */
    int                         rest_count;
    uint32_t                    timeout_ms;
    struct muster_dict         *dict;
    struct muster_guard         guard;
    int                         status;
    struct muster_error         error;
};

/* One line of bytes that may be any. */
static bool
dict_line(const struct dict_call *call, const void *data, size_t bytes)
{
    char end = call->settings->null_separated ? '\0' : '\n';

    return cli_write(data, bytes) && cli_write(&end, 1);
}

static const struct muster_guard *
dict_guard(const struct dict_call *call)
{
    return call->guard.lock != NULL ? &call->guard : NULL;
}

static struct muster_cell
dict_cell(const char *text)
{
    return (struct muster_cell){ .data = text, .bytes = strlen(text) };
}

static void
dict_show(const struct dict_call *call, const char *key, const struct muster_bytes *value)
{
    json_t *object;

    if (!call->cli->json) {
        (void)dict_line(call, value->data, value->bytes);
        return;
    }
    object = json_object();
    json_object_set_new(object, "key", json_string(key));
    json_out_bytes(object, "value", value->data, value->bytes);
    json_out_print(object);
}

static json_t *
dict_key_json(const struct muster_bytes *key)
{
    json_t *object = json_object();

    json_out_bytes(object, "key", key->data, key->bytes);
    return object;
}

static muster_err
dict_get(struct dict_call *call)
{
    struct muster_bytes value;
    muster_err err = muster_dict_get(call->dict, muster_key(call->rest[0]), CLI_CALL_MS, &value,
                                     &call->error);

    if (err)
        return err;
    dict_show(call, call->rest[0], &value);
    muster_bytes_free(&value);
    return MUSTER_OK;
}

static muster_err
dict_set(struct dict_call *call)
{
    const struct muster_cell value = dict_cell(call->rest[1]);

    return muster_dict_set(call->dict, muster_key(call->rest[0]), &value, dict_guard(call),
                           CLI_CALL_MS, &call->error);
}

static muster_err
dict_delete(struct dict_call *call)
{
    return muster_dict_delete(call->dict, muster_key(call->rest[0]), dict_guard(call), CLI_CALL_MS,
                              &call->error);
}

static muster_err
dict_contains(struct dict_call *call)
{
    bool       there = false;
    muster_err err = muster_dict_contains(call->dict, muster_key(call->rest[0]), CLI_CALL_MS,
                                          &there, &call->error);

    if (err)
        return err;
    call->status = there ? EXIT_DONE : 1;
    if (call->cli->json)
        json_out_print(json_pack("{s:b}", "contains", (int)there));
    return MUSTER_OK;
}

static muster_err
dict_cas(struct dict_call *call)
{
    bool                absent = call->settings->absent;
    struct muster_cell  expected, value;
    struct muster_bytes now = { 0 };
    bool                exchanged = false;
    muster_err          err;

    expected = dict_cell(call->rest[1]);
    value = dict_cell(call->rest[absent ? 1 : 2]);
    err = muster_dict_compare_and_set(call->dict, muster_key(call->rest[0]),
                                      absent ? NULL : &expected, &value, dict_guard(call),
                                      CLI_CALL_MS, &exchanged, &now, &call->error);
    if (err)
        return err;
    call->status = exchanged ? EXIT_DONE : 1;
    if (!exchanged && now.data != NULL)
        dict_show(call, call->rest[0], &now);
    muster_bytes_free(&now);
    return MUSTER_OK;
}

static muster_err
dict_len(struct dict_call *call)
{
    uint64_t   len = 0;
    muster_err err = muster_dict_len(call->dict, CLI_CALL_MS, &len, &call->error);

    if (err)
        return err;
    if (call->cli->json)
        json_out_print(json_pack("{s:I}", "len", (json_int_t)len));
    else
        printf("%" PRIu64 "\n", len);
    return MUSTER_OK;
}

static muster_err
dict_keys(struct dict_call *call)
{
    struct muster_entry *entries;
    size_t               count;
    json_t              *array;
    muster_err err = muster_dict_keys(call->dict, CLI_CALL_MS, &entries, &count, &call->error);

    if (err)
        return err;
    array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (call->cli->json)
            json_array_append_new(array, dict_key_json(&entries[i].key));
        else if (!dict_line(call, entries[i].key.data, entries[i].key.bytes))
            break;
    }
    if (call->cli->json)
        json_out_print(json_incref(array));
    json_decref(array);
    muster_dict_free(entries, count);
    return MUSTER_OK;
}

static muster_err
dict_items(struct dict_call *call)
{
    struct muster_entry *entries;
    size_t               count;
    json_t              *array;
    muster_err err = muster_dict_items(call->dict, CLI_CALL_MS, &entries, &count, &call->error);

    if (err)
        return err;
    array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();

        json_out_bytes(object, "key", entries[i].key.data, entries[i].key.bytes);
        json_out_bytes(object, "value", entries[i].value.data, entries[i].value.bytes);
        json_array_append_new(array, object);
        if (!call->cli->json && (!cli_write(entries[i].key.data, entries[i].key.bytes) ||
                                 !cli_write("\t", 1) ||
                                 !dict_line(call, entries[i].value.data, entries[i].value.bytes)))
            break;
    }
    if (call->cli->json)
        json_out_print(json_incref(array));
    json_decref(array);
    muster_dict_free(entries, count);
    return MUSTER_OK;
}

/* Keys that change from now on, one a line. */
static muster_err
dict_watch(struct dict_call *call)
{
    const struct muster_key key = muster_key(call->rest_count > 0 ? call->rest[0] : "");
    struct muster_changes   changes;
    muster_err err = muster_dict_watch(call->dict, 0, NULL, CLI_CALL_MS, &changes, &call->error);
    uint64_t   version;
    bool       more = !err;

    if (err)
        return err;
    version = changes.version;
    muster_changes_free(&changes);
    while (!err && more) {
        err = muster_dict_watch(call->dict, version, call->rest_count > 0 ? &key : NULL,
                                call->timeout_ms, &changes, &call->error);
        if (err)
            break;
        version = changes.version;
        for (size_t i = 0; more && i < changes.count; i++)
            more = call->cli->json
                       ? json_out_line(dict_key_json(&changes.keys[i]))
                       : dict_line(call, changes.keys[i].data, changes.keys[i].bytes);
        if (changes.all)
            cli_note(call->cli, "too many changes to tell them all");
        muster_changes_free(&changes);
        more = more && cli_flush() && call->settings->all;
    }
    return err;
}

static const struct dict_verb {
    const char  *name;
    int          least, most;         /* operands behind the dict's name */
    bool         makes;
    muster_err (*run)(struct dict_call *call);
    const char  *shape;
} dict_verbs[] = {
    { "get", 1, 1, false, dict_get, "NAME KEY" },
    { "set", 2, 2, true, dict_set, "NAME KEY VALUE" },
    { "delete", 1, 1, false, dict_delete, "NAME KEY" },
    { "contains", 1, 1, false, dict_contains, "NAME KEY" },
    { "cas", 2, 3, true, dict_cas, "NAME KEY EXPECTED NEW (or: NAME KEY --absent NEW)" },
    { "keys", 0, 0, false, dict_keys, "NAME" },
    { "items", 0, 0, false, dict_items, "NAME" },
    { "len", 0, 0, false, dict_len, "NAME" },
    { "watch", 0, 1, true, dict_watch, "NAME [KEY]" },
};

static const struct dict_verb *
dict_verb_find(const struct operands *operands)
{
    for (size_t i = 0; operands->count > 0 && i < sizeof(dict_verbs) / sizeof(dict_verbs[0]); i++)
        if (strcmp(dict_verbs[i].name, operands->items[0]) == 0)
            return &dict_verbs[i];
    if (operands->count == 0)
        (void)cli_usage("dict", "name what to do: get, set, delete, contains, cas, keys, items, "
                        "len or watch");
    else
        (void)cli_usage("dict", "'%s' is none of get, set, delete, contains, cas, keys, items, "
                        "len, watch", operands->items[0]);
    return NULL;
}

static bool
dict_usage(const struct dict_verb *verb, const struct operands *operands,
           const struct dict_settings *settings)
{
    int given = operands->count - 2;
    int least = verb->least, most = verb->most;

    if (verb->run == dict_cas)
        least = most = settings->absent ? 2 : 3;
    if (given >= least && given <= most)
        return command_names(&command_dict, operands->items[1]);
    (void)cli_usage("dict", "%s: muster dict %s %s",
                    given < least ? "something is missing" : "there is too much", verb->name,
                    verb->shape);
    return false;
}

/* --lock and --token. */
static muster_err
dict_guard_open(struct dict_call *call, struct muster_lock **lock_out)
{
    const struct muster_open open = { .name = call->settings->lock, .mode = MUSTER_OPEN_OLD };
    const char              *token = call->settings->token != NULL
                                         ? call->settings->token
                                         : getenv("MUSTER_FENCING_TOKEN");
    muster_err               err;

    if (token == NULL)
        return error_set(&call->error, MUSTER_ERR_INVALID,
                         "--lock needs a token: run it under `muster lock %s --`, or name it with "
                         "--token", open.name);
    if (!parse_u64(token, UINT64_MAX, &call->guard.token))
        return error_set(&call->error, MUSTER_ERR_INVALID, "'%s' is no fencing token", token);
    err = muster_lock_open(call->cli->session, &open, CLI_CALL_MS, lock_out, &call->error);
    call->guard.lock = *lock_out;
    return err;
}

static int
dict_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct dict_verb *verb = dict_verb_find(operands);
    struct dict_call        call = { .cli = cli, .settings = settings };
    struct muster_lock     *lock = NULL;
    struct muster_open      open = { 0 };
    muster_err              err = MUSTER_OK;
    int                     status;

    if (verb == NULL || !dict_usage(verb, operands, settings) ||
        !waiting_parse("dict", call.settings->timeout, &call.timeout_ms))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(cli);
    call.rest = operands->items + 2;
    call.rest_count = operands->count - 2;
    open.name = operands->items[1];
    open.mode = verb->makes ? MUSTER_OPEN_ANY : MUSTER_OPEN_OLD;
    if (call.settings->lock != NULL)
        err = dict_guard_open(&call, &lock);
    if (!err)
        err = muster_dict_open(cli->session, &open, CLI_CALL_MS, &call.dict, &call.error);
    if (!err)
        err = verb->run(&call);
    muster_dict_close(call.dict);
    muster_lock_close(lock);
    if (err)
        return cli_fail(&call.error, verb->name, "%s%s%s", open.name,
                        call.rest_count > 0 ? " " : "", call.rest_count > 0 ? call.rest[0] : "");
    return call.status;
}

const struct command command_dict = {
    .name = "dict",
    .usage = "get|set|delete|contains|cas|keys|items|len|watch NAME [KEY [VALUE]]",
    .summary = "shared dictionaries: settings, leaders, progress",
    .text =
        "A dict keeps values under keys, in the order in which the keys were set first. It is "
        "made by the first set, and stays until it is deleted."
        "\n\n"
        "cas (compare and set) writes NEW only if the value is EXPECTED, or with --absent if "
        "there is none, in one step; else it prints what is there and ends with 1. With --lock "
        "a write is refused unless the lock is held, right now, with this fencing token: a "
        "script that lost its lock cannot overwrite what its successor wrote. watch prints "
        "keys as they change.",
    .groups = dict_groups,
    .examples = dict_examples,
    .exits = dict_exits,
    .settings_bytes = sizeof(struct dict_settings),
    .run = dict_run,
};
