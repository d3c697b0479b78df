/* test_frame.c - frames: the layout byte by byte, and what is refused */
#include "stories.h"

#include <string.h>

#include "wire.h"

/* One BEAT_ACK with sent_ms 0x1122 for request 5: the example of PROTOCOL.md. */
static const uint8_t example[] = {
    'M', 'U', 'S', '1',              /* magic */
    0x01, 0x00,                      /* messages */
    0x00, 0x00,                      /* zero */
    0x08, 0x00, 0x00, 0x00,          /* bytes of the body */
    0x05, 0x00,                      /* type BEAT_ACK */
    0x00, 0x00,                      /* flags */
    0x05, 0, 0, 0, 0, 0, 0, 0,       /* request */
    0x22, 0x11, 0, 0, 0, 0, 0, 0,    /* sent_ms */
};

static void
test_example_is_built(void **state)
{
    const union wire_any beat = { .beat_ack = { .sent_ms = 0x1122 } };
    struct buffer        frame = { 0 };

    (void)state;
    wire_frame_begin(&frame);
    wire_put_any(&frame, MSG_TYPE_BEAT_ACK, 5, &beat);
    wire_frame_end(&frame, 1);
    assert_int_equal(frame.bytes, sizeof(example));
    assert_memory_equal(frame.data, example, sizeof(example));
    buffer_free(&frame);
}

static void
test_messages_come_in_order(void **state)
{
    struct buffer       frame = { 0 };
    struct wire_frame   in;
    struct wire_message message;

    (void)state;
    wire_frame_begin(&frame);
    for (uint64_t request = 1; request <= 3; request++) {
        size_t begin = wire_message_begin(&frame, MSG_TYPE_ACK, request);

        wire_put_msg_ack(&frame, &(struct msg_ack){ .value = request * 10 });
        wire_message_end(&frame, begin);
    }
    wire_frame_end(&frame, 3);

    assert_int_equal(wire_frame_open(buffer_slice(&frame), &in), MUSTER_OK);
    for (uint64_t request = 1; request <= 3; request++) {
        struct msg_ack ack;

        assert_int_equal(wire_frame_next(&in, &message), MUSTER_OK);
        assert_int_equal(message.type, MSG_TYPE_ACK);
        assert_int_equal(message.request, request);
        assert_int_equal(wire_decode_ack(message.body, &ack), MUSTER_OK);
        assert_int_equal(ack.value, request * 10);
    }
    assert_int_equal(wire_frame_next(&in, &message), MUSTER_ERR_CLOSED);
    assert_int_equal(wire_frame_next(&in, &message), MUSTER_ERR_CLOSED);
    buffer_free(&frame);
}

static void
test_fits(void **state)
{
    struct buffer frame = { 0 };

    (void)state;
    wire_frame_begin(&frame);
    assert_true(wire_frame_fits(&frame, 0, FRAME_BYTES_MAX - FRAME_HEADER_BYTES));
    assert_false(wire_frame_fits(&frame, 0, FRAME_BYTES_MAX - FRAME_HEADER_BYTES + 1));
    assert_false(wire_frame_fits(&frame, 0, SIZE_MAX));
    assert_true(wire_frame_fits(&frame, FRAME_MESSAGES_MAX - 1, MESSAGE_HEADER_BYTES));
    assert_false(wire_frame_fits(&frame, FRAME_MESSAGES_MAX, MESSAGE_HEADER_BYTES));
    buffer_free(&frame);
}

static void
test_the_largest_message_fits(void **state)
{
    struct buffer       frame = { 0 };
    struct wire_frame   in;
    struct wire_message message;
    size_t              begin;

    (void)state;
    wire_frame_begin(&frame);
    begin = wire_message_begin(&frame, MSG_TYPE_BODY, 1);
    memset(buffer_extend(&frame, MESSAGE_BODY_BYTES_MAX), 0, MESSAGE_BODY_BYTES_MAX);
    wire_message_end(&frame, begin);
    wire_frame_end(&frame, 1);
    assert_int_equal(frame.bytes, FRAME_BYTES_MAX);
    assert_int_equal(wire_frame_open(buffer_slice(&frame), &in), MUSTER_OK);
    assert_int_equal(wire_frame_next(&in, &message), MUSTER_OK);
    assert_int_equal(message.body.bytes, MESSAGE_BODY_BYTES_MAX);

    write_u8(&frame, 0);
    assert_int_equal(wire_frame_open(buffer_slice(&frame), &in), MUSTER_ERR_INVALID);
    buffer_free(&frame);
}

/* The example with one byte changed, or of another length. */
struct story {
    const char *story;
    muster_err  opened;
    muster_err  first;         /* of wire_frame_next() */
    muster_err  second;
    size_t      bytes;         /* 0: as it is */
    size_t      at;
    uint8_t     value;         /* 0: nothing is changed */
};

static const struct story frames[] = {
    { "the example is taken", MUSTER_OK, MUSTER_OK, MUSTER_ERR_CLOSED, 0, 0, 0 },
    { "another magic", MUSTER_ERR_INVALID, 0, 0, 0, 0, 'm' },
    { "another version in the magic", MUSTER_ERR_INVALID, 0, 0, 0, 3, '2' },
    { "more messages than a frame may have", MUSTER_ERR_INVALID, 0, 0, 0, 5, 0xff },
    { "the zero is not zero", MUSTER_ERR_INVALID, 0, 0, 0, 6, 1 },
    { "the zero's other half is not zero", MUSTER_ERR_INVALID, 0, 0, 0, 7, 1 },
    { "a message fewer than announced", MUSTER_OK, MUSTER_OK, MUSTER_ERR_INVALID, 0, 4, 2 },
    { "a body shorter than the frame", MUSTER_OK, MUSTER_OK, MUSTER_ERR_INVALID, 0, 8, 7 },
    { "a body longer than the frame", MUSTER_OK, MUSTER_ERR_INVALID, MUSTER_ERR_INVALID, 0, 8, 9 },
    { "a body of 4 GiB", MUSTER_OK, MUSTER_ERR_INVALID, MUSTER_ERR_INVALID, 0, 11, 0xff },
    { "an unknown flag", MUSTER_OK, MUSTER_ERR_INVALID, MUSTER_ERR_INVALID, 0, 14, 1 },
    { "an unknown type is for whoever decodes it", MUSTER_OK, MUSTER_OK, MUSTER_ERR_CLOSED, 0, 12,
      0x7f },
    { "nothing behind the header", MUSTER_OK, MUSTER_ERR_INVALID, MUSTER_ERR_INVALID, 8, 0, 0 },
    { "half a message header", MUSTER_OK, MUSTER_ERR_INVALID, MUSTER_ERR_INVALID, 20, 0, 0 },
    { "the last byte is missing", MUSTER_OK, MUSTER_ERR_INVALID, MUSTER_ERR_INVALID, 31, 0, 0 },
    { "a byte too many", MUSTER_OK, MUSTER_OK, MUSTER_ERR_INVALID, 33, 0, 0 },
    { "a cut header", MUSTER_ERR_INVALID, 0, 0, 7, 0, 0 },
};

static void
test_frame(void **state)
{
    const struct story *row = *state;
    size_t              bytes = row->bytes != 0 ? row->bytes : sizeof(example);
    uint8_t            *copy = calloc(1, bytes);
    struct wire_frame   in;
    struct wire_message message;

    assert_non_null(copy);
    memcpy(copy, example, bytes < sizeof(example) ? bytes : sizeof(example));
    if (row->value != 0)
        copy[row->at] = row->value;
    assert_int_equal(wire_frame_open(slice_of(copy, bytes), &in), row->opened);
    if (row->opened == MUSTER_OK) {
        assert_int_equal(wire_frame_next(&in, &message), row->first);
        assert_int_equal(wire_frame_next(&in, &message), row->second);
    }
    free(copy);
}

static void
test_no_messages(void **state)
{
    uint8_t           copy[FRAME_HEADER_BYTES];
    struct wire_frame in;

    (void)state;
    memcpy(copy, example, sizeof(copy));
    copy[4] = 0;
    assert_int_equal(wire_frame_open(slice_of(copy, sizeof(copy)), &in), MUSTER_ERR_INVALID);
    assert_int_equal(wire_frame_open(slice_of(copy, 0), &in), MUSTER_ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest layout[] = {
        cmocka_unit_test(test_example_is_built),
        cmocka_unit_test(test_messages_come_in_order),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_the_largest_message_fits),
        cmocka_unit_test(test_no_messages),
    };

    return cmocka_run_group_tests_name("layout", layout, NULL, NULL) +
           STORIES("frames", frames, test_frame);
}
