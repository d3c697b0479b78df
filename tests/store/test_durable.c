/* test_durable.c - what only a store on a disk can promise, and what it refuses
 *
 * Method: each story runs on a fresh store of SQLite (or of memory, to see that
 * it forgets).
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "files.h"
#include "space.h"
#include "stories.h"
#include "world.h"

struct durable_story {
    const char *story;
    bool        durable;
    void (*run)(struct world *world);
};

static void
memory_forgets(struct world *world)
{
    world_wait(world, world_body(world, 1, 1, "one"));
    assert_int_equal(store_log_bytes(world->store), 0);
    world_reopen(world);
    world_expect_told(world, "");
    world_expect(world, 1, 1, NULL);
    assert_int_equal(world_facts(world, "fact"), 1);
}

static void
close_commits(struct world *world)
{
    for (int i = 0; i < 50; i++)
        (void)world_facts(world, "f");
    (void)world_body(world, 1, 1, "last");
    world_reopen(world);
    world_expect(world, 1, 1, "last");
    assert_int_equal(world_facts(world, "f"), 52);
}

static void
log_comes_back(struct world *world)
{
    (void)world_facts(world, "a");
    (void)world_facts(world, "");
    (void)world_facts(world, "c");
    assert_int_equal(store_log_bytes(world->store), 2);
    world_reopen(world);
    world_expect_told(world, "1:a 2: 3:c ");
    assert_int_equal(store_log_bytes(world->store), 2);
}

static void
checkpoint_replaces_log(struct world *world)
{
    const struct store_object first[] = { { 1, 7, slice_text("seven") },
                                          { 2, 7, slice_text("other kind") },
                                          { 1, 3, slice_text("three") } };
    const struct store_object second[] = { { 1, 7, slice_text("SEVEN") }, { 2, 7, { NULL, 0 } },
                                           { 1, 9, slice_text("") }, { 5, 5, { NULL, 0 } } };
    struct store_turn turn = { .facts = slice_text("b"), .objects = first, .object_count = 3,
                               .checkpoint = true };

    (void)world_facts(world, "a");
    (void)store_submit(world->store, &turn);
    assert_int_equal(store_log_bytes(world->store), 0);
    (void)world_facts(world, "c");
    world_reopen(world);
    world_expect_told(world, "1.3=three 1.7=seven 2.7=other kind 3:c ");

    turn.objects = second;
    turn.object_count = 4;
    assert_int_equal(store_submit(world->store, &turn), 4);
    world_reopen(world);
    world_expect_told(world, "1.3=three 1.7=SEVEN 1.9= ");
    assert_int_equal(world_facts(world, "e"), 5);
    world_reopen(world);
    world_expect_told(world, "1.3=three 1.7=SEVEN 1.9= 5:e ");
}

static void
callback_stops(struct world *world)
{
    struct told               told = { .answer = MUSTER_ERR_INVALID };
    const struct store_object objects[] = { { 1, 1, slice_text("x") }, { 1, 2, slice_text("y") } };
    struct store_turn         turn = { .objects = objects, .object_count = 2, .checkpoint = true };

    (void)store_submit(world->store, &turn);
    (void)world_facts(world, "b");
    (void)world_facts(world, "c");
    world_reopen(world);
    assert_int_equal(store_load(world->store, told_object, &told, NULL), MUSTER_ERR_INVALID);
    assert_int_equal(store_replay(world->store, told_turn, &told, NULL), MUSTER_ERR_INVALID);
    assert_string_equal(buffer_text(&told.text), "1.1=x 2:b ");
    buffer_free(&told.text);
    world_expect_told(world, "1.1=x 1.2=y 2:b 3:c ");
}

static void
whole_diary(struct world *world)
{
    struct diary diary;
    uint64_t     turn = 0;

    diary_start(&diary, 42);
    for (uint64_t i = 1; i <= DIARY_TURNS; i++) {
        struct store_turn told = diary_tell(&diary, i);

        (void)store_submit(world->store, &told);
        if (i % 30 == 0 && !diary_check_bodies(&diary, world->store, i))
            fail_msg("%s", diary.why);
    }
    world_reopen(world);
    if (!diary_check(&diary, world->store, &turn))
        fail_msg("%s", diary.why);
    assert_int_equal(turn, DIARY_TURNS);
    diary_end(&diary);
}

static void
closed_to_others(struct world *world)
{
    struct buffer path = world_path(world, STORE_FILE_NAME);

    assert_int_equal(chmod(buffer_text(&path), 0644), 0);
    world_reopen(world);
    (void)world_facts(world, "a");
    world_wait(world, 1);
    assert_int_equal(world_stat(world, STORE_FILE_NAME).st_mode & 07777, 0600);
    assert_int_equal(world_stat(world, STORE_FILE_NAME "-wal").st_mode & 07777, 0600);
    buffer_free(&path);
}

/* Turns of a megabyte with checkpoints: neither the log nor the file may grow on. */
static void
files_stay_bounded(struct world *world)
{
    size_t            bytes = 1024 * 1024;
    struct store_turn turn = { .facts = { base_alloc(bytes), bytes } };
    off_t             wal = 0, file = 0;

    for (uint64_t i = 1; i <= 200; i++) {
        turn.checkpoint = i % 8 == 0;
        world_wait(world, store_submit(world->store, &turn));
        if (world_stat(world, STORE_FILE_NAME "-wal").st_size > wal)
            wal = world_stat(world, STORE_FILE_NAME "-wal").st_size;
        if (world_stat(world, STORE_FILE_NAME).st_size > file)
            file = world_stat(world, STORE_FILE_NAME).st_size;
    }
    assert_in_range(wal, 1, 24 * bytes);
    assert_in_range(file, 1, 40 * bytes);
    free((void *)(uintptr_t)turn.facts.data);
}

static void
one_process_only(struct world *world)
{
    struct store       *second = NULL;
    struct muster_error error = { 0 };

    assert_int_equal(store_open_sqlite(&world->config, &second, &error), MUSTER_ERR_EXISTS);
    assert_non_null(strstr(error.detail, "another process has it open"));
    assert_null(second);
    (void)world_facts(world, "still alive");
    world_wait(world, 1);
}

static void
run_sql(const struct world *world, const char *sql)
{
    struct buffer path = world_path(world, STORE_FILE_NAME);
    sqlite3      *db = NULL;

    assert_int_equal(sqlite3_open(buffer_text(&path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    buffer_free(&path);
}

static void
expect_refused(struct world *world, muster_err err, const char *text)
{
    assert_int_equal(world_try_open(world), err);
    if (strstr(world->error.detail, text) == NULL)
        fail_msg("`%s` does not say `%s`", world->error.detail, text);
}

static void
newer_format(struct world *world)
{
    (void)world_facts(world, "precious");
    world_close(world);
    run_sql(world, "PRAGMA user_version = 2");
    expect_refused(world, MUSTER_ERR_INVALID, "newer muster (format 2; this one knows up to 1)");
    run_sql(world, "PRAGMA user_version = 1");
    world_open(world);
    world_expect_told(world, "1:precious ");
}

static void
another_programs_database(struct world *world)
{
    world_close(world);
    run_sql(world, "PRAGMA application_id = 12345");
    expect_refused(world, MUSTER_ERR_INVALID, "of another program");
    run_sql(world, "PRAGMA application_id = 1297437489");
    world_open(world);
}

/* Close the store and put something else in the place of its file. */
static void
world_replace_file(struct world *world, const char *text)
{
    struct buffer path = world_path(world, STORE_FILE_NAME);

    world_close(world);
    assert_int_equal(file_replace(buffer_text(&path), 0600, slice_text(text), NULL), MUSTER_OK);
    buffer_free(&path);
}

static void
plain_table(struct world *world)
{
    world_replace_file(world, "");
    run_sql(world, "CREATE TABLE groceries (x)");
    expect_refused(world, MUSTER_ERR_INVALID, "of another program");
}

static void
no_database(struct world *world)
{
    char *text = base_alloc(100001);

    memset(text, 'x', 100000);
    world_replace_file(world, text);
    expect_refused(world, MUSTER_ERR_INVALID, "not a muster store");
    free(text);
}

static void
symbolic_link(struct world *world)
{
    struct buffer path = world_path(world, STORE_FILE_NAME);
    struct buffer real = world_path(world, "elsewhere");

    world_close(world);
    assert_int_equal(rename(buffer_text(&path), buffer_text(&real)), 0);
    assert_int_equal(symlink(buffer_text(&real), buffer_text(&path)), 0);
    expect_refused(world, MUSTER_ERR_IO, "open ");
    assert_int_equal(unlink(buffer_text(&path)), 0);
    buffer_free(&path);
    buffer_free(&real);
}

static void
no_folder(struct world *world)
{
    world_close(world);
    world->config.path = "/nonexistent/muster";
    expect_refused(world, MUSTER_ERR_IO, "/nonexistent/muster");
}

static void
reserve_is_held(struct world *world)
{
    world_close(world);
    world->config.free_bytes_min = 4 * 1024 * 1024;
    world_open(world);
    assert_false(store_space_low(world->store));
    assert_int_equal(world_stat(world, STORE_RESERVE_NAME).st_size, 1024 * 1024);
    assert_true(world_stat(world, STORE_RESERVE_NAME).st_blocks * 512 >= 1024 * 1024);
    assert_int_equal(world_stat(world, STORE_RESERVE_NAME).st_mode & 07777, 0600);
}

static void
low_water(struct world *world)
{
    world_close(world);
    world->config.free_bytes_min = UINT64_MAX / 4;
    world_open(world);
    assert_true(store_space_low(world->store));
    /* Under the mark the store itself still works. */
    world_wait(world, world_body(world, 1, 1, "result"));
    world_expect(world, 1, 1, "result");
    assert_true(store_space_low(world->store));
}

/* ---- a disk of 16 MiB ---- */

enum { SMALL_ROUNDS = 20, SMALL_BODY_BYTES = 100000, SMALL_FREE_MIN = 4 * 1024 * 1024 };

static bool
small_mount(struct world *world)
{
    world_close(world);
    /* In a namespace of our own, so that the mount goes with this process. */
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("muster-test", world->dir, "tmpfs", 0, "size=16m,mode=700") < 0)
        return false;
    world->config.free_bytes_min = SMALL_FREE_MIN;
    world_open(world);
    return true;
}

static void
small_unmount(struct world *world)
{
    world_close(world);
    assert_int_equal(umount(world->dir), 0);
}

/* New work until the store says that it is enough; the number of the last body. */
static uint64_t
small_fill(struct world *world, uint64_t job, const char *bytes)
{
    uint64_t number = 0;

    while (!store_space_low(world->store)) {
        world_wait(world, world_body(world, job, ++number, bytes));
        assert_in_range(number, 1, 16 * 1024 * 1024 / SMALL_BODY_BYTES);
    }
    return number;
}

static void
small_drain(struct world *world, uint64_t job)
{
    world_wait(world, world_prune(world, job));
    for (int i = 0; i < 200 && store_space_low(world->store); i++)
        world_wait(world, world_facts(world, "a turn, so that it looks"));
    assert_false(store_space_low(world->store));
}

static void
small_disk(struct world *world)
{
    char *bytes;

    if (!small_mount(world))
        skip();
    bytes = base_alloc(SMALL_BODY_BYTES + 1);
    memset(bytes, 'x', SMALL_BODY_BYTES);
    for (uint64_t round = 1; round <= SMALL_ROUNDS; round++) {
        assert_in_range(small_fill(world, round, bytes), 20, 150);
        /* Work that was taken ends: its results find room. */
        for (uint64_t i = 1; i <= 10; i++)
            world_wait(world, world_body(world, 1000 + round, i, "result"));
        small_drain(world, round);
        world_expect(world, 1000 + round, 10, "result");
    }
    free(bytes);
    small_unmount(world);
}

/* Others fill the disk to its last byte: the reserve carries the store on. */
static void
small_disk_of_others(struct world *world)
{
    static const char bytes[65536];
    struct buffer     path;
    int               fd;

    if (!small_mount(world))
        skip();
    path = world_path(world, "ballast");
    assert_int_equal(world_stat(world, STORE_RESERVE_NAME).st_size, SMALL_FREE_MIN / 4);
    fd = open(buffer_text(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        continue;
    for (int i = 0; i < 100 && world_stat(world, STORE_RESERVE_NAME).st_size > 0; i++)
        (void)poll(NULL, 0, 50);               /* it looks once a second */
    assert_true(store_space_low(world->store));
    for (uint64_t i = 1; i <= 100; i++)
        world_wait(world, world_body(world, 1, i, "result"));
    close(fd);
    assert_int_equal(unlink(buffer_text(&path)), 0);
    world_wait(world, world_facts(world, "a turn, so that it looks"));
    world_reopen(world);
    assert_false(store_space_low(world->store));
    world_expect(world, 1, 100, "result");
    assert_int_equal(world_stat(world, STORE_RESERVE_NAME).st_size, SMALL_FREE_MIN / 4);
    buffer_free(&path);
    small_unmount(world);
}

static void
network_names(struct world *world)
{
    static const struct {
        uint64_t    type;
        const char *name;
    } rows[] = { { 0x6969, "NFS" }, { 0xff534d42, "CIFS" }, { 0x01021997, "9P" },
                 { 0xef53, NULL } /* ext4 */, { 0x58465342, NULL } /* xfs */,
                 { 0x9123683e, NULL } /* btrfs */, { 0x01021994, NULL } /* tmpfs */ };

    (void)world;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *name = space_network_name(rows[i].type);

        if (rows[i].name == NULL)
            assert_null(name);
        else
            assert_string_equal(name, rows[i].name);
    }
}

static const struct durable_story durable_stories[] = {
    { "closing commits what was submitted", true, close_commits },
    { "the log comes back, empty turns included", true, log_comes_back },
    { "a checkpoint replaces the log", true, checkpoint_replaces_log },
    { "a callback's error stops and is returned", true, callback_stops },
    { "a long history comes back whole", true, whole_diary },
    { "files are closed to others", true, closed_to_others },
    { "log and file stay bounded", true, files_stay_bounded },
    { "a second process is refused", true, one_process_only },
    { "a newer format is refused and left alone", true, newer_format },
    { "another program's database is refused", true, another_programs_database },
    { "a database without a name is refused", true, plain_table },
    { "a file that is no database is refused", true, no_database },
    { "a symbolic link is refused", true, symbolic_link },
    { "a folder that is not there is named", true, no_folder },
    { "a reserve is held on the disk", true, reserve_is_held },
    { "under the low-water mark it says so and goes on", true, low_water },
    { "a disk of 16 MiB is filled and drained, over and over", true, small_disk },
    { "others fill the disk: what was begun still ends", true, small_disk_of_others },
    { "network file systems are known", true, network_names },
    { "memory: nothing outlives the process", false, memory_forgets },
};

static void
test_durable(void **state)
{
    const struct durable_story *row = *state;

    world_run(row->durable, 1024 * 1024, row->run);
}

int
main(void)
{
    return STORIES("store: on a disk", durable_stories, test_durable);
}
