/* plant.h - places where the tests plant a bug, to see that the simulator finds it
 *
 * The programs are always built without any PLANT_*: then each of these is the
 * plain condition that it is named after.  tests/sim/CMakeLists.txt compiles
 * copies of the core with one of them each.
 */
#ifndef PLANT_H
#define PLANT_H

/* Numbers of a token: those of the lease and those that were shown. */
#ifdef PLANT_OLD_TOKEN
#define PLANT_SAME(mine, shown) ((mine) >= (shown))
#else
#define PLANT_SAME(mine, shown) ((mine) == (shown))
#endif

/* Is the deduplication key that of another job? */
#ifdef PLANT_NO_DEDUP
#define PLANT_OTHER_KEY(other) (true || (other))
#else
#define PLANT_OTHER_KEY(other) (other)
#endif

/* How long a worker's leases last without a word from it. */
#ifdef PLANT_NO_EXPIRY
#define PLANT_LEASE_MS(lease_ms) ((lease_ms) | (uint64_t)1 << 60)
#else
#define PLANT_LEASE_MS(lease_ms) (lease_ms)
#endif

#endif
