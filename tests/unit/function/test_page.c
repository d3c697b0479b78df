/* test_page.c - memory shared with a child: tickets, the ring, and nonsense in it */
#include <sys/wait.h>
#include <unistd.h>

#include "page.h"
#include "stories.h"

static struct page *
page_new(int *fd_out)
{
    struct muster_error error;
    struct page        *page;

    assert_int_equal(page_make(fd_out, &error), MUSTER_OK);
    page = page_map(*fd_out);
    assert_non_null(page);
    return page;
}

static void
no_bell(void)
{
}

static void
test_ticket(void **state)
{
    int          fd;
    struct page *page = page_new(&fd);

    (void)state;
    assert_true(page_begin(page, 1, 1000));
    assert_int_equal(page_begun(page), 1);
    assert_true(page_begin(page, 2, 2000));
    /* Calls 3 and 4 were handed over, and are taken back. */
    assert_int_equal(page_skip(page, 5), 2);
    assert_false(page_begin(page, 3, 3000));
    assert_false(page_begin(page, 4, 3000));
    assert_int_equal(page_begun(page), 2);
    assert_true(page_begin(page, 5, 3000));
    assert_int_equal(page_begun(page), 5);
    assert_int_equal(atomic_load(&page->started_us), 3000);
    page_unmap(page);
    close(fd);
}

/* Whatever one side does, a call is begun or taken back, never both and never neither. */
static void
test_race(void **state)
{
    int          fd;
    struct page *page = page_new(&fd);
    pid_t        pid;
    int          status;

    (void)state;
    pid = fork();
    if (pid == 0) {
        uint64_t begun = 0;

        for (uint32_t call = 1; call <= 200000; call++)
            begun += page_begin(page, call, call);
        atomic_store(&page->started_us, begun);
        _exit(0);
    }
    for (uint32_t skip = 1; skip < 100000; skip += 7)
        (void)page_skip(page, page_begun(page) + 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(atomic_load(&page->started_us) <= 200000);
    assert_true(page_begun(page) >= 199000);
    page_unmap(page);
    close(fd);
}

static void
test_bell(void **state)
{
    int           fd;
    struct page  *page = page_new(&fd);
    struct buffer out = { 0 };

    (void)state;
    page_write(page, slice_text("one"), no_bell);
    assert_true(page_wants_bell(page));
    page_write(page, slice_text("two"), no_bell);
    assert_false(page_wants_bell(page));          /* it rang and was not heard yet */
    assert_true(page_take(page, &out));
    assert_true(slice_equals_text(buffer_slice(&out), "onetwo"));
    assert_false(page_has(page));
    assert_true(page_wants_bell(page));
    buffer_free(&out);
    page_unmap(page);
    close(fd);
}

/* More than the ring holds goes through it in order while the other side takes it. */
static void
test_ring(void **state)
{
    enum { PIECE = 50000, PIECES = 100 };
    static uint8_t piece[PIECE];
    int            fd, status;
    struct page   *page = page_new(&fd);
    struct buffer  out = { 0 };
    pid_t          pid;

    (void)state;
    static_assert(PIECE * PIECES > 8 * PAGE_RING_BYTES, "many times around");
    pid = fork();
    if (pid == 0) {
        for (int i = 0; i < PIECES; i++) {
            memset(piece, i, sizeof(piece));
            page_write(page, slice_of(piece, sizeof(piece)), no_bell);
        }
        _exit(0);
    }
    while (out.bytes < (size_t)PIECE * PIECES)
        assert_true(page_take(page, &out));
    for (size_t i = 0; i < out.bytes; i++)
        assert_int_equal(out.data[i], i / PIECE);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    buffer_free(&out);
    page_unmap(page);
    close(fd);
}

static void
test_nonsense(void **state)
{
    int           fd;
    struct page  *page = page_new(&fd);
    struct buffer out = { 0 };

    (void)state;
    atomic_store(&page->written, (uint64_t)1 << 60);
    assert_false(page_take(page, &out));
    assert_int_equal(out.bytes, 0);
    /* The file cannot be cut off under us. */
    assert_int_equal(ftruncate(fd, 0), -1);
    buffer_free(&out);
    page_unmap(page);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticket), cmocka_unit_test(test_race), cmocka_unit_test(test_bell),
        cmocka_unit_test(test_ring),   cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
