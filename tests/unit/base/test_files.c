/* test_files.c - files whole, replaced at once, removed, and locks
 *
 * Each test works in a fresh folder below /tmp that it removes.
 */
#include "stories.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"

static char folder[64];

static int
setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/muster-test-files.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int
teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL) != MUSTER_OK;
}

static const char *
path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

struct read_case {
    const char *story;
    size_t      bytes, bytes_max;
    muster_err  expected;
};

static const struct read_case read_cases[] = {
    { "an empty file",               0,      0,        MUSTER_OK },
    { "a small file",                10,     100,      MUSTER_OK },
    { "exactly the limit",           100,    100,      MUSTER_OK },
    { "one byte more",               101,    100,      MUSTER_ERR_TOO_LARGE },
    { "many blocks",                 300000, 400000,   MUSTER_OK },
    { "many blocks, exactly",        131072, 131072,   MUSTER_OK },
    { "many blocks and one byte",    131073, 131072,   MUSTER_ERR_TOO_LARGE },
    { "no limit",                    300000, SIZE_MAX, MUSTER_OK },
};

static void
test_read(void **state)
{
    const struct read_case *row = *state;
    struct buffer           written = { 0 };
    struct buffer           read = { 0 };

    setup(NULL);
    for (size_t i = 0; i < row->bytes; i++)
        *buffer_extend(&written, 1) = (uint8_t)(i % 251);
    assert_int_equal(file_replace(path_of("f"), 0644, buffer_slice(&written), NULL), MUSTER_OK);
    buffer_append_text(&read, "before");
    assert_int_equal(file_read(path_of("f"), row->bytes_max, &read, NULL), row->expected);
    assert_true(slice_equals_text(slice_cut(buffer_slice(&read), 0, 6), "before"));
    if (row->expected == MUSTER_OK)
        assert_true(slice_equal(slice_cut(buffer_slice(&read), 6, SIZE_MAX),
                                buffer_slice(&written)));
    else
        assert_int_equal(read.bytes, 6);
    buffer_free(&written);
    buffer_free(&read);
    teardown(NULL);
}

static void
test_errors_name_the_file(void **state)
{
    struct muster_error error = { 0 };
    struct buffer       out = { 0 };

    (void)state;
    assert_int_equal(file_read(path_of("absent"), 10, &out, &error), MUSTER_ERR_NOT_FOUND);
    assert_non_null(strstr(error.detail, path_of("absent")));
    assert_int_equal(file_replace(path_of("no/such"), 0600, slice_text("x"), &error),
                     MUSTER_ERR_IO);
    assert_non_null(strstr(error.detail, path_of("no/such")));
    assert_int_equal(file_remove_tree(path_of("absent"), &error), MUSTER_ERR_NOT_FOUND);
    buffer_free(&out);
}

static void
test_replace_keeps_nothing_beside(void **state)
{
    struct stat   status;
    struct buffer out = { 0 };
    mode_t        mask = umask(0077);

    (void)state;
    assert_int_equal(file_replace(path_of("f"), 0600, slice_text("old"), NULL), MUSTER_OK);
    assert_int_equal(file_replace(path_of("f"), 0644, slice_text("new"), NULL), MUSTER_OK);
    umask(mask);
    assert_int_equal(stat(path_of("f"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_int_equal(file_read(path_of("f"), 10, &out, NULL), MUSTER_OK);
    assert_string_equal(buffer_text(&out), "new");
    buffer_free(&out);
    /* An empty folder is what rmdir accepts. */
    assert_int_equal(unlink(path_of("f")), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void
test_remove_tree_spares_what_links_point_to(void **state)
{
    char outside[] = "/tmp/muster-test-outside.XXXXXX";
    char kept[64];
    char link[200];
    int  fd;

    (void)state;
    assert_non_null(mkdtemp(outside));
    snprintf(kept, sizeof(kept), "%s/kept", outside);
    fd = open(kept, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);

    assert_int_equal(mkdir(path_of("tree"), 0700), 0);
    assert_int_equal(mkdir(path_of("tree/deep"), 0700), 0);
    assert_int_equal(file_replace(path_of("tree/deep/f"), 0400, slice_text("x"), NULL), MUSTER_OK);
    assert_int_equal(symlink(outside, path_of("tree/link")), 0);
    assert_int_equal(file_remove_tree(path_of("tree"), NULL), MUSTER_OK);
    assert_int_equal(access(path_of("tree"), F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);

    /* A link instead of the folder itself is refused. */
    snprintf(link, sizeof(link), "%s", path_of("top"));
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(file_remove_tree(link, NULL), MUSTER_ERR_IO);
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(file_remove_tree(outside, NULL), MUSTER_OK);
}

static void
test_lock_names_its_holder(void **state)
{
    struct muster_error error = { 0 };
    pid_t               holder = 0;
    pid_t               child;
    int                 status;
    int                 fd = -1;

    (void)state;
    assert_int_equal(file_lock_instance(path_of("lock"), &fd, &holder, &error), MUSTER_OK);
    child = fork();
    if (child == 0) {
        pid_t parent = getppid();
        int   unused;

        /* The inherited descriptor shares the lock, a new one does not. */
        if (file_lock_instance(path_of("lock"), &unused, &holder, &error) != MUSTER_ERR_EXISTS)
            _exit(1);
        _exit(holder == parent ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(file_lock_instance(path_of("lock"), &fd, &holder, &error), MUSTER_OK);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_errors_name_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_keeps_nothing_beside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove_tree_spares_what_links_point_to, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_lock_names_its_holder, setup, teardown),
    };

    return STORIES("read", read_cases, test_read)
           + cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
