/* keys.h - what the files of auth/ share and nobody else sees */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "auth.h"

enum { KEY_HEX_BYTES = 2 * KEY_BYTES };

/* Lives in sodium_malloc memory, so that it is locked, guarded and kept out of dumps. */
struct key {
    uint8_t        secret[KEY_BYTES];
    uint8_t        public[KEY_BYTES];
    uint8_t        manager_public[KEY_BYTES];
    enum auth_role role;
    char           name[AUTH_NAME_BYTES_MAX + 1];
};

/* Open a file that holds keys: a regular file with one link, owned by root or
 * us, closed to group and others.  NOT_FOUND, IO, or KEY_FILE saying which of these. */
muster_err auth_open_safely(const char *path, int *fd_out, struct muster_error *error);

/* One address or CIDR, as in from=.  False when it is neither; *stray_out (may be
 * NULL) tells that only the bits behind the prefix are wrong. */
struct auth_net {
    uint8_t  address[16];       /* IPv4 as ::ffff:a.b.c.d */
    unsigned prefix_bits;       /* of 128 */
};
bool auth_net_parse(const char *text, struct auth_net *net_out, bool *stray_out);
bool auth_net_has(const struct auth_net *net, const char *address);

/* 2027-01-31 (to its last second) or 2027-01-31T12:00:00Z. */
bool auth_date_parse(const char *text, uint64_t *unix_ms_out);
/* The second form. */
char *auth_date_text(char text[static 24], uint64_t unix_ms);

#endif
