/* figure_latency.c - one task at a time: from submit to its result */
#include <stdio.h>
#include <stdlib.h>

#include "raw.h"
#include "responder.h"

enum { LATENCY = 1000, LATENCY_WARM = 50 };

struct latency {
    const char    *name;
    double         share;
    struct samples muster, command, round_trip, sync;
};

static void
latency_measure(struct muster_session *session, double *seconds, uint32_t count)
{
    struct place_load load = { .count = 1 };

    for (uint32_t i = 0; i < LATENCY_WARM + count; i++) {
        double began = bench_now();

        place_follow(session, place_submit(session, &load), 1);
        if (i >= LATENCY_WARM)
            seconds[i - LATENCY_WARM] = bench_now() - began;
    }
}

/* With a responder, and with a worker that starts /bin/true. */
static void
latency_muster(const struct bench *bench, bool process, double *seconds, uint32_t count)
{
    struct muster_session *session;
    struct place           place;
    pid_t                  responder = 0;

    place_open(&place, bench);
    if (process)
        place_worker(&place, 2);
    else
        responder = place_child(responder_run, &place, NULL);
    session = place_session(&place);
    latency_measure(session, seconds, count);
    muster_session_close(session);
    if (responder > 0)
        place_kill(responder);
    place_close(&place);
}

void
figure_latency(const struct bench *bench)
{
    struct latency rows[] = { { .name = "p50", .share = 0.5 }, { .name = "p99", .share = 0.99 } };
    uint32_t       count = bench_scaled(bench, LATENCY);
    double        *seconds = malloc(count * sizeof(*seconds));
    char           setting[80];

    for (uint32_t i = 0; i < bench->rounds; i++) {
        latency_muster(bench, false, seconds, count);
        for (int r = 0; r < 2; r++)
            samples_add(&rows[r].muster, 1e6 * bench_quantile(seconds, count, rows[r].share));
        latency_muster(bench, true, seconds, count);
        for (int r = 0; r < 2; r++)
            samples_add(&rows[r].command, 1e6 * bench_quantile(seconds, count, rows[r].share));
        raw_round_trip(seconds, count);
        for (int r = 0; r < 2; r++)
            samples_add(&rows[r].round_trip, 1e6 * bench_quantile(seconds, count, rows[r].share));
        raw_sync(bench->dir, seconds, count);
        for (int r = 0; r < 2; r++)
            samples_add(&rows[r].sync, 1e6 * bench_quantile(seconds, count, rows[r].share));
    }
    for (int r = 0; r < 2; r++) {
        snprintf(setting, sizeof(setting), "%s of %u, submit to result, no process", rows[r].name,
                 count);
        bench_print("latency", setting, "us", &rows[r].muster, "raw CURVE round trip",
                    &rows[r].round_trip);
        bench_print("latency", setting, "us", &rows[r].muster, "one sync", &rows[r].sync);
        snprintf(setting, sizeof(setting), "%s of %u, submit to result of /bin/true", rows[r].name,
                 count);
        bench_print("latency", setting, "us", &rows[r].command, NULL, NULL);
    }
    free(seconds);
}
