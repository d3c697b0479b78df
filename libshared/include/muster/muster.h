/* muster.h - all of muster's public API; each noun also has a header of its own */
#ifndef MUSTER_H
#define MUSTER_H

#include <muster/error.h>
#include <muster/fleet.h>
#include <muster/job.h>
#include <muster/key.h>
#include <muster/session.h>
#include <muster/worker.h>

#endif
