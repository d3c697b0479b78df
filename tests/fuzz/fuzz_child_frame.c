/* fuzz_child_frame.c - what a worker reads from a child's ring, and a child from its socket
 *
 * The first byte is how much of the rest came first.  Frames are the same however their
 * bytes come in, no longer than they say, and can be built again, byte for byte.
 */
#include "frames.h"
#include "fuzz.h"

static void
check_frame(struct slice bytes, const struct frame *frame, long length)
{
    struct buffer again = { 0 };

    frame_put(&again, frame);
    assert(slice_equal(buffer_slice(&again), slice_cut(bytes, 0, (size_t)length)));
    buffer_free(&again);
}

/* Whatever a frame needs is said before it is complete, and never changes. */
static void
check_part(struct slice bytes, size_t part, size_t bytes_max, long whole)
{
    struct frame frame;
    size_t       wanted;
    long         length = frame_get(slice_cut(bytes, 0, part), bytes_max, &frame, &wanted);

    if (whole > 0 && part < (size_t)whole)
        assert(length == 0 && (part < FRAME_HEAD_BYTES ? wanted == 0 : wanted == (size_t)whole));
    else if (whole > 0)
        assert(length == whole);
}

static void
run(struct slice bytes, uint8_t part, size_t bytes_max)
{
    struct frame frame;
    size_t       wanted;
    long         length;

    while ((length = frame_get(bytes, bytes_max, &frame, &wanted)) > 0) {
        assert((size_t)length <= bytes.bytes && (size_t)length == wanted);
        assert((size_t)length <= FRAME_HEAD_BYTES + bytes_max);
        check_frame(bytes, &frame, length);
        check_part(bytes, part, bytes_max, length);
        bytes = slice_cut(bytes, (size_t)length, SIZE_MAX);
    }
    if (length == 0)
        assert(wanted == 0 ? bytes.bytes < FRAME_HEAD_BYTES : wanted > bytes.bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1)
        return 0;
    run(slice_of(data + 1, bytes - 1), data[0], FRAME_OUT_BYTES_MAX);
    run(slice_of(data + 1, bytes - 1), data[0], FRAME_IN_BYTES_MAX);
    return 0;
}
