/* figure_functions.c - calls of a function that does nothing, durable, two slots */
#include <stdio.h>
#include <stdlib.h>

#include "place.h"
#include "raw.h"

enum { CALLS = 300000, CALL_ROUNDS = 1000, CALL_WARM = 50, CALLS_MS = 120000, CALL_SLOTS = 2 };

struct source {
    uint32_t at, count;
};

static muster_err
source_next(void *context, const void **data_out, size_t *bytes_out)
{
    struct source *source = context;

    if (source->at == source->count)
        return MUSTER_ERR_CLOSED;
    source->at++;
    *data_out = "argument";
    *bytes_out = 8;
    return MUSTER_OK;
}

static struct muster_pool *
calls_pool(struct muster_session *session)
{
    const struct muster_pool_options options = { .cpus_milli = 1000 };
    struct muster_pool              *pool = NULL;
    struct muster_error              error = { 0 };

    if (muster_pool_open(session, &options, &pool, &error))
        bench_die("pool: %s", error.detail);
    return pool;
}

static double
calls_round(struct muster_session *session, uint32_t count)
{
    struct muster_pool *pool = calls_pool(session);
    struct source       source = { .count = count };
    struct muster_imap *imap = NULL;
    struct muster_error error = { 0 };
    uint32_t            ended = 0;
    double              began = bench_now(), seconds;
    muster_err          err = muster_pool_imap(pool, "nothing", false, source_next, &source,
                                               CALLS_MS, &imap, &error);

    while (!err) {
        struct muster_imap_result result;

        err = muster_imap_next(imap, CALLS_MS, &result, &error);
        ended += err == MUSTER_OK;
    }
    seconds = bench_now() - began;
    if (err != MUSTER_ERR_CLOSED || ended != count)
        bench_die("imap: %u of %u, %s: %s", ended, count, muster_err_name(err), error.detail);
    muster_imap_close(imap);
    muster_pool_free(pool);
    return count / seconds;
}

static void
call_measure(struct muster_session *session, double *seconds, uint32_t count)
{
    struct muster_pool *pool = calls_pool(session);

    for (uint32_t i = 0; i < CALL_WARM + count; i++) {
        struct muster_error error = { 0 };
        struct muster_bytes result;
        double              began = bench_now();

        if (muster_pool_apply(pool, "nothing", "argument", 8, CALLS_MS, &result, &error))
            bench_die("apply: %s", error.detail);
        if (i >= CALL_WARM)
            seconds[i - CALL_WARM] = bench_now() - began;
        muster_bytes_free(&result);
    }
    muster_pool_free(pool);
}

void
figure_functions(const struct bench *bench)
{
    uint32_t               count = bench_scaled(bench, CALLS);
    uint32_t               calls = bench_scaled(bench, CALL_ROUNDS);
    double                *seconds = malloc(calls * sizeof(*seconds));
    struct samples         rates = { 0 }, relay = { 0 }, p50 = { 0 }, p99 = { 0 }, raw = { 0 };
    struct muster_session *session;
    struct place           place;
    char                   setting[80];

    place_open(&place, bench);
    place_worker_with(&place, CALL_SLOTS, BENCH_MODULE);
    session = place_session(&place);
    for (uint32_t round = 0; round < bench->rounds; round++) {
        samples_add(&rates, calls_round(session, count));
        samples_add(&relay, raw_relay(100, 1.0));
        call_measure(session, seconds, calls);
        samples_add(&p50, 1e6 * bench_quantile(seconds, calls, 0.5));
        samples_add(&p99, 1e6 * bench_quantile(seconds, calls, 0.99));
        raw_round_trip(seconds, calls);
        samples_add(&raw, 1e6 * bench_quantile(seconds, calls, 0.5));
    }
    snprintf(setting, sizeof(setting), "%u calls, %d slots, durable", count, CALL_SLOTS);
    bench_print("functions", setting, "/s", &rates, "raw CURVE relay, frames of 100", &relay);
    bench_print("functions", "one call, p50", "us", &p50, "raw CURVE round trip", &raw);
    bench_print("functions", "one call, p99", "us", &p99, NULL, NULL);
    muster_session_close(session);
    place_close(&place);
    free(seconds);
}
