/* typed.h - what values and arrays share: numbers of 8 bytes, and a lock of their own
 *
 * 1. Integers do not wrap: what would overflow is refused.
 * 2. Nothing checks that the lock is held; it is there for who asks for it.  It
 *    is made when it is first asked for, and lives as long as its object.  A
 *    transient object has none: what it does is not replayed.
 */
#ifndef TYPED_H
#define TYPED_H

#include "cell.h"

enum { NUMBER_BYTES = 8 };

bool   typed_is_number(uint64_t type);
/* Of one item of an array. */
size_t typed_item_bytes(uint64_t type);
/* now + by.  TYPE: they are no numbers of this type; RANGE: overflow. */
muster_err typed_sum(uint64_t type, struct slice now, struct slice by,
                     uint8_t sum_out[static NUMBER_BYTES]);
void   typed_refuse(struct verdict *v, const struct object *object, muster_err error);
/* The number as text; "" when it is none. */
void   typed_text(uint64_t type, struct slice value, char text[OBJECT_TEXT_BYTES]);

/* The block of a CAS.  False: malformed. */
bool   typed_cas(const struct act *act, struct slice *expected_out, struct slice *value_out);

/* LOCK.  `lock` is what the object remembers, 0 = none yet. */
void   typed_lock_decide(const struct core *core, const struct object *object, uint64_t lock,
                         const struct act *act, struct verdict *v);
bool   typed_lock_apply(struct core *core, struct object *object, uint64_t *lock,
                        const struct act *act, struct msg_object_done *answer);

#endif
