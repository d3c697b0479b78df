/* clock.h - the only places where muster asks what time it is
 *
 * Never used by a core: there, time is an argument.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ms(void);        /* monotonic (CLOCK_BOOTTIME: goes on in suspend) */
uint64_t clock_now_us(void);        /* the same clock */
uint64_t clock_unix_ms(void);       /* wall clock, for people and logs only */

#endif
