/* test_machine.c - how a session connects, resumes and gives up, step by step
 *
 * Method: a script of events at given times; after each the state and what the
 * machine wants done are compared.  Time starts at 1000 and connect_ms is 10000.
 */
#include "machine.h"
#include "stories.h"

#include <string.h>

enum event {
    END, UP, DOWN, REFUSED, STRANGER, WELCOME, REFUSAL, LOST, HEARD, TIME,
};

struct step {
    enum event         event;
    uint64_t           at_ms;
    unsigned           arg;          /* UP: connection; REFUSAL: code; WELCOME: role */
    enum machine_state state;
    uint32_t           actions;
};

struct machine_case {
    const char *story;
    struct step steps[10];
    muster_err  error;               /* in machine->error at the end */
};

#define HELLO     MACHINE_SAY_HELLO
#define BEAT_     MACHINE_SAY_BEAT
#define AGAIN     MACHINE_RECONNECT
#define SEND      MACHINE_SEND
#define GIVE_UP   MACHINE_GIVE_UP
#define CONNECTING MACHINE_CONNECTING
#define GREETING  MACHINE_GREETING
#define READY     MACHINE_READY
#define FAILED    MACHINE_FAILED
#define OPENED    { UP, 1000, 1, GREETING, HELLO }, { WELCOME, 1010, ROLE_CLIENT, READY, SEND }

static const struct machine_case cases[] = {
    { "connect, greet, ready", { OPENED }, MUSTER_OK },
    { "beats keep their time",
      { OPENED, { TIME, 2000, 0, READY, 0 }, { TIME, 3010, 0, READY, BEAT_ },
        { HEARD, 3020, 0, READY, 0 }, { TIME, 4000, 0, READY, 0 },
        { TIME, 5010, 0, READY, BEAT_ } },
      MUSTER_OK },
    { "a lost connection is resumed",
      { OPENED, { DOWN, 1500, 0, CONNECTING, 0 }, { UP, 1600, 2, GREETING, HELLO },
        { WELCOME, 1610, ROLE_CLIENT, READY, SEND } },
      MUSTER_OK },
    { "a loss that was too short to be seen",
      { OPENED, { UP, 1600, 2, GREETING, HELLO }, { WELCOME, 1610, ROLE_CLIENT, READY, SEND } },
      MUSTER_OK },
    { "the same connection is greeted once",
      { { UP, 1000, 1, GREETING, HELLO }, { UP, 1001, 1, GREETING, 0 } }, MUSTER_ERR_UNREACHABLE },
    { "an unanswered HELLO is said on another connection",
      { { UP, 1000, 1, GREETING, HELLO }, { TIME, 5999, 0, GREETING, 0 },
        { TIME, 6000, 0, CONNECTING, AGAIN }, { UP, 6100, 1, GREETING, HELLO } },
      MUSTER_ERR_UNREACHABLE },
    { "silence makes it connect anew",
      { OPENED, { TIME, 3010, 0, READY, BEAT_ }, { TIME, 16009, 0, READY, BEAT_ },
        { TIME, 16010, 0, CONNECTING, AGAIN }, { UP, 16020, 1, GREETING, HELLO } },
      MUSTER_ERR_UNREACHABLE },
    { "a refused key is final",
      { { REFUSED, 1100, 0, FAILED, GIVE_UP }, { UP, 1200, 1, FAILED, 0 } }, MUSTER_ERR_AUTH },
    { "a key revoked later is final, too",
      { OPENED, { DOWN, 1500, 0, CONNECTING, 0 }, { REFUSED, 1600, 0, FAILED, GIVE_UP } },
      MUSTER_ERR_AUTH },
    { "a stranger at first is final", { { STRANGER, 1100, 0, FAILED, GIVE_UP } },
      MUSTER_ERR_WRONG_MANAGER },
    { "a stranger later gets some patience",
      { OPENED, { DOWN, 1500, 0, CONNECTING, 0 }, { STRANGER, 2000, 0, CONNECTING, 0 },
        { STRANGER, 2050, 0, CONNECTING, 0 }, { TIME, 2100, 0, CONNECTING, AGAIN },
        { UP, 2500, 1, GREETING, HELLO }, { WELCOME, 2510, ROLE_CLIENT, READY, SEND } },
      MUSTER_OK },
    { "but not for ever",
      { OPENED, { DOWN, 1500, 0, CONNECTING, 0 }, { STRANGER, 2000, 0, CONNECTING, 0 },
        { TIME, 12000, 0, FAILED, GIVE_UP } },
      MUSTER_ERR_WRONG_MANAGER },
    { "nobody there: it gives up the first connection",
      { { DOWN, 1100, 0, CONNECTING, 0 }, { TIME, 10999, 0, CONNECTING, 0 },
        { TIME, 11000, 0, FAILED, GIVE_UP } },
      MUSTER_ERR_UNREACHABLE },
    { "but waits for a manager that it knows",
      { OPENED, { DOWN, 1500, 0, CONNECTING, 0 }, { TIME, 9999999, 0, CONNECTING, 0 } },
      MUSTER_ERR_UNREACHABLE },
    { "another version is final",
      { { UP, 1000, 1, GREETING, HELLO }, { REFUSAL, 1010, MUSTER_ERR_VERSION, FAILED, GIVE_UP } },
      MUSTER_ERR_VERSION },
    { "a busy manager is greeted again later",
      { { UP, 1000, 1, GREETING, HELLO }, { REFUSAL, 1010, MUSTER_ERR_BUSY, GREETING, 0 },
        { TIME, 1050, 0, GREETING, 0 }, { TIME, 1110, 0, GREETING, HELLO } },
      MUSTER_ERR_BUSY },
    { "a manager that stays busy is told as such",
      { { UP, 1000, 1, GREETING, HELLO }, { REFUSAL, 10990, MUSTER_ERR_BUSY, GREETING, 0 },
        { TIME, 11000, 0, FAILED, GIVE_UP } },
      MUSTER_ERR_BUSY },
    { "a session that cannot be resumed is opened anew",
      { OPENED, { DOWN, 1500, 0, CONNECTING, 0 }, { UP, 1600, 2, GREETING, HELLO },
        { REFUSAL, 1610, MUSTER_ERR_SESSION, GREETING, HELLO },
        { WELCOME, 1620, ROLE_CLIENT, READY, SEND } },
      MUSTER_OK },
    { "a HELLO too many: on another connection",
      { { UP, 1000, 1, GREETING, HELLO }, { REFUSAL, 1010, MUSTER_ERR_STATE, CONNECTING, AGAIN } },
      MUSTER_ERR_UNREACHABLE },
    { "the session ended under a request",
      { OPENED, { LOST, 8000, 0, GREETING, HELLO }, { LOST, 8001, 0, GREETING, 0 },
        { WELCOME, 8010, ROLE_CLIENT, READY, SEND } },
      MUSTER_OK },
    { "and once more at once: it slows down",
      { OPENED, { LOST, 1020, 0, GREETING, HELLO }, { WELCOME, 1030, ROLE_CLIENT, READY, SEND },
        { LOST, 1040, 0, GREETING, 0 }, { TIME, 1100, 0, GREETING, 0 },
        { TIME, 1240, 0, GREETING, HELLO } },
      MUSTER_ERR_SESSION },
    { "an admin may come in", { { UP, 1000, 1, GREETING, HELLO },
                                { WELCOME, 1010, ROLE_ADMIN, READY, SEND } }, MUSTER_OK },
    { "a worker may not", { { UP, 1000, 1, GREETING, HELLO },
                            { WELCOME, 1010, ROLE_WORKER, FAILED, GIVE_UP } }, MUSTER_ERR_DENIED },
    { "a WELCOME that nobody asked for", { { WELCOME, 1010, ROLE_CLIENT, CONNECTING, 0 } },
      MUSTER_ERR_UNREACHABLE },
};

static uint32_t
play(struct machine *machine, const struct step *step)
{
    struct msg_welcome welcome = { .version = PROTOCOL_VERSION, .session = 17, .epoch = 3,
                                   .role = (uint8_t)step->arg, .beat_ms = 2000 };
    struct msg_error   refusal = { .code = (uint16_t)step->arg, .detail = slice_text("why") };

    switch (step->event) {
    case UP:
        return machine_on_link(machine, step->at_ms, MACHINE_LINK_UP, step->arg, "");
    case DOWN:
        return machine_on_link(machine, step->at_ms, MACHINE_LINK_DOWN, 0, "gone");
    case REFUSED:
        return machine_on_link(machine, step->at_ms, MACHINE_LINK_REFUSED, 0, "refused");
    case STRANGER:
        return machine_on_link(machine, step->at_ms, MACHINE_LINK_STRANGER, 0, "strange");
    case WELCOME:
        return machine_on_welcome(machine, step->at_ms, &welcome);
    case REFUSAL:
        return machine_on_refusal(machine, step->at_ms, &refusal);
    case LOST:
        return machine_on_session_lost(machine, step->at_ms);
    case HEARD:
        machine_on_heard(machine, step->at_ms);
        return 0;
    case TIME:
        return machine_on_time(machine, step->at_ms);
    case END:
    default:
        fail();
        return 0;
    }
}

static void
test_machine(void **state)
{
    const struct machine_case *c = *state;
    struct machine_config      config = { .address = "tcp://head:7717",
                                          .authkey_file = "/k/client.authkey",
                                          .connect_ms = 10000,
                                          .roles = FROM_CLIENT | FROM_ADMIN,
                                          .secret = 5 };
    struct machine             machine;

    machine_start(&machine, &config, 1000);
    for (const struct step *step = c->steps; step->event != END; step++) {
        uint32_t actions = play(&machine, step);

        if (actions != step->actions || machine.state != step->state)
            fail_msg("step %d at %d: state %d, not %d; actions %x, not %x", (int)(step - c->steps),
                     (int)step->at_ms, (int)machine.state, (int)step->state, actions,
                     step->actions);
        /* Waking at that time must change something: no busy waiting. */
        if (machine.state != MACHINE_FAILED && step->event != TIME)
            assert_true(machine_wake_ms(&machine) > step->at_ms);
    }
    assert_int_equal(machine.error.code, c->error);
    if (machine.state == MACHINE_FAILED) {
        assert_non_null(strstr(machine.error.detail, config.address));
        assert_non_null(strstr(machine.error.detail, config.authkey_file));
        assert_true(machine_wake_ms(&machine) == UINT64_MAX);
    }
}

/* ---- what HELLO says ---- */

struct hello_case {
    const char *story;
    bool        was_ready;
    bool        lost;
    uint64_t    session;
};

static const struct hello_case hello_cases[] = {
    { "a first HELLO asks for a new session", false, false, 0 },
    { "the next one resumes it", true, false, 17 },
    { "after its end it asks for a new one", true, true, 0 },
};

static void
test_hello(void **state)
{
    const struct hello_case *c = *state;
    struct machine_config    config = { .address = "a", .authkey_file = "k", .connect_ms = 10000,
                                        .roles = FROM_CLIENT, .secret = 5 };
    struct msg_welcome       welcome = { .version = PROTOCOL_VERSION, .session = 17,
                                         .role = ROLE_CLIENT };
    struct machine           machine;
    struct msg_hello         hello;

    machine_start(&machine, &config, 0);
    (void)machine_on_link(&machine, 0, MACHINE_LINK_UP, 1, "");
    if (c->was_ready)
        (void)machine_on_welcome(&machine, 10, &welcome);
    if (c->was_ready && !c->lost)
        (void)machine_on_link(&machine, 20, MACHINE_LINK_UP, 2, "");
    if (c->lost)
        assert_int_equal(machine_on_session_lost(&machine, 20), MACHINE_SAY_HELLO);
    machine_hello(&machine, &hello);
    assert_int_equal(hello.session, c->session);
    assert_int_equal(hello.secret, 5);
    assert_int_equal(hello.version_max, PROTOCOL_VERSION);
}

int
main(void)
{
    return STORIES("machine", cases, test_machine) + STORIES("hello", hello_cases, test_hello);
}
