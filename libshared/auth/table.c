/* table.c - authorized_keys in memory
 *
 * 1. Parsed whole or refused whole; an error names file, line and reason.
 * 2. Keys and names are unique.
 * 3. Finding a key costs O(1): keys are uniform, so their first 8 bytes are the
 *    map key, and the rest is compared.
 * 4. Immutable once parsed: any number of threads may read it.
 */
#include <assert.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "keys.h"
#include "map.h"
#include "parse.h"
#include "table.h"

enum { LINE_BYTES_MAX = 8192, LIST_MAX = 256 };

struct auth_table {
    struct auth_entry *entries;
    uint32_t          *lines;       /* of each entry, for errors */
    uint32_t          *next;        /* entry with the same map key, index + 1; 0 = last */
    uint32_t           count;
    uint32_t           entries_capacity, lines_capacity, next_capacity;
    struct map         by_key;      /* first 8 bytes of the key -> entry index + 1 */
    const struct auth_entry **by_name;     /* sorted */
};

/* ---- options ---- */

static void
list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

/* Cut `text` at commas into a NULL-terminated list; NULL for an empty item or too many. */
static char **
list_split(const char *text)
{
    char **list = base_array(LIST_MAX + 1, sizeof(*list));
    size_t count = 0;

    for (;;) {
        size_t bytes = strcspn(text, ",");

        if (bytes == 0 || count == LIST_MAX) {
            list_free(list);
            return NULL;
        }
        list[count++] = base_text_copy(slice_of(text, bytes));
        if (text[bytes] == '\0')
            return list;
        text += bytes + 1;
    }
}

static muster_err
option_queues(struct auth_entry *entry, const char *value, struct muster_error *error)
{
    if (entry->queues != NULL)
        return error_set(error, MUSTER_ERR_INVALID, "queues= is given twice");
    entry->queues = list_split(value);
    if (entry->queues == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "queues=%s: 1 to %d names, with commas between",
                         value, LIST_MAX);
    for (size_t i = 0; entry->queues[i] != NULL; i++) {
        if (!parse_name(slice_text(entry->queues[i]), AUTH_NAME_BYTES_MAX))
            return error_set(error, MUSTER_ERR_INVALID, "queues=: \"%s\" is not a queue name",
                             entry->queues[i]);
    }
    return MUSTER_OK;
}

static muster_err
option_from(struct auth_entry *entry, const char *value, struct muster_error *error)
{
    if (entry->from != NULL)
        return error_set(error, MUSTER_ERR_INVALID, "from= is given twice");
    entry->from = list_split(value);
    if (entry->from == NULL)
        return error_set(error, MUSTER_ERR_INVALID,
                         "from=%s: 1 to %d addresses, with commas between", value, LIST_MAX);
    for (size_t i = 0; entry->from[i] != NULL; i++) {
        struct auth_net net;
        bool            stray;

        if (auth_net_parse(entry->from[i], &net, &stray))
            continue;
        return error_set(error, MUSTER_ERR_INVALID,
                         stray ? "from=: %s has bits set behind its prefix"
                               : "from=: \"%s\" is not an address (192.0.2.1, 2001:db8::1) or a "
                                 "network (10.0.0.0/8); names are not looked up",
                         entry->from[i]);
    }
    return MUSTER_OK;
}

static muster_err
option_not_after(struct auth_entry *entry, const char *value, struct muster_error *error)
{
    if (entry->not_after_unix_ms != 0)
        return error_set(error, MUSTER_ERR_INVALID, "not-after= is given twice");
    if (!auth_date_parse(value, &entry->not_after_unix_ms))
        return error_set(error, MUSTER_ERR_INVALID,
                         "not-after=%s: write 2027-01-31 or 2027-01-31T12:00:00Z", value);
    return MUSTER_OK;
}

static muster_err
option_connections(struct auth_entry *entry, const char *value, struct muster_error *error)
{
    uint64_t count;

    if (entry->connections_max != 0)
        return error_set(error, MUSTER_ERR_INVALID, "max-connections= is given twice");
    if (!parse_u64(value, UINT32_MAX, &count) || count == 0)
        return error_set(error, MUSTER_ERR_INVALID, "max-connections=%s: a number from 1 on",
                         value);
    entry->connections_max = (uint32_t)count;
    return MUSTER_OK;
}

static const struct {
    const char *name;
    muster_err (*parse)(struct auth_entry *entry, const char *value, struct muster_error *error);
} options[] = {
    { "queues", option_queues },
    { "from", option_from },
    { "not-after", option_not_after },
    { "max-connections", option_connections },
};

static muster_err
parse_option(struct auth_entry *entry, const char *text, struct muster_error *error)
{
    const char *equals = strchr(text, '=');
    size_t      bytes = equals != NULL ? (size_t)(equals - text) : strlen(text);

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strlen(options[i].name) != bytes || memcmp(options[i].name, text, bytes) != 0)
            continue;
        if (equals == NULL)
            return error_set(error, MUSTER_ERR_INVALID, "option %s needs a value: %s=...", text,
                             text);
        return options[i].parse(entry, equals + 1, error);
    }
    return error_set(
        error, MUSTER_ERR_INVALID,
        "unknown option \"%s\"; known are queues=, from=, not-after=, max-connections=", text);
}

/* ---- lines ---- */

void
auth_entry_clear(struct auth_entry *entry)
{
    list_free(entry->queues);
    list_free(entry->from);
    memset(entry, 0, sizeof(*entry));
}

static muster_err
parse_key(struct auth_entry *entry, const char *text, struct muster_error *error)
{
    size_t bytes = 0;

    if (strncmp(text, "muster-key-", strlen("muster-key-")) == 0)
        return error_set(
            error, MUSTER_ERR_INVALID,
            "an authkey with its secret does not belong here; only the public key does. "
            "Make a new one with `muster key add`");
    if (strlen(text) != KEY_HEX_BYTES ||
        strspn(text, "0123456789abcdef") != KEY_HEX_BYTES ||
        sodium_hex2bin(entry->key, KEY_BYTES, text, KEY_HEX_BYTES, NULL, &bytes, NULL) != 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "the public key is not of %d lower-case hexadecimal digits",
                         KEY_HEX_BYTES);
    return MUSTER_OK;
}

/* `line` is ours to cut up. */
static muster_err
parse_fields(struct auth_entry *entry, char *line, struct muster_error *error)
{
    static const char blanks[] = " \t\r";
    char             *rest = NULL;
    const char       *key = strtok_r(line, blanks, &rest);
    const char       *role = strtok_r(NULL, blanks, &rest);
    const char       *name = strtok_r(NULL, blanks, &rest);
    const char       *option;
    muster_err        err;

    if (key == NULL || role == NULL || name == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "a line is: public key, role, name, options");
    err = parse_key(entry, key, error);
    if (err)
        return err;
    if (!auth_role_parse(role, &entry->role) || entry->role == AUTH_ROLE_MANAGER)
        return error_set(error, MUSTER_ERR_INVALID,
                         "role \"%s\": it must be worker, client or admin", role);
    if (!parse_name(slice_text(name), AUTH_NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID, "\"%s\" is not a name for a key", name);
    memcpy(entry->name, name, strlen(name) + 1);

    while ((option = strtok_r(NULL, blanks, &rest)) != NULL) {
        err = parse_option(entry, option, error);
        if (err)
            return err;
    }
    return MUSTER_OK;
}

muster_err
auth_line_parse(struct slice line, bool *is_entry_out, struct auth_entry *entry_out,
                struct muster_error *error)
{
    char              copy[LINE_BYTES_MAX + 1];
    struct auth_entry entry = { 0 };
    size_t            blank = 0;
    muster_err        err;

    if (line.bytes > LINE_BYTES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "the line is longer than %d bytes",
                         LINE_BYTES_MAX);
    if (memchr(line.data, 0, line.bytes) != NULL)
        return error_set(error, MUSTER_ERR_INVALID, "there is a zero byte in the line");
    memcpy(copy, line.data, line.bytes);
    copy[line.bytes] = '\0';
    blank = strspn(copy, " \t\r");
    *is_entry_out = copy[blank] != '\0' && copy[blank] != '#';
    if (!*is_entry_out)
        return MUSTER_OK;

    err = parse_fields(&entry, copy, error);
    if (err)
        auth_entry_clear(&entry);
    else
        *entry_out = entry;
    return err;
}

bool
auth_line_next(struct slice *text, struct slice *line_out)
{
    const char *begin = text->data;
    const char *end;
    size_t      bytes;

    if (text->bytes == 0)
        return false;
    end = memchr(begin, '\n', text->bytes);
    bytes = end != NULL ? (size_t)(end - begin) : text->bytes;
    *line_out = slice_of(begin, bytes);
    *text = slice_cut(*text, end != NULL ? bytes + 1 : bytes, SIZE_MAX);
    return true;
}

/* ---- the table ---- */

static uint64_t
map_key(const uint8_t key[KEY_BYTES])
{
    uint64_t first;

    memcpy(&first, key, sizeof(first));
    return first;
}

static uint32_t
table_find(const struct auth_table *table, const uint8_t key[KEY_BYTES])
{
    uint32_t at = (uint32_t)(uintptr_t)map_get(&table->by_key, map_key(key));

    while (at != 0 && memcmp(table->entries[at - 1].key, key, KEY_BYTES) != 0)
        at = table->next[at - 1];
    return at;
}

/* Takes the entry over; refuses a key that is there already. */
static muster_err
table_add(struct auth_table *table, struct auth_entry *entry, uint32_t line,
          struct muster_error *error)
{
    uint32_t at = table_find(table, entry->key);
    uint64_t key = map_key(entry->key);

    if (at != 0 || table->count == AUTH_KEYS_MAX) {
        if (at != 0)
            error_set(error, MUSTER_ERR_INVALID, "the same key stands in line %u already",
                      table->lines[at - 1]);
        else
            error_set(error, MUSTER_ERR_TOO_LARGE, "more than %d keys", AUTH_KEYS_MAX);
        auth_entry_clear(entry);
        return at != 0 ? MUSTER_ERR_INVALID : MUSTER_ERR_TOO_LARGE;
    }
    at = table->count++;
    base_grow((void **)&table->entries, &table->entries_capacity, table->count, sizeof(*entry));
    base_grow((void **)&table->lines, &table->lines_capacity, table->count, sizeof(*table->lines));
    base_grow((void **)&table->next, &table->next_capacity, table->count, sizeof(*table->next));
    table->entries[at] = *entry;
    table->lines[at] = line;
    table->next[at] = (uint32_t)(uintptr_t)map_get(&table->by_key, key);
    map_put(&table->by_key, key, (void *)(uintptr_t)(at + 1));
    return MUSTER_OK;
}

static int
compare_names(const void *a, const void *b)
{
    const struct auth_entry *const *left = a;
    const struct auth_entry *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

static muster_err
sort_names(struct auth_table *table, const char *where, struct muster_error *error)
{
    const struct auth_entry **sorted = base_array(table->count + 1, sizeof(struct auth_entry *));
    muster_err                err = MUSTER_OK;

    for (uint32_t i = 0; i < table->count; i++)
        sorted[i] = &table->entries[i];
    table->by_name = sorted;
    qsort(sorted, table->count, sizeof(*sorted), compare_names);
    for (uint32_t i = 1; i < table->count && !err; i++) {
        uint32_t a = table->lines[sorted[i - 1] - table->entries];
        uint32_t b = table->lines[sorted[i] - table->entries];

        if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
            err = error_set(error, MUSTER_ERR_INVALID,
                            "%s:%u: the name \"%s\" stands in line %u already", where,
                            a > b ? a : b, sorted[i]->name, a > b ? b : a);
    }
    return err;
}

muster_err
auth_table_parse(struct slice text, const char *where, struct auth_table **table_out,
                 struct muster_error *error)
{
    struct auth_table  *table;
    struct muster_error why = { 0 };
    struct slice        line;
    uint32_t            number = 0;
    muster_err          err = MUSTER_OK;

    if (text.bytes > AUTH_FILE_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "%s: larger than %d bytes", where,
                         AUTH_FILE_BYTES_MAX);
    table = base_alloc(sizeof(*table));
    while (!err && auth_line_next(&text, &line)) {
        struct auth_entry entry;
        bool              is_entry = false;

        number++;
        err = auth_line_parse(line, &is_entry, &entry, &why);
        if (!err && is_entry)
            err = table_add(table, &entry, number, &why);
        if (err)
            error_set(error, err, "%s:%u: %s", where, number, why.detail);
    }
    if (!err)
        err = sort_names(table, where, error);
    if (err)
        auth_table_free(table);
    else
        *table_out = table;
    return err;
}

muster_err
auth_table_load(const char *path, struct auth_table **table_out, struct muster_error *error)
{
    struct buffer text = { 0 };
    muster_err    err;
    int           fd;

    err = auth_open_safely(path, &fd, error);
    if (err)
        return err;
    err = file_read_fd(fd, AUTH_FILE_BYTES_MAX, &text, error);
    close(fd);
    if (!err)
        err = auth_table_parse(buffer_slice(&text), path, table_out, error);
    buffer_free(&text);
    return err;
}

void
auth_table_free(struct auth_table *table)
{
    if (table == NULL)
        return;
    for (uint32_t i = 0; i < table->count; i++)
        auth_entry_clear(&table->entries[i]);
    free(table->entries);
    free(table->lines);
    free(table->next);
    free(table->by_name);
    map_free(&table->by_key);
    free(table);
}

uint32_t
auth_table_count(const struct auth_table *table)
{
    return table->count;
}

const struct auth_entry *
auth_table_at(const struct auth_table *table, uint32_t at)
{
    assert(at < table->count);
    return &table->entries[at];
}

const struct auth_entry *
auth_table_find(const struct auth_table *table, const uint8_t key[KEY_BYTES])
{
    uint32_t at = table_find(table, key);

    return at != 0 ? &table->entries[at - 1] : NULL;
}

const struct auth_entry *
auth_table_named(const struct auth_table *table, const char *name)
{
    struct auth_entry               wanted = { 0 };
    const struct auth_entry        *key = &wanted;
    const struct auth_entry *const *found;

    if (strlen(name) > AUTH_NAME_BYTES_MAX)
        return NULL;
    strcpy(wanted.name, name);
    found = bsearch(&key, table->by_name, table->count, sizeof(*found), compare_names);
    return found != NULL ? *found : NULL;
}
