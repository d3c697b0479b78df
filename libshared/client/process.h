/* process.h - processes as the files of this folder use them */
#ifndef CLIENT_PROCESS_H
#define CLIENT_PROCESS_H

#include "collect.h"

/* What ends with it; NULL: it was not started. */
struct muster_future *process_future(const struct muster_process *process);

#endif
