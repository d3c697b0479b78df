/* auth.h - keys, key files and the list of who may come in
 *
 * The only folder that touches secrets.
 *
 * 1. A secret lives in sodium_malloc memory from the moment it is read until
 *    key_free(), and is never printed, logged or put into an environment.
 * 2. Key text is one line with a checksum: a typo (KEY_TEXT) is told apart
 *    from a key that the manager does not know (AUTH).
 * 3. authorized_keys is parsed whole or refused whole; the line is named.
 */
#ifndef AUTH_H
#define AUTH_H

#include "buffer.h"
#include "errors.h"

enum {
    KEY_BYTES          = 32,      /* Curve25519 */
    KEY_TEXT_BYTES_MAX = 512,
    AUTH_NAME_BYTES_MAX = 64,
    AUTH_KEYS_MAX      = 65536,
    AUTH_FILE_BYTES_MAX = 16 * 1024 * 1024,
};

/* Numbers are those of wire_role; a manager's own key has AUTH_ROLE_MANAGER. */
enum auth_role {
    AUTH_ROLE_MANAGER, AUTH_ROLE_WORKER, AUTH_ROLE_CLIENT, AUTH_ROLE_ADMIN, AUTH_ROLE_COUNT
};

/* A secret key with what belongs to it; opaque because of invariant 1. */
struct key;

/* Call before anything else here, as often as you like.  The first call switches
 * core dumps off (a program that wants them back can ask prctl(2) afterwards);
 * what the process execs is not affected. */
muster_err auth_start(struct muster_error *error);

/* Make a key pair.  `manager_public` is NULL for the manager's own key. */
muster_err key_make(enum auth_role role, const char *name, const uint8_t *manager_public,
                    struct key **key_out, struct muster_error *error);
void           key_free(struct key *key);                    /* NULL is allowed */
const uint8_t *key_public(const struct key *key);            /* KEY_BYTES */
const uint8_t *key_secret(const struct key *key);            /* KEY_BYTES; for link/ only */
const uint8_t *key_manager_public(const struct key *key);    /* KEY_BYTES; a manager: own */
enum auth_role key_role(const struct key *key);
const char    *key_name(const struct key *key);

/* Key text: one line, see PROTOCOL.md "Key text".  Errors: KEY_TEXT. */
muster_err key_text_parse(struct slice text, struct key **key_out, struct muster_error *error);
void       key_text_put(struct buffer *out, const struct key *key);   /* caller wipes `out` */

/* Errors: NOT_FOUND, KEY_FILE (owner, mode, type, links - says which), KEY_TEXT, IO.
 * A passphrase instead of a key is told apart, with how to make a key. */
muster_err key_file_load(const char *path, struct key **key_out, struct muster_error *error);
/* Create it, 0600, O_EXCL, fsynced.  Errors: EXISTS, IO, NO_SPACE. */
muster_err key_file_save(const char *path, const struct key *key, struct muster_error *error);

/* ---- authorized_keys ---- */
struct auth_entry {
    uint8_t        key[KEY_BYTES];
    enum auth_role role;
    char           name[AUTH_NAME_BYTES_MAX + 1];
    uint64_t       not_after_unix_ms;       /* 0 = never ends */
    uint32_t       connections_max;         /* 0 = no cap of its own */
    char         **queues;                  /* NULL = every queue; else NULL-terminated */
    char         **from;                    /* NULL = anywhere; address or CIDR; NULL-terminated */
};

struct auth_table;      /* immutable once parsed; swapped whole */

/* One line per key; blanks between fields; # begins a comment line:
 *
 *   <public key> <role> <name> [queues=a,b] [from=10.0.0.0/8,192.0.2.1]
 *                              [not-after=2027-01-31[THH:MM:SSZ]] [max-connections=4]
 *
 * Unknown or repeated options and repeated keys or names refuse the whole text.
 * `where` names the file in errors.  Errors: INVALID (line and what), TOO_LARGE. */
muster_err auth_table_parse(struct slice text, const char *where, struct auth_table **table_out,
                            struct muster_error *error);
/* The file must be as safe as a key file.  Also: NOT_FOUND, KEY_FILE, IO. */
muster_err auth_table_load(const char *path, struct auth_table **table_out,
                           struct muster_error *error);
void       auth_table_free(struct auth_table *table);
uint32_t   auth_table_count(const struct auth_table *table);
const struct auth_entry *auth_table_at(const struct auth_table *table, uint32_t at);
/* NULL when unknown.  Does not look at dates or addresses. */
const struct auth_entry *auth_table_find(const struct auth_table *table,
                                         const uint8_t key[KEY_BYTES]);
/* The entry of this name; NULL when there is none. */
const struct auth_entry *auth_table_named(const struct auth_table *table, const char *name);
/* May this key come in, from this address (numeric, "" = not TCP), now?  AUTH with the reason. */
muster_err auth_entry_admits(const struct auth_entry *entry, const char *address,
                             uint64_t unix_ms, struct muster_error *error);
bool auth_entry_serves(const struct auth_entry *entry, struct slice queue);
/* Its options as they would stand in the file; "" when it has none. */
void auth_entry_options_put(struct buffer *out, const struct auth_entry *entry);

/* ---- keys that are lent: of tasks, while they run ---- */
struct auth_lent;

enum { AUTH_LENT_CONNECTIONS = 4 };     /* of one such key */

struct auth_lent *auth_lent_new(void);
void              auth_lent_free(struct auth_lent *lent);    /* NULL is allowed */
/* From `address` (numeric, "" = not TCP) the holder of the key is a client named `user`,
 * as long as the table has a client or admin of that name that has not expired.  A key
 * that is there already stays as it is; two may not begin with the same 8 bytes. */
void auth_lent_add(struct auth_lent *lent, const struct auth_table *table,
                   const uint8_t key[KEY_BYTES], const char *user, const char *address);
/* False: it was not there. */
bool auth_lent_remove(struct auth_lent *lent, const uint8_t key[KEY_BYTES]);
/* Another table holds from now on. */
void auth_lent_refresh(struct auth_lent *lent, const struct auth_table *table);
/* An entry as one of the table; NULL when the key is unknown or its user is gone. */
const struct auth_entry *auth_lent_find(const struct auth_lent *lent,
                                        const uint8_t key[KEY_BYTES]);

/* Change the file atomically, one writer at a time; comments and other lines stay.
 * A file that is missing is created by add.  Errors: EXISTS (the name or key is
 * taken), NOT_FOUND, INVALID, KEY_FILE, IO, NO_SPACE. */
muster_err auth_file_add(const char *path, const uint8_t key[KEY_BYTES], enum auth_role role,
                         const char *name, const char *options, struct muster_error *error);
muster_err auth_file_revoke(const char *path, const char *name, struct muster_error *error);

const char *auth_role_name(enum auth_role role);
bool        auth_role_parse(const char *text, enum auth_role *role_out);
/* First 16 characters of the public key's text, to name a key in logs. */
char       *auth_key_fingerprint(char text[static 20], const uint8_t key[KEY_BYTES]);
/* The whole public key, as it stands in authorized_keys. */
char       *auth_key_text(char text[static 2 * KEY_BYTES + 1], const uint8_t key[KEY_BYTES]);
/* Overwrite bytes that were secret, so that no compiler leaves it out. */
void        auth_wipe(void *secret, size_t bytes);
/* Cryptographic randomness, for session secrets and dedup keys. */
void        auth_random(void *out, size_t bytes);
/* BLAKE2b, `bytes` 16..64. */
void        auth_hash(struct slice input, uint8_t *hash_out, size_t bytes);

#endif
