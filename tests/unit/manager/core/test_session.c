/* test_session.c - how many sessions there may be, and whose
 *
 * Every turn is mirrored (world.h).
 */
#include "world.h"

enum { SESSIONS_MAX = 9, SHARE = 5 };

struct session_case {
    const char *story;
    void      (*tell)(struct world *world);
};

static void
expect_full(struct world *world, const char *text)
{
    union wire_any m;
    char           got[TEXT_BYTES_MAX + 1];

    world_expect(world, ERROR, &m);
    assert_int_equal(m.error.code, MUSTER_ERR_FULL);
    (void)snprintf(got, sizeof(got), "%.*s", (int)m.error.detail.bytes,
                   (const char *)m.error.detail.data);
    assert_string_equal(got, text);
}

static void
goodbye(struct world *world, uint64_t session, const char *user)
{
    union wire_any m = { 0 };

    world_step(world, 0, session, ROLE_CLIENT, user, MSG_TYPE_GOODBYE, &m);
    (void)world_expect_ack(world);
}

static void
turn(struct world *world)
{
    world_turn(world, 1);
    world_next(world);
}

static void
tell_share(struct world *world)
{
    uint64_t session = 0;

    for (uint32_t i = 0; i < SHARE; i++)
        session = world_client(world, "ann");
    assert_int_equal(world_hello(world, ROLE_CLIENT, "ann", 0, 42), 0);
    expect_full(world, "the key of ann has 5 client sessions, half of what the manager takes: "
                       "end some, or raise --sessions-max");
    (void)world_client(world, "bob");
    turn(world);
    /* After a restart as before. */
    world_restart(world);
    assert_int_equal(world_hello(world, ROLE_CLIENT, "ann", 0, 42), 0);
    world_expect_error(world, MUSTER_ERR_FULL);
    goodbye(world, session, "ann");
    (void)world_client(world, "ann");
    turn(world);
}

static void
tell_fleet(struct world *world)
{
    union wire_any m;

    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        assert_true(world_hello(world, ROLE_WORKER, "fleet", 0, 43) != 0);
        world_expect(world, WELCOME, &m);
    }
    assert_int_equal(world_hello(world, ROLE_CLIENT, "ann", 0, 42), 0);
    expect_full(world, "the manager has 9 sessions, its limit");
    turn(world);
}

static void
tell_resume(struct world *world)
{
    uint64_t       session = 0;
    union wire_any m;

    for (uint32_t i = 0; i < SHARE; i++)
        session = world_client(world, "ann");
    assert_int_equal(world_hello(world, ROLE_CLIENT, "ann", session, 42), session);
    world_expect(world, WELCOME, &m);
    assert_true(m.welcome.resumed);
    turn(world);
}

static const struct session_case cases[] = {
    { "the clients of one key get half of all sessions", tell_share },
    { "the workers of one key may have them all", tell_fleet },
    { "who comes back needs no room", tell_resume },
};

static void
run(void **state)
{
    const struct session_case *row = *state;
    struct core_config         config = world_config;
    struct world              *world;

    config.sessions_max = SESSIONS_MAX;
    world = world_new_with(&config);
    row->tell(world);
    world_free(world);
}

int
main(void)
{
    return STORIES("session", cases, run);
}
