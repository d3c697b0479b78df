/* agent_play.h - a worker played event by event: scripts and what they cause
 *
 * Method: a story is a script of events and the actions that they must cause,
 * in order and nothing else.  The worker has 2 cpus; a task takes 1 (task 9
 * takes 2, task 8 three, and task 7 gets a key of its own) and is named by its index
 * in job 1.
 *
 *   events   up down welcome joined hello-error:CODE join-error:CODE lease:I[:ATTEMPT]
 *            started:I end:I failed:I killed:I ack:I error:I:CODE session-error lost:I
 *            beat-ack kill:I kill-hard:I watch:I drain stop manager-drain:0|1
 *            goodbye-ack refused restore:I +MS (time passes, then a tick)
 *            key:I (it was made) key-ack:I key-error:I:CODE
 *   actions  HELLO/SESSION JOIN/HOLDS BEAT/STARTED FINISH:I RETURN:I/REASON DRAIN
 *            GOODBYE START:I TERM:I KILL:I WATCH:I SPOOL:I RELEASE:I RECONNECT
 *            EXIT:ERROR KEY:I (make one) TASK_KEY:I
 *
 * A tick follows every event; =MS lets time jump without one.
 */
#ifndef AGENT_PLAY_H
#define AGENT_PLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "stories.h"

enum { TASKS = 10 };

static struct world {
    struct agent        *agent;
    struct agent_actions actions;
    struct buffer        log;
    uint64_t             now_ms;
    uint64_t             numbers[TASKS];      /* the agent's, by index */
    uint64_t             finish[TASKS];       /* request of the last FINISH */
    uint64_t             key[TASKS];          /* and of the last TASK_KEY */
    uint64_t             hello, join, beat_ms, goodbye;
} w;

static struct wire_token
token_of(uint32_t index)
{
    return (struct wire_token){ .job = 1, .index = index, .attempt = 1, .epoch = 1 };
}

static void
logf_add(const char *format, unsigned long long number)
{
    if (w.log.bytes > 0)
        buffer_append_text(&w.log, " ");
    buffer_printf(&w.log, format, number);
}

/* ---- what the agent sends ---- */

static void
log_holds(struct wire_list holds)
{
    struct reader     in = reader_of(holds.bytes);
    struct wire_token token;

    for (uint32_t i = 0; i < holds.count; i++) {
        assert_true(wire_get_token(&in, &token));
        buffer_printf(&w.log, "/%u", token.index);
    }
}

static void
log_message(struct slice bytes)
{
    static const char *const reasons[] = { "draining", "late", "fault", "lost" };
    struct buffer       frame = { 0 };
    struct wire_frame   open;
    struct wire_message message;
    union wire_any      m;

    wire_frame_begin(&frame);
    buffer_append_slice(&frame, bytes);
    wire_frame_end(&frame, 1);
    assert_int_equal(wire_frame_open(buffer_slice(&frame), &open), MUSTER_OK);
    assert_int_equal(wire_frame_next(&open, &message), MUSTER_OK);
    assert_int_equal(wire_decode_any(message.type, message.body, &m), MUSTER_OK);
    switch (message.type) {
    case MSG_TYPE_HELLO:
        w.hello = message.request;
        logf_add("HELLO/%llu", m.hello.session);
        break;
    case MSG_TYPE_WORKER_JOIN:
        w.join = message.request;
        logf_add(m.worker_join.draining ? "JOIN/draining" : "JOIN", 0);
        log_holds(m.worker_join.holds);
        break;
    case MSG_TYPE_BEAT:
        w.beat_ms = m.beat.sent_ms;
        logf_add("BEAT", 0);
        log_holds(m.beat.running);
        break;
    case MSG_TYPE_TASK_FINISH:
        w.finish[m.task_finish.token.index] = message.request;
        logf_add("FINISH:%llu", m.task_finish.token.index);
        if (m.task_finish.result.outcome == OUTCOME_CANCELLED)
            buffer_append_text(&w.log, "/cancelled");
        break;
    case MSG_TYPE_TASK_RETURN:
        logf_add("RETURN:%llu/", m.task_return.token.index);
        buffer_append_text(&w.log, reasons[m.task_return.reason]);
        if (m.task_return.detail.bytes > 0)
            buffer_printf(&w.log, "(%.*s)", (int)m.task_return.detail.bytes,
                          (const char *)m.task_return.detail.data);
        break;
    case MSG_TYPE_TASK_KEY:
        assert_int_equal(m.task_key.key.bytes, KEY_PUBLIC_BYTES);
        w.key[m.task_key.token.index] = message.request;
        logf_add("TASK_KEY:%llu", m.task_key.token.index);
        break;
    case MSG_TYPE_WORKER_DRAIN:
        logf_add("DRAIN", 0);
        break;
    case MSG_TYPE_GOODBYE:
        w.goodbye = message.request;
        logf_add("GOODBYE", 0);
        break;
    default:
        fail_msg("message of type %u", message.type);
    }
    buffer_free(&frame);
}

static void
log_actions(void)
{
    for (uint32_t i = 0; i < w.actions.count; i++) {
        const struct agent_action *action = &w.actions.items[i];
        uint32_t                   index = action->token.index;

        switch (action->type) {
        case AGENT_SEND:
            log_message(slice_of(w.actions.out.data + action->offset, action->bytes));
            break;
        case AGENT_CHUNK:
            logf_add("CHUNK:%llu", index);
            buffer_printf(&w.log, "/%u+%zu", action->stream, action->bytes);
            break;
        case AGENT_KEY:
            w.numbers[index] = action->task;
            logf_add("KEY:%llu", index);
            break;
        case AGENT_START:
            w.numbers[index] = action->task;
            assert_true(action->spec->args.count == 1);
            logf_add("START:%llu", index);
            break;
        case AGENT_KILL:
            logf_add(action->hard ? "KILL:%llu" : "TERM:%llu", index);
            break;
        case AGENT_WATCH:
            logf_add("WATCH:%llu", index);
            break;
        case AGENT_SPOOL:
            logf_add("SPOOL:%llu", index);
            break;
        case AGENT_RELEASE:
            logf_add("RELEASE:%llu", index);
            break;
        case AGENT_RECONNECT:
            logf_add("RECONNECT", 0);
            break;
        case AGENT_EXIT:
            logf_add("EXIT:", 0);
            buffer_append_text(&w.log, muster_err_name(action->err));
            break;
        case AGENT_NOTE:
            break;
        }
    }
    agent_actions_clear(&w.actions);
    agent_check(w.agent);
}

/* ---- what happens to it ---- */

static void
message(uint64_t request, uint16_t type, const union wire_any *m)
{
    agent_message(w.agent, w.now_ms, request, type, m, &w.actions);
}

static void
error_message(uint64_t request, uint32_t code)
{
    union wire_any m = { .error = { .code = (uint16_t)code, .detail = slice_text("so it is") } };

    message(request, MSG_TYPE_ERROR, &m);
}

static void
do_welcome(uint32_t role, uint32_t unused)
{
    union wire_any m = { .welcome = { .version = PROTOCOL_VERSION, .session = 5, .epoch = 1,
                                      .role = (uint8_t)(role ? role : ROLE_WORKER),
                                      .beat_ms = BEAT_MS, .lease_ms = LEASE_MS } };

    (void)unused;
    message(w.hello, MSG_TYPE_WELCOME, &m);
}

static void
joined(uint32_t lost, bool some)
{
    struct buffer  tokens = { 0 };
    union wire_any m = { 0 };

    wire_put_token(&tokens, &(struct wire_token){ 1, lost, 1, 1 });
    if (some)
        m.worker_joined.lost = (struct wire_list){ buffer_slice(&tokens), 1 };
    message(w.join, MSG_TYPE_WORKER_JOINED, &m);
    buffer_free(&tokens);
}

static void
do_lease(uint32_t index, uint32_t attempt)
{
    struct buffer      tasks = { 0 }, args = { 0 }, spec = { 0 };
    struct wire_spec   s = { .cpus_milli = index == 9 ? 2000 : index == 8 ? 3000 : 1000,
                             .own_key = index == 7 };
    struct wire_leased leased = { .index = index, .attempt = attempt > 0 ? attempt : 1, .epoch = 1,
                                  .input = slice_text("item") };
    union wire_any     m = { 0 };

    wire_put_text(&args, &(struct wire_text){ slice_text("true") });
    s.args = (struct wire_list){ buffer_slice(&args), 1 };
    wire_put_spec(&spec, &s);
    wire_put_leased(&tasks, &leased);
    m.task_lease.job = 1;
    m.task_lease.spec = buffer_slice(&spec);
    m.task_lease.tasks = (struct wire_list){ buffer_slice(&tasks), 1 };
    message(0, MSG_TYPE_TASK_LEASE, &m);
    buffer_free(&tasks);
    buffer_free(&args);
    buffer_free(&spec);
}

static void
do_end(uint32_t index, uint32_t kept)
{
    struct wire_result result = { .outcome = OUTCOME_SUCCEEDED, .host = slice_text("here"),
                                  .out = slice_text("x"), .out_bytes = 1, .out_kept = 1 };

    result.out_kept += kept;
    agent_ended(w.agent, w.now_ms, w.numbers[index], &result, &w.actions);
}

static void
do_restore(uint32_t index, uint32_t b)
{
    struct buffer      encoded = { 0 };
    struct wire_result result = { .outcome = OUTCOME_SUCCEEDED };
    struct wire_token  token = token_of(index);

    (void)b;
    wire_put_result(&encoded, &result);
    agent_restore(w.agent, &token, buffer_slice(&encoded), &w.numbers[index]);
    buffer_free(&encoded);
}

static void
do_ack(uint32_t index, uint32_t b)
{
    union wire_any m = { 0 };

    (void)b;
    message(w.finish[index], MSG_TYPE_ACK, &m);
}

static void
do_key(uint32_t index, uint32_t b)
{
    static const uint8_t key[KEY_PUBLIC_BYTES] = { 1 };

    (void)b;
    agent_key(w.agent, w.now_ms, w.numbers[index], key, &w.actions);
}

static void
do_key_ack(uint32_t index, uint32_t b)
{
    union wire_any m = { 0 };

    (void)b;
    message(w.key[index], MSG_TYPE_ACK, &m);
}

static void
do_beat_ack(uint32_t a, uint32_t b)
{
    union wire_any m = { .beat_ack = { .sent_ms = w.beat_ms } };

    (void)a;
    (void)b;
    message(0, MSG_TYPE_BEAT_ACK, &m);
}

static void
kill_message(uint32_t index, bool hard)
{
    union wire_any m = { .task_kill = { .token = token_of(index), .hard = hard } };

    message(0, MSG_TYPE_TASK_KILL, &m);
}

/* Events that are one call; `a` and `b` are the numbers behind the word. */
#define EVENT(name, call)                                                      \
    static void do_##name(uint32_t a, uint32_t b)                              \
    {                                                                          \
        (void)a;                                                               \
        (void)b;                                                               \
        call;                                                                  \
    }
EVENT(kill, kill_message(a, false))
EVENT(kill_hard, kill_message(a, true))
EVENT(error, error_message(w.finish[a], b))
EVENT(key_error, error_message(w.key[a], b))
EVENT(hello_error, error_message(w.hello, a))
EVENT(join_error, error_message(w.join, a))
EVENT(session_error, error_message(0, MUSTER_ERR_SESSION))
EVENT(up, agent_link_up(w.agent, w.now_ms, &w.actions))
EVENT(down, agent_link_down(w.agent, w.now_ms, &w.actions))
EVENT(drain, agent_drain(w.agent, w.now_ms, &w.actions))
EVENT(stop, agent_stop(w.agent, w.now_ms, &w.actions))
EVENT(failed, agent_failed(w.agent, w.now_ms, w.numbers[a], "full", &w.actions))
EVENT(killed, agent_lost(w.agent, w.now_ms, w.numbers[a], "killed", &w.actions))
EVENT(refused, agent_refused(w.agent, w.now_ms, MUSTER_ERR_AUTH, "no", &w.actions))
EVENT(joined, joined(0, false))
EVENT(lost, joined(a, true))
EVENT(started, agent_started(w.agent, w.now_ms, w.numbers[a], 100 + a))

static void
do_watch(uint32_t index, uint32_t b)
{
    union wire_any m = { .task_watch = { .token = token_of(index), .on = 1 } };

    (void)b;
    message(0, MSG_TYPE_TASK_WATCH, &m);
}

static void
do_manager_drain(uint32_t on, uint32_t b)
{
    union wire_any m = { .worker_drain = { .draining = (uint8_t)on } };

    (void)b;
    message(0, MSG_TYPE_WORKER_DRAIN, &m);
}

static void
do_goodbye_ack(uint32_t a, uint32_t b)
{
    union wire_any m = { 0 };

    (void)a;
    (void)b;
    message(w.goodbye, MSG_TYPE_ACK, &m);
}

/* Known from the start, see test_agent(). */
static void
do_wary(uint32_t a, uint32_t b)
{
    (void)a;
    (void)b;
}

static const struct {
    const char *word;
    void      (*act)(uint32_t a, uint32_t b);
} events[] = {
    { "up", do_up }, { "down", do_down }, { "welcome", do_welcome }, { "joined", do_joined },
    { "hello-error", do_hello_error }, { "join-error", do_join_error }, { "lease", do_lease },
    { "started", do_started }, { "end", do_end }, { "failed", do_failed }, { "killed", do_killed },
    { "ack", do_ack }, { "error", do_error }, { "session-error", do_session_error },
    { "lost", do_lost }, { "wary", do_wary },
    { "beat-ack", do_beat_ack }, { "kill", do_kill }, { "kill-hard", do_kill_hard },
    { "watch", do_watch }, { "drain", do_drain }, { "stop", do_stop },
    { "manager-drain", do_manager_drain }, { "goodbye-ack", do_goodbye_ack },
    { "refused", do_refused }, { "restore", do_restore }, { "key", do_key },
    { "key-ack", do_key_ack }, { "key-error", do_key_error },
};

/* Time passes in steps, as a driver that obeys agent_wake_ms() would make it. */
static void
pass(uint64_t ms)
{
    uint64_t until_ms = w.now_ms + ms;

    while (w.now_ms < until_ms) {
        uint64_t wake_ms = agent_wake_ms(w.agent);

        w.now_ms = wake_ms <= w.now_ms ? w.now_ms + 1 : wake_ms < until_ms ? wake_ms : until_ms;
        agent_tick(w.agent, w.now_ms, &w.actions);
    }
}

static void
play_word(char *word)
{
    char    *colon = strchr(word, ':');
    uint32_t a = 0, b = 0;

    if (word[0] == '+') {
        pass(strtoull(word + 1, NULL, 10));
        return;
    }
    if (word[0] == '=') {                 /* time jumps: the process was stopped */
        w.now_ms += strtoull(word + 1, NULL, 10);
        return;
    }
    if (colon != NULL) {
        *colon = 0;
        a = (uint32_t)strtoul(colon + 1, &colon, 10);
        if (*colon == ':')
            b = (uint32_t)strtoul(colon + 1, NULL, 10);
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(events[i].word, word) == 0) {
            events[i].act(a, b);
            agent_tick(w.agent, w.now_ms, &w.actions);
            return;
        }
    }
    fail_msg("no event %s", word);
}

struct agent_case {
    const char     *story;
    enum agent_lost lost;
    uint64_t        idle_ms;
    const char     *script;
    const char     *actions;
};

#define BEGIN "up welcome joined "
#define WARY  "wary " BEGIN            /* it was started anew */
#define BEGUN "HELLO/0 JOIN BEAT "

static void
test_agent(void **state)
{
    const struct agent_case *c = *state;
    struct agent_config      config = {
        .name = "node", .host = "here", .software = "test", .pid = 1, .cpus_milli = 2000,
        .mem_bytes = 1 << 30, .window = 64, .running_max = 100, .on_manager_lost = c->lost,
        .grace_ms = 1000, .idle_ms = c->idle_ms, .secret = 77, .random = 1,
        .wary = strncmp(c->script, "wary", 4) == 0,
    };
    char *script = strdup(c->script), *save = NULL;

    w = (struct world){ .now_ms = 1000000 };
    w.agent = agent_new(&config, w.now_ms);
    for (char *word = strtok_r(script, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        play_word(word);
        log_actions();
    }
    assert_string_equal(buffer_text(&w.log), c->actions);
    agent_free(w.agent);
    agent_actions_free(&w.actions);
    buffer_free(&w.log);
    free(script);
}

#endif
