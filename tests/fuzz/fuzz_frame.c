/* fuzz_frame.c - a whole frame as it comes from a peer, messages and all
 *
 * What is taken can be built again, byte for byte.
 */
#include "fuzz.h"
#include "wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer       again = { 0 };
    struct wire_frame   frame;
    struct wire_message message;
    uint32_t            count = 0;
    bool                known = true;
    muster_err          err = wire_frame_open(slice_of(data, bytes), &frame);

    if (err) {
        assert(err == MUSTER_ERR_INVALID);
        return 0;
    }
    wire_frame_begin(&again);
    while ((err = wire_frame_next(&frame, &message)) == MUSTER_OK) {
        union wire_any any;

        err = wire_decode_any(message.type, message.body, &any);
        assert((err == MUSTER_ERR_UNSUPPORTED) == (wire_rule(message.type) == NULL));
        known = known && err == MUSTER_OK;
        if (known)
            wire_put_any(&again, message.type, message.request, &any);
        count++;
    }
    assert(err == MUSTER_ERR_CLOSED || err == MUSTER_ERR_INVALID);
    if (err == MUSTER_ERR_CLOSED && known) {
        wire_frame_end(&again, count);
        assert(slice_equal(buffer_slice(&again), slice_of(data, bytes)));
    }
    buffer_free(&again);
    return 0;
}
