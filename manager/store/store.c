/* store.c - the front of every backend: turns, the commit thread, the first error
 *
 * 1. `lock` guards the queue, the cache, the numbers and the failure; `disk`
 *    guards the backend.  Nobody holds both, so submitting never waits for the
 *    disk, and a read that misses the cache waits for one commit at most.
 * 2. A body is found from the moment store_submit returns: it is pinned in the
 *    cache until its turn is durable, then it is in the backend.
 * 3. A turn is acknowledged after its commit and before the backend tends its
 *    house, so that nobody waits for cleaning.
 * 4. The first error is the last: the thread ends, the numbers stand still.
 */
#include "backend.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"

enum {
    STORE_BATCH_TURNS_MAX = 256,
    STORE_BATCH_BYTES_MAX = 8 * 1024 * 1024,   /* keeps one transaction and its log short */
};

/* A turn that waits for the disk, with copies of all it refers to. */
struct store_node {
    struct store_node  *next;
    uint64_t            number;
    size_t              bytes;
    struct store_turn   turn;
    struct store_body  *bodies;     /* their bytes are those of `pins` */
    struct cache_body **pins;
    uint64_t           *pruned;
    struct store_object *objects;
    uint8_t             copy[];     /* facts, then objects */
};

struct store {
    struct backend     *backend;
    pthread_mutex_t     disk;

    pthread_mutex_t     lock;
    pthread_cond_t      wake;
    pthread_t           thread;
    bool                running;    /* the thread exists */
    bool                closing;
    struct store_node  *first;
    struct store_node **last;
    uint64_t            submitted;
    uint64_t            committed;
    struct muster_error failure;    /* code OK: none */
    struct cache        cache;
    struct map          pruned;     /* job -> number of the turn under way that prunes it */
    uint64_t            log_bytes;
    struct store_counters counters;

    int                 event_fd;
    atomic_bool         space_low;
};

/* ---- turns ---- */

static size_t
store_copy(struct store_node *node, size_t at, struct slice *bytes)
{
    if (bytes->bytes > 0)
        memcpy(node->copy + at, bytes->data, bytes->bytes);
    bytes->data = node->copy + at;
    return at + bytes->bytes;
}

/* Copy everything but the bodies, which go to the cache. */
static struct store_node *
store_node_new(const struct store_turn *turn, uint64_t number)
{
    size_t             copied = turn->facts.bytes;
    size_t             at = 0;
    struct store_node *node;

    for (uint32_t i = 0; i < turn->object_count; i++)
        copied += turn->objects[i].bytes.bytes;
    node = base_alloc(sizeof(*node) + copied + 1);
    node->number = number;
    node->bytes = copied;
    node->turn = *turn;
    at = store_copy(node, at, &node->turn.facts);

    node->objects = base_array((size_t)turn->object_count + 1, sizeof(*node->objects));
    for (uint32_t i = 0; i < turn->object_count; i++) {
        node->objects[i] = turn->objects[i];
        if (turn->objects[i].bytes.data != NULL)
            at = store_copy(node, at, &node->objects[i].bytes);
    }
    node->pruned = base_array((size_t)turn->pruned_count + 1, sizeof(*node->pruned));
    for (uint32_t i = 0; i < turn->pruned_count; i++)
        node->pruned[i] = turn->pruned_jobs[i];
    node->bodies = base_array((size_t)turn->body_count + 1, sizeof(*node->bodies));
    node->pins = base_array((size_t)turn->body_count + 1, sizeof(struct cache_body *));
    node->turn.objects = node->objects;
    node->turn.pruned_jobs = node->pruned;
    node->turn.bodies = node->bodies;
    return node;
}

static void
store_node_pin(struct store *store, struct store_node *node, const struct store_body *bodies)
{
    for (uint32_t i = 0; i < node->turn.body_count; i++) {
        struct cache_body *body = cache_add(&store->cache, bodies[i].job, bodies[i].number,
                                            bodies[i].bytes, true);

        node->pins[i] = body;
        node->bodies[i] = (struct store_body){ body->job, body->number,
                                               slice_of(body->data, body->bytes) };
        node->bytes += body->bytes;
    }
    for (uint32_t i = 0; i < node->turn.pruned_count; i++) {
        cache_prune(&store->cache, node->pruned[i]);
        map_put(&store->pruned, node->pruned[i], (void *)(uintptr_t)node->number);
    }
}

/* The turn is durable or given up: its bodies need no pin any more. */
static void
store_node_free(struct store *store, struct store_node *node)
{
    for (uint32_t i = 0; i < node->turn.body_count; i++)
        cache_unpin(&store->cache, node->pins[i]);
    for (uint32_t i = 0; i < node->turn.pruned_count; i++)
        if (map_get(&store->pruned, node->pruned[i]) == (void *)(uintptr_t)node->number)
            (void)map_remove(&store->pruned, node->pruned[i]);
    free(node->objects);
    free(node->pruned);
    free(node->bodies);
    free(node->pins);
    free(node);
}

static void
store_free_nodes(struct store *store, struct store_node *node)
{
    while (node != NULL) {
        struct store_node *next = node->next;

        store_node_free(store, node);
        node = next;
    }
}

/* ---- state, with the lock held ---- */

static void
store_notify(struct store *store)
{
    uint64_t one = 1;

    /* Only a full counter can fail, and then the descriptor is readable anyway. */
    if (write(store->event_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        assert(errno == EAGAIN);
}

static void
store_fail(struct store *store, const struct muster_error *error)
{
    if (store->failure.code)
        return;
    assert(error->code != MUSTER_OK);
    store->failure = *error;
    store_notify(store);
    pthread_cond_broadcast(&store->wake);
}

static muster_err
store_failed(const struct store *store, struct muster_error *error)
{
    if (error != NULL && store->failure.code)
        *error = store->failure;
    return store->failure.code;
}

static void
store_count_turn(struct store *store, const struct store_turn *turn)
{
    store->counters.turns++;
    store->counters.facts_bytes += turn->facts.bytes;
    store->counters.checkpoints += turn->checkpoint;
    for (uint32_t i = 0; i < turn->body_count; i++)
        store->counters.body_bytes += turn->bodies[i].bytes.bytes;
}

/* ---- the commit thread ---- */

/* All that wait, up to a bound.  The lock is held. */
static struct store_node *
store_take_batch(struct store *store)
{
    struct store_node  *batch = store->first;
    struct store_node **end = &store->first;
    size_t              bytes = 0;
    uint32_t            turns = 0;

    while (*end != NULL && turns < STORE_BATCH_TURNS_MAX &&
           (turns == 0 || bytes + (*end)->bytes <= STORE_BATCH_BYTES_MAX)) {
        bytes += (*end)->bytes;
        turns++;
        end = &(*end)->next;
    }
    store->first = *end;
    if (store->first == NULL)
        store->last = &store->first;
    *end = NULL;
    return batch;
}

static muster_err
store_commit_batch(struct store *store, const struct store_node *batch,
                   struct muster_error *error)
{
    const struct backend_rules *rules = store->backend->rules;
    muster_err                  err;

    pthread_mutex_lock(&store->disk);
    err = rules->begin(store->backend, error);
    for (const struct store_node *node = batch; node != NULL && !err; node = node->next)
        err = rules->write(store->backend, node->number, &node->turn, error);
    if (!err)
        err = rules->commit(store->backend, error);
    pthread_mutex_unlock(&store->disk);
    return err;
}

/* Entered and left with the lock held. */
static void
store_commit(struct store *store)
{
    struct muster_error error = { 0 };
    struct store_node  *batch = store_take_batch(store);

    pthread_mutex_unlock(&store->lock);
    (void)store_commit_batch(store, batch, &error);
    pthread_mutex_lock(&store->lock);

    if (error.code) {
        store_fail(store, &error);
    } else {
        store->counters.commits++;
        for (const struct store_node *node = batch; node != NULL; node = node->next) {
            store_count_turn(store, &node->turn);
            store->committed = node->number;
        }
        store_notify(store);
    }
    store_free_nodes(store, batch);
}

/* One slice of the backend's housework.  Entered and left with the lock held. */
static bool
store_tend(struct store *store)
{
    const struct backend_rules *rules = store->backend->rules;
    struct muster_error         error = { 0 };
    bool                        more = false, low = false;

    pthread_mutex_unlock(&store->lock);
    pthread_mutex_lock(&store->disk);
    if (!rules->tend(store->backend, &more, &error))
        (void)rules->space_low(store->backend, &low, &error);
    pthread_mutex_unlock(&store->disk);
    atomic_store(&store->space_low, low);
    pthread_mutex_lock(&store->lock);

    if (error.code)
        store_fail(store, &error);
    return more;
}

/* Wait for a turn, for the end, or a second: then look after the space. */
static void
store_wait(struct store *store)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    (void)pthread_cond_timedwait(&store->wake, &store->lock, &until);
}

static void *
store_main(void *argument)
{
    struct store *store = argument;
    bool          more = false;

    pthread_mutex_lock(&store->lock);
    while (!store->failure.code && (store->first != NULL || !store->closing)) {
        if (store->first != NULL)
            store_commit(store);
        else if (!more)
            store_wait(store);
        if (!store->failure.code)
            more = store_tend(store);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* ---- opening and closing ---- */

static muster_err
store_start_thread(struct store *store, struct muster_error *error)
{
    sigset_t all, before;
    int      failed;

    /* Signals belong to the caller's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    failed = pthread_create(&store->thread, NULL, store_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        errno = failed;
        return error_errno(error, MUSTER_ERR_IO, "start the store's thread");
    }
    store->running = true;
    return MUSTER_OK;
}

muster_err
store_front_open(struct backend *backend, const struct store_config *config, uint64_t turn,
                 struct store **store_out, struct muster_error *error)
{
    struct store      *store = base_alloc(sizeof(*store));
    pthread_condattr_t monotonic;
    bool               low = false;
    muster_err         err = MUSTER_OK;

    store->backend = backend;
    store->submitted = turn;
    store->committed = turn;
    store->last = &store->first;
    cache_init(&store->cache, config->cache_bytes);
    pthread_mutex_init(&store->disk, NULL);
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);

    store->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (store->event_fd < 0)
        err = error_errno(error, MUSTER_ERR_IO, "make an eventfd for the store");
    if (!err && backend->rules->durable) {
        err = backend->rules->space_low(backend, &low, error);
        atomic_store(&store->space_low, low);
    }
    if (!err && backend->rules->durable)
        err = store_start_thread(store, error);
    if (err) {
        (void)store_close(store, NULL);
        return err;
    }
    *store_out = store;
    return MUSTER_OK;
}

muster_err
store_close(struct store *store, struct muster_error *error)
{
    struct muster_error closing = { 0 };

    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_broadcast(&store->wake);
    pthread_mutex_unlock(&store->lock);
    if (store->running)
        pthread_join(store->thread, NULL);

    (void)store->backend->rules->close(store->backend, store->failure.code != MUSTER_OK,
                                       &closing);
    if (!store->failure.code)
        store->failure = closing;
    closing = store->failure;
    if (error != NULL && closing.code)
        *error = closing;

    store_free_nodes(store, store->first);
    cache_free(&store->cache);
    map_free(&store->pruned);
    if (store->event_fd >= 0)
        close(store->event_fd);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->disk);
    free(store);
    return closing.code;
}

/* ---- the calls of the loop ---- */

struct store_replay {
    struct store  *store;
    store_turn_fn *each;
    void          *context;
};

static muster_err
store_replay_turn(void *context, uint64_t turn, struct slice facts)
{
    struct store_replay *replay = context;

    replay->store->log_bytes += facts.bytes;
    return replay->each(replay->context, turn, facts);
}

muster_err
store_load(struct store *store, store_object_fn *each, void *context, struct muster_error *error)
{
    muster_err err;

    pthread_mutex_lock(&store->disk);
    err = store->backend->rules->load(store->backend, each, context, error);
    pthread_mutex_unlock(&store->disk);
    return err;
}

muster_err
store_replay(struct store *store, store_turn_fn *each, void *context, struct muster_error *error)
{
    struct store_replay replay = { store, each, context };
    muster_err          err;

    store->log_bytes = 0;
    pthread_mutex_lock(&store->disk);
    err = store->backend->rules->replay(store->backend, store_replay_turn, &replay, error);
    pthread_mutex_unlock(&store->disk);
    return err;
}

/* A backend without durability has nothing to wait for. */
static void
store_submit_now(struct store *store, const struct store_turn *turn)
{
    struct muster_error error = { 0 };

    (void)store->backend->rules->write(store->backend, store->submitted, turn, &error);
    if (error.code) {
        store_fail(store, &error);
        return;
    }
    store->committed = store->submitted;
    store->counters.commits++;
    store_count_turn(store, turn);
    store_notify(store);
}

static void
store_submit_later(struct store *store, const struct store_turn *turn)
{
    struct store_node *node = store_node_new(turn, store->submitted);

    store_node_pin(store, node, turn->bodies);
    *store->last = node;
    store->last = &node->next;
    store->log_bytes = turn->checkpoint ? 0 : store->log_bytes + turn->facts.bytes;
    pthread_cond_signal(&store->wake);
}

uint64_t
store_submit(struct store *store, const struct store_turn *turn)
{
    uint64_t number;

    pthread_mutex_lock(&store->lock);
    number = ++store->submitted;
    if (!store->failure.code) {
        if (store->backend->rules->durable)
            store_submit_later(store, turn);
        else
            store_submit_now(store, turn);
    }
    pthread_mutex_unlock(&store->lock);
    return number;
}

int
store_fd(struct store *store)
{
    return store->event_fd;
}

muster_err
store_committed(struct store *store, uint64_t *turn_out, struct muster_error *error)
{
    uint64_t   ignored;
    muster_err err;

    pthread_mutex_lock(&store->lock);
    err = store_failed(store, error);
    if (!err) {
        /* Empty is fine; a failed store stays readable. */
        if (read(store->event_fd, &ignored, sizeof(ignored)) < 0)
            assert(errno == EAGAIN);
        *turn_out = store->committed;
    }
    pthread_mutex_unlock(&store->lock);
    return err;
}

/* From the backend, and into the cache for the next time. */
static muster_err
store_read_backend(struct store *store, uint64_t job, uint64_t number, struct buffer *out,
                   struct muster_error *error)
{
    struct muster_error reason = { 0 };
    size_t              before = out->bytes;
    muster_err          err;

    pthread_mutex_lock(&store->disk);
    err = store->backend->rules->read(store->backend, job, number, out, &reason);
    pthread_mutex_unlock(&store->disk);

    pthread_mutex_lock(&store->lock);
    if (!err && store->backend->rules->durable)
        (void)cache_add(&store->cache, job, number,
                        slice_of(out->data != NULL ? out->data + before : NULL,
                                 out->bytes - before), false);
    if (err && err != MUSTER_ERR_NOT_FOUND)
        store_fail(store, &reason);
    pthread_mutex_unlock(&store->lock);
    if (err && error != NULL)
        *error = reason;
    return err;
}

muster_err
store_read(struct store *store, uint64_t job, uint64_t number, struct buffer *out,
           struct muster_error *error)
{
    const struct cache_body *body;
    muster_err               err;
    bool                     pruned;

    pthread_mutex_lock(&store->lock);
    err = store_failed(store, error);
    store->counters.reads++;
    body = cache_get(&store->cache, job, number);
    pruned = map_get(&store->pruned, job) != NULL;
    if (!err && body != NULL) {
        store->counters.read_hits++;
        buffer_append(out, body->data, body->bytes);
    }
    pthread_mutex_unlock(&store->lock);

    if (err || body != NULL)
        return err;
    if (pruned)
        return error_set(error, MUSTER_ERR_NOT_FOUND, "the bodies of job %llu were dropped",
                         (unsigned long long)job);
    return store_read_backend(store, job, number, out, error);
}

bool
store_space_low(const struct store *store)
{
    return atomic_load(&store->space_low);
}

uint64_t
store_log_bytes(const struct store *store)
{
    return store->log_bytes;
}

void
store_count(struct store *store, struct store_counters *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->counters;
    out->log_bytes = store->log_bytes;
    out->cached_bytes = store->cache.bytes;
    out->space_low = atomic_load(&store->space_low);
    pthread_mutex_unlock(&store->lock);
}
