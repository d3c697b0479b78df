/* diary.c - see diary.h
 *
 * Turn n makes job n with a few bodies, adds three to the long job 1 and prunes
 * an older job; the long job is pruned at DIARY_PRUNE_LONG, with more bodies
 * than one turn drops.  Every DIARY_CHECKPOINT turns there is a checkpoint.
 */
#include "diary.h"

#include <stdio.h>
#include <string.h>

#include "disk.h"

enum {
    DIARY_CHECKPOINT = 11,
    DIARY_PRUNE_LONG = 60,
    DIARY_PRUNE_AGE  = 7,
    DIARY_LONG_JOB   = 1000000,
    DIARY_LONG_EACH  = 3,
    DIARY_OBJECTS    = 20,         /* of each of two kinds */
};

enum diary_what { DIARY_FACTS, DIARY_BODY, DIARY_OBJECT, DIARY_COUNTS };

static const uint32_t diary_sizes[] = { 0, 1, 40, 700, 5000, 20000, 50000 };

static uint64_t
diary_draw(const struct diary *diary, enum diary_what what, uint64_t a, uint64_t b)
{
    return disk_mix(disk_mix(disk_mix(diary->seed, (uint64_t)what), a), b);
}

/* The bytes of a thing follow from its name. */
static void
diary_bytes(const struct diary *diary, enum diary_what what, uint64_t a, uint64_t b,
            struct buffer *out)
{
    uint64_t draw = diary_draw(diary, what, a, b);
    uint32_t bytes = diary_sizes[draw % (sizeof(diary_sizes) / sizeof(diary_sizes[0]))];

    for (uint32_t i = 0; i < bytes; i += 8) {
        uint64_t word = disk_mix(draw, i);

        buffer_append(out, &word, bytes - i < 8 ? bytes - i : 8);
    }
}

static bool
diary_is(const struct diary *diary, enum diary_what what, uint64_t a, uint64_t b,
         struct slice bytes)
{
    struct buffer expected = { 0 };
    bool          same;

    diary_bytes(diary, what, a, b, &expected);
    same = slice_equal(buffer_slice(&expected), bytes);
    buffer_free(&expected);
    return same;
}

static uint64_t
diary_job_bodies(const struct diary *diary, uint64_t job)
{
    return diary_draw(diary, DIARY_COUNTS, job, 0) % 4;
}

/* The turn that prunes a job; 0: none does. */
static uint64_t
diary_pruned_at(const struct diary *diary, uint64_t job)
{
    if (job == DIARY_LONG_JOB)
        return DIARY_PRUNE_LONG;
    return diary_draw(diary, DIARY_COUNTS, job, 1) % 2 == 0 ? job + DIARY_PRUNE_AGE : 0;
}

enum diary_change { DIARY_SAME, DIARY_PUT, DIARY_GONE, DIARY_CHANGES };

static enum diary_change
diary_change(const struct diary *diary, uint64_t checkpoint, uint64_t object)
{
    return (enum diary_change)(diary_draw(diary, DIARY_COUNTS, checkpoint, 100 + object) %
                               DIARY_CHANGES);
}

void
diary_start(struct diary *diary, uint64_t seed)
{
    memset(diary, 0, sizeof(*diary));
    diary->seed = seed;
}

void
diary_end(struct diary *diary)
{
    buffer_free(&diary->arena);
}

/* ---- telling ---- */

/* Slices hold offsets until the arena has stopped moving. */
static struct slice
diary_put(struct diary *diary, enum diary_what what, uint64_t a, uint64_t b)
{
    size_t before = diary->arena.bytes;

    diary_bytes(diary, what, a, b, &diary->arena);
    return slice_of((const void *)(uintptr_t)(before + 1), diary->arena.bytes - before);
}

static void
diary_point(const struct diary *diary, struct slice *slice)
{
    if (slice->data != NULL)
        slice->data = diary->arena.data + ((uintptr_t)slice->data - 1);
}

static void
diary_tell_bodies(struct diary *diary, uint64_t number, struct store_turn *turn)
{
    for (uint64_t i = 0; i < diary_job_bodies(diary, number); i++)
        diary->bodies[turn->body_count++] =
            (struct store_body){ number, i, diary_put(diary, DIARY_BODY, number, i) };
    for (uint64_t i = 0; i < DIARY_LONG_EACH && number < DIARY_PRUNE_LONG; i++) {
        uint64_t at = number * DIARY_LONG_EACH + i;

        diary->bodies[turn->body_count++] = (struct store_body){
            DIARY_LONG_JOB, at, diary_put(diary, DIARY_BODY, DIARY_LONG_JOB, at) };
    }
    if (number > DIARY_PRUNE_AGE && diary_pruned_at(diary, number - DIARY_PRUNE_AGE) == number)
        diary->pruned[turn->pruned_count++] = number - DIARY_PRUNE_AGE;
    if (number == DIARY_PRUNE_LONG)
        diary->pruned[turn->pruned_count++] = DIARY_LONG_JOB;
}

static void
diary_tell_objects(struct diary *diary, uint64_t number, struct store_turn *turn)
{
    turn->checkpoint = number % DIARY_CHECKPOINT == 0;
    for (uint64_t i = 0; turn->checkpoint && i < 2 * DIARY_OBJECTS; i++) {
        enum diary_change    change = diary_change(diary, number, i);
        struct store_object *object = &diary->objects[turn->object_count];

        if (change == DIARY_SAME)
            continue;
        *object = (struct store_object){ .kind = (uint32_t)(1 + i % 2), .id = i };
        if (change == DIARY_PUT)
            object->bytes = diary_put(diary, DIARY_OBJECT, number, i);
        turn->object_count++;
    }
}

struct store_turn
diary_tell(struct diary *diary, uint64_t number)
{
    struct store_turn turn = { .bodies = diary->bodies,
                               .pruned_jobs = diary->pruned,
                               .objects = diary->objects };

    buffer_clear(&diary->arena);
    buffer_reserve(&diary->arena, 1);
    turn.facts = diary_put(diary, DIARY_FACTS, number, 0);
    diary_tell_bodies(diary, number, &turn);
    diary_tell_objects(diary, number, &turn);
    diary_point(diary, &turn.facts);
    for (uint32_t i = 0; i < turn.body_count; i++)
        diary_point(diary, &diary->bodies[i].bytes);
    for (uint32_t i = 0; i < turn.object_count; i++)
        diary_point(diary, &diary->objects[i].bytes);
    return turn;
}

/* ---- checking ---- */

struct diary_reader {
    struct diary *diary;
    uint64_t      objects_seen;    /* one bit each */
    uint64_t      checkpoint;      /* that the objects fit; UINT64_MAX: not yet known */
    uint64_t      turn;
    struct buffer bytes[2 * DIARY_OBJECTS];
};

#define WRONG(diary, ...) (snprintf((diary)->why, sizeof((diary)->why), __VA_ARGS__), false)

static muster_err
diary_object(void *context, const struct store_object *object)
{
    struct diary_reader *reader = context;
    uint64_t             i = object->id;

    if (i >= 2 * DIARY_OBJECTS || object->kind != 1 + i % 2 || object->bytes.data == NULL ||
        reader->objects_seen & UINT64_C(1) << i) {
        (void)WRONG(reader->diary, "an object %u.%llu that nobody put", object->kind,
                    (unsigned long long)i);
        return MUSTER_ERR_INVALID;
    }
    reader->objects_seen |= UINT64_C(1) << i;
    buffer_append_slice(&reader->bytes[i], object->bytes);
    return MUSTER_OK;
}

static muster_err
diary_turn(void *context, uint64_t turn, struct slice facts)
{
    struct diary_reader *reader = context;

    if (reader->turn == 0)
        reader->checkpoint = turn - 1;
    else if (turn != reader->turn + 1) {
        (void)WRONG(reader->diary, "turn %llu comes after %llu", (unsigned long long)turn,
                    (unsigned long long)reader->turn);
        return MUSTER_ERR_INVALID;
    }
    reader->turn = turn;
    if (turn > DIARY_TURNS || !diary_is(reader->diary, DIARY_FACTS, turn, 0, facts)) {
        (void)WRONG(reader->diary, "the facts of turn %llu are not what was written",
                    (unsigned long long)turn);
        return MUSTER_ERR_INVALID;
    }
    return MUSTER_OK;
}

/* The last checkpoint up to `checkpoint` that put it; 0: it is not there. */
static uint64_t
diary_object_from(const struct diary *diary, uint64_t checkpoint, uint64_t object)
{
    for (uint64_t at = checkpoint; at > 0; at -= DIARY_CHECKPOINT) {
        enum diary_change change = diary_change(diary, at, object);

        if (change != DIARY_SAME)
            return change == DIARY_PUT ? at : 0;
    }
    return 0;
}

static bool
diary_objects_fit(struct diary_reader *reader, uint64_t checkpoint)
{
    for (uint64_t i = 0; i < 2 * DIARY_OBJECTS; i++) {
        uint64_t from = diary_object_from(reader->diary, checkpoint, i);
        bool     seen = reader->objects_seen & UINT64_C(1) << i;

        if (seen != (from != 0) ||
            (seen && !diary_is(reader->diary, DIARY_OBJECT, from, i,
                               buffer_slice(&reader->bytes[i]))))
            return WRONG(reader->diary, "object %llu is not that of checkpoint %llu",
                         (unsigned long long)i, (unsigned long long)checkpoint);
    }
    return true;
}

/* An empty log does not say which checkpoint came before: the objects do. */
static bool
diary_find_checkpoint(struct diary_reader *reader)
{
    if (reader->checkpoint != UINT64_MAX)
        return reader->checkpoint % DIARY_CHECKPOINT == 0
                   ? diary_objects_fit(reader, reader->checkpoint)
                   : WRONG(reader->diary, "the log begins in the middle");
    for (uint64_t at = 0; at <= DIARY_TURNS; at += DIARY_CHECKPOINT)
        if (diary_objects_fit(reader, at)) {
            reader->turn = at;
            return true;
        }
    return false;
}

static bool
diary_check_body(struct diary *diary, struct store *store, uint64_t job, uint64_t number,
                 bool there)
{
    struct muster_error error = { 0 };
    struct buffer       bytes = { 0 };
    muster_err          err = store_read(store, job, number, &bytes, &error);
    bool                same = err == (there ? MUSTER_OK : MUSTER_ERR_NOT_FOUND) &&
                (!there || diary_is(diary, DIARY_BODY, job, number, buffer_slice(&bytes)));

    buffer_free(&bytes);
    if (same)
        return true;
    return WRONG(diary, "body %llu of job %llu: %s (%s)", (unsigned long long)number,
                 (unsigned long long)job, err ? muster_err_name(err) : "other bytes",
                 error.detail);
}

bool
diary_check_bodies(struct diary *diary, struct store *store, uint64_t turn)
{
    for (uint64_t job = 1; job <= DIARY_TURNS; job++) {
        uint64_t pruned_at = diary_pruned_at(diary, job);
        bool     there = job <= turn && (pruned_at == 0 || turn < pruned_at);

        for (uint64_t i = 0; i < diary_job_bodies(diary, job); i++)
            if (!diary_check_body(diary, store, job, i, there))
                return false;
        for (uint64_t i = 0; i < DIARY_LONG_EACH && job < DIARY_PRUNE_LONG; i++)
            if (!diary_check_body(diary, store, DIARY_LONG_JOB, job * DIARY_LONG_EACH + i,
                                  job <= turn && turn < DIARY_PRUNE_LONG))
                return false;
    }
    return true;
}

bool
diary_check(struct diary *diary, struct store *store, uint64_t *turn_out)
{
    struct diary_reader reader = { .diary = diary, .checkpoint = UINT64_MAX };
    struct muster_error error = { 0 };
    bool                good;

    diary->why[0] = '\0';
    good = !store_load(store, diary_object, &reader, &error) &&
           !store_replay(store, diary_turn, &reader, &error);
    if (!good && diary->why[0] == '\0')
        (void)WRONG(diary, "%s", error.detail);
    good = good && diary_find_checkpoint(&reader) &&
           diary_check_bodies(diary, store, reader.turn);
    for (uint64_t i = 0; i < 2 * DIARY_OBJECTS; i++)
        buffer_free(&reader.bytes[i]);
    if (good)
        *turn_out = reader.turn;
    return good;
}
