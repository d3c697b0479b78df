/* diary.h - a long history of turns that follows from a seed, and its checker
 *
 * Whatever a store gives back after a restart must be the history up to some
 * turn: whole turns, none missing in between, bodies and objects to match.
 */
#ifndef TESTS_STORE_DIARY_H
#define TESTS_STORE_DIARY_H

#include "store.h"

enum { DIARY_TURNS = 90 };

struct diary {
    uint64_t            seed;
    struct buffer       arena;     /* bytes of the turn being told */
    struct store_body   bodies[16];
    uint64_t            pruned[4];
    struct store_object objects[64];
    char                why[600];  /* what diary_check() did not like */
};

void diary_start(struct diary *diary, uint64_t seed);
void diary_end(struct diary *diary);
/* Turn `number`, 1 .. DIARY_TURNS; its slices live until the next call. */
struct store_turn diary_tell(struct diary *diary, uint64_t number);
/* Load, replay and read everything; false with diary->why set when it is not
 * the history up to *turn_out. */
bool diary_check(struct diary *diary, struct store *store, uint64_t *turn_out);
/* Only the bodies, as they must be after turn `turn`. */
bool diary_check_bodies(struct diary *diary, struct store *store, uint64_t turn);

#endif
