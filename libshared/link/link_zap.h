/* link_zap.h - the door: who may finish a handshake
 *
 * libzmq asks over inproc for every handshake; a thread answers from a table in
 * memory: no disk, no name look-ups, because all handshakes wait for it.
 *
 * 1. The handler is bound before any server socket is.
 * 2. The table is replaced, and keys are lent and taken back, by one thread, the
 *    owner's; the handler reads them under the mutex.
 * 3. What a stranger does writes at most one log line a second.
 */
#ifndef LINK_ZAP_H
#define LINK_ZAP_H

#include "link.h"

struct link_zap;

#define LINK_ZAP_DOMAIN "muster"

/* Takes `table` and `lent` (may be NULL) over, also when it fails.  `local`: addresses
 * are not TCP. */
muster_err link_zap_start(void *context, struct auth_table *table, struct auth_lent *lent,
                          uint32_t connections_max, bool local, struct link_zap **zap_out,
                          struct muster_error *error);
/* After zmq_ctx_shutdown(), which ends the thread. */
void link_zap_free(struct link_zap *zap);              /* NULL is allowed */

/* For the owner's thread. */
/* Of the table, or lent; NULL: neither.  *lent_out may be NULL. */
const struct auth_entry *link_zap_find(const struct link_zap *zap, const uint8_t key[KEY_BYTES],
                                       bool *lent_out);
void link_zap_lend(struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *user,
                   const char *address);
/* True: it has connections. */
bool link_zap_unlend(struct link_zap *zap, const uint8_t key[KEY_BYTES]);
void link_zap_set_table(struct link_zap *zap, struct auth_table *table);   /* taken over */
/* The self-test's key: refused like any stranger's, but not logged or counted. */
void link_zap_set_stranger(struct link_zap *zap, const uint8_t key[KEY_BYTES]);

/* Connections that proved a key.  Enter says why not: AUTH (gone, expired, not
 * from here), FULL (of this key, or all). */
muster_err link_zap_enter(struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *address,
                          struct muster_error *error);
void       link_zap_leave(struct link_zap *zap, const uint8_t key[KEY_BYTES]);

void link_zap_count(const struct link_zap *zap, uint64_t *admitted_out, uint64_t *refused_out);
/* One line about a refusal, if the budget for such lines allows it.  `key` NULL: it was
 * refused before it could tell one. */
void link_zap_log(struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *address,
                  const char *why);

/* Knock at `endpoint` with a key that nobody knows.  OK: it was refused;
 * INTERNAL: it was let in; IO: nobody answered in time. */
muster_err link_self_test(const char *endpoint, struct link_zap *zap, const struct key *server_key,
                          uint32_t timeout_ms, struct muster_error *error);

#endif
