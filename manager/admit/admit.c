/* admit.c - peers, their sessions, roles and budgets (invariants in admit.h) */
#include "admit.h"

#include <stdlib.h>
#include <string.h>

#include "map.h"

/* What a peer may still send before its budget is used up. */
struct budget {
    uint64_t left;             /* in thousandths, so that a millisecond's refill is whole */
    uint64_t per_s;
};

/* What all connections of a user share.  Kept for ever: there are as many as names of
 * keys. */
struct account {
    struct account *next;      /* of the same hash */
    char           *user;
    uint64_t        work;      /* done and not paid by time yet */
    uint64_t        paid_ms;
};

struct peer {
    uint64_t       number;
    uint64_t       session;    /* 0 = none */
    enum wire_role role;
    uint32_t       bad;
    struct account *account;
    char          *fingerprint;
    char          *address;
    char         **queues;     /* NULL = every queue */
    struct budget  messages;
    struct budget  bytes;
    uint64_t       refilled_ms;
    uint32_t       retry_ms;   /* told with the last BUSY */
};

struct admit {
    struct admit_config   config;
    struct map            peers;       /* number -> struct peer */
    struct map            sessions;    /* session -> its struct peer */
    struct map            accounts;    /* hash of the user -> struct account */
    struct admit_counters counters;
};

struct admit *
admit_new(const struct admit_config *config)
{
    struct admit *admit = base_alloc(sizeof(*admit));

    assert(config->peers_max > 0);
    admit->config = *config;
    if (admit->config.messages_per_s_max == 0)
        admit->config.messages_per_s_max = ADMIT_MESSAGES_PER_S;
    if (admit->config.bytes_per_s_max == 0)
        admit->config.bytes_per_s_max = ADMIT_BYTES_PER_S;
    return admit;
}

static void
peer_free(struct peer *peer)
{
    for (size_t i = 0; peer->queues != NULL && peer->queues[i] != NULL; i++)
        free(peer->queues[i]);
    free(peer->queues);
    free(peer->fingerprint);
    free(peer->address);
    free(peer);
}

void
admit_free(struct admit *admit)
{
    struct peer    *peer;
    struct account *account, *next;
    size_t          cursor = 0;

    if (admit == NULL)
        return;
    while ((peer = map_next(&admit->peers, &cursor, NULL)) != NULL)
        peer_free(peer);
    for (cursor = 0; (account = map_next(&admit->accounts, &cursor, NULL)) != NULL;) {
        for (; account != NULL; account = next) {
            next = account->next;
            free(account->user);
            free(account);
        }
    }
    map_free(&admit->accounts);
    map_free(&admit->peers);
    map_free(&admit->sessions);
    free(admit);
}

/* ---- accounts ---- */

static struct account *
account_of(struct admit *admit, const char *user)
{
    uint64_t        hash = map_hash(slice_text(user));
    struct account *first = map_get(&admit->accounts, hash);
    struct account *account = first;

    while (account != NULL && strcmp(account->user, user) != 0)
        account = account->next;
    if (account != NULL)
        return account;
    account = base_alloc(sizeof(*account));
    account->user = base_text_copy(slice_text(user));
    account->next = first;
    map_put(&admit->accounts, hash, account);
    return account;
}

/* ---- peers ---- */

static struct peer *
peer_of(const struct admit *admit, uint64_t number)
{
    return map_get(&admit->peers, number);
}

static char **
copy_list(char *const *list)
{
    char **copy;
    size_t count = 0;

    if (list == NULL)
        return NULL;
    while (list[count] != NULL)
        count++;
    copy = base_array(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = base_text_copy(slice_text(list[i]));
    return copy;
}

muster_err
admit_peer_open(struct admit *admit, uint64_t number, const struct admit_who *who,
                struct muster_error *error)
{
    struct peer *peer;

    assert(number != 0);
    assert(!admit_peer_known(admit, number));

    if (who->role <= ROLE_NONE || who->role >= ROLE_COUNT)
        return error_set(error, MUSTER_ERR_DENIED, "a key of this role may not connect");
    if (admit->peers.count >= admit->config.peers_max)
        return error_set(error, MUSTER_ERR_FULL, "the manager has its %u connections already",
                         admit->config.peers_max);
    peer = base_alloc(sizeof(*peer));
    peer->number = number;
    peer->role = who->role;
    peer->account = account_of(admit, who->user);
    peer->fingerprint = base_text_copy(slice_text(who->fingerprint));
    peer->address = base_text_copy(slice_text(who->address));
    peer->queues = copy_list(who->queues);
    peer->messages.per_s = admit->config.messages_per_s_max;
    peer->bytes.per_s = admit->config.bytes_per_s_max;
    peer->messages.left = peer->messages.per_s * 1000;
    peer->bytes.left = peer->bytes.per_s * 1000;
    map_put(&admit->peers, number, peer);
    return MUSTER_OK;
}

bool
admit_peer_known(const struct admit *admit, uint64_t number)
{
    return peer_of(admit, number) != NULL;
}

static struct admit_from
peer_from(const struct peer *peer)
{
    return (struct admit_from){ .session = peer->session,
                                .role = peer->role,
                                .user = slice_text(peer->account->user),
                                .address = slice_text(peer->address),
                                .fingerprint = slice_text(peer->fingerprint) };
}

bool
admit_peer_who(const struct admit *admit, uint64_t number, struct admit_from *from_out)
{
    const struct peer *peer = peer_of(admit, number);

    if (peer != NULL)
        *from_out = peer_from(peer);
    return peer != NULL;
}

/* ---- sessions ---- */

/* The only two functions that change peer->session: invariant 2. */
static void
unbind(struct admit *admit, struct peer *peer)
{
    if (peer->session == 0)
        return;
    assert(map_get(&admit->sessions, peer->session) == peer);
    map_remove(&admit->sessions, peer->session);
    peer->session = 0;
}

uint64_t
admit_bind(struct admit *admit, uint64_t number, uint64_t session)
{
    struct peer *peer = peer_of(admit, number);
    struct peer *before = map_get(&admit->sessions, session);
    uint64_t     displaced = 0;

    assert(peer != NULL && session != 0);
    if (before == peer)
        return 0;
    if (before != NULL) {
        displaced = before->number;
        unbind(admit, before);
    }
    unbind(admit, peer);
    peer->session = session;
    map_put(&admit->sessions, session, peer);
    return displaced;
}

bool
admit_peer_gone(struct admit *admit, uint64_t number, uint64_t *session_out)
{
    struct peer *peer = map_remove(&admit->peers, number);

    if (peer == NULL)
        return false;
    *session_out = peer->session;
    unbind(admit, peer);
    peer_free(peer);
    return true;
}

uint64_t
admit_session_ended(struct admit *admit, uint64_t session)
{
    struct peer *peer = map_get(&admit->sessions, session);

    if (peer == NULL)
        return 0;
    unbind(admit, peer);
    return peer->number;
}

uint64_t
admit_session_peer(const struct admit *admit, uint64_t session)
{
    const struct peer *peer = map_get(&admit->sessions, session);

    return peer != NULL ? peer->number : 0;
}

uint64_t
admit_peer_session(const struct admit *admit, uint64_t number)
{
    const struct peer *peer = peer_of(admit, number);

    return peer != NULL ? peer->session : 0;
}

/* ---- budgets ---- */

static void
budget_refill(struct budget *budget, uint64_t elapsed_ms)
{
    uint64_t full = budget->per_s * 1000;

    budget->left += (elapsed_ms > 1000 ? 1000 : elapsed_ms) * budget->per_s;
    if (budget->left > full)
        budget->left = full;
}

/* Milliseconds until `amount` is there; 0 = it is. */
static uint64_t
budget_wait_ms(const struct budget *budget, uint64_t amount)
{
    uint64_t need = amount * 1000;

    /* Larger than a second's worth: pass it on a full budget, or it never would. */
    if (need > budget->per_s * 1000)
        need = budget->per_s * 1000;
    if (budget->left >= need)
        return 0;
    return (need - budget->left + budget->per_s - 1) / budget->per_s;
}

static void
budget_take(struct budget *budget, uint64_t amount)
{
    budget->left -= amount * 1000 < budget->left ? amount * 1000 : budget->left;
}

/* Requests whose work depends on how much there is, not on their own size. */
static bool
makes_work(uint16_t type)
{
    return (type >= MSG_TYPE_OBJECT_OPEN && type <= MSG_TYPE_OBJECT_LIST_GET) ||
           type == MSG_TYPE_JOB_LIST_GET || type == MSG_TYPE_TASK_LIST_GET ||
           type == MSG_TYPE_WHY_GET || type == MSG_TYPE_WORKER_LIST_GET;
}

/* Milliseconds until the user may make more work; 0 = now. */
static uint64_t
work_wait_ms(const struct account *account, uint16_t type)
{
    if (!makes_work(type) || account->work <= ADMIT_WORK_PER_S)
        return 0;
    return (account->work - ADMIT_WORK_PER_S) * 1000 / ADMIT_WORK_PER_S + 1;
}

void
admit_work(struct admit *admit, uint64_t number, uint64_t work)
{
    struct peer    *peer = peer_of(admit, number);
    struct account *account = peer != NULL ? peer->account : NULL;
    uint64_t        most = (uint64_t)ADMIT_WORK_PER_S * (ADMIT_WORK_OWED_S + 1);

    if (account != NULL && peer->role != ROLE_WORKER)
        account->work = work < most - account->work ? account->work + work : most;
}

static void
work_pay(struct account *account, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms > account->paid_ms ? now_ms - account->paid_ms : 0;
    uint64_t paid = elapsed_ms < UINT32_MAX ? elapsed_ms * (ADMIT_WORK_PER_S / 1000) : UINT64_MAX;

    account->work -= paid < account->work ? paid : account->work;
    account->paid_ms += elapsed_ms;
}

static bool
peer_can_afford(struct peer *peer, uint64_t now_ms, uint16_t type, size_t bytes)
{
    uint64_t messages_ms, bytes_ms, work_ms;

    if (peer->role == ROLE_WORKER)
        return true;
    if (now_ms > peer->refilled_ms) {
        budget_refill(&peer->messages, now_ms - peer->refilled_ms);
        budget_refill(&peer->bytes, now_ms - peer->refilled_ms);
        peer->refilled_ms = now_ms;
    }
    work_pay(peer->account, now_ms);
    messages_ms = budget_wait_ms(&peer->messages, 1);
    bytes_ms = budget_wait_ms(&peer->bytes, bytes);
    work_ms = work_wait_ms(peer->account, type);
    if (messages_ms > 0 || bytes_ms > 0 || work_ms > 0) {
        peer->retry_ms = (uint32_t)(messages_ms > bytes_ms ? messages_ms : bytes_ms);
        if (work_ms > peer->retry_ms)
            peer->retry_ms = (uint32_t)work_ms;
        return false;
    }
    budget_take(&peer->messages, 1);
    budget_take(&peer->bytes, bytes);
    return true;
}

uint32_t
admit_retry_ms(const struct admit *admit, uint64_t number)
{
    const struct peer *peer = peer_of(admit, number);

    return peer != NULL ? peer->retry_ms : 0;
}

/* ---- messages ---- */

static muster_err
peer_check(struct peer *peer, uint64_t now_ms, uint16_t type, size_t bytes,
           struct muster_error *error)
{
    const struct wire_rule *rule = wire_rule(type);

    if (rule == NULL)
        return error_set(error, MUSTER_ERR_UNSUPPORTED, "message 0x%02x is unknown here", type);
    if ((rule->from & 1u << peer->role) == 0)
        return error_set(error, MUSTER_ERR_DENIED,
                         "the key of %s has role %s, which may not send %s", peer->account->user,
                         wire_role_name(peer->role), rule->name);
    if (type == MSG_TYPE_HELLO && peer->session != 0)
        return error_set(error, MUSTER_ERR_STATE, "this connection has said HELLO already");
    if (type != MSG_TYPE_HELLO && peer->session == 0)
        return error_set(error, MUSTER_ERR_SESSION, "there is no session; say HELLO first");
    if (!peer_can_afford(peer, now_ms, type, bytes))
        return error_set(error, MUSTER_ERR_BUSY, "too much at once; go on in %u ms",
                         peer->retry_ms);
    return MUSTER_OK;
}

muster_err
admit_check(struct admit *admit, uint64_t now_ms, uint64_t number, uint16_t type, size_t bytes,
            struct admit_from *from_out, struct muster_error *error)
{
    struct peer *peer = peer_of(admit, number);
    muster_err   err;

    if (peer == NULL)
        return error_set(error, MUSTER_ERR_NOT_FOUND, "the connection is not known");
    admit->counters.checked++;
    err = peer_check(peer, now_ms, type, bytes, error);
    if (err) {
        admit->counters.refused++;
        admit->counters.throttled += err == MUSTER_ERR_BUSY;
        return err;
    }
    *from_out = peer_from(peer);
    return MUSTER_OK;
}

static bool
peer_serves(const struct peer *peer, struct slice queue)
{
    for (size_t i = 0; peer->queues[i] != NULL; i++) {
        if (slice_equals_text(queue, peer->queues[i]))
            return true;
    }
    return false;
}

static muster_err
queue_denied(const struct peer *peer, struct slice queue, struct muster_error *error)
{
    struct buffer allowed = { 0 };

    for (size_t i = 0; peer->queues[i] != NULL; i++)
        buffer_printf(&allowed, "%s%s", i > 0 ? ", " : "", peer->queues[i]);
    error_set(error, MUSTER_ERR_DENIED,
              "the key of %s may not serve queue \"%.*s\"; it may serve %s", peer->account->user,
              (int)queue.bytes, (const char *)queue.data, buffer_text(&allowed));
    buffer_free(&allowed);
    return MUSTER_ERR_DENIED;
}

muster_err
admit_check_hello(const struct admit *admit, uint64_t number, const struct msg_hello *hello,
                  struct muster_error *error)
{
    const struct peer *peer = peer_of(admit, number);
    uint64_t           roles = hello->features & FEATURE_ROLES;
    struct buffer      wanted = { 0 };

    if (peer == NULL)
        return error_set(error, MUSTER_ERR_NOT_FOUND, "the connection is not known");
    if (roles == 0 || (roles & 1u << peer->role) != 0)
        return MUSTER_OK;
    for (unsigned role = ROLE_WORKER; role < ROLE_COUNT; role++) {
        if ((roles & 1u << role) != 0)
            buffer_printf(&wanted, "%s%s", wanted.bytes > 0 ? " or " : "",
                          wire_role_name((enum wire_role)role));
    }
    error_set(error, MUSTER_ERR_DENIED,
              "the key of %s has role %s; this program needs one of role %s", peer->account->user,
              wire_role_name(peer->role), buffer_text(&wanted));
    buffer_free(&wanted);
    return MUSTER_ERR_DENIED;
}

muster_err
admit_check_join(const struct admit *admit, uint64_t number, const struct msg_worker_join *join,
                 struct muster_error *error)
{
    const struct peer *peer = peer_of(admit, number);
    struct reader      in = reader_of(join->queues.bytes);
    struct slice       by_default = slice_text("default");

    if (peer == NULL)
        return error_set(error, MUSTER_ERR_NOT_FOUND, "the connection is not known");
    if (peer->queues == NULL)
        return MUSTER_OK;
    if (join->queues.count == 0 && !peer_serves(peer, by_default))
        return queue_denied(peer, by_default, error);
    for (uint32_t i = 0; i < join->queues.count; i++) {
        struct wire_text queue;
        bool             got = wire_get_text(&in, &queue);

        assert(got);            /* the decoder has read it before */
        (void)got;
        if (!peer_serves(peer, queue.text))
            return queue_denied(peer, queue.text, error);
    }
    return MUSTER_OK;
}

bool
admit_is_bad(muster_err err)
{
    return err == MUSTER_ERR_INVALID || err == MUSTER_ERR_UNSUPPORTED || err == MUSTER_ERR_DENIED;
}

bool
admit_bad(struct admit *admit, uint64_t number)
{
    struct peer *peer = peer_of(admit, number);

    if (peer == NULL)
        return false;
    admit->counters.bad++;
    if (++peer->bad != BAD_MESSAGES_MAX)
        return peer->bad > BAD_MESSAGES_MAX;
    admit->counters.cut++;
    return true;
}

void
admit_count(const struct admit *admit, struct admit_counters *out)
{
    *out = admit->counters;
    out->peers = admit->peers.count;
    out->sessions = admit->sessions.count;
}
