/* session.c - sessions: HELLO, beats, ends
 *
 *             HELLO                connection lost
 *   (none) ----------> CONNECTED <----------------> AWAY
 *                          |       HELLO (resume)     |
 *                          | GOODBYE, expelled        | session_ms (a worker: lease_ms)
 *                          `------------> ENDED <-----'
 *
 * 1. A session is known by its id and proven by its secret, its role and the
 *    user of its key; a restart of the manager does not end it.
 * 2. A worker must be heard every lease_ms, connected or not; a client's
 *    session ends session_ms after its connection.
 * 3. The heap of terms holds lower bounds: what was heard since is looked at
 *    when a term is up, so that hearing costs nothing.
 */
#include <stdio.h>

#include "object.h"
#include "plant.h"

struct session *
session_new(struct core *core, uint64_t id)
{
    struct session *session = base_alloc(sizeof(*session));

    session->id = id;
    session->kept.seed = core->config.seed[0];
    list_init(&session->jobs);
    list_init(&session->polls);
    list_init(&session->log_waits);
    list_init(&session->watches);
    list_init(&session->ties);
    list_init(&session->waits);
    map_put(&core->sessions, id, session);
    order_add(&core->session_order, id);
    core->counters.sessions++;
    return session;
}

void
session_belongs(struct core *core, struct session *session, enum wire_role role,
                struct slice user)
{
    assert(session->user == NULL && (session->role == ROLE_NONE || session->role == role));
    session->role = role;
    session->user = user_take(core, user);
    session->user->clients += role == ROLE_CLIENT;
}

static void
session_drop_polls(struct core *core, struct session *session)
{
    while (!list_empty(&session->polls))
        poll_free(core, CONTAINER(session->polls.next, struct poll, session_link));
    while (!list_empty(&session->log_waits))
        log_wait_free(core, CONTAINER(session->log_waits.next, struct log_wait, session_link));
    while (!list_empty(&session->watches))
        watch_free(core, CONTAINER(session->watches.next, struct watch, session_link));
}

void
session_free(struct core *core, struct session *session)
{
    assert(session->stub || list_empty(&session->jobs));
    assert(list_empty(&session->ties) && list_empty(&session->waits) && session->kept.count == 0);
    session_drop_polls(core, session);
    lent_session_gone(core, session);
    if (session->worker != NULL)
        worker_free(core, session->worker);
    if (session->timer.place > 0)
        heap_remove(&core->terms, &session->timer);
    if (list_linked(&session->dirty))
        list_remove(&session->dirty);
    if (session->stored)
        snapshot_gone(core, OBJECT_SESSION, session->id);
    snapshot_session_gone(core, session);
    if (session->user != NULL)
        session->user->clients -= session->role == ROLE_CLIENT;
    map_free(&session->wait_map);
    map_remove(&core->sessions, session->id);
    order_remove(&core->session_order, session->id);
    core->counters.sessions--;
    free(session);
}

void
session_dirty(struct core *core, struct session *session)
{
    if (!list_linked(&session->dirty))
        list_append(&core->dirty_sessions, &session->dirty);
}

static uint64_t
session_term_ms(const struct core *core, const struct session *session)
{
    return session->worker != NULL ? PLANT_LEASE_MS(core->config.lease_ms)
                                   : core->config.session_ms;
}

/* A fresh term from now on. */
void
session_term(struct core *core, struct session *session)
{
    session->heard_ms = core->now_ms;
    session->timer.key = core->now_ms + session_term_ms(core, session);
    session->timer.tie = session->id;
    heap_update(&core->terms, &session->timer);
}

/* ---- HELLO ---- */

static void
session_welcome(struct core *core, struct session *session, uint64_t request, bool resumed,
                struct effects *fx)
{
    union wire_any m = { .welcome = {
                             .version = PROTOCOL_VERSION,
                             .session = session->id,
                             .resumed = resumed,
                             .epoch = core->epoch,
                             .role = (uint8_t)session->role,
                             .user = session->user->name,
                             .software = slice_text(core->config.software),
                             .beat_ms = core->config.beat_ms,
                             .lease_ms = core->config.lease_ms,
                             .session_ms = core->config.session_ms,
                             .unix_ms = core_unix_ms(core),
                         } };

    effects_send(fx, session->id, request, MSG_TYPE_WELCOME, &m);
    fx->opened = session->id;
}

static struct session *
session_open(struct core *core, const struct core_from *from, const struct lent *lent,
             const struct msg_hello *m, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_SESSION_OPENED };

    record.session_opened.session = core->session_last + 1;
    record.session_opened.secret = m->secret;
    record.session_opened.role = from->role;
    record.session_opened.user = from->user;
    core_fact(core, fx, &record);
    if (lent != NULL)
        lent_opened(core, map_get(&core->sessions, core->session_last), lent, fx);
    return map_get(&core->sessions, core->session_last);
}

/* NULL: there is no such session, or it is someone else's, which is the same to
 * whoever asks. */
static struct session *
session_resume(struct core *core, const struct core_from *from, const struct lent *lent,
               const struct msg_hello *m)
{
    struct session *session = map_get(&core->sessions, m->session);

    if (session == NULL || session->secret != m->secret || session->role != from->role ||
        session->lent != lent || !slice_equal(session->user->name, from->user))
        return NULL;
    session_drop_polls(core, session);
    session_park(core, session);
    if (session->worker != NULL)
        worker_away(core, session->worker);
    return session;
}

/* One key's clients get half of all sessions at most, so that others come in as well.
 * A fleet of workers has one key often, and may be all there is. */
static bool
session_may_open(struct core *core, const struct core_from *from, uint64_t request,
                 struct effects *fx)
{
    const struct user *user = user_find(core, from->user);
    uint32_t           share = (core->config.sessions_max + 1) / 2;

    if (core->session_order.count >= core->config.sessions_max)
        effects_error(fx, 0, request, MUSTER_ERR_FULL, "the manager has %u sessions, its limit",
                      core->session_order.count);
    else if (from->role == ROLE_CLIENT && user != NULL && user->clients >= share)
        effects_error(fx, 0, request, MUSTER_ERR_FULL,
                      "the key of %.*s has %u client sessions, half of what the manager takes: "
                      "end some, or raise --sessions-max",
                      SLICE_ARGS(from->user), user->clients);
    else
        return true;
    core->counters.refused++;
    return false;
}

void
session_hello(struct core *core, const struct core_from *from, uint64_t request,
              const struct msg_hello *m, struct effects *fx)
{
    struct session    *session;
    const struct lent *lent = lent_find(core, from->key);

    fx->opened = 0;
    if (from->key.bytes > 0 && !lent_admits(lent, from)) {
        effects_error(fx, 0, request, MUSTER_ERR_AUTH,
                      "the task that the key was made for has ended");
        return;
    }
    if (m->version_max < PROTOCOL_VERSION_MIN || m->version_min > PROTOCOL_VERSION ||
        m->version_min > m->version_max) {
        effects_error(fx, 0, request, MUSTER_ERR_VERSION,
                      "the manager (%s) speaks protocol versions %d to %d, you %u to %u",
                      core->config.software, PROTOCOL_VERSION_MIN, PROTOCOL_VERSION,
                      m->version_min, m->version_max);
        return;
    }
    if (m->session != 0) {
        session = session_resume(core, from, lent, m);
        if (session == NULL) {
            effects_error(fx, 0, request, MUSTER_ERR_SESSION,
                          "session %llu has ended; open a new one", (unsigned long long)m->session);
            return;
        }
    } else if (!session_may_open(core, from, request, fx)) {
        return;
    } else {
        session = session_open(core, from, lent, m, fx);
    }
    session->connected = true;
    session->slow = false;
    if (m->session != 0 && session->pid != 0 && session->pid != m->pid)
        session->reborn = true;
    session->pid = m->pid;
    snprintf(session->host, sizeof(session->host), "%.*s", SLICE_ARGS(m->host));
    session_term(core, session);
    session_welcome(core, session, request, m->session != 0, fx);
}

/* ---- beats ---- */

static void
beat_running(struct core *core, const struct session *session, const struct msg_beat *m)
{
    struct reader     tokens = reader_of(m->running.bytes);
    struct reader     pids = reader_of(m->pids.bytes);
    struct wire_token token;
    struct wire_id    pid;

    for (uint32_t i = 0; i < m->running.count && i < m->pids.count; i++) {
        struct task *task;

        if (!wire_get_token(&tokens, &token) || !wire_get_id(&pids, &pid) ||
            token.job >> (64 - JOB_KEY_SHIFT) != 0)
            return;
        task = task_find(core, token.job, token.index);
        if (task != NULL && task->state == TASK_LEASED && task->worker == session->worker &&
            task->mark == token.epoch) {
            task->pid = (uint32_t)pid.id;
            task->since_ms = core->now_ms;
        }
    }
}

void
step_beat(struct core *core, const struct step *step, const union wire_any *m)
{
    union wire_any answer = { .beat_ack = { .sent_ms = m->beat.sent_ms } };

    if (step->session->worker != NULL)
        beat_running(core, step->session, &m->beat);
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_BEAT_ACK, &answer);
}

/* ---- the end ---- */

void
session_end(struct core *core, struct session *session, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_SESSION_ENDED };

    if (session->worker != NULL)
        worker_lose(core, session->worker, fx);
    for (struct list *at = session->jobs.next; at != &session->jobs; at = at->next) {
        struct job *job = CONTAINER(at, struct job, link);

        if (job_complete(job))
            continue;
        if (job->reason == NULL)
            job_reason(core, job, fx, "cancelled: the session that submitted it has ended");
        job_stop(core, job, 0, job->total > 0 ? job->total - 1 : 0, TASK_CANCELLED,
                 OUTCOME_CANCELLED, true, JOB_TERM, job->reason, fx);
    }
    session_waits_end(core, session, fx);
    record.session_ended.session = session->id;
    effects_ended(fx, session->id);
    core_fact(core, fx, &record);
}

void
step_goodbye(struct core *core, const struct step *step, const union wire_any *m)
{
    struct session *session = step->session;

    (void)m;
    /* A worker that leaves in peace is not to blame for what it hands back. */
    if (session->worker != NULL) {
        while (!list_empty(&session->worker->leases))
            lease_returned(core, CONTAINER(session->worker->leases.next, struct task, link),
                           step->fx);
        while (!list_empty(&session->worker->ahead))
            lease_returned(core, CONTAINER(session->worker->ahead.next, struct task, link),
                           step->fx);
    }
    effects_ack(step->fx, session->id, step->request, 0);
    session_end(core, session, step->fx);
}

void
session_expire(struct core *core, struct effects *fx)
{
    struct heap_node *node;

    while ((node = heap_first(&core->terms)) != NULL && node->key <= core->now_ms) {
        struct session *session = CONTAINER(node, struct session, timer);
        uint64_t        term_ms = session_term_ms(core, session);

        if (session->worker == NULL && session->connected)
            session->heard_ms = core->now_ms;
        if (session->heard_ms + term_ms > core->now_ms) {
            node->key = session->heard_ms + term_ms;
            heap_update(&core->terms, node);
            continue;
        }
        session_end(core, session, fx);
    }
}

void
core_away(struct core *core, uint64_t now_ms, uint64_t id)
{
    struct session *session = map_get(&core->sessions, id);

    core->now_ms = now_ms;
    if (session == NULL)
        return;
    session->connected = false;
    session_drop_polls(core, session);
    session_park(core, session);
    if (session->worker != NULL) {
        worker_away(core, session->worker);
        return;
    }
    session_term(core, session);
}

void
core_expel(struct core *core, uint64_t now_ms, uint64_t id, muster_err why, struct effects *fx)
{
    struct session *session = map_get(&core->sessions, id);

    core->now_ms = now_ms;
    if (session == NULL)
        return;
    core->counters.refused++;
    effects_error(fx, id, 0, why, "the manager ended this session: %s", muster_err_text(why));
    session_end(core, session, fx);
}

void
core_slow(struct core *core, uint64_t id, bool slow)
{
    struct session *session = map_get(&core->sessions, id);

    if (session == NULL || session->slow == slow)
        return;
    session->slow = slow;
    session_hold(core, session, slow);
    if (session->worker != NULL)
        worker_refresh(core, session->worker);
    core->logs.news = core->logs.news || !slow;
    for (struct list *at = session->polls.next; !slow && at != &session->polls; at = at->next)
        job_touch(core, CONTAINER(at, struct poll, session_link)->job);
}
