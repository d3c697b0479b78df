/* frames.h - what a worker and the child that runs calls say to each other
 *
 * A frame is u32 length of what follows, u8 kind, then fields as in wire.h.
 *
 *   worker -> child, over a stream socket
 *     START    text worker
 *     SPEC     u64 job, u32 result_bytes_max, the job's encoded wire_spec: of the
 *              calls behind it
 *     KEY      u32 call, text address, text path: of the call behind it, which has a key
 *              file of its own for the manager at this address
 *     CALL     u32 call, u32 index, u32 attempt, bytes argument
 *   child -> worker, in a ring of shared memory (page.h)
 *     READY    u32 pid, text error ("" when it can serve)
 *     DATA     u32 call, u8 stream (0 result, 1 log), bytes data
 *     RESULT   u32 call, u8 failed, u64 started_us, u64 wall_us, u64 cpu_us,
 *              u64 rss_bytes, text reason, bytes out (all of the result, or the part
 *              behind its DATA)
 *
 * Calls are numbered from 1 on by the worker, without gaps, per child.
 */
#ifndef FUNCTION_FRAMES_H
#define FUNCTION_FRAMES_H

#include "wire.h"

enum {
    FRAME_HEAD_BYTES     = 4,
    FRAME_DATA_BYTES_MAX = 64 * KIB,
    /* A call with the largest argument, with room for its numbers. */
    FRAME_IN_BYTES_MAX   = STDIN_BYTES_MAX + 4 * KIB,
    FRAME_OUT_BYTES_MAX  = FRAME_DATA_BYTES_MAX + 4 * KIB,
};

static_assert(ITEM_BYTES_MAX <= STDIN_BYTES_MAX && SPEC_BYTES_MAX <= STDIN_BYTES_MAX,
              "an item and a description must fit a frame");
static_assert((uint32_t)OUTPUT_INLINE_BYTES_MAX <= (uint32_t)FRAME_DATA_BYTES_MAX,
              "so must the inline result");

enum frame_kind {
    FRAME_START = 1, FRAME_SPEC = 2, FRAME_CALL = 3, FRAME_KEY = 4,
    FRAME_READY = 16, FRAME_DATA = 17, FRAME_RESULT = 18,
};

struct frame_spec   { uint64_t job; uint32_t result_bytes_max; struct slice spec; };
struct frame_key    { uint32_t call; struct slice address, path; };
struct frame_call   { uint32_t call, index, attempt; struct slice argument; };
struct frame_ready  { uint32_t pid; struct slice error; };
struct frame_data   { uint32_t call; uint8_t stream; struct slice data; };
struct frame_result {
    uint32_t     call;
    uint8_t      failed;
    uint64_t     started_us, wall_us, cpu_us, rss_bytes;
    struct slice reason, out;
};

/* Slices point into what was read. */
struct frame {
    enum frame_kind kind;
    union {
        struct slice        start;           /* the worker's name */
        struct frame_spec   spec;
        struct frame_call   call;
        struct frame_key    key;
        struct frame_ready  ready;
        struct frame_data   data;
        struct frame_result result;
    };
};

void frame_put(struct buffer *out, const struct frame *frame);
/* The first frame of `bytes`.  Its length with its head; 0: it is not complete yet (and
 * *bytes_wanted says how long it will be, if known, else 0); -1: this is no frame. */
long frame_get(struct slice bytes, size_t bytes_max, struct frame *frame_out,
               size_t *bytes_wanted);

#endif
