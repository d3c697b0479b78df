/* dict.h - what a dict and a namespace ask of the manager */
#ifndef CLIENT_DICT_H
#define CLIENT_DICT_H

#include "cell.h"

muster_err dict_get(struct handle *handle, struct slice key, uint32_t timeout_ms,
                    struct muster_bytes *value_out, struct muster_error *error);
muster_err dict_set(struct handle *handle, struct slice key, const struct muster_cell *value,
                    const struct muster_guard *guard, uint32_t timeout_ms,
                    struct muster_error *error);
muster_err dict_delete(struct handle *handle, struct slice key, const struct muster_guard *guard,
                       uint32_t timeout_ms, struct muster_error *error);
/* All keys and values; muster_dict_free(). */
muster_err dict_items(struct handle *handle, uint32_t timeout_ms,
                      struct muster_entry **entries_out, size_t *count_out,
                      struct muster_error *error);

#endif
