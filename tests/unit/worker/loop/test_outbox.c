/* test_outbox.c - what a worker says, and in which order
 *
 * Method: play the link, which takes every frame, and the manager, which answers
 * chunks or does not; note the types of the messages that were sent.
 */
#include <string.h>

#include "outbox.h"
#include "stories.h"

enum { SENT_MAX = 256, TASK = 7 };

static struct world {
    struct outbox outbox;
    uint16_t      types[SENT_MAX];
    uint64_t      requests[SENT_MAX];
    uint32_t      sent, room;            /* messages; frames that the link takes */
} w;

muster_err
link_client_send(struct link_client *link, struct slice bytes)
{
    struct wire_frame   frame;
    struct wire_message message;

    (void)link;
    if (w.room == 0)
        return MUSTER_ERR_BUSY;
    w.room--;
    assert_int_equal(wire_frame_open(bytes, &frame), MUSTER_OK);
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        assert_true(w.sent < SENT_MAX);
        w.requests[w.sent] = message.request;
        w.types[w.sent++] = message.type;
    }
    return MUSTER_OK;
}

static bool
read_kept(void *context, uint64_t task, uint8_t stream, uint32_t offset, uint32_t bytes,
          struct buffer *out)
{
    (void)context;
    (void)offset;
    assert_int_equal(task, TASK);
    assert_int_equal(stream, 0);
    memset(buffer_extend(out, bytes), 'x', bytes);
    return true;
}

static void
flush(void)
{
    outbox_flush(&w.outbox, NULL, read_kept, NULL);
}

static uint32_t
count(uint16_t type)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < w.sent; i++)
        found += w.types[i] == type;
    return found;
}

static struct slice
message(struct buffer *out, uint16_t type)
{
    union wire_any m = { 0 };

    buffer_clear(out);
    wire_put_any(out, type, 1, &m);
    return buffer_slice(out);
}

static void
add_output(uint32_t chunks)
{
    struct wire_token token = { .job = 1 };
    struct buffer     finish = { 0 };

    outbox_add_chunks(&w.outbox, TASK, &token, 0, 0, chunks * CHUNK_BYTES_MAX);
    outbox_add_bulk(&w.outbox, message(&finish, MSG_TYPE_TASK_FINISH));
    buffer_free(&finish);
}

static int
set_up(void **state)
{
    (void)state;
    w = (struct world){ .room = UINT32_MAX };
    outbox_init(&w.outbox);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    outbox_free(&w.outbox);
    return 0;
}

static void
window_is_kept(void **state)
{
    struct buffer beat = { 0 };

    (void)state;
    add_output(3 * OUTBOX_WINDOW);
    flush();
    assert_int_equal(count(MSG_TYPE_RESULT_CHUNK), OUTBOX_WINDOW);
    assert_false(w.outbox.blocked);
    outbox_add(&w.outbox, message(&beat, MSG_TYPE_BEAT));
    flush();
    assert_int_equal(count(MSG_TYPE_BEAT), 1);
    assert_int_equal(count(MSG_TYPE_RESULT_CHUNK), OUTBOX_WINDOW);
    buffer_free(&beat);
}

static void
answers_open_it(void **state)
{
    (void)state;
    add_output(OUTBOX_WINDOW + 2);
    flush();
    assert_false(outbox_answered(&w.outbox, 1));
    assert_true(outbox_answered(&w.outbox, w.requests[0]));
    flush();
    assert_int_equal(count(MSG_TYPE_RESULT_CHUNK), OUTBOX_WINDOW + 1);
    assert_int_equal(count(MSG_TYPE_TASK_FINISH), 0);
    assert_true(outbox_answered(&w.outbox, w.requests[1]));
    flush();
    /* The end of the task is no chunk: it follows the last of them at once. */
    assert_int_equal(w.types[w.sent - 1], MSG_TYPE_TASK_FINISH);
    assert_int_equal(w.sent, OUTBOX_WINDOW + 3);
    assert_true(outbox_empty(&w.outbox));
}

static void
new_connection_owes_nothing(void **state)
{
    (void)state;
    add_output(2 * OUTBOX_WINDOW);
    flush();
    outbox_clear(&w.outbox);
    w.sent = 0;
    assert_false(outbox_answered(&w.outbox, OUTBOX_CHUNK_REQUEST));
    add_output(OUTBOX_WINDOW);
    flush();
    assert_int_equal(w.sent, OUTBOX_WINDOW + 1);
}

static void
link_is_full(void **state)
{
    (void)state;
    w.room = 3;
    add_output(5);
    flush();
    assert_int_equal(w.sent, 3);
    assert_true(w.outbox.blocked);
    w.room = 10;
    flush();
    assert_int_equal(w.sent, 6);
    assert_false(w.outbox.blocked);
}

#define STORY(name, function) { name, function, set_up, tear_down, NULL }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STORY("what the manager has not answered is bounded, and a beat goes past it",
              window_is_kept),
        STORY("each answer lets one more go, and the end follows the last", answers_open_it),
        STORY("a new connection owes nothing", new_connection_owes_nothing),
        STORY("a link that takes no more is asked again", link_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
