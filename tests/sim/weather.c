/* weather.c - what breaks, and when everything is put right */
#include "world.h"

#include "client_node.h"
#include "manager_node.h"
#include "network.h"
#include "worker_node.h"

enum { WEATHER_LOOK_MS = 100 };

static uint32_t
maybe(struct sim *sim, uint32_t per_mille, uint32_t max)
{
    return sim_chance(sim, per_mille) ? (uint32_t)sim_between(sim, 1, max) : 0;
}

/* Every seed has its own climate; many are calm in most respects, so that rare
 * combinations are not drowned in noise. */
void
weather_choose(struct sim *sim)
{
    struct sim_weather *weather = &sim->weather;

    weather->restarts_only = sim_chance(sim, 150);
    weather->manager_crashes = maybe(sim, 700, 15);
    weather->manager_stops = maybe(sim, 200, 5);
    weather->disk_ms_max = (uint32_t)sim_between(sim, 1, sim_chance(sim, 200) ? 2000 : 50);
    weather->checkpoints = maybe(sim, 600, 100);
    weather->doubles = maybe(sim, 500, 300);
    weather->history_jobs = sim_chance(sim, 150) ? (uint32_t)sim_between(sim, 1, 4) : 1000;
    weather->objects = sim_chance(sim, 700) ? (uint32_t)sim_between(sim, 50, 400) : 0;
    if (weather->restarts_only) {
        weather->history_jobs = 1000;
        return;
    }
    weather->cuts = maybe(sim, 500, 30);
    weather->partitions = maybe(sim, 300, 10);
    weather->manager_freezes = maybe(sim, 150, 5);
    weather->worker_crashes = maybe(sim, 500, 15);
    weather->worker_freezes = maybe(sim, 400, 15);
    weather->worker_drains = maybe(sim, 150, 5);
    weather->client_crashes = maybe(sim, 200, 5);
    weather->spikes = maybe(sim, 300, 20);
    weather->full_disks = maybe(sim, 150, 10);
    weather->slow_peers = maybe(sim, 200, 20);
    weather->expels = maybe(sim, 100, 5);
}

static struct net_side *
any_side(struct sim *sim)
{
    uint64_t at = sim_random(sim, sim->worker_count + sim->client_count);

    return at < sim->worker_count ? worker_side(sim->workers[at])
                                  : &sim->clients[at - sim->worker_count]->side;
}

static void
break_manager(struct sim *sim)
{
    struct sim_weather *weather = &sim->weather;

    /* A restart that P17 speaks of: no longer than a lease lasts. */
    if (sim_chance(sim, weather->manager_crashes))
        manager_crash(sim->manager,
                      sim_random(sim, !weather->restarts_only && sim_chance(sim, 100) ? 40000
                                                                                      : 3000));
    if (sim_chance(sim, weather->manager_stops))
        manager_stop(sim->manager, sim_random(sim, 3000));
    if (sim_chance(sim, weather->manager_freezes))
        manager_freeze(sim->manager, sim_random(sim, 20000));
    if (weather->full_disks > 0 && sim_chance(sim, 20))
        manager_space(sim->manager, sim_chance(sim, weather->full_disks * 50));
}

static void
break_peers(struct sim *sim)
{
    struct sim_weather *weather = &sim->weather;
    struct worker_node *worker = sim->workers[sim_random(sim, sim->worker_count)];
    struct client_node *client = sim->clients[sim_random(sim, sim->client_count)];

    if (sim_chance(sim, weather->cuts))
        net_cut(any_side(sim));
    if (sim_chance(sim, weather->partitions)) {
        struct net_side *side = any_side(sim);

        side->apart_until_ms = sim->now_ms + sim_random(sim, sim_chance(sim, 300) ? 60000 : 8000);
        net_cut(side);
    }
    if (sim_chance(sim, weather->worker_crashes))
        worker_crash(worker, sim_random(sim, sim_chance(sim, 200) ? 30000 : 3000));
    if (sim_chance(sim, weather->worker_freezes))
        worker_freeze(worker, sim_random(sim, sim_chance(sim, 500) ? 30000 : 3000));
    if (sim_chance(sim, weather->worker_drains))
        worker_drain(worker);
    if (sim_chance(sim, weather->client_crashes))
        client_crash(client, sim_random(sim, 10000));
    if (sim_chance(sim, weather->slow_peers))
        manager_slow(sim->manager, net_side_peer(any_side(sim)), sim_chance(sim, 500));
    if (sim_chance(sim, weather->expels))
        manager_expel(sim->manager, net_side_peer(any_side(sim)));
}

void
weather_look(struct sim_event *event)
{
    struct sim *sim = CONTAINER(event, struct sim, look);

    break_manager(sim);
    if (!sim->weather.restarts_only)
        break_peers(sim);
    sim_at(sim, event, sim->now_ms + WEATHER_LOOK_MS);
}

void
weather_heal(struct sim *sim)
{
    manager_heal(sim->manager);
    for (uint32_t i = 0; i < sim->worker_count; i++) {
        manager_slow(sim->manager, net_side_peer(worker_side(sim->workers[i])), false);
        worker_heal(sim->workers[i]);
    }
    for (uint32_t i = 0; i < sim->client_count; i++) {
        manager_slow(sim->manager, net_side_peer(&sim->clients[i]->side), false);
        client_heal(sim->clients[i]);
    }
}
