/* dict_log.c - what changed in a dict lately
 *
 * 1. The log is volatile and never larger than LOG_BYTES_MAX: who asks for what
 *    lies before `log_from` is told to read all.
 */
#include "dict_entries.h"

static struct change *
change_of(struct list *link)
{
    return CONTAINER(link, struct change, link);
}

static struct slice
change_key(const struct change *change)
{
    return slice_of(change->key, change->key_bytes);
}

static void
log_drop_first(struct dict *dict)
{
    struct change *change = change_of(dict->log.next);

    dict->log_from = change->version;
    dict->log_bytes -= change->key_bytes + (size_t)CHANGE_COST_BYTES;
    list_remove(&change->link);
    free(change);
}

void
dict_note_all(struct dict *dict)
{
    while (!list_empty(&dict->log))
        log_drop_first(dict);
    dict->log_from = dict->version;
}

void
dict_watch(struct dict *dict)
{
    if (!dict->watched)
        dict->log_from = dict->version;
    dict->watched = true;
}

void
dict_changed(struct dict *dict)
{
    dict->version++;
    if (!dict->watched)
        dict->log_from = dict->version;
}

void
dict_note(struct dict *dict, struct slice key)
{
    size_t         cost = key.bytes + CHANGE_COST_BYTES;
    struct change *change;

    if (!dict->watched)
        return;
    assert(dict_key_good(key));
    while (dict->log_bytes + cost > (size_t)LOG_BYTES_MAX)
        log_drop_first(dict);
    change = base_alloc(sizeof(*change) + key.bytes);
    change->version = dict->version;
    change->hash = map_hash(key);
    change->key_bytes = (uint32_t)key.bytes;
    memcpy(change->key, key.data, key.bytes);
    list_append(&dict->log, &change->link);
    dict->log_bytes += cost;
}

static bool
change_is(const struct change *change, uint64_t hash, struct slice key)
{
    return change->hash == hash && slice_equal(change_key(change), key);
}

/* Does a later change name the same key? */
static bool
comes_again(const struct dict *dict, const struct change *change)
{
    for (struct list *at = change->link.next; at != &dict->log; at = at->next)
        if (change_is(change_of(at), change->hash, change_key(change)))
            return true;
    return false;
}

void
dict_changes(const struct dict *dict, uint64_t version, struct slice key,
             struct wire_block *block)
{
    uint64_t     hash = map_hash(key);
    struct list *at = dict->log.prev;

    assert(version >= dict->log_from);
    while (at != &dict->log && change_of(at)->version > version)
        at = at->prev;
    for (at = at->next; at != &dict->log; at = at->next) {
        const struct change *change = change_of(at);
        bool                 added;

        if ((key.bytes > 0 && !change_is(change, hash, key)) || comes_again(dict, change))
            continue;
        added = wire_block_add_value(block, change_key(change));
        assert(added);
    }
}
