/* workers.h - what a worker offers, as a cell of `muster workers` */
#ifndef WORKERS_H
#define WORKERS_H

#include <muster/worker.h>

#include "buffer.h"

/* Resources, labels, queues=..., functions=... as far as they are short. */
void workers_offers(struct buffer *out, const struct muster_worker_info *info);

#endif
