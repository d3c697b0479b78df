/* stress.c - threads, trouble, the watch and the ledger; see stress.h */
#include "stress.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HANG_MS = 60000, DRAIN_MS = 120000 };

struct shop         shops[SESSIONS_MAX];
unsigned            shop_count = 4;
_Atomic bool        calm;

static struct actor actors[ACTORS_MAX];
static unsigned     actor_count = 64;
static unsigned     seconds = 20;
static uint64_t     seed = 1;
static const char  *calm_file;
static _Atomic bool over;                /* the watch ends */
static _Atomic uint64_t cuts, interrupts;

uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
wrong(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "stress: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, " (seed %llu)\n", (unsigned long long)seed);
    va_end(args);
    _exit(1);
}

uint64_t
any(struct actor *actor, uint64_t below)
{
    actor->random ^= actor->random << 13;
    actor->random ^= actor->random >> 7;
    actor->random ^= actor->random << 17;
    return (actor->random >> 11) % below;
}

uint32_t
any_timeout(struct actor *actor)
{
    static const uint32_t times_ms[] = { 0, 1, 5, 50, 300, 1000, 3000 };

    return times_ms[any(actor, sizeof(times_ms) / sizeof(times_ms[0]))];
}

/* ---- calls ---- */

void
begin(struct actor *actor, const char *what)
{
    atomic_store(&actor->since_ms, now_ms());
    atomic_store(&actor->doing, what);
    actor->error = (struct muster_error){ 0 };
}

muster_err
end(struct actor *actor, muster_err err, uint64_t also)
{
    const char *what = atomic_exchange(&actor->doing, NULL);
    uint64_t    fine = BIT(OK) | BIT(TIMEOUT) | BIT(INTERRUPTED) | BIT(BUSY) | also;

    actor->calls++;
    if (!(fine >> err & 1))
        wrong("%s gave %s: %s", what, muster_err_name(err), actor->error.detail);
    if (err && actor->error.code != err)
        wrong("%s gave %s and told %s", what, muster_err_name(err),
              muster_err_name(actor->error.code));
    return err;
}

/* Names the calls that hang. */
static void *
watch(void *context)
{
    (void)context;
    while (!atomic_load(&over)) {
        uint64_t now = now_ms();
        bool     hang = false;

        for (unsigned i = 0; i < actor_count; i++)
            hang = hang || (atomic_load(&actors[i].doing) != NULL &&
                            atomic_load(&actors[i].since_ms) + HANG_MS < now);
        for (unsigned i = 0; hang && i < actor_count; i++) {
            const char *doing = atomic_load(&actors[i].doing);

            if (doing != NULL)
                fprintf(stderr, "stress: actor %u, session %td, for %llu ms: %s\n", i,
                        actors[i].shop - shops,
                        (unsigned long long)(now - atomic_load(&actors[i].since_ms)), doing);
        }
        if (hang)
            abort();
        (void)poll(NULL, 0, 100);
    }
    return NULL;
}

/* ---- the ledger ---- */

enum { ITEM_PUT = 1, ITEM_MAYBE = 2, ITEM_TAKEN = 4, ITEM_TAKEN_MAYBE = 8 };

static struct {
    _Atomic uint8_t  items[ITEMS_MAX];
    _Atomic uint32_t count;
} ledgers[LEDGERS];

uint32_t
item_new(enum ledger ledger)
{
    uint32_t number = atomic_fetch_add(&ledgers[ledger].count, 1);

    if (number >= ITEMS_MAX)
        wrong("the ledger is full");
    return number;
}

size_t
item_text(uint32_t number, char *out, size_t bytes)
{
    return (size_t)snprintf(out, bytes, "%u", (unsigned)number);
}

void
item_put(enum ledger ledger, uint32_t number, muster_err err)
{
    uint8_t how = err ? ITEM_MAYBE : ITEM_PUT;

    if (atomic_fetch_or(&ledgers[ledger].items[number], how) & (ITEM_PUT | ITEM_MAYBE))
        wrong("putting item %u was answered twice", (unsigned)number);
}

void
item_taken(enum ledger ledger, const void *data, size_t bytes, bool sure)
{
    uint32_t number = (uint32_t)strtoul(data, NULL, 10);
    uint8_t  how = sure ? ITEM_TAKEN : ITEM_TAKEN_MAYBE;

    if (bytes == 0 || number >= atomic_load(&ledgers[ledger].count))
        wrong("nobody put this item: %s", (const char *)data);
    if ((atomic_fetch_or(&ledgers[ledger].items[number], how) & ITEM_TAKEN) && sure)
        wrong("item %u of ledger %u was given twice", (unsigned)number, (unsigned)ledger);
}

void
ledger_check(void)
{
    for (unsigned ledger = 0; ledger < LEDGERS; ledger++) {
        uint32_t count = atomic_load(&ledgers[ledger].count);
        uint32_t put = 0, maybe = 0;

        for (uint32_t i = 0; i < count; i++) {
            uint8_t item = atomic_load(&ledgers[ledger].items[i]);

            put += (item & ITEM_PUT) != 0;
            maybe += (item & ITEM_MAYBE) != 0;
            if ((item & ITEM_PUT) && !(item & (ITEM_TAKEN | ITEM_TAKEN_MAYBE)))
                wrong("item %u of ledger %u is lost", (unsigned)i, ledger);
        }
        printf("ledger %u: %u items put, of %u more nobody knew\n", ledger, (unsigned)put,
               (unsigned)maybe);
    }
}

/* ---- trouble ---- */

static void
on_signal(int signal)
{
    (void)signal;
    muster_session_interrupt(shops[0].session);
}

/* As a network would: every connection of this program, or one of them. */
static void
cut(struct actor *chaos)
{
    unsigned one_of = any(chaos, 4) == 0 ? 1 : 4;

    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_storage peer;
        socklen_t               bytes = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &bytes) != 0 ||
            (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) || any(chaos, one_of) != 0)
            continue;
        (void)shutdown(fd, SHUT_RDWR);
        atomic_fetch_add(&cuts, 1);
    }
}

static void *
trouble(void *context)
{
    struct actor *chaos = context;
    uint64_t      until_ms = now_ms() + (uint64_t)seconds * 1000;

    while (now_ms() < until_ms) {
        (void)poll(NULL, 0, (int)any(chaos, 200));
        atomic_fetch_add(&interrupts, 1);
        if (any(chaos, 12) == 0)
            cut(chaos);
        else if (any(chaos, 3) == 0)
            (void)pthread_kill(actors[any(chaos, actor_count)].thread, SIGUSR1);
        else
            muster_session_interrupt(shops[any(chaos, shop_count)].session);
    }
    atomic_store(&calm, true);
    if (calm_file != NULL)
        close(open(calm_file, O_WRONLY | O_CREAT, 0600));
    return NULL;
}

static void *
play(void *context)
{
    struct actor *actor = context;

    if (actor->number < PIPES) {
        pipe_send(actor, actor->number);
    } else if (actor->number < 2 * PIPES) {
        pipe_receive(actor, actor->number - PIPES);
    } else {
        while (!atomic_load(&calm))
            act(actor);
    }
    return NULL;
}

/* ---- sessions ---- */

static struct muster_session *
connect_session(void)
{
    struct muster_session_options options = { .address = getenv("MUSTER_ADDRESS"),
                                              .authkey_file = getenv("MUSTER_AUTHKEY_FILE"),
                                              .connect_ms = CALM_MS };
    struct muster_session        *session = NULL;
    struct muster_error           error;

    if (muster_session_open(&options, &session, &error) != MUSTER_OK)
        wrong("no session: %s", error.detail);
    return session;
}

#define NAMED(text) (&(const struct muster_open){ .name = text })

static void
shop_open(struct shop *shop)
{
    struct muster_session *session = connect_session();
    struct muster_error    error;

    shop->session = session;
    MUST(muster_queue_open(session, NAMED("mail"), 0, CALM_MS, &shop->mail, &error));
    MUST(muster_queue_open(session, NAMED("work"), 0, CALM_MS, &shop->work, &error));
    MUST(muster_queue_open(session, NAMED("bounded"), BOUND, CALM_MS, &shop->bounded, &error));
    MUST(muster_lock_open(session, NAMED("door"), CALM_MS, &shop->door, &error));
    MUST(muster_lock_open(session, NAMED("gate"), CALM_MS, &shop->gate, &error));
    MUST(muster_rlock_open(session, NAMED("often"), CALM_MS, &shop->often, &error));
    MUST(muster_condition_open(session, NAMED("change"), shop->gate, CALM_MS, &shop->change,
                               &error));
    MUST(muster_semaphore_open(session, NAMED("permits"), PERMITS, true, CALM_MS, &shop->permits,
                               &error));
    MUST(muster_event_open(session, NAMED("event"), CALM_MS, &shop->event, &error));
    MUST(muster_barrier_open(session, NAMED("barrier"), PARTIES, CALM_MS, &shop->barrier, &error));
    MUST(muster_dict_open(session, NAMED("dict"), CALM_MS, &shop->dict, &error));
    MUST(muster_value_open(session, NAMED("value"), MUSTER_INTEGER, NULL, 0, CALM_MS, &shop->value,
                           &error));
    MUST(muster_pool_open(session, NULL, &shop->pool, &error));
}

static void
shop_close(struct shop *shop)
{
    muster_pool_free(shop->pool);
    muster_value_close(shop->value);
    muster_dict_close(shop->dict);
    muster_barrier_close(shop->barrier);
    muster_event_close(shop->event);
    muster_semaphore_close(shop->permits);
    muster_condition_close(shop->change);
    muster_lock_close(shop->often);
    muster_lock_close(shop->gate);
    muster_lock_close(shop->door);
    muster_queue_close(shop->bounded);
    muster_queue_close(shop->work);
    muster_queue_close(shop->mail);
    muster_session_close(shop->session);
}

/* ---- the end ---- */

/* Everything that is left, by a session of its own.  What others had comes back. */
static void
drain(struct muster_session *session, const char *name, enum ledger ledger)
{
    const struct muster_open open = { .name = name, .mode = MUSTER_OPEN_OLD };
    uint64_t                 until_ms = now_ms() + DRAIN_MS;
    struct muster_queue     *queue = NULL;
    struct muster_queue_size size = { .items = 1 };
    struct muster_error      error;

    MUST(muster_queue_open(session, &open, 0, CALM_MS, &queue, &error));
    while (size.items + size.given > 0) {
        struct muster_item item;
        muster_err         err = muster_queue_get(queue, 200, &item, &error);

        if (err && err != MUSTER_ERR_EMPTY)
            wrong("draining %s: %s", name, error.detail);
        if (!err) {
            item_taken(ledger, item.data, item.bytes, true);
            muster_item_free(&item);
            continue;
        }
        MUST(muster_queue_size(queue, CALM_MS, &size, &error));
        if (now_ms() > until_ms)
            wrong("%s is not empty: %llu items, %llu given", name, (unsigned long long)size.items,
                  (unsigned long long)size.given);
    }
    muster_queue_close(queue);
}

static void
settle(void)
{
    static const char *const names[] = { "mail", "work", "bounded" };
    struct muster_session   *session;

    calls_check();
    for (unsigned i = 0; i < shop_count; i++)
        shop_close(&shops[i]);
    session = connect_session();
    for (unsigned i = 0; i < LEDGERS; i++)
        drain(session, names[i], (enum ledger)i);
    muster_session_close(session);
    ledger_check();
}

/* ---- start ---- */

static void
arguments(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned long number = strtoul(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "--seconds") == 0)
            seconds = (unsigned)number;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number;
        else if (strcmp(argv[i], "--threads") == 0)
            actor_count = (unsigned)number;
        else if (strcmp(argv[i], "--sessions") == 0)
            shop_count = (unsigned)number;
        else if (strcmp(argv[i], "--calm") == 0)
            calm_file = argv[i + 1];
        else
            wrong("what is %s?", argv[i]);
    }
    if (actor_count < 2 * PIPES + 1 || actor_count > ACTORS_MAX || shop_count < 1 ||
        shop_count > SESSIONS_MAX)
        wrong("9 to %d threads, 1 to %d sessions", ACTORS_MAX, SESSIONS_MAX);
}

int
main(int argc, char **argv)
{
    struct actor chaos = { .number = ACTORS_MAX };
    struct sigaction action = { .sa_handler = on_signal };
    pthread_t    watcher, maker;
    uint64_t     calls = 0;

    arguments(argc, argv);
    (void)sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < shop_count; i++)
        shop_open(&shops[i]);
    pipes_start();
    chaos.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned i = 0; i < actor_count; i++) {
        actors[i].number = i;
        actors[i].shop = &shops[i % shop_count];
        actors[i].random = any(&chaos, UINT64_MAX) | 1;
        if (pthread_create(&actors[i].thread, NULL, play, &actors[i]) != 0)
            wrong("cannot start a thread");
    }
    if (pthread_create(&watcher, NULL, watch, NULL) != 0 ||
        pthread_create(&maker, NULL, trouble, &chaos) != 0)
        wrong("cannot start a thread");
    (void)pthread_join(maker, NULL);
    for (unsigned i = 0; i < actor_count; i++) {
        (void)pthread_join(actors[i].thread, NULL);
        calls += actors[i].calls;
    }
    settle();
    atomic_store(&over, true);
    (void)pthread_join(watcher, NULL);
    printf("%llu calls, %llu connections cut, %llu interruptions\n", (unsigned long long)calls,
           (unsigned long long)atomic_load(&cuts), (unsigned long long)atomic_load(&interrupts));
    return 0;
}
