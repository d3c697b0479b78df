/* sync.h - what the nouns of synchronisation share (private to them)
 *
 *   lock, rlock   lock.c        semaphore  semaphore.c
 *   condition     condition.c   event      event.c
 *   barrier       barrier.c
 *
 * 1. Fencing tokens: larger with each that an object gives, also over restarts,
 *    and also when the object is transient and has forgotten the last: the epoch
 *    of the manager stands in the upper bits.  decide chooses a token, the fact
 *    carries it, apply refuses one that did not rise.
 * 2. A noun whose waiters count (condition, barrier) remembers them as entries,
 *    by session and request, in the order in which they came.  An entry is
 *    durable; the wait that stands for it in a lane is not.
 */
#ifndef SYNC_H
#define SYNC_H

#include <stdio.h>

#include "object.h"
#include "writer.h"

/* ---- requests: sync.c ---- */
enum { SYNC_A = 1 };               /* a has a meaning */
/* False: a number or bytes that have no meaning here; v says so. */
bool sync_plain(const struct object *object, const struct act *act, unsigned used,
                struct verdict *v);
/* The same for the settings of OPEN: a in a_min .. a_max, b up to b_max. */
bool sync_settings(const struct msg_object_open *m, uint64_t a_min, uint64_t a_max,
                   uint64_t b_max, struct verdict *v);
void sync_no_verb(const struct object *object, struct verdict *v);
uint64_t sync_token(const struct core *core, uint64_t last);
/* "ana on host (session 12)" */
void sync_who(const struct core *core, uint64_t session, char text[OBJECT_TEXT_BYTES]);

/* ---- entries: sync.c ---- */
struct sync_entry {
    struct list ring;              /* the noun's own rings */
    struct list of_session;
    uint64_t    session, request, thread;
    uint64_t    number;            /* depth; place in the barrier */
    uint64_t    generation;
    uint8_t     state;
};

struct sync_entries {
    struct map sessions;           /* session -> struct sync_party */
    uint32_t   count;
};

struct sync_entry *sync_find(const struct sync_entries *entries, uint64_t session,
                             uint64_t request);
/* NULL: there is one already. */
struct sync_entry *sync_enter(struct sync_entries *entries, struct list *ring, uint64_t session,
                              uint64_t request, uint64_t thread);
void               sync_leave(struct sync_entries *entries, struct sync_entry *entry);
/* One entry of the session, the oldest; NULL when it has none. */
struct sync_entry *sync_first(const struct sync_entries *entries, uint64_t session);
/* Frees all; the rings are left dangling. */
void               sync_free(struct sync_entries *entries);
/* Are all of their sessions tied to the object? */
bool               sync_linked(const struct core *core, const struct object *object,
                               const struct sync_entries *entries);
/* A ring of entries, in order. */
void               sync_put(const struct list *ring, struct buffer *out);
/* `allowed`: bit set of states. */
bool               sync_get(struct sync_entries *entries, struct list *ring, unsigned allowed,
                            struct reader *in);
static inline struct sync_entry *
sync_at(struct list *link)
{
    return CONTAINER(link, struct sync_entry, ring);
}

/* ---- locks, for conditions and for guarded writes: lock.c ---- */
enum { LOCK_LANE };                /* of those that acquire, and of woken conditions */
bool     lock_is(const struct object *object);
bool     lock_free(const struct object *lock);
/* An rlock belongs to a thread of a session, a lock to the session. */
bool     lock_held_by(const struct object *lock, uint64_t session, uint64_t thread);
uint64_t lock_next_token(const struct core *core, const struct object *lock);
bool     lock_may_be(const struct object *lock, uint64_t depth);
/* Is this lock or rlock held with this token now? */
bool     lock_guards(const struct core *core, uint64_t lock, uint64_t token);
/* In apply.  Let go of it wholly; returns the depth. */
uint32_t lock_drop(struct core *core, struct object *lock);
/* False: it is held, or the token did not rise. */
bool     lock_take(struct core *core, struct object *lock, const struct act *act, uint64_t depth,
                   uint64_t token);
/* Let go of it if it is held with this token. */
void     lock_undo(struct core *core, struct object *lock, uint64_t token);
/* A condition rests on it: it is touched when the lock is deleted. */
struct lock_user {
    struct list    link;           /* (d) unlinked: its lock is gone */
    struct object *object;
};
void     lock_attach(struct object *lock, struct lock_user *user);

#endif
