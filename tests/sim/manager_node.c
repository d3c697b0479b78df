/* manager_node.c - see manager_node.h */
#include "manager_node.h"

#include <stdlib.h>

#include "admit.h"
#include "answer.h"
#include "core.h"
#include "disk.h"
#include "history.h"
#include "mailbag.h"
#include "manager_notes.h"
#include "network.h"
#include "objects_notes.h"

enum {
    MANAGER_LOST_SYNC_MS = 2000,       /* of the disk that is not asked to sync */
    MANAGER_STALL_MS     = 900,        /* a turn so late is not held against sessions */
};

struct manager_turn {
    struct effects fx;
    struct notes   notes;
    uint64_t       at_ms;              /* its end, in the world's time */
    uint64_t       running;            /* tasks leased then */
};

struct manager_node {
    struct sim          *sim;
    struct store        *disk;
    struct core         *core;         /* NULL: the process is down */
    struct admit        *admit;
    struct answer       *answer;
    struct outbox        outbox;
    struct manager_turn  turns[2];
    struct manager_turn *gathering;
    struct manager_turn *committing;   /* NULL: none */
    uint64_t             turn;         /* its number */
    uint64_t             digest;       /* at the end of the last turn */
    struct noted         noted;        /* of `gathering` */
    uint32_t             steps;
    uint64_t             boot_ms;      /* the world's time when its clock showed 0 */
    uint64_t             turn_ms;      /* of the last turn */
    uint64_t             wake_ms;      /* when the core wanted its next turn; 0: never */
    uint64_t             frozen_until_ms;
    bool                 space_low;
    struct sim_event     round;
    struct sim_event     commit;
    struct sim_event     start;
    struct sim_event     sync;         /* of the disk that is not asked to sync */
};

/* ---- notes for the checker ---- */

static void
manager_note(struct manager_node *node, struct note note)
{
    note.at_ms = node->sim->now_ms;
    note.turn_ms = node->turn_ms;
    history_note(&node->gathering->notes, &note);
}

static void
manager_note_effects(struct manager_node *node)
{
    const struct effects *fx = &node->gathering->fx;

    objects_note_effects(&node->noted, &node->gathering->notes, fx, node->sim->now_ms);
    for (; node->noted.leases < fx->lease_count; node->noted.leases++) {
        const struct effect_lease *lease = &fx->leases[node->noted.leases];

        manager_note(node, (struct note){ .type = NOTE_LEASED, .job = lease->job,
                                          .session = lease->session,
                                          .token = { lease->job, lease->index, lease->attempt,
                                                     lease->epoch } });
        sim_trace(node->sim, "manager leases %llu.%u attempt %u to session %llu",
                  (unsigned long long)lease->job, lease->index, lease->attempt,
                  (unsigned long long)lease->session);
    }
    for (; node->noted.keys < fx->key_count; node->noted.keys++) {
        const struct effect_key *key = &fx->keys[node->noted.keys];

        manager_note(node, (struct note){ .type = NOTE_KEY, .valid = key->valid,
                                          .number = notes_key_number(slice_of(key->key,
                                                                     sizeof(key->key))) });
    }
    for (; node->noted.pruned < fx->pruned_count; node->noted.pruned++)
        manager_note(node, (struct note){ .type = NOTE_PRUNED,
                                          .job = fx->pruned[node->noted.pruned] });
}

/* ---- one message, one frame ---- */

static uint64_t
manager_clock_ms(const struct manager_node *node)
{
    return node->sim->now_ms - node->boot_ms;
}

static uint64_t
manager_unix_ms(const struct manager_node *node)
{
    return 1700000000000u + node->sim->now_ms;
}

static void
manager_step(struct manager_node *node, uint64_t peer, const struct wire_message *message)
{
    struct effects   *fx = &node->gathering->fx;
    struct sim       *sim = node->sim;
    uint32_t          first = fx->send_count;
    struct admit_from who;
    struct core_from  from;
    union wire_any    m, answer;
    uint16_t          type;
    bool              answered;
    struct note       stamp = { .at_ms = sim->now_ms, .turn_ms = node->turn_ms };
    muster_err        err = admit_check(node->admit, manager_clock_ms(node), peer, message->type,
                                        MESSAGE_HEADER_BYTES + message->body.bytes, &who, NULL);

    if (err) {
        effects_error(fx, admit_peer_session(node->admit, peer), message->request, err,
                      "not admitted");
        return;
    }
    if (wire_decode_any(message->type, message->body, &m) != MUSTER_OK)
        sim_fail(sim, "message 0x%02x from a correct peer cannot be decoded", message->type);
    stamp.session = who.session;
    from = (struct core_from){ who.session, who.role, who.user, who.address, { NULL, 0 } };
    if (from.role == ROLE_WORKER && from.session != 0)
        manager_note(node, (struct note){ .type = NOTE_HEARD, .session = from.session });
    core_step(node->core, manager_clock_ms(node), &from, message->request, message->type, &m, fx);
    core_check(node->core);
    if (message->type == MSG_TYPE_HELLO && fx->opened != 0) {
        uint64_t before = admit_bind(node->admit, peer, fx->opened);

        manager_note(node, (struct note){ .type = NOTE_HEARD, .session = fx->opened });
        manager_note(node, (struct note){ .type = NOTE_BACK, .session = fx->opened });
        if (before != 0)
            net_manager_cut(sim->net, before);
    }
    objects_note_ended(&node->noted, &node->gathering->notes, fx, sim->now_ms);
    answered = notes_answer(fx, first, from.session, message->request, &type, &answer);
    /* What was refused on the spot was never taken in. */
    if (!(answered && type == MSG_TYPE_ERROR))
        objects_note_asked(&node->gathering->notes, from.session, message, sim->now_ms);
    if (answered) {
        sim_trace(sim, "manager: %s from session %llu (%.*s): %s", wire_rule(message->type)->name,
                  (unsigned long long)from.session, (int)from.user.bytes,
                  (const char *)from.user.data,
                  type == MSG_TYPE_ERROR ? muster_err_name(error_from_number(answer.error.code))
                                         : wire_rule(type)->name);
        notes_of_answer(&node->gathering->notes, &stamp, sim->history, message->type, &m, type,
                        &answer);
    }
    manager_note_effects(node);
}

static bool
manager_peer_open(struct manager_node *node, uint64_t peer)
{
    const struct net_side *side = net_peer_side(node->sim->net, peer);
    struct admit_who       who;

    if (admit_peer_known(node->admit, peer))
        return true;
    if (side == NULL)
        return false;
    who = (struct admit_who){ .role = side->role, .user = side->user, .fingerprint = side->user,
                              .address = "sim" };
    return admit_peer_open(node->admit, peer, &who, NULL) == MUSTER_OK;
}

static void
manager_plan_round(struct manager_node *node, uint64_t at_ms)
{
    if (node->round.node.place == 0 || node->round.node.key > at_ms)
        sim_at(node->sim, &node->round, at_ms);
}

void
manager_frame(struct manager_node *node, uint64_t peer, struct slice bytes)
{
    struct effects     *fx = &node->gathering->fx;
    uint32_t            first = fx->send_count;
    struct wire_frame   frame;
    struct wire_message message;

    if (node->core == NULL || !manager_peer_open(node, peer))
        return;
    if (wire_frame_open(bytes, &frame) != MUSTER_OK)
        sim_fail(node->sim, "a frame from a correct peer cannot be opened");
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        manager_step(node, peer, &message);
        node->steps++;
    }
    for (uint32_t i = first; i < fx->send_count; i++)
        if (fx->sends[i].session == 0)
            fx->sends[i].peer = peer;
    manager_plan_round(node, node->sim->now_ms);
}

void
manager_peer_gone(struct manager_node *node, uint64_t peer)
{
    uint64_t session;

    if (node->core == NULL)
        return;
    if (admit_peer_gone(node->admit, peer, &session) && session != 0) {
        core_away(node->core, manager_clock_ms(node), session);
        manager_note(node, (struct note){ .type = NOTE_AWAY, .session = session });
    }
    manager_plan_round(node, node->sim->now_ms);
}

/* ---- turns ---- */

static void
manager_deliver(struct manager_node *node, struct manager_turn *turn)
{
    muster_err err;

    history_apply(node->sim->history, &turn->notes);
    if (turn->at_ms != 0)
        history_check_terms(node->sim->history, turn->at_ms, turn->running);
    turn->at_ms = 0;
    err = answer_deliver(node->answer, &turn->fx, NULL);
    if (err)
        sim_fail(node->sim, "the answers of a turn cannot be made: %s", muster_err_name(err));
    for (uint32_t i = 0; i < turn->fx.ended_count; i++)
        (void)admit_session_ended(node->admit, turn->fx.ended[i]);
    mailbag_empty(&node->outbox, true);
    effects_clear(&turn->fx);
}

static bool
manager_durable(const struct effects *fx)
{
    return fx->facts.bytes > 0 || fx->body_count > 0 || fx->pruned_count > 0;
}

static void
manager_submit(struct manager_node *node, bool checkpoint)
{
    struct sim          *sim = node->sim;
    struct manager_turn *turn = node->gathering;
    uint64_t             ms = sim_random(sim, sim_chance(sim, 20) ? sim->weather.disk_ms_max : 4);

    node->turn = disk_submit(node->disk, &turn->fx, node->core, node->digest, checkpoint);
    node->committing = turn;
    node->gathering = turn == &node->turns[0] ? &node->turns[1] : &node->turns[0];
    node->noted = (struct noted){ 0 };
#ifdef PLANT_EARLY_ANSWER
    /* Answers leave before the commit; what is left of the turn is only a wait. */
    manager_deliver(node, turn);
#endif
    sim_at(sim, &node->commit, sim->now_ms + ms);
}

/* End the gathering turn.  `done` is the one before it, durable by now and not
 * yet answered, if there is one: its answers leave first. */
static void
manager_end_turn(struct manager_node *node, struct manager_turn *done)
{
    struct effects      *fx = &node->gathering->fx;
    struct core_counters counters;
    bool                 checkpoint = sim_chance(node->sim, node->sim->weather.checkpoints);
    uint64_t             before = node->digest;

    assert(node->committing == NULL);
    core_space(node->core, node->space_low);
    if (node->wake_ms != 0 && manager_clock_ms(node) > node->wake_ms + MANAGER_STALL_MS)
        history_fresh_terms(node->sim->history);
    core_turn(node->core, manager_clock_ms(node), manager_unix_ms(node), fx);
    core_check(node->core);
    manager_note_effects(node);
    node->wake_ms = core_wake_ms(node->core);
    if (node->wake_ms > UINT64_MAX - MANAGER_STALL_MS)
        node->wake_ms = 0;
    core_count(node->core, &counters);
    node->gathering->running = counters.tasks_running;
    node->gathering->at_ms = node->sim->now_ms;
    node->turn_ms = node->sim->now_ms;
    node->steps = 0;
    node->digest = core_digest(node->core);
    if (manager_durable(fx) || checkpoint) {
        manager_submit(node, checkpoint);
        if (done != NULL)
            manager_deliver(node, done);
        return;
    }
    if (node->digest != before)
        sim_fail(node->sim, "a turn without facts changed what a restart would find");
    if (done != NULL)
        manager_deliver(node, done);
    manager_deliver(node, node->gathering);
    node->noted = (struct noted){ 0 };
}

static void
manager_plan_wake(struct manager_node *node)
{
    uint64_t wake_ms = core_wake_ms(node->core);

    if (node->committing == NULL && wake_ms != UINT64_MAX)
        manager_plan_round(node, wake_ms + node->boot_ms);
}

static void
fire_round(struct sim_event *event)
{
    struct manager_node *node = CONTAINER(event, struct manager_node, round);

    if (node->frozen_until_ms > node->sim->now_ms) {
        sim_at(node->sim, event, node->frozen_until_ms);
        return;
    }
    if (node->committing != NULL)
        return;                        /* the commit goes on from here */
    manager_end_turn(node, NULL);
    manager_plan_wake(node);
}

/* The disk says that the turn is durable. */
static void
fire_commit(struct sim_event *event)
{
    struct manager_node *node = CONTAINER(event, struct manager_node, commit);
    struct manager_turn *done = node->committing;

    if (node->frozen_until_ms > node->sim->now_ms) {
        sim_at(node->sim, event, node->frozen_until_ms);
        return;
    }
#ifdef PLANT_NO_SYNC
    /* It says so, but nothing was synced: that happens some time. */
    if (node->sync.node.place == 0)
        sim_at(node->sim, &node->sync, node->sim->now_ms + MANAGER_LOST_SYNC_MS);
#else
    disk_commit(node->disk, node->turn);
#endif
    node->committing = NULL;
    if (node->steps > 0)
        manager_end_turn(node, done);
    else
        manager_deliver(node, done);
    manager_plan_round(node, node->sim->now_ms);
}

static void
fire_sync(struct sim_event *event)
{
    struct manager_node *node = CONTAINER(event, struct manager_node, sync);

    disk_commit(node->disk, disk_turn(node->disk));
}

/* ---- start and end ---- */

static void
fire_start(struct sim_event *event)
{
    struct manager_node      *node = CONTAINER(event, struct manager_node, start);
    struct sim               *sim = node->sim;
    const struct core_config  config = { .beat_ms = BEAT_MS,
                                         .lease_ms = LEASE_MS,
                                         .session_ms = SESSION_MS,
                                         .history_jobs = sim->weather.history_jobs,
                                         .jobs_per_user_max = 1000,
                                         .sessions_max = 1000,
                                         .polls_per_session_max = 100,
                                         .objects_max = 10000,
                                         .object_bytes_max = 64u * MIB,
                                         .waits_per_session_max = 10000,
                                         .answers_kept_max = ANSWERS_KEPT_MAX,
                                         .seed = { sim->now_ms, ~sim->now_ms },
                                         .software = "sim" };
    const struct admit_config admit = { .peers_max = 100000 };

    /* Half of the time its machine was started anew, and with it its clock. */
    if (sim_chance(sim, 500) || node->boot_ms == 0)
        node->boot_ms = sim->now_ms - sim_random(sim, sim->now_ms);
    node->core = core_new(&config);
    disk_recover(node->disk, node->core);
    node->admit = admit_new(&admit);
    node->answer = answer_new(node->disk, node->admit, &node->outbox);
    node->gathering = &node->turns[0];
    core_start(node->core, manager_clock_ms(node), manager_unix_ms(node), &node->gathering->fx);
    core_check(node->core);
    history_restarted(sim->history);
    sim_trace(sim, "manager starts, epoch %llu", (unsigned long long)core_epoch(node->core));
    manager_end_turn(node, NULL);
    manager_plan_wake(node);
}

static void
manager_end(struct manager_node *node)
{
    answer_free(node->answer);
    admit_free(node->admit);
    core_free(node->core);
    node->answer = NULL;
    node->admit = NULL;
    node->core = NULL;
    node->committing = NULL;
    for (int i = 0; i < 2; i++) {
        effects_clear(&node->turns[i].fx);
        history_notes_drop(&node->turns[i].notes);
        node->turns[i].at_ms = 0;
    }
    node->noted = (struct noted){ 0 };
    node->steps = 0;
    node->wake_ms = 0;
    node->frozen_until_ms = 0;
    mailbag_empty(&node->outbox, false);
    sim_cancel(node->sim, &node->round);
    sim_cancel(node->sim, &node->commit);
    sim_cancel(node->sim, &node->sync);
    net_manager_gone(node->sim->net);
}

void
manager_crash(struct manager_node *node, uint64_t down_ms)
{
    if (node->core == NULL)
        return;
    sim_trace(node->sim, "manager crashes%s", node->committing != NULL ? " while committing" : "");
#ifndef PLANT_NO_SYNC
    /* The turn under way may just have reached the disk.  Its answers never
     * left, but what it decided is what the restart finds. */
    if (node->committing != NULL && sim_chance(node->sim, 500)) {
        disk_commit(node->disk, node->turn);
        history_apply(node->sim->history, &node->committing->notes);
    }
#endif
    disk_crash(node->disk);
    manager_end(node);
    sim_at(node->sim, &node->start, node->sim->now_ms + down_ms);
}

void
manager_stop(struct manager_node *node, uint64_t down_ms)
{
    if (node->core == NULL || node->frozen_until_ms > node->sim->now_ms)
        return;
    sim_trace(node->sim, "manager stops");
    if (node->committing != NULL) {
        disk_commit(node->disk, node->turn);
        manager_deliver(node, node->committing);
        node->committing = NULL;
    }
    core_turn(node->core, manager_clock_ms(node), manager_unix_ms(node), &node->gathering->fx);
    manager_note_effects(node);
    node->digest = core_digest(node->core);
    manager_submit(node, true);
    disk_commit(node->disk, node->turn);
    manager_deliver(node, node->committing);
    manager_end(node);
    sim_at(node->sim, &node->start, node->sim->now_ms + down_ms);
}

struct manager_node *
manager_node_new(struct sim *sim)
{
    struct manager_node *node = base_alloc(sizeof(*node));

    node->sim = sim;
    node->disk = disk_new(sim);
    node->outbox.sim = sim;
    node->gathering = &node->turns[0];
    node->round.fire = fire_round;
    node->commit.fire = fire_commit;
    node->start.fire = fire_start;
    node->sync.fire = fire_sync;
    sim_at(sim, &node->start, sim->now_ms);
    return node;
}

void
manager_node_free(struct manager_node *node)
{
    manager_end(node);
    for (int i = 0; i < 2; i++) {
        effects_free(&node->turns[i].fx);
        history_notes_free(&node->turns[i].notes);
    }
    map_free(&node->outbox.peers);
    sim_cancel(node->sim, &node->start);
    disk_free(node->disk);
    free(node);
}

/* ---- the weather ---- */

bool
manager_up(const struct manager_node *node)
{
    return node->core != NULL;
}

uint64_t
manager_frozen_until_ms(const struct manager_node *node)
{
    return node->frozen_until_ms;
}

void
manager_freeze(struct manager_node *node, uint64_t ms)
{
    sim_trace(node->sim, "manager is frozen for %llu ms", (unsigned long long)ms);
    node->frozen_until_ms = node->sim->now_ms + ms;
}

void
manager_space(struct manager_node *node, bool low)
{
    node->space_low = low;
}

void
manager_slow(struct manager_node *node, uint64_t peer, bool slow)
{
    uint64_t session = node->core != NULL ? admit_peer_session(node->admit, peer) : 0;

    if (session == 0)
        return;
    core_slow(node->core, session, slow);
    manager_note(node, (struct note){ .type = NOTE_SLOW, .session = session, .all = slow });
}

void
manager_expel(struct manager_node *node, uint64_t peer)
{
    uint64_t session = node->core != NULL ? admit_peer_session(node->admit, peer) : 0;

    if (session == 0)
        return;
    core_expel(node->core, manager_clock_ms(node), session, MUSTER_ERR_AUTH,
               &node->gathering->fx);
    net_manager_cut(node->sim->net, peer);
    manager_plan_round(node, node->sim->now_ms);
}

void
manager_heal(struct manager_node *node)
{
    node->frozen_until_ms = 0;
    node->space_low = false;
    if (node->core == NULL)
        sim_at(node->sim, &node->start, node->sim->now_ms);
    else
        manager_plan_round(node, node->sim->now_ms);
}
