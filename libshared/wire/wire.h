/* wire.h - bytes <-> messages (PROTOCOL.md is the specification)
 *
 * 1. A frame is a header (u32 magic "MUS1", u16 messages >= 1, u16 zero) and that
 *    many messages: u32 body length, u16 type, u16 flags (0), u64 request, body.
 * 2. Decoders are strict: fixed order, limits, and nothing left at the end.
 * 3. Slices in a decoded struct point into the frame and live as long as it.
 * 4. Pure: no I/O, no clock, no state.
 */
#ifndef WIRE_H
#define WIRE_H

#include "buffer.h"
#include "errors.h"
#include "limits.h"
#include "reader.h"
#include "writer.h"

#include "items.def"
#include "messages.def"
#include "verbs.def"

enum wire_role { ROLE_NONE, ROLE_WORKER, ROLE_CLIENT, ROLE_ADMIN, ROLE_COUNT };
enum {
    FROM_MANAGER = 1u << 0,
    FROM_WORKER  = 1u << ROLE_WORKER,
    FROM_CLIENT  = 1u << ROLE_CLIENT,
    FROM_ADMIN   = 1u << ROLE_ADMIN,
    FROM_ANY     = FROM_WORKER | FROM_CLIENT | FROM_ADMIN,
    FEATURE_ROLES = 0xff,          /* of HELLO's features: roles that the sender can be */
};

/* Numbers that travel: never reuse one. */
enum wire_outcome {
    OUTCOME_SUCCEEDED,     /* exit 0 */
    OUTCOME_EXITED,        /* another exit code */
    OUTCOME_SIGNALED,      /* exit_code is -N */
    OUTCOME_TIMED_OUT,     /* over its time limit */
    OUTCOME_MEMORY,        /* over its memory limit */
    OUTCOME_NOT_STARTED,   /* no such command, no permission, no such folder ... */
    OUTCOME_LOST,          /* took too many workers down with it */
    OUTCOME_CANCELLED,
    OUTCOME_DEPENDENCY,    /* a job it waits for did not succeed */
    OUTCOME_COUNT
};
enum wire_job_state {
    JOB_WAITING,           /* for dependencies or its delay */
    JOB_QUEUED,            /* nothing of it has run yet */
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATE_COUNT
};
enum wire_task_state {
    TASK_WAITING,          /* for a dependency, a delay or the time of its retry */
    TASK_READY,
    TASK_LEASED,
    TASK_SUCCEEDED,
    TASK_FAILED,           /* dead-lettered with its reason */
    TASK_CANCELLED,
    TASK_STATE_COUNT
};
enum wire_worker_state { WORKER_ACTIVE, WORKER_DRAINING, WORKER_AWAY, WORKER_STATE_COUNT };
enum wire_source {
    SOURCE_COUNTED,        /* an array of `count` tasks (1: a single command) */
    SOURCE_ITEMS,          /* one task per item; items come in JOB_ITEMS */
    SOURCE_COUNT
};
enum wire_return {
    RETURN_DRAINING,
    RETURN_NOT_STARTED,    /* leased ahead, but what ran took too long */
    RETURN_WORKER_FAULT,   /* the worker could not run anything (no descriptors, disk full) */
    RETURN_LOST,           /* what ran it there was killed, perhaps by it: a lost attempt */
    RETURN_COUNT
};
enum wire_why {
    WHY_RUNNING, WHY_FINISHED, WHY_DEPENDENCY, WHY_DELAY, WHY_RUNNING_MAX, WHY_NO_WORKER,
    WHY_QUEUE, WHY_LABEL, WHY_RESOURCE, WHY_BUSY, WHY_INPUT_OPEN, WHY_COULD_RUN,
    WHY_FUNCTION, WHY_COUNT
};

/* Shared objects: see verbs.def. */
enum wire_noun {
#define WIRE_NOUN(NOUN, name, number) NOUN_##NOUN = number,
    NOUNS(WIRE_NOUN)
#undef WIRE_NOUN
    NOUN_COUNT
};
enum wire_verb {
#define WIRE_VERB(NOUN, VERB, name, number, kind) VERB_##NOUN##_##VERB = number,
    VERBS(WIRE_VERB)
#undef WIRE_VERB
    VERB_COUNT = 128
};
enum wire_verb_kind { VERB_NONE, VERB_READ, VERB_WRITE, VERB_WAIT, VERB_LOOK };
struct wire_verb_rule {
    enum wire_verb_kind kind;          /* VERB_NONE: no such verb */
    enum wire_noun      noun;
    const char         *name;
};
const struct wire_verb_rule *wire_verb_rule(unsigned verb);     /* never NULL */
const char *wire_noun_name(unsigned noun);
enum wire_open {
    OPEN_ANY,              /* make it unless it exists */
    OPEN_NEW,              /* EXISTS when it does */
    OPEN_OLD,              /* NOT_FOUND when it does not */
    OPEN_COUNT
};
enum wire_value_type {
    TYPE_INTEGER,          /* signed, 64 bits */
    TYPE_DOUBLE,           /* IEEE 754, 64 bits */
    TYPE_BYTES,            /* an array of bytes: items of one byte */
    TYPE_COUNT
};

/* A list inside a message: `count` encoded items.  Decoding checked every item,
 * so wire_get_<item>() on reader_of(list.bytes) cannot fail `count` times. */
struct wire_list {
    struct slice bytes;
    uint32_t     count;
};

/* ---- structs, from messages.def ---- */
#define WIRE_TYPE_u8     uint8_t
#define WIRE_TYPE_u16    uint16_t
#define WIRE_TYPE_u32    uint32_t
#define WIRE_TYPE_u64    uint64_t
#define WIRE_TYPE_i32    int32_t
#define WIRE_TYPE_choice uint8_t
#define WIRE_TYPE_text   struct slice
#define WIRE_TYPE_bytes  struct slice
#define WIRE_FIELD(kind, name, limit) WIRE_TYPE_##kind name;
#define WIRE_LIST(item, name, max)    struct wire_list name;
#define WIRE_PART(item, name)         struct wire_##item name;

#define WIRE_ITEM_STRUCT(NAME, name) \
    struct wire_##name { ITEM_##NAME(WIRE_FIELD, WIRE_LIST, WIRE_PART) };
WIRE_ITEMS(WIRE_ITEM_STRUCT)
#undef WIRE_ITEM_STRUCT

#define WIRE_MSG_STRUCT(NAME, name, code, from) \
    struct msg_##name { MSG_##NAME(WIRE_FIELD, WIRE_LIST, WIRE_PART) };
WIRE_MESSAGES(WIRE_MSG_STRUCT)
#undef WIRE_MSG_STRUCT

enum wire_type {
#define WIRE_MSG_CODE(NAME, name, code, from) MSG_TYPE_##NAME = code,
    WIRE_MESSAGES(WIRE_MSG_CODE)
#undef WIRE_MSG_CODE
    MSG_TYPE_LIMIT = 0x100
};

/* Any message, decoded. */
union wire_any {
#define WIRE_MSG_MEMBER(NAME, name, code, from) struct msg_##name name;
    WIRE_MESSAGES(WIRE_MSG_MEMBER)
#undef WIRE_MSG_MEMBER
};

/* ---- encode and decode ----
 * wire_put_<item>      append one item; build a list by putting items into a buffer
 * wire_get_<item>      read one item; false marks `in` bad
 * wire_put_<message>   append the body of a message, without header
 * wire_decode_<message> a whole body, strictly; INVALID leaves *out untouched
 */
#define WIRE_ITEM_FUNCTIONS(NAME, name)                                        \
    void wire_put_##name(struct buffer *out, const struct wire_##name *item);  \
    bool wire_get_##name(struct reader *in, struct wire_##name *item_out);     \
    muster_err wire_decode_item_##name(struct slice bytes, struct wire_##name *item_out);
WIRE_ITEMS(WIRE_ITEM_FUNCTIONS)
#undef WIRE_ITEM_FUNCTIONS

#define WIRE_MSG_FUNCTIONS(NAME, name, code, from)                             \
    void wire_put_msg_##name(struct buffer *out, const struct msg_##name *m);  \
    muster_err wire_decode_##name(struct slice body, struct msg_##name *out);
WIRE_MESSAGES(WIRE_MSG_FUNCTIONS)
#undef WIRE_MSG_FUNCTIONS

/* One row per message of messages.def. */
struct wire_rule {
    const char *name;      /* NULL: no such type */
    uint32_t    from;      /* FROM_* bits */
};
const struct wire_rule *wire_rule(uint16_t type);      /* NULL when unknown */

/* Decode a body by its type.  UNSUPPORTED when the type is unknown. */
muster_err wire_decode_any(uint16_t type, struct slice body, union wire_any *out);
/* Append a whole message: header and body. */
void wire_put_any(struct buffer *out, uint16_t type, uint64_t request, const union wire_any *m);

/* ---- frames ---- */
struct wire_message {
    uint16_t     type;
    uint64_t     request;
    struct slice body;
};

struct wire_frame {
    struct reader in;
    uint32_t      left;    /* messages not yet read */
};

/* INVALID when the header is wrong. */
muster_err wire_frame_open(struct slice bytes, struct wire_frame *frame_out);
/* OK and *message_out; CLOSED after the last one; INVALID when the bytes do not add up. */
muster_err wire_frame_next(struct wire_frame *frame, struct wire_message *message_out);

/* Build: begin on an empty buffer, append messages, end.  The caller keeps the
 * frame under FRAME_BYTES_MAX and FRAME_MESSAGES_MAX: wire_frame_fits() tells
 * whether a message of so many bytes, header included, may be appended. */
void wire_frame_begin(struct buffer *out);
bool wire_frame_fits(const struct buffer *out, uint32_t messages, size_t message_bytes);
void wire_frame_end(struct buffer *out, uint32_t messages);
/* A message whose body is put by the caller: returns the offset for wire_message_end. */
size_t wire_message_begin(struct buffer *out, uint16_t type, uint64_t request);
void   wire_message_end(struct buffer *out, size_t begin);

/* ---- blocks of items: u32 count, u32 end[count], then the items' bytes ---- */
struct wire_block {
    struct buffer ends;
    struct buffer bytes;
    uint32_t      count;
};
bool wire_block_add(struct wire_block *block, struct slice item);  /* false: full, nothing added */
bool wire_block_add_value(struct wire_block *block, struct slice value);  /* of shared objects */
void wire_block_put(struct buffer *out, const struct wire_block *block);
void wire_block_clear(struct wire_block *block);
void wire_block_free(struct wire_block *block);
muster_err   wire_block_check(struct slice block, uint32_t count);  /* strict */
muster_err   wire_block_check_values(struct slice block, uint32_t count);
struct slice wire_block_item(struct slice block, uint32_t at);      /* of a checked block */

/* Strings for people; never NULL. */
const char *wire_outcome_name(unsigned outcome);
const char *wire_job_state_name(unsigned state);
const char *wire_task_state_name(unsigned state);
const char *wire_worker_state_name(unsigned state);
const char *wire_role_name(unsigned role);

#endif
