/* module.h - shared libraries with functions (task modules, see <muster/function.h>) */
#ifndef FUNCTION_MODULE_H
#define FUNCTION_MODULE_H

#include "table.h"

/* May code from this file run as us?  It, its folder and every folder above must belong
 * to root or to us, and nobody else may write there (a sticky folder, as /tmp, is good
 * enough above, not for its own).  So nobody else can put another file in its place from
 * the check to the load, which is by path, so that the module finds what lies beside it.
 * Libraries that it needs are found by the system's rules and are not looked at.
 * *real_out is its path without links; free() it.
 * Errors: NOT_FOUND, IO, INVALID (no file), DENIED (with what to do). */
muster_err module_check(const char *path, char **real_out, struct muster_error *error);

/* Check it, load it for good and add what it defines.  Its constructors run: not for a
 * process that must not die of them.  Errors: those of module_check(); INVALID (no module),
 * VERSION (made for another one), FULL. */
muster_err module_load(const char *path, struct function_table *table,
                       struct muster_error *error);

#endif
