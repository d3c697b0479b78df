/* fuzz_objects.c - checkpointed objects as a restart reads them from the store
 *
 * Taken or refused, whatever they are, and what they made of the state can be
 * walked and given back (see fuzz_facts.c).
 */
#include "fuzz.h"
#include "fuzz_core.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct core *core = core_new(&fuzz_core_config);
    muster_err   err = fuzz_core_load(core, slice_of(data, bytes));

    if (!err)
        err = core_replay(core, slice_of(NULL, 0));
    assert(err == MUSTER_OK || err == MUSTER_ERR_INVALID);
    if (!err)
        (void)core_digest(core);
    core_free(core);
    return 0;
}
