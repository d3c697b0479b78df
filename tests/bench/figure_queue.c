/* figure_queue.c - items through a queue: put, reserve, acknowledge, all without waiting
 *
 * Four client processes; each puts its share into one queue and works off as much,
 * with asynchronous calls that the library batches.
 */
#include <pthread.h>
#include <stdio.h>

#include "place.h"
#include "raw.h"

enum {
    QUEUE_ITEMS = 400000, QUEUE_CLIENTS = 4, QUEUE_FLYING = 4096, QUEUE_CALL_MS = 60000,
    QUEUE_ITEM_BYTES = 64, QUEUE_BATCH = 100,
};

struct worker {
    struct muster_queue *queue;
    uint32_t             count;
    pthread_mutex_t      lock;
    pthread_cond_t       change;
    uint32_t             put, reserved, acked;     /* that came back */
    uint32_t             flying;                   /* puts on their way */
};

static void
worker_check(const struct muster_error *error)
{
    if (error->code != MUSTER_OK)
        bench_die("queue: %s: %s", muster_err_name(error->code), error->detail);
}

static void
worker_count(struct worker *worker, uint32_t *what)
{
    pthread_mutex_lock(&worker->lock);
    ++*what;
    pthread_cond_signal(&worker->change);
    pthread_mutex_unlock(&worker->lock);
}

static void
on_acked(void *context, const struct muster_error *error)
{
    struct worker *worker = context;

    worker_check(error);
    worker_count(worker, &worker->acked);
}

static void on_reserved(void *context, const struct muster_error *error,
                        const struct muster_item *item);

static void
worker_reserve(struct worker *worker)
{
    struct muster_error error = { 0 };

    if (muster_queue_reserve_async(worker->queue, 0, QUEUE_CALL_MS, on_reserved, worker, &error))
        worker_check(&error);
}

static void
on_reserved(void *context, const struct muster_error *error, const struct muster_item *item)
{
    struct worker      *worker = context;
    struct muster_error failed = { 0 };
    uint32_t            reserved;

    worker_check(error);
    if (item->bytes != QUEUE_ITEM_BYTES)
        bench_die("an item of %zu bytes", item->bytes);
    if (muster_queue_ack_async(worker->queue, item->id, on_acked, worker, &failed))
        worker_check(&failed);
    pthread_mutex_lock(&worker->lock);
    reserved = ++worker->reserved;
    pthread_mutex_unlock(&worker->lock);
    if (reserved + QUEUE_FLYING <= worker->count)
        worker_reserve(worker);
}

static void
on_put(void *context, const struct muster_error *error)
{
    struct worker *worker = context;

    worker_check(error);
    pthread_mutex_lock(&worker->lock);
    worker->put++;
    worker->flying--;
    pthread_cond_signal(&worker->change);
    pthread_mutex_unlock(&worker->lock);
}

static void
worker_put(struct worker *worker)
{
    static const char   item[QUEUE_ITEM_BYTES];
    struct muster_error error = { 0 };

    pthread_mutex_lock(&worker->lock);
    while (worker->flying >= QUEUE_FLYING)
        pthread_cond_wait(&worker->change, &worker->lock);
    worker->flying++;
    pthread_mutex_unlock(&worker->lock);
    if (muster_queue_put_async(worker->queue, item, sizeof(item), NULL, QUEUE_CALL_MS, on_put,
                               worker, &error))
        worker_check(&error);
}

struct load {
    uint32_t count;
    bool     transient;
};

static void
client_run(const struct place *place, void *context)
{
    const struct load     *load = context;
    const struct muster_open open = { .name = load->transient ? "transient" : "durable",
                                      .transient = load->transient };
    struct muster_session *session = place_session(place);
    struct muster_error    error = { 0 };
    struct worker          worker = { .count = load->count, .lock = PTHREAD_MUTEX_INITIALIZER,
                                      .change = PTHREAD_COND_INITIALIZER };

    if (muster_queue_open(session, &open, 0, QUEUE_CALL_MS, &worker.queue, &error))
        worker_check(&error);
    for (uint32_t i = 0; i < QUEUE_FLYING && i < load->count; i++)
        worker_reserve(&worker);
    for (uint32_t i = 0; i < load->count; i++)
        worker_put(&worker);
    pthread_mutex_lock(&worker.lock);
    while (worker.acked < load->count || worker.put < load->count)
        pthread_cond_wait(&worker.change, &worker.lock);
    pthread_mutex_unlock(&worker.lock);
    muster_queue_close(worker.queue);
    muster_session_close(session);
}

static double
queue_round(const struct place *place, struct load *load)
{
    pid_t  clients[QUEUE_CLIENTS];
    double began = bench_now();

    for (int i = 0; i < QUEUE_CLIENTS; i++)
        clients[i] = place_child(client_run, place, load);
    for (int i = 0; i < QUEUE_CLIENTS; i++)
        if (!place_wait(clients[i]))
            bench_die("a client failed");
    return load->count * QUEUE_CLIENTS / (bench_now() - began);
}

void
figure_queue(const struct bench *bench)
{
    uint32_t       count = bench_scaled(bench, QUEUE_ITEMS);
    struct samples rates[2] = { 0 }, relay = { 0 };
    struct place   place;
    char           setting[96];

    place_open(&place, bench);
    for (uint32_t round = 0; round < bench->rounds; round++) {
        for (int transient = 0; transient < 2; transient++) {
            struct load load = { count / QUEUE_CLIENTS, transient != 0 };

            samples_add(&rates[transient], queue_round(&place, &load));
        }
        samples_add(&relay, raw_relay(QUEUE_BATCH, 1.0));
    }
    for (int transient = 0; transient < 2; transient++) {
        snprintf(setting, sizeof(setting), "%u items put, reserved, acknowledged, %d clients, %s",
                 count, QUEUE_CLIENTS, transient ? "transient" : "durable");
        bench_print("queue", setting, "/s", &rates[transient], "raw CURVE relay, frames of 100",
                    &relay);
    }
    place_close(&place);
}
