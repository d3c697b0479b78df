/* world.h - a real server and real clients with fresh keys, and what happens to them */
#ifndef TEST_LINK_WORLD_H
#define TEST_LINK_WORLD_H

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "link.h"
#include "stories.h"

enum { FRAME_MAX = 256 * 1024, WAIT_MS = 10000 };

static struct key *manager_key;   /* of every server here */

/* ---- a server, its table and clients ---- */

static inline struct key *
new_key(const char *name)
{
    struct key *key = NULL;

    assert_int_equal(key_make(AUTH_ROLE_CLIENT, name, key_public(manager_key), &key, NULL),
                     MUSTER_OK);
    return key;
}

/* A table of at most one key, with options. */
static inline struct auth_table *
table_of(const struct key *key, const char *options)
{
    struct buffer       text = { 0 };
    struct auth_table  *table = NULL;
    struct muster_error error = { 0 };
    char                hex[2 * KEY_BYTES + 1];

    if (key != NULL)
        buffer_printf(&text, "%s client %s %s\n", auth_key_text(hex, key_public(key)),
                      key_name(key), options != NULL ? options : "");
    if (auth_table_parse(buffer_slice(&text), "test", &table, &error) != MUSTER_OK)
        fail_msg("%s", error.detail);
    buffer_free(&text);
    return table;
}

static inline struct link_server *
server_at(const char *endpoint, struct auth_table *table, uint32_t connections_max)
{
    struct link_server_config config = { .endpoint = endpoint,
                                         .key = manager_key,
                                         .frame_bytes_max = FRAME_MAX,
                                         .connections_max = connections_max };
    struct link_server       *server = NULL;
    struct muster_error       error = { 0 };

    if (link_server_open(&config, table, &server, &error) != MUSTER_OK)
        fail_msg("%s", error.detail);
    return server;
}

static inline struct link_client *
client_at(const char *endpoint, const struct key *key)
{
    struct link_client_config config = { .endpoint = endpoint,
                                         .key = key,
                                         .frame_bytes_max = FRAME_MAX,
                                         .reconnect_ms_min = 20,
                                         .reconnect_ms_max = 200 };
    struct link_client       *client = NULL;

    assert_int_equal(link_client_open(&config, &client, NULL), MUSTER_OK);
    return client;
}

/* Everything that happened to one server and one client so far. */
struct world {
    struct link_server *server;
    struct link_client *client;
    struct link_peer    from;
    uint64_t            frames;        /* that the server received */
    uint64_t            frame_bytes;   /* of the last one */
    uint64_t            gone;          /* peers reported gone */
    uint64_t            gone_last;
    uint64_t            answers;       /* that the client received */
    enum link_state     state;
    uint64_t            connections;
    struct muster_error why;
};

static inline void
world_turn(struct world *w, int wait_ms)
{
    struct pollfd fds[3] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
    struct slice  frame;
    uint64_t      peer;

    for (unsigned i = 0; i < 3; i++)
        fds[i].events = POLLIN;
    if (w->server != NULL)
        fds[0].fd = link_server_fd(w->server);
    if (w->client != NULL) {
        fds[1].fd = link_client_fd(w->client);
        fds[2].fd = link_client_state_fd(w->client);
    }
    poll(fds, 3, wait_ms);
    if (w->client != NULL) {
        /* As link.h says: news are there when the descriptor is readable, and only then. */
        if ((fds[2].revents & POLLIN) != 0)
            w->state = link_client_state(w->client, &w->connections, &w->why);
        while (link_client_receive(w->client, &frame))
            w->answers++;
    }
    if (w->server == NULL)
        return;
    while (link_server_receive(w->server, &w->from, &frame)) {
        w->frames++;
        w->frame_bytes = frame.bytes;
    }
    while (link_server_gone(w->server, &peer)) {
        w->gone++;
        w->gone_last = peer;
    }
}

/* Let things happen until `condition` or the time is up; its value says which. */
#define UNTIL(w, condition)                                                     \
    ({                                                                          \
        uint64_t until_ms_ = clock_now_ms() + WAIT_MS;                          \
        while (!(condition) && clock_now_ms() < until_ms_)                      \
            world_turn((w), 1000);                                              \
        (condition);                                                            \
    })

static inline void
world_close(struct world *w)
{
    link_client_close(w->client);
    link_server_close(w->server);
}

static inline muster_err
send_bytes(struct world *w, size_t bytes)
{
    struct buffer frame = { 0 };
    muster_err    err;

    buffer_extend(&frame, bytes);
    memset(frame.data, 0x5a, bytes);
    err = link_client_send(w->client, buffer_slice(&frame));
    buffer_free(&frame);
    return err;
}

static inline struct world
world_connected(const struct key *key, const char *endpoint, const char *options)
{
    struct world w = { 0 };

    w.server = server_at(endpoint, table_of(key, options), 100);
    w.client = client_at(link_server_endpoint(w.server), key);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    return w;
}

/* ---- places for local sockets ---- */

static inline void
local_endpoint(char out[static 64])
{
    char dir[] = "/tmp/muster-link-XXXXXX";

    assert_non_null(mkdtemp(dir));
    snprintf(out, 64, "ipc://%s/socket", dir);
}

static inline void
remove_local(const char *endpoint)
{
    char  copy[64];
    char *slash;

    snprintf(copy, sizeof(copy), "%s", endpoint + strlen("ipc://"));
    unlink(copy);
    slash = strrchr(copy, '/');
    *slash = '\0';
    rmdir(copy);
}

#endif
