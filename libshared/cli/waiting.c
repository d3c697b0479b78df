/* waiting.c - see waiting.h */
#include "waiting.h"

#include "parse.h"

bool
waiting_parse(const char *command, const char *text, uint32_t *timeout_ms_out)
{
    uint64_t ms;

    if (text == NULL) {
        *timeout_ms_out = MUSTER_FOREVER;
        return true;
    }
    if (!parse_duration(text, &ms) || ms >= MUSTER_FOREVER) {
        (void)cli_usage(command, "--timeout: '%s' is no duration such as 90, 1.5s, 200ms or 5m",
                        text);
        return false;
    }
    *timeout_ms_out = (uint32_t)ms;
    return true;
}
