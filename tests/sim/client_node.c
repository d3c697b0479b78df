/* client_node.c - see client_node.h: the session */
#include "client_node.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CLIENT_AGAIN_MS   = 500,
    CLIENT_WAIT_MS_AT = MESSAGE_HEADER_BYTES + 8 + 1,  /* in OBJECT_DO: behind object and verb */
};

static uint64_t
client_clock_ms(const struct client_node *node)
{
    return node->sim->now_ms - node->boot_ms;
}

/* ---- sending ---- */

static void
client_send_frame(void *context, struct slice frame)
{
    struct client_node *node = context;

    net_send(&node->side, frame);
}

static void
client_say(struct client_node *node, uint16_t type, uint64_t request, const union wire_any *m)
{
    buffer_clear(&node->message);
    wire_put_any(&node->message, type, request, m);
    net_pack(&node->packer, buffer_slice(&node->message), client_send_frame, node);
}

static void
client_plan_tick(struct client_node *node)
{
    uint64_t wake_ms = machine_wake_ms(&node->machine);
    uint64_t now_ms = client_clock_ms(node);

    if (node->machine.state == MACHINE_READY)
        for (struct list *at = node->requests.next; at != &node->requests; at = at->next) {
            struct client_request *request = CONTAINER(at, struct client_request, link);

            if (!request->sent && request->not_before_ms < wake_ms)
                wake_ms = request->not_before_ms > now_ms ? request->not_before_ms : now_ms + 1;
        }
    if (wake_ms == UINT64_MAX)
        sim_cancel(node->sim, &node->tick);
    else
        sim_at(node->sim, &node->tick, wake_ms + node->boot_ms);
}

/* A wait that is asked for again waits for what is left of it. */
static void
client_wait_left(struct client_request *request, uint64_t now_ms)
{
    if (request->wait_until_ms == 0)
        return;
    write_u32_at(&request->message, CLIENT_WAIT_MS_AT,
                 request->wait_until_ms > now_ms ? (uint32_t)(request->wait_until_ms - now_ms) : 0);
}

/* Send what may go now; sometimes twice, as a client does that lost patience. */
static void
client_flush(struct client_node *node)
{
    uint64_t now_ms = client_clock_ms(node);

    if (node->machine.state != MACHINE_READY)
        return;
    for (struct list *at = node->requests.next; at != &node->requests; at = at->next) {
        struct client_request *request = CONTAINER(at, struct client_request, link);

        if (request->sent || request->not_before_ms > now_ms)
            continue;
        request->sent = true;
        client_wait_left(request, now_ms);
        net_pack(&node->packer, buffer_slice(&request->message), client_send_frame, node);
        if (!node->sim->healed && sim_chance(node->sim, node->sim->weather.doubles))
            net_pack(&node->packer, buffer_slice(&request->message), client_send_frame, node);
    }
}

/* What the machine wants done. */
static void
client_do(struct client_node *node, uint32_t bits)
{
    union wire_any m;

    if (bits & MACHINE_GIVE_UP)
        sim_fail(node->sim, "%s gives up: %s", node->name, node->machine.error.detail);
    if (bits & MACHINE_RECONNECT)
        net_reconnect(&node->side);
    if (bits & MACHINE_SAY_HELLO) {
        machine_hello(&node->machine, &m.hello);
        node->hello_request = ++node->request_last;
        client_say(node, MSG_TYPE_HELLO, node->hello_request, &m);
    }
    if (bits & MACHINE_SAY_BEAT) {
        m.beat = (struct msg_beat){ .sent_ms = client_clock_ms(node) };
        client_say(node, MSG_TYPE_BEAT, ++node->request_last, &m);
    }
    if (node->machine.session != node->bound_session)
        client_objects_lost(node);
    if (bits & MACHINE_SEND)
        client_objects_resumed(node);
    if (bits & MACHINE_SEND)
        for (struct list *at = node->requests.next; at != &node->requests; at = at->next)
            CONTAINER(at, struct client_request, link)->sent = false;
    client_flush(node);
    net_pack_end(&node->packer, client_send_frame, node);
    client_plan_tick(node);
}

void
client_tell(struct client_node *node, uint16_t type, const union wire_any *m)
{
    assert(node->machine.state == MACHINE_READY);
    client_say(node, type, ++node->request_last, m);
    net_pack_end(&node->packer, client_send_frame, node);
}

static struct client_request *
request_new(struct client_node *node, uint16_t type, const union wire_any *m,
            client_answer_fn *answer, void *context)
{
    struct client_request *request = base_alloc(sizeof(*request));

    request->node = node;
    request->id = ++node->request_last;
    request->answer = answer;
    request->context = context;
    wire_put_any(&request->message, type, request->id, m);
    list_append(&node->requests, &request->link);
    return request;
}

void
client_ask(struct client_node *node, uint16_t type, const union wire_any *m,
           uint64_t not_before_ms, client_answer_fn *answer, void *context)
{
    struct client_request *request = request_new(node, type, m, answer, context);

    request->not_before_ms = not_before_ms > node->boot_ms ? not_before_ms - node->boot_ms : 0;
    client_plan_tick(node);
}

struct client_request *
client_ask_bound(struct client_node *node, uint16_t type, const union wire_any *m,
                 client_answer_fn *answer, void *context)
{
    struct client_request *request = request_new(node, type, m, answer, context);

    assert(node->machine.session != 0 && node->machine.session == node->bound_session);
    request->bound = true;
    if (type == MSG_TYPE_OBJECT_DO && m->object_do.wait_ms > 0)
        request->wait_until_ms = client_clock_ms(node) + m->object_do.wait_ms;
    if (type == MSG_TYPE_OBJECT_CANCEL)
        request->gives_up = m->object_cancel.request;
    client_plan_tick(node);
    return request;
}

static void
request_free(struct client_request *request)
{
    list_remove(&request->link);
    buffer_free(&request->message);
    free(request);
}

void
client_forget(struct client_request *request)
{
    request_free(request);
}

/* ---- answers ---- */

static bool
client_asks_again(const struct client_request *request, muster_err err)
{
    return err == MUSTER_ERR_BUSY || (err == MUSTER_ERR_FULL && !request->bound) ||
           err == MUSTER_ERR_NO_SPACE;
}

static uint32_t
client_answer(struct client_node *node, uint64_t id, uint16_t type, const union wire_any *m)
{
    for (struct list *at = node->requests.next; at != &node->requests; at = at->next) {
        struct client_request *request = CONTAINER(at, struct client_request, link);

        if (request->id != id)
            continue;
        if (type == MSG_TYPE_ERROR &&
            client_asks_again(request, error_from_number(m->error.code))) {
            request->sent = false;
            request->not_before_ms = client_clock_ms(node) + CLIENT_AGAIN_MS;
            return 0;
        }
        request->answer(request, type, m);
        request_free(request);
        return 0;
    }
    return 0;                          /* the second answer to what was sent twice */
}

static uint32_t
client_message(struct client_node *node, uint64_t id, uint16_t type, const union wire_any *m)
{
    uint64_t now_ms = client_clock_ms(node);

    if (type == MSG_TYPE_WELCOME && id == node->hello_request)
        return machine_on_welcome(&node->machine, now_ms, &m->welcome);
    if (type == MSG_TYPE_ERROR && id == node->hello_request)
        return machine_on_refusal(&node->machine, now_ms, &m->error);
    if (type == MSG_TYPE_ERROR && m->error.code == MUSTER_ERR_SESSION)
        return machine_on_session_lost(&node->machine, now_ms);
    return client_answer(node, id, type, m);
}

static void
client_frame(struct net_side *side, struct slice bytes)
{
    struct client_node *node = CONTAINER(side, struct client_node, side);
    struct wire_frame   frame;
    struct wire_message message;
    union wire_any      m;
    uint32_t            bits = 0;

    machine_on_heard(&node->machine, client_clock_ms(node));
    if (wire_frame_open(bytes, &frame) != MUSTER_OK)
        sim_fail(node->sim, "%s cannot open a frame of the manager", node->name);
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        if (wire_decode_any(message.type, message.body, &m) != MUSTER_OK)
            sim_fail(node->sim, "%s cannot decode message 0x%02x", node->name, message.type);
        bits |= client_message(node, message.request, message.type, &m);
    }
    client_do(node, bits);
}

static void
client_up(struct net_side *side)
{
    struct client_node *node = CONTAINER(side, struct client_node, side);

    client_do(node, machine_on_link(&node->machine, client_clock_ms(node), MACHINE_LINK_UP,
                                    side->connections, ""));
}

static void
client_down(struct net_side *side)
{
    struct client_node *node = CONTAINER(side, struct client_node, side);

    client_do(node, machine_on_link(&node->machine, client_clock_ms(node), MACHINE_LINK_DOWN,
                                    side->connections, "cut"));
}

static void
fire_tick(struct sim_event *event)
{
    struct client_node *node = CONTAINER(event, struct client_node, tick);

    if (node->side.frozen_until_ms > node->sim->now_ms) {
        sim_at(node->sim, event, node->side.frozen_until_ms);
        return;
    }
    client_do(node, machine_on_time(&node->machine, client_clock_ms(node)));
}

/* ---- the process ---- */

static void
fire_start(struct sim_event *event)
{
    struct client_node   *node = CONTAINER(event, struct client_node, start);
    struct sim           *sim = node->sim;
    struct machine_config config = {
        .address = "sim",
        .authkey_file = node->name,
        .connect_ms = UINT32_MAX,
        .roles = node->auditor != NULL ? FROM_ADMIN : FROM_CLIENT,
        .secret = sim_between(sim, 1, UINT64_MAX - 1),
        .jitter = (uint32_t)sim_random(sim, UINT32_MAX),
    };

    if (node->boot_ms == 0)
        node->boot_ms = sim->now_ms - sim_random(sim, sim->now_ms);
    node->running = true;
    machine_start(&node->machine, &config, client_clock_ms(node));
    sim_trace(sim, "%s starts", node->name);
    net_side_open(&node->side);
    client_plan_tick(node);
    if (node->auditor != NULL)
        auditor_start(node);
    else
        client_jobs_start(node);
    client_objects_start(node);
}

static void
client_gone(struct client_node *node)
{
    net_side_close(&node->side);
    sim_cancel(node->sim, &node->tick);
    sim_cancel(node->sim, &node->submit);
    client_objects_stop(node);
    while (!list_empty(&node->requests))
        request_free(CONTAINER(node->requests.next, struct client_request, link));
    node->packer.messages = 0;
    buffer_clear(&node->packer.frame);
    node->side.frozen_until_ms = 0;
    node->running = false;
    client_jobs_abandon(node);
}

void
client_crash(struct client_node *node, uint64_t down_ms)
{
    if (!node->running)
        return;
    sim_trace(node->sim, "%s crashes", node->name);
    client_gone(node);
    sim_at(node->sim, &node->start, node->sim->now_ms + down_ms);
}

void
client_freeze(struct client_node *node, uint64_t ms)
{
    if (node->running)
        node->side.frozen_until_ms = node->sim->now_ms + ms;
}

void
client_heal(struct client_node *node)
{
    node->side.frozen_until_ms = 0;
    node->side.apart_until_ms = 0;
    if (node->running)
        sim_at(node->sim, &node->tick, node->sim->now_ms);
    else
        sim_at(node->sim, &node->start, node->sim->now_ms);
}

bool
client_idle(const struct client_node *node)
{
    return node->running && client_jobs_idle(node) && client_objects_idle(node);
}

bool
client_audit_done(const struct client_node *node)
{
    return auditor_done(node->auditor) && client_objects_idle(node);
}

struct client_node *
client_node_new(struct sim *sim, uint32_t number)
{
    struct client_node *node = base_alloc(sizeof(*node));

    node->sim = sim;
    node->number = number;
    snprintf(node->name, sizeof(node->name), "client-%u", number);
    node->side = (struct net_side){ .sim = sim, .role = ROLE_CLIENT, .user = node->name,
                                    .up = client_up, .down = client_down,
                                    .frame = client_frame };
    list_init(&node->requests);
    list_init(&node->jobs);
    node->plans_left = (uint32_t)sim_between(sim, 1, 6);
    list_init(&node->actors);
    node->tick.fire = fire_tick;
    node->start.fire = fire_start;
    sim_at(sim, &node->start, sim->now_ms + sim_random(sim, 2000));
    return node;
}

struct client_node *
client_auditor_new(struct sim *sim)
{
    struct client_node *node = client_node_new(sim, sim->client_count);

    snprintf(node->name, sizeof(node->name), "auditor");
    node->side.role = ROLE_ADMIN;
    node->plans_left = 0;
    node->auditor = auditor_new(node);
    return node;
}

void
client_node_free(struct client_node *node)
{
    if (node == NULL)
        return;
    client_gone(node);
    client_objects_free(node);
    sim_cancel(node->sim, &node->start);
    auditor_free(node->auditor);
    buffer_free(&node->packer.frame);
    buffer_free(&node->message);
    free(node);
}
