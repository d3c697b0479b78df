/* list.h - a shared list of byte strings and references (SyncManager.list)
 *
 * See object.h for what holds for all calls.  Indexes and slices are Python's:
 * negative ones count from the end, slices are clamped.  Items: at most 128 KiB.
 * A reference (muster_*_object() of any shared object) keeps its object alive.
 */
#ifndef MUSTER_LIST_H
#define MUSTER_LIST_H

#include <muster/object.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_LIST_END INT64_MAX        /* `stop` of a slice up to the end */

struct muster_list;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_open(struct muster_session *session, const struct muster_open *open,
                 uint32_t timeout_ms, struct muster_list **list_out, struct muster_error *error);
MUSTER_API void     muster_list_close(struct muster_list *list);
MUSTER_API uint64_t muster_list_object(const struct muster_list *list);

/* What to store: bytes, or (object not 0) a reference to an object that this
 * session has open. */
struct muster_cell { const void *data; size_t bytes; uint64_t object; };

MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_append(struct muster_list *list, const struct muster_cell *item, uint32_t timeout_ms,
                   struct muster_error *error);
/* In one step when they are at most 4096 and 128 KiB in all, else in several. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_extend(struct muster_list *list, const struct muster_cell *items, size_t count,
                   uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_insert(struct muster_list *list, int64_t index, const struct muster_cell *item,
                   uint32_t timeout_ms, struct muster_error *error);
/* RANGE.  The last: index -1. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_pop(struct muster_list *list, int64_t index, uint32_t timeout_ms,
                struct muster_bytes *item_out, struct muster_error *error);
/* The first that is equal.  NO_KEY: there is none. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_remove(struct muster_list *list, const void *data, size_t bytes, uint32_t timeout_ms,
                   struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_index(struct muster_list *list, const void *data, size_t bytes, int64_t start,
                  int64_t stop, uint32_t timeout_ms, uint64_t *index_out,
                  struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_count(struct muster_list *list, const void *data, size_t bytes, uint32_t timeout_ms,
                  uint64_t *count_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_reverse(struct muster_list *list, uint32_t timeout_ms, struct muster_error *error);
/* RANGE. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_get(struct muster_list *list, int64_t index, uint32_t timeout_ms,
                struct muster_bytes *item_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_set(struct muster_list *list, int64_t index, const struct muster_cell *item,
                uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_delete(struct muster_list *list, int64_t index, uint32_t timeout_ms,
                   struct muster_error *error);
/* An array and each of its items are the caller's: muster_list_free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_slice(struct muster_list *list, int64_t start, int64_t stop, uint32_t timeout_ms,
                  struct muster_bytes **items_out, size_t *count_out,
                  struct muster_error *error);
MUSTER_API void muster_list_free(struct muster_bytes *items, size_t count);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_set_slice(struct muster_list *list, int64_t start, int64_t stop,
                      const struct muster_cell *items, size_t count, uint32_t timeout_ms,
                      struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_delete_slice(struct muster_list *list, int64_t start, int64_t stop,
                         uint32_t timeout_ms, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_len(struct muster_list *list, uint32_t timeout_ms, uint64_t *len_out,
                struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_clear(struct muster_list *list, uint32_t timeout_ms, struct muster_error *error);
enum muster_sort {
    MUSTER_SORT_BYTES,
    MUSTER_SORT_INTEGERS,        /* items are int64_t */
    MUSTER_SORT_DOUBLES,
    MUSTER_SORT_DECIMALS,        /* items are decimal texts */
};
/* Stable.  TYPE: an item is not of that kind; nothing changed.  TOO_LARGE: it has more
 * than 131,072 items or 16 MiB, each item counted with 48 bytes more: get it as one slice,
 * sort it, set it. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_list_sort(struct muster_list *list, enum muster_sort by, bool descending,
                 uint32_t timeout_ms, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
