/* limits.h - every limit on what comes from outside, and how they relate
 *
 * PROTOCOL.md lists them under "Limits"; change both together.
 */
#ifndef WIRE_LIMITS_H
#define WIRE_LIMITS_H

#include <assert.h>

#define KIB 1024u
#define MIB (1024u * KIB)

enum {
    PROTOCOL_VERSION          = 1,
    PROTOCOL_VERSION_MIN      = 1,

    FRAME_BYTES_MAX           = 256 * KIB,
    FRAME_HEADER_BYTES        = 8,
    FRAME_MESSAGES_MAX        = 8192,
    MESSAGE_HEADER_BYTES      = 16,
    MESSAGE_BODY_BYTES_MAX    = FRAME_BYTES_MAX - FRAME_HEADER_BYTES - MESSAGE_HEADER_BYTES,

    NAME_BYTES_MAX            = 64,        /* keys, workers, queues, resources, jobs */
    LABEL_BYTES_MAX           = 128,       /* k=v */
    TEXT_BYTES_MAX            = 480,       /* error details and reasons */
    PATH_BYTES_MAX            = 4096,
    SOFTWARE_BYTES_MAX        = 64,

    SPEC_BYTES_MAX            = 96 * KIB,  /* argv, environment, cwd of a job */
    SPEC_ARGS_MAX             = 4096,
    SPEC_ENV_MAX              = 1024,
    ARG_BYTES_MAX             = 64 * KIB,
    STDIN_INLINE_BYTES_MAX    = 16 * KIB,  /* larger standard input is a body of the job */
    STDIN_BYTES_MAX           = 64 * MIB,
    ITEM_BYTES_MAX            = 64 * KIB,  /* one input line */
    BLOCK_BYTES_MAX           = 160 * KIB, /* one block of items or of results */
    BLOCK_ITEMS_MAX           = 4096,
    CHUNK_BYTES_MAX           = 128 * KIB, /* one piece of a body */
    OUTPUT_INLINE_BYTES_MAX   = 32 * KIB,  /* of each stream, inside a result */
    OUTPUT_BYTES_DEFAULT      = 1 * MIB,   /* of each stream, kept per task */
    OUTPUT_BYTES_MAX          = 2047 * MIB,

    RESOURCES_MAX             = 16,        /* named generic resources of a job or worker */
    LABELS_MAX                = 32,
    QUEUES_MAX                = 32,        /* served by one worker */
    AFTER_MAX                 = 64,        /* dependencies of a job */
    RANGES_MAX                = 1024,      /* task ranges in one request */
    TASKS_PER_JOB_MAX         = 1000000000,
    LEASES_PER_MESSAGE_MAX    = 2048,
    RUNNING_PER_WORKER_MAX    = 65536,
    WINDOW_MAX                = 16384,     /* leases granted beyond what runs */
    LIST_ITEMS_MAX            = 4096,      /* entries in one answer */

    BEAT_MS                   = 2000,      /* of the default term: a fifth of it */
    BEATS_PER_LEASE           = 5,
    LEASE_MS                  = 10000,     /* default; a manager may be told another */
    LEASE_MS_MIN              = 3000,
    LEASE_MS_LIMIT            = 3600 * 1000,
    LEASE_MARGIN_MS           = 1000,      /* a worker stops its tasks this much earlier */
    SESSION_MS                = 30000,     /* a client's session outlives its connection */
    WAIT_MS_MAX               = 30000,     /* one long poll; the client asks again */
    HANDSHAKE_MS              = 10000,     /* a refused key is told by then */
    BAD_MESSAGES_MAX          = 8,         /* then the session ends */

    PRIORITY_MAX              = 1000,      /* -1000 .. 1000 */
    ATTEMPTS_MAX              = 1000,
    LOST_ATTEMPTS_DEFAULT     = 5,         /* workers a task may take down with it */
    DELAY_MS_MAX              = 24 * 24 * 3600 * 1000,  /* 24 days: fits 31 bits */
    CPUS_MILLI_MAX            = 1000 * 1000,

    KEY_PUBLIC_BYTES          = 32,        /* Curve25519 */
    LOG_LEVELS                = 4,         /* error, warning, info, debug */

    FUNCTIONS_MAX             = 512,       /* announced by one worker */
    NAMED_MAX                 = 64,        /* named values of a function's call */

    KEY_BYTES_MAX             = 4 * KIB,   /* of dicts and namespaces; methods of services */
    HEADS_BYTES_MAX           = 64 * KIB,  /* what an answer says of each item in it */
    VALUE_BYTES_MAX           = 128 * KIB, /* of one request or answer; larger ones go in parts */
    VALUE_INLINE_BYTES_MAX    = 16 * KIB,  /* kept in memory; larger items of queues are bodies */
    MESSAGE_ITEM_BYTES_MAX    = 1 * MIB * 1024,  /* one item of a queue, one message of a pipe */
    PIPE_WINDOW_BYTES         = 4 * MIB,   /* on their way in one direction of a pipe */
    GIVEN_PER_ANSWER_MAX      = 1024,      /* items in one answer of a queue */
    ANSWERS_KEPT_MAX          = 16384,     /* of one session, not yet seen by it */
    WAITS_PER_SESSION_MAX     = 1024 * 1024,
    SEEN_EXCEPT_MAX           = LIST_ITEMS_MAX,
    RESERVE_MS                = 30000,     /* default term of a reserved item */
    RESERVE_MS_MAX            = 24 * 3600 * 1000,
    PARTIES_MAX               = 65536,     /* of a barrier */
    ARRAY_ITEMS_MAX           = 16 * MIB,
};

static_assert(SPEC_BYTES_MAX + ITEM_BYTES_MAX + STDIN_INLINE_BYTES_MAX + 4 * KIB <=
                  MESSAGE_BODY_BYTES_MAX,
              "a lone lease with its specification and input must fit a frame");
static_assert(BLOCK_BYTES_MAX + 4 * KIB <= MESSAGE_BODY_BYTES_MAX,
              "a block must fit a frame");
static_assert(2 * OUTPUT_INLINE_BYTES_MAX + 4 * KIB <= BLOCK_BYTES_MAX,
              "a result must fit a block");
static_assert(ITEM_BYTES_MAX + 16 <= BLOCK_BYTES_MAX, "an item must fit a block");
static_assert(CHUNK_BYTES_MAX + KIB <= MESSAGE_BODY_BYTES_MAX, "a chunk must fit a frame");
static_assert(VALUE_BYTES_MAX + KEY_BYTES_MAX + KIB <= MESSAGE_BODY_BYTES_MAX,
              "a value with its key must fit a frame");
static_assert(GIVEN_PER_ANSWER_MAX * 16 <= HEADS_BYTES_MAX &&
                  BLOCK_ITEMS_MAX * 8 <= HEADS_BYTES_MAX,
              "ids and sizes of all items in an answer must fit it");
static_assert(BLOCK_BYTES_MAX + HEADS_BYTES_MAX + KIB <= MESSAGE_BODY_BYTES_MAX,
              "items with what is said of them must fit a frame");
static_assert(VALUE_INLINE_BYTES_MAX + 16 <= BLOCK_BYTES_MAX, "an inline item must fit a block");
static_assert(VALUE_BYTES_MAX + KEY_BYTES_MAX + 16 <= BLOCK_BYTES_MAX,
              "a value with its key must fit a block");
static_assert(BEAT_MS * 3 + LEASE_MARGIN_MS < LEASE_MS, "two lost beats must not end a lease");
static_assert(LEASE_MS_MIN / BEATS_PER_LEASE * 3 + LEASE_MARGIN_MS <= LEASE_MS_MIN,
              "nor with the shortest term");
static_assert(LEASE_MS / BEATS_PER_LEASE == BEAT_MS, "the default term has the default beat");

#endif
