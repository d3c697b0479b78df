/* test_seen.c - what OBJECT_SEEN says while many requests go on waiting
 *
 * Method: the bookkeeping of a session alone, without a connection.  A model of the
 * manager holds what was answered and takes from it what the messages name: none that
 * waits may be named, each that was answered must be, and the messages and numbers
 * that this takes are counted.
 */
#include "stories.h"

#include "object_call.h"

enum { WAITS = 100000, OTHERS = 50000, BATCH = 64 };

struct model {
    struct muster_session *session;
    struct asked          *asked;      /* by request */
    uint8_t               *kept;       /* by request: answered, not named yet */
    uint64_t               last, messages, numbers, named;
    struct buffer          ids;
};

struct seen_case {
    const char *story;
    void      (*tell)(struct model *model);
};

static void
ask_some(struct model *model, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct asked *asked = &model->asked[++model->last];

        asked->request = model->last;
        list_append(&model->session->objects.asked, &asked->link);
    }
}

static void
answer(struct model *model, uint64_t request)
{
    assert_true(list_linked(&model->asked[request].link));
    model->kept[request] = 1;
    asked_seen(model->session, &model->asked[request]);
}

/* What is due is said, and the manager forgets what was named. */
static void
say(struct model *model)
{
    struct msg_object_seen m;

    while (objects_seen(model->session, &m, &model->ids)) {
        struct reader  in = reader_of(m.except.bytes);
        struct wire_id spared = { 0 };

        model->messages++;
        model->numbers += m.except.count;
        assert_true(m.except.count <= SEEN_EXCEPT_MAX);
        for (uint64_t i = m.from; i < m.below; i++) {
            while (spared.id < i && read_left(&in) > 0)
                assert_true(wire_get_id(&in, &spared));
            if (spared.id == i)
                continue;
            assert_false(list_linked(&model->asked[i].link));
            model->named += model->kept[i];
            model->kept[i] = 0;
        }
    }
    assert_false(objects_seen_due(model->session, UINT64_MAX - 1, true));
}

static void
tell_others(struct model *model)
{
    ask_some(model, WAITS);
    for (uint32_t i = 0; i < OTHERS; i += BATCH) {
        ask_some(model, BATCH);
        for (uint32_t j = 0; j < BATCH; j++)
            answer(model, model->last - BATCH + 1 + j);
        say(model);
    }
    /* One message per batch, and not one number of those that wait. */
    assert_int_equal(model->messages, (OTHERS + BATCH - 1) / BATCH);
    assert_int_equal(model->numbers, 0);
    assert_int_equal(model->named, model->messages * BATCH);
}

static void
tell_any_order(struct model *model)
{
    uint64_t *order = calloc(WAITS, sizeof(*order));
    uint64_t  random = 1;

    ask_some(model, WAITS);
    for (uint64_t i = 0; i < WAITS; i++)
        order[i] = i + 1;
    for (uint64_t i = WAITS - 1; i > 0; i--) {
        uint64_t at, other = order[i];

        random = random * 6364136223846793005u + 1442695040888963407u;
        at = (random >> 33) % (i + 1);
        order[i] = order[at];
        order[at] = other;
    }
    for (uint32_t i = 0; i < WAITS; i++) {
        answer(model, order[i]);
        if (i % BATCH == BATCH - 1)
            say(model);
    }
    say(model);
    assert_int_equal(model->named, WAITS);
    assert_true(model->messages <= WAITS);
    assert_true(model->numbers <= 4 * (uint64_t)WAITS);
    free(order);
}

static void
tell_every_other(struct model *model)
{
    ask_some(model, WAITS);
    for (uint64_t i = 2; i <= WAITS; i += 2)
        answer(model, i);
    say(model);
    assert_int_equal(model->named, WAITS / 2);
    /* Told with exceptions, in several messages. */
    assert_in_range(model->messages, WAITS / 2 / SEEN_EXCEPT_MAX, WAITS / 2 / SEEN_EXCEPT_MAX + 1);
}

static void
tell_resumed(struct model *model)
{
    ask_some(model, WAITS);
    ask_some(model, OTHERS);
    for (uint64_t i = WAITS + 1; i <= WAITS + OTHERS; i++)
        answer(model, i);
    say(model);
    /* It may not have arrived: the manager still has them all. */
    memset(model->kept + WAITS + 1, 1, OTHERS);
    model->named = model->messages = 0;
    objects_resumed(model->session);
    assert_true(objects_seen_due(model->session, 0, true));
    say(model);
    assert_int_equal(model->named, OTHERS);
    assert_in_range(model->messages, 1, 2);
}

static void
tell_held(struct model *model)
{
    struct asked held = { 0 };

    ask_some(model, 3);
    asked_move(&model->asked[2], &held);
    answer(model, 3);
    answer(model, 1);
    model->kept[2] = 1;
    say(model);
    assert_int_equal(model->named, 2);
    assert_int_equal(model->kept[2], 1);
    asked_seen(model->session, &held);
    say(model);
    assert_int_equal(model->named, 3);
}

static const struct seen_case cases[] = {
    { "50,000 answers beside 100,000 requests that wait", tell_others },
    { "100,000 waits that are answered in any order", tell_any_order },
    { "every other of many", tell_every_other },
    { "a new connection is told again", tell_resumed },
    { "an answer that is held is not told", tell_held },
};

static void
run(void **state)
{
    const struct seen_case *row = *state;
    struct model            model = { .session = base_alloc(sizeof(*model.session)) };

    model.asked = calloc(2 * WAITS, sizeof(*model.asked));
    model.kept = calloc(2 * WAITS, 1);
    list_init(&model.session->objects.asked);
    model.session->objects.seen_at_ms = CLIENT_NEVER;
    row->tell(&model);
    seen_free(&model.session->objects.seen);
    buffer_free(&model.ids);
    free(model.asked);
    free(model.kept);
    free(model.session);
}

int
main(void)
{
    return STORIES("seen", cases, run);
}
