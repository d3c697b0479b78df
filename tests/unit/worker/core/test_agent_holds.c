/* test_agent_holds.c - a worker that holds more than one message can say
 *
 * Method: results of an earlier run, two messages full and a little more; the
 * worker joins, and its parts are answered in an odd order, one of them twice.
 */
#include "agent.h"
#include "stories.h"

enum { RESULTS = LIST_ITEMS_MAX * 2 + 10, PARTS = 3 };

static struct agent *
agent_with_results(void)
{
    static const struct agent_config config = { .name = "node", .host = "here", .software = "test",
                                                .cpus_milli = 1000, .running_max = 10,
                                                .secret = 1 };
    struct wire_result result = { .outcome = OUTCOME_SUCCEEDED };
    struct agent      *agent = agent_new(&config, 1000);
    struct buffer      encoded = { 0 };
    uint64_t           task;

    wire_put_result(&encoded, &result);
    for (uint32_t i = 0; i < RESULTS; i++) {
        struct wire_token token = { 1, i, 1, 1 };

        agent_restore(agent, &token, buffer_slice(&encoded), &task);
    }
    buffer_free(&encoded);
    return agent;
}

/* Read the type and the request of a message that was sent; its body. */
static struct slice
sent(const struct agent_actions *actions, uint32_t at, uint16_t *type_out, uint64_t *request_out)
{
    const struct agent_action *action = &actions->items[at];
    struct reader              in;
    uint32_t                   bytes;

    assert_true(at < actions->count);
    assert_int_equal(action->type, AGENT_SEND);
    in = reader_of(slice_of(actions->out.data + action->offset, action->bytes));
    bytes = read_u32(&in);
    *type_out = read_u16(&in);
    assert_int_equal(read_u16(&in), 0);
    *request_out = read_u64(&in);
    return read_raw(&in, bytes);
}

static void
welcome(struct agent *agent, struct agent_actions *actions)
{
    union wire_any m = { .welcome = { .version = PROTOCOL_VERSION, .session = 5, .epoch = 1,
                                      .role = ROLE_WORKER, .beat_ms = BEAT_MS,
                                      .lease_ms = LEASE_MS } };
    uint64_t       request;
    uint16_t       type;

    agent_link_up(agent, 1000, actions);
    sent(actions, 0, &type, &request);
    assert_int_equal(type, MSG_TYPE_HELLO);
    agent_actions_clear(actions);
    agent_message(agent, 1000, request, MSG_TYPE_WELCOME, &m, actions);
}

static void
test_many_holds(void **state)
{
    static const uint8_t order[] = { 2, 2, 0, 1 };
    struct agent        *agent = agent_with_results();
    struct agent_actions actions = { 0 };
    uint64_t             requests[PARTS];
    uint32_t             holds = 0;

    (void)state;
    welcome(agent, &actions);
    assert_int_equal(actions.count, PARTS);
    for (uint32_t i = 0; i < PARTS; i++) {
        struct msg_worker_join  join;
        struct msg_worker_holds more;
        uint16_t                type;
        struct slice            body = sent(&actions, i, &type, &requests[i]);

        assert_int_equal(type, i == 0 ? MSG_TYPE_WORKER_JOIN : MSG_TYPE_WORKER_HOLDS);
        if (i == 0) {
            assert_int_equal(wire_decode_worker_join(body, &join), MUSTER_OK);
            more = (struct msg_worker_holds){ join.holds, join.holds_more };
        } else {
            assert_int_equal(wire_decode_worker_holds(body, &more), MUSTER_OK);
        }
        assert_int_equal(more.holds_more, i + 1 < PARTS);
        holds += more.holds.count;
    }
    assert_int_equal(holds, RESULTS);
    agent_actions_clear(&actions);
    for (uint32_t i = 0; i < sizeof(order); i++) {
        union wire_any m = { 0 };

        /* The answer that came twice does not stand for another one. */
        agent_message(agent, 1000, requests[order[i]], MSG_TYPE_WORKER_JOINED, &m, &actions);
        assert_int_equal(agent_joined(agent), i + 1 == sizeof(order));
    }
    agent_check(agent);
    agent_free(agent);
    agent_actions_free(&actions);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_many_holds) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
