/* clock.c - see clock.h */
#include "clock.h"

#include <assert.h>
#include <time.h>

static uint64_t
clock_read(clockid_t id, uint64_t units_per_second)
{
    struct timespec now;
    int             failed = clock_gettime(id, &now);

    assert(failed == 0);
    return (uint64_t)now.tv_sec * units_per_second
           + (uint64_t)now.tv_nsec / (1000000000u / units_per_second);
}

uint64_t
clock_now_ms(void)
{
    return clock_read(CLOCK_BOOTTIME, 1000);
}

uint64_t
clock_now_us(void)
{
    return clock_read(CLOCK_BOOTTIME, 1000000);
}

uint64_t
clock_unix_ms(void)
{
    return clock_read(CLOCK_REALTIME, 1000);
}
