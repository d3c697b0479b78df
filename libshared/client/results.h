/* results.h - entries of result streams, for the files that read them */
#ifndef CLIENT_RESULTS_H
#define CLIENT_RESULTS_H

#include "client.h"

/* Texts of a result end with 0 for the public, and do not on the wire. */
struct result_texts {
    char worker[NAME_BYTES_MAX + 1];
    char host[NAME_BYTES_MAX + 1];
    char reason[TEXT_BYTES_MAX + 1];
};

/* `out` and `err` of the result stay where the entry has them. */
void result_fill(struct muster_result *result_out, struct result_texts *texts,
                 const struct wire_entry *entry);

#endif
