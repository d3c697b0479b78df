/* test_logs.c - log lines: who has how much room, who hears of them, who may say what
 *
 * Method: lines are given to the ring alone, and what is left is counted by source; or
 * workers and an admin speak to a core with a small ring.
 */
#include "logs.h"
#include "world.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* ---- room ---- */

struct room_case {
    const char *story;
    struct { const char *source; uint32_t lines, bytes; } says[4];
    uint32_t    kept[4];           /* lines left of each; SOME: fewer than it said, not none */
};

enum { SOME = UINT32_MAX };

static const struct room_case room_cases[] = {
    { "there is room", { { "a", 10, 100 }, { "b", 5, 0 } }, { 10, 5 } },
    { "who says much loses of its own", { { "quiet", 3, 400 }, { "loud", 1000, 400 } },
      { 3, SOME } },
    { "the loud may use what nobody wants", { { "loud", 1000, 400 }, { "quiet", 3, 400 } },
      { SOME, 3 } },
    { "two loud ones share", { { "quiet", 1, 480 }, { "a", 1000, 480 }, { "b", 1000, 480 } },
      { 1, SOME, SOME } },
    { "of many quiet ones the oldest goes", { { "old", 8, 480 }, { "*", 2000, 480 } },
      { 0, SOME } },
};

static uint32_t
room_left(const struct logs *logs, const char *source)
{
    uint32_t count = 0;

    for (const struct list *at = logs->lines.next; at != &logs->lines; at = at->next) {
        const struct log_line *line = CONTAINER(at, struct log_line, all);

        count += source[0] == '*' ? ((const char *)line->source->name.data)[0] == '*'
                                  : slice_equals_text(line->source->name, source);
    }
    return count;
}

static void
room_story(void **state)
{
    const struct room_case *row = *state;
    struct logs             logs;
    char                    text[TEXT_BYTES_MAX];

    memset(text, 'x', sizeof(text));
    logs_init(&logs, 0);
    for (uint32_t i = 0; i < 4 && row->says[i].source != NULL; i++) {
        for (uint32_t j = 0; j < row->says[i].lines; j++) {
            char name[16];

            /* "*": every line is of another source. */
            if (row->says[i].source[0] == '*')
                snprintf(name, sizeof(name), "*%u", j);
            else
                snprintf(name, sizeof(name), "%s", row->says[i].source);
            logs_add(&logs, slice_text(name), 1, 2, slice_of(text, row->says[i].bytes));
            if (j % 64 == 0)
                logs_verify(&logs);
        }
    }
    logs_verify(&logs);
    for (uint32_t i = 0; i < 4 && row->says[i].source != NULL; i++) {
        uint32_t left = room_left(&logs, row->says[i].source);

        if (row->kept[i] == SOME)
            assert_in_range(left, 1, row->says[i].lines - 1);
        else
            assert_int_equal(left, row->kept[i]);
    }
    logs_free(&logs);
}

/* ---- a core with two workers and an admin ---- */

struct scene {
    struct world *world;
    uint64_t      workers[2], admin;
    uint64_t      request;         /* of the LOG_GET that was asked last */
};

static struct scene
scene_new(void)
{
    struct scene   scene = { .world = world_new() };
    union wire_any m;

    scene.workers[0] = world_worker(scene.world, "one", 1, 0);
    scene.workers[1] = world_worker(scene.world, "two", 1, 0);
    scene.admin = world_hello(scene.world, ROLE_ADMIN, "root", 0, 45);
    world_expect(scene.world, WELCOME, &m);
    return scene;
}

/* Lines first .. last of a worker, "line N"; the answer is left to be taken. */
static void
scene_put(struct scene *scene, uint32_t worker, uint64_t first, uint64_t last, uint8_t level,
          const char *source)
{
    struct buffer  lines = { 0 };
    union wire_any m = { 0 };
    uint32_t       count = 0;

    for (uint64_t number = first; number <= last; number++, count++) {
        char text[32];

        snprintf(text, sizeof(text), "line %llu", (unsigned long long)number);
        wire_put_log(&lines, &(struct wire_log){ .number = number, .unix_ms = number,
                                                 .level = level, .source = slice_text(source),
                                                 .text = slice_text(text) });
    }
    m.log_put.lines = (struct wire_list){ buffer_slice(&lines), count };
    world_step(scene->world, 0, scene->workers[worker], ROLE_WORKER, "fleet", MSG_TYPE_LOG_PUT, &m);
    buffer_free(&lines);
}

static void
scene_get(struct scene *scene, uint64_t cursor, uint32_t wait_ms, uint8_t level,
          const char *source)
{
    union wire_any m = { .log_get = { .cursor = cursor, .wait_ms = wait_ms, .level = level,
                                      .source = slice_text(source) } };

    world_step(scene->world, 0, scene->admin, ROLE_ADMIN, "root", MSG_TYPE_LOG_GET, &m);
    scene->request = scene->world->request;
}

/* The next message is LOG_LINES with exactly these, as "source:text ...". */
static uint64_t
scene_expect(struct scene *scene, uint64_t lost, const char *expected)
{
    struct buffer   text = { 0 };
    struct wire_log line;
    struct reader   in;
    union wire_any  m;
    uint64_t        before = 0, cursor;

    world_expect(scene->world, LOG_LINES, &m);
    in = reader_of(m.log_lines.lines.bytes);
    for (uint32_t i = 0; i < m.log_lines.lines.count; i++) {
        assert_true(wire_get_log(&in, &line));
        assert_true(line.number > before);
        before = line.number;
        buffer_printf(&text, "%s%.*s:%.*s", i > 0 ? " " : "", (int)line.source.bytes,
                      (const char *)line.source.data, (int)line.text.bytes,
                      (const char *)line.text.data);
    }
    cursor = m.log_lines.cursor;
    assert_true(cursor >= before);
    assert_int_equal(m.log_lines.lost, lost);
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
    return cursor;
}

static void
order_story(void)
{
    struct scene scene = scene_new();
    uint64_t     cursor;

    scene_put(&scene, 0, 1, 2, 2, "");
    assert_int_equal(world_expect_ack(scene.world), 2);
    scene_put(&scene, 1, 1, 1, 2, "");
    scene_put(&scene, 0, 2, 3, 2, "");          /* 2 again: its answer was lost */
    core_log(scene.world->core, 9, 1, slice_text("hello"));
    (void)world_expect_ack(scene.world);
    assert_int_equal(world_expect_ack(scene.world), 3);
    scene_get(&scene, 0, 0, 3, "");
    cursor = scene_expect(&scene, 0,
                          "one:line 1 one:line 2 two:line 1 one:line 3 manager:hello");
    scene_get(&scene, cursor, 0, 3, "");
    assert_int_equal(scene_expect(&scene, 0, ""), cursor);
    world_turn(scene.world, 0);
    world_free(scene.world);
}

static void
filter_story(void)
{
    struct scene scene = scene_new();

    scene_put(&scene, 0, 1, 1, 2, "");
    scene_put(&scene, 0, 2, 2, 0, "");
    scene_put(&scene, 1, 1, 1, 1, "");
    scene.world->sends_read = scene.world->fx.send_count;
    scene_get(&scene, 0, 0, 1, "");
    scene_expect(&scene, 0, "one:line 2 two:line 1");
    scene_get(&scene, 0, 0, 3, "one");
    scene_expect(&scene, 0, "one:line 1 one:line 2");
    scene_get(&scene, 0, 0, 0, "two");
    scene_expect(&scene, 0, "");
    world_turn(scene.world, 0);
    world_free(scene.world);
}

/* It waits for what it asked for, and until its time is over. */
static void
wait_story(void)
{
    struct scene scene = scene_new();
    uint64_t     cursor;

    scene_get(&scene, 0, 5000, 1, "one");
    world_turn(scene.world, 10);
    world_next(scene.world);
    scene_put(&scene, 0, 1, 1, 2, "");
    scene_put(&scene, 1, 1, 1, 0, "");
    scene.world->sends_read = scene.world->fx.send_count;
    world_turn(scene.world, 10);
    world_quiet(scene.world);
    scene_put(&scene, 0, 2, 2, 1, "");
    (void)world_expect_ack(scene.world);
    assert_true(core_wake_ms(scene.world->core) <= scene.world->now_ms);
    world_turn(scene.world, 10);
    cursor = scene_expect(&scene, 0, "one:line 2");
    scene_get(&scene, cursor, 5000, 1, "one");
    assert_true(core_wake_ms(scene.world->core) <= scene.world->now_ms + 5000);
    world_turn(scene.world, 4999);
    world_quiet(scene.world);
    world_turn(scene.world, 1);
    scene_expect(&scene, 0, "");
    world_free(scene.world);
}

/* Whoever was away hears how many lines it missed. */
static void
lost_story(void)
{
    enum { LOUD = 2000 };
    struct scene scene = scene_new();
    uint64_t     cursor, kept = 0, lost = 0, first;

    scene_put(&scene, 0, 1, 1, 2, "");
    (void)world_expect_ack(scene.world);
    scene_get(&scene, 0, 0, 3, "");
    first = cursor = scene_expect(&scene, 0, "one:line 1");
    for (uint32_t i = 0; i < LOUD; i++)
        core_log(scene.world->core, 1, 2, slice_text("loud"));
    for (uint32_t page = 0; page < 100 && cursor < first + LOUD; page++) {
        union wire_any m;

        scene_get(&scene, cursor, 0, 3, "");
        world_expect(scene.world, LOG_LINES, &m);
        kept += m.log_lines.lines.count;
        lost += m.log_lines.lost;
        cursor = m.log_lines.cursor;
    }
    assert_true(lost > 0 && kept > 0);
    assert_int_equal(kept + lost, LOUD);
    world_turn(scene.world, 0);
    world_free(scene.world);
}

/* Numbers go on rising: a cursor of an earlier start is behind all that follows. */
static void
restart_story(void)
{
    struct scene   scene = scene_new();
    uint64_t       cursor;
    union wire_any m;

    scene_put(&scene, 0, 1, 4, 2, "");
    (void)world_expect_ack(scene.world);
    scene_get(&scene, 0, 0, 3, "");
    cursor = scene_expect(&scene, 0, "one:line 1 one:line 2 one:line 3 one:line 4");
    world_turn(scene.world, 0);
    world_restart(scene.world);
    world_hello(scene.world, ROLE_WORKER, "fleet", scene.workers[0], 43);
    world_hello(scene.world, ROLE_ADMIN, "root", scene.admin, 45);
    world_expect(scene.world, WELCOME, &m);
    world_expect(scene.world, WELCOME, &m);
    scene_put(&scene, 0, 3, 6, 2, "");          /* it never heard that 3 and 4 arrived */
    assert_int_equal(world_expect_ack(scene.world), 6);
    scene_get(&scene, cursor, 0, 3, "");
    scene_expect(&scene, 0, "one:line 3 one:line 4 one:line 5 one:line 6");
    scene_get(&scene, UINT64_MAX, 0, 3, "");    /* a number that was never given */
    scene_expect(&scene, 0, "one:line 3 one:line 4 one:line 5 one:line 6");
    world_turn(scene.world, 0);
    world_free(scene.world);
}

/* Another process of the same session counts from where it likes. */
static void
process_story(void)
{
    struct scene   scene = scene_new();
    union wire_any m = { .hello = { .version_min = 1, .version_max = 1,
                                    .session = scene.workers[0], .secret = 43,
                                    .host = slice_text("host"), .pid = 8 } };

    scene_put(&scene, 0, 100, 100, 2, "");
    assert_int_equal(world_expect_ack(scene.world), 100);
    core_away(scene.world->core, scene.world->now_ms, scene.workers[0]);
    world_step(scene.world, 0, 0, ROLE_WORKER, "fleet", MSG_TYPE_HELLO, &m);
    world_expect(scene.world, WELCOME, &m);
    scene_put(&scene, 0, 1, 1, 2, "");
    assert_int_equal(world_expect_ack(scene.world), 1);
    world_turn(scene.world, 0);
    world_free(scene.world);
}

static void
forged_story(void)
{
    struct scene scene = scene_new();

    scene_put(&scene, 0, 1, 2, 2, "two");
    world_expect_error(scene.world, MUSTER_ERR_INVALID);
    world_join(scene.world, scene.workers[0],
               &(struct world_join){ .name = "manager", .cpus_milli = 1000 });
    scene.world->sends_read = scene.world->fx.send_count;
    scene_put(&scene, 0, 1, 2, 2, "");
    world_expect_error(scene.world, MUSTER_ERR_DENIED);
    scene_get(&scene, 0, 0, 3, "");
    scene_expect(&scene, 0, "");
    world_turn(scene.world, 0);
    world_free(scene.world);
}

/* What a worker says is taken as fast as a second's worth of it; the rest later. */
static void
flood_story(void)
{
    struct scene scene = scene_new();
    uint64_t     taken = 0, more;

    for (uint32_t i = 0; i < 20; i++) {
        scene_put(&scene, 0, taken + 1, taken + 1000, 2, "");
        more = world_expect_ack(scene.world);
        if (more < taken + 1000)
            break;
        taken = more;
    }
    assert_in_range(more, 1, 20 * 1000 - 1);
    scene_put(&scene, 0, more + 1, more + 1, 2, "");
    assert_int_equal(world_expect_ack(scene.world), more);
    scene_put(&scene, 1, 1, 1, 2, "");          /* nobody else is affected */
    assert_int_equal(world_expect_ack(scene.world), 1);
    scene.world->now_ms += 1000;
    scene_put(&scene, 0, more + 1, more + 1, 2, "");
    assert_int_equal(world_expect_ack(scene.world), more + 1);
    world_turn(scene.world, 0);
    world_free(scene.world);
}

static void
client_story(void)
{
    struct scene   scene = scene_new();
    uint64_t       ann = world_client(scene.world, "ann");
    union wire_any m = { .log_get = { .level = 3 } };

    world_step(scene.world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_LOG_GET, &m);
    world_expect_error(scene.world, MUSTER_ERR_DENIED);
    world_turn(scene.world, 0);
    world_free(scene.world);
}

/* A poll ends with its connection, and repeating it makes no second one. */
static void
polls_story(void)
{
    struct scene         scene = scene_new();
    struct core_counters counters;
    union wire_any       m = { .log_get = { .wait_ms = 5000, .level = 3 } };

    for (uint32_t i = 0; i < 3; i++) {
        scene.world->request = 700;             /* the same number each time */
        world_step(scene.world, 0, scene.admin, ROLE_ADMIN, "root", MSG_TYPE_LOG_GET, &m);
    }
    core_count(scene.world->core, &counters);
    assert_int_equal(counters.polls, 1);
    for (uint32_t i = 0; i < 3; i++)
        scene_get(&scene, 0, 5000, 3, "");
    scene_get(&scene, 0, 5000, 3, "");
    world_expect_error(scene.world, MUSTER_ERR_FULL);
    core_away(scene.world->core, scene.world->now_ms, scene.admin);
    core_count(scene.world->core, &counters);
    assert_int_equal(counters.polls, 0);
    world_turn(scene.world, 0);
    world_free(scene.world);
}

struct talk_case {
    const char *story;
    void      (*run)(void);
};

static const struct talk_case talk_cases[] = {
    { "lines of workers and of the manager come in order, each once", order_story },
    { "only of a level, only of a source", filter_story },
    { "a follower waits for what it asked for", wait_story },
    { "lines that were dropped are counted", lost_story },
    { "numbers rise over a restart", restart_story },
    { "another process of a worker counts anew", process_story },
    { "nobody speaks for another", forged_story },
    { "a flood is taken bit by bit", flood_story },
    { "clients may not read them", client_story },
    { "polls are counted and end with their connection", polls_story },
};

static void
talk_story(void **state)
{
    const struct talk_case *row = *state;

    row->run();
}

int
main(void)
{
    return STORIES("room", room_cases, room_story) +
           STORIES("workers, the manager and a follower", talk_cases, talk_story);
}
