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

/* ---- keys that are lent to tasks ---- */

struct lent_case {
    const char     *story;
    const char     *user;              /* that the key is lent for; the table has "anna" */
    const char     *options;           /* of anna's own key */
    const char     *address;           /* that the key may come from; NULL: not lent at all */
    bool            unlent;            /* ... and taken back before it comes */
    enum link_state state;
};

static const struct lent_case lent_cases[] = {
    { "a lent key is let in", "anna", NULL, "127.0.0.1", false, LINK_CONNECTED },
    { "a lent key from another host is refused", "anna", NULL, "127.0.0.2", false, LINK_REFUSED },
    { "where its user may come from does not matter", "anna", "from=10.0.0.0/8", "127.0.0.1",
      false, LINK_CONNECTED },
    { "a lent key of a user who is gone is refused", "bert", NULL, "127.0.0.1", false,
      LINK_REFUSED },
    { "a lent key of a user whose key has expired is refused", "anna", "not-after=2001-01-01",
      "127.0.0.1", false, LINK_REFUSED },
    { "a key that was not lent is refused", "anna", NULL, NULL, false, LINK_REFUSED },
    { "a key that was taken back is refused", "anna", NULL, "127.0.0.1", true, LINK_REFUSED },
};

static void
test_lent(void **state)
{
    const struct lent_case *c = *state;
    struct key             *own = new_key("anna"), *lent = new_key("task");
    struct world            w = { 0 };
    bool                    is_lent = false;

    w.server = server_at("tcp://127.0.0.1:*", table_of(own, c->options), 100);
    if (c->address != NULL)
        link_server_lend(w.server, key_public(lent), c->user, c->address);
    if (c->unlent)
        link_server_unlend(w.server, key_public(lent));
    w.client = client_at(link_server_endpoint(w.server), lent);
    assert_true(UNTIL(&w, w.state == c->state));
    if (c->state == LINK_CONNECTED) {
        assert_string_equal(link_server_entry(w.server, key_public(lent), &is_lent)->name, "anna");
        assert_true(is_lent);
    } else {
        assert_int_equal(w.why.code, MUSTER_ERR_AUTH);
    }
    world_close(&w);
    key_free(own);
    key_free(lent);
}

static struct world
world_lent(const struct key *own, const struct key *lent)
{
    struct world w = { 0 };

    w.server = server_at("tcp://127.0.0.1:*", table_of(own, NULL), 100);
    link_server_lend(w.server, key_public(lent), "anna", "127.0.0.1");
    w.client = client_at(link_server_endpoint(w.server), lent);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    return w;
}

/* A connection that stands ends with its key, within a second, and is told why. */
static void
test_lent_ends(void **state)
{
    struct key  *own = new_key("anna"), *lent = new_key("task");
    struct world w = world_lent(own, lent);
    uint64_t     begin_ms = clock_now_ms();

    (void)state;
    link_server_unlend(w.server, key_public(lent));
    link_server_cut_unlent(w.server);
    assert_true(UNTIL(&w, w.gone == 1));
    assert_true(clock_now_ms() - begin_ms < 1000);
    assert_true(UNTIL(&w, w.state == LINK_REFUSED));
    world_close(&w);
    key_free(own);
    key_free(lent);
}

/* Another table keeps lent keys, and cuts those whose user is not in it. */
static void
test_lent_reload(void **state)
{
    struct key  *own = new_key("anna"), *lent = new_key("task");
    struct world w = world_lent(own, lent);

    (void)state;
    link_server_set_keys(w.server, table_of(own, "max-connections=3"));
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 2));
    link_server_set_keys(w.server, table_of(NULL, NULL));
    assert_null(link_server_entry(w.server, key_public(lent), NULL));
    assert_true(UNTIL(&w, w.gone == 1));
    assert_true(UNTIL(&w, w.state == LINK_REFUSED));
    world_close(&w);
    key_free(own);
    key_free(lent);
}

int
main(void)
{
    const struct CMUnitTest ends[] = {
        cmocka_unit_test(test_lent_ends),
        cmocka_unit_test(test_lent_reload),
    };
    int failed;

    assert(auth_start(NULL) == MUSTER_OK);
    assert(key_make(AUTH_ROLE_MANAGER, "manager", NULL, &manager_key, NULL) == MUSTER_OK);
    failed = STORIES("the door", doors, test_door);
    failed += STORIES("lent keys", lent_cases, test_lent);
    failed += cmocka_run_group_tests_name("the end of lent keys", ends, NULL, NULL);
    key_free(manager_key);
    return failed;
}
