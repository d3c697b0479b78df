/* cmd_key.c - muster key init|add|list|revoke: who may talk to a manager
 *
 * Works on the files in the manager's folder; no manager needs to run.
 */
#include <stdlib.h>
#include <string.h>

#include <muster/key.h>

#include "commands.h"
#include "json_out.h"
#include "parse.h"
#include "table.h"

struct key_settings {
    const char *dir, *role, *name, *options;
};

#define AT(field) offsetof(struct key_settings, field)

static const struct option key_rows[] = {
    { 0, "dir", "DIR", OPTION_TEXT, AT(dir), 0,
      "the manager's folder; default $MUSTER_DIR, else the current folder", NAMES_FOLDER },
    { 0, "role", "ROLE", OPTION_TEXT, AT(role), 0, "add: worker, client or admin", NAMES_NOTHING },
    { 0, "name", "NAME", OPTION_TEXT, AT(name), 0,
      "add: who will hold the key; it is also the file's name", NAMES_NOTHING },
    { 0, "options", "TEXT", OPTION_TEXT, AT(options), 0,
      "add: limits as in authorized_keys: 'queues=a,b from=10.0.0.0/8 not-after=2027-01-31 "
      "max-connections=4'", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group key_options = { "Options", key_rows, false };
static const struct option_group *const key_groups[] = { &key_options, &cli_options, NULL };

static const struct example key_examples[] = {
    { "a new manager: its key, and one key each for workers, clients and you",
      "muster key init ~/muster\nmuster-manager --dir ~/muster" },
    { "a key of its own for a user; hand her the file over a safe way (scp, mode 0600)",
      "muster key add ~/muster --role client --name ada" },
    { "a worker that may serve one queue, from one network, until a day",
      "muster key add ~/muster --role worker --name node7 \\\n"
      "    --options 'queues=gpu from=10.0.0.0/8 not-after=2027-01-31'" },
    { "who has keys", "muster key list ~/muster" },
    { "take one away; a running manager reads the list when told",
      "muster key revoke ~/muster ada && kill -HUP $(cat ~/muster/manager.lock)" },
    EXAMPLES_END,
};

static const struct exit_row key_exits[] = {
    { "0", "done" },
    { "2", "the command line is wrong" },
    { "66", "no such folder or key" },
    { "72", "the disk is full" },
    { "73", "it exists already; nothing was changed" },
    { "74", "a file could not be read or written" },
    { "78", "a key file is damaged or not safe to use" },
    EXITS_END,
};

static const struct table_column key_columns[] = {
    { "NAME", TABLE_LEFT }, { "ROLE", TABLE_LEFT }, { "FINGERPRINT", TABLE_LEFT },
    { "OPTIONS", TABLE_LEFT },
};

/* ---- the four ---- */

struct key_call {
    struct cli                *cli;
    const struct key_settings *settings;
    const char                *dir;
    const char                *name;      /* of revoke */
};

static int
key_init(const struct key_call *call)
{
    static const char *const files[] = { "manager.key", "authorized_keys", "worker.authkey",
                                         "client.authkey", "admin.authkey" };
    struct muster_error      error = { 0 };

    if (muster_key_init(call->dir, &error))
        return cli_fail(&error, "make keys in", "%s", call->dir);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !call->cli->quiet; i++)
        printf("%s/%s\n", call->dir, files[i]);
    cli_note(call->cli, "next: muster-manager --dir %s", call->dir);
    return EXIT_DONE;
}

static void
key_tell_reload(const struct key_call *call)
{
    cli_note(call->cli, "a running manager reads the list when told: kill -HUP $(cat "
                        "%s/manager.lock)",
             call->dir);
}

static int
key_add(const struct key_call *call)
{
    const struct key_settings *settings = call->settings;
    struct muster_error        error = { 0 };

    if (settings->role == NULL || settings->name == NULL)
        return cli_usage("key", "key add needs --role worker|client|admin and --name NAME");
    if (strcmp(settings->role, "worker") != 0 && strcmp(settings->role, "client") != 0 &&
        strcmp(settings->role, "admin") != 0)
        return cli_usage("key", "there is no role '%s'; it is worker, client or admin",
                         settings->role);
    if (!parse_name(slice_text(settings->name), 64))
        return cli_usage("key", "'%s' is no name: 1 to 64 of letters, digits, . _ and -",
                         settings->name);
    if (muster_key_add(call->dir, settings->role, settings->name, settings->options, &error))
        return cli_fail_file(&error, "add a key", "Name the manager's folder; `muster key init "
                                                  "DIR` makes one.");
    printf("%s/%s.authkey\n", call->dir, settings->name);
    key_tell_reload(call);
    return EXIT_DONE;
}

static int
key_list(const struct key_call *call)
{
    struct muster_error     error = { 0 };
    struct muster_key_info *infos = NULL;
    size_t                  count = 0;
    json_t                 *array;
    struct table table = { .columns = key_columns,
                           .column_count = sizeof(key_columns) / sizeof(key_columns[0]) };

    if (muster_key_list(call->dir, &infos, &count, &error))
        return cli_fail_file(&error, "list the keys", "Name the manager's folder; `muster key init "
                                                      "DIR` makes one.");
    array = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *options = infos[i].options != NULL ? infos[i].options : "";

        if (call->cli->quiet)
            printf("%s\n", infos[i].name);
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "name", infos[i].name,
                                               "role",
                                               infos[i].role, "fingerprint", infos[i].fingerprint,
                                               "options", options));
        table_cell(&table, "%s", infos[i].name);
        table_cell(&table, "%s", infos[i].role);
        table_cell(&table, "%s", infos[i].fingerprint);
        table_cell(&table, "%s", options);
    }
    if (call->cli->json)
        json_out_print(json_incref(array));
    else if (!call->cli->quiet)
        table_print(&table, stdout);
    json_decref(array);
    table_free(&table);
    muster_key_list_free(infos, count);
    return EXIT_DONE;
}

static int
key_revoke(const struct key_call *call)
{
    struct muster_error error = { 0 };

    if (muster_key_revoke(call->dir, call->name, &error))
        return cli_fail_file(&error, "revoke the key", "See `muster key list DIR`.");
    key_tell_reload(call);
    return EXIT_DONE;
}

static const struct {
    const char *verb;
    int         names;         /* operands behind the folder */
    bool        dir_needed;    /* the folder must be said, not guessed */
    int       (*run)(const struct key_call *call);
} key_verbs[] = {
    { "init", 0, true, key_init },
    { "add", 0, false, key_add },
    { "list", 0, false, key_list },
    { "revoke", 1, false, key_revoke },
};

static const char *
key_dir_default(void)
{
    const char *dir = getenv("MUSTER_DIR");

    return dir != NULL && dir[0] != '\0' ? dir : ".";
}

/* `key revoke NAME`, `key revoke DIR NAME`, `key revoke --dir DIR NAME`. */
static int
key_call_run(struct key_call *call, size_t verb, const struct operands *operands)
{
    int given = operands->count - 1;
    int names = key_verbs[verb].names;

    if (given < names)
        return cli_usage("key", "key %s needs the NAME of a key", key_verbs[verb].verb);
    if (given > names + (call->settings->dir == NULL ? 1 : 0))
        return cli_usage("key", "'%s' is too much", operands->items[operands->count - 1]);
    call->dir = call->settings->dir;
    if (call->dir == NULL && given > names)
        call->dir = operands->items[1];
    if (call->dir == NULL && key_verbs[verb].dir_needed)
        return cli_usage("key", "key %s needs the DIR to make", key_verbs[verb].verb);
    if (call->dir == NULL)
        call->dir = key_dir_default();
    if (names > 0)
        call->name = operands->items[operands->count - 1];
    return key_verbs[verb].run(call);
}

static int
key_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct key_call call = { .cli = cli, .settings = settings };

    if (!command_operands(&command_key, operands, 1, 3))
        return EXIT_USAGE;
    for (size_t i = 0; i < sizeof(key_verbs) / sizeof(key_verbs[0]); i++)
        if (strcmp(operands->items[0], key_verbs[i].verb) == 0)
            return key_call_run(&call, i, operands);
    return cli_usage("key", "there is no `key %s`; it is init, add, list or revoke",
                     operands->items[0]);
}

const struct command command_key = {
    .name = "key",
    .usage = "init DIR | add [DIR] --role ROLE --name NAME | list [DIR] | revoke [DIR] NAME",
    .summary = "make, enrol, list and revoke authkeys",
    .text =
        "An authkey is a file per party, in the manner of ssh: an own secret key and the "
        "manager's public key in one checksummed line. DIR/authorized_keys has a line per "
        "enrolled key with its role: worker, client or admin. See muster-authkey(5).\n\n"
        "`init` makes DIR (mode 0700) with manager.key, authorized_keys, worker.authkey, "
        "client.authkey and admin.authkey (mode 0600) and refuses to overwrite. `add` makes "
        "DIR/NAME.authkey and enrols it. `revoke` takes a key out of the list. A running "
        "manager reads the list again at SIGHUP and ends the sessions of keys that are gone "
        "within a second.",
    .groups = key_groups,
    .examples = key_examples,
    .exits = key_exits,
    .settings_bytes = sizeof(struct key_settings),
    .run = key_run,
};
