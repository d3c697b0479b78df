/* place.h - a manager, workers and keys in a temporary folder
 *
 * Everything started here ends with this process, however it ends: programs of
 * muster hold a lifeline, children of ours a death signal.  The folder lies in
 * the one that main.c removes.
 */
#ifndef TESTS_BENCH_PLACE_H
#define TESTS_BENCH_PLACE_H

#include <sys/types.h>

#include <muster/muster.h>

#include "bench.h"
#include "program.h"

struct place {
    char           dir[256];
    char           endpoint[64];
    char           client_key[300];
    char           worker_key[300];
    struct program manager;
    struct program worker;
};

/* Keys and a manager with the durable store on loopback TCP, ready to serve. */
void     place_open(struct place *place, const struct bench *bench);
/* A muster-worker with so many slots. */
void     place_worker(struct place *place, uint32_t slots);
/* The same with a task module. */
void     place_worker_with(struct place *place, uint32_t slots, const char *module);
/* Stop all that was started. */
void     place_close(struct place *place);
/* A child that runs `run` and ends; it dies with us. */
pid_t    place_child(void (*run)(const struct place *place, void *context),
                     const struct place *place, void *context);
void     place_kill(pid_t pid);
/* False when it ended with anything but 0. */
bool     place_wait(pid_t pid);
/* Resident bytes of a process. */
uint64_t place_rss(pid_t pid);
struct muster_session *place_session(const struct place *place);

/* A job of /bin/true. */
struct place_load {
    uint32_t count;            /* tasks */
    bool     items;            /* distinct small inputs instead of an array */
    uint64_t after;            /* a job that must succeed first; 0: none */
};
uint64_t place_submit(struct muster_session *session, const struct place_load *load);
/* Until `results` tasks have ended; dies when one failed. */
void     place_follow(struct muster_session *session, uint64_t job, uint32_t results);

#endif
