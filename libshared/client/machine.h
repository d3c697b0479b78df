/* machine.h - how a session connects, says HELLO, resumes and gives up
 *
 *                 link up               WELCOME
 *   CONNECTING ------------> GREETING ------------> READY
 *     ^  ^                     |  |                   |
 *     |  `---- link down ------+--|---- link down ----+
 *     |        no answer          |     silence       |  ERROR SESSION: GREETING again,
 *     |                           |                   |  with a new session
 *     `--- any of them ---> FAILED: refused key, wrong manager, other version,
 *                                   nobody there in time (first connection only)
 *
 * 1. Pure: no I/O, no clock, no randomness, no allocation; time is an argument,
 *    and what shall be done comes back as MACHINE_* bits.
 * 2. FAILED is final; machine->error says why, naming address and key file.
 * 3. Before the first WELCOME it gives up after connect_ms; afterwards only
 *    when the manager refuses us for good.
 * 4. One connection carries one HELLO: to say it again it connects anew.
 */
#ifndef CLIENT_MACHINE_H
#define CLIENT_MACHINE_H

#include "wire.h"

enum {
    MACHINE_HELLO_MS       = 5000,     /* then a HELLO counts as lost */
    MACHINE_SILENCE_MS     = 15000,    /* then a connection counts as dead */
    MACHINE_RETRY_MS_MIN   = 100,
    MACHINE_RETRY_MS_MAX   = 5000,
    MACHINE_MISTAKEN_MS    = HANDSHAKE_MS,  /* a stranger answers: patience once we had a session */
};

enum machine_state {
    MACHINE_CONNECTING, MACHINE_GREETING, MACHINE_READY, MACHINE_FAILED, MACHINE_STATE_COUNT
};

/* What the link says of the connection. */
enum machine_link {
    MACHINE_LINK_DOWN, MACHINE_LINK_UP, MACHINE_LINK_REFUSED, MACHINE_LINK_STRANGER
};

/* What the caller does now. */
enum machine_do {
    MACHINE_SAY_HELLO = 1u << 0,       /* machine_hello() gives the message */
    MACHINE_SAY_BEAT  = 1u << 1,
    MACHINE_RECONNECT = 1u << 2,       /* drop the connection and make another */
    MACHINE_SEND      = 1u << 3,       /* READY: send what is unanswered, maybe again */
    MACHINE_GIVE_UP   = 1u << 4,       /* FAILED: every call ends with machine->error */
};

struct machine_config {
    const char *address;               /* borrowed; for texts */
    const char *authkey_file;          /* borrowed; for texts */
    uint32_t    connect_ms;
    uint32_t    roles;                 /* FROM_* bits that this session may have */
    uint64_t    secret;                /* random, not 0 */
    uint32_t    jitter;                /* random */
};

struct machine {
    struct machine_config config;
    enum machine_state    state;
    bool                  established;     /* a WELCOME came once */
    uint64_t              session;         /* 0: none, or it ended */
    uint64_t              epoch;
    uint32_t              beat_ms;
    uint32_t              term_ms;         /* without a connection for so long, it ends there */
    uint8_t               role;
    uint64_t              connections;     /* counted by the link; the one that is greeted */
    uint64_t              give_up_ms;      /* of the first connection */
    uint64_t              hello_at_ms;     /* GREETING: say it then; UINT64_MAX: said */
    uint64_t              hello_until_ms;  /* GREETING: no answer by then */
    uint64_t              retry_at_ms;     /* CONNECTING: connect anew then; UINT64_MAX: never */
    uint64_t              stranger_ms;     /* since then another manager answers; 0: no */
    uint64_t              heard_ms;
    uint64_t              ready_ms;        /* READY since */
    uint64_t              beat_at_ms;
    uint32_t              refusals;        /* in a row, for the back-off */
    struct muster_error   error;           /* FAILED: why; else why it is not READY */
};

void machine_start(struct machine *machine, const struct machine_config *config, uint64_t now_ms);

/* Events; each returns MACHINE_* bits. */
uint32_t machine_on_link(struct machine *machine, uint64_t now_ms, enum machine_link link,
                         uint64_t connections, const char *why);
uint32_t machine_on_welcome(struct machine *machine, uint64_t now_ms, const struct msg_welcome *m);
uint32_t machine_on_refusal(struct machine *machine, uint64_t now_ms, const struct msg_error *m);
/* A request was answered by ERROR SESSION. */
uint32_t machine_on_session_lost(struct machine *machine, uint64_t now_ms);
/* Any frame came. */
void     machine_on_heard(struct machine *machine, uint64_t now_ms);
uint32_t machine_on_time(struct machine *machine, uint64_t now_ms);
/* Something that no retry can heal, found outside (the link cannot be made). */
uint32_t machine_fail(struct machine *machine, muster_err code, const char *detail);

/* When machine_on_time() wants to be called at the latest. */
uint64_t machine_wake_ms(const struct machine *machine);
/* The HELLO to say now; host and pid are the caller's to add. */
void     machine_hello(const struct machine *machine, struct msg_hello *hello_out);

#endif
