/* namespace.c - named attributes (see namespace.h): a dict of another noun */
#include "dict.h"

#include <stdlib.h>

struct muster_namespace {
    struct handle handle;
};

muster_err
muster_namespace_open(struct muster_session *session, const struct muster_open *open,
                      uint32_t timeout_ms, struct muster_namespace **space_out,
                      struct muster_error *error)
{
    struct muster_namespace *space = base_alloc(sizeof(*space));
    muster_err               err = handle_open(session, NOUN_NAMESPACE, open, 0, 0,
                                               slice_of(NULL, 0), timeout_ms, &space->handle, NULL,
                                               error);

    if (err) {
        free(space);
        return err;
    }
    *space_out = space;
    return MUSTER_OK;
}

void
muster_namespace_close(struct muster_namespace *space)
{
    if (space == NULL)
        return;
    handle_close(&space->handle);
    free(space);
}

uint64_t
muster_namespace_object(const struct muster_namespace *space)
{
    return space->handle.object;
}

muster_err
muster_namespace_get(struct muster_namespace *space, const char *attribute, uint32_t timeout_ms,
                     struct muster_bytes *value_out, struct muster_error *error)
{
    return dict_get(&space->handle, slice_text(attribute), timeout_ms, value_out, error);
}

muster_err
muster_namespace_set(struct muster_namespace *space, const char *attribute,
                     const struct muster_cell *value, uint32_t timeout_ms,
                     struct muster_error *error)
{
    return dict_set(&space->handle, slice_text(attribute), value, NULL, timeout_ms, error);
}

muster_err
muster_namespace_delete(struct muster_namespace *space, const char *attribute, uint32_t timeout_ms,
                        struct muster_error *error)
{
    return dict_delete(&space->handle, slice_text(attribute), NULL, timeout_ms, error);
}

muster_err
muster_namespace_list(struct muster_namespace *space, uint32_t timeout_ms,
                      struct muster_entry **entries_out, size_t *count_out,
                      struct muster_error *error)
{
    return dict_items(&space->handle, timeout_ms, entries_out, count_out, error);
}
