/* errors.h - fill a struct muster_error and return its code in one expression */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#include <muster/error.h>

/* Set code and detail (which may be NULL); control characters are escaped.
 * Returns `code`, so that `return error_set(detail, MUSTER_ERR_X, ...)` reads well. */
muster_err error_set(struct muster_error *error, muster_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the text of errno appended.  ENOSPC and EDQUOT give
 * MUSTER_ERR_NO_SPACE and ENOMEM gives MUSTER_ERR_NO_MEMORY, whatever `code` is. */
muster_err error_errno(struct muster_error *error, muster_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An error that arrived as a number from outside: unknown numbers become INTERNAL. */
muster_err error_from_number(unsigned number);

/* One line on stderr for what ended a program: its name, the detail, the text of
 * `err` and what to do next.  Does nothing when err is OK. */
void error_tell(const char *program, muster_err err, const struct muster_error *error);

#endif
