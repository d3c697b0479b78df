/* test_frames.c - what a worker and a child say to each other, byte by byte
 *
 * Method: each kind of frame is put, read back, cut at every byte, and spoilt.
 */
#include <string.h>

#include "frames.h"
#include "stories.h"

struct frame_story {
    const char  *story;
    struct frame frame;
};

#define TEXT(text) { (text), sizeof(text) - 1 }

static const struct frame_story frames[] = {
    { "START names the worker", { .kind = FRAME_START, .start = TEXT("node7") } },
    { "SPEC describes the calls behind it",
      { .kind = FRAME_SPEC, .spec = { 1ull << 40, 77, TEXT("spec") } } },
    { "CALL brings an argument", { .kind = FRAME_CALL, .call = { 1, 2, 3, TEXT("12\0 34") } } },
    { "CALL without an argument", { .kind = FRAME_CALL, .call = { 7, 0, 1, { NULL, 0 } } } },
    { "KEY says where the key of a call lies",
      { .kind = FRAME_KEY, .key = { 7, TEXT("tcp://head:7717"), TEXT("/tmp/w/task-1.authkey") } } },
    { "READY", { .kind = FRAME_READY, .ready = { 4711, { NULL, 0 } } } },
    { "READY that tells why not", { .kind = FRAME_READY, .ready = { 4711, TEXT("no table") } } },
    { "DATA of a log", { .kind = FRAME_DATA, .data = { 9, 1, TEXT("a line\n") } } },
    { "RESULT", { .kind = FRAME_RESULT,
                  .result = { 5, 0, 1, 2, 3, 4, { NULL, 0 }, TEXT("144") } } },
    { "RESULT of a failure", { .kind = FRAME_RESULT,
                               .result = { 5, 1, 1, 2, 3, 4, TEXT("why"), { NULL, 0 } } } },
};

/* Frames are equal when they are the same bytes. */
static void
assert_same(const struct frame *frame, struct slice bytes)
{
    struct buffer again = { 0 };

    frame_put(&again, frame);
    assert_true(slice_equal(buffer_slice(&again), bytes));
    buffer_free(&again);
}

static void
test_frame(void **state)
{
    const struct frame_story *row = *state;
    struct buffer             bytes = { 0 };
    struct frame              got;
    size_t                    wanted;

    frame_put(&bytes, &row->frame);
    assert_int_equal(frame_get(buffer_slice(&bytes), FRAME_IN_BYTES_MAX, &got, &wanted),
                     bytes.bytes);
    assert_same(&got, buffer_slice(&bytes));
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        assert_int_equal(frame_get(slice_of(bytes.data, cut), FRAME_IN_BYTES_MAX, &got, &wanted),
                         0);
        assert_int_equal(wanted, cut < FRAME_HEAD_BYTES ? 0 : bytes.bytes);
    }
    /* Too long for whoever reads; one byte more inside, one byte less. */
    assert_int_equal(frame_get(buffer_slice(&bytes), bytes.bytes - FRAME_HEAD_BYTES - 1, &got,
                               &wanted), -1);
    buffer_append(&bytes, "", 1);
    bytes.data[0]++;
    assert_int_equal(frame_get(buffer_slice(&bytes), FRAME_IN_BYTES_MAX, &got, &wanted), -1);
    bytes.data[0] -= 2;
    assert_int_equal(frame_get(buffer_slice(&bytes), FRAME_IN_BYTES_MAX, &got, &wanted), -1);
    bytes.data[0]++;
    bytes.data[FRAME_HEAD_BYTES] = 99;
    assert_int_equal(frame_get(buffer_slice(&bytes), FRAME_IN_BYTES_MAX, &got, &wanted), -1);
    buffer_free(&bytes);
}

struct spoilt_story {
    const char  *story;
    struct frame frame;
};

static const struct spoilt_story spoilt[] = {
    { "an empty frame is none", { .kind = 0 } },
    { "there are two streams", { .kind = FRAME_DATA, .data = { 9, 2, TEXT("x") } } },
    { "a call fails or does not", { .kind = FRAME_RESULT,
                                    .result = { 5, 2, 1, 2, 3, 4, { NULL, 0 }, { NULL, 0 } } } },
    { "a reason is text", { .kind = FRAME_RESULT,
                            .result = { 5, 1, 1, 2, 3, 4, TEXT("\xff"), { NULL, 0 } } } },
    { "a name is text", { .kind = FRAME_START, .start = TEXT("a\0b") } },
};

static void
test_spoilt(void **state)
{
    const struct spoilt_story *row = *state;
    struct buffer              bytes = { 0 };
    struct frame               got;
    size_t                     wanted;

    frame_put(&bytes, &row->frame);
    if (row->frame.kind == 0)
        memset(bytes.data, 0, FRAME_HEAD_BYTES);
    assert_int_equal(frame_get(buffer_slice(&bytes), FRAME_IN_BYTES_MAX, &got, &wanted), -1);
    buffer_free(&bytes);
}

int
main(void)
{
    int failed = STORIES("frames", frames, test_frame);

    failed += STORIES("frames that are none", spoilt, test_spoilt);
    return failed;
}
