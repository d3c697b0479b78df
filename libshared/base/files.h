/* files.h - reading and writing files whole, safely */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <sys/types.h>

#include "buffer.h"
#include "errors.h"

/* Append the whole file; more than bytes_max is TOO_LARGE. */
muster_err file_read(const char *path, size_t bytes_max, struct buffer *out,
                     struct muster_error *error);
muster_err file_read_fd(int fd, size_t bytes_max, struct buffer *out,
                        struct muster_error *error);
/* All of it or an error; goes on after EINTR and short writes. */
muster_err file_write_fd(int fd, struct slice bytes, struct muster_error *error);
/* Write a new file beside `path`, fsync it, rename it over, fsync the folder. */
muster_err file_replace(const char *path, mode_t mode, struct slice bytes,
                        struct muster_error *error);
/* Remove a folder and everything below it, never following links. */
muster_err file_remove_tree(const char *path, struct muster_error *error);
/* Take an exclusive lock file and write our pid into it.  EXISTS when another
 * process holds it: its pid is in *holder_out. The lock lives as long as *fd_out. */
muster_err file_lock_instance(const char *path, int *fd_out, pid_t *holder_out,
                              struct muster_error *error);

#endif
