/* module.h - shared libraries with functions (task modules, see <muster/function.h>) */
#ifndef FUNCTION_MODULE_H
#define FUNCTION_MODULE_H

#include "table.h"

/* May code from this file run as us?  It and its folder must belong to root or to us,
 * and nobody else may write to either.  *real_out is its path without links; free() it.
 * Errors: NOT_FOUND, IO, DENIED (with what to do). */
muster_err module_check(const char *path, char **real_out, struct muster_error *error);

/* Load it for good and add what it defines.  Its constructors run: not for a process
 * that must not die of them.  Errors: INVALID (no module, or for another version). */
muster_err module_load(const char *path, struct function_table *table,
                       struct muster_error *error);

#endif
