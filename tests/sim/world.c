/* world.c - see world.h */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client_node.h"
#include "history.h"
#include "manager_node.h"
#include "network.h"
#include "worker_node.h"

enum {
    SIM_EXIT_VIOLATION = 3,
    SIM_LOOK_MS        = 100,
    SIM_HEAL_MS        = 240 * 1000,    /* all work must end within, once healed */
    SIM_STEPS_HEALED   = 400 * 1000,
};

uint64_t
sim_random(struct sim *sim, uint64_t below)
{
    uint64_t x = sim->random += 0x9e3779b97f4a7c15u;    /* splitmix64 */

    assert(below > 0);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (x ^ x >> 31) % below;
}

uint64_t
sim_between(struct sim *sim, uint64_t min, uint64_t max)
{
    assert(min <= max);
    return min + sim_random(sim, max - min + 1);
}

bool
sim_chance(struct sim *sim, uint32_t per_mille)
{
    return per_mille > 0 && sim_random(sim, 1000) < per_mille;
}

void
sim_at(struct sim *sim, struct sim_event *event, uint64_t at_ms)
{
    assert(event->fire != NULL);
    event->node.key = at_ms > sim->now_ms ? at_ms : sim->now_ms;
    event->node.tie = ++sim->planned;
    heap_update(&sim->events, &event->node);
}

void
sim_cancel(struct sim *sim, struct sim_event *event)
{
    if (event->node.place != 0)
        heap_remove(&sim->events, &event->node);
}

void
sim_trace(struct sim *sim, const char *format, ...)
{
    va_list arguments;

    if (!sim->options.trace)
        return;
    printf("%9llu.%03llu ", (unsigned long long)(sim->now_ms / 1000),
           (unsigned long long)(sim->now_ms % 1000));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void
sim_fail(struct sim *sim, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    printf("seed %llu, %llu.%03llu s, step %llu: ", (unsigned long long)sim->options.seed,
           (unsigned long long)(sim->now_ms / 1000), (unsigned long long)(sim->now_ms % 1000),
           (unsigned long long)sim->steps);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    _exit(SIM_EXIT_VIOLATION);
}

/* One event; false when nothing is planned any more. */
static bool
sim_step(struct sim *sim)
{
    struct heap_node *first = heap_first(&sim->events);
    struct sim_event *event;

    if (first == NULL)
        return false;
    event = CONTAINER(first, struct sim_event, node);
    assert(first->key >= sim->now_ms);
    sim->now_ms = first->key;
    heap_remove(&sim->events, first);
    sim->steps++;
    event->fire(event);
    return true;
}

static void
sim_open(struct sim *sim, const struct sim_options *options)
{
    *sim = (struct sim){ .options = *options, .random = options->seed * 0x2545f4914f6cdd1du };
    sim->now_ms = sim_between(sim, 1, 1000000);
    weather_choose(sim);
    sim->history = history_new(sim);
    sim->net = net_new(sim);
    sim->manager = manager_node_new(sim);
    sim->worker_count = (uint32_t)sim_between(sim, 1, SIM_WORKERS_MAX);
    for (uint32_t i = 0; i < sim->worker_count; i++)
        sim->workers[i] = worker_node_new(sim, i);
    sim->client_count = (uint32_t)sim_between(sim, 1, SIM_CLIENTS_MAX);
    for (uint32_t i = 0; i < sim->client_count; i++)
        sim->clients[i] = client_node_new(sim, i);
    for (uint32_t i = 0; i < sim->client_count; i++)
        client_objects_new(sim->clients[i]);
    sim->look = (struct sim_event){ .fire = weather_look };
    sim_at(sim, &sim->look, sim->now_ms + SIM_LOOK_MS);
}

static void
sim_close(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->worker_count; i++)
        worker_node_free(sim->workers[i]);
    for (uint32_t i = 0; i <= sim->client_count; i++)
        client_node_free(sim->clients[i]);
    manager_node_free(sim->manager);
    net_free(sim->net);
    history_free(sim->history);
    heap_free(&sim->events);
}

/* The storm is over: everything is put right, an auditor comes, and all work
 * must end and be found as it was promised. */
static void
sim_heal(struct sim *sim)
{
    uint64_t last_step = sim->steps + SIM_STEPS_HEALED;

    sim_cancel(sim, &sim->look);
    sim->healed = true;
    sim->healed_ms = sim->now_ms;
    weather_heal(sim);
    sim->clients[sim->client_count] = client_auditor_new(sim);
    while (!client_audit_done(sim->clients[sim->client_count])) {
        if (sim->now_ms > sim->healed_ms + SIM_HEAL_MS || sim->steps > last_step) {
            history_unfinished(sim->history);
            sim_fail(sim, "work did not end within %u s after everything was put right",
                     SIM_HEAL_MS / 1000);
        }
        if (!sim_step(sim))
            sim_fail(sim, "nothing is planned any more, but work is left");
    }
    history_finish(sim->history);
}

void
sim_run(const struct sim_options *options)
{
    struct sim sim;

    sim_open(&sim, options);
    while (sim.steps < options->steps_max && sim_step(&sim))
        continue;
    sim_trace(&sim, "---- the storm is over");
    sim_heal(&sim);
    sim_trace(&sim, "---- all work ended, %llu steps", (unsigned long long)sim.steps);
    sim_close(&sim);
}
