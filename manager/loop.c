/* loop.c - see loop.h */
#include "loop_parts.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* ---- one turn ---- */

struct loop_objects {
    struct buffer        bytes;
    struct store_object *items;     /* .bytes.data is an offset until all are there */
    uint32_t             count, capacity;
};

static void
loop_object(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct loop_objects *objects = context;
    struct store_object *object;

    base_grow((void **)&objects->items, &objects->capacity, objects->count + 1,
              sizeof(*objects->items));
    object = &objects->items[objects->count++];
    *object = (struct store_object){ kind, id, { NULL, bytes.bytes } };
    if (bytes.data == NULL)
        return;
    /* One byte more than nothing, so that offset 0 differs from NULL. */
    object->bytes.data = (const void *)(uintptr_t)(objects->bytes.bytes + 1);
    buffer_append_slice(&objects->bytes, bytes);
}

static void
loop_objects_point(struct loop_objects *objects)
{
    for (uint32_t i = 0; i < objects->count; i++) {
        struct slice *bytes = &objects->items[i].bytes;

        if (bytes->data != NULL)
            bytes->data = objects->bytes.data + ((uintptr_t)bytes->data - 1);
    }
}

static uint64_t
loop_submit(struct loop *loop, const struct effects *fx, bool checkpoint)
{
    struct loop_objects objects = { 0 };
    struct store_body  *bodies = base_array(fx->body_count + 1, sizeof(*bodies));
    struct store_turn   turn = { .facts = buffer_slice(&fx->facts),
                                 .bodies = bodies,
                                 .body_count = fx->body_count,
                                 .pruned_jobs = fx->pruned,
                                 .pruned_count = fx->pruned_count,
                                 .checkpoint = checkpoint };
    uint64_t            number;

    for (uint32_t i = 0; i < fx->body_count; i++) {
        const struct effect_body *body = &fx->bodies[i];

        bodies[i] = (struct store_body){ body->job, body->number,
                                         { fx->arena.data + body->offset, body->bytes } };
    }
    if (checkpoint) {
        core_checkpoint(loop->core, loop_object, &objects);
        loop_objects_point(&objects);
        turn.objects = objects.items;
        turn.object_count = objects.count;
    }
    number = store_submit(loop->store, &turn);
    free(bodies);
    free(objects.items);
    buffer_free(&objects.bytes);
    return number;
}

/* Keys of tasks are good before their workers hear so, and no more when their
 * sessions hear that they have ended. */
static void
loop_lend(struct loop *loop, const struct effects *fx)
{
    for (uint32_t i = 0; i < fx->key_count; i++) {
        const struct effect_key *it = &fx->keys[i];

        if (it->valid)
            link_server_lend(loop->link, it->key, it->user, it->address);
        else
            link_server_unlend(loop->link, it->key);
    }
}

/* A turn that is durable: answer, then make its effects free for the next. */
static muster_err
loop_deliver(struct loop *loop, struct effects *fx, struct muster_error *error)
{
    muster_err err;

    loop_lend(loop, fx);
    err = answer_deliver(loop->answer, fx, error);
    for (uint32_t i = 0; i < fx->ended_count; i++)
        (void)admit_session_ended(loop->admit, fx->ended[i]);
    loop->backlog = outbox_flush(loop->outbox);
    if (fx->key_count > 0)
        link_server_cut_unlent(loop->link);
    loop->delivered = true;
    effects_clear(fx);
    return err;
}

/* What was logged since the last turn, by whatever thread. */
static void
loop_take_logs(struct loop *loop)
{
    struct log_tail_line line;

    static_assert((int)LOG_TAIL_TEXT_BYTES_MAX <= (int)TEXT_BYTES_MAX, "a line fits an item");
    if (log_tail_last(loop->tail) == loop->tail_seen)
        return;
    while (log_tail_next(loop->tail, loop->tail_seen, &line)) {
        core_log(loop->core, line.unix_ms, (uint8_t)line.level, line.text);
        loop->tail_seen = line.number;
    }
    log_tail_drop(loop->tail, loop->tail_seen);
}

static bool
loop_durable(const struct effects *fx)
{
    return fx->facts.bytes > 0 || fx->body_count > 0 || fx->pruned_count > 0;
}

/* End the gathering turn and hand it to the store; with nothing to store it is
 * delivered at once.  `done` is the turn before it, durable and not yet
 * delivered, or NULL: it is answered first, but after the disk has got its work.
 * Only called while no turn is being committed. */
static muster_err
loop_turn(struct loop *loop, struct effects *done, struct muster_error *error)
{
    struct effects *fx = loop->gathering;
    bool            checkpoint = store_log_bytes(loop->store) > loop->config->log_bytes_max ||
                                 core_changed(loop->core) > LOOP_CHECKPOINT_MAX;
    bool            durable;
    muster_err      err = MUSTER_OK;

    assert(loop->committing == NULL);
    core_space(loop->core, store_space_low(loop->store));
    loop_take_logs(loop);
    core_turn(loop->core, clock_now_ms(), clock_unix_ms(), fx);
    loop->steps = 0;
    loop->turn_work = core_work(loop->core);
    durable = loop_durable(fx) || checkpoint;
    if (durable) {
        loop->turn = loop_submit(loop, fx, checkpoint);
        loop->committing = fx;
        loop->gathering = fx == &loop->effects[0] ? &loop->effects[1] : &loop->effects[0];
    }
    if (done != NULL)
        err = loop_deliver(loop, done, error);
    if (!err && !durable && !effects_empty(fx))
        err = loop_deliver(loop, fx, error);
    return err;
}

static muster_err
loop_commit(struct loop *loop, struct muster_error *error)
{
    struct effects *done = loop->committing;
    uint64_t        committed = 0;
    muster_err      err = store_committed(loop->store, &committed, error);

    if (err || done == NULL || committed < loop->turn)
        return err;
    loop->committing = NULL;
    return loop_turn(loop, done, error);
}

/* ---- signals, waiting ---- */

/* Drop what a key that is gone, or has another role or name now, still does. */
static void
loop_recheck_keys(struct loop *loop)
{
    uint64_t          now_ms = clock_now_ms();
    struct link_peer *peer;
    size_t            cursor = 0;

    while ((peer = map_next(&loop->peers, &cursor, NULL)) != NULL) {
        const struct auth_entry *entry = link_server_entry(loop->link, peer->key,
                                                             NULL);
        struct admit_from        from;

        if (!admit_peer_who(loop->admit, peer->peer, &from))
            continue;
        if (entry != NULL && (enum wire_role)entry->role == from.role &&
            slice_equals_text(from.user, entry->name))
            continue;
        log_info("key of %.*s at %s is no longer authorized: its session ends",
                 (int)from.user.bytes, (const char *)from.user.data, peer->address);
        loop_cut(loop, now_ms, peer->peer, MUSTER_ERR_AUTH);
    }
}

static void
loop_reload_keys(struct loop *loop)
{
    struct muster_error error = { 0 };
    struct auth_table  *table = NULL;
    char                path[4096];

    (void)snprintf(path, sizeof(path), "%s/authorized_keys", loop->config->dir);
    if (auth_table_load(path, &table, &error)) {
        log_error("authorized_keys stays as it was: %s", error.detail);
        return;
    }
    log_info("authorized_keys reloaded: %u keys", (unsigned)auth_table_count(table));
    link_server_set_keys(loop->link, table);
    loop_recheck_keys(loop);
}

static void
loop_signals(struct loop *loop)
{
    struct signalfd_siginfo info;

    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            loop_reload_keys(loop);
        else {
            log_info("stopping: signal %u from pid %u", info.ssi_signo, info.ssi_pid);
            loop->stopping = true;
        }
    }
}

static void
loop_lifeline(struct loop *loop)
{
    char    byte;
    ssize_t got = read(loop->config->lifeline_fd, &byte, 1);

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        loop->stopping = true;
}

static int
loop_timeout_ms(const struct loop *loop)
{
    uint64_t now_ms = clock_now_ms();
    uint64_t wake_ms = core_wake_ms(loop->core);

    if (loop->eased)
        return 0;
    if (loop->backlog && wake_ms > now_ms + OUTBOX_RETRY_MS)
        wake_ms = now_ms + OUTBOX_RETRY_MS;
    if (wake_ms <= now_ms)
        return loop->committing == NULL ? 0 : -1;     /* the commit wakes us */
    return wake_ms - now_ms > 60000 ? 60000 : (int)(wake_ms - now_ms);
}

static void
loop_wait(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[8];
    int                count;

    (void)link_server_fd(loop->link);       /* before every wait; see there */
    count = epoll_wait(loop->epoll_fd, events, 8, timeout_ms);
    for (int i = 0; i < count; i++) {
        switch ((enum loop_source)events[i].data.u32) {
        case LOOP_SIGNAL:
            loop_signals(loop);
            break;
        case LOOP_LIFELINE:
            loop_lifeline(loop);
            break;
        case LOOP_LINK:
        case LOOP_STORE:
            break;              /* looked at in every round */
        }
    }
}

/* Wait until the turn under way is durable and answered; the one that was
 * gathering meanwhile may be under way then. */
static muster_err
loop_await(struct loop *loop, struct muster_error *error)
{
    uint64_t   turn = loop->turn;
    muster_err err = loop_commit(loop, error);

    while (!err && loop->committing != NULL && loop->turn == turn) {
        loop_wait(loop, -1);
        err = loop_commit(loop, error);
    }
    return err;
}

/* Stop was asked for: commit what was gathered, answer it, leave a checkpoint
 * so that the next start is quick. */
static muster_err
loop_finish(struct loop *loop, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && loop->committing != NULL)
        err = loop_await(loop, error);
    if (err)
        return err;
    loop->turn = loop_submit(loop, loop->gathering, true);
    loop->committing = loop->gathering;
    loop->gathering = &loop->effects[loop->gathering == &loop->effects[0]];
    while (!err && loop->committing != NULL)
        err = loop_await(loop, error);
    return err;
}

muster_err
loop_run(struct loop *loop, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && !loop->stopping) {
        loop->delivered = false;
        loop->eased = false;
        loop_gone(loop);
        loop_receive(loop);
        if (loop->committing != NULL)
            err = loop_commit(loop, error);
        if (!err && loop->committing == NULL)
            err = loop_turn(loop, NULL, error);
        if (!err && loop->committing != NULL)
            err = loop_commit(loop, error);     /* memory: durable at once */
        if (!err && loop->backlog && !loop->delivered)
            loop->backlog = outbox_flush(loop->outbox);
        if (core_stopping(loop->core) && loop->committing == NULL)
            loop->stopping = true;
        if (!err && !loop->stopping)
            loop_wait(loop, loop_timeout_ms(loop));
    }
    return err ? err : loop_finish(loop, error);
}
