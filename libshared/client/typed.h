/* typed.h - what values and arrays share: numbers of 8 bytes, and their lock */
#ifndef CLIENT_TYPED_H
#define CLIENT_TYPED_H

#include "handle.h"

/* As it travels: 8 bytes, little-endian. */
struct number {
    uint8_t bytes[8];
};

struct number number_of_integer(int64_t integer);
struct number number_of_double(double number);
int64_t       number_integer(const struct number *number);
double        number_double(const struct number *number);

/* INVALID: not one of the enum. */
muster_err typed_check(enum muster_value_type type, struct muster_error *error);
/* One verb with a number in (NULL: none) and one out (NULL: none wanted).  TYPE when
 * what comes back is not of 8 bytes.  Fills m->value. */
muster_err typed_number(struct handle *handle, struct msg_object_do *m, const struct number *in,
                        uint32_t timeout_ms, struct number *out, struct muster_error *error);
/* The rlock that belongs to an object. */
muster_err typed_lock(struct handle *handle, uint8_t verb, uint32_t timeout_ms,
                      struct muster_lock **lock_out, struct muster_error *error);

#endif
