/* object.h - what all shared objects have in common
 *
 * A shared object lives in the manager; programs open it by name (or by the id
 * that another program, a list or a dict gave them) and use it through a handle
 * of its own type (queue.h, lock.h, dict.h ...).  Rules that hold for all:
 *
 * - A handle belongs to its session; close it before the session.  Several
 *   handles of one object are one object.
 * - A named object stays until it is deleted, and survives a restart of the
 *   manager.  An anonymous one vanishes when the last session that has it open
 *   ends or closes it, and nothing refers to it.
 * - What a session holds (locks, permits, reserved items ...) is freed when the
 *   session ends: at once when it is closed, within the session time-out of the
 *   manager (30 s) when the program or its host dies - and not before.
 * - Every change is durable when the call returns.  A `transient` object is not:
 *   a restart of the manager leaves it as it was made; it is faster.
 * - Calls that wait take a time-out in milliseconds, MUSTER_FOREVER or
 *   MUSTER_NO_WAIT; they are woken by muster_session_interrupt(), and live
 *   through a lost connection and a restart of the manager.  The manager ends
 *   what waits there; a call that it does not answer ends here: at its time-out
 *   while the manager is away, 2 s later when the connection stands and the
 *   manager is silent.
 * - A call that ended with TIMEOUT (or EMPTY, FULL) or INTERRUPTED had no effect -
 *   unless it was sent and the manager did not answer: then nobody knows whether
 *   it took effect (a put that gives TIMEOUT, for example).  What was granted to
 *   it (a lock, a permit, items that were got) goes back as soon as the manager
 *   answers again.
 * - Errors that any call may give: INVALID (arguments), NOT_FOUND (it was
 *   deleted), DENIED, BUSY and FULL (limits of the manager), NO_SPACE, TIMEOUT,
 *   INTERRUPTED, SESSION (the session has ended: what it held is lost), AUTH.
 *   Only further ones are named with each function.
 * - Sizes are bytes; on error every out-parameter is left untouched.
 */
#ifndef MUSTER_OBJECT_H
#define MUSTER_OBJECT_H

#include <muster/session.h>

#ifdef __cplusplus
extern "C" {
#endif

enum muster_noun {
    MUSTER_QUEUE, MUSTER_LOCK, MUSTER_RLOCK, MUSTER_SEMAPHORE, MUSTER_EVENT, MUSTER_CONDITION,
    MUSTER_BARRIER, MUSTER_VALUE, MUSTER_ARRAY, MUSTER_LIST, MUSTER_DICT, MUSTER_NAMESPACE,
    MUSTER_PIPE, MUSTER_LISTENER, MUSTER_SERVICE,
};
MUSTER_API const char *muster_noun_name(enum muster_noun noun);      /* "queue"; never NULL */

enum muster_open_mode {
    MUSTER_OPEN_ANY,             /* make it unless it exists */
    MUSTER_OPEN_NEW,             /* EXISTS when it does */
    MUSTER_OPEN_OLD,             /* NOT_FOUND when it does not */
};

/* How to open.  NULL, or all zero: a new anonymous object. */
struct muster_open {
    const char *name;            /* 1 .. 64 of A-Z a-z 0-9 . _ - */
    uint64_t    object;          /* not 0: this one, whatever its name (mode is OLD) */
    enum muster_open_mode mode;
    bool        transient;       /* when it is made */
};

/* Bytes that a call gave; free with muster_bytes_free().  data[bytes] is 0. */
struct muster_bytes {
    void    *data;
    size_t   bytes;
    uint64_t object;             /* not 0: it is a reference to this object; no data */
};
MUSTER_API void muster_bytes_free(struct muster_bytes *bytes);

struct muster_object_info {
    uint64_t object;
    enum muster_noun noun;
    char     name[65], owner[65];
    bool     transient;
    uint64_t sessions;           /* that have it open */
    uint64_t waiting;            /* calls that wait for it */
    uint64_t items, bytes;
    char     text[481];          /* its state, for people */
};
/* Named objects in the order in which they were made, of one noun or of all
 * (`noun` NULL); `name` not NULL: only that one.  For free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_object_list(struct muster_session *session, const enum muster_noun *noun, const char *name,
                   uint32_t timeout_ms, struct muster_object_info **infos_out, size_t *count_out,
                   struct muster_error *error);
/* Gone for everyone; who waits for it gets CLOSED.  Of a name.  DENIED: it is another
 * user's; TYPE: it is not a `noun`. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_object_delete(struct muster_session *session, enum muster_noun noun, const char *name,
                     uint32_t timeout_ms, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
