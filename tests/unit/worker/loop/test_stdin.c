/* test_stdin.c - standard input of tasks, small and fetched
 *
 * Method: play the manager: note what is asked for, give pieces, and see which
 * tasks may start and what they would read.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stdin.h"
#include "stories.h"

static struct world {
    struct stdin_cache cache;
    bool               connected;
    uint64_t           request, job, offset;
    uint32_t           asked;
    uint64_t           ready[32], refused[32];
    uint32_t           ready_count, refused_count;
} w;

static uint64_t
on_ask(void *context, uint64_t job, uint64_t offset)
{
    (void)context;
    if (!w.connected)
        return 0;
    w.asked++;
    w.job = job;
    w.offset = offset;
    return ++w.request;
}

static void
on_ready(void *context, const struct stdin_waiter *waiter, muster_err err)
{
    (void)context;
    if (err)
        w.refused[w.refused_count++] = waiter->task;
    else
        w.ready[w.ready_count++] = waiter->task;
}

static int
set_up(void **state)
{
    (void)state;
    w = (struct world){ .connected = true };
    w.cache = (struct stdin_cache){ .folder = "/tmp", .ask = on_ask, .ready = on_ready };
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    stdin_free(&w.cache);
    return 0;
}

static const struct wire_spec body_spec = { .stdin_bytes = 10 };

static void
wait_for(uint64_t task, uint64_t job)
{
    struct stdin_waiter waiter = { .task = task, .token = { .job = job }, .spec = &body_spec };
    struct muster_error error = { 0 };

    assert_true(stdin_must_wait(&w.cache, &body_spec, job));
    assert_int_equal(stdin_wait(&w.cache, &waiter, &error), MUSTER_OK);
}

static bool
give(uint64_t offset, const char *text)
{
    struct msg_body m = { .offset = offset, .total = 10, .data = slice_text(text) };

    return stdin_piece(&w.cache, w.request, &m);
}

static void
assert_reads(const struct wire_spec *spec, uint64_t job, const char *input, const char *expected)
{
    struct muster_error error = { 0 };
    char                text[64] = { 0 };
    int                 fd;

    assert_int_equal(stdin_open(&w.cache, spec, job, slice_text(input), &fd, &error), MUSTER_OK);
    if (expected == NULL) {
        assert_int_equal(fd, -1);
        return;
    }
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    assert_string_equal(text, expected);
    close(fd);
}

static void
test_small(void **state)
{
    struct wire_spec none = { 0 };
    struct wire_spec inlined = { .stdin_inline = slice_text("hello"), .stdin_bytes = 5 };
    struct wire_spec item = { .input_is_stdin = 1 };

    (void)state;
    assert_false(stdin_must_wait(&w.cache, &none, 1));
    assert_false(stdin_must_wait(&w.cache, &inlined, 1));
    assert_false(stdin_must_wait(&w.cache, &item, 1));
    assert_reads(&none, 1, "item", NULL);
    assert_reads(&inlined, 1, "item", "hello");
    assert_reads(&item, 1, "item", "item");
}

static void
test_fetched(void **state)
{
    (void)state;
    wait_for(1, 5);
    wait_for(2, 5);
    assert_int_equal(w.asked, 1);
    assert_int_equal(w.job, 5);
    assert_true(give(0, "01234"));
    assert_int_equal(w.asked, 2);
    assert_int_equal(w.offset, 5);
    assert_int_equal(w.ready_count, 0);
    assert_true(give(5, "56789"));
    assert_int_equal(w.ready_count, 2);
    assert_false(stdin_must_wait(&w.cache, &body_spec, 5));
    assert_reads(&body_spec, 5, "", "0123456789");
    assert_reads(&body_spec, 5, "", "0123456789");      /* each from the start */
    assert_int_equal(w.asked, 2);
}

static void
test_goes_on_after_a_cut(void **state)
{
    (void)state;
    w.connected = false;
    wait_for(1, 5);
    assert_int_equal(w.asked, 0);
    w.connected = true;
    stdin_resume(&w.cache);
    assert_true(give(0, "01234"));
    stdin_resume(&w.cache);                              /* joined anew: asked again */
    assert_int_equal(w.asked, 3);
    assert_int_equal(w.offset, 5);
    assert_true(give(5, "56789"));
    assert_int_equal(w.ready_count, 1);
}

static void
test_refused(void **state)
{
    (void)state;
    wait_for(1, 5);
    assert_false(stdin_refused(&w.cache, w.request + 1, MUSTER_ERR_NOT_FOUND));
    assert_true(stdin_refused(&w.cache, w.request, MUSTER_ERR_NOT_FOUND));
    assert_int_equal(w.refused_count, 1);
    assert_int_equal(w.ready_count, 0);
    assert_true(stdin_must_wait(&w.cache, &body_spec, 5));
}

static void
test_wrong_piece(void **state)
{
    (void)state;
    wait_for(1, 5);
    assert_true(give(3, "345"));
    assert_int_equal(w.refused_count, 1);
}

static void
test_forgotten(void **state)
{
    (void)state;
    wait_for(1, 5);
    wait_for(2, 5);
    assert_true(stdin_forget(&w.cache, 1));
    assert_false(stdin_forget(&w.cache, 1));
    assert_true(give(0, "0123456789"));
    assert_int_equal(w.ready_count, 1);
    assert_int_equal(w.ready[0], 2);
}

/* The body that was used longest ago makes room. */
static void
test_many_jobs(void **state)
{
    (void)state;
    for (uint64_t job = 1; job <= STDIN_JOBS_MAX; job++) {
        wait_for(job, job);
        assert_true(give(0, "0123456789"));
    }
    assert_false(stdin_must_wait(&w.cache, &body_spec, 1));
    wait_for(100, 100);
    assert_false(stdin_must_wait(&w.cache, &body_spec, 1));
    assert_true(stdin_must_wait(&w.cache, &body_spec, 2));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_on_after_a_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_piece, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_jobs, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
