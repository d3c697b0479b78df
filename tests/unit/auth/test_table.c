/* test_table.c - authorized_keys: what is taken, what is refused, and who may come in */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "files.h"
#include "stories.h"

#define K1 "1111111111111111111111111111111111111111111111111111111111111111"
#define K2 "2222222222222222222222222222222222222222222222222222222222222222"
/* Begins like K1, so that both fall into one place of the map. */
#define K3 "1111111111111111111111111111111111111111111111111111111111111112"

struct parse_case {
    const char *story;
    const char *text;
    muster_err  err;
    unsigned    count;         /* keys */
    const char *word;          /* of the explanation */
};

static const struct parse_case parses[] = {
    { "nothing", "", MUSTER_OK, 0, NULL },
    { "comments and empty lines", "# one\n\n   \n\t# two\n", MUSTER_OK, 0, NULL },
    { "one key", K1 " worker node7\n", MUSTER_OK, 1, NULL },
    { "no line end", K1 " worker node7", MUSTER_OK, 1, NULL },
    { "Windows line ends", "# c\r\n" K1 " worker node7\r\n", MUSTER_OK, 1, NULL },
    { "three keys", K1 " worker a\n" K2 " client b\n" K3 " admin c\n", MUSTER_OK, 3, NULL },
    { "all options", K1 "\tworker  a queues=x,y from=10.0.0.0/8,::1 not-after=2027-01-31 "
      "max-connections=3\n", MUSTER_OK, 1, NULL },
    { "an unknown option", K2 " client b\n" K1 " worker a colour=red\n", MUSTER_ERR_INVALID, 0,
      "keys:2: unknown option \"colour=red\"" },
    { "an option twice", K1 " worker a max-connections=1 max-connections=2", MUSTER_ERR_INVALID, 0,
      "twice" },
    { "an option without value", K1 " worker a from", MUSTER_ERR_INVALID, 0, "needs a value" },
    { "an empty list", K1 " worker a queues=", MUSTER_ERR_INVALID, 0, "queues=" },
    { "an empty item", K1 " worker a queues=x,,y", MUSTER_ERR_INVALID, 0, "queues=" },
    { "a bad queue name", K1 " worker a queues=x,-y", MUSTER_ERR_INVALID, 0, "\"-y\"" },
    { "a host name in from=", K1 " worker a from=head", MUSTER_ERR_INVALID, 0, "not looked up" },
    { "a prefix that is too long", K1 " worker a from=10.0.0.0/33", MUSTER_ERR_INVALID, 0,
      "from=" },
    { "bits behind the prefix", K1 " worker a from=10.0.0.1/8", MUSTER_ERR_INVALID, 0, "behind" },
    { "a day that does not exist", K1 " worker a not-after=2027-02-31", MUSTER_ERR_INVALID, 0,
      "not-after=" },
    { "an hour that does not exist", K1 " worker a not-after=2027-02-01T24:00:00Z",
      MUSTER_ERR_INVALID, 0, "not-after=" },
    { "local time", K1 " worker a not-after=2027-02-01T10:00:00", MUSTER_ERR_INVALID, 0,
      "not-after=" },
    { "no connections", K1 " worker a max-connections=0", MUSTER_ERR_INVALID, 0, "from 1 on" },
    { "an unknown role", K1 " boss a", MUSTER_ERR_INVALID, 0, "role \"boss\"" },
    { "the manager's role", K1 " manager a", MUSTER_ERR_INVALID, 0, "role \"manager\"" },
    { "a bad name", K1 " worker ../a", MUSTER_ERR_INVALID, 0, "not a name" },
    { "no name", K1 " worker\n", MUSTER_ERR_INVALID, 0, "keys:1: a line is" },
    { "a short key", "1234 worker a", MUSTER_ERR_INVALID, 0, "64" },
    { "upper-case digits", "A" "111111111111111111111111111111111111111111111111111111111111111"
      " worker a", MUSTER_ERR_INVALID, 0, "lower-case" },
    { "a secret key", "muster-key-1 worker a 1 2 3\n", MUSTER_ERR_INVALID, 0,
      "does not belong here" },
    { "the same key twice", K1 " worker a\n# c\n" K1 " client b\n", MUSTER_ERR_INVALID, 0,
      "keys:3: the same key stands in line 1" },
    { "the same name twice", K1 " worker a\n\n" K2 " client a\n", MUSTER_ERR_INVALID, 0,
      "keys:3: the name \"a\" stands in line 1" },
};

static void
test_parse(void **state)
{
    const struct parse_case *c = *state;
    struct auth_table       *table = NULL;
    struct muster_error      error = { 0 };

    assert_int_equal(auth_table_parse(slice_text(c->text), "keys", &table, &error), c->err);
    if (c->err == MUSTER_OK) {
        assert_int_equal(auth_table_count(table), c->count);
        for (uint32_t i = 0; i < c->count; i++)
            assert_ptr_equal(auth_table_find(table, auth_table_at(table, i)->key),
                             auth_table_at(table, i));
        auth_table_free(table);
        return;
    }
    assert_null(table);
    if (strstr(error.detail, c->word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.detail, c->word);
}

static void
test_zero_byte(void **state)
{
    static const char   text[] = K1 " worker a\0b\n";
    struct auth_table  *table = NULL;
    struct muster_error error = { 0 };

    (void)state;
    assert_int_equal(auth_table_parse(slice_of(text, sizeof(text) - 1), "keys", &table, &error),
                     MUSTER_ERR_INVALID);
}

static void
test_unknown(void **state)
{
    uint8_t            key[KEY_BYTES] = { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x99 };
    struct auth_table *table = NULL;

    (void)state;
    assert_int_equal(auth_table_parse(slice_text(K1 " worker a\n" K3 " client b\n"), "keys", &table,
                                      NULL), MUSTER_OK);
    assert_null(auth_table_find(table, key));
    auth_table_free(table);
}

struct admit_case {
    const char *story;
    const char *options;
    const char *address;
    uint64_t    unix_s;
    muster_err  err;
};

static const struct admit_case admits[] = {
    { "no options, from anywhere", "", "192.0.2.1", 0, MUSTER_OK },
    { "no options, a local socket", "", "", 0, MUSTER_OK },
    { "inside the network", "from=10.0.0.0/8", "10.255.0.1", 0, MUSTER_OK },
    { "outside the network", "from=10.0.0.0/8", "11.0.0.1", 0, MUSTER_ERR_AUTH },
    { "the second of two", "from=10.0.0.0/8,192.0.2.1", "192.0.2.1", 0, MUSTER_OK },
    { "a neighbour of a single address", "from=192.0.2.1", "192.0.2.2", 0, MUSTER_ERR_AUTH },
    { "IPv4 seen as IPv6", "from=192.0.2.0/24", "::ffff:192.0.2.9", 0, MUSTER_OK },
    { "an IPv6 network", "from=2001:db8::/32", "2001:db8:1::5", 0, MUSTER_OK },
    { "another IPv6 network", "from=2001:db8::/33", "2001:db8:8000::5", 0, MUSTER_ERR_AUTH },
    { "everything of IPv4 is not IPv6", "from=0.0.0.0/0", "2001:db8::1", 0, MUSTER_ERR_AUTH },
    { "everything of IPv6", "from=::/0", "2001:db8::1", 0, MUSTER_OK },
    { "a local socket is no address", "from=0.0.0.0/0", "", 0, MUSTER_ERR_AUTH },
    { "on the last day", "not-after=2027-01-31", "", 1801439999, MUSTER_OK },
    { "the day after", "not-after=2027-01-31", "", 1801440000, MUSTER_ERR_AUTH },
    { "at the last second", "not-after=2027-01-31T12:00:00Z", "", 1801396800, MUSTER_OK },
    { "a second later", "not-after=2027-01-31T12:00:00Z", "", 1801396801, MUSTER_ERR_AUTH },
};

static void
test_admits(void **state)
{
    const struct admit_case *c = *state;
    struct auth_table       *table = NULL;
    struct muster_error      error = { 0 };
    char                     text[256];

    snprintf(text, sizeof(text), "%s worker a %s\n", K1, c->options);
    assert_int_equal(auth_table_parse(slice_text(text), "keys", &table, NULL), MUSTER_OK);
    assert_int_equal(auth_entry_admits(auth_table_at(table, 0), c->address, c->unix_s * 1000,
                                       &error), c->err);
    assert_int_equal(error.detail[0] != '\0', c->err != MUSTER_OK);
    auth_table_free(table);
}

static void
test_options_back(void **state)
{
    static const char options[] = "queues=x,y from=10.0.0.0/8,::1 not-after=2027-01-31T23:59:59Z "
                                  "max-connections=3";
    struct auth_table *table = NULL;
    struct buffer      text = { 0 };

    (void)state;
    buffer_printf(&text, "%s worker a %s\n%s client b\n", K1, options, K2);
    assert_int_equal(auth_table_parse(buffer_slice(&text), "keys", &table, NULL), MUSTER_OK);
    assert_true(auth_entry_serves(auth_table_at(table, 0), slice_text("y")));
    assert_false(auth_entry_serves(auth_table_at(table, 0), slice_text("z")));
    assert_true(auth_entry_serves(auth_table_at(table, 1), slice_text("z")));
    buffer_clear(&text);
    auth_entry_options_put(&text, auth_table_at(table, 0));
    assert_string_equal(buffer_text(&text), options);
    buffer_clear(&text);
    auth_entry_options_put(&text, auth_table_at(table, 1));
    assert_string_equal(buffer_text(&text), "");
    buffer_free(&text);
    auth_table_free(table);
}

/* ---- changing the file ---- */

static char folder[32], file[64];

static int
folder_make(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/muster-auth-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/authorized_keys", folder);
    return 0;
}

static int
folder_remove(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL) == MUSTER_OK ? 0 : -1;
}

static void
put_file(const char *text, mode_t mode)
{
    assert_int_equal(file_replace(file, mode, slice_text(text), NULL), MUSTER_OK);
}

static void
expect_file(const char *text)
{
    struct buffer got = { 0 };
    struct stat   st;

    assert_int_equal(file_read(file, 1 << 20, &got, NULL), MUSTER_OK);
    assert_string_equal(buffer_text(&got), text);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    buffer_free(&got);
}

static void
test_add_revoke(void **state)
{
    uint8_t             key1[KEY_BYTES], key2[KEY_BYTES];
    struct muster_error error = { 0 };

    (void)state;
    memset(key1, 0x11, sizeof(key1));
    memset(key2, 0x22, sizeof(key2));
    put_file("# ours\n" K1 "  worker   a   queues=x\n# theirs", 0600);
    assert_int_equal(auth_file_add(file, key2, AUTH_ROLE_CLIENT, "b", "max-connections=2", &error),
                     MUSTER_OK);
    expect_file("# ours\n" K1 "  worker   a   queues=x\n# theirs\n" K2
                " client b max-connections=2\n");
    assert_int_equal(auth_file_add(file, key2, AUTH_ROLE_CLIENT, "c", NULL, &error),
                     MUSTER_ERR_EXISTS);
    key2[0] = 0x33;
    assert_int_equal(auth_file_add(file, key2, AUTH_ROLE_CLIENT, "a", NULL, &error),
                     MUSTER_ERR_EXISTS);
    assert_int_equal(auth_file_add(file, key2, AUTH_ROLE_CLIENT, "c", "colour=red", &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(auth_file_add(file, key2, AUTH_ROLE_CLIENT, "c", "queues=x\n" K3 " admin d",
                                   &error), MUSTER_ERR_INVALID);
    assert_int_equal(auth_file_add(file, key2, AUTH_ROLE_CLIENT, "c queues=x", NULL, &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(auth_file_revoke(file, "c", &error), MUSTER_ERR_NOT_FOUND);
    assert_int_equal(auth_file_revoke(file, "a", &error), MUSTER_OK);
    expect_file("# ours\n# theirs\n" K2 " client b max-connections=2\n");
}

static void
test_add_first(void **state)
{
    uint8_t            key[KEY_BYTES] = { 1 };
    struct auth_table *table = NULL;

    (void)state;
    assert_int_equal(auth_file_add(file, key, AUTH_ROLE_ADMIN, "a", NULL, NULL), MUSTER_OK);
    assert_int_equal(auth_table_load(file, &table, NULL), MUSTER_OK);
    assert_int_equal(auth_table_count(table), 1);
    auth_table_free(table);
    /* A file that the manager would not trust is not changed either. */
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(auth_table_load(file, &table, NULL), MUSTER_ERR_KEY_FILE);
    key[0] = 2;
    assert_int_equal(auth_file_add(file, key, AUTH_ROLE_ADMIN, "b", NULL, NULL),
                     MUSTER_ERR_KEY_FILE);
}

static void
test_broken_stays(void **state)
{
    uint8_t             key[KEY_BYTES] = { 1 };
    struct muster_error error = { 0 };

    (void)state;
    put_file(K1 " worker a colour=red\n", 0600);
    assert_int_equal(auth_file_add(file, key, AUTH_ROLE_ADMIN, "b", NULL, &error),
                     MUSTER_ERR_INVALID);
    assert_non_null(strstr(error.detail, "authorized_keys:1:"));
    assert_int_equal(auth_file_revoke(file, "a", &error), MUSTER_ERR_INVALID);
    expect_file(K1 " worker a colour=red\n");
}

/* Several processes at once: no line is lost. */
static void
test_writers(void **state)
{
    enum { WRITERS = 4, EACH = 10 };
    struct auth_table *table = NULL;

    (void)state;
    for (int writer = 0; writer < WRITERS; writer++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid != 0)
            continue;
        for (int i = 0; i < EACH; i++) {
            uint8_t key[KEY_BYTES] = { (uint8_t)(writer + 1), (uint8_t)i };
            char    name[32];

            snprintf(name, sizeof(name), "n%d.%d", writer, i);
            if (auth_file_add(file, key, AUTH_ROLE_WORKER, name, NULL, NULL) != MUSTER_OK)
                _exit(1);
        }
        _exit(0);
    }
    for (int writer = 0; writer < WRITERS; writer++) {
        int status = -1;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(auth_table_load(file, &table, NULL), MUSTER_OK);
    assert_int_equal(auth_table_count(table), WRITERS * EACH);
    auth_table_free(table);
}

int
main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_zero_byte),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_options_back),
        cmocka_unit_test_setup_teardown(test_add_revoke, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_add_first, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_broken_stays, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_writers, folder_make, folder_remove),
    };
    int failed;

    assert(auth_start(NULL) == MUSTER_OK);
    failed = STORIES("authorized_keys", parses, test_parse);
    failed += STORIES("who may come in", admits, test_admits);
    failed += cmocka_run_group_tests_name("the table and its file", others, NULL, NULL);
    return failed;
}
