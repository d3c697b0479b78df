/* table.h - functions that can be called, of modules or of a program itself */
#ifndef FUNCTION_TABLE_H
#define FUNCTION_TABLE_H

#define MUSTER_FUNCTION_NO_MODULE
#include <muster/function.h>

#include "buffer.h"
#include "errors.h"
#include "limits.h"

enum { MODULES_MAX = 64 };

struct function_entry {
    const char *name;              /* borrowed of the module */
    void      (*run)(struct muster_call *call);
    uint32_t    kind;              /* enum muster_function_kind */
    uint32_t    module;            /* whose state it gets */
};

struct function_table {
    struct function_entry *entries;
    uint32_t               count, capacity;
    uint32_t               modules;
    void                  *states[MODULES_MAX];
};

/* Errors: INVALID (a name that is none, or is there already), FULL. */
muster_err function_table_add(struct function_table *table, const struct function_entry *entry,
                              struct muster_error *error);
/* NULL: there is no such function (hooks are none). */
const struct function_entry *function_table_find(const struct function_table *table,
                                                 struct slice name);
void function_table_free(struct function_table *table);

#endif
