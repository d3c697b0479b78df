/* entry.c - what one line of authorized_keys allows */
#include <string.h>

#include "keys.h"

static void
put_list(struct buffer *out, char *const *list)
{
    for (size_t i = 0; list[i] != NULL; i++)
        buffer_printf(out, "%s%s", i > 0 ? "," : "", list[i]);
}

static bool
from_has(char *const *from, const char *address)
{
    for (size_t i = 0; from[i] != NULL; i++) {
        struct auth_net net;

        if (auth_net_parse(from[i], &net, NULL) && auth_net_has(&net, address))
            return true;
    }
    return false;
}

muster_err
auth_entry_admits(const struct auth_entry *entry, const char *address, uint64_t unix_ms,
                  struct muster_error *error)
{
    char date[24];

    if (entry->not_after_unix_ms != 0 && unix_ms / 1000 > entry->not_after_unix_ms / 1000)
        return error_set(error, MUSTER_ERR_AUTH, "the key of %s expired at %s", entry->name,
                         auth_date_text(date, entry->not_after_unix_ms));
    if (entry->from != NULL && !from_has(entry->from, address))
        return error_set(error, MUSTER_ERR_AUTH, "the key of %s may not come from %s", entry->name,
                         address[0] != '\0' ? address : "a local socket");
    return MUSTER_OK;
}

bool
auth_entry_serves(const struct auth_entry *entry, struct slice queue)
{
    for (size_t i = 0; entry->queues != NULL && entry->queues[i] != NULL; i++) {
        if (slice_equals_text(queue, entry->queues[i]))
            return true;
    }
    return entry->queues == NULL;
}

void
auth_entry_options_put(struct buffer *out, const struct auth_entry *entry)
{
    size_t first = out->bytes;
    char   date[24];

    if (entry->queues != NULL) {
        buffer_append_text(out, " queues=");
        put_list(out, entry->queues);
    }
    if (entry->from != NULL) {
        buffer_append_text(out, " from=");
        put_list(out, entry->from);
    }
    if (entry->not_after_unix_ms != 0)
        buffer_printf(out, " not-after=%s", auth_date_text(date, entry->not_after_unix_ms));
    if (entry->connections_max != 0)
        buffer_printf(out, " max-connections=%u", entry->connections_max);
    if (out->bytes > first) {           /* the first blank separates nothing */
        memmove(out->data + first, out->data + first + 1, out->bytes - first - 1);
        out->bytes--;
    }
}
