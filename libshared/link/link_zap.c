/* link_zap.c - answers the handshakes of the server socket (ZeroMQ RFC 27) */
#include "link_zap.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clock.h"
#include "link_socket.h"
#include "log.h"
#include "map.h"

enum {
    ZAP_PART_BYTES_MAX = 256,
    LOG_LINES_BURST    = 10,
    REVOKED_MAX        = 100000,   /* then those that were revoked first are forgotten, all */
    LOG_REFILL_MS      = 1000,
};

/* Status codes that libzmq passes on to the refused client. */
#define ZAP_WELCOME "200"
#define ZAP_REFUSED "400"      /* final: the key is not welcome */
#define ZAP_FULL    "500"      /* for now: the client tries again by itself */

struct link_zap {
    void                    *socket;
    pthread_t                thread;
    bool                     running;
    bool                     local;
    uint32_t                 connections_max;
    pthread_mutex_t          mutex;        /* guards what follows */
    struct auth_table       *table;
    struct auth_lent        *lent;         /* beside it: the table goes first */
    struct map               live;         /* first 8 bytes of a key -> connections */
    struct map               revoked;      /* the same of keys that were in a table before */
    uint32_t                 connections;
    uint8_t                  stranger[KEY_BYTES];
    uint64_t                 log_refilled_ms;
    uint32_t                 log_tokens;
    uint64_t                 log_suppressed;
    atomic_uint_fast64_t     admitted;
    atomic_uint_fast64_t     refused;
};

/* The parts of a request, in the order of RFC 27. */
enum zap_part {
    PART_VERSION, PART_REQUEST, PART_DOMAIN, PART_ADDRESS, PART_ROUTING, PART_MECHANISM, PART_KEY,
    PART_COUNT
};

struct zap_request {
    uint8_t bytes[PART_COUNT][ZAP_PART_BYTES_MAX];
    size_t  sizes[PART_COUNT];
    bool    whole;             /* as many parts as there must be, none too long */
};

/* ---- decisions ---- */

static uint64_t
live_key(const uint8_t key[KEY_BYTES])
{
    uint64_t first;

    memcpy(&first, key, sizeof(first));
    return first;
}

static uint32_t
live_count(const struct link_zap *zap, const uint8_t key[KEY_BYTES])
{
    return (uint32_t)(uintptr_t)map_get(&zap->live, live_key(key));
}

/* With the mutex held: may one more connection with this key come in? */
static muster_err
zap_decide(const struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *address,
           struct muster_error *error)
{
    const struct auth_entry *entry = link_zap_find(zap, key, NULL);
    uint32_t                 most;
    muster_err               err;

    if (entry == NULL && map_get(&zap->revoked, live_key(key)) != NULL)
        return error_set(error, MUSTER_ERR_AUTH, "the key was revoked");
    if (entry == NULL)
        return error_set(error, MUSTER_ERR_AUTH,
                         "the key is unknown here, or that of a task that has ended");
    err = auth_entry_admits(entry, address, clock_unix_ms(), error);
    if (err)
        return err;
    /* One client's key leaves half of all to others, unless it is told more. */
    most = entry->connections_max;
    if (most == 0 && entry->role == AUTH_ROLE_CLIENT)
        most = (zap->connections_max + 1) / 2;
    if (most != 0 && live_count(zap, key) >= most)
        return error_set(error, MUSTER_ERR_FULL,
                         "the key of %s has its %u connections already: close some, or set "
                         "max-connections= in its line of authorized_keys", entry->name, most);
    if (zap->connections >= zap->connections_max)
        return error_set(error, MUSTER_ERR_FULL, "the manager has its %u connections already",
                         zap->connections_max);
    return MUSTER_OK;
}

muster_err
link_zap_enter(struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *address,
               struct muster_error *error)
{
    muster_err err;

    pthread_mutex_lock(&zap->mutex);
    err = zap_decide(zap, key, address, error);
    if (!err) {
        map_put(&zap->live, live_key(key), (void *)(uintptr_t)(live_count(zap, key) + 1));
        zap->connections++;
    }
    pthread_mutex_unlock(&zap->mutex);
    return err;
}

void
link_zap_leave(struct link_zap *zap, const uint8_t key[KEY_BYTES])
{
    uint32_t count;

    pthread_mutex_lock(&zap->mutex);
    count = live_count(zap, key);
    assert(count > 0 && zap->connections > 0);
    if (count > 1)
        map_put(&zap->live, live_key(key), (void *)(uintptr_t)(count - 1));
    else
        map_remove(&zap->live, live_key(key));
    zap->connections--;
    pthread_mutex_unlock(&zap->mutex);
}

/* For the owner's thread, which alone changes both, and for others under the mutex. */
const struct auth_entry *
link_zap_find(const struct link_zap *zap, const uint8_t key[KEY_BYTES], bool *lent_out)
{
    const struct auth_entry *entry = auth_table_find(zap->table, key);

    if (lent_out != NULL)
        *lent_out = entry == NULL;
    return entry != NULL ? entry : auth_lent_find(zap->lent, key);
}

void
link_zap_lend(struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *user,
              const char *address)
{
    pthread_mutex_lock(&zap->mutex);
    auth_lent_add(zap->lent, zap->table, key, user, address);
    pthread_mutex_unlock(&zap->mutex);
}

bool
link_zap_unlend(struct link_zap *zap, const uint8_t key[KEY_BYTES])
{
    bool live;

    pthread_mutex_lock(&zap->mutex);
    live = auth_lent_remove(zap->lent, key) && live_count(zap, key) > 0;
    pthread_mutex_unlock(&zap->mutex);
    return live;
}

/* With the mutex held: what the table before has and this one has not was revoked. */
static void
note_revoked(struct link_zap *zap, const struct auth_table *before)
{
    if (zap->revoked.count > REVOKED_MAX) {
        map_free(&zap->revoked);
        zap->revoked = (struct map){ 0 };
    }
    for (uint32_t at = 0; at < auth_table_count(before); at++) {
        const uint8_t *key = auth_table_at(before, at)->key;

        if (auth_table_find(zap->table, key) == NULL)
            map_put(&zap->revoked, live_key(key), zap);
    }
}

void
link_zap_set_table(struct link_zap *zap, struct auth_table *table)
{
    struct auth_table *before;

    pthread_mutex_lock(&zap->mutex);
    before = zap->table;
    zap->table = table;
    note_revoked(zap, before);
    auth_lent_refresh(zap->lent, table);
    pthread_mutex_unlock(&zap->mutex);
    auth_table_free(before);
}

void
link_zap_set_stranger(struct link_zap *zap, const uint8_t key[KEY_BYTES])
{
    pthread_mutex_lock(&zap->mutex);
    memcpy(zap->stranger, key, KEY_BYTES);
    pthread_mutex_unlock(&zap->mutex);
}

void
link_zap_count(const struct link_zap *zap, uint64_t *admitted_out, uint64_t *refused_out)
{
    *admitted_out = atomic_load(&zap->admitted);
    *refused_out = atomic_load(&zap->refused);
}

void
link_zap_log(struct link_zap *zap, const uint8_t key[KEY_BYTES], const char *address,
             const char *why)
{
    uint64_t now_ms = clock_now_ms();
    uint64_t refill, suppressed = 0;
    bool     write;
    char     fingerprint[20];

    pthread_mutex_lock(&zap->mutex);
    refill = (now_ms - zap->log_refilled_ms) / LOG_REFILL_MS;
    if (refill > 0) {
        zap->log_refilled_ms = now_ms;
        refill += zap->log_tokens;
        zap->log_tokens = refill < LOG_LINES_BURST ? (uint32_t)refill : LOG_LINES_BURST;
    }
    write = zap->log_tokens > 0;
    if (write) {
        zap->log_tokens--;
        suppressed = zap->log_suppressed;
        zap->log_suppressed = 0;
    } else {
        zap->log_suppressed++;
    }
    pthread_mutex_unlock(&zap->mutex);
    if (!write)
        return;
    if (suppressed > 0)
        log_warn("%ju more refusals were not logged", (uintmax_t)suppressed);
    log_warn("refused key=%s address=%s: %s",
             key != NULL ? auth_key_fingerprint(fingerprint, key) : "unread",
             address[0] != '\0' ? address : "local", why);
}

/* ---- the handler ---- */

/* False when the context ends. */
static bool
zap_receive(void *socket, struct zap_request *request)
{
    size_t parts = 0;
    int    more = 1;

    memset(request, 0, sizeof(*request));
    request->whole = true;
    while (more) {
        zmq_msg_t part;
        int       bytes;

        zmq_msg_init(&part);
        bytes = zmq_msg_recv(&part, socket, 0);
        if (bytes < 0) {
            int why = zmq_errno();

            zmq_msg_close(&part);
            if (why == EINTR)
                continue;
            return false;
        }
        /* One byte less, so that every part ends with a zero. */
        if (parts < PART_COUNT && (size_t)bytes < ZAP_PART_BYTES_MAX) {
            memcpy(request->bytes[parts], zmq_msg_data(&part), (size_t)bytes);
            request->sizes[parts] = (size_t)bytes;
        } else {
            request->whole = false;
        }
        parts++;
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    request->whole = request->whole && parts == PART_COUNT;
    return true;
}

static bool
part_is(const struct zap_request *request, enum zap_part part, const char *text)
{
    return slice_equals_text(slice_of(request->bytes[part], request->sizes[part]), text);
}

static const char *
zap_answer(struct link_zap *zap, const struct zap_request *request)
{
    const uint8_t      *key = request->bytes[PART_KEY];
    const char         *address = zap->local ? "" : (const char *)request->bytes[PART_ADDRESS];
    struct muster_error why = { 0 };
    bool                expected;
    muster_err          err;

    if (!request->whole || !part_is(request, PART_VERSION, "1.0") ||
        !part_is(request, PART_DOMAIN, LINK_ZAP_DOMAIN) ||
        !part_is(request, PART_MECHANISM, "CURVE") || request->sizes[PART_KEY] != KEY_BYTES)
        return ZAP_REFUSED;

    pthread_mutex_lock(&zap->mutex);
    err = zap_decide(zap, key, address, &why);
    expected = memcmp(key, zap->stranger, KEY_BYTES) == 0;
    pthread_mutex_unlock(&zap->mutex);
    if (!err) {
        atomic_fetch_add(&zap->admitted, 1);
        return ZAP_WELCOME;
    }
    if (!expected) {
        atomic_fetch_add(&zap->refused, 1);
        link_zap_log(zap, key, address, why.detail);
    }
    return err == MUSTER_ERR_FULL ? ZAP_FULL : ZAP_REFUSED;
}

static bool
zap_reply(void *socket, const struct zap_request *request, const char *status)
{
    bool        welcome = strcmp(status, ZAP_WELCOME) == 0;
    char        user[2 * KEY_BYTES + 1] = "";
    const void *parts[] = { "1.0", request->bytes[PART_REQUEST], status, "", user, "" };
    size_t      sizes[] = { 3, request->sizes[PART_REQUEST], strlen(status), 0, 0, 0 };
    size_t      count = sizeof(parts) / sizeof(parts[0]);

    if (welcome) {
        auth_key_text(user, request->bytes[PART_KEY]);
        sizes[4] = strlen(user);
    }
    for (size_t i = 0; i < count; i++) {
        while (zmq_send(socket, parts[i], sizes[i], i + 1 < count ? ZMQ_SNDMORE : 0) < 0) {
            if (zmq_errno() != EINTR)
                return false;
        }
    }
    return true;
}

static void *
zap_run(void *context)
{
    struct link_zap   *zap = context;
    struct zap_request request;

    while (zap_receive(zap->socket, &request)) {
        if (!zap_reply(zap->socket, &request, zap_answer(zap, &request)))
            break;
    }
    link_socket_close(zap->socket);     /* a socket is closed by the thread that used it */
    zap->socket = NULL;
    return NULL;
}

static muster_err
zap_thread_start(struct link_zap *zap, struct muster_error *error)
{
    sigset_t all, before;
    int      rc;

    /* Signals are for the owner's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&zap->thread, NULL, zap_run, zap);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return error_set(error, MUSTER_ERR_INTERNAL, "no thread for authentication: %s",
                         strerror(rc));
    zap->running = true;
    return MUSTER_OK;
}

muster_err
link_zap_start(void *context, struct auth_table *table, struct auth_lent *lent,
               uint32_t connections_max, bool local, struct link_zap **zap_out,
               struct muster_error *error)
{
    struct link_zap *zap = base_alloc(sizeof(*zap));
    muster_err       err = MUSTER_OK;

    assert(table != NULL);
    zap->table = table;
    zap->lent = lent != NULL ? lent : auth_lent_new();
    zap->connections_max = connections_max;
    zap->local = local;
    zap->log_tokens = LOG_LINES_BURST;
    zap->log_refilled_ms = clock_now_ms();
    pthread_mutex_init(&zap->mutex, NULL);
    zap->socket = zmq_socket(context, ZMQ_REP);
    if (zap->socket == NULL || zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0)
        err = error_set(error, MUSTER_ERR_INTERNAL, "no authentication handler: %s",
                        zmq_strerror(zmq_errno()));
    if (!err)
        err = link_set_int(zap->socket, ZMQ_LINGER, 0, error);
    if (!err)
        err = zap_thread_start(zap, error);
    if (err)
        link_zap_free(zap);
    else
        *zap_out = zap;
    return err;
}

void
link_zap_free(struct link_zap *zap)
{
    if (zap == NULL)
        return;
    if (zap->running)
        pthread_join(zap->thread, NULL);
    link_socket_close(zap->socket);
    auth_table_free(zap->table);
    auth_lent_free(zap->lent);
    map_free(&zap->revoked);
    map_free(&zap->live);
    pthread_mutex_destroy(&zap->mutex);
    free(zap);
}
