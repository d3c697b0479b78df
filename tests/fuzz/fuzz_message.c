/* fuzz_message.c - the body of any message; the first byte chooses which
 *
 * What is decoded encodes to the same bytes: there is one way to say a thing.
 */
#include "fuzz.h"
#include "unit/wire/fill.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer  again = { 0 };
    struct slice   body;
    union wire_any any;
    uint16_t       type;

    if (bytes == 0)
        return 0;
    type = fill_types[data[0] % FILL_TYPES];
    body = slice_of(data + 1, bytes - 1);
    if (body.bytes > MESSAGE_BODY_BYTES_MAX || wire_decode_any(type, body, &any) != MUSTER_OK)
        return 0;
    wire_put_any(&again, type, 0, &any);
    assert(slice_equal(slice_cut(buffer_slice(&again), MESSAGE_HEADER_BYTES, SIZE_MAX), body));
    buffer_free(&again);
    return 0;
}
