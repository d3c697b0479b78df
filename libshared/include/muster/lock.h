/* lock.h - locks, semaphores, events, conditions, barriers between programs
 *
 * See object.h for what holds for all calls.  Whoever waits is served in the
 * order of arrival.
 *
 * A lock is held by a session (an rlock by a session and a thread of it).  When
 * its holder dies it goes to the next who waits, within the session time-out.
 * The old holder may not know: so every acquire returns a *fencing token*,
 * strictly larger than all before, also over restarts of the manager.  Pass it
 * to whatever the lock guards (dict.h takes it), and old holders are refused.
 */
#ifndef MUSTER_LOCK_H
#define MUSTER_LOCK_H

#include <muster/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- lock, rlock ---- */
struct muster_lock;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_lock_open(struct muster_session *session, const struct muster_open *open,
                 uint32_t timeout_ms, struct muster_lock **lock_out, struct muster_error *error);
/* Re-entrant: its holder may acquire it again, and releases it as often. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_rlock_open(struct muster_session *session, const struct muster_open *open,
                  uint32_t timeout_ms, struct muster_lock **lock_out, struct muster_error *error);
MUSTER_API void     muster_lock_close(struct muster_lock *lock);   /* releases nothing */
MUSTER_API uint64_t muster_lock_object(const struct muster_lock *lock);
/* TIMEOUT: somebody else has it. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_lock_acquire(struct muster_lock *lock, uint32_t timeout_ms,
                    uint64_t *token_out /* may be NULL */, struct muster_error *error);
/* NOT_OWNER: not held, or held by another session (rlock: or thread). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_lock_release(struct muster_lock *lock, uint32_t timeout_ms, struct muster_error *error);
struct muster_lock_state {
    bool     held;
    uint64_t token;              /* of the holder, or of the last one */
    uint64_t depth;
    char     holder[145];        /* user on host, for people */
};
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_lock_state(struct muster_lock *lock, uint32_t timeout_ms,
                  struct muster_lock_state *state_out, struct muster_error *error);

/* ---- semaphore ---- */
struct muster_semaphore;
/* Permits belong to the sessions that acquired them, and come back when one dies.
 * A bounded one cannot be released above `permits`. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_semaphore_open(struct muster_session *session, const struct muster_open *open,
                      uint64_t permits, bool bounded, uint32_t timeout_ms,
                      struct muster_semaphore **semaphore_out, struct muster_error *error);
MUSTER_API void     muster_semaphore_close(struct muster_semaphore *semaphore);
MUSTER_API uint64_t muster_semaphore_object(const struct muster_semaphore *semaphore);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_semaphore_acquire(struct muster_semaphore *semaphore, uint32_t timeout_ms,
                         uint64_t *token_out /* may be NULL */, struct muster_error *error);
/* STATE: a bounded one has all its permits. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_semaphore_release(struct muster_semaphore *semaphore, uint64_t permits,
                         uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_semaphore_get_value(struct muster_semaphore *semaphore, uint32_t timeout_ms,
                           uint64_t *left_out, struct muster_error *error);

/* ---- event ---- */
struct muster_event;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_event_open(struct muster_session *session, const struct muster_open *open,
                  uint32_t timeout_ms, struct muster_event **event_out,
                  struct muster_error *error);
MUSTER_API void     muster_event_close(struct muster_event *event);
MUSTER_API uint64_t muster_event_object(const struct muster_event *event);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_event_set(struct muster_event *event, uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_event_clear(struct muster_event *event, uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_event_is_set(struct muster_event *event, uint32_t timeout_ms, bool *set_out,
                    struct muster_error *error);
/* TIMEOUT: it was not set in time. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_event_wait(struct muster_event *event, uint32_t timeout_ms, struct muster_error *error);

/* ---- condition ---- */
struct muster_condition;
/* On a lock or rlock, which stays open as long as the condition. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_condition_open(struct muster_session *session, const struct muster_open *open,
                      struct muster_lock *lock, uint32_t timeout_ms,
                      struct muster_condition **condition_out, struct muster_error *error);
MUSTER_API void     muster_condition_close(struct muster_condition *condition);
MUSTER_API uint64_t muster_condition_object(const struct muster_condition *condition);
/* With the lock held: let go of it, wait, have it again on return - also after
 * TIMEOUT (time may then be over by as long as others held the lock) and after
 * INTERRUPTED.  *token_out (may be NULL) is the lock's new token.  NOT_OWNER. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_condition_wait(struct muster_condition *condition, uint32_t timeout_ms, uint64_t *token_out,
                      struct muster_error *error);
/* Wait until predicate(context) is true; it is called with the lock held. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_condition_wait_for(struct muster_condition *condition, bool (*predicate)(void *context),
                          void *context, uint32_t timeout_ms, uint64_t *token_out,
                          struct muster_error *error);
/* With the lock held.  NOT_OWNER. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_condition_notify(struct muster_condition *condition, uint64_t count, uint32_t timeout_ms,
                        struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_condition_notify_all(struct muster_condition *condition, uint32_t timeout_ms,
                            struct muster_error *error);

/* ---- barrier ---- */
struct muster_barrier;
/* 1 .. 65536 parties. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_barrier_open(struct muster_session *session, const struct muster_open *open,
                    uint32_t parties, uint32_t timeout_ms, struct muster_barrier **barrier_out,
                    struct muster_error *error);
MUSTER_API void     muster_barrier_close(struct muster_barrier *barrier);
MUSTER_API uint64_t muster_barrier_object(const struct muster_barrier *barrier);
/* *index_out (may be NULL) is 0 .. parties-1, another for each.  `action` (may be
 * NULL) is called by the one with index 0 before its call returns.
 * BROKEN_BARRIER: a time-out, a reset, an abort, or a waiter that died. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_barrier_wait(struct muster_barrier *barrier, uint32_t timeout_ms,
                    void (*action)(void *context), void *context, uint32_t *index_out,
                    struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_barrier_reset(struct muster_barrier *barrier, uint32_t timeout_ms,
                     struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_barrier_abort(struct muster_barrier *barrier, uint32_t timeout_ms,
                     struct muster_error *error);
struct muster_barrier_state { uint32_t parties, waiting; bool broken; uint64_t generation; };
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_barrier_state(struct muster_barrier *barrier, uint32_t timeout_ms,
                     struct muster_barrier_state *state_out, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
