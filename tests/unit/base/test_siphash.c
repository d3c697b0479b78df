/* test_siphash.c - the values that the authors of SipHash-2-4 published */
#include "stories.h"

#include "siphash.h"

struct vector {
    const char *story;
    size_t      bytes;                 /* 00 01 02 ...; the key is 00 .. 0f */
    uint64_t    hash;
};

static const struct vector vectors[] = {
    { "nothing",       0,  0x726fdb47dd0e0e31 },
    { "one byte",      1,  0x74f839c593dc67fd },
    { "fifteen bytes", 15, 0xa129ca6149be45e5 },
};

static void
test_vector(void **state)
{
    const struct vector  *row = *state;
    static const uint64_t seed[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    static const uint64_t other[2] = { 0x0706050403020101, 0x0f0e0d0c0b0a0908 };
    uint8_t               bytes[16];

    for (uint8_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i;
    assert_true(siphash(seed, slice_of(bytes, row->bytes)) == row->hash);
    assert_false(siphash(other, slice_of(bytes, row->bytes)) == row->hash);
}

int
main(void)
{
    return STORIES("siphash", vectors, test_vector);
}
