/* figure_cycles.c - life cycles of tasks without processes
 *
 * A responder answers every lease at once; each client submits its tasks and
 * reads all results.  Encrypted, durable, on one machine: manager, responder
 * and clients share its cores.
 */
#include <stdio.h>
#include <string.h>

#include "raw.h"
#include "responder.h"

enum {
    CYCLES         = 400000,
    CYCLES_CLIENTS = 4,
    CYCLES_BATCH   = 100,
    BACKLOG_FRONT  = 200000,
    BACKLOG_SMALL  = 1000,
    BACKLOG_LARGE  = 1000000,
    BACKLOG_JOBS   = 100,
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

/* Queue `queued` distinct tasks behind the array that is measured, all before a
 * worker is there, so that they are waiting all the while. */
static double
backlog_round(const struct bench *bench, uint32_t queued)
{
    struct place_load      behind = { .count = queued / BACKLOG_JOBS, .items = true,
                                      .priority = -100 };
    struct place_load      front = { .count = bench_scaled(bench, BACKLOG_FRONT) };
    struct muster_session *session;
    struct place           place;
    pid_t                  responder;
    uint64_t               job;
    double                 began, rate;

    place_open(&place, bench);
    session = place_session(&place);
    for (int i = 0; i < BACKLOG_JOBS && behind.count > 0; i++)
        (void)place_submit(session, &behind);
    job = place_submit(session, &front);
    responder = place_child(responder_run, &place, NULL);
    began = bench_now();
    place_follow(session, job, front.count);
    rate = front.count / (bench_now() - began);
    place_kill(responder);
    muster_session_close(session);
    place_close(&place);
    return rate;
}

void
figure_backlog(const struct bench *bench)
{
    uint32_t       large_count = bench_scaled(bench, BACKLOG_LARGE);
    struct samples small = { 0 }, large = { 0 };
    char           setting[80];

    for (uint32_t i = 0; i < bench->rounds; i++) {
        samples_add(&small, backlog_round(bench, BACKLOG_SMALL));
        samples_add(&large, backlog_round(bench, large_count));
    }
    snprintf(setting, sizeof(setting), "array of %u before %u distinct tasks",
             bench_scaled(bench, BACKLOG_FRONT), large_count);
    bench_print("backlog", setting, "/s", &large, "the same before 1000", &small);
}
