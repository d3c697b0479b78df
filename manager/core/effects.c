/* effects.c - gather what a turn wants done
 *
 * 1. Offsets, not pointers: the buffers grow while the turn is gathered.
 * 2. Clearing keeps the memory, so that a busy core allocates nothing.
 */
#include "effects.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* When a client that met a limit may try again. */
enum { EFFECTS_RETRY_MS = 1000 };

void
effects_clear(struct effects *fx)
{
    assert(fx != NULL);
    buffer_clear(&fx->facts);
    buffer_clear(&fx->arena);
    buffer_clear(&fx->out);
    buffer_clear(&fx->numbers);
    fx->send_count = 0;
    fx->lease_count = 0;
    fx->results_count = 0;
    fx->get_count = 0;
    fx->body_count = 0;
    fx->pruned_count = 0;
    fx->ended_count = 0;
    fx->key_count = 0;
    fx->opened = 0;
}

void
effects_free(struct effects *fx)
{
    assert(fx != NULL);
    buffer_free(&fx->facts);
    buffer_free(&fx->arena);
    buffer_free(&fx->out);
    buffer_free(&fx->numbers);
    free(fx->sends);
    free(fx->leases);
    free(fx->results);
    free(fx->gets);
    free(fx->bodies);
    free(fx->pruned);
    free(fx->ended);
    free(fx->keys);
    *fx = (struct effects){ 0 };
}

bool
effects_empty(const struct effects *fx)
{
    assert(fx != NULL);
    return fx->facts.bytes == 0 && fx->send_count == 0 && fx->lease_count == 0 &&
           fx->results_count == 0 && fx->get_count == 0 && fx->body_count == 0 &&
           fx->pruned_count == 0 && fx->ended_count == 0 && fx->key_count == 0;
}

/* One more element of an array of fx, zeroed. */
#define EFFECTS_ADD(fx, array, count, capacity)                                \
    (base_grow((void **)&(fx)->array, &(fx)->capacity, (fx)->count + 1,        \
               sizeof(*(fx)->array)),                                          \
     memset(&(fx)->array[(fx)->count], 0, sizeof(*(fx)->array)),               \
     &(fx)->array[(fx)->count++])

static void
effects_sent(struct effects *fx, uint64_t session, size_t begin)
{
    struct effect_send *send = EFFECTS_ADD(fx, sends, send_count, send_capacity);

    assert(fx->out.bytes > begin);
    send->session = session;
    send->offset = begin;
    send->bytes = fx->out.bytes - begin;
}

void
effects_send(struct effects *fx, uint64_t session, uint64_t request, uint16_t type,
             const union wire_any *m)
{
    size_t begin = fx->out.bytes;

    assert(m != NULL);
    wire_put_any(&fx->out, type, request, m);
    effects_sent(fx, session, begin);
}

void
effects_done(struct effects *fx, uint64_t session, uint64_t request,
             const struct msg_object_done *m, const struct slice *parts, uint32_t part_count)
{
    size_t begin = wire_message_begin(&fx->out, MSG_TYPE_OBJECT_DONE, request);
    size_t bytes = 0;

    assert(session != 0);
    wire_put_msg_object_done(&fx->out, m);
    for (uint32_t i = 0; i < part_count; i++) {
        buffer_append_slice(&fx->out, parts[i]);
        bytes += parts[i].bytes;
    }
    /* The value comes last, behind its length. */
    if (bytes > 0) {
        assert(m->value.bytes + bytes <= BLOCK_BYTES_MAX);
        write_u32_at(&fx->out, fx->out.bytes - bytes - m->value.bytes - sizeof(uint32_t),
                     (uint32_t)(m->value.bytes + bytes));
    }
    wire_message_end(&fx->out, begin);
    effects_sent(fx, session, begin);
}

/* Without the detour over union wire_any: there is one for every finished task. */
void
effects_ack(struct effects *fx, uint64_t session, uint64_t request, uint64_t value)
{
    struct msg_ack m = { .value = value };
    size_t         begin = wire_message_begin(&fx->out, MSG_TYPE_ACK, request);

    assert(session != 0);
    wire_put_msg_ack(&fx->out, &m);
    wire_message_end(&fx->out, begin);
    effects_sent(fx, session, begin);
}

void
effects_error(struct effects *fx, uint64_t session, uint64_t request, muster_err code,
              const char *format, ...)
{
    char             text[TEXT_BYTES_MAX];
    struct msg_error m = { .code = (uint16_t)code };
    size_t           begin;
    size_t           bytes;
    va_list          args;

    assert(code != MUSTER_OK && code < MUSTER_ERR_COUNT);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bytes = strlen(text);
    /* A cut must not leave half a character behind. */
    if (bytes == sizeof(text) - 1) {
        while (bytes > 0 && ((unsigned char)text[bytes - 1] & 0x80) != 0)
            bytes--;
    }
    m.detail = slice_of(text, bytes);
    if (code == MUSTER_ERR_FULL || code == MUSTER_ERR_BUSY || code == MUSTER_ERR_NO_SPACE)
        m.retry_after_ms = EFFECTS_RETRY_MS;
    begin = wire_message_begin(&fx->out, MSG_TYPE_ERROR, request);
    wire_put_msg_error(&fx->out, &m);
    wire_message_end(&fx->out, begin);
    effects_sent(fx, session, begin);
}

struct effect_lease *
effects_lease(struct effects *fx)
{
    assert(fx != NULL);
    return EFFECTS_ADD(fx, leases, lease_count, lease_capacity);
}

struct effect_results *
effects_results(struct effects *fx)
{
    struct effect_results *results = EFFECTS_ADD(fx, results, results_count, results_capacity);

    results->blocks_first = (uint32_t)(fx->numbers.bytes / sizeof(uint64_t));
    return results;
}

void
effects_number(struct effects *fx, uint64_t number)
{
    assert(fx->results_count > 0);
    fx->results[fx->results_count - 1].blocks++;
    buffer_append(&fx->numbers, &number, sizeof(number));
}

struct effect_body_get *
effects_body_get(struct effects *fx)
{
    assert(fx != NULL);
    return EFFECTS_ADD(fx, gets, get_count, get_capacity);
}

void
effects_body(struct effects *fx, uint64_t job, uint64_t number, struct slice bytes)
{
    struct effect_body *body = EFFECTS_ADD(fx, bodies, body_count, body_capacity);

    assert(job != 0);
    body->job = job;
    body->number = number;
    body->offset = fx->arena.bytes;
    body->bytes = bytes.bytes;
    buffer_append_slice(&fx->arena, bytes);
}

void
effects_prune(struct effects *fx, uint64_t job)
{
    assert(job != 0);
    *EFFECTS_ADD(fx, pruned, pruned_count, pruned_capacity) = job;
}

void
effects_ended(struct effects *fx, uint64_t session)
{
    assert(session != 0);
    *EFFECTS_ADD(fx, ended, ended_count, ended_capacity) = session;
}

void
effects_key(struct effects *fx, bool valid, struct slice key, struct slice user,
            struct slice address)
{
    struct effect_key *it = EFFECTS_ADD(fx, keys, key_count, key_capacity);

    assert(key.bytes == sizeof(it->key));
    assert(user.bytes < sizeof(it->user) && address.bytes < sizeof(it->address));
    it->valid = valid;
    memcpy(it->key, key.data, key.bytes);
    memcpy(it->user, user.data, user.bytes);
    memcpy(it->address, address.data, address.bytes);
}
