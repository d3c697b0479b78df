/* test_wake.c - whoever waits is woken: what sends and half-read queues leave behind
 *
 * Method: bring libzmq into a state where its own descriptor is silent though there is
 * something to receive, ask for the descriptor as link.h says, and poll it.
 */
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "world.h"

enum { ROUNDS = 20 };

static void
assert_readable(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
}

/* The next frame.  What woke us may have been something else. */
static struct slice
client_next(struct world *w)
{
    struct slice frame;

    do {
        assert_readable(link_client_fd(w->client));
    } while (!link_client_receive(w->client, &frame));
    return frame;
}

static struct slice
server_next(struct world *w)
{
    struct link_peer from;
    struct slice     frame;
    uint64_t         peer;

    do {
        assert_readable(link_server_fd(w->server));
        assert_false(link_server_gone(w->server, &peer));
    } while (!link_server_receive(w->server, &from, &frame));
    return frame;
}

/* A send looks at what came when the last one was more than about a millisecond ago:
 * only then does it take the signal away. */
static void
let_sends_look(void)
{
    uint64_t until_ms = clock_now_ms() + 3;

    while (clock_now_ms() < until_ms)
        continue;
}

/* Both sides have met, and nothing is on its way. */
static struct world
world_met(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);

    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    assert_int_equal(link_server_send(w.server, w.from.peer, slice_text("hello")), MUSTER_OK);
    assert_true(UNTIL(&w, w.answers == 1));
    return w;
}

static void
story_client_sends(struct key *key)
{
    struct world w = world_met(key);

    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(link_server_send(w.server, w.from.peer, slice_text("x")), MUSTER_OK);
        assert_readable(link_client_fd(w.client));       /* it has arrived */
        let_sends_look();
        assert_int_equal(link_client_send(w.client, slice_text("y")), MUSTER_OK);
        (void)client_next(&w);
    }
    assert_true(UNTIL(&w, w.frames == 1 + ROUNDS));
    world_close(&w);
}

static void
story_server_sends(struct key *key)
{
    struct world w = world_met(key);
    uint64_t     begin_ms = clock_now_ms();

    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(link_client_send(w.client, slice_text("x")), MUSTER_OK);
        assert_readable(link_server_fd(w.server));
        let_sends_look();
        assert_int_equal(link_server_send(w.server, w.from.peer, slice_text("y")), MUSTER_OK);
        (void)server_next(&w);
    }
    /* The server's tick, once a second, hides what is lost. */
    assert_true(clock_now_ms() - begin_ms < ROUNDS * 1000 / 2);
    assert_true(UNTIL(&w, w.answers == 1 + ROUNDS));
    world_close(&w);
}

/* Taking one frame of several takes the signal of all. */
static void
story_half_read(struct key *key)
{
    struct world w = world_met(key);

    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(link_client_send(w.client, slice_text("x")), MUSTER_OK);
    for (unsigned i = 0; i < ROUNDS; i++)
        (void)server_next(&w);
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(link_server_send(w.server, w.from.peer, slice_text("x")), MUSTER_OK);
    for (unsigned i = 0; i < ROUNDS; i++)
        (void)client_next(&w);
    world_close(&w);
}

/* A descriptor that told of something is silent when all of it was read. */
static void
story_silent_then(struct key *key)
{
    struct world  w = world_met(key);
    struct pollfd fds[3];

    world_turn(&w, 0);
    fds[0] = (struct pollfd){ .fd = link_server_fd(w.server), .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = link_client_fd(w.client), .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = link_client_state_fd(w.client), .events = POLLIN };
    assert_int_equal(poll(fds, 3, 50), 0);
    world_close(&w);
}

/* Ends of connections come through another socket of libzmq, which must be looked at
 * though no frame comes. */
static void
story_ends_while_idle(struct key *key)
{
    struct world w = world_met(key);
    uint64_t     peer = 0;
    unsigned     turns = 0;

    link_client_close(w.client);
    w.client = NULL;
    while (peer == 0 && turns++ < 10) {
        struct link_peer from;
        struct slice     frame;

        assert_readable(link_server_fd(w.server));
        while (link_server_receive(w.server, &from, &frame))
            continue;
        (void)link_server_gone(w.server, &peer);
    }
    assert_int_equal(peer, w.from.peer);
    world_close(&w);
}

static void
story_loss_while_idle(struct key *key)
{
    struct world w = world_met(key);

    link_server_close(w.server);
    w.server = NULL;
    for (unsigned turns = 0; w.state == LINK_CONNECTED && turns < 10; turns++) {
        assert_readable(link_client_state_fd(w.client));
        w.state = link_client_state(w.client, &w.connections, &w.why);
    }
    assert_int_equal(w.state, LINK_LOST);
    world_close(&w);
}

/* What is given travels as it is; what is not taken stays with its owner. */
static void
story_given(struct key *key)
{
    struct world  w = world_met(key);
    struct buffer frame = { 0 };
    struct slice  arrived;

    memset(buffer_extend(&frame, FRAME_MAX), 0x5a, FRAME_MAX);
    assert_int_equal(link_client_give(w.client, &frame), MUSTER_OK);
    assert_null(frame.data);
    assert_true(UNTIL(&w, w.frames == 2));
    assert_int_equal(w.frame_bytes, FRAME_MAX);
    memset(buffer_extend(&frame, FRAME_MAX), 0x3c, FRAME_MAX);
    assert_int_equal(link_server_give(w.server, w.from.peer, &frame), MUSTER_OK);
    assert_null(frame.data);
    arrived = client_next(&w);
    assert_int_equal(arrived.bytes, FRAME_MAX);
    assert_int_equal(((const uint8_t *)arrived.data)[FRAME_MAX - 1], 0x3c);

    buffer_append_text(&frame, "to nobody");
    assert_int_equal(link_server_give(w.server, w.from.peer + 1, &frame), MUSTER_ERR_NOT_FOUND);
    assert_string_equal(buffer_text(&frame), "to nobody");
    buffer_free(&frame);
    world_close(&w);
}

static void
story_given_to_a_full_queue(struct key *key)
{
    enum { BYTES = 4096 };
    struct world  w = world_met(key);
    struct buffer frame = { 0 };
    uint64_t      given = 0;
    muster_err    err = MUSTER_OK;

    /* The server does not read: queues and kernel buffers fill. */
    while (given < 100000) {
        if (frame.data == NULL)
            memset(buffer_extend(&frame, BYTES), (int)(given & 0xff), BYTES);
        err = link_client_give(w.client, &frame);
        if (err)
            break;
        given++;
    }
    assert_int_equal(err, MUSTER_ERR_BUSY);
    assert_int_equal(frame.bytes, BYTES);
    assert_int_equal(frame.data[0], given & 0xff);
    assert_int_equal(frame.data[BYTES - 1], given & 0xff);
    assert_true(UNTIL(&w, w.frames == 1 + given));
    assert_int_equal(link_client_give(w.client, &frame), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 2 + given));
    world_close(&w);
}

/* ---- signals ---- */

struct pest {
    pthread_t    thread, victim;
    _Atomic bool over;
};

static void
on_signal(int number)
{
    (void)number;
}

static void *
pest_run(void *context)
{
    struct pest *pest = context;

    while (!atomic_load(&pest->over))
        pthread_kill(pest->victim, SIGUSR1);
    return NULL;
}

static struct pest *
pest_start(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    struct pest     *pest = base_alloc(sizeof(*pest));

    sigaction(SIGUSR1, &action, NULL);
    pest->victim = pthread_self();
    assert_int_equal(pthread_create(&pest->thread, NULL, pest_run, pest), 0);
    return pest;
}

static void
pest_end(struct pest *pest)
{
    atomic_store(&pest->over, true);
    pthread_join(pest->thread, NULL);
    free(pest);
}

/* Whoever sends may be a thread of the application, and signals are its own. */
static void
story_signals(struct key *key)
{
    enum { SENDS = 100 };
    struct world w = world_met(key);
    struct pest *pest = pest_start();

    for (unsigned i = 0; i < SENDS; i++) {
        let_sends_look();
        assert_int_equal(link_client_send(w.client, slice_text("x")), MUSTER_OK);
        assert_int_equal(link_server_send(w.server, w.from.peer, slice_text("y")), MUSTER_OK);
        while (w.frames <= i + 1 || w.answers <= i + 1)
            world_turn(&w, 0);
    }
    pest_end(pest);
    world_close(&w);
}

/* ---- before the first frame ---- */

/* Of whoever connects and says nothing the server knows, too: the crowd is kept small. */
static void
story_crowd_alone(struct key *key)
{
    enum { CROWD = 200, ROOM = 5 + 128 };
    struct world       w = { .server = server_at("tcp://127.0.0.1:*", table_of(key, NULL), 5) };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const char        *port = strrchr(link_server_endpoint(w.server), ':') + 1;
    struct pollfd      fds[CROWD];
    uint64_t           until_ms = clock_now_ms() + WAIT_MS / 2;      /* a handshake has longer */
    unsigned           shut = 0;

    address.sin_port = htons((uint16_t)atoi(port));
    for (unsigned i = 0; i < CROWD; i++) {
        fds[i] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                  .events = POLLRDHUP };
        assert_int_equal(connect(fds[i].fd, (struct sockaddr *)&address, sizeof(address)), 0);
    }
    while (shut < CROWD - ROOM && clock_now_ms() < until_ms) {
        world_turn(&w, 10);
        (void)poll(fds, CROWD, 0);
        shut = 0;
        for (unsigned i = 0; i < CROWD; i++)
            shut += fds[i].revents != 0;
    }
    assert_true(shut >= CROWD - ROOM);
    for (unsigned i = 0; i < CROWD; i++)
        close(fds[i].fd);
    world_close(&w);
}

struct story_case {
    const char *story;
    void (*run)(struct key *key);
};

static const struct story_case stories[] = {
    { "signals do not disturb who sends", story_signals },
    { "strangers are counted before anybody has spoken", story_crowd_alone },
    { "a client that sends hears what came meanwhile", story_client_sends },
    { "a server that sends hears what came meanwhile", story_server_sends },
    { "what was not read is told again", story_half_read },
    { "nothing is told when all was read", story_silent_then },
    { "an end is told though nothing else happens", story_ends_while_idle },
    { "a loss is told though nothing else happens", story_loss_while_idle },
    { "a frame that is given arrives whole", story_given },
    { "a frame that finds no room stays with its owner", story_given_to_a_full_queue },
};

static void
test_story(void **state)
{
    const struct story_case *c = *state;
    struct key              *key = new_key("somebody");

    c->run(key);
    key_free(key);
}

int
main(void)
{
    int failed;

    assert(auth_start(NULL) == MUSTER_OK);
    assert(key_make(AUTH_ROLE_MANAGER, "manager", NULL, &manager_key, NULL) == MUSTER_OK);
    failed = STORIES("wake-ups", stories, test_story);
    key_free(manager_key);
    return failed;
}
