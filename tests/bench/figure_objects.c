/* figure_objects.c - shared objects, one operation at a time: locks, dicts, values, queues
 *
 * Beside each: a raw CURVE round trip, and the same operation through the proxies of
 * Python's multiprocessing.managers, in the same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "python.h"
#include "raw.h"

enum {
    OBJECTS = 2000, OBJECTS_WARM = 100, OBJECTS_CALL_MS = 60000,
    OBJECTS_CLIENTS = 4,
    SESSIONS_MOST = 1000,
    QUEUED_SMALL = 1000, QUEUED_LARGE = 1000000, QUEUED_BATCH = 1000,
};

/* What a client works on. */
struct things {
    struct muster_lock  *lock;
    struct muster_dict  *dict;
    struct muster_value *value;
    struct muster_queue *queue;
};

static void
things_check(muster_err err, const struct muster_error *error)
{
    if (err)
        bench_die("objects: %s: %s", muster_err_name(err), error->detail);
}

static void
things_open(struct muster_session *session, bool transient, struct things *things)
{
    const char        *kind = transient ? "transient" : "durable";
    struct muster_open open = { .name = kind, .transient = transient };
    struct muster_error error = { 0 };
    char               names[4][32];
    static const char *const nouns[] = { "lock", "dict", "value", "queue" };

    for (int i = 0; i < 4; i++)
        snprintf(names[i], sizeof(names[i]), "%s-%s", kind, nouns[i]);
    open.name = names[0];
    things_check(muster_lock_open(session, &open, OBJECTS_CALL_MS, &things->lock, &error), &error);
    open.name = names[1];
    things_check(muster_dict_open(session, &open, OBJECTS_CALL_MS, &things->dict, &error), &error);
    open.name = names[2];
    things_check(muster_value_open(session, &open, MUSTER_INTEGER, NULL, 0, OBJECTS_CALL_MS,
                                   &things->value, &error), &error);
    open.name = names[3];
    things_check(muster_queue_open(session, &open, 0, OBJECTS_CALL_MS, &things->queue, &error),
                 &error);
}

static void
things_close(struct things *things)
{
    muster_lock_close(things->lock);
    muster_dict_close(things->dict);
    muster_value_close(things->value);
    muster_queue_close(things->queue);
}

/* ---- operations ---- */

static muster_err
do_lock(struct things *things, struct muster_error *error)
{
    muster_err err = muster_lock_acquire(things->lock, OBJECTS_CALL_MS, NULL, error);

    return err ? err : muster_lock_release(things->lock, OBJECTS_CALL_MS, error);
}

static muster_err
do_dict_set(struct things *things, struct muster_error *error)
{
    const struct muster_cell cell = { .data = "some value", .bytes = 10 };

    return muster_dict_set(things->dict, muster_key("key"), &cell, NULL, OBJECTS_CALL_MS, error);
}

static muster_err
do_dict_get(struct things *things, struct muster_error *error)
{
    struct muster_bytes value;
    muster_err err = muster_dict_get(things->dict, muster_key("key"), OBJECTS_CALL_MS, &value,
                                     error);

    if (!err)
        muster_bytes_free(&value);
    return err;
}

static muster_err
do_value_add(struct things *things, struct muster_error *error)
{
    return muster_value_add_integer(things->value, 1, OBJECTS_CALL_MS, NULL, error);
}

static muster_err
do_queue(struct things *things, struct muster_error *error)
{
    struct muster_item item;
    muster_err err = muster_queue_put(things->queue, "some item", 9, NULL, OBJECTS_CALL_MS, error);

    if (!err)
        err = muster_queue_get(things->queue, OBJECTS_CALL_MS, &item, error);
    if (!err)
        muster_item_free(&item);
    return err;
}

static const struct operation {
    const char *name;
    const char *python;            /* the name of the same in python.c */
    uint32_t    requests;          /* it takes: a ratio is told for each of them */
    muster_err (*run)(struct things *things, struct muster_error *error);
} operations[] = {
    { "lock acquire+release", "lock",     2, do_lock },
    { "dict set",             "dict_set", 1, do_dict_set },
    { "dict get",             "dict_get", 1, do_dict_get },
    { "value add",            "value",    1, do_value_add },
    { "queue put+get",        "queue",    2, do_queue },
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static void
operation_measure(struct things *things, const struct operation *operation, double *seconds,
                  uint32_t count)
{
    struct muster_error error = { 0 };

    for (uint32_t i = 0; i < OBJECTS_WARM + count; i++) {
        double began = bench_now();

        things_check(operation->run(things, &error), &error);
        if (i >= OBJECTS_WARM)
            seconds[i - OBJECTS_WARM] = (bench_now() - began) / operation->requests;
    }
}

/* ---- one client ---- */

static void
objects_one(const struct bench *bench, bool transient)
{
    uint32_t               count = bench_scaled(bench, OBJECTS);
    double                *seconds = malloc(count * sizeof(*seconds));
    struct samples         p50[OPERATIONS] = { 0 }, p99[OPERATIONS] = { 0 }, raw[2] = { 0 };
    struct muster_session *session;
    struct things          things;
    struct place           place;
    char                   setting[96];

    place_open(&place, bench);
    session = place_session(&place);
    things_open(session, transient, &things);
    for (uint32_t round = 0; round < bench->rounds; round++) {
        for (int i = 0; i < OPERATIONS; i++) {
            operation_measure(&things, &operations[i], seconds, count);
            samples_add(&p50[i], 1e6 * bench_quantile(seconds, count, 0.5));
            samples_add(&p99[i], 1e6 * bench_quantile(seconds, count, 0.99));
        }
        raw_round_trip(seconds, count);
        samples_add(&raw[0], 1e6 * bench_quantile(seconds, count, 0.5));
        samples_add(&raw[1], 1e6 * bench_quantile(seconds, count, 0.99));
    }
    for (int i = 0; i < OPERATIONS; i++) {
        snprintf(setting, sizeof(setting), "p50 of a request, %s, %s",
                 transient ? "transient" : "durable", operations[i].name);
        bench_print("objects", setting, "us", &p50[i], "raw CURVE round trip", &raw[0]);
        snprintf(setting, sizeof(setting), "p99 of a request, %s, %s",
                 transient ? "transient" : "durable", operations[i].name);
        bench_print("objects", setting, "us", &p99[i], "raw CURVE round trip", &raw[1]);
    }
    things_close(&things);
    muster_session_close(session);
    place_close(&place);
    free(seconds);
}

/* ---- beside Python's managers ---- */

struct crowd {
    const struct operation *operation;
    uint32_t                count;
};

static void
crowd_client(const struct place *place, void *context)
{
    const struct crowd    *crowd = context;
    struct muster_session *session = place_session(place);
    struct muster_error    error = { 0 };
    struct things          things;

    things_open(session, true, &things);
    for (uint32_t i = 0; i < crowd->count; i++)
        things_check(crowd->operation->run(&things, &error), &error);
    things_close(&things);
    muster_session_close(session);
}

/* Operations per second of so many client processes. */
static double
crowd_round(const struct place *place, const struct operation *operation, uint32_t clients,
            uint32_t count)
{
    struct crowd crowd = { operation, count };
    pid_t        pids[OBJECTS_CLIENTS];
    double       began = bench_now();

    for (uint32_t i = 0; i < clients; i++)
        pids[i] = place_child(crowd_client, place, &crowd);
    for (uint32_t i = 0; i < clients; i++)
        if (!place_wait(pids[i]))
            bench_die("a client failed");
    return clients * count / (bench_now() - began);
}

static void
objects_python(const struct bench *bench, uint32_t clients)
{
    uint32_t       count = bench_scaled(bench, OBJECTS);
    struct samples muster[OPERATIONS] = { 0 }, python[OPERATIONS] = { 0 }, raw = { 0 };
    struct muster_session *session;
    struct things  things;
    struct place   place;
    char           setting[96];

    place_open(&place, bench);
    session = place_session(&place);
    things_open(session, true, &things);     /* the key that dict get reads is there */
    things_check(do_dict_set(&things, NULL), &(struct muster_error){ 0 });
    for (uint32_t round = 0; round < bench->rounds; round++) {
        for (int i = 0; i < OPERATIONS; i++) {
            samples_add(&muster[i], crowd_round(&place, &operations[i], clients, count));
            samples_add(&python[i], python_managers(operations[i].python, clients, count));
        }
        samples_add(&raw, raw_crowd(clients, 1.0));
    }
    for (int i = 0; i < OPERATIONS; i++) {
        snprintf(setting, sizeof(setting), "%s, %u client%s, transient", operations[i].name,
                 clients, clients > 1 ? "s" : "");
        bench_print("objects", setting, "/s", &muster[i], "Python's managers", &python[i]);
    }
    snprintf(setting, sizeof(setting), "Python's dict get, %u client%s", clients,
             clients > 1 ? "s" : "");
    bench_print("objects", setting, "/s", &python[2], "raw CURVE round trips", &raw);
    things_close(&things);
    muster_session_close(session);
    place_close(&place);
}

void
figure_objects(const struct bench *bench)
{
    objects_one(bench, true);
    objects_one(bench, false);
    if (!python_installed()) {
        printf("objects    python3 is not installed: its managers were not measured\n");
        return;
    }
    objects_python(bench, 1);
    objects_python(bench, OBJECTS_CLIENTS);
}

/* ---- many sessions, many items ---- */

static void
scale_measure(struct muster_session *session, const char *setting, double *seconds, uint32_t count,
              struct samples *limit, const char *limit_name, struct samples *out)
{
    struct things things;

    things_open(session, true, &things);
    operation_measure(&things, &operations[OPERATIONS - 1], seconds, count);
    samples_add(out, 1e6 * bench_quantile(seconds, count, 0.5));
    bench_print("scale", setting, "us", out, limit_name, limit);
    things_close(&things);
}

static void
scale_sessions(const struct place *place, double *seconds, uint32_t count)
{
    static const uint32_t   steps[] = { 1, 100, SESSIONS_MOST };
    struct muster_session **sessions = calloc(SESSIONS_MOST, sizeof(struct muster_session *));
    struct samples          one = { 0 }, out = { 0 };
    uint32_t                open = 0;
    char                    setting[96];

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        while (open < steps[i])
            sessions[open++] = place_session(place);
        out = (struct samples){ 0 };
        snprintf(setting, sizeof(setting), "queue put+get, a request, %u sessions", steps[i]);
        scale_measure(sessions[0], setting, seconds, count, i > 0 ? &one : NULL, "one session",
                      i > 0 ? &out : &one);
    }
    while (open > 0)
        muster_session_close(sessions[--open]);
    free(sessions);
}

/* So many items more in another queue of the same manager. */
static void
scale_fill(struct muster_session *session, uint32_t items)
{
    const struct muster_open open = { .name = "backlog" };
    struct muster_item_in    batch[QUEUED_BATCH];
    struct muster_queue     *queue;
    struct muster_error      error = { 0 };

    for (int i = 0; i < QUEUED_BATCH; i++)
        batch[i] = (struct muster_item_in){ "some item that waits", 20 };
    things_check(muster_queue_open(session, &open, 0, OBJECTS_CALL_MS, &queue, &error), &error);
    for (uint32_t done = 0; done < items; done += QUEUED_BATCH)
        things_check(muster_queue_put_many(queue, batch, QUEUED_BATCH, NULL, OBJECTS_CALL_MS,
                                           &error), &error);
    muster_queue_close(queue);
}

/* Put and get at the ends of a queue that holds so many. */
static double
scale_deep(struct muster_session *session, double *seconds, uint32_t count)
{
    const struct muster_open open = { .name = "backlog" };
    struct things            things = { 0 };
    struct muster_error      error = { 0 };

    things_check(muster_queue_open(session, &open, 0, OBJECTS_CALL_MS, &things.queue, &error),
                 &error);
    operation_measure(&things, &operations[OPERATIONS - 1], seconds, count);
    muster_queue_close(things.queue);
    return 1e6 * bench_quantile(seconds, count, 0.5);
}

void
figure_scale(const struct bench *bench)
{
    uint32_t               count = bench_scaled(bench, OBJECTS);
    double                *seconds = malloc(count * sizeof(*seconds));
    struct samples         small = { 0 }, large = { 0 };
    struct muster_session *session;
    struct place           place;

    place_open(&place, bench);
    scale_sessions(&place, seconds, count);
    session = place_session(&place);
    scale_fill(session, QUEUED_SMALL);
    samples_add(&small, scale_deep(session, seconds, count));
    scale_fill(session, bench_scaled(bench, QUEUED_LARGE));
    samples_add(&large, scale_deep(session, seconds, count));
    bench_print("scale", "queue put+get, a request, durable, 1,000,000 items in it", "us", &large,
                "1,000 items", &small);
    muster_session_close(session);
    place_close(&place);
    free(seconds);
}
