/* test_service.c - what a service promises
 *
 * Method: see link_script.h.  B, and sometimes C, serve methods "add" and "sub";
 * A calls.  Calls have the numbers 1, 2 ...
 */
#include "link_script.h"

struct service_case {
    const char      *story;
    struct link_step steps[LINK_STEPS];
};

#define SERVICE(VERB, who_, ...) { LINK_DO, who_, VERB_SERVICE_##VERB, __VA_ARGS__ }
#define PUBLISH(who, methods)    SERVICE(PUBLISH, who, .value = methods, .block = true)
#define WITHDRAW(who)            SERVICE(WITHDRAW, who)
#define CALL(who, method, arguments, label_) \
    SERVICE(CALL, who, .key = method, .value = arguments, .label = label_, .expect = WAITS)
#define CALL_GETS(who, method, code, why) \
    SERVICE(CALL, who, .key = method, .value = "x", .expect = code, .text = why)
#define NEXT(who, number, arguments) SERVICE(NEXT, who, .got_a = number, .text = arguments)
#define NEXT_WAITS(who, label_)      SERVICE(NEXT, who, .label = label_, .expect = WAITS)
#define NEXT_EMPTY(who) SERVICE(NEXT, who, .at_once = true, .expect = MUSTER_ERR_EMPTY)
#define REPLY(who, number, result)   SERVICE(REPLY, who, number, 0, .value = result)
#define FAILS(who, number, why)      SERVICE(REPLY, who, number, 1, .value = why)
#define REPLY_STALE(who, number) \
    SERVICE(REPLY, who, number, 0, .value = "late", .expect = MUSTER_ERR_STALE)
#define RESULT(who, label, result)   TOLD(who, label, .text = result)
#define REMOTE(who, label, why)      TOLD(who, label, .expect = MUSTER_ERR_REMOTE, .text = why)

static const struct service_case service_cases[] = {
    { "a call is answered with what the method gives",
      { PUBLISH(B, "add sub"), CALL(A, "add", "1 2", 1), NEXT(B, 1, "1 2"), REPLY(B, 1, "3"),
        RESULT(A, 1, "3") } },
    { "a server waits for calls",
      { PUBLISH(B, "add"), NEXT_WAITS(B, 2), CALL(A, "add", "1 2", 1),
        TOLD(B, 2, .got_a = 1, .text = "1 2"), REPLY(B, 1, ""), RESULT(A, 1, "") } },
    { "calls are given in the order in which they came",
      { PUBLISH(B, "add"), CALL(A, "add", "first", 1), CALL(C, "add", "second", 2),
        NEXT(B, 1, "first"), NEXT(B, 2, "second"), NEXT_EMPTY(B) } },
    { "they are answered in any order",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2), CALL(C, "add", "3", 3),
        NEXT(B, 1, "1"), NEXT(B, 2, "2"), NEXT(B, 3, "3"), REPLY(B, 3, "c"), RESULT(C, 3, "c"),
        REPLY(B, 2, "b"), RESULT(A, 2, "b"), REPLY(B, 1, "a"), RESULT(A, 1, "a") } },
    { "a method that is not exposed is refused, with those that are",
      { PUBLISH(B, "add sub"), CALL_GETS(A, "mul", MUSTER_ERR_NO_KEY, "add, sub"),
        CALL_GETS(A, "ad", MUSTER_ERR_NO_KEY, "add, sub"),
        CALL_GETS(A, "", MUSTER_ERR_NO_KEY, "add, sub"), NEXT_EMPTY(B) } },
    { "the methods published last are exposed",
      { PUBLISH(B, "add"), PUBLISH(C, "mul"), CALL_GETS(A, "add", MUSTER_ERR_NO_KEY, "mul"),
        CALL(A, "mul", "2 3", 1), NEXT(B, 1, "2 3") } },
    { "the text of an error arrives",
      { PUBLISH(B, "add"), CALL(A, "add", "x", 1), NEXT(B, 1, "x"), FAILS(B, 1, "x is no number"),
        REMOTE(A, 1, "x is no number") } },
    { "nobody serves it",
      { CALL_GETS(A, "add", MUSTER_ERR_END, "nobody serves it"), PUBLISH(B, "add"), WITHDRAW(B),
        CALL_GETS(A, "add", MUSTER_ERR_END, "nobody serves it") } },
    { "nobody serves it any more: what was not given ends",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2), NEXT(B, 1, "1"),
        WITHDRAW(B), TOLD(A, 2, .expect = MUSTER_ERR_END, .text = "any more"), REPLY(B, 1, "one"),
        RESULT(A, 1, "one") } },
    { "a server that dies: what it was given fails, and is not made again",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), NEXT(B, 1, "1"), PUBLISH(C, "add"), QUITS(B),
        REMOTE(A, 1, "died"), NEXT_EMPTY(C) } },
    { "what it was not given waits for another server",
      { PUBLISH(B, "add"), PUBLISH(C, "add"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2),
        NEXT(B, 1, "1"), AWAY(B), LATER(SESSION_MS + 1), REMOTE(A, 1, "died"), NEXT(C, 2, "2"),
        REPLY(C, 2, "two"), RESULT(A, 2, "two") } },
    { "if there is one",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2), NEXT(B, 1, "1"),
        QUITS(B), REMOTE(A, 1, "died"), TOLD(A, 2, .expect = MUSTER_ERR_END) } },
    { "a server that closes the service is gone from it",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), NEXT(B, 1, "1"), CLOSES(B),
        REMOTE(A, 1, "died") } },
    { "a caller that dies takes its calls with it",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2), NEXT(B, 1, "1"),
        QUITS(A), NEXT_EMPTY(B), REPLY_STALE(B, 1) } },
    { "a caller that gives up: what was not given is not made",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), CANCELS(A, 1), NEXT_EMPTY(B) } },
    { "a caller that gives up: what was given is not wanted",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), NEXT(B, 1, "1"), CANCELS(A, 1),
        REPLY_STALE(B, 1) } },
    { "a caller whose time is over",
      { PUBLISH(B, "add"),
        SERVICE(CALL, A, .key = "add", .wait_ms = 50, .label = 1, .expect = WAITS),
        SERVICE(CALL, A, .key = "add", .wait_ms = 50, .label = 2, .expect = WAITS),
        NEXT(B, 1, ""), LATER(51), TOLD(A, 1, .expect = MUSTER_ERR_TIMEOUT),
        TOLD(A, 2, .expect = MUSTER_ERR_TIMEOUT), REPLY_STALE(B, 1), NEXT_EMPTY(B) } },
    { "a call that will not wait is not made",
      { PUBLISH(B, "add"),
        SERVICE(CALL, A, .key = "add", .at_once = true, .expect = MUSTER_ERR_TIMEOUT),
        NEXT_EMPTY(B) } },
    { "calls go to whoever asks",
      { PUBLISH(B, "add"), PUBLISH(C, "add"), NEXT_WAITS(C, 3), NEXT_WAITS(B, 4),
        CALL(A, "add", "1", 1), TOLD(C, 3, .got_a = 1), CALL(A, "add", "2", 2),
        TOLD(B, 4, .got_a = 2), REPLY(B, 2, "b"), RESULT(A, 2, "b"), REPLY(C, 1, "c"),
        RESULT(A, 1, "c") } },
    { "only who was given a call may answer it, once",
      { PUBLISH(B, "add"), PUBLISH(C, "add"), CALL(A, "add", "1", 1), REPLY_STALE(B, 1),
        NEXT(B, 1, "1"), REPLY_STALE(C, 1), REPLY(B, 1, "one"), RESULT(A, 1, "one"),
        REPLY_STALE(B, 1), REPLY_STALE(B, 7) } },
    { "only who serves it gets calls",
      { PUBLISH(B, "add"), SERVICE(NEXT, A, .expect = MUSTER_ERR_STATE),
        SERVICE(WITHDRAW, A, .expect = MUSTER_ERR_STATE) } },
    { "a program may call itself",
      { PUBLISH(B, "add"), CALL(B, "add", "1", 1), NEXT(B, 1, "1"), REPLY(B, 1, "one"),
        RESULT(B, 1, "one"), CALL(B, "add", "2", 1), QUITS(B) } },

    /* ---- connections and the manager come and go ---- */
    { "an answer that was lost comes again, the call is made once",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), NEXT_WAITS(B, 2), TOLD(B, 2, .got_a = 1),
        AWAY(B), BACK(B), AGAIN(B, 2), TOLD(B, 2, .got_a = 1, .text = "1"), NEXT_EMPTY(B),
        REPLY(B, 1, "one"), RESULT(A, 1, "one"), AWAY(A), BACK(A), AGAIN(A, 1),
        RESULT(A, 1, "one") } },
    { "a reply that was lost on its way is repeated",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), NEXT(B, 1, "1"),
        SERVICE(REPLY, B, 1, 0, .value = "one", .label = 2, .expect = WAITS), TOLD(B, 2),
        RESULT(A, 1, "one"), AWAY(B), BACK(B), AGAIN(B, 2), TOLD(B, 2) } },
    { "a caller that was away gets its answer",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), AWAY(A), NEXT(B, 1, "1"), REPLY(B, 1, "one"),
        BACK(A), AGAIN(A, 1), RESULT(A, 1, "one") } },
    { "a restart keeps the calls",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2), NEXT(B, 1, "1"),
        RESTARTS, BACK(B), REPLY(B, 1, "one"), NEXT(B, 2, "2"), BACK(A), AGAIN(A, 2),
        AGAIN(A, 1), RESULT(A, 1, "one"), REPLY(B, 2, "two"), RESULT(A, 2, "two") } },
    { "also from a checkpoint",
      { PUBLISH(B, "add sub"), CALL(A, "add", "1", 1), CALL(A, "add", "2", 2),
        CALL(A, "sub", "3", 3), NEXT(B, 1, "1"), NEXT(B, 2, "2"), REPLY(B, 1, "one"),
        RESULT(A, 1, "one"), RELOADS, BACK(B), REPLY(B, 2, "two"), NEXT(B, 3, "3"), RELOADS,
        BACK(B), FAILS(B, 3, "no"), BACK(A), AGAIN(A, 3), REMOTE(A, 3, "no"), AGAIN(A, 2),
        RESULT(A, 2, "two"), CALL(A, "sub", "4", 4), NEXT(B, 4, "4") } },
    { "an error that was lost comes again",
      { PUBLISH(B, "add"), CALL(A, "add", "1", 1), NEXT(B, 1, "1"), FAILS(B, 1, "no"),
        REMOTE(A, 1, "no"), RESTARTS, BACK(A), AGAIN(A, 1), REMOTE(A, 1, "no") } },

    /* ---- what is not right ---- */
    { "a block of methods is checked",
      { SERVICE(PUBLISH, B, 1, .value = "add", .expect = MUSTER_ERR_INVALID),
        SERVICE(PUBLISH, B, .value = "add  sub", .block = true, .expect = MUSTER_ERR_INVALID),
        SERVICE(PUBLISH, B, .value = "add \xff", .block = true, .expect = MUSTER_ERR_INVALID),
        CALL_GETS(A, "add", MUSTER_ERR_END, NULL) } },
    { "numbers that mean nothing are refused",
      { PUBLISH(B, "add"), SERVICE(NEXT, B, 1, .expect = MUSTER_ERR_INVALID),
        SERVICE(CALL, A, 1, .key = "add", .expect = MUSTER_ERR_INVALID),
        SERVICE(REPLY, B, 1, 2, .expect = MUSTER_ERR_INVALID) } },
};

static void
service_story(void **state)
{
    const struct service_case *row = *state;
    struct link_world         *link = link_new(NOUN_SERVICE, 0);

    link_run(link, row->steps, row->story);
    link_free(link);
}

/* ---- texts of errors travel in a message of their own ---- */

struct text_case {
    const char *story;
    const char *said;              /* behind `before` times an a */
    size_t      said_bytes, before;
    const char *end;               /* of what arrives */
    size_t      bytes;             /* of what arrives */
};

static const struct text_case text_cases[] = {
    { "as it is", "caf\xc3\xa9", 5, 0, "caf\xc3\xa9", 5 },
    { "cut", "bbb", 3, 478, "aab", 479 },
    { "not in the middle of a character", "\xc3\xa9", 2, 478, "aaa", 478 },
    { "what is no text is made one", "\xff\x00z", 3, 1, "a??z", 4 },
};

static void
text_story(void **state)
{
    static const struct link_step begin[] = { PUBLISH(B, "add"), CALL(A, "add", "1", 1),
                                              NEXT(B, 1, "1"), { LINK_END_OF_STORY } };
    const struct text_case *row = *state;
    struct link_world      *link = link_new(NOUN_SERVICE, 0);
    struct buffer           said = { 0 };
    union wire_any          m = { .object_do = { .object = link->object, .a = 1, .b = 1,
                                                 .verb = VERB_SERVICE_REPLY } };
    const char             *got;

    for (size_t i = 0; i < row->before; i++)
        buffer_append_text(&said, "a");
    buffer_append(&said, row->said, row->said_bytes);
    for (unsigned i = 0; begin[i].op != LINK_END_OF_STORY; i++)
        link_step_run(link, &begin[i], row->story, i);
    m.object_do.value = buffer_slice(&said);
    m.object_do.wait_ms = UINT32_MAX;
    link_ask(link, B, MSG_TYPE_OBJECT_DO, &m);
    world_turn(link->world, 0);
    while (world_take(link->world, NULL, &m) != MSG_TYPE_ERROR)
        assert_int_not_equal(link->world->sends_read, link->world->fx.send_count);
    assert_int_equal(m.error.code, MUSTER_ERR_REMOTE);
    got = m.error.detail.data;
    assert_int_equal(m.error.detail.bytes, row->bytes);
    assert_memory_equal(got + row->bytes - strlen(row->end), row->end, strlen(row->end));
    world_next(link->world);
    buffer_free(&said);
    link_free(link);
}

/* ---- limits ---- */

static uint64_t
service_call_raw(struct link_world *link, unsigned who, const char *value, size_t bytes)
{
    union wire_any m = { .object_do = { .object = link->object, .verb = VERB_SERVICE_CALL,
                                        .key = slice_text("add"), .wait_ms = UINT32_MAX,
                                        .value = slice_of(value, bytes) } };

    return link_ask(link, who, MSG_TYPE_OBJECT_DO, &m);
}

static void
service_too_large(void **state)
{
    static const struct link_step steps[] = { PUBLISH(B, "add"), SERVICE(NEXT, B, .got_a = 1) };
    struct link_world            *link = link_new(NOUN_SERVICE, 0);
    char                         *value = calloc(1, VALUE_BYTES_MAX + 1);
    uint64_t                      request;

    (void)state;
    link_step_run(link, &steps[0], "publish", 0);
    request = service_call_raw(link, A, value, VALUE_BYTES_MAX + 1);
    link_turn(link, 0);
    assert_int_equal(link_pull(link, link->sessions[A], request, "call").code,
                     MUSTER_ERR_TOO_LARGE);
    service_call_raw(link, A, value, VALUE_BYTES_MAX);
    link_turn(link, 0);
    link_step_run(link, &steps[1], "next", 1);
    free(value);
    link_free(link);
}

/* 65,536 calls are queued, no more; the session's end takes them all away. */
static void
service_full(void **state)
{
    static const struct link_step steps[] = { PUBLISH(B, "add"), CALL(C, "add", "1", 1),
                                              NEXT(B, 65537, "1"), NEXT_EMPTY(B) };
    struct link_world            *link = link_new(NOUN_SERVICE, 0);
    union wire_any                m;

    (void)state;
    link_step_run(link, &steps[0], "publish", 0);
    for (uint32_t i = 0; i < 65536; i++)
        service_call_raw(link, A, "x", 1);
    assert_int_equal(link->world->fx.send_count, 0);
    service_call_raw(link, C, "x", 1);
    world_expect_error(link->world, MUSTER_ERR_FULL);
    world_turn(link->world, 0);
    world_next(link->world);
    memset(&m, 0, sizeof(m));
    link_ask(link, A, MSG_TYPE_GOODBYE, &m);
    link_turn(link, 0);
    link->told_count = 0;
    for (unsigned i = 1; i < sizeof(steps) / sizeof(steps[0]); i++)
        link_step_run(link, &steps[i], "after", i);
    link_free(link);
}

int
main(void)
{
    static const struct CMUnitTest limits[] = {
        cmocka_unit_test(service_too_large),
        cmocka_unit_test(service_full),
    };

    return STORIES("service", service_cases, service_story) +
           STORIES("texts of errors", text_cases, text_story) +
           cmocka_run_group_tests_name("limits of a service", limits, NULL, NULL);
}
