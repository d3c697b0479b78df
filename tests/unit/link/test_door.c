/* test_door.c - whose key is let in, and what those hear who are not
 *
 * Method: a server with at most one enrolled key, with the options of the story,
 * and a client; wait for the client's state and compare why.
 */
#include <assert.h>

#include "world.h"

struct door_case {
    const char     *story;
    const char     *endpoint;
    bool            enrolled;
    const char     *options;
    bool            other_manager;     /* the client's authkey is of another manager */
    enum link_state state;
    muster_err      why;
};

static const struct door_case doors[] = {
    { "an enrolled key is let in", "tcp://127.0.0.1:*", true, NULL, false, LINK_CONNECTED,
      MUSTER_OK },
    { "a stranger's key is refused", "tcp://127.0.0.1:*", false, NULL, false, LINK_REFUSED,
      MUSTER_ERR_AUTH },
    { "an expired key is refused", "tcp://127.0.0.1:*", true, "not-after=2001-01-01", false,
      LINK_REFUSED, MUSTER_ERR_AUTH },
    { "a key that has not expired is let in", "tcp://127.0.0.1:*", true, "not-after=2999-01-01",
      false, LINK_CONNECTED, MUSTER_OK },
    { "a key from the wrong address is refused", "tcp://127.0.0.1:*", true, "from=10.0.0.0/8",
      false, LINK_REFUSED, MUSTER_ERR_AUTH },
    { "a key from the right address is let in", "tcp://127.0.0.1:*", true,
      "from=10.0.0.0/8,127.0.0.0/8", false, LINK_CONNECTED, MUSTER_OK },
    { "another manager's client is told so", "tcp://127.0.0.1:*", true, NULL, true,
      LINK_WRONG_MANAGER, MUSTER_ERR_WRONG_MANAGER },
    { "a wildcard address proves itself, too", "tcp://*:*", true, NULL, false, LINK_CONNECTED,
      MUSTER_OK },
    { "IPv6 works", "tcp://[::1]:*", true, "from=::1", false, LINK_CONNECTED, MUSTER_OK },
    { "a local socket lets an enrolled key in", "ipc", true, NULL, false, LINK_CONNECTED,
      MUSTER_OK },
    { "a local socket refuses strangers", "ipc", false, NULL, false, LINK_REFUSED,
      MUSTER_ERR_AUTH },
    { "from= means TCP, so a local socket is refused", "ipc", true, "from=127.0.0.1", false,
      LINK_REFUSED, MUSTER_ERR_AUTH },
};

static void
test_door(void **state)
{
    const struct door_case *c = *state;
    struct key             *key = new_key("somebody");
    struct key             *other = NULL, *lost = NULL;
    struct world            w = { 0 };
    char                    local[64] = "";

    assert_int_equal(key_make(AUTH_ROLE_MANAGER, "other", NULL, &other, NULL), MUSTER_OK);
    assert_int_equal(key_make(AUTH_ROLE_CLIENT, "lost", key_public(other), &lost, NULL), MUSTER_OK);
    if (strcmp(c->endpoint, "ipc") == 0)
        local_endpoint(local);
    w.server = server_at(local[0] != '\0' ? local : c->endpoint,
                         table_of(c->enrolled ? key : NULL, c->options), 100);
    w.client = client_at(strncmp(c->endpoint, "tcp://*", 7) == 0 ? "tcp://127.0.0.1:1" :
                         link_server_endpoint(w.server), c->other_manager ? lost : key);
    if (strncmp(c->endpoint, "tcp://*", 7) == 0) {
        char        address[64];
        const char *port = strrchr(link_server_endpoint(w.server), ':');

        link_client_close(w.client);
        snprintf(address, sizeof(address), "tcp://127.0.0.1%s", port);
        w.client = client_at(address, key);
    }
    assert_true(UNTIL(&w, w.state == c->state));
    assert_int_equal(w.why.code, c->why);
    if (c->state == LINK_CONNECTED) {
        assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
        assert_true(UNTIL(&w, w.frames == 1));
        assert_memory_equal(w.from.key, key_public(key), KEY_BYTES);
        assert_string_equal(w.from.address, local[0] != '\0' ? "" :
                            c->endpoint[6] == '[' ? "::1" : "127.0.0.1");
    } else {
        assert_int_equal(w.connections, 0);
    }
    world_close(&w);
    if (local[0] != '\0')
        remove_local(local);
    key_free(key);
    key_free(other);
    key_free(lost);
}

int
main(void)
{
    int failed;

    assert(auth_start(NULL) == MUSTER_OK);
    assert(key_make(AUTH_ROLE_MANAGER, "manager", NULL, &manager_key, NULL) == MUSTER_OK);
    failed = STORIES("the door", doors, test_door);
    key_free(manager_key);
    return failed;
}
