/* namespace.h - named attributes shared between programs (multiprocessing.Namespace)
 *
 * See object.h for what holds for all calls.  Attribute names are texts of 1 ..
 * 4096 bytes.  NO_KEY: there is no such attribute.
 */
#ifndef MUSTER_NAMESPACE_H
#define MUSTER_NAMESPACE_H

#include <muster/dict.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_namespace;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_namespace_open(struct muster_session *session, const struct muster_open *open,
                      uint32_t timeout_ms, struct muster_namespace **space_out,
                      struct muster_error *error);
MUSTER_API void     muster_namespace_close(struct muster_namespace *space);
MUSTER_API uint64_t muster_namespace_object(const struct muster_namespace *space);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_namespace_get(struct muster_namespace *space, const char *attribute, uint32_t timeout_ms,
                     struct muster_bytes *value_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_namespace_set(struct muster_namespace *space, const char *attribute,
                     const struct muster_cell *value, uint32_t timeout_ms,
                     struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_namespace_delete(struct muster_namespace *space, const char *attribute,
                        uint32_t timeout_ms, struct muster_error *error);
/* Attributes and values in the order in which they were set first; muster_dict_free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_namespace_list(struct muster_namespace *space, uint32_t timeout_ms,
                      struct muster_entry **entries_out, size_t *count_out,
                      struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
