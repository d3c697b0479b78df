/* fuzz_facts.c - the facts of a turn as a restart reads them from the store
 *
 * Taken or refused, whatever they are, and what they made of the state can be
 * walked and given back.  That true histories come back unharmed is seen to by
 * seeds_core, which makes the seeds.
 */
#include "fuzz.h"
#include "fuzz_core.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct core *core = core_new(&fuzz_core_config);
    muster_err   err = core_replay(core, slice_of(data, bytes));

    assert(err == MUSTER_OK || err == MUSTER_ERR_INVALID);
    if (!err)
        (void)core_digest(core);
    core_free(core);
    return 0;
}
