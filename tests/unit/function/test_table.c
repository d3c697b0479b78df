/* test_table.c - which functions can be called, and whose modules are loaded */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "module.h"
#include "stories.h"

static void
nothing(struct muster_call *call)
{
    (void)call;
}

struct name_story {
    const char *story, *name;
    muster_err  err;
};

static const struct name_story names[] = {
    { "letters, digits, dots and dashes", "math.Square_2-b", MUSTER_OK },
    { "nothing", "", MUSTER_ERR_INVALID },
    { "no name at all", NULL, MUSTER_ERR_INVALID },
    { "a blank", "a b", MUSTER_ERR_INVALID },
    { "an option", "-a", MUSTER_ERR_INVALID },
    { "one that is there", "taken", MUSTER_ERR_INVALID },
    { "one of a hook is free", "hook", MUSTER_OK },
    { "65 letters", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      MUSTER_ERR_INVALID },
};

static void
test_name(void **state)
{
    const struct name_story *row = *state;
    struct function_table    table = { 0 };
    struct function_entry    taken = { "taken", nothing, MUSTER_KIND_FUNCTION, 0 };
    struct function_entry    hook = { "hook", nothing, MUSTER_KIND_START, 0 };
    struct function_entry    entry = { row->name, nothing, MUSTER_KIND_FUNCTION, 0 };
    struct muster_error      error;

    assert_int_equal(function_table_add(&table, &taken, &error), MUSTER_OK);
    assert_int_equal(function_table_add(&table, &hook, &error), MUSTER_OK);
    assert_null(function_table_find(&table, slice_text("hook")));
    assert_int_equal(function_table_add(&table, &entry, &error), row->err);
    assert_int_equal(table.count, row->err ? 2 : 3);
    if (!row->err)
        assert_non_null(function_table_find(&table, slice_text(row->name)));
    function_table_free(&table);
}

struct mode_story {
    const char *story;
    mode_t      file, folder;
    muster_err  err;
};

static const struct mode_story modes[] = {
    { "ours alone", 0600, 0700, MUSTER_OK },
    { "others may read", 0644, 0755, MUSTER_OK },
    { "the group may write to it", 0664, 0755, MUSTER_ERR_DENIED },
    { "others may write to it", 0606, 0755, MUSTER_ERR_DENIED },
    { "the group may write to its folder", 0644, 0775, MUSTER_ERR_DENIED },
    { "everybody may, even with the sticky bit", 0644, 01777, MUSTER_ERR_DENIED },
};

static void
test_mode(void **state)
{
    const struct mode_story *row = *state;
    char                     folder[] = "/tmp/muster-module-XXXXXX", path[64];
    char                    *real = NULL;
    struct muster_error      error;
    FILE                    *file;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/module.so", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(path, row->file), 0);
    assert_int_equal(chmod(folder, row->folder), 0);
    assert_int_equal(module_check(path, &real, &error), row->err);
    if (row->err)
        assert_null(real);
    else
        assert_string_equal(real, path);
    free(real);
    real = NULL;
    assert_int_equal(module_check("/usr/lib", &real, &error), MUSTER_ERR_INVALID);   /* no file */
    assert_int_equal(file_remove_tree(folder, &error), MUSTER_OK);
    assert_int_equal(module_check(path, &real, &error), MUSTER_ERR_NOT_FOUND);
}

static void
test_no_module(void **state)
{
    struct function_table table = { 0 };
    struct muster_error   error;
    Dl_info               libc;

    (void)state;
    /* A library that every program has, and that is no module. */
    assert_int_not_equal(dladdr(dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), &libc), 0);
    assert_int_equal(module_load(libc.dli_fname, &table, &error), MUSTER_ERR_INVALID);
    assert_non_null(strstr(error.detail, "is no task module"));
    assert_int_equal(module_load("/nowhere/at/all.so", &table, &error), MUSTER_ERR_NOT_FOUND);
    assert_int_equal(table.count, 0);
}

int
main(void)
{
    const struct CMUnitTest rest[] = { cmocka_unit_test(test_no_module) };
    int                     failed = STORIES("names of functions", names, test_name);

    failed += STORIES("modes of modules", modes, test_mode);
    return failed + cmocka_run_group_tests(rest, NULL, NULL);
}
