/* handle.h - shared objects as the files of this folder use them
 *
 *   handle_do()          handle_submit()          nouns: queue.c, lock.c, dict.c ...
 *        \                 /
 *         struct object_call ----> struct call ----> the session's thread
 *
 * 1. A handle is good for the manager's session in which it was opened.  When that
 *    has ended, what it held is lost: every use gives SESSION, and closing it is
 *    all that is left.
 * 2. A call is given up by the client at its deadline: the time-out of the caller,
 *    and OBJECT_GRACE_MS more while the manager is there, because it ends waits itself.
 *    OBJECT_CANCEL then sees to it that what is granted later goes back.
 * 3. Requests whose answers have not arrived stand in session->objects.asked, in
 *    the order of their numbers; OBJECT_SEEN is made from it.
 * 4. Several handles of one object are one opening at the manager; the last one
 *    that is closed closes it there.
 */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "client.h"

enum { OBJECT_GRACE_MS = 2000 };

struct handle {
    struct muster_session *session;
    uint64_t               object;
    uint64_t               generation;   /* of the manager's session */
    enum wire_noun         noun;
};

/* A request whose answer has not arrived. */
struct asked {
    struct list link;
    uint64_t    request;
};

/* `open` NULL: a new anonymous one.  `initial` may be empty.  On an error nothing is
 * open.  *opened_out (may be NULL) says which settings it has. */
muster_err handle_open(struct muster_session *session, enum wire_noun noun,
                       const struct muster_open *open, uint64_t a, uint64_t b,
                       struct slice initial, uint32_t timeout_ms, struct handle *handle_out,
                       struct msg_object_opened *opened_out, struct muster_error *error);
/* One more handle of the same object: no message. */
void       handle_again(const struct handle *handle, struct handle *handle_out);
/* Returns at once; what the session held there is freed soon. */
void       handle_close(struct handle *handle);

/* ---- blocking ----
 * `object` and `wait_ms` of the request are filled in here; key and value are
 * borrowed for the call.  A verb that waits (WAIT, LOOK) does so for timeout_ms. */

/* On OK the answer is answer_out->m.object_done until ask_free(answer_out). */
muster_err handle_do(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                     struct ask *answer_out, struct muster_error *error);
/* Nothing wanted but OK. */
muster_err handle_do_plain(struct handle *handle, const struct msg_object_do *m,
                           uint32_t timeout_ms, struct muster_error *error);
/* The answer's `a`. */
muster_err handle_do_number(struct handle *handle, const struct msg_object_do *m,
                            uint32_t timeout_ms, uint64_t *a_out, struct muster_error *error);
/* The answer's value, or the reference that it is. */
muster_err handle_do_bytes(struct handle *handle, const struct msg_object_do *m,
                           uint32_t timeout_ms, struct muster_bytes *bytes_out,
                           struct muster_error *error);
/* The answer does not count as seen before handle_seen(): what it gave can go back. */
muster_err handle_do_unseen(struct handle *handle, const struct msg_object_do *m,
                            uint32_t timeout_ms, struct ask *answer_out, struct asked *held_out,
                            struct muster_error *error);
void       handle_seen(struct handle *handle, struct asked *held);
/* An interruption makes what waits run out of time; its answer is waited for all the same,
 * however long that takes.  When it was never sent: INTERRUPTED. */
muster_err handle_do_to_end(struct handle *handle, const struct msg_object_do *m,
                            uint32_t timeout_ms, bool *interrupted_out, struct ask *answer_out,
                            struct muster_error *error);
/* Verbs that BODY answers: answer_out->m.body. */
muster_err handle_read(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                       struct ask *answer_out, struct muster_error *error);

/* ---- without waiting ---- */

struct object_call;
/* On the session's thread, under its lock, exactly once; it must not block.  It may
 * submit calls, post callbacks, and free its own with object_call_free(). */
typedef void object_call_done(struct object_call *call);

/* Of calls that take more in while they lie unsent. */
struct object_call_lazy {
    /* It goes on the wire now, for the first time: the request, as it is now. */
    void (*seal)(struct object_call *call, struct msg_object_do *m_out);
    /* Shall it (and what is behind it) stay a while?  NULL: never. */
    bool (*holds)(const struct object_call *call);
};

struct object_call {
    struct call         call;            /* its context is the owner's */
    const struct object_call_lazy *lazy; /* may be NULL */
    object_call_done   *done;
    struct asked        asked;
    struct asked       *held;            /* stays asked there; NULL: no */
    enum wire_verb_kind kind;
    uint8_t             verb;
    uint64_t            wait_until_ms;   /* CLIENT_NEVER: for ever */
    uint64_t            object;
    uint64_t            generation;      /* in which it ended */
    bool                late;            /* has its grace already */
};

/* `call` is all zero but for `done` and call.context.  With the lock held; whatever is
 * wrong is told by done(), never before this returns. */
void       object_call_submit(struct object_call *call, const struct handle *handle,
                              const struct msg_object_do *m, uint32_t timeout_ms);
/* In done() or later: its answer, or its error. */
muster_err object_call_answer(const struct object_call *call, struct msg_object_done *done_out,
                              struct muster_error *error);
/* It must end earlier than it was to.  With the lock held, before it was sent. */
void       object_call_hasten(struct object_call *call, uint64_t until_ms);
/* It was sent and waits: it is asked again, with no time left.  With the lock held. */
void       object_call_hurry(struct object_call *call);
/* Forget it; done() will not run.  What is granted later goes back.  With the lock held. */
void       object_call_give_up(struct object_call *call);
void       object_call_free(struct object_call *call);
/* May something be submitted?  Else the error of a call that begins now.  With the lock
 * held; `handle` NULL: nothing is asked but whether the session lives. */
muster_err object_check(struct muster_session *session, const struct handle *handle,
                        struct muster_error *error);

/* ---- callbacks of the application (callback.c) ---- */

struct callback {
    struct list link;
    /* Not under the lock; frees what `callback` lies in, or uses it again. */
    void      (*run)(struct callback *callback);
};
/* With the lock held.  Runs once: in order, on the session's callback thread or in
 * muster_session_dispatch(), at the latest while the session is closed. */
void       callback_post(struct muster_session *session, struct callback *callback);

/* Until those that were posted before have run: OK, TIMEOUT, INTERRUPTED.  OK at once where
 * it would wait for itself: in a callback, and in a program that dispatches them.  With the
 * lock held. */
muster_err callbacks_await(struct muster_session *session, uint64_t deadline_ms);

/* ---- bytes ---- */

/* As the answer has them: data, or a reference. */
void       bytes_of_answer(const struct msg_object_done *done, struct muster_bytes *bytes_out);
/* One item of a block: data, or the u64 of a reference. */
void       bytes_of_cell(struct slice item, bool is_reference, struct muster_bytes *bytes_out);
/* A copy; data[bytes] is 0. */
void      *bytes_copy(struct slice bytes);
/* Append a block of them.  TOO_LARGE: one of them, or all together. */
muster_err block_of(const struct slice *items, size_t count, struct buffer *block_out,
                    struct muster_error *error);
/* What is left of a time-out that ends then; MUSTER_FOREVER of CLIENT_NEVER. */
uint32_t   left_until(uint64_t until_ms);
/* Different for every thread of this process, never 0. */
uint64_t   thread_number(void);

#endif
