/* value.h - one shared value, and arrays of them (multiprocessing.Value, Array)
 *
 * See object.h for what holds for all calls.  A value is a signed integer of 64
 * bits, a double, or bytes; other types: TYPE.  `add` and `compare_and_set` are
 * atomic, so that += needs no lock.
 */
#ifndef MUSTER_VALUE_H
#define MUSTER_VALUE_H

#include <muster/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

enum muster_value_type { MUSTER_INTEGER, MUSTER_DOUBLE, MUSTER_BYTES };

/* ---- value ---- */
struct muster_value;
/* The initial value counts when it is made; NULL = 0 or no bytes.  Bytes: at most 128 KiB. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_open(struct muster_session *session, const struct muster_open *open,
                  enum muster_value_type type, const void *initial, size_t bytes,
                  uint32_t timeout_ms, struct muster_value **value_out,
                  struct muster_error *error);
MUSTER_API void     muster_value_close(struct muster_value *value);
MUSTER_API uint64_t muster_value_object(const struct muster_value *value);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_get_integer(struct muster_value *value, uint32_t timeout_ms, int64_t *integer_out,
                         struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_set_integer(struct muster_value *value, int64_t integer, uint32_t timeout_ms,
                         struct muster_error *error);
/* *sum_out (may be NULL) is the value after it.  RANGE: it would overflow. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_add_integer(struct muster_value *value, int64_t by, uint32_t timeout_ms,
                         int64_t *sum_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_get_double(struct muster_value *value, uint32_t timeout_ms, double *number_out,
                        struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_set_double(struct muster_value *value, double number, uint32_t timeout_ms,
                        struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_add_double(struct muster_value *value, double by, uint32_t timeout_ms,
                        double *sum_out, struct muster_error *error);
/* Of any type; a number is its 8 bytes. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_get(struct muster_value *value, uint32_t timeout_ms, struct muster_bytes *bytes_out,
                 struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_set(struct muster_value *value, const void *data, size_t bytes, uint32_t timeout_ms,
                 struct muster_error *error);
/* Set it to `data` if it is `expected`, byte for byte.  *now_out (may be NULL) is what
 * it is after the call. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_compare_and_set(struct muster_value *value, const void *expected,
                             size_t expected_bytes, const void *data, size_t bytes,
                             uint32_t timeout_ms, bool *exchanged_out,
                             struct muster_bytes *now_out, struct muster_error *error);
/* An rlock that belongs to the value (get_lock); close it.  Nothing checks that it is held. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_value_get_lock(struct muster_value *value, uint32_t timeout_ms,
                      struct muster_lock **lock_out, struct muster_error *error);

/* ---- array ---- */
struct muster_array;
/* `count` items, zero at first; at most 16 Mi.  Items of BYTES are one byte. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_array_open(struct muster_session *session, const struct muster_open *open,
                  enum muster_value_type type, uint64_t count, uint32_t timeout_ms,
                  struct muster_array **array_out, struct muster_error *error);
MUSTER_API void     muster_array_close(struct muster_array *array);
MUSTER_API uint64_t muster_array_object(const struct muster_array *array);
/* As it was made; no request. */
MUSTER_API uint64_t muster_array_len(const struct muster_array *array);
/* Items first .. first+count-1 into `items_out`, of 8 bytes (1 for BYTES) each; any
 * count: several requests, of which each is atomic.  RANGE. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_array_get(struct muster_array *array, uint64_t first, uint64_t count, void *items_out,
                 uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_array_set(struct muster_array *array, uint64_t first, uint64_t count, const void *items,
                 uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_array_add_integer(struct muster_array *array, uint64_t index, int64_t by,
                         uint32_t timeout_ms, int64_t *sum_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_array_add_double(struct muster_array *array, uint64_t index, double by,
                        uint32_t timeout_ms, double *sum_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_array_get_lock(struct muster_array *array, uint32_t timeout_ms,
                      struct muster_lock **lock_out, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
