/* table.h - authorized_keys line by line, for those who read and those who change it */
#ifndef AUTH_TABLE_H
#define AUTH_TABLE_H

#include "auth.h"

/* Take the next line (without its newline) off the front of *text; false at the end. */
bool auth_line_next(struct slice *text, struct slice *line_out);
/* *is_entry_out is false for comments and empty lines; else *entry_out is filled and
 * freed with auth_entry_clear().  INVALID says what is wrong, without the line's number. */
muster_err auth_line_parse(struct slice line, bool *is_entry_out, struct auth_entry *entry_out,
                           struct muster_error *error);
void auth_entry_clear(struct auth_entry *entry);

#endif
