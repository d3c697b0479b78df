/* machine.c - see machine.h */
#include "machine.h"

#include <assert.h>
#include <string.h>

#define NEVER UINT64_MAX

static const uint32_t machine_next[MACHINE_STATE_COUNT] = {
    [MACHINE_CONNECTING] = 1u << MACHINE_CONNECTING | 1u << MACHINE_GREETING | 1u << MACHINE_FAILED,
    [MACHINE_GREETING]   = 1u << MACHINE_CONNECTING | 1u << MACHINE_GREETING | 1u << MACHINE_READY |
                           1u << MACHINE_FAILED,
    [MACHINE_READY]      = 1u << MACHINE_CONNECTING | 1u << MACHINE_GREETING | 1u << MACHINE_FAILED,
    [MACHINE_FAILED]     = 0,
};

/* The only function that assigns machine->state after the start. */
static void
machine_move(struct machine *machine, enum machine_state next)
{
    assert(next < MACHINE_STATE_COUNT);
    assert(machine_next[machine->state] & 1u << next);
    machine->state = next;
    machine->hello_at_ms = NEVER;
    machine->hello_until_ms = NEVER;
    machine->retry_at_ms = NEVER;
}

/* What a refusal of HELLO means; everything else is tried again. */
static bool
refusal_is_final(muster_err code)
{
    static const uint32_t final = 1u << MUSTER_ERR_INVALID | 1u << MUSTER_ERR_DENIED |
                                  1u << MUSTER_ERR_AUTH | 1u << MUSTER_ERR_WRONG_MANAGER |
                                  1u << MUSTER_ERR_VERSION | 1u << MUSTER_ERR_UNSUPPORTED;

    return code < 32 && (final & 1u << code) != 0;
}

/* Doubling, less up to a quarter, so that many clients do not come back in step. */
static uint64_t
machine_backoff_ms(struct machine *machine)
{
    uint32_t shift = machine->refusals < 6 ? machine->refusals : 6;
    uint32_t ms = (uint32_t)MACHINE_RETRY_MS_MIN << shift;

    if (ms > MACHINE_RETRY_MS_MAX)
        ms = MACHINE_RETRY_MS_MAX;
    machine->refusals++;
    machine->config.jitter = machine->config.jitter * 1664525u + 1013904223u;
    return ms - (machine->config.jitter >> 8) % (ms / 4 + 1);
}

uint32_t
machine_fail(struct machine *machine, muster_err code, const char *detail)
{
    assert(code != MUSTER_OK);
    if (machine->state == MACHINE_FAILED)
        return 0;
    machine_move(machine, MACHINE_FAILED);
    (void)error_set(&machine->error, code, "%s (manager %s, key file %s)", detail,
                    machine->config.address, machine->config.authkey_file);
    return MACHINE_GIVE_UP;
}

void
machine_start(struct machine *machine, const struct machine_config *config, uint64_t now_ms)
{
    assert(config->secret != 0);
    *machine = (struct machine){ .config = *config,
                                 .state = MACHINE_CONNECTING,
                                 .give_up_ms = now_ms + config->connect_ms,
                                 .hello_at_ms = NEVER,
                                 .hello_until_ms = NEVER,
                                 .retry_at_ms = NEVER,
                                 .beat_ms = BEAT_MS };
    (void)error_set(&machine->error, MUSTER_ERR_UNREACHABLE, "nobody answers");
}

static uint32_t
machine_greet(struct machine *machine, uint64_t now_ms)
{
    machine_move(machine, MACHINE_GREETING);
    machine->hello_until_ms = now_ms + MACHINE_HELLO_MS;
    (void)error_set(&machine->error, MUSTER_ERR_UNREACHABLE,
                    "the connection stands, but the manager has not answered HELLO");
    return MACHINE_SAY_HELLO;
}

static uint32_t
machine_reconnect(struct machine *machine, const char *why)
{
    machine_move(machine, MACHINE_CONNECTING);
    machine->connections = 0;
    (void)error_set(&machine->error, MUSTER_ERR_UNREACHABLE, "%s", why);
    return MACHINE_RECONNECT;
}

/* Another manager (or no manager at all) answers at the address.  For a first
 * connection that is final.  A session that stood gets some patience: whoever
 * took the port may leave it again. */
static uint32_t
machine_stranger(struct machine *machine, uint64_t now_ms, const char *why)
{
    if (!machine->established)
        return machine_fail(machine, MUSTER_ERR_WRONG_MANAGER, why);
    if (machine->state != MACHINE_CONNECTING)
        machine_move(machine, MACHINE_CONNECTING);
    if (machine->stranger_ms == 0)
        machine->stranger_ms = now_ms;
    machine->retry_at_ms = now_ms + machine_backoff_ms(machine);
    (void)error_set(&machine->error, MUSTER_ERR_WRONG_MANAGER, "%s", why);
    return 0;
}

uint32_t
machine_on_link(struct machine *machine, uint64_t now_ms, enum machine_link link,
                uint64_t connections, const char *why)
{
    if (machine->state == MACHINE_FAILED)
        return 0;
    switch (link) {
    case MACHINE_LINK_REFUSED:
        return machine_fail(machine, MUSTER_ERR_AUTH, why);
    case MACHINE_LINK_STRANGER:
        if (machine->retry_at_ms != NEVER)
            return 0;                   /* told already */
        return machine_stranger(machine, now_ms, why);
    case MACHINE_LINK_UP:
        if (connections == machine->connections && machine->state != MACHINE_CONNECTING)
            return 0;
        machine->connections = connections;
        return machine_greet(machine, now_ms);
    case MACHINE_LINK_DOWN:
    default:
        if (machine->state != MACHINE_CONNECTING)
            machine_move(machine, MACHINE_CONNECTING);
        if (why[0] != '\0')
            (void)error_set(&machine->error, MUSTER_ERR_UNREACHABLE, "%s", why);
        return 0;
    }
}

uint32_t
machine_on_welcome(struct machine *machine, uint64_t now_ms, const struct msg_welcome *m)
{
    if (machine->state != MACHINE_GREETING)
        return 0;
    if (m->version < PROTOCOL_VERSION_MIN || m->version > PROTOCOL_VERSION)
        return machine_fail(machine, MUSTER_ERR_VERSION,
                            "the manager chose a version unknown here");
    if ((machine->config.roles & 1u << m->role) == 0)
        return machine_fail(machine, MUSTER_ERR_DENIED,
                            m->role == ROLE_WORKER ? "this is a worker's key; a client's is needed"
                                                   : "the role of this key does not fit");
    machine_move(machine, MACHINE_READY);
    machine->established = true;
    machine->session = m->session;
    machine->epoch = m->epoch;
    machine->role = m->role;
    machine->beat_ms = m->beat_ms > 0 ? m->beat_ms : BEAT_MS;
    machine->term_ms = m->session_ms;
    machine->beat_at_ms = now_ms + machine->beat_ms;
    machine->heard_ms = now_ms;
    machine->ready_ms = now_ms;
    machine->stranger_ms = 0;
    machine->give_up_ms = NEVER;
    machine->error = (struct muster_error){ 0 };
    return MACHINE_SEND;
}

uint32_t
machine_on_refusal(struct machine *machine, uint64_t now_ms, const struct msg_error *m)
{
    muster_err code = error_from_number(m->code);
    uint64_t   wait_ms;

    if (machine->state != MACHINE_GREETING)
        return 0;
    (void)error_set(&machine->error, code, "the manager refuses HELLO: %.*s%s",
                    (int)m->detail.bytes, (const char *)m->detail.data,
                    m->detail.bytes > 0 ? "" : muster_err_text(code));
    if (refusal_is_final(code)) {
        struct muster_error why = machine->error;

        return machine_fail(machine, code, why.detail);
    }
    machine->hello_until_ms = NEVER;
    if (code == MUSTER_ERR_STATE)       /* it took an earlier HELLO of this connection */
        return machine_reconnect(machine, "the manager has another session on this connection");
    if (code == MUSTER_ERR_SESSION && machine->session != 0) {
        machine->session = 0;
        machine->hello_until_ms = now_ms + MACHINE_HELLO_MS;
        return MACHINE_SAY_HELLO;
    }
    wait_ms = machine_backoff_ms(machine);
    machine->hello_at_ms = now_ms + (m->retry_after_ms > wait_ms ? m->retry_after_ms : wait_ms);
    return 0;
}

uint32_t
machine_on_session_lost(struct machine *machine, uint64_t now_ms)
{
    if (machine->state != MACHINE_READY)
        return 0;           /* answers that were under way when the first one told us */
    machine->session = 0;
    if (now_ms - machine->ready_ms >= MACHINE_HELLO_MS)
        machine->refusals = 0;
    machine_move(machine, MACHINE_GREETING);
    (void)error_set(&machine->error, MUSTER_ERR_SESSION, "the manager has ended the session");
    if (machine->refusals == 0) {
        machine->refusals = 1;
        machine->hello_until_ms = now_ms + MACHINE_HELLO_MS;
        return MACHINE_SAY_HELLO;
    }
    machine->hello_at_ms = now_ms + machine_backoff_ms(machine);
    return 0;
}

void
machine_on_heard(struct machine *machine, uint64_t now_ms)
{
    machine->heard_ms = now_ms;
}

static uint32_t
machine_time_connecting(struct machine *machine, uint64_t now_ms)
{
    struct muster_error why = machine->error;

    if (machine->stranger_ms != 0 && now_ms - machine->stranger_ms >= MACHINE_MISTAKEN_MS)
        return machine_fail(machine, MUSTER_ERR_WRONG_MANAGER, why.detail);
    if (now_ms < machine->retry_at_ms)
        return 0;
    return machine_reconnect(machine, why.detail);
}

static uint32_t
machine_time_greeting(struct machine *machine, uint64_t now_ms)
{
    if (now_ms >= machine->hello_until_ms)
        return machine_reconnect(machine, "the manager does not answer HELLO");
    if (now_ms < machine->hello_at_ms)
        return 0;
    machine->hello_at_ms = NEVER;
    machine->hello_until_ms = now_ms + MACHINE_HELLO_MS;
    return MACHINE_SAY_HELLO;
}

static uint32_t
machine_time_ready(struct machine *machine, uint64_t now_ms)
{
    if (now_ms - machine->heard_ms >= MACHINE_SILENCE_MS)
        return machine_reconnect(machine, "the connection stands, but the manager is silent");
    if (now_ms < machine->beat_at_ms)
        return 0;
    machine->beat_at_ms = now_ms + machine->beat_ms;
    return MACHINE_SAY_BEAT;
}

uint32_t
machine_on_time(struct machine *machine, uint64_t now_ms)
{
    static uint32_t (*const each[MACHINE_STATE_COUNT])(struct machine *, uint64_t) = {
        [MACHINE_CONNECTING] = machine_time_connecting,
        [MACHINE_GREETING]   = machine_time_greeting,
        [MACHINE_READY]      = machine_time_ready,
    };

    if (machine->state == MACHINE_FAILED)
        return 0;
    if (!machine->established && now_ms >= machine->give_up_ms) {
        struct muster_error why = machine->error;

        return machine_fail(machine, why.code, why.detail);
    }
    return each[machine->state](machine, now_ms);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t
machine_wake_ms(const struct machine *machine)
{
    uint64_t wake_ms = machine->established ? NEVER : machine->give_up_ms;

    switch (machine->state) {
    case MACHINE_CONNECTING:
        if (machine->stranger_ms != 0)
            wake_ms = earlier(wake_ms, machine->stranger_ms + MACHINE_MISTAKEN_MS);
        return earlier(wake_ms, machine->retry_at_ms);
    case MACHINE_GREETING:
        return earlier(wake_ms, earlier(machine->hello_until_ms, machine->hello_at_ms));
    case MACHINE_READY:
        return earlier(machine->beat_at_ms, machine->heard_ms + MACHINE_SILENCE_MS);
    case MACHINE_FAILED:
    case MACHINE_STATE_COUNT:
    default:
        return NEVER;
    }
}

void
machine_hello(const struct machine *machine, struct msg_hello *hello_out)
{
    assert(machine->state == MACHINE_GREETING);
    *hello_out = (struct msg_hello){ .version_min = PROTOCOL_VERSION_MIN,
                                     .version_max = PROTOCOL_VERSION,
                                     .features = machine->config.roles,
                                     .session = machine->session,
                                     .secret = machine->config.secret,
                                     .software = slice_text(MUSTER_VERSION) };
}
