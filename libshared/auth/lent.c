/* lent.c - keys of running tasks, beside those that authorized_keys names
 *
 * 1. A lent key is good as long as the table has its user, as a client or an admin
 *    whose own key has not expired.  Where that one may come from does not matter:
 *    the task runs elsewhere.
 * 2. It may come from one address alone, with few connections.
 * 3. Whether it is good is found out when it comes and when the table changes, so
 *    that a handshake costs a look-up.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "map.h"

struct lent {
    struct auth_entry entry;
    char              address[64];
    char             *from[2];             /* entry.from, when there is an address */
    bool              good;
};

struct auth_lent {
    struct map by_key;                     /* first 8 bytes of the key -> struct lent */
};

static uint64_t
map_key(const uint8_t key[KEY_BYTES])
{
    uint64_t first;

    memcpy(&first, key, sizeof(first));
    return first;
}

static struct lent *
lent_get(const struct auth_lent *all, const uint8_t key[KEY_BYTES])
{
    struct lent *lent = map_get(&all->by_key, map_key(key));

    return lent != NULL && memcmp(lent->entry.key, key, KEY_BYTES) == 0 ? lent : NULL;
}

struct auth_lent *
auth_lent_new(void)
{
    return base_alloc(sizeof(struct auth_lent));
}

void
auth_lent_free(struct auth_lent *all)
{
    struct lent *lent;
    size_t       cursor = 0;

    if (all == NULL)
        return;
    while ((lent = map_next(&all->by_key, &cursor, NULL)) != NULL)
        free(lent);
    map_free(&all->by_key);
    free(all);
}

static void
lent_look(struct lent *lent, const struct auth_table *table)
{
    const struct auth_entry *user = auth_table_named(table, lent->entry.name);

    lent->good = user != NULL &&
                 (user->role == AUTH_ROLE_CLIENT || user->role == AUTH_ROLE_ADMIN);
    lent->entry.not_after_unix_ms = lent->good ? user->not_after_unix_ms : 0;
}

void
auth_lent_add(struct auth_lent *all, const struct auth_table *table,
              const uint8_t key[KEY_BYTES], const char *user, const char *address)
{
    struct lent *lent = lent_get(all, key);

    if (lent != NULL)
        return;
    assert(map_get(&all->by_key, map_key(key)) == NULL);
    lent = base_alloc(sizeof(*lent));
    assert(strlen(user) < sizeof(lent->entry.name) && strlen(address) < sizeof(lent->address));
    memcpy(lent->entry.key, key, KEY_BYTES);
    lent->entry.role = AUTH_ROLE_CLIENT;
    strcpy(lent->entry.name, user);
    lent->entry.connections_max = AUTH_LENT_CONNECTIONS;
    if (address[0] != '\0') {
        strcpy(lent->address, address);
        lent->from[0] = lent->address;
        lent->entry.from = lent->from;
    }
    lent_look(lent, table);
    map_put(&all->by_key, map_key(key), lent);
}

bool
auth_lent_remove(struct auth_lent *all, const uint8_t key[KEY_BYTES])
{
    struct lent *lent = lent_get(all, key);

    if (lent == NULL)
        return false;
    map_remove(&all->by_key, map_key(key));
    free(lent);
    return true;
}

void
auth_lent_refresh(struct auth_lent *all, const struct auth_table *table)
{
    struct lent *lent;
    size_t       cursor = 0;

    while ((lent = map_next(&all->by_key, &cursor, NULL)) != NULL)
        lent_look(lent, table);
}

const struct auth_entry *
auth_lent_find(const struct auth_lent *all, const uint8_t key[KEY_BYTES])
{
    const struct lent *lent = lent_get(all, key);

    return lent != NULL && lent->good ? &lent->entry : NULL;
}
