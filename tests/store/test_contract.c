/* test_contract.c - what every backend promises, and what only a durable one can
 *
 * Method: each story runs on a fresh store of each backend that it is for.
 */
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diary.h"
#include "files.h"
#include "space.h"
#include "stories.h"

enum { ON_SQLITE = 1, ON_MEMORY = 2, ON_BOTH = 3 };

struct world {
    bool                durable;
    char                dir[64];
    struct store_config config;
    struct store       *store;
    struct muster_error error;
};

struct contract_story {
    const char *story;
    int         backends;
    void (*run)(struct world *world);
};

/* ---- the world ---- */

static muster_err
world_try_open(struct world *world)
{
    return world->durable ? store_open_sqlite(&world->config, &world->store, &world->error)
                          : store_open_memory(&world->config, &world->store, &world->error);
}

static void
world_open(struct world *world)
{
    if (world_try_open(world))
        fail_msg("%s", world->error.detail);
}

static void
world_close(struct world *world)
{
    if (store_close(world->store, &world->error))
        fail_msg("%s", world->error.detail);
    world->store = NULL;           /* stays so when the next opening is refused */
}

static void
world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

static void
world_wait(struct world *world, uint64_t turn)
{
    uint64_t committed = 0;

    while (committed < turn) {
        struct pollfd wait = { .fd = store_fd(world->store), .events = POLLIN };

        assert_int_equal(poll(&wait, 1, 10000), 1);
        if (store_committed(world->store, &committed, &world->error))
            fail_msg("%s", world->error.detail);
    }
}

static uint64_t
world_body(struct world *world, uint64_t job, uint64_t number, const char *text)
{
    struct store_body body = { job, number, slice_text(text) };
    struct store_turn turn = { .bodies = &body, .body_count = 1 };

    return store_submit(world->store, &turn);
}

static uint64_t
world_prune(struct world *world, uint64_t job)
{
    struct store_turn turn = { .pruned_jobs = &job, .pruned_count = 1 };

    return store_submit(world->store, &turn);
}

static uint64_t
world_facts(struct world *world, const char *text)
{
    struct store_turn turn = { .facts = slice_text(text) };

    return store_submit(world->store, &turn);
}

/* `text` NULL: it must not be there. */
static void
world_expect(struct world *world, uint64_t job, uint64_t number, const char *text)
{
    struct buffer out = { 0 };
    muster_err    err;

    buffer_append_text(&out, "before ");
    err = store_read(world->store, job, number, &out, &world->error);
    if (text == NULL) {
        assert_int_equal(err, MUSTER_ERR_NOT_FOUND);
        assert_string_equal(buffer_text(&out), "before ");
    } else {
        if (err)
            fail_msg("%s", world->error.detail);
        assert_int_equal(strncmp(buffer_text(&out), "before ", 7), 0);
        assert_string_equal(buffer_text(&out) + 7, text);
    }
    buffer_free(&out);
}

static struct buffer
world_path(const struct world *world, const char *name)
{
    struct buffer path = { 0 };

    buffer_printf(&path, "%s/%s", world->dir, name);
    (void)buffer_text(&path);
    return path;
}

static struct stat
world_stat(const struct world *world, const char *name)
{
    struct buffer path = world_path(world, name);
    struct stat   info = { 0 };

    (void)lstat(buffer_text(&path), &info);
    buffer_free(&path);
    return info;
}

/* What load and replay give, one line each. */
struct told {
    struct buffer text;
    muster_err    answer;
};

static muster_err
told_object(void *context, const struct store_object *object)
{
    struct told *told = context;

    buffer_printf(&told->text, "%u.%llu=%.*s ", object->kind, (unsigned long long)object->id,
                  (int)object->bytes.bytes, (const char *)object->bytes.data);
    return told->answer;
}

static muster_err
told_turn(void *context, uint64_t turn, struct slice facts)
{
    struct told *told = context;

    buffer_printf(&told->text, "%llu:%.*s ", (unsigned long long)turn, (int)facts.bytes,
                  facts.bytes > 0 ? (const char *)facts.data : "");
    return told->answer;
}

static void
world_expect_told(struct world *world, const char *text)
{
    struct told told = { 0 };

    assert_int_equal(store_load(world->store, told_object, &told, &world->error), MUSTER_OK);
    assert_int_equal(store_replay(world->store, told_turn, &told, &world->error), MUSTER_OK);
    assert_string_equal(buffer_text(&told.text), text);
    buffer_free(&told.text);
}

/* ---- stories of both ---- */

static void
numbers_rise(struct world *world)
{
    for (uint64_t turn = 1; turn <= 500; turn++)
        assert_int_equal(world_facts(world, "fact"), turn);
    world_wait(world, 500);
}

static void
descriptor_tells(struct world *world)
{
    struct pollfd wait = { .fd = store_fd(world->store), .events = POLLIN };
    uint64_t      committed = 7;

    assert_int_equal(poll(&wait, 1, 0), 0);
    assert_int_equal(store_committed(world->store, &committed, NULL), MUSTER_OK);
    assert_int_equal(committed, 0);
    (void)world_facts(world, "fact");
    world_wait(world, 1);
    assert_int_equal(poll(&wait, 1, 0), 0);
}

static void
body_at_once(struct world *world)
{
    (void)world_body(world, 3, 0, "zero");
    world_expect(world, 3, 0, "zero");
    world_wait(world, world_body(world, 3, 1, ""));
    world_expect(world, 3, 0, "zero");
    world_expect(world, 3, 1, "");
    world_expect(world, 3, 2, NULL);
    world_expect(world, 4, 0, NULL);
}

static void
body_without_cache(struct world *world)
{
    world_wait(world, world_body(world, 1, 1, "cold"));
    world_expect(world, 1, 1, "cold");
    world_expect(world, 1, 1, "cold");
}

static void
large_body(struct world *world)
{
    char *text = base_alloc(5000001);

    memset(text, 'x', 5000000);
    world_wait(world, world_body(world, 1, 1, text));
    world_expect(world, 1, 1, text);
    free(text);
}

static void
prune_one_job(struct world *world)
{
    (void)world_body(world, 1, 1, "one");
    (void)world_body(world, 1, 2, "two");
    world_wait(world, world_body(world, 2, 1, "other"));
    (void)world_prune(world, 1);
    world_expect(world, 1, 1, NULL);
    world_expect(world, 1, 2, NULL);
    world_wait(world, 4);
    world_expect(world, 1, 1, NULL);
    world_expect(world, 2, 1, "other");
    world_wait(world, world_prune(world, 99));
}

static void
prune_under_way(struct world *world)
{
    (void)world_body(world, 1, 1, "one");
    world_wait(world, world_prune(world, 1));
    world_expect(world, 1, 1, NULL);
}

static void
prune_in_its_turn(struct world *world)
{
    const uint64_t    jobs[] = { 1 };
    struct store_body bodies[] = { { 1, 1, slice_text("one") }, { 2, 1, slice_text("two") } };
    struct store_turn turn = { .bodies = bodies, .body_count = 2,
                               .pruned_jobs = jobs, .pruned_count = 1 };

    world_wait(world, store_submit(world->store, &turn));
    world_expect(world, 1, 1, NULL);
    world_expect(world, 2, 1, "two");
}

static void
prune_many_bodies(struct world *world)
{
    for (uint64_t i = 0; i < 1000; i++)
        (void)world_body(world, 1, i, "one of many");
    (void)world_body(world, 2, 0, "other");
    (void)world_prune(world, 1);
    world_wait(world, world_facts(world, "later"));
    for (uint64_t i = 0; i < 1000; i++)
        world_expect(world, 1, i, NULL);
    world_expect(world, 2, 0, "other");
}

static void
body_written_twice(struct world *world)
{
    struct store_counters counters;
    uint64_t              turn = 5;

    world_wait(world, world_body(world, 1, 1, "one"));
    (void)world_body(world, 1, 1, "one");
    while (store_committed(world->store, &turn, NULL) == MUSTER_OK) {
        struct pollfd wait = { .fd = store_fd(world->store), .events = POLLIN };

        (void)poll(&wait, 1, 10000);
    }
    assert_int_equal(store_committed(world->store, &turn, NULL), MUSTER_ERR_INTERNAL);
    store_count(world->store, &counters);
    assert_int_equal(counters.turns, 1);
    assert_int_equal(store_close(world->store, NULL), MUSTER_ERR_INTERNAL);
    world->store = NULL;
}

static void
counters_count(struct world *world)
{
    struct store_counters counters;

    (void)world_facts(world, "12345");
    world_wait(world, world_body(world, 1, 1, "123"));
    world_expect(world, 1, 1, "123");
    store_count(world->store, &counters);
    assert_int_equal(counters.turns, 2);
    assert_int_equal(counters.facts_bytes, 5);
    assert_int_equal(counters.body_bytes, 3);
    assert_int_equal(counters.reads, 1);
    assert_in_range(counters.commits, 1, 2);
    assert_int_equal(counters.space_low, 0);
}

static void
fresh_store_is_empty(struct world *world)
{
    world_expect_told(world, "");
    assert_int_equal(store_log_bytes(world->store), 0);
}

/* ---- stories of memory ---- */

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

/* ---- stories of the disk ---- */

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

static const struct contract_story contract_stories[] = {
    { "turns are numbered 1, 2, 3 ... and become durable", ON_BOTH, numbers_rise },
    { "the descriptor tells when it has moved, and only then", ON_BOTH, descriptor_tells },
    { "a body is there from its submission on", ON_BOTH, body_at_once },
    { "a body is there without any cache", ON_BOTH, body_without_cache },
    { "a body may be large", ON_BOTH, large_body },
    { "pruning drops the bodies of one job, at once", ON_BOTH, prune_one_job },
    { "pruning meets a body that is still under way", ON_BOTH, prune_under_way },
    { "a turn's bodies are written before its jobs are pruned", ON_BOTH, prune_in_its_turn },
    { "pruning drops more bodies than one turn does", ON_BOTH, prune_many_bodies },
    { "a body that is written twice is an error that stays", ON_BOTH, body_written_twice },
    { "counters count", ON_BOTH, counters_count },
    { "a fresh store is empty", ON_BOTH, fresh_store_is_empty },
    { "nothing outlives the process", ON_MEMORY, memory_forgets },
    { "closing commits what was submitted", ON_SQLITE, close_commits },
    { "the log comes back, empty turns included", ON_SQLITE, log_comes_back },
    { "a checkpoint replaces the log", ON_SQLITE, checkpoint_replaces_log },
    { "a callback's error stops and is returned", ON_SQLITE, callback_stops },
    { "a long history comes back whole", ON_SQLITE, whole_diary },
    { "files are closed to others", ON_SQLITE, closed_to_others },
    { "log and file stay bounded", ON_SQLITE, files_stay_bounded },
    { "a second process is refused", ON_SQLITE, one_process_only },
    { "a newer format is refused and left alone", ON_SQLITE, newer_format },
    { "another program's database is refused", ON_SQLITE, another_programs_database },
    { "a database without a name is refused", ON_SQLITE, plain_table },
    { "a file that is no database is refused", ON_SQLITE, no_database },
    { "a symbolic link is refused", ON_SQLITE, symbolic_link },
    { "a folder that is not there is named", ON_SQLITE, no_folder },
    { "a reserve is held on the disk", ON_SQLITE, reserve_is_held },
    { "under the low-water mark it says so and goes on", ON_SQLITE, low_water },
    { "network file systems are known", ON_SQLITE, network_names },
};

enum { STORY_COUNT = sizeof(contract_stories) / sizeof(contract_stories[0]) };

struct contract_row {
    const char                  *name;
    const struct contract_story *story;
    bool                         durable;
};

static void
test_contract(void **state)
{
    const struct contract_row *row = *state;
    struct world               world = { .durable = row->durable };

    strcpy(world.dir, "/tmp/muster-store-XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    world.config.path = world.durable ? world.dir : NULL;
    world.config.cache_bytes = row->story->run == body_without_cache ? 0 : 1024 * 1024;
    world_open(&world);
    row->story->run(&world);
    if (world.store != NULL)
        world_close(&world);
    assert_int_equal(file_remove_tree(world.dir, NULL), MUSTER_OK);
}

int
main(void)
{
    static struct contract_row rows[2 * STORY_COUNT];
    static char                names[2 * STORY_COUNT][128];
    size_t                     count = 0;

    for (size_t i = 0; i < 2 * STORY_COUNT; i++) {
        const struct contract_story *story = &contract_stories[i % STORY_COUNT];
        bool                         durable = i < STORY_COUNT;

        if (!(story->backends & (durable ? ON_SQLITE : ON_MEMORY)))
            continue;
        snprintf(names[count], sizeof(names[count]), "%s: %s", durable ? "sqlite" : "memory",
                 story->story);
        rows[count] = (struct contract_row){ names[count], story, durable };
        count++;
    }
    return stories_run("store: the contract", rows, count, sizeof(rows[0]), test_contract);
}
