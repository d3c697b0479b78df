/* test_spool.c - finished results survive their worker
 *
 * Method: write, close, open again as the next run would, and compare; then do
 * to the files what crashes and bad disks do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "spool.h"
#include "stories.h"

static char folder[64];

struct seen {
    uint32_t            count;
    uint64_t            ids[8];
    struct spool_record record;       /* the last; its result is `result` */
    struct buffer       result;
};

static void
on_record(void *context, uint64_t id, const struct spool_record *record)
{
    struct seen *seen = context;

    seen->ids[seen->count++] = id;
    seen->record = *record;
    buffer_clear(&seen->result);
    buffer_append_slice(&seen->result, record->result);
}

static void
open_spool(struct spool *spool)
{
    struct muster_error error = { 0 };
    pid_t               holder;

    assert_int_equal(spool_open(spool, folder, &holder, &error), MUSTER_OK);
}

static struct seen
load(struct spool *spool)
{
    struct seen         seen = { 0 };
    struct muster_error error = { 0 };

    assert_int_equal(spool_load(spool, on_record, &seen, &error), MUSTER_OK);
    return seen;
}

/* A result with 3 bytes of stdout, and `big` bytes of stderr in a capture. */
static uint64_t
write_one(struct spool *spool, uint32_t index, struct capture captures[2], uint32_t big)
{
    struct buffer       encoded = { 0 }, text = { 0 };
    struct muster_error error = { 0 };
    struct wire_result  result = { .outcome = OUTCOME_EXITED, .exit_code = 3 };
    struct spool_record record = { .manager = 11, .session = 22, .secret = 33,
                                   .token = { 4, index, 6, 7 } };
    uint64_t            id = 0;

    capture_start(&captures[0], 1 << 20);
    capture_start(&captures[1], 1 << 20);
    capture_add(&captures[0], slice_text("out"), "/tmp");
    for (uint32_t i = 0; i < big; i++)
        buffer_append(&text, &(char){ (char)('a' + i % 26) }, 1);
    capture_add(&captures[1], buffer_slice(&text), "/tmp");
    capture_end(&captures[0]);
    capture_end(&captures[1]);
    result.out = capture_inline(&captures[0]);
    result.err = capture_inline(&captures[1]);
    result.out_kept = capture_kept(&captures[0]);
    result.err_kept = capture_kept(&captures[1]);
    wire_put_result(&encoded, &result);
    record.result = buffer_slice(&encoded);
    assert_int_equal(spool_write(spool, &record, captures, &id, &error), MUSTER_OK);
    buffer_free(&encoded);
    buffer_free(&text);
    capture_free(&captures[0]);
    capture_free(&captures[1]);
    return id;
}

static int
set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/muster-test-spool-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int
tear_down(void **state)
{
    struct muster_error error;

    (void)state;
    return (int)file_remove_tree(folder, &error);
}

static void
test_round_trip(void **state)
{
    struct capture      captures[2] = { { .file = -1 }, { .file = -1 } };
    struct spool        spool;
    struct seen         seen;
    struct wire_result  result;
    struct buffer       out = { 0 };
    struct muster_error error = { 0 };
    uint64_t            id;

    (void)state;
    open_spool(&spool);
    id = write_one(&spool, 5, captures, 200000);
    spool_close(&spool);
    open_spool(&spool);
    seen = load(&spool);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.ids[0], id);
    assert_int_equal(seen.record.manager, 11);
    assert_int_equal(seen.record.session, 22);
    assert_int_equal(seen.record.secret, 33);
    assert_int_equal(seen.record.token.job, 4);
    assert_int_equal(seen.record.token.index, 5);
    assert_int_equal(seen.record.token.attempt, 6);
    assert_int_equal(seen.record.token.epoch, 7);
    assert_int_equal(wire_decode_item_result(buffer_slice(&seen.result), &result), MUSTER_OK);
    assert_int_equal(result.exit_code, 3);
    assert_true(slice_equals_text(result.out, "out"));
    assert_int_equal(result.err_kept, 200000);
    assert_int_equal(result.err.bytes, CAPTURE_MEMORY);
    assert_int_equal(spool_read(&spool, id, 1, CAPTURE_MEMORY, 200000 - CAPTURE_MEMORY, &out,
                                &error), MUSTER_OK);
    for (uint32_t i = 0; i < out.bytes; i++)
        assert_int_equal(out.data[i], 'a' + (CAPTURE_MEMORY + i) % 26);
    assert_int_equal(spool_read(&spool, id, 1, 200000, 1, &out, &error), MUSTER_ERR_INVALID);
    assert_int_equal(spool_read(&spool, id, 0, 0, 1, &out, &error), MUSTER_ERR_INVALID);
    spool_remove(&spool, id);
    buffer_free(&seen.result);
    seen = load(&spool);
    assert_int_equal(seen.count, 0);
    spool_close(&spool);
    buffer_free(&out);
}

static void
test_order_and_ids(void **state)
{
    struct capture captures[2] = { { .file = -1 }, { .file = -1 } };
    struct spool   spool;
    struct seen    seen;

    (void)state;
    open_spool(&spool);
    for (uint32_t i = 0; i < 3; i++)
        write_one(&spool, i, captures, 0);
    spool_close(&spool);
    open_spool(&spool);
    seen = load(&spool);
    assert_int_equal(seen.count, 3);
    assert_true(seen.ids[0] < seen.ids[1] && seen.ids[1] < seen.ids[2]);
    assert_true(write_one(&spool, 9, captures, 0) > seen.ids[2]);
    spool_close(&spool);
    buffer_free(&seen.result);
}

static void
test_second_worker(void **state)
{
    struct spool        spool, second = { .lock = -1 };
    struct muster_error error = { 0 };
    pid_t               holder = 0;
    char                text[32];

    (void)state;
    open_spool(&spool);
    assert_int_equal(spool_open(&second, folder, &holder, &error), MUSTER_ERR_EXISTS);
    assert_int_equal(holder, getpid());
    snprintf(text, sizeof(text), "pid %d", (int)getpid());
    assert_non_null(strstr(error.detail, text));
    spool_close(&spool);
    assert_int_equal(spool_open(&second, folder, &holder, &error), MUSTER_OK);
    spool_close(&second);
}

struct damage_case {
    const char *story;
    int         cut;                  /* bytes taken off the end */
    int         flip;                 /* place whose bits are turned, -1: none */
};

static const struct damage_case damage_cases[] = {
    { "cut short by one byte", 1, -1 },   { "cut in the middle", 40, -1 },
    { "only its name is left", 100000, -1 }, { "another magic", 0, 0 },
    { "another session", 0, 17 },         { "another token", 0, 40 },
    { "another result", 0, 100 },
};

static void
test_damage(void **state)
{
    const struct damage_case *c = *state;
    struct capture            captures[2] = { { .file = -1 }, { .file = -1 } };
    struct spool              spool;
    struct seen               seen;
    struct stat               st;
    char                      path[128];
    uint8_t                   byte;
    int                       fd;

    set_up(NULL);
    open_spool(&spool);
    snprintf(path, sizeof(path), "%s/%016llx.result", folder,
             (unsigned long long)write_one(&spool, 1, captures, 10));
    write_one(&spool, 2, captures, 10);
    fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(ftruncate(fd, st.st_size > c->cut ? st.st_size - c->cut : 0), 0);
    if (c->flip >= 0) {
        assert_int_equal(pread(fd, &byte, 1, c->flip), 1);
        byte ^= 0xff;
        assert_int_equal(pwrite(fd, &byte, 1, c->flip), 1);
    }
    close(fd);
    seen = load(&spool);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.record.token.index, 2);
    assert_int_equal(access(path, F_OK), -1);
    strcpy(strrchr(path, '.'), ".damaged");
    assert_int_equal(access(path, F_OK), 0);
    spool_close(&spool);
    buffer_free(&seen.result);
    tear_down(NULL);
}

static void
test_unfinished(void **state)
{
    struct spool spool;
    struct seen  seen;
    char         path[128];
    int          fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/%016x.partial", folder, 9);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    open_spool(&spool);
    seen = load(&spool);
    assert_int_equal(seen.count, 0);
    assert_int_equal(access(path, F_OK), -1);
    spool_close(&spool);
}

static void
test_open_folder(void **state)
{
    struct spool        spool = { .lock = -1 };
    struct muster_error error = { 0 };
    pid_t               holder;

    (void)state;
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(spool_open(&spool, folder, &holder, &error), MUSTER_ERR_IO);
    assert_non_null(strstr(error.detail, folder));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_and_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_worker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unfinished, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_folder, set_up, tear_down),
    };
    int failed = STORIES("damaged files", damage_cases, test_damage);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
