/* plant.h - places where the tests plant a bug, to see that the simulator finds it
 *
 * The programs are always built without any PLANT_*: then each of these is the
 * plain condition or value that it is named after.  tests/sim/CMakeLists.txt
 * compiles the file that uses one again, with the bug in it.
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

/* The token of the next holder of a lock, above that of the last one. */
#ifdef PLANT_SAME_TOKEN
#define PLANT_NEXT_TOKEN(last, next) ((last) > 0 ? (last) : (next))
#define PLANT_RISES(next, last) ((next) >= (last))
#else
#define PLANT_NEXT_TOKEN(last, next) (next)
#define PLANT_RISES(next, last) ((next) > (last))
#endif

/* Permits that come back with an ACQUIRE that was given up. */
#ifdef PLANT_LOST_PERMIT
#define PLANT_PERMITS(permits) (0 * (permits))
#else
#define PLANT_PERMITS(permits) (permits)
#endif

/* Is the item gone, now that its holder has seen that he got it? */
#ifdef PLANT_ITEM_AGAIN
#define PLANT_GONE(gone) (false && (gone))
#else
#define PLANT_GONE(gone) (gone)
#endif

/* Requests whose answers have not arrived, though later ones have. */
#ifdef PLANT_FORGOTTEN_ANSWER
#define PLANT_UNSEEN(requests) slice_cut((requests), 0, 0)
#else
#define PLANT_UNSEEN(requests) (requests)
#endif

/* Parts of a pipe that are taken by a RECEIVE. */
#ifdef PLANT_GIVEN_IS_TAKEN
#define PLANT_TAKES(number) ((number) + 1)
#else
#define PLANT_TAKES(number) (number)
#endif

/* Does a part stay in its pipe when its sender leaves? */
#ifdef PLANT_NOTHING_LEFT
#define PLANT_STAYS(stays) (false && (stays))
#else
#define PLANT_STAYS(stays) (stays)
#endif

/* The lane's connectors, from the one that came first. */
#ifdef PLANT_LAST_FIRST
#define PLANT_FIRST(ring) ((ring)->prev)
#define PLANT_NEXT(link)  ((link)->prev)
#else
#define PLANT_FIRST(ring) ((ring)->next)
#define PLANT_NEXT(link)  ((link)->next)
#endif

/* Has a call that its server died of another server to go to? */
#ifdef PLANT_CALL_AGAIN
#define PLANT_GOES_ON(service, call)                                                               \
    ((service)->server_count > 1 &&                                                                \
     ((call)->state = CALL_QUEUED, (call)->server = 0,                                             \
      heap_add(&(service)->queue, &(call)->place), true))
#else
#define PLANT_GOES_ON(service, call) false
#endif

/* An index of a list that is negative counts from the end. */
#ifdef PLANT_NEGATIVE
#define PLANT_FROM_END(count) (0 * (count))
#else
#define PLANT_FROM_END(count) (count)
#endif

/* Are these zeros all that there is in a piece of an array? */
#ifdef PLANT_ZEROS
#define PLANT_ALL_ZERO(zero) (true || (zero))
#else
#define PLANT_ALL_ZERO(zero) (zero)
#endif

/* When an item that is delayed may be given, and when it must not be any more. */
#ifdef PLANT_NO_DELAY
#define PLANT_DELAY(ms) (0 * (ms))
#else
#define PLANT_DELAY(ms) (ms)
#endif
#ifdef PLANT_NO_END
#define PLANT_LIFE(ms) (0 * (ms))
#else
#define PLANT_LIFE(ms) (ms)
#endif

/* Is there an initial value that a restart must find again? */
#ifdef PLANT_NO_INITIAL
#define PLANT_INITIAL(bytes) (0 * (bytes))
#else
#define PLANT_INITIAL(bytes) (bytes)
#endif

/* Does a job that names another count for the cap of that one? */
#ifdef PLANT_OWN_CAP
#define PLANT_SHARES(shares) (false && (shares))
#else
#define PLANT_SHARES(shares) (shares)
#endif

/* So many of its tasks failed; and how many labels its workers must have. */
#ifdef PLANT_NO_HALT
#define PLANT_FAILED(tasks) (0 * (tasks))
#else
#define PLANT_FAILED(tasks) (tasks)
#endif
#ifdef PLANT_ANY_LABEL
#define PLANT_LABELS(count) (0 * (count))
#else
#define PLANT_LABELS(count) (count)
#endif

/* Is the key of a task good, now that its lease has ended? */
#ifdef PLANT_KEY_STAYS
#define PLANT_GOOD(good) (true || (good))
#else
#define PLANT_GOOD(good) (good)
#endif

#endif
