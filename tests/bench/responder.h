/* responder.h - a worker that runs nothing and answers every lease at once
 *
 * Speaks the protocol like muster-worker, so that what the manager, the
 * encryption and the store cost can be seen without processes.
 */
#ifndef TESTS_BENCH_RESPONDER_H
#define TESTS_BENCH_RESPONDER_H

#include "place.h"

enum { RESPONDER_CPUS = 1000 };

/* For place_child(); never returns. */
void responder_run(const struct place *place, void *context);

#endif
