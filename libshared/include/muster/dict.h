/* dict.h - a shared dictionary, and namespaces (SyncManager.dict, Namespace)
 *
 * See object.h for what holds for all calls.  Keys are bytes (1 .. 4096), values
 * bytes (at most 128 KiB) or references.  Order is that of insertion, as in
 * Python.  NO_KEY: there is no such key.
 */
#ifndef MUSTER_DICT_H
#define MUSTER_DICT_H

#include <muster/list.h>
#include <muster/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_dict;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_open(struct muster_session *session, const struct muster_open *open,
                 uint32_t timeout_ms, struct muster_dict **dict_out, struct muster_error *error);
MUSTER_API void     muster_dict_close(struct muster_dict *dict);
MUSTER_API uint64_t muster_dict_object(const struct muster_dict *dict);

struct muster_key { const void *data; size_t bytes; };
/* A key that is a C string. */
static inline struct muster_key
muster_key(const char *text)
{
    struct muster_key key = { text, 0 };

    while (text[key.bytes] != '\0')
        key.bytes++;
    return key;
}

/* A guard: write only while `lock` is held with exactly this token.  FENCED else.
 * NULL: write. */
struct muster_guard { const struct muster_lock *lock; uint64_t token; };

MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_get(struct muster_dict *dict, struct muster_key key, uint32_t timeout_ms,
                struct muster_bytes *value_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_set(struct muster_dict *dict, struct muster_key key, const struct muster_cell *value,
                const struct muster_guard *guard, uint32_t timeout_ms,
                struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_delete(struct muster_dict *dict, struct muster_key key,
                   const struct muster_guard *guard, uint32_t timeout_ms,
                   struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_pop(struct muster_dict *dict, struct muster_key key, const struct muster_guard *guard,
                uint32_t timeout_ms, struct muster_bytes *value_out, struct muster_error *error);
/* The value that is there, after setting it to `value` if there was none. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_setdefault(struct muster_dict *dict, struct muster_key key,
                       const struct muster_cell *value, const struct muster_guard *guard,
                       uint32_t timeout_ms, struct muster_bytes *value_out, bool *existed_out,
                       struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_contains(struct muster_dict *dict, struct muster_key key, uint32_t timeout_ms,
                     bool *there_out, struct muster_error *error);

struct muster_entry { struct muster_bytes key, value; };
/* All, in the order of insertion; pages are read one after the other: what changes
 * meanwhile may be seen or not.  muster_dict_free().  `keys` leaves values empty. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_items(struct muster_dict *dict, uint32_t timeout_ms, struct muster_entry **entries_out,
                  size_t *count_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_keys(struct muster_dict *dict, uint32_t timeout_ms, struct muster_entry **entries_out,
                 size_t *count_out, struct muster_error *error);
MUSTER_API void muster_dict_free(struct muster_entry *entries, size_t count);

struct muster_update { struct muster_key key; const void *data; size_t bytes; };
/* In one step; 128 KiB in all at most. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_update(struct muster_dict *dict, const struct muster_update *updates, size_t count,
                   const struct muster_guard *guard, uint32_t timeout_ms,
                   struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_len(struct muster_dict *dict, uint32_t timeout_ms, uint64_t *len_out,
                struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_clear(struct muster_dict *dict, const struct muster_guard *guard, uint32_t timeout_ms,
                  struct muster_error *error);
/* A new anonymous dict with the same entries. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_copy(struct muster_dict *dict, uint32_t timeout_ms, struct muster_dict **copy_out,
                 struct muster_error *error);
/* Set it to `data` if it is `expected` (NULL: if there is no such key).  *now_out (may
 * be NULL) is what is there after the call; its data is NULL when nothing is. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_compare_and_set(struct muster_dict *dict, struct muster_key key,
                            const struct muster_cell *expected, const struct muster_cell *value,
                            const struct muster_guard *guard, uint32_t timeout_ms,
                            bool *exchanged_out, struct muster_bytes *now_out,
                            struct muster_error *error);

struct muster_changes {
    uint64_t version;            /* for the next call */
    struct muster_bytes *keys;   /* that changed since, each once */
    size_t   count;
    bool     all;                /* too many to tell, or a restart: read what you need */
};
/* Wait until something changed behind `version` (0: just learn it), of one key (`key`
 * NULL: of any).  Free with muster_changes_free().  TIMEOUT: nothing did. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_dict_watch(struct muster_dict *dict, uint64_t version, const struct muster_key *key,
                  uint32_t timeout_ms, struct muster_changes *changes_out,
                  struct muster_error *error);
MUSTER_API void muster_changes_free(struct muster_changes *changes);

#ifdef __cplusplus
}
#endif
#endif
