/* figure_cycles.c - life cycles of tasks without processes
 *
 * A responder answers every lease at once; each client submits its tasks and
 * reads all results.  Encrypted, durable, on one machine: manager, responder
 * and clients share its cores.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "raw.h"
#include "responder.h"

enum {
    CYCLES         = 400000,
    CYCLES_CLIENTS = 4,
    CYCLES_BATCH   = 100,

    BACKLOG_MEASURED = 200000,
    BACKLOG_SMALL    = 1000,
    BACKLOG_LARGE    = 1000000,
    BACKLOG_JOBS     = 100,
    BACKLOG_CHAINS   = 4,
};

static void
cycles_client(const struct place *place, void *context)
{
    const struct place_load *load = context;
    struct muster_session   *session = place_session(place);

    place_follow(session, place_submit(session, load), load->count);
    muster_session_close(session);
}

static double
cycles_round(const struct place *place, uint32_t count, bool items)
{
    struct place_load load = { .count = count / CYCLES_CLIENTS, .items = items };
    pid_t             clients[CYCLES_CLIENTS];
    double            began = bench_now();

    for (int i = 0; i < CYCLES_CLIENTS; i++)
        clients[i] = place_child(cycles_client, place, &load);
    for (int i = 0; i < CYCLES_CLIENTS; i++)
        if (!place_wait(clients[i]))
            bench_die("a client failed");
    return load.count * CYCLES_CLIENTS / (bench_now() - began);
}

static void
cycles_kind(const struct bench *bench, bool items, struct samples *relay)
{
    uint32_t       count = bench_scaled(bench, CYCLES);
    struct samples samples = { 0 };
    struct place   place;
    char           setting[80];
    pid_t          responder;

    place_open(&place, bench);
    responder = place_child(responder_run, &place, NULL);
    for (uint32_t i = 0; i < bench->rounds; i++) {
        samples_add(&samples, cycles_round(&place, count, items));
        samples_add(relay, raw_relay(CYCLES_BATCH, 1.0));
    }
    place_kill(responder);
    place_close(&place);
    snprintf(setting, sizeof(setting), "%u tasks, %s, %d clients, no processes", count,
             items ? "distinct inputs" : "arrays", CYCLES_CLIENTS);
    bench_print("cycles", setting, "/s", &samples, "raw CURVE relay, frames of 100", relay);
}

void
figure_cycles(const struct bench *bench)
{
    struct samples relay[2] = { 0 };

    cycles_kind(bench, false, &relay[0]);
    cycles_kind(bench, true, &relay[1]);
}

/* ---- the rate with many tasks queued ---- */

static uint64_t
backlog_finished(struct muster_session *session)
{
    struct muster_status status;
    struct muster_error  error = { 0 };
    uint64_t             finished = 0;

    if (muster_session_status(session, 10000, &status, &error))
        bench_die("status: %s", error.detail);
    for (size_t i = 0; i < status.counter_count; i++)
        if (strcmp(status.counters[i].name, "tasks.finished") == 0)
            finished = status.counters[i].value;
    muster_status_free(&status);
    return finished;
}

/* All of `queued` in jobs that can all run. */
static void
backlog_submit_all(struct muster_session *session, uint32_t queued)
{
    struct place_load load = { .count = queued / BACKLOG_JOBS, .items = true };

    for (int i = 0; i < BACKLOG_JOBS; i++)
        (void)place_submit(session, &load);
}

/* `count` tasks of which so many can run at a time: chains of small jobs, each
 * job after the one before it. */
static void
backlog_submit_chains(struct muster_session *session, uint32_t count, uint32_t runnable)
{
    struct place_load load = { .count = runnable / BACKLOG_CHAINS, .items = true };
    uint64_t          last[BACKLOG_CHAINS] = { 0 };

    for (uint32_t done = 0; done < count; done += runnable)
        for (int i = 0; i < BACKLOG_CHAINS; i++) {
            load.after = last[i];
            last[i] = place_submit(session, &load);
        }
}

/* Queue first, then let a worker come and see how long the first `measured` take. */
static double
backlog_round(const struct bench *bench, uint32_t queued, uint32_t measured, bool chained)
{
    struct muster_session *session;
    struct place           place;
    uint64_t               finished;
    pid_t                  responder;
    double                 began = 0, rate;

    place_open(&place, bench);
    session = place_session(&place);
    if (chained)
        backlog_submit_chains(session, measured, queued);
    else
        backlog_submit_all(session, queued);
    responder = place_child(responder_run, &place, NULL);
    while ((finished = backlog_finished(session)) < measured) {
        if (finished == 0)
            began = bench_now();               /* connecting does not count */
        (void)poll(NULL, 0, 2);
    }
    rate = (double)finished / (bench_now() - began);
    place_kill(responder);
    muster_session_close(session);
    place_close(&place);
    return rate;
}

void
figure_backlog(const struct bench *bench)
{
    uint32_t       queued = bench_scaled(bench, BACKLOG_LARGE);
    uint32_t       measured = bench_scaled(bench, BACKLOG_MEASURED);
    struct samples small = { 0 }, large = { 0 };
    char           setting[80];

    for (uint32_t i = 0; i < bench->rounds; i++) {
        samples_add(&small, backlog_round(bench, BACKLOG_SMALL, measured, true));
        samples_add(&large, backlog_round(bench, queued, measured, false));
    }
    snprintf(setting, sizeof(setting), "first %u of %u queued, distinct inputs", measured, queued);
    bench_print("backlog", setting, "/s", &large, "never more than 1000 that can run", &small);
}
