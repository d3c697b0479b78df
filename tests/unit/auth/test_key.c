/* test_key.c - key text: what is a key, what is a typo, and what is something else
 *
 * Method: take the text of a good key, spoil it as the story says, parse it and
 * compare the error and a word of its explanation.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "stories.h"

static struct key *good;
static char        good_text[KEY_TEXT_BYTES_MAX + 1];

struct text_case {
    const char *story;
    const char *from, *to;     /* the first `from` becomes `to`; from NULL: `to` alone */
    muster_err  err;
    const char *word;          /* of the explanation */
};

static const struct text_case texts[] = {
    { "the good key", "", "", MUSTER_OK, NULL },
    { "with blanks around it", "muster", "  muster", MUSTER_OK, NULL },
    { "with a Windows line end", "\n", "\r\n", MUSTER_OK, NULL },
    { "without its line end", "\n", "", MUSTER_OK, NULL },
    { "another name", "node7", "node8", MUSTER_ERR_KEY_TEXT, "checksum" },
    { "another role", " worker", " admin", MUSTER_ERR_KEY_TEXT, "checksum" },
    { "upper case", "muster-key-1 w", "muster-key-1 W", MUSTER_ERR_KEY_TEXT, "checksum" },
    { "two blanks", " node7", "  node7", MUSTER_ERR_KEY_TEXT, "added" },
    { "a field lost", " node7", "", MUSTER_ERR_KEY_TEXT, "lost" },
    { "broken into lines", " node7", "\nnode7", MUSTER_ERR_KEY_TEXT, "several lines" },
    { "a later version", "muster-key-1", "muster-key-2", MUSTER_ERR_KEY_TEXT, "version" },
    { "a passphrase", NULL, "correct horse battery staple", MUSTER_ERR_KEY_TEXT, "passphrase" },
    { "nothing", NULL, "", MUSTER_ERR_KEY_TEXT, "no key in it" },
    { "only blanks", NULL, " \n\n", MUSTER_ERR_KEY_TEXT, "no key in it" },
    { "an ssh key", NULL, "-----BEGIN OPENSSH PRIVATE KEY-----\n", MUSTER_ERR_KEY_TEXT, "ssh key" },
    { "a PEM key", NULL, "-----BEGIN RSA PRIVATE KEY-----\n", MUSTER_ERR_KEY_TEXT, "PEM" },
    { "an ssh public key", NULL, "ssh-ed25519 AAAA me@here", MUSTER_ERR_KEY_TEXT, "ssh public" },
    { "the beginning only", NULL, "muster-key-1", MUSTER_ERR_KEY_TEXT, "lost" },
    { "six empty fields", NULL, "muster-key-1     ", MUSTER_ERR_KEY_TEXT, "lost" },
    { "binary", NULL, "\x7f""ELF\x02\x01", MUSTER_ERR_KEY_TEXT, "not a key" },
};

static void
expect(struct slice text, muster_err err, const char *word)
{
    struct muster_error error = { 0 };
    struct key         *key = NULL;

    assert_int_equal(key_text_parse(text, &key, &error), err);
    if (err == MUSTER_OK) {
        assert_memory_equal(key_public(key), key_public(good), KEY_BYTES);
        assert_memory_equal(key_secret(key), key_secret(good), KEY_BYTES);
        assert_memory_equal(key_manager_public(key), key_manager_public(good), KEY_BYTES);
        assert_int_equal(key_role(key), AUTH_ROLE_WORKER);
        assert_string_equal(key_name(key), "node7");
        key_free(key);
        return;
    }
    assert_null(key);
    if (strstr(error.detail, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.detail, word);
}

static void
test_text(void **state)
{
    const struct text_case *c = *state;
    char                    text[2 * KEY_TEXT_BYTES_MAX];

    if (c->from == NULL) {
        snprintf(text, sizeof(text), "%s", c->to);
    } else {
        const char *at = strstr(good_text, c->from);

        assert_non_null(at);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good_text), good_text, c->to,
                 at + strlen(c->from));
    }
    expect(slice_text(text), c->err, c->word);
}

/* Every single character matters, and no error repeats what may be a secret. */
static void
test_every_typo(void **state)
{
    char   secret[2 * KEY_BYTES + 1];
    size_t bytes = strlen(good_text) - 1;

    (void)state;
    auth_key_text(secret, key_secret(good));
    for (size_t i = 0; i < bytes; i++) {
        struct muster_error error = { 0 };
        struct key         *key = NULL;
        char                text[sizeof(good_text)];

        memcpy(text, good_text, sizeof(text));
        text[i] = text[i] == 'b' ? 'c' : 'b';
        assert_int_equal(key_text_parse(slice_text(text), &key, &error), MUSTER_ERR_KEY_TEXT);
        assert_null(strstr(error.detail, "node7"));
        for (size_t at = 0; at + 8 < sizeof(secret); at += 8) {
            char piece[9] = { 0 };

            memcpy(piece, secret + at, 8);
            assert_null(strstr(error.detail, piece));
        }
        /* And cut short there. */
        assert_int_equal(key_text_parse(slice_of(good_text, i), &key, &error), MUSTER_ERR_KEY_TEXT);
    }
}

struct make_case {
    const char *story;
    const char *name;
    muster_err  err;
};

static const struct make_case names[] = {
    { "a plain name", "node7", MUSTER_OK },
    { "dots and dashes inside", "a.b-c_d", MUSTER_OK },
    { "no name", "", MUSTER_ERR_INVALID },
    { "a blank inside", "a b", MUSTER_ERR_INVALID },
    { "a path", "../x", MUSTER_ERR_INVALID },
    { "an option", "-x", MUSTER_ERR_INVALID },
    { "a newline", "a\nb", MUSTER_ERR_INVALID },
    { "65 characters", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      MUSTER_ERR_INVALID },
};

static void
test_names(void **state)
{
    const struct make_case *c = *state;
    struct key             *key = NULL;

    assert_int_equal(key_make(AUTH_ROLE_MANAGER, c->name, NULL, &key, NULL), c->err);
    assert_int_equal(key != NULL, c->err == MUSTER_OK);
    if (key != NULL)
        assert_memory_equal(key_public(key), key_manager_public(key), KEY_BYTES);
    key_free(key);
}

int
main(void)
{
    const struct CMUnitTest others[] = { cmocka_unit_test(test_every_typo) };
    struct key             *manager = NULL;
    struct buffer           text = { 0 };
    int                     failed;

    assert(auth_start(NULL) == MUSTER_OK);
    assert(key_make(AUTH_ROLE_MANAGER, "manager", NULL, &manager, NULL) == MUSTER_OK);
    assert(key_make(AUTH_ROLE_WORKER, "node7", key_public(manager), &good, NULL) == MUSTER_OK);
    key_text_put(&text, good);
    snprintf(good_text, sizeof(good_text), "%s", buffer_text(&text));
    failed = STORIES("key text", texts, test_text);
    failed += STORIES("names of keys", names, test_names);
    failed += cmocka_run_group_tests_name("every typo", others, NULL, NULL);
    buffer_free(&text);
    key_free(good);
    key_free(manager);
    return failed;
}
