/* test_outbox.c - what becomes of messages to peers that read, that do not, and that left
 *
 * Method: a link of our own that is BUSY for as long as the story says, and
 * counts what it was given.
 */
#include "stories.h"

#include <stdio.h>

#include "outbox.h"

enum { PEER = 7, MESSAGE_BYTES = 100 * 1024 };

static struct {
    bool     busy;
    uint32_t frames, messages, cuts;
    uint64_t last;                 /* request id of the message sent last */
    bool     ordered;
    int      slow, calls;          /* of the slow callback */
    size_t   bytes, capacity;      /* of what was given */
} seen;

muster_err
link_server_send(struct link_server *server, uint64_t peer, struct slice bytes)
{
    struct wire_frame   frame;
    struct wire_message message;

    (void)server;
    assert_int_equal(peer, PEER);
    if (seen.busy)
        return MUSTER_ERR_BUSY;
    assert_int_equal(wire_frame_open(bytes, &frame), MUSTER_OK);
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        seen.ordered = seen.ordered && message.request == seen.last + 1;
        seen.last = message.request;
        seen.messages++;
    }
    seen.frames++;
    return MUSTER_OK;
}

muster_err
link_server_give(struct link_server *server, uint64_t peer, struct buffer *frame)
{
    muster_err err = link_server_send(server, peer, buffer_slice(frame));

    if (err)
        return err;
    seen.bytes += frame->bytes;
    seen.capacity += frame->capacity;
    buffer_free(frame);
    return MUSTER_OK;
}

void
link_server_cut(struct link_server *server, uint64_t peer)
{
    (void)server;
    assert_int_equal(peer, PEER);
    seen.cuts++;
}

static void
on_slow(void *context, uint64_t peer, bool slow)
{
    (void)context;
    assert_int_equal(peer, PEER);
    seen.slow = slow;
    seen.calls++;
}

struct outbox_case {
    const char *story;
    uint32_t    before;            /* messages while it reads */
    uint32_t    busy;              /* messages while it does not */
    uint32_t    after;             /* messages when it reads again */
    bool        gone;              /* it leaves instead */
    uint32_t    sent, frames, cuts;
    int         calls;
};

static const struct outbox_case cases[] = {
    { "two that fit one frame",             2, 0,    0, false, 2,  1,  0, 0 },
    { "three need two frames",              3, 0,    0, false, 3,  2,  0, 0 },
    { "nothing",                            0, 0,    0, false, 0,  0,  0, 0 },
    { "what waited comes first",            1, 5,    1, false, 7,  5,  0, 2 },
    { "left while it was slow",             1, 5,    0, true,  1,  1,  0, 1 },
    { "never reads: cut, and nothing kept", 1, 9000, 9, false, 1,  1,  1, 1 },
};

static void
add_of(struct outbox *outbox, size_t message_bytes, uint32_t count, uint64_t *request)
{
    static const uint8_t bytes[MESSAGE_BYTES];
    union wire_any       m = { .body = { .data = slice_of(bytes, message_bytes) } };
    struct buffer        message = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        buffer_clear(&message);
        wire_put_any(&message, MSG_TYPE_BODY, ++*request, &m);
        outbox_add(outbox, PEER, buffer_slice(&message));
    }
    buffer_free(&message);
}

static void
add(struct outbox *outbox, uint32_t count, uint64_t *request)
{
    add_of(outbox, MESSAGE_BYTES, count, request);
}

/* What waits for a slow peer takes about the memory that it is counted with, also after
 * frames that were far larger. */
static void
test_parked_small(void **state)
{
    enum { MANY = 200, SMALL = 1000, ROUNDS = 10 };
    struct outbox *outbox = outbox_new(NULL, on_slow, NULL);
    uint64_t       request = 0;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    seen.ordered = true;
    add_of(outbox, SMALL, MANY, &request);
    assert_false(outbox_flush(outbox));
    seen.busy = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        add_of(outbox, SMALL, 1, &request);
        assert_true(outbox_flush(outbox));
    }
    seen.busy = false;
    assert_false(outbox_flush(outbox));
    assert_true(seen.ordered);
    assert_int_equal(seen.messages, MANY + ROUNDS);
    assert_true(seen.bytes >= ROUNDS * SMALL);
    assert_in_range(seen.capacity, seen.bytes, 2 * seen.bytes);
    outbox_free(outbox);
}

static void
outbox_story(void **state)
{
    const struct outbox_case *row = *state;
    struct outbox            *outbox = outbox_new(NULL, on_slow, NULL);
    uint64_t                  request = 0;

    memset(&seen, 0, sizeof(seen));
    seen.ordered = true;
    add(outbox, row->before, &request);
    assert_false(outbox_flush(outbox));
    seen.busy = row->busy > 0;
    add(outbox, row->busy, &request);
    assert_int_equal(outbox_flush(outbox), row->busy > 0 && row->cuts == 0);
    assert_int_equal(seen.slow, row->busy > 0);
    if (row->gone)
        outbox_gone(outbox, PEER);
    seen.busy = false;
    add(outbox, row->after, &request);
    assert_false(outbox_flush(outbox));
    assert_true(seen.ordered);
    assert_int_equal(seen.messages, row->sent);
    assert_int_equal(seen.frames, row->frames);
    assert_int_equal(seen.cuts, row->cuts);
    assert_int_equal(seen.calls, row->calls);
    outbox_free(outbox);
}

int
main(void)
{
    const struct CMUnitTest memory[] = { cmocka_unit_test(test_parked_small) };

    return STORIES("outbox", cases, outbox_story) +
           cmocka_run_group_tests_name("memory of an outbox", memory, NULL, NULL);
}
