/* dict_log.c - what changed in a dict lately
 *
 * 1. The log is volatile and never larger than LOG_BYTES_MAX: who asks for what
 *    lies before `log_from` is told to read all.
 * 2. It has the newest change of each key and no other.  (Of two keys with one
 *    hash an older change may stay: such a key is told twice.)
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

static bool
change_is(const struct change *change, uint64_t hash, struct slice key)
{
    return change->hash == hash && slice_equal(change_key(change), key);
}

static void
log_drop(struct dict *dict, struct change *change)
{
    dict->log_bytes -= change->key_bytes + (size_t)CHANGE_COST_BYTES;
    if (map_get(&dict->log_keys, change->hash) == change)
        map_remove(&dict->log_keys, change->hash);
    list_remove(&change->link);
    free(change);
}

static void
log_drop_first(struct dict *dict)
{
    struct change *change = change_of(dict->log.next);

    dict->log_from = change->version;
    log_drop(dict, change);
}

void
dict_note_all(struct dict *dict)
{
    while (!list_empty(&dict->log))
        log_drop_first(dict);
    map_free(&dict->log_keys);
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
    uint64_t       hash = dict_hash(dict, key);
    struct change *change;

    if (!dict->watched)
        return;
    assert(dict_key_good(key));
    change = map_get(&dict->log_keys, hash);
    if (change != NULL && change_is(change, hash, key))
        log_drop(dict, change);
    while (dict->log_bytes + cost > (size_t)LOG_BYTES_MAX)
        log_drop_first(dict);
    change = base_alloc(sizeof(*change) + key.bytes);
    change->version = dict->version;
    change->hash = hash;
    change->key_bytes = (uint32_t)key.bytes;
    memcpy(change->key, key.data, key.bytes);
    list_append(&dict->log, &change->link);
    map_put(&dict->log_keys, hash, change);
    dict->log_bytes += cost;
}

uint32_t
dict_changes(const struct dict *dict, uint64_t version, struct slice key,
             struct wire_block *block)
{
    uint64_t     hash = dict_hash(dict, key);
    struct list *at = dict->log.prev;
    uint32_t     looked = 0;

    assert(version >= dict->log_from);
    for (; at != &dict->log && change_of(at)->version > version; at = at->prev)
        looked++;
    for (at = at->next; at != &dict->log; at = at->next) {
        const struct change *change = change_of(at);
        bool                 added;

        if (key.bytes > 0 && !change_is(change, hash, key))
            continue;
        added = wire_block_add_value(block, change_key(change));
        assert(added);
    }
    return looked;
}
