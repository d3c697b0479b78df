/* test_lock.c - locks, re-entrant locks and semaphores
 *
 * Method: scripts (sync_script.h); each story is a promise.  After every step
 * core_check() holds and a replay of the log has the same digest.
 */
#include "sync_script.h"

static const struct script_story stories[] = {
    /* ---- lock ---- */
    { "lock: acquire gives it, release frees it", NOUN_LOCK, 0, 0,
      "a1 state > a1:free/0\n"
      "a1 acquire > a1:token/1\n"
      "b1 state > b1:held/1\n"
      "a1 release > a1:ok\n"
      "b1 state > b1:free/0\n", false },
    { "lock: acquire without waiting, or for a time", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire wait=0 > b1:TIMEOUT\n"
      "b1 acquire wait=500\n"
      "turn 499\n"
      "turn 1 > b1:TIMEOUT\n"
      "a1 release > a1:ok\n"
      "b1 acquire wait=0 > b1:token/1\n", false },
    { "lock: hand-over is first come, first served", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "d1 acquire wait=100\n"
      "b2 acquire\n"
      "turn 100 > d1:TIMEOUT\n"
      "a1 release > a1:ok b1:token/1\n"
      "d1 acquire wait=0 > d1:TIMEOUT\n"
      "b1 release > b1:ok c1:token/1\n"
      "c1 release > c1:ok b2:token/1\n"
      "b2 release > b2:ok\n", false },
    { "lock: release of an unlocked one is an error", NOUN_LOCK, 0, 0,
      "a1 release > a1:NOT_OWNER\n"
      "a1 acquire > a1:token/1\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:NOT_OWNER\n", false },
    { "lock: release by another session is an error, by another thread it is not", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 release > b1:NOT_OWNER\n"
      "a2 release > a2:ok\n"
      "b1 state > b1:free/0\n", false },
    { "lock: who acquires it twice waits for himself", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire wait=0 > a1:TIMEOUT\n"
      "a2 acquire wait=1000\n"
      "turn 1000 > a2:TIMEOUT\n"
      "a1 release > a1:ok\n", false },
    { "lock: a holder that ends hands over, with a larger token", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "seen a\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "end a > a:ack/0 b1:token/1\n"
      "end b > b:ack/0 c1:token/1\n", false },
    { "lock: a holder that died frees it within the session's time-out", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "lose a\n"
      "turn 1000\n"
      "expire > b1:token/1\n", false },
    { "lock: a holder that comes back in time still holds it", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "lose a\n"
      "turn 1000\n"
      "back a\n"
      "a1 release > a1:ok b1:token/1\n", false },
    { "lock: a waiter that dies is passed over", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "end b > b:ack/0\n"
      "a1 release > a1:ok c1:token/1\n", false },
    { "lock: a waiter that is away is passed over and keeps its place", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "d1 acquire\n"
      "lose b\n"
      "a1 release > a1:ok c1:token/1\n"
      "back b\n"
      "again b1\n"
      "c1 release > c1:ok b1:token/1\n"
      "b1 release > b1:ok d1:token/1\n", false },
    { "lock: tokens rise over restarts", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a1 release > a1:ok\n"
      "seen a\n"
      "restart\n"
      "back a\n"
      "a1 acquire > a1:token/1\n"
      "reload\n"
      "back a\n"
      "back b\n"
      "b1 acquire\n"
      "a2 release > a2:ok b1:token/1\n"
      "restart\n"
      "back b\n"
      "b2 release > b2:ok\n"
      "b3 acquire > b3:token/1\n", false },
    { "lock: tokens rise over restarts, also when it is transient", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a1 release > a1:ok\n"
      "a1 acquire > a1:token/1\n"
      "restart\n"
      "back b\n"
      "b1 state > b1:free/0\n"
      "b1 acquire > b1:token/1\n"
      "reload\n"
      "back a\n"
      "a1 acquire > a1:token/1\n", true },
    { "lock: held over a restart, waiters ask again", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "restart\n"
      "back c\n"
      "again c1\n"
      "back a\n"
      "back b\n"
      "again b1\n"
      "a2 state > a2:held/1\n"
      "a1 release > a1:ok c1:token/1\n"
      "c1 release > c1:ok b1:token/1\n", false },
    { "lock: an answer that was lost is told again, not done again", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "again a1 > a1:same/1\n"
      "restart\n"
      "back a\n"
      "again a1 > a1:same/1\n"
      "a2 release > a2:ok\n"
      "again a2 > a2:ok\n"
      "again a1 > a1:same/1\n"
      "back b\n"
      "b1 state > b1:free/0\n", false },
    { "lock: granted, never seen, cancelled: released again", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "cancel a1 > a:ack/1 b1:token/1\n"
      "a2 release > a2:NOT_OWNER\n", false },
    { "lock: a wait that is cancelled never gets it", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "cancel b1 > b1:CANCELED b:ack/1\n"
      "a1 release > a1:ok c1:token/1\n", false },
    { "lock: cancelled when the answer was seen: too late", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "seen a\n"
      "cancel a1 > a:ack/0\n"
      "a2 state > a2:held/1\n", false },
    { "lock: closing it frees what the session holds", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "close a > a:ack/1 b1:token/1\n", false },
    { "lock: deleted: whoever waits hears of it", NOUN_LOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "delete a > b1:CLOSED a:ack/1\n"
      "b1 acquire > b1:NOT_FOUND\n", false },
    { "lock: requests that make no sense", NOUN_LOCK, 0, 0,
      "a1 acquire a=1 > a1:INVALID\n"
      "a1 release a=7 > a1:INVALID\n"
      "a1 state > a1:free/0\n", false },

    /* ---- rlock ---- */
    { "rlock: re-entrant for the thread that holds it, with one token", NOUN_RLOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire > a1:same/2\n"
      "b1 acquire\n"
      "a1 acquire > a1:same/3\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:ok\n"
      "b2 state > b2:held/1\n"
      "a1 release > a1:ok b1:token/1\n", false },
    { "rlock: another thread of the session waits", NOUN_RLOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a2 acquire wait=0 > a2:TIMEOUT\n"
      "a2 acquire\n"
      "a1 release > a1:ok a2:token/1\n", false },
    { "rlock: release by a non-owner is an error", NOUN_RLOCK, 0, 0,
      "a1 release > a1:NOT_OWNER\n"
      "a1 acquire > a1:token/1\n"
      "a2 release > a2:NOT_OWNER\n"
      "b1 release > b1:NOT_OWNER\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:NOT_OWNER\n", false },
    { "rlock: depth and holder survive a restart", NOUN_RLOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire > a1:same/2\n"
      "reload\n"
      "back a\n"
      "back b\n"
      "b1 acquire\n"
      "a1 acquire > a1:same/3\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:ok b1:token/1\n", false },
    { "rlock: a holder that dies frees all of its depth", NOUN_RLOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire > a1:same/2\n"
      "b1 acquire\n"
      "end a > a:ack/0 b1:token/1\n", false },
    { "rlock: undoing an acquire takes one of its depth", NOUN_RLOCK, 0, 0,
      "a1 acquire > a1:token/1\n"
      "a2 acquire t=1 > a2:same/2\n"
      "cancel a2 > a:ack/1\n"
      "a3 state > a3:held/1\n"
      "cancel a1 > a:ack/1\n"
      "a3 state > a3:free/0\n", false },

    /* ---- semaphore ---- */
    { "semaphore: as many as it has permits", NOUN_SEMAPHORE, 2, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire > b1:token/0\n"
      "c1 acquire wait=0 > c1:TIMEOUT\n"
      "c1 acquire wait=200\n"
      "turn 200 > c1:TIMEOUT\n"
      "c1 value > c1:0/2\n"
      "a1 release a=1 > a1:ok\n"
      "c1 value > c1:1/1\n", false },
    { "semaphore: first come, first served", NOUN_SEMAPHORE, 1, 0,
      "a1 acquire > a1:token/0\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "d1 acquire\n"
      "a1 release a=1 > a1:ok b1:token/0\n"
      "b1 release a=1 > b1:ok c1:token/0\n", false },
    { "semaphore: several released at once wake as many", NOUN_SEMAPHORE, 0, 0,
      "b1 acquire\n"
      "c1 acquire\n"
      "d1 acquire\n"
      "a1 release a=2 > a1:ok b1:token/1 c1:token/0\n"
      "a1 release a=2 > a1:ok d1:token/1\n"
      "a1 value > a1:1/3\n", false },
    { "semaphore: permits come back when their session dies", NOUN_SEMAPHORE, 2, 0,
      "a1 acquire > a1:token/1\n"
      "a2 acquire > a2:token/0\n"
      "b1 acquire\n"
      "c1 acquire\n"
      "d1 acquire\n"
      "seen a\n"
      "lose a\n"
      "expire > b1:token/1 c1:token/0\n", false },
    { "semaphore: a plain one grows by a release of what is not held", NOUN_SEMAPHORE, 1, 0,
      "a1 release a=1 > a1:ok\n"
      "a1 value > a1:2/0\n"
      "a1 acquire > a1:token/1\n"
      "a1 release a=3 > a1:ok\n"
      "a1 value > a1:4/0\n"
      "end a > a:ack/0\n"
      "b1 value > b1:4/0\n", false },
    { "semaphore: a bounded one above its permits is an error", NOUN_SEMAPHORE, 2, 1,
      "a1 release a=1 > a1:STATE\n"
      "a1 acquire > a1:token/1\n"
      "a1 release a=2 > a1:STATE\n"
      "b1 release a=1 > b1:STATE\n"
      "a2 release a=1 > a2:ok\n"
      "a1 value > a1:2/0\n", false },
    { "semaphore: permits and waiters over a restart", NOUN_SEMAPHORE, 1, 1,
      "a1 acquire > a1:token/0\n"
      "b1 acquire\n"
      "reload\n"
      "back b\n"
      "again b1\n"
      "back a\n"
      "a1 value > a1:0/1\n"
      "a1 release a=1 > a1:ok b1:token/0\n"
      "restart\n"
      "back c\n"
      "c1 acquire\n"
      "expire > c1:token/0\n", false },
    { "semaphore: granted, never seen, cancelled: given back", NOUN_SEMAPHORE, 1, 1,
      "a1 acquire > a1:token/0\n"
      "b1 acquire\n"
      "cancel a1 > a:ack/1 b1:token/0\n"
      "a2 release a=1 > a2:STATE\n", false },
    { "semaphore: tokens rise over restarts, also when it is transient", NOUN_SEMAPHORE, 1, 0,
      "a1 acquire > a1:token/0\n"
      "restart\n"
      "back a\n"
      "a1 value > a1:1/0\n"
      "a1 acquire > a1:token/0\n", true },
    { "semaphore: requests that make no sense", NOUN_SEMAPHORE, 1, 0,
      "a1 release > a1:INVALID\n"
      "a1 release a=2147483648 > a1:INVALID\n"
      "a1 release a=2147483647 > a1:FULL\n"
      "a1 acquire a=1 > a1:INVALID\n"
      "a1 value > a1:1/0\n", false },
};

int
main(void)
{
    return STORIES("locks and semaphores", stories, script_test);
}
