/* table.c - see table.h */
#include "table.h"

#include <stdlib.h>

#include "parse.h"

muster_err
function_table_add(struct function_table *table, const struct function_entry *entry,
                   struct muster_error *error)
{
    void *entries = table->entries;

    if (entry->name == NULL || entry->run == NULL ||
        !parse_name(slice_text(entry->name), NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID,
                         "the function \"%.80s\": a name is 1 to %d of A-Z a-z 0-9 . _ -",
                         entry->name != NULL ? entry->name : "", NAME_BYTES_MAX);
    if (entry->kind > MUSTER_KIND_END)
        return error_set(error, MUSTER_ERR_INVALID, "%s is of a kind that this worker does not "
                         "know", entry->name);
    if (entry->kind == MUSTER_KIND_FUNCTION &&
        function_table_find(table, slice_text(entry->name)) != NULL)
        return error_set(error, MUSTER_ERR_INVALID, "there are two functions %s", entry->name);
    if (table->count == FUNCTIONS_MAX)
        return error_set(error, MUSTER_ERR_FULL, "more than %d functions", FUNCTIONS_MAX);
    base_grow(&entries, &table->capacity, table->count + 1, sizeof(*table->entries));
    table->entries = entries;
    table->entries[table->count++] = *entry;
    return MUSTER_OK;
}

const struct function_entry *
function_table_find(const struct function_table *table, struct slice name)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->entries[i].kind == MUSTER_KIND_FUNCTION &&
            slice_equals_text(name, table->entries[i].name))
            return &table->entries[i];
    }
    return NULL;
}

void
function_table_free(struct function_table *table)
{
    free(table->entries);
    *table = (struct function_table){ 0 };
}
