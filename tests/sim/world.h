/* world.h - the seeded world: time, chance, events, and what a violation does
 *
 * 1. Everything that happens is an event; the world's clock stands still while
 *    one is carried out.  Events of the same millisecond come in the order in
 *    which they were planned.
 * 2. All chance comes from sim_random(), so a seed repeats a run exactly.
 * 3. A violation prints the seed and ends the process at once.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "heap.h"

struct sim;

struct sim_event {
    struct heap_node node;
    void           (*fire)(struct sim_event *event);
};

/* What the seed made of this run. */
struct sim_weather {
    bool     restarts_only;         /* only the manager restarts: P17 holds */
    uint32_t cuts;                  /* per 1,000 looks at the sky, one every 100 ms */
    uint32_t partitions;
    uint32_t manager_crashes;
    uint32_t manager_stops;
    uint32_t manager_freezes;
    uint32_t worker_crashes;
    uint32_t worker_freezes;
    uint32_t worker_drains;
    uint32_t client_crashes;
    uint32_t spikes;                /* per 1,000 frames: one that takes seconds */
    uint32_t doubles;               /* per 1,000 requests: one sent twice */
    uint32_t checkpoints;           /* per 1,000 turns */
    uint32_t full_disks;
    uint32_t slow_peers;
    uint32_t disk_ms_max;           /* of a commit */
    uint32_t history_jobs;
    uint32_t objects;               /* per 1,000: that an actor uses each kind of them */
    uint32_t expels;                /* a key is revoked, or a peer misbehaves */
};

struct sim_options {
    uint64_t seed;
    uint64_t steps_max;             /* of the storm */
    bool     trace;
};

struct net;
struct manager_node;
struct worker_node;
struct client_node;
struct history;

enum { SIM_WORKERS_MAX = 4, SIM_CLIENTS_MAX = 3 };

struct sim {
    struct sim_options   options;
    struct sim_weather   weather;
    uint64_t             random;
    uint64_t             now_ms;
    uint64_t             planned;       /* events ever planned: the tie */
    uint64_t             steps;
    struct heap          events;
    bool                 healed;        /* the storm is over */
    uint64_t             healed_ms;
    struct sim_event     look;          /* at the sky: what breaks now */
    struct net          *net;
    struct manager_node *manager;
    struct worker_node  *workers[SIM_WORKERS_MAX];
    uint32_t             worker_count;
    struct client_node  *clients[SIM_CLIENTS_MAX + 1];    /* the last is the auditor */
    uint32_t             client_count;
    struct history      *history;
};

uint64_t sim_random(struct sim *sim, uint64_t below);           /* 0 <= x < below */
uint64_t sim_between(struct sim *sim, uint64_t min, uint64_t max);  /* both included */
bool     sim_chance(struct sim *sim, uint32_t per_mille);
/* Plan or move an event; one that is under way is moved. */
void     sim_at(struct sim *sim, struct sim_event *event, uint64_t at_ms);
void     sim_cancel(struct sim *sim, struct sim_event *event);
void     sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void sim_fail(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Run one seed to its end; a violation does not return. */
void sim_run(const struct sim_options *options);

/* ---- weather.c ---- */
void weather_choose(struct sim *sim);
void weather_look(struct sim_event *event);
void weather_heal(struct sim *sim);

#endif
