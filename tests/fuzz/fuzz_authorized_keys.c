/* fuzz_authorized_keys.c - the list of who may come in
 *
 * A file is taken whole or refused whole, with its place named; what is taken
 * has unique keys with names and roles that mean something.
 */
#include <string.h>

#include "auth.h"
#include "fuzz.h"
#include "parse.h"

static void
entry_check(const struct auth_table *table, const struct auth_entry *entry)
{
    static const char *const addresses[] = { "", "127.0.0.1", "10.1.2.3", "2001:db8::1" };
    struct muster_error      error = { 0 };

    assert(auth_table_find(table, entry->key) == entry);
    assert(parse_name(slice_text(entry->name), AUTH_NAME_BYTES_MAX));
    assert(entry->role > AUTH_ROLE_MANAGER && entry->role < AUTH_ROLE_COUNT);
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        muster_err err = auth_entry_admits(entry, addresses[i], 1800000000000u, &error);

        assert(err == MUSTER_OK || err == MUSTER_ERR_AUTH);
        if (entry->from == NULL && entry->not_after_unix_ms == 0)
            assert(err == MUSTER_OK);
    }
    assert(entry->queues == NULL || auth_entry_serves(entry, slice_text(entry->queues[0])));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct muster_error error = { 0 };
    struct auth_table  *table = NULL;
    muster_err          err = auth_table_parse(slice_of(data, bytes), "keys", &table, &error);

    if (err) {
        assert(table == NULL);
        assert(strncmp(error.detail, "keys:", 5) == 0);
        return 0;
    }
    for (uint32_t i = 0; i < auth_table_count(table); i++)
        entry_check(table, auth_table_at(table, i));
    auth_table_free(table);
    return 0;
}
