/* admit.h - who may do what: peers, their sessions, roles and quotas
 *
 * Stands between decoded bytes and the core.  A peer is one connection, proven
 * by its key; a session is what the core knows.  Pure: no I/O, no clock; time
 * is an argument.
 *
 * 1. A message type passes only when its row in messages.def names the role of
 *    the peer's key, and, but for HELLO, only with a session bound.
 * 2. A peer has at most one session and a session at most one peer.
 * 3. What a peer sends is never believed about who it is: role, user, address
 *    and queues come from its key.
 * 4. Every peer has a budget of messages, bytes and work that refills with time.
 *    Workers are exempt from it: results go before submissions.  Work is known
 *    when it is done: a user who made too much of it, over whatever connections,
 *    owes it, and may send nothing that makes work until that is paid.
 * 5. Every call costs O(1).
 */
#ifndef ADMIT_H
#define ADMIT_H

#include "wire.h"

struct admit;

/* More than any honest client gets through; a second's worth may come at once. */
enum {
    ADMIT_MESSAGES_PER_S = 250000,
    ADMIT_BYTES_PER_S    = 512 * MIB,
    ADMIT_WORK_PER_S     = 50 * 1000 * 1000,   /* half of what a processor gets through */
    ADMIT_WORK_OWED_S    = 5,                  /* so long at most it waits for one request */
};

struct admit_config {
    uint32_t peers_max;              /* connections known at a time */
    uint32_t messages_per_s_max;     /* of one client's connection; 0 = ADMIT_MESSAGES_PER_S */
    uint32_t bytes_per_s_max;        /* the same in bytes; 0 = ADMIT_BYTES_PER_S */
};

/* What the layers below have proven about a peer.  Copied. */
struct admit_who {
    enum wire_role     role;
    const char        *user;         /* name of its key */
    const char        *fingerprint;  /* of its key, for logs */
    const char        *address;      /* numeric, "" = not TCP */
    char *const       *queues;       /* that its key may serve; NULL = every queue */
};

/* Who asks, for the core.  Slices live as long as the peer. */
struct admit_from {
    uint64_t       session;          /* 0: none yet (HELLO) */
    enum wire_role role;
    struct slice   user;
    struct slice   address;
    struct slice   fingerprint;
};

struct admit *admit_new(const struct admit_config *config);
void          admit_free(struct admit *admit);                  /* NULL is allowed */

/* A peer's first frame came.  FULL when a cap is reached; DENIED for a role
 * that may not connect.  Nothing is kept after an error. */
muster_err admit_peer_open(struct admit *admit, uint64_t peer, const struct admit_who *who,
                           struct muster_error *error);
bool       admit_peer_known(const struct admit *admit, uint64_t peer);
/* Who it is and its session; false when it is not known. */
bool       admit_peer_who(const struct admit *admit, uint64_t peer, struct admit_from *from_out);
/* Its connection ended.  False when it was not known.  *session_out: the
 * session it had, 0 = none. */
bool       admit_peer_gone(struct admit *admit, uint64_t peer, uint64_t *session_out);

/* HELLO was answered: from now on `peer` speaks for `session`.  Returns the
 * peer that did so before (a connection that nobody has reported gone yet), to
 * be cut; 0 = none. */
uint64_t   admit_bind(struct admit *admit, uint64_t peer, uint64_t session);
/* The core ended a session.  Its peer may say HELLO again.  Returns the peer, 0 = none. */
uint64_t   admit_session_ended(struct admit *admit, uint64_t session);
uint64_t   admit_session_peer(const struct admit *admit, uint64_t session);   /* 0 = none */
uint64_t   admit_peer_session(const struct admit *admit, uint64_t peer);      /* 0 = none */

/* May this peer send this type now?  Ask before decoding the body; `bytes` is
 * the whole message's size.
 *
 * Errors: UNSUPPORTED (no such type), DENIED (not with this role), SESSION (no
 * session: say HELLO first), STATE (a second HELLO), BUSY (over its budget: see
 * admit_retry_ms()), NOT_FOUND (unknown peer).  admit_is_bad() tells which of
 * them count against the peer. */
muster_err admit_check(struct admit *admit, uint64_t now_ms, uint64_t peer, uint16_t type,
                       size_t bytes, struct admit_from *from_out, struct muster_error *error);
/* When a peer that is over its budget may go on, for ERROR.retry_after_ms. */
uint32_t   admit_retry_ms(const struct admit *admit, uint64_t peer);
/* What it sent just now made so much work (core_work).  Its user owes it, also
 * when the connection is gone. */
void       admit_work(struct admit *admit, uint64_t peer, uint64_t work);
/* Is its key's role one that the program can be?  DENIED names both. */
muster_err admit_check_hello(const struct admit *admit, uint64_t peer,
                             const struct msg_hello *hello, struct muster_error *error);
/* May its key serve all queues of this JOIN?  None named means "default".
 * Errors: DENIED (names the queue and what is allowed). */
muster_err admit_check_join(const struct admit *admit, uint64_t peer,
                            const struct msg_worker_join *join, struct muster_error *error);

/* Errors that no correct peer causes: malformed or forbidden messages. */
bool       admit_is_bad(muster_err err);
/* Count a bad message; true: the peer used up BAD_MESSAGES_MAX, cut it and
 * expel its session. */
bool       admit_bad(struct admit *admit, uint64_t peer);

struct admit_counters {
    uint64_t peers, sessions;                  /* now */
    uint64_t checked, refused, throttled, bad, cut;  /* since the start */
};
void admit_count(const struct admit *admit, struct admit_counters *out);

#endif
