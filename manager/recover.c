/* recover.c - see recover.h */
#include "recover.h"

#include "clock.h"
#include "log.h"

struct recover {
    struct core *core;
    uint64_t     objects;
    uint64_t     turns;
};

static muster_err
recover_object(void *context, const struct store_object *object)
{
    struct recover *recover = context;

    recover->objects++;
    return core_load(recover->core, object->kind, object->id, object->bytes);
}

static muster_err
recover_turn(void *context, uint64_t turn, struct slice facts)
{
    struct recover *recover = context;

    (void)turn;
    recover->turns++;
    return core_replay(recover->core, facts);
}

muster_err
recover_core(struct store *store, struct core *core, struct muster_error *error)
{
    struct recover recover = { .core = core };
    uint64_t       began_ms = clock_now_ms();
    muster_err     err = store_load(store, recover_object, &recover, error);

    if (!err)
        err = store_replay(store, recover_turn, &recover, error);
    if (err == MUSTER_ERR_INVALID)
        return error_set(error, err,
                         "object %llu or turn %llu of the store is not what this version writes",
                         (unsigned long long)recover.objects, (unsigned long long)recover.turns);
    if (!err && recover.objects + recover.turns > 0)
        log_info("recovered %llu objects and %llu turns in %llu ms",
                 (unsigned long long)recover.objects, (unsigned long long)recover.turns,
                 (unsigned long long)(clock_now_ms() - began_ms));
    return err;
}
