/* copy.h - options that outlive the call that gave them */
#ifndef CLIENT_COPY_H
#define CLIENT_COPY_H

#include <muster/job.h>

/* NULL stays NULL.  Free with copy_*_free(). */
const char                *copy_text(const char *text);
const char *const         *copy_texts(const char *const *texts);      /* NULL-terminated */
const struct muster_named *copy_named(const struct muster_named *named, size_t count);
void                       copy_text_free(const void *text);
void                       copy_texts_free(const char *const *texts);
void                       copy_named_free(const struct muster_named *named, size_t count);

#endif
