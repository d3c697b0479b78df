/* test_observe.c - counters reach STATUS whole, each under a name of its own
 *
 * Method: set one field, encode, decode strictly, and see that exactly the
 * counter of that name has changed.
 */
#include "observe.h"

#include "map.h"
#include "stories.h"

struct observe_story {
    const char *story;
    const char *name;
    size_t      offset;
};

static const struct observe_story observe_stories[] = {
    { "the first of the core", "jobs", offsetof(struct observe_input, core.jobs) },
    { "one in the middle", "tasks.finished", offsetof(struct observe_input, core.tasks_finished) },
    { "one of admit", "messages.bad", offsetof(struct observe_input, admit.bad) },
    { "one of the link", "keys.refused", offsetof(struct observe_input, link.refused) },
    { "one of the store", "store.commits", offsetof(struct observe_input, store.commits) },
    { "the last", "store.space_low", offsetof(struct observe_input, store.space_low) },
};

static void
test_observe(void **state)
{
    const struct observe_story *row = *state;
    struct observe_input        input = { 0 };
    struct buffer               list = { 0 };
    struct reader               in;
    uint32_t                    count = 0, changed = 0;

    *(uint64_t *)(void *)((char *)&input + row->offset) = UINT64_MAX;
    observe_status(&list, &count, &input);
    in = reader_of(buffer_slice(&list));
    for (uint32_t i = 0; i < count; i++) {
        struct wire_counter counter;

        assert_true(wire_get_counter(&in, &counter));
        assert_int_equal(counter.value,
                         slice_equals_text(counter.name, row->name) ? UINT64_MAX : 0);
        changed += counter.value != 0;
    }
    assert_true(read_ended(&in));
    assert_int_equal(changed, 1);
    assert_in_range(count, 1, LIST_ITEMS_MAX);
    buffer_free(&list);
}

static void
test_names_differ(void **state)
{
    struct observe_input input = { 0 };
    struct buffer        list = { 0 };
    struct map           names = { 0 };
    struct reader        in;
    uint32_t             count = 0;

    (void)state;
    observe_status(&list, &count, &input);
    in = reader_of(buffer_slice(&list));
    for (uint32_t i = 0; i < count; i++) {
        struct wire_counter counter;

        assert_true(wire_get_counter(&in, &counter));
        assert_null(map_get(&names, map_hash(counter.name)));
        map_put(&names, map_hash(counter.name), &names);
    }
    map_free(&names);
    buffer_free(&list);
}

int
main(void)
{
    static const struct observe_story all[] = { { "no name comes twice", NULL, 0 } };

    return STORIES("observe: counters", observe_stories, test_observe) +
           STORIES("observe: names", all, test_names_differ);
}
