/* submit.h - from what a program asks for to the bytes of JOB_SUBMIT
 *
 * 1. What does not fit the protocol is refused here, with the name of the
 *    option: the manager would only say that the message is malformed.
 * 2. The content hash covers the whole message but the dedup key and itself,
 *    and the standard input.
 */
#ifndef CLIENT_SUBMIT_H
#define CLIENT_SUBMIT_H

#include "client.h"

struct submission {
    struct msg_job_submit m;         /* slices point into the buffers or to the caller */
    struct wire_spec      spec;
    struct buffer         spec_bytes;
    struct buffer         args, env, resources, labels, after, name, named;
};

/* Errors: INVALID, TOO_LARGE.  Free with submission_free() in any case. */
muster_err submission_make(struct submission *submission, const struct muster_job_options *options,
                           struct muster_error *error);
void       submission_free(struct submission *submission);

#endif
