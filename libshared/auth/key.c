/* key.c - keys in memory and as one line of text
 *
 *   muster-key-1 <role> <name> <own secret> <manager's public> <checksum>
 *
 * Keys are 64 lower-case hexadecimal digits; the checksum is 16, of the BLAKE2b
 * hash of everything before the blank in front of it.
 *
 * 1. The checksum is looked at before anything is believed, so that a typo is
 *    always called a typo.
 * 2. No error repeats any part of the text: it may be a secret.
 */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "keys.h"
#include "parse.h"

#define KEY_PREFIX "muster-key-"
#define KEY_VERSION "muster-key-1"
#define KEY_HOW_TO "`muster key init DIR` makes keys"

enum {
    CHECKSUM_BYTES     = 8,
    CHECKSUM_HEX_BYTES = 2 * CHECKSUM_BYTES,
    HASH_BYTES         = 16,
    KEY_FIELDS         = 6,
};

enum { FIELD_VERSION, FIELD_ROLE, FIELD_NAME, FIELD_SECRET, FIELD_MANAGER, FIELD_CHECKSUM };

/* Things that people put into a key file instead of a key. */
static const struct {
    const char *prefix;
    const char *what;
} strangers[] = {
    { "-----BEGIN OPENSSH", "an ssh key" },
    { "-----BEGIN", "a PEM key or certificate" },
    { "ssh-", "an ssh public key" },
    { "ecdsa-", "an ssh public key" },
    { "sk-ssh-", "an ssh public key" },
    { "age-", "an age key" },
    { "AGE-", "an age key" },
};

static struct key *
key_new(void)
{
    struct key *key = sodium_malloc(sizeof(*key));

    /* Fails when RLIMIT_MEMLOCK or memory is used up; locking itself is best effort. */
    if (key != NULL)
        sodium_memzero(key, sizeof(*key));
    return key;
}

void
key_free(struct key *key)
{
    sodium_free(key);           /* wipes; NULL is allowed */
}

const uint8_t *
key_public(const struct key *key)
{
    return key->public;
}

const uint8_t *
key_secret(const struct key *key)
{
    return key->secret;
}

const uint8_t *
key_manager_public(const struct key *key)
{
    return key->manager_public;
}

enum auth_role
key_role(const struct key *key)
{
    return key->role;
}

const char *
key_name(const struct key *key)
{
    return key->name;
}

muster_err
key_make(enum auth_role role, const char *name, const uint8_t *manager_public,
         struct key **key_out, struct muster_error *error)
{
    struct key *key;

    assert(role < AUTH_ROLE_COUNT);
    assert((manager_public == NULL) == (role == AUTH_ROLE_MANAGER));

    if (!parse_name(slice_text(name), AUTH_NAME_BYTES_MAX))
        return error_set(
            error, MUSTER_ERR_INVALID,
            "key name \"%s\": 1 to %d of A-Z a-z 0-9 . _ - are allowed, no - or . first", name,
            AUTH_NAME_BYTES_MAX);
    key = key_new();
    if (key == NULL)
        return error_set(error, MUSTER_ERR_NO_MEMORY, "no protected memory for a key");

    crypto_box_keypair(key->public, key->secret);
    key->role = role;
    memcpy(key->name, name, strlen(name) + 1);
    memcpy(key->manager_public, manager_public != NULL ? manager_public : key->public, KEY_BYTES);
    *key_out = key;
    return MUSTER_OK;
}

/* ---- text ---- */

static void
checksum_hex(char text[static CHECKSUM_HEX_BYTES + 1], struct slice covered)
{
    uint8_t hash[HASH_BYTES];

    auth_hash(covered, hash, sizeof(hash));
    sodium_bin2hex(text, CHECKSUM_HEX_BYTES + 1, hash, CHECKSUM_BYTES);
    sodium_memzero(hash, sizeof(hash));
}

void
key_text_put(struct buffer *out, const struct key *key)
{
    char   hex[KEY_HEX_BYTES + 1];
    char   checksum[CHECKSUM_HEX_BYTES + 1];
    size_t first = out->bytes;

    /* All room at once: growing later would leave a copy of the secret behind. */
    buffer_reserve(out, KEY_TEXT_BYTES_MAX);
    buffer_append_text(out, KEY_VERSION " ");
    buffer_append_text(out, auth_role_name(key->role));
    buffer_append_text(out, " ");
    buffer_append_text(out, key->name);
    buffer_append_text(out, " ");
    buffer_append_text(out, sodium_bin2hex(hex, sizeof(hex), key->secret, KEY_BYTES));
    buffer_append_text(out, " ");
    buffer_append_text(out, sodium_bin2hex(hex, sizeof(hex), key->manager_public, KEY_BYTES));
    checksum_hex(checksum, slice_of(out->data + first, out->bytes - first));
    buffer_append_text(out, " ");
    buffer_append_text(out, checksum);
    buffer_append_text(out, "\n");
    assert(out->bytes - first <= KEY_TEXT_BYTES_MAX);

    sodium_memzero(hex, sizeof(hex));
}

/* What is this, if no key of muster?  A damaged prefix of a key is still a typo. */
static muster_err
key_text_stranger(struct slice text, struct muster_error *error)
{
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        size_t bytes = strlen(strangers[i].prefix);

        if (text.bytes >= bytes && memcmp(text.data, strangers[i].prefix, bytes) == 0)
            return error_set(error, MUSTER_ERR_KEY_TEXT, "this is %s, not a key of muster; %s",
                             strangers[i].what, KEY_HOW_TO);
    }
    if (text.bytes == 0)
        return error_set(error, MUSTER_ERR_KEY_TEXT, "there is no key in it; %s", KEY_HOW_TO);
    return error_set(error, MUSTER_ERR_KEY_TEXT,
                     "this is not a key of muster; a passphrase cannot be one, because it can be "
                     "guessed; %s", KEY_HOW_TO);
}

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
trim(struct slice text)
{
    const uint8_t *at = text.data;

    while (text.bytes > 0 && is_blank(at[text.bytes - 1]))
        text.bytes--;
    while (text.bytes > 0 && is_blank(at[0])) {
        at++;
        text.bytes--;
    }
    return slice_of(at, text.bytes);
}

/* Cut at single blanks; returns how many fields there are, KEY_FIELDS + 1 for more. */
static unsigned
split(struct slice text, struct slice fields[static KEY_FIELDS])
{
    const uint8_t *at = text.data;
    unsigned       count = 0;
    size_t         begin = 0;

    for (size_t i = 0; i <= text.bytes; i++) {
        if (i < text.bytes && at[i] != ' ')
            continue;
        if (count == KEY_FIELDS)
            return KEY_FIELDS + 1;
        fields[count++] = slice_of(at + begin, i - begin);
        begin = i + 1;
    }
    return count;
}

static bool
hex_key(struct slice text, uint8_t key_out[static KEY_BYTES])
{
    size_t bytes = 0;

    return text.bytes == KEY_HEX_BYTES &&
           sodium_hex2bin(key_out, KEY_BYTES, text.data, text.bytes, NULL, &bytes, NULL) == 0 &&
           bytes == KEY_BYTES;
}

/* The fields of a text whose checksum fits. */
static muster_err
key_fill(struct key *key, const struct slice fields[static KEY_FIELDS], struct muster_error *error)
{
    char role[16] = { 0 };

    if (fields[FIELD_ROLE].bytes < sizeof(role))
        memcpy(role, fields[FIELD_ROLE].data, fields[FIELD_ROLE].bytes);
    if (!auth_role_parse(role, &key->role))
        return error_set(error, MUSTER_ERR_KEY_TEXT,
                         "the role in the key is unknown to this version of muster");
    if (!parse_name(fields[FIELD_NAME], AUTH_NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_KEY_TEXT, "the name in the key is not a name");
    memcpy(key->name, fields[FIELD_NAME].data, fields[FIELD_NAME].bytes);
    if (!hex_key(fields[FIELD_SECRET], key->secret) ||
        !hex_key(fields[FIELD_MANAGER], key->manager_public) ||
        crypto_scalarmult_base(key->public, key->secret) != 0)
        return error_set(error, MUSTER_ERR_KEY_TEXT, "the key is not of 32 hexadecimal bytes");
    if (key->role == AUTH_ROLE_MANAGER &&
        sodium_memcmp(key->public, key->manager_public, KEY_BYTES) != 0)
        return error_set(error, MUSTER_ERR_KEY_TEXT, "the two halves of the manager's key differ");
    return MUSTER_OK;
}

/* Steps 1 to 3: is it a key, of this version, unharmed? */
static muster_err
key_text_check(struct slice text, struct slice fields[static KEY_FIELDS],
               struct muster_error *error)
{
    char     checksum[CHECKSUM_HEX_BYTES + 1];
    unsigned count;

    if (text.bytes < strlen(KEY_PREFIX) ||
        memcmp(text.data, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
        return key_text_stranger(text, error);
    if (memchr(text.data, '\n', text.bytes) != NULL)
        return error_set(error, MUSTER_ERR_KEY_TEXT,
                         "the key is broken into several lines; it must be one");
    count = split(text, fields);
    if (!slice_equals_text(fields[FIELD_VERSION], KEY_VERSION))
        return error_set(error, MUSTER_ERR_KEY_TEXT,
                         "the key is of a version that this program does not know, or damaged");
    if (count != KEY_FIELDS)
        return error_set(error, MUSTER_ERR_KEY_TEXT,
                         "the key has %s than %d fields: a part was %s",
                         count < KEY_FIELDS ? "less" : "more", KEY_FIELDS,
                         count < KEY_FIELDS ? "lost" : "added");
    checksum_hex(checksum, slice_of(text.data, text.bytes - fields[FIELD_CHECKSUM].bytes - 1));
    if (fields[FIELD_CHECKSUM].bytes != CHECKSUM_HEX_BYTES ||
        sodium_memcmp(fields[FIELD_CHECKSUM].data, checksum, CHECKSUM_HEX_BYTES) != 0)
        return error_set(error, MUSTER_ERR_KEY_TEXT,
                         "its checksum does not fit: a character was changed or lost");
    return MUSTER_OK;
}

muster_err
key_text_parse(struct slice text, struct key **key_out, struct muster_error *error)
{
    struct slice fields[KEY_FIELDS] = { 0 };
    struct key  *key;
    muster_err   err;

    err = key_text_check(trim(text), fields, error);
    if (err)
        return err;
    key = key_new();
    if (key == NULL)
        return error_set(error, MUSTER_ERR_NO_MEMORY, "no protected memory for a key");
    err = key_fill(key, fields, error);
    if (err)
        key_free(key);
    else
        *key_out = key;
    return err;
}
