/* test_crash.c - power cuts, kills and failing disks at every operation
 *
 * Method: write the diary on a disk in memory, let the event come with the Nth
 * write, sync, truncation or deletion, restart, and compare what is there with
 * what was acknowledged: nothing acknowledged is lost, every turn is whole,
 * and the store goes on from there to the end of the diary.
 *
 *   store_test_crash [--points N] [--seed S]
 *
 * N points are spread over the operations of a long run; 0: every one of them.
 * Turns that wait together depend on timing; all else follows from the seed.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "diary.h"
#include "disk.h"
#include "files.h"
#include "parse.h"
#include "stories.h"

struct crash_story {
    const char     *story;
    enum disk_event event;
    enum disk_loss  loss;
    bool            low;           /* the disk is nearly full all the while */
    uint32_t        turns;         /* of the diary */
    uint32_t        group;         /* turns that are submitted together */
    bool            every;         /* at every operation, whatever --points says */
    bool            twice;         /* restarted, read, and then the power goes again */
    bool            lie;           /* the disk lies: the checker has to notice */
};

#define FULL DIARY_TURNS
#define SHORT 13                   /* with its first checkpoint */

static const struct crash_story crash_stories[] = {
    { .story = "power cut: drops, tears, reorders", .event = DISK_DIES, .loss = LOSS_RANDOM,
      .turns = FULL, .group = 1 },
    { .story = "power cut: turns that wait together", .event = DISK_DIES, .loss = LOSS_RANDOM,
      .turns = FULL, .group = 7 },
    { .story = "power cut: nothing unsynced lasts", .event = DISK_DIES, .loss = LOSS_ALL,
      .turns = FULL, .group = 1 },
    { .story = "power cut: while space is low", .event = DISK_DIES, .loss = LOSS_RANDOM,
      .turns = FULL, .group = 1, .low = true },
    { .story = "power cut: and again during the restart", .event = DISK_DIES, .loss = LOSS_RANDOM,
      .turns = FULL, .group = 3, .twice = true },
    { .story = "power cut: at every operation of a short life", .event = DISK_DIES,
      .loss = LOSS_RANDOM, .turns = SHORT, .group = 1, .every = true },
    { .story = "killed: what a restart has read outlives a power cut", .event = DISK_DIES,
      .loss = LOSS_NONE, .turns = FULL, .group = 1, .twice = true },
    { .story = "killed: at every operation of a short life", .event = DISK_DIES,
      .loss = LOSS_NONE, .turns = SHORT, .group = 1, .every = true, .twice = true },
    { .story = "one call fails, then the power goes", .event = DISK_FAILS_ONCE,
      .loss = LOSS_RANDOM, .turns = FULL, .group = 1 },
    { .story = "one call fails: each of a short life", .event = DISK_FAILS_ONCE,
      .loss = LOSS_RANDOM, .turns = SHORT, .group = 1, .every = true },
    { .story = "one call fails, then a restart and a power cut", .event = DISK_FAILS_ONCE,
      .loss = LOSS_NONE, .turns = FULL, .group = 4, .twice = true },
    { .story = "all calls fail from then on", .event = DISK_FAILS, .loss = LOSS_RANDOM,
      .turns = FULL, .group = 1 },
    { .story = "all calls fail from each of a short life on", .event = DISK_FAILS,
      .loss = LOSS_RANDOM, .turns = SHORT, .group = 1, .every = true },
    { .story = "a disk that lies about its syncs is found out", .event = DISK_DIES,
      .loss = LOSS_ALL, .turns = FULL, .group = 1, .lie = true },
};

static uint64_t crash_points = 30;
static uint64_t crash_seed = 1;
static char     crash_dir[] = "/tmp/muster-store-XXXXXX";

struct crash {
    const struct crash_story *story;
    struct disk              *disk;
    struct diary              diary;
    uint64_t                  submitted;
    uint64_t                  acknowledged;
    char                      why[700];
};

#define WRONG(crash, ...) (snprintf((crash)->why, sizeof((crash)->why), __VA_ARGS__), false)

static muster_err
crash_open(const struct crash *crash, struct store **store_out, struct muster_error *error)
{
    struct store_config config = { .path = crash_dir, .cache_bytes = 64 * 1024,
                                   .vfs = DISK_VFS,
                                   .free_bytes_min = crash->story->low ? UINT64_MAX / 4 : 0 };

    return store_open_sqlite(&config, store_out, error);
}

/* Until `turn` is durable or the store has failed. */
static muster_err
crash_wait(struct crash *crash, struct store *store, uint64_t turn)
{
    muster_err err = MUSTER_OK;

    while (!err && crash->acknowledged < turn) {
        struct pollfd wait = { .fd = store_fd(store), .events = POLLIN };

        (void)poll(&wait, 1, -1);
        err = store_committed(store, &crash->acknowledged, NULL);
    }
    return err;
}

/* Write turns `from` to the end; the error that stopped it. */
static muster_err
crash_write(struct crash *crash, struct store *store, uint64_t from)
{
    muster_err err = MUSTER_OK;

    for (uint64_t turn = from; turn <= crash->story->turns && !err; turn++) {
        struct store_turn told = diary_tell(&crash->diary, turn);

        crash->submitted = store_submit(store, &told);
        assert_int_equal(crash->submitted, turn);
        if (turn % crash->story->group == 0 || turn == crash->story->turns)
            err = crash_wait(crash, store, turn);
    }
    return err;
}

/* After its first error a store says the same to every call, for ever. */
static void
crash_stays_failed(struct store *store, muster_err err)
{
    struct store_turn empty = { .facts = { NULL, 0 } };
    struct buffer     out = { 0 };
    uint64_t          turn = 0;

    (void)store_submit(store, &empty);
    assert_int_equal(store_committed(store, &turn, NULL), err);
    assert_int_equal(store_committed(store, &turn, NULL), err);
    assert_int_equal(store_read(store, 1, 0, &out, NULL), err);
    assert_int_equal(turn, 0);
    buffer_free(&out);
}

/* The life of the first process: until the event or to the end. */
static void
crash_live(struct crash *crash)
{
    struct store *store = NULL;
    muster_err    err = crash_open(crash, &store, NULL);

    if (err)
        return;
    err = crash_write(crash, store, 1);
    if (err) {
        crash_stays_failed(store, err);
        assert_int_equal(store_close(store, NULL), err);
    } else {
        (void)store_close(store, NULL);
    }
}

/* A restart: what is there must fit what was acknowledged. */
static bool
crash_recover(struct crash *crash, struct store **store_out, uint64_t *turn_out)
{
    struct muster_error error = { 0 };

    if (crash_open(crash, store_out, &error))
        return WRONG(crash, "it does not open: %s", error.detail);
    if (!diary_check(&crash->diary, *store_out, turn_out))
        return WRONG(crash, "%s", crash->diary.why);
    if (*turn_out < crash->acknowledged)
        return WRONG(crash, "turn %llu was acknowledged, the last one there is %llu",
                     (unsigned long long)crash->acknowledged, (unsigned long long)*turn_out);
    if (*turn_out > crash->submitted)
        return WRONG(crash, "turn %llu is there and was never submitted",
                     (unsigned long long)*turn_out);
    return true;
}

/* The process that has read everything ends without a word, and the power goes:
 * what it read counts as acknowledged. */
static bool
crash_again(struct crash *crash)
{
    struct store *store = NULL;
    uint64_t      turn = 0;
    bool          good = crash_recover(crash, &store, &turn);

    disk_plan(crash->disk, DISK_DIES, 1);
    if (store != NULL)
        (void)store_close(store, NULL);
    disk_restart(crash->disk, LOSS_ALL);
    crash->acknowledged = turn;
    return good;
}

/* Recover, write the rest, and read it all once more. */
static bool
crash_finish(struct crash *crash)
{
    struct store *store = NULL;
    uint64_t      turn = 0;
    bool          good = crash_recover(crash, &store, &turn);

    if (good && crash_write(crash, store, turn + 1))
        good = WRONG(crash, "it does not go on after turn %llu", (unsigned long long)turn);
    if (store != NULL && store_close(store, NULL) && good)
        good = WRONG(crash, "it does not close");
    store = NULL;
    good = good && crash_recover(crash, &store, &turn);
    if (good && turn != crash->story->turns)
        good = WRONG(crash, "it ends with turn %llu", (unsigned long long)turn);
    if (store != NULL)
        (void)store_close(store, NULL);
    return good;
}

/* One point.  *operations_out: of a run to the end. */
static bool
crash_at(struct crash *crash, uint64_t at, uint64_t *operations_out)
{
    bool good = true;

    crash->disk = disk_new(disk_mix(crash_seed, at));
    crash->submitted = crash->acknowledged = 0;
    diary_start(&crash->diary, disk_mix(crash_seed, 0));
    disk_lie(crash->disk, crash->story->lie);
    disk_plan(crash->disk, at == 0 ? DISK_NOTHING : crash->story->event, at);
    crash_live(crash);
    *operations_out = disk_operations(crash->disk);

    if (at != 0) {
        disk_restart(crash->disk, crash->story->loss);
        disk_lie(crash->disk, false);
        if (crash->story->twice)
            good = crash_again(crash);
        good = good && crash_finish(crash);
    }
    diary_end(&crash->diary);
    disk_free(crash->disk);
    return good;
}

static void
test_crash(void **state)
{
    struct crash crash = { .story = *state };
    uint64_t     operations = 0, ignored = 0, step = 1, found = 0;

    assert_true(crash_at(&crash, 0, &operations));
    assert_int_equal(crash.acknowledged, crash.story->turns);
    assert_true(operations > crash.story->turns);
    if (!crash.story->every && crash_points != 0 && crash_points < operations)
        step = operations / crash_points;

    for (uint64_t at = 1 + crash_seed % step; at <= operations; at += step) {
        if (crash_at(&crash, at, &ignored))
            continue;
        found++;
        if (!crash.story->lie)
            fail_msg("operation %llu of %llu (--points 0 --seed %llu): %s",
                     (unsigned long long)at, (unsigned long long)operations,
                     (unsigned long long)crash_seed, crash.why);
    }
    if (crash.story->lie)
        assert_true(found > 0);
}

int
main(int argc, char **argv)
{
    int failed;

    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t *number = strcmp(argv[i], "--points") == 0 ? &crash_points
                           : strcmp(argv[i], "--seed") == 0 ? &crash_seed
                                                            : NULL;

        if (number == NULL || !parse_u64(argv[i + 1], UINT64_MAX, number)) {
            fprintf(stderr, "usage: %s [--points N] [--seed S]\n", argv[0]);
            return 2;
        }
    }
    if (mkdtemp(crash_dir) == NULL) {
        perror(crash_dir);
        return 1;
    }
    failed = STORIES("store: power cuts and failing disks", crash_stories, test_crash);
    (void)file_remove_tree(crash_dir, NULL);
    return failed;
}
