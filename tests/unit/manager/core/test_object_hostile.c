/* test_object_hostile.c - sessions that mean harm: numbers used twice, work out of
 * proportion, memory that nothing counts */
#include "object_scene.h"

/* ---- stories: numbers ---- */

/* Ann's ACQUIRE waits; returns its number. */
static uint64_t
ann_waits(struct scene *scene, uint64_t *lock_out)
{
    uint64_t lock = open_named(scene, BOB, NOUN_LOCK, "door");
    uint64_t request;

    (void)done(scene, BOB, lock, VERB_LOCK_ACQUIRE);
    (void)open_named(scene, ANN, NOUN_LOCK, "door");
    request = asked(scene, ANN, lock, VERB_LOCK_ACQUIRE, UINT32_MAX);
    quiet(scene);
    *lock_out = lock;
    return request;
}

static void
bob_lets_go(struct scene *scene, uint64_t lock, uint64_t waiting)
{
    uint64_t release = asked(scene, BOB, lock, VERB_LOCK_RELEASE, 0);

    (void)expect_done(scene, BOB, release);
    (void)expect_done(scene, ANN, waiting);
    quiet(scene);
}

static void
tell_number_opens(struct scene *scene)
{
    union wire_any open = open_of(NOUN_DICT, "");
    uint64_t       lock, waiting = ann_waits(scene, &lock);

    ask_again(scene, ANN, waiting, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_INVALID, "another request of this number waits");
    bob_lets_go(scene, lock, waiting);
}

static void
tell_number_opens_old(struct scene *scene)
{
    union wire_any open = open_of(NOUN_DICT, "words");
    uint64_t       lock, waiting = ann_waits(scene, &lock);

    (void)open_named(scene, BOB, NOUN_DICT, "words");
    ask_again(scene, ANN, waiting, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_INVALID, "another request of this number waits");
    bob_lets_go(scene, lock, waiting);
}

static void
tell_number_deletes(struct scene *scene)
{
    uint64_t       own = open_named(scene, ANN, NOUN_DICT, "words");
    union wire_any m = { .object_delete = { .object = own } };
    uint64_t       lock, waiting = ann_waits(scene, &lock);

    ask_again(scene, ANN, waiting, MSG_TYPE_OBJECT_DELETE, &m);
    expect_text(scene, MUSTER_ERR_INVALID, "another request of this number waits");
    bob_lets_go(scene, lock, waiting);
}

static const struct story stories[] = {
    { "an OPEN has the number of a request that waits", tell_number_opens },
    { "so has one of what is there", tell_number_opens_old },
    { "a DELETE has it", tell_number_deletes },
};

static void
run(void **state)
{
    const struct story *story = *state;
    struct scene        scene;

    scene_begin(&scene, &world_config);
    story->tell(&scene);
    scene_end(&scene);
}

int
main(void)
{
    return STORIES("object_hostile", stories, run);
}
