/* test_key_file.c - which files are trusted with a secret
 *
 * Method: save a good key into a fresh folder, spoil the file as the story says,
 * load it and compare the error and a word of its explanation.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "files.h"
#include "stories.h"

struct file_case {
    const char *story;
    int (*spoil)(const char *path);
    muster_err  err;
    const char *word;
};

static int
leave(const char *path)
{
    return access(path, R_OK);
}

static int
read_only(const char *path)
{
    return chmod(path, 0400);
}

static int
open_to_group(const char *path)
{
    return chmod(path, 0640);
}

static int
open_to_others(const char *path)
{
    return chmod(path, 0602);
}

static int
move_away(const char *path, char away[static 128])
{
    snprintf(away, 128, "%s.away", path);
    return rename(path, away);
}

static int
make_symlink(const char *path)
{
    char away[128];

    return move_away(path, away) == 0 ? symlink(away, path) : -1;
}

static int
make_hard_link(const char *path)
{
    char other[128];

    snprintf(other, sizeof(other), "%s.other", path);
    return link(path, other);
}

static int
make_fifo(const char *path)
{
    return unlink(path) == 0 ? mkfifo(path, 0600) : -1;
}

static int
make_folder(const char *path)
{
    return unlink(path) == 0 ? mkdir(path, 0700) : -1;
}

static int
give_away(const char *path)
{
    return chown(path, 12345, (gid_t)-1);
}

static int
overwrite(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    int rc = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -1 : 0;

    close(fd);
    return rc;
}

static int
passphrase(const char *path)
{
    return overwrite(path, "hunter2\n");
}

static int
much_text(const char *path)
{
    char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    return overwrite(path, text);
}

static const struct file_case files[] = {
    { "as it was made", leave, MUSTER_OK, NULL },
    { "read-only for us", read_only, MUSTER_OK, NULL },
    { "readable for the group", open_to_group, MUSTER_ERR_KEY_FILE, "mode 0640" },
    { "writable for others", open_to_others, MUSTER_ERR_KEY_FILE, "mode 0602" },
    { "a symbolic link", make_symlink, MUSTER_ERR_KEY_FILE, "symbolic link" },
    { "a second name", make_hard_link, MUSTER_ERR_KEY_FILE, "2 links" },
    { "a pipe", make_fifo, MUSTER_ERR_KEY_FILE, "not a regular file" },
    { "a folder", make_folder, MUSTER_ERR_KEY_FILE, "not a regular file" },
    { "of another user", give_away, MUSTER_ERR_KEY_FILE, "belongs to user 12345" },
    { "missing", unlink, MUSTER_ERR_NOT_FOUND, "No such file" },
    { "a passphrase", passphrase, MUSTER_ERR_KEY_TEXT, "passphrase" },
    { "much too long", much_text, MUSTER_ERR_KEY_TEXT, "not a key" },
};

static void
test_file(void **state)
{
    const struct file_case *c = *state;
    char                    dir[] = "/tmp/muster-auth-XXXXXX", path[64];
    struct muster_error     error = { 0 };
    struct key             *key = NULL, *loaded = NULL;
    struct stat             st;

    if (c->spoil == give_away && geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/k", dir);
    assert_int_equal(key_make(AUTH_ROLE_MANAGER, "m", NULL, &key, NULL), MUSTER_OK);
    assert_int_equal(key_file_save(path, key, &error), MUSTER_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(c->spoil(path), 0);

    assert_int_equal(key_file_load(path, &loaded, &error), c->err);
    if (c->err == MUSTER_OK) {
        assert_memory_equal(key_secret(loaded), key_secret(key), KEY_BYTES);
        assert_int_equal(key_file_save(path, key, &error), MUSTER_ERR_EXISTS);
    } else {
        assert_null(loaded);
        if (strstr(error.detail, c->word) == NULL || strstr(error.detail, path) == NULL)
            fail_msg("\"%s\" does not say \"%s\" of %s", error.detail, c->word, path);
    }
    key_free(key);
    key_free(loaded);
    assert_int_equal(file_remove_tree(dir, NULL), MUSTER_OK);
}

static void
test_no_dumps(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    /* A program that wants its dumps back keeps them. */
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
    assert_int_equal(auth_start(NULL), MUSTER_OK);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
}

int
main(void)
{
    const struct CMUnitTest others[] = { cmocka_unit_test(test_no_dumps) };
    int                     failed;

    assert(auth_start(NULL) == MUSTER_OK);
    failed = cmocka_run_group_tests_name("core dumps", others, NULL, NULL);
    failed += STORIES("key files", files, test_file);
    return failed;
}
