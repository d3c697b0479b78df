/* auth.c - start-up, roles, fingerprints, randomness */
#include "auth.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>

#include "keys.h"

static const char *const role_names[AUTH_ROLE_COUNT] = {
    [AUTH_ROLE_MANAGER] = "manager",
    [AUTH_ROLE_WORKER]  = "worker",
    [AUTH_ROLE_CLIENT]  = "client",
    [AUTH_ROLE_ADMIN]   = "admin",
};

muster_err
auth_start(struct muster_error *error)
{
    int started = sodium_init();

    if (started < 0)
        return error_set(error, MUSTER_ERR_INTERNAL, "libsodium does not start: no randomness");
    if (started > 0)
        return MUSTER_OK;       /* a program that allows dumps after its first call keeps them */

    /* libzmq keeps copies of the secret in plain memory, so guarded pages alone
     * do not keep it out of a dump.  Unlike RLIMIT_CORE this holds for dumps that
     * are piped to a collector too, and what we exec does not inherit it. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return error_errno(error, MUSTER_ERR_INTERNAL, "cannot switch core dumps off");
    return MUSTER_OK;
}

const char *
auth_role_name(enum auth_role role)
{
    assert(role < AUTH_ROLE_COUNT);
    return role_names[role];
}

bool
auth_role_parse(const char *text, enum auth_role *role_out)
{
    for (unsigned role = 0; role < AUTH_ROLE_COUNT; role++) {
        if (strcmp(text, role_names[role]) == 0) {
            *role_out = (enum auth_role)role;
            return true;
        }
    }
    return false;
}

char *
auth_key_fingerprint(char text[static 20], const uint8_t key[KEY_BYTES])
{
    sodium_bin2hex(text, 17, key, 8);
    return text;
}

char *
auth_key_text(char text[static 2 * KEY_BYTES + 1], const uint8_t key[KEY_BYTES])
{
    sodium_bin2hex(text, KEY_HEX_BYTES + 1, key, KEY_BYTES);
    return text;
}

void
auth_random(void *out, size_t bytes)
{
    randombytes_buf(out, bytes);
}

void
auth_hash(struct slice input, uint8_t *hash_out, size_t bytes)
{
    assert(bytes >= crypto_generichash_BYTES_MIN && bytes <= crypto_generichash_BYTES_MAX);
    crypto_generichash(hash_out, bytes, input.data, input.bytes, NULL, 0);
}

void
auth_wipe(void *secret, size_t bytes)
{
    if (bytes > 0)
        sodium_memzero(secret, bytes);
}
