/* observe.h - the manager's counters, for STATUS and for whoever watches it
 *
 * A counter is a uint64_t in the struct of its layer and one row in observe.c.
 * Names are stable: scripts read them.
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#include "admit.h"
#include "core.h"
#include "link.h"
#include "store.h"

struct observe_input {
    struct core_counters        core;
    struct admit_counters       admit;
    struct link_server_counters link;
    struct store_counters       store;
};

/* Append encoded counter items and add their number to *count_out. */
void observe_status(struct buffer *list_out, uint32_t *count_out,
                    const struct observe_input *input);

#endif
