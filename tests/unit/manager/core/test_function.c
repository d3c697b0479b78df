/* test_function.c - jobs of functions: who gets them, and what is told when nobody can
 *
 * Method: node1 has the functions square and cube, node2 has cube and other.2, node3 has
 * none; one job is submitted, then it is seen who got it, or what was answered.
 */
#include "world.h"

struct function_case {
    const char *story;
    const char *spec, *needs;          /* the function, as both say */
    const char *named[2];
    bool        args, cwd, stdin_items;
    muster_err  answer;
    const char *warning;               /* NULL: somebody can run it */
    uint32_t    leased;                /* of 8 tasks; every worker has 2 cpus */
};

static const struct function_case cases[] = {
    { .story = "one worker has it", .spec = "square", .needs = "square", .leased = 2 },
    { .story = "two workers have it", .spec = "cube", .needs = "cube", .leased = 4 },
    { .story = "a name with a dot", .spec = "other.2", .needs = "other.2", .leased = 2 },
    { .story = "a command runs anywhere", .spec = "", .needs = "", .leased = 6 },
    { .story = "nobody has it", .spec = "root", .needs = "root",
      .warning = "no worker has the function root now; known: square, cube, other.2" },
    { .story = "the beginning of a name is another one", .spec = "squar", .needs = "squar",
      .warning = "no worker has the function squar now; known: square, cube, other.2" },
    { .story = "with named values", .spec = "square", .needs = "square",
      .named = { "a", "b" }, .leased = 2 },
    { .story = "two values of one name", .spec = "square", .needs = "square",
      .named = { "a", "a" }, .answer = MUSTER_ERR_INVALID },
    { .story = "a value without a name", .spec = "square", .needs = "square",
      .named = { "" }, .answer = MUSTER_ERR_INVALID },
    { .story = "named values of a command", .spec = "", .needs = "", .named = { "a" },
      .answer = MUSTER_ERR_INVALID },
    { .story = "needs and description differ", .spec = "square", .needs = "cube",
      .answer = MUSTER_ERR_INVALID },
    { .story = "a command that needs a function", .spec = "", .needs = "cube",
      .answer = MUSTER_ERR_INVALID },
    { .story = "a function and a command", .spec = "square", .needs = "square", .args = true,
      .answer = MUSTER_ERR_INVALID },
    { .story = "a function in a folder", .spec = "square", .needs = "square", .cwd = true,
      .answer = MUSTER_ERR_INVALID },
    { .story = "items and an argument for all", .spec = "square", .needs = "square",
      .stdin_items = true, .answer = MUSTER_ERR_INVALID },
    { .story = "a name that is none", .spec = "a b", .needs = "a b",
      .answer = MUSTER_ERR_INVALID },
};

static void
join(struct world *world, const struct world_join *as)
{
    uint64_t       session = world_hello(world, ROLE_WORKER, "fleet", 0, 43);
    union wire_any m;

    world_expect(world, WELCOME, &m);
    world_join(world, session, as);
    world_expect(world, WORKER_JOINED, &m);
}

static void
function_story(void **state)
{
    const struct function_case *row = *state;
    struct world               *world = world_new();
    uint64_t                    ann = world_client(world, "ann");
    struct msg_job_submit       job = world_job(world, 1, row->stdin_items ? 0 : 8);
    struct wire_spec            spec = { .function = slice_text(row->spec) };
    struct buffer               named = { 0 }, args = { 0 };
    struct wire_token           tokens[8];
    union wire_any              m;

    join(world, &(struct world_join){ .name = "node1", .cpus_milli = 2000,
                                      .functions = { "square", "cube" } });
    join(world, &(struct world_join){ .name = "node2", .cpus_milli = 2000,
                                      .functions = { "cube", "other.2" } });
    join(world, &(struct world_join){ .name = "node3", .cpus_milli = 2000 });
    for (; spec.named.count < 2 && row->named[spec.named.count] != NULL; spec.named.count++)
        wire_put_named(&named, &(struct wire_named){ slice_text(row->named[spec.named.count]),
                                                     slice_text("value") });
    spec.named.bytes = buffer_slice(&named);
    wire_put_text(&args, &(struct wire_text){ slice_text("true") });
    if (row->args)
        spec.args = (struct wire_list){ buffer_slice(&args), 1 };
    if (row->cwd)
        spec.cwd = slice_text("/tmp");
    if (row->stdin_items) {
        spec.stdin_inline = slice_text("x");
        spec.stdin_bytes = 1;
    }
    job.needs.function = slice_text(row->needs);
    world_submit_spec(world, ann, "ann", &job, spec);
    if (row->answer != MUSTER_OK) {
        world_expect_error(world, row->answer);
    } else {
        world_expect(world, JOB_SUBMITTED, &m);
        assert_true(slice_equals_text(m.job_submitted.warning,
                                      row->warning != NULL ? row->warning : ""));
        world_turn(world, 1);
        assert_int_equal(world_leases(world, tokens, NULL, 8), row->leased);
        world_next(world);
    }
    buffer_free(&named);
    buffer_free(&args);
    world_free(world);
}

/* A worker that comes with it later gets what waited, and the list of workers names it. */
static void
test_later(void **state)
{
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann");
    struct msg_job_submit job = world_job(world, 1, 1);
    struct wire_token     tokens[2];
    struct wire_worker    worker;
    struct wire_text      name;
    struct reader         in;
    union wire_any        m;

    (void)state;
    job.needs.function = slice_text("square");
    world_submit_spec(world, ann, "ann", &job,
                      (struct wire_spec){ .function = slice_text("square") });
    world_expect(world, JOB_SUBMITTED, &m);
    assert_true(slice_equals_text(m.job_submitted.warning, "no worker is connected"));
    world_turn(world, 1);
    world_next(world);
    join(world, &(struct world_join){ .name = "node1", .cpus_milli = 1000,
                                      .functions = { "cube", "square" } });
    world_turn(world, 1);
    assert_int_equal(world_leases(world, tokens, NULL, 2), 1);
    world_next(world);
    m.worker_list_get = (struct msg_worker_list_get){ 0 };
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_WORKER_LIST_GET, &m);
    world_expect(world, WORKER_LIST, &m);
    in = reader_of(m.worker_list.workers.bytes);
    assert_true(wire_get_worker(&in, &worker));
    assert_int_equal(worker.functions.count, 2);
    in = reader_of(worker.functions.bytes);
    assert_true(wire_get_text(&in, &name) && slice_equals_text(name.text, "cube"));
    assert_true(wire_get_text(&in, &name) && slice_equals_text(name.text, "square"));
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest rest[] = { cmocka_unit_test(test_later) };
    int                     failed = STORIES("functions", cases, function_story);

    return failed + cmocka_run_group_tests(rest, NULL, NULL);
}
