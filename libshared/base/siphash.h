/* siphash.h - a hash that needs a key: SipHash-2-4
 *
 * For tables whose keys others choose: who does not know the seed cannot choose keys
 * that collide (map_hash() is for all that is only ever ours).
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "buffer.h"

uint64_t siphash(const uint64_t seed[2], struct slice bytes);

#endif
