/* test_module.c - whose code may be loaded
 *
 * Method: a module in TOP/above/own/, all of it ours and closed to others.  One thing is
 * changed, then it is checked.
 */
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module.h"
#include "stories.h"

enum { NOBODY = 65534, PATH_BYTES = PATH_MAX };

struct module_story {
    const char *story;
    const char *path;              /* what is changed; "" = nothing */
    mode_t      mode;              /* 0: it becomes another user's (only root can do that) */
    muster_err  err;
    const char *text;              /* in the error */
};

static const struct module_story stories[] = {
    { "ours, and closed to others", "", 0755, MUSTER_OK, NULL },
    { "the group may write to it", "above/own/m.so", 0775, MUSTER_ERR_DENIED,
      "own/m.so can be written by others than its owner; chmod go-w it" },
    { "all may", "above/own/m.so", 0757, MUSTER_ERR_DENIED, "the module /" },
    { "the group may write to its folder", "above/own", 0775, MUSTER_ERR_DENIED,
      "own can be written by others" },
    { "its folder is sticky, and open", "above/own", 01777, MUSTER_ERR_DENIED,
      "the module's folder /" },
    { "the group may write to a folder above", "above", 0775, MUSTER_ERR_DENIED,
      "above can be written by others" },
    { "all may", "above", 0777, MUSTER_ERR_DENIED, "the folder /" },
    { "a folder above is sticky, and open", "above", 01777, MUSTER_OK, NULL },
    { "it is another user's", "above/own/m.so", 0, MUSTER_ERR_DENIED,
      "m.so belongs to user 65534" },
    { "its folder is", "above/own", 0, MUSTER_ERR_DENIED, "own belongs to user 65534" },
    { "a folder above is", "above", 0, MUSTER_ERR_DENIED, "above belongs to user 65534" },
};

static char top[PATH_BYTES];

static const char *
at(const char *path)
{
    static char full[2 * PATH_BYTES];

    snprintf(full, sizeof(full), "%s/%s", top, path);
    return full;
}

static void
tree_make(void)
{
    const char *folder = getenv("TMPDIR");
    char        name[PATH_BYTES];
    int         fd;

    snprintf(name, sizeof(name), "%s/muster-module-XXXXXX", folder != NULL ? folder : "/tmp");
    assert_non_null(mkdtemp(name));
    assert_non_null(realpath(name, top));
    assert_int_equal(mkdir(at("above"), 0755), 0);
    assert_int_equal(mkdir(at("above/own"), 0755), 0);
    fd = open(at("above/own/m.so"), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    close(fd);
    /* Whatever the umask is. */
    assert_int_equal(chmod(at("above"), 0755), 0);
    assert_int_equal(chmod(at("above/own"), 0755), 0);
    assert_int_equal(chmod(at("above/own/m.so"), 0755), 0);
}

static void
tree_remove(void)
{
    unlink(at("link"));
    unlink(at("above/own/m.so"));
    rmdir(at("above/own"));
    rmdir(at("above"));
    assert_int_equal(rmdir(top), 0);
}

static void
test_story(void **state)
{
    const struct module_story *row = *state;
    struct muster_error        error = { 0 };
    char                      *real = NULL;
    muster_err                 err;

    if (row->mode == 0 && geteuid() != 0)
        skip();
    tree_make();
    if (row->mode != 0)
        assert_int_equal(chmod(at(row->path), row->mode), 0);
    else
        assert_int_equal(chown(at(row->path), NOBODY, (gid_t)-1), 0);
    err = module_check(at("above/own/m.so"), &real, &error);
    tree_remove();
    assert_int_equal(err, row->err);
    if (err) {
        assert_null(real);
        assert_non_null(strstr(error.detail, row->text));
        return;
    }
    assert_int_equal(strncmp(real, top, strlen(top)), 0);
    free(real);
}

/* What the name means is looked at, not where the name lies. */
static void
test_link(void **state)
{
    struct muster_error error;
    char               *real;

    (void)state;
    tree_make();
    assert_int_equal(symlink("above/own/m.so", at("link")), 0);
    assert_int_equal(chmod(at(""), 0777), 0);
    assert_int_equal(module_check(at("link"), &real, &error), MUSTER_ERR_DENIED);
    assert_int_equal(chmod(at(""), 0755), 0);
    assert_int_equal(module_check(at("link"), &real, &error), MUSTER_OK);
    assert_string_equal(real, at("above/own/m.so"));
    free(real);
    assert_int_equal(module_check(at("above/own"), &real, &error), MUSTER_ERR_INVALID);
    assert_int_equal(module_check(at("none"), &real, &error), MUSTER_ERR_NOT_FOUND);
    tree_remove();
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_link) };

    return STORIES("modules", stories, test_story) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
