/* muster.h - all of muster's public API; each noun also has a header of its own */
#ifndef MUSTER_H
#define MUSTER_H

#include <muster/callback.h>
#include <muster/dict.h>
#include <muster/error.h>
#include <muster/fleet.h>
#include <muster/future.h>
#include <muster/job.h>
#include <muster/key.h>
#include <muster/list.h>
#include <muster/lock.h>
#include <muster/log.h>
#include <muster/namespace.h>
#include <muster/object.h>
#include <muster/pipe.h>
#include <muster/pool.h>
#include <muster/process.h>
#include <muster/queue.h>
#include <muster/serve.h>
#include <muster/service.h>
#include <muster/session.h>
#include <muster/task.h>
#include <muster/value.h>
#include <muster/worker.h>

#endif
