/* test_messages.c - every message survives the way there and back, and no
 * body that is a byte short or long gets through */
#include "stories.h"

#include "fill.h"
#include "same.h"

struct story {
    const char    *story;
    uint16_t       type;
    enum fill_mode mode;
};

static const struct story round_trips[] = {
#define ROUND_TRIPS(NAME, name, code, from)               \
    { #NAME " with everything least", code, FILL_LEAST }, \
    { #NAME " with everything most", code, FILL_MOST },   \
    { #NAME " with mixed values", code, FILL_MIXED },
    WIRE_MESSAGES(ROUND_TRIPS)
};

static void
body_put(struct buffer *out, uint16_t type, const union wire_any *m)
{
    buffer_clear(out);
    wire_put_any(out, type, 7, m);
    buffer_consume(out, MESSAGE_HEADER_BYTES);
}

static void
test_round_trip(void **state)
{
    const struct story *row = *state;
    struct fill         fill = { .mode = row->mode, .seed = row->type };
    struct buffer       body = { 0 };
    struct buffer       again = { 0 };
    union wire_any      sent;
    union wire_any      got;

    fill_any(&fill, row->type, &sent);
    body_put(&body, row->type, &sent);
    assert_true(body.bytes <= MESSAGE_BODY_BYTES_MAX);

    assert_int_equal(wire_decode_any(row->type, buffer_slice(&body), &got), MUSTER_OK);
    assert_true(same_any(row->type, &sent, &got));
    body_put(&again, row->type, &got);
    assert_true(slice_equal(buffer_slice(&body), buffer_slice(&again)));

    buffer_free(&body);
    buffer_free(&again);
    fill_free(&fill);
}

static const struct story lengths[] = {
#define LENGTHS(NAME, name, code, from)                  \
    { #NAME " cut short anywhere", code, FILL_MIXED },   \
    { #NAME " with a byte too many", code, FILL_LEAST },
    WIRE_MESSAGES(LENGTHS)
};

/* `body` copied to a block of its own size, so that a sanitizer sees any read
 * behind it. */
static muster_err
decode_exact(uint16_t type, struct slice body, union wire_any *out)
{
    uint8_t   *copy = malloc(body.bytes + (body.bytes == 0));
    muster_err err;

    assert_non_null(copy);
    memcpy(copy, body.data, body.bytes);
    err = wire_decode_any(type, slice_of(copy, body.bytes), out);
    free(copy);
    return err;
}

static void
test_length(void **state)
{
    const struct story *row = *state;
    struct fill         fill = { .mode = row->mode, .seed = row->type };
    struct buffer       body = { 0 };
    union wire_any      sent;
    union wire_any      got;
    union wire_any      untouched;

    fill_any(&fill, row->type, &sent);
    body_put(&body, row->type, &sent);
    memset(&got, 0x5a, sizeof(got));
    untouched = got;
    for (size_t bytes = 0; bytes < body.bytes; bytes++) {
        struct slice prefix = slice_of(body.data, bytes);

        assert_int_equal(decode_exact(row->type, prefix, &got), MUSTER_ERR_INVALID);
    }
    write_u8(&body, 0);
    assert_int_equal(decode_exact(row->type, buffer_slice(&body), &got), MUSTER_ERR_INVALID);
    assert_memory_equal(&got, &untouched, sizeof(got));

    buffer_free(&body);
    fill_free(&fill);
}

struct type_story {
    const char *story;
    uint16_t    type;
    bool        known;
};

static const struct type_story types[] = {
    { "type 0 does not exist", 0, false },
    { "a gap in the table does not exist", 0x08, false },
    { "HELLO exists", MSG_TYPE_HELLO, true },
    { "SHUTDOWN exists", MSG_TYPE_SHUTDOWN, true },
    { "the type behind the table does not exist", MSG_TYPE_LIMIT, false },
    { "the largest type does not exist", UINT16_MAX, false },
};

static void
test_type(void **state)
{
    const struct type_story *row = *state;
    union wire_any           got;

    assert_int_equal(wire_rule(row->type) != NULL, row->known);
    if (!row->known)
        assert_int_equal(wire_decode_any(row->type, slice_text(""), &got),
                         MUSTER_ERR_UNSUPPORTED);
}

struct sender_story {
    const char *story;
    uint16_t    type;
    uint32_t    from;
};

static const struct sender_story senders[] = {
    { "everyone but the manager may say HELLO", MSG_TYPE_HELLO, FROM_ANY },
    { "only the manager welcomes", MSG_TYPE_WELCOME, FROM_MANAGER },
    { "only a worker finishes tasks", MSG_TYPE_TASK_FINISH, FROM_WORKER },
    { "only the manager leases", MSG_TYPE_TASK_LEASE, FROM_MANAGER },
    { "a worker may not submit", MSG_TYPE_JOB_SUBMIT, FROM_CLIENT | FROM_ADMIN },
    { "only an admin drains workers", MSG_TYPE_DRAIN_SET, FROM_ADMIN },
    { "only an admin stops the manager", MSG_TYPE_SHUTDOWN, FROM_ADMIN },
};

static void
test_sender(void **state)
{
    const struct sender_story *row = *state;

    assert_int_equal(wire_rule(row->type)->from, row->from);
}

int
main(void)
{
    return STORIES("round trips", round_trips, test_round_trip) +
           STORIES("lengths", lengths, test_length) + STORIES("types", types, test_type) +
           STORIES("senders", senders, test_sender);
}
