/* reader.h - strict reading of little-endian bytes
 *
 * A read past the end yields zero and marks the reader bad, once for all, so a
 * decoder reads field after field and asks once at the end with read_ended().
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "buffer.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool           bad;
};

struct reader reader_of(struct slice bytes);

uint8_t      read_u8(struct reader *in);
uint16_t     read_u16(struct reader *in);
uint32_t     read_u32(struct reader *in);
uint64_t     read_u64(struct reader *in);
int32_t      read_i32(struct reader *in);
int64_t      read_i64(struct reader *in);
/* Shortest form only: a number that could have been written shorter is bad. */
uint64_t     read_varint(struct reader *in);
/* u32 length, then the bytes; longer than bytes_max is bad. */
struct slice read_bytes(struct reader *in, size_t bytes_max);
/* The same for text: must be valid UTF-8 without a zero byte. */
struct slice read_text(struct reader *in, size_t bytes_max);
/* Exactly `bytes` bytes, without a length. */
struct slice read_raw(struct reader *in, size_t bytes);
size_t       read_left(const struct reader *in);
/* True when everything was read and nothing went wrong. */
bool         read_ended(const struct reader *in);

#endif
