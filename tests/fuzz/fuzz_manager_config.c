/* fuzz_manager_config.c - command line and environment of the manager
 *
 * Taken or refused with a reason; what is taken keeps the rules between settings.
 */
#include "config.h"
#include "fuzz.h"
#include "fuzz_lines.h"
#include "limits.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct muster_error error = { 0 };
    struct config       config = { 0 };
    struct lines        lines;
    muster_err          err;

    lines_open(&lines, data, bytes, "muster-manager");
    err = config_read(&config, lines.argc, lines.argv, &error);
    if (err) {
        assert(err == MUSTER_ERR_INVALID && error.detail[0] != '\0');
    } else {
        assert(config.dir != NULL && config.listen != NULL);
        assert(config.store <= CONFIG_STORE_MEMORY);
        assert(config.lease_ms >= LEASE_MS_MIN && config.lease_ms <= config.session_ms);
    }
    lines_close(&lines);
    return 0;
}
