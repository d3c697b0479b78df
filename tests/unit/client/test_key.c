/* test_key.c - the keys of a manager's folder: init, add, list, revoke */
#include <muster/key.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"

static char base[32], dir[64];

static int
base_make(void **state)
{
    (void)state;
    strcpy(base, "/tmp/muster-keys-XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/keys", base);
    return 0;
}

static int
base_remove(void **state)
{
    (void)state;
    return file_remove_tree(base, NULL) == MUSTER_OK ? 0 : -1;
}

static bool
exists(const char *name)
{
    char        path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return lstat(path, &st) == 0;
}

static void
touch(const char *name)
{
    char path[128];
    int  fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* The list as text: "name role options;" for each. */
static void
expect_list(const char *expected)
{
    struct muster_key_info *infos = NULL;
    size_t                  count = 0, at = 0;
    char                    text[1024] = "";

    assert_int_equal(muster_key_list(dir, &infos, &count, NULL), MUSTER_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(strlen(infos[i].fingerprint), 16);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s %s;", infos[i].name,
                               infos[i].role, infos[i].options);
    }
    assert_string_equal(text, expected);
    muster_key_list_free(infos, count);
}

static void
test_init(void **state)
{
    static const char *const files[] = { "manager.key", "authorized_keys", "worker.authkey",
                                         "client.authkey", "admin.authkey" };
    struct muster_error error = { 0 };
    struct stat         st;

    (void)state;
    assert_int_equal(muster_key_init(dir, &error), MUSTER_OK);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    expect_list("worker worker ;client client ;admin admin ;");
    assert_int_equal(muster_key_init(dir, &error), MUSTER_ERR_EXISTS);
    assert_non_null(strstr(error.detail, "manager.key"));
    expect_list("worker worker ;client client ;admin admin ;");
}

/* One file in the way: nothing is made, and it stays. */
static void
test_init_all_or_nothing(void **state)
{
    struct muster_error error = { 0 };

    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    touch("admin.authkey");
    assert_int_equal(muster_key_init(dir, &error), MUSTER_ERR_EXISTS);
    assert_true(exists("admin.authkey"));
    assert_false(exists("manager.key"));
    assert_false(exists("authorized_keys"));
}

static void
test_init_folder(void **state)
{
    struct muster_error error = { 0 };
    struct stat         st;

    (void)state;
    assert_int_equal(mkdir(dir, 0755), 0);
    touch("something");
    assert_int_equal(muster_key_init(dir, &error), MUSTER_ERR_KEY_FILE);
    assert_non_null(strstr(error.detail, "0755"));
    assert_false(exists("manager.key"));
    /* An empty folder is closed to others instead. */
    assert_int_equal(file_remove_tree(dir, NULL), MUSTER_OK);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(muster_key_init(dir, &error), MUSTER_OK);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void
test_add_revoke(void **state)
{
    struct muster_error error = { 0 };

    (void)state;
    assert_int_equal(muster_key_add(dir, "worker", "node7", NULL, &error), MUSTER_ERR_NOT_FOUND);
    assert_int_equal(muster_key_init(dir, &error), MUSTER_OK);
    assert_int_equal(muster_key_add(dir, "worker", "node7", "queues=a,b max-connections=2", &error),
                     MUSTER_OK);
    assert_true(exists("node7.authkey"));
    expect_list("worker worker ;client client ;admin admin ;"
                "node7 worker queues=a,b max-connections=2;");
    assert_int_equal(muster_key_add(dir, "client", "node7", NULL, &error), MUSTER_ERR_EXISTS);
    assert_int_equal(muster_key_add(dir, "boss", "node8", NULL, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_key_add(dir, "manager", "node8", NULL, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_key_add(dir, "worker", "../node8", NULL, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_key_add(dir, "worker", "node8", "colour=red", &error),
                     MUSTER_ERR_INVALID);
    assert_false(exists("node8.authkey"));      /* no key that nobody knows is left */
    assert_int_equal(muster_key_revoke(dir, "node7", &error), MUSTER_OK);
    assert_int_equal(muster_key_revoke(dir, "node7", &error), MUSTER_ERR_NOT_FOUND);
    expect_list("worker worker ;client client ;admin admin ;");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_init, base_make, base_remove),
        cmocka_unit_test_setup_teardown(test_init_all_or_nothing, base_make, base_remove),
        cmocka_unit_test_setup_teardown(test_init_folder, base_make, base_remove),
        cmocka_unit_test_setup_teardown(test_add_revoke, base_make, base_remove),
    };

    return cmocka_run_group_tests_name("keys of a folder", tests, NULL, NULL);
}
