/* fuzz_key_text.c - the line of an authkey file
 *
 * Behind a checksum nothing would be reached by chance, so an input that begins
 * with '+' is signed here first.  A text that is taken is written the same way.
 */
#include <sys/prctl.h>

#include "auth.h"
#include "fuzz.h"

static void
key_parse(struct slice text)
{
    struct muster_error error = { 0 };
    struct buffer       again = { 0 };
    struct key         *key = NULL;
    muster_err          err = key_text_parse(text, &key, &error);

    if (err) {
        assert(err == MUSTER_ERR_KEY_TEXT && key == NULL);
        assert(error.detail[0] != '\0');
        return;
    }
    assert(key_role(key) < AUTH_ROLE_COUNT);
    key_text_put(&again, key);
    key_free(key);
    key = NULL;
    err = key_text_parse(buffer_slice(&again), &key, &error);
    assert(err == MUSTER_OK);
    key_free(key);
    buffer_free(&again);
}

static void
start_once(void)
{
    static bool started;
    muster_err  err = started ? MUSTER_OK : auth_start(NULL);

    assert(err == MUSTER_OK);
    /* Leak checks look into this process, as a debugger would. */
    if (!started)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    started = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer text = { 0 };
    uint8_t       hash[16];

    start_once();
    if (bytes == 0 || data[0] != '+') {
        key_parse(slice_of(data, bytes));
        return 0;
    }
    buffer_append(&text, data + 1, bytes - 1);
    auth_hash(buffer_slice(&text), hash, sizeof(hash));
    buffer_append_text(&text, " ");
    for (size_t i = 0; i < 8; i++)
        buffer_printf(&text, "%02x", hash[i]);
    key_parse(buffer_slice(&text));
    buffer_free(&text);
    return 0;
}
