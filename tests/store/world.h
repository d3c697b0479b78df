/* world.h - one store of one backend in a folder of its own, for a story */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include <sys/stat.h>

#include "diary.h"
#include "store.h"

struct world {
    bool                durable;
    char                dir[64];
    struct store_config config;
    struct store       *store;     /* NULL: closed */
    struct muster_error error;
};

/* Failing is a failure of the test, except for try. */
muster_err    world_try_open(struct world *world);
void          world_open(struct world *world);
void          world_close(struct world *world);
void          world_reopen(struct world *world);
/* Until the turn is durable. */
void          world_wait(struct world *world, uint64_t turn);
/* Turns with one thing in them. */
uint64_t      world_body(struct world *world, uint64_t job, uint64_t number, const char *text);
uint64_t      world_prune(struct world *world, uint64_t job);
uint64_t      world_facts(struct world *world, const char *text);
/* What a read gives; `text` NULL: it must not be there. */
void          world_expect(struct world *world, uint64_t job, uint64_t number, const char *text);
struct buffer world_path(const struct world *world, const char *name);
struct stat   world_stat(const struct world *world, const char *name);
/* What load and replay give, one word each: "1.7=bytes 3:facts ". */
struct told {
    struct buffer text;
    muster_err    answer;          /* of the callbacks */
};
muster_err    told_object(void *context, const struct store_object *object);
muster_err    told_turn(void *context, uint64_t turn, struct slice facts);
void          world_expect_told(struct world *world, const char *text);
/* Run a story on a fresh store and clean up. */
void          world_run(bool durable, uint64_t cache_bytes, void (*story)(struct world *world));

#endif
