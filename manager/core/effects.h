/* effects.h - what a turn wants done once its facts are durable
 *
 * The core fills it, the loop carries it out after the commit.  Everything in
 * it is owned by it (copied into `arena`), because the frames that caused it
 * are gone by then.  Cleared and reused turn after turn without freeing.
 */
#ifndef EFFECTS_H
#define EFFECTS_H

#include "wire.h"

/* An encoded message (header and body) for a session, at `offset` of `out`. */
struct effect_send {
    uint64_t session;
    uint64_t peer;         /* 0: of the session; else an answer without a session (refusals) */
    size_t   offset;
    size_t   bytes;
};

/* Lease one task.  The loop joins those of one session and job into one
 * TASK_LEASE, with the spec (body 0) and the input from its block. */
struct effect_lease {
    uint64_t session;
    uint64_t job;
    uint32_t index;
    uint32_t attempt;
    uint64_t epoch;
    uint64_t block;        /* body number of the item block; 0: no input */
    uint32_t at;           /* position in the block */
};

/* Answer a RESULTS_GET or RESULT_GET with blocks of the job's result stream. */
struct effect_results {
    uint64_t            session;
    uint64_t            request;
    uint64_t            job;
    uint64_t            cursor;        /* number of blocks before the first */
    uint32_t            blocks_first;  /* into `numbers` */
    uint32_t            blocks;        /* body numbers; 0 blocks: nothing new */
    bool                ended;         /* nothing follows behind these blocks */
    bool                brief;
    bool                one;           /* RESULT_GET: only the newest entry of `index` */
    uint32_t            index;
    bool                output;        /* with `one`: answer with BODY, kept output of one stream */
    uint8_t             stream;
    uint64_t            offset;        /* into that output; lies in the entry's inline part */
    uint8_t             state;
    struct wire_counts  counts;
};

/* Answer a STDIN_GET, OUTPUT_GET, the READ_PART of a shared object (whose number
 * stands for the job's) or the spec part of JOB_INFO from bodies. */
struct effect_body_get {
    uint64_t session;
    uint64_t request;
    uint64_t job;
    uint64_t number;       /* body to read */
    uint64_t skip;         /* bytes of it to leave out at the front */
    uint64_t offset, total;
    bool     info;         /* JOB_INFO: append the body as `spec` to the head at `head` */
    size_t   head_offset, head_bytes;   /* encoded struct wire_job in `out` */
};

/* Bytes to store, at `offset` of `arena`. */
struct effect_body {
    uint64_t job;
    uint64_t number;
    size_t   offset;
    size_t   bytes;
};

/* The holder of a key of a task may come in from now on, or no more. */
struct effect_key {
    bool    valid;
    uint8_t key[KEY_PUBLIC_BYTES];
    char    user[NAME_BYTES_MAX + 1];  /* whose client it is */
    char    address[64];               /* that it must come from; "" = not TCP */
};

struct effects {
    struct buffer           facts;     /* encoded records, for the log */
    struct buffer           arena;
    struct buffer           out;
    struct buffer           numbers;   /* uint64_t body numbers */
    struct effect_send     *sends;     uint32_t send_count, send_capacity;
    struct effect_lease    *leases;    uint32_t lease_count, lease_capacity;
    struct effect_results  *results;   uint32_t results_count, results_capacity;
    struct effect_body_get *gets;      uint32_t get_count, get_capacity;
    struct effect_body     *bodies;    uint32_t body_count, body_capacity;
    uint64_t               *pruned;    uint32_t pruned_count, pruned_capacity;
    uint64_t               *ended;     uint32_t ended_count, ended_capacity;   /* sessions */
    struct effect_key      *keys;      uint32_t key_count, key_capacity;
    uint64_t                opened;    /* session that the last HELLO got; 0: refused */
};

void effects_clear(struct effects *fx);
void effects_free(struct effects *fx);
/* True when the loop has nothing to do and nothing to store. */
bool effects_empty(const struct effects *fx);

void effects_send(struct effects *fx, uint64_t session, uint64_t request, uint16_t type,
                  const union wire_any *m);
/* OBJECT_DONE; `parts` are appended to its value. */
void effects_done(struct effects *fx, uint64_t session, uint64_t request,
                  const struct msg_object_done *m, const struct slice *parts,
                  uint32_t part_count);
void effects_ack(struct effects *fx, uint64_t session, uint64_t request, uint64_t value);
void effects_error(struct effects *fx, uint64_t session, uint64_t request, muster_err code,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Zeroed, to be filled in; valid until the next call that adds one. */
struct effect_lease    *effects_lease(struct effects *fx);
struct effect_results  *effects_results(struct effects *fx);
struct effect_body_get *effects_body_get(struct effects *fx);
void effects_number(struct effects *fx, uint64_t number);   /* a body number of the last results */
void effects_body(struct effects *fx, uint64_t job, uint64_t number, struct slice bytes);
void effects_prune(struct effects *fx, uint64_t job);
void effects_ended(struct effects *fx, uint64_t session);
void effects_key(struct effects *fx, bool valid, struct slice key, struct slice user,
                 struct slice address);

#endif
