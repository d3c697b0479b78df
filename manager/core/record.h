/* record.h - facts as structs and as bytes (records.def lists them)
 *
 * Slices in a decoded record point into the bytes it came from.
 */
#ifndef RECORD_H
#define RECORD_H

#include "wire.h"

#include "records.def"

#define RECORD_NUMBER(name) uint64_t name;
#define RECORD_BYTES(name)  struct slice name;
#define RECORD_STRUCT(NAME, name, code) \
    struct record_##name { RECORD_##NAME(RECORD_NUMBER, RECORD_BYTES) };
RECORDS(RECORD_STRUCT)
#undef RECORD_STRUCT
#undef RECORD_BYTES
#undef RECORD_NUMBER

enum record_type {
#define RECORD_CODE(NAME, name, code) RECORD_TYPE_##NAME = code,
    RECORDS(RECORD_CODE)
#undef RECORD_CODE
    RECORD_TYPE_COUNT
};

struct record {
    enum record_type type;
    union {
#define RECORD_MEMBER(NAME, name, code) struct record_##name name;
        RECORDS(RECORD_MEMBER)
#undef RECORD_MEMBER
    };
};

enum record_again { AGAIN_FAILED, AGAIN_LOST, AGAIN_RETURNED, AGAIN_COUNT };

enum record_did { DID_REFERENCE = 1, DID_ENTERS = 2, DID_FLAGS = 4 };

enum { RECORD_BYTES_MAX = 192 * KIB };    /* of one S field */

void record_put(struct buffer *out, const struct record *record);
/* False marks `in` bad. */
bool record_get(struct reader *in, struct record *record_out);

/* The encoding of S fields, also used by objects. */
void         record_put_bytes(struct buffer *out, struct slice bytes);
struct slice record_get_bytes(struct reader *in, size_t bytes_max);

#endif
