/* test_sync.c - events, conditions and barriers
 *
 * Method: scripts (sync_script.h); each story is a promise.  After every step
 * core_check() holds and a replay of the log has the same digest.
 */
#include "sync_script.h"

static const struct script_story stories[] = {
    /* ---- event ---- */
    { "event: set, clear, is set", NOUN_EVENT, 0, 0,
      "a1 is set > a1:0\n"
      "a1 set > a1:ok\n"
      "b1 is set > b1:1\n"
      "a1 set > a1:ok\n"
      "a1 clear > a1:ok\n"
      "b1 is set > b1:0\n", false },
    { "event: set wakes all waiters", NOUN_EVENT, 0, 0,
      "a1 wait\n"
      "b1 wait\n"
      "c1 wait\n"
      "b2 wait\n"
      "d1 set > d1:ok a1:ok b1:ok c1:ok b2:ok\n"
      "a1 wait wait=0 > a1:ok\n", false },
    { "event: a wait is over in time", NOUN_EVENT, 0, 0,
      "a1 wait wait=0 > a1:TIMEOUT\n"
      "a1 wait wait=300\n"
      "b1 wait wait=200\n"
      "turn 200 > b1:TIMEOUT\n"
      "turn 100 > a1:TIMEOUT\n"
      "d1 set > d1:ok\n", false },
    { "event: set over a restart; a waiter asks again", NOUN_EVENT, 0, 0,
      "a1 wait\n"
      "b1 set > b1:ok a1:ok\n"
      "reload\n"
      "back c\n"
      "c1 wait > c1:ok\n"
      "c2 clear > c2:ok\n"
      "c1 wait\n"
      "restart\n"
      "back c\n"
      "again c1\n"
      "back b\n"
      "b2 set > b2:ok c1:ok\n", false },
    { "event: a transient one is not set after a restart", NOUN_EVENT, 0, 0,
      "a1 set > a1:ok\n"
      "restart\n"
      "back a\n"
      "a1 is set > a1:0\n", true },
    { "event: cancelled, and never told again", NOUN_EVENT, 0, 0,
      "a1 wait\n"
      "cancel a1 > a1:CANCELED a:ack/1\n"
      "b1 set > b1:ok\n", false },

    /* ---- condition ---- */
    { "condition: without the lock held: error", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 wait > a1:NOT_OWNER\n"
      "a1 notify > a1:NOT_OWNER\n"
      "b1 acquire > b1:token/1\n"
      "a1 wait > a1:NOT_OWNER\n"
      "a1 notify > a1:NOT_OWNER\n", false },
    { "condition: of an rlock: the thread must hold it", NOUN_CONDITION, NOUN_RLOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a2 wait > a2:NOT_OWNER\n"
      "a2 notify > a2:NOT_OWNER\n"
      "a3 notify t=1 > a3:0\n", false },
    { "condition: wait lets go of the lock, and has it again when notified", NOUN_CONDITION,
      NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "b1 acquire\n"
      "a1 wait > b1:token/1\n"
      "b1 notify a=1 > b1:1\n"
      "b2 state > b2:held/1\n"
      "b2 release > b2:ok a1:token\n"
      "a2 state > a2:held/1\n"
      "a2 release > a2:ok\n", false },
    { "condition: the lock is held again on return, also after time-out", NOUN_CONDITION,
      NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait wait=100\n"
      "b1 acquire > b1:token/1\n"
      "turn 100\n"
      "turn 5000\n"
      "b1 release > b1:ok a1:token/timeout\n"
      "a2 release > a2:ok\n", false },
    { "condition: a wait of no time gives others a turn", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait wait=0 > a1:token/timeout\n"
      "b1 acquire\n"
      "a1 wait wait=0 > b1:token/1\n"
      "b1 release > b1:ok a1:token/timeout\n", false },
    { "condition: notify wakes in the order of arrival, n of them", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "c1 acquire > c1:token/1\n"
      "c1 wait\n"
      "d1 acquire > d1:token/1\n"
      "d1 notify a=2 > d1:2\n"
      "d1 release > d1:ok a1:token\n"
      "a2 release > a2:ok b1:token\n"
      "b2 release > b2:ok\n"
      "d1 acquire > d1:token/1\n"
      "d2 notify > d2:1\n"
      "d2 notify a=9 > d2:0\n"
      "d2 release > d2:ok c1:token\n", false },
    { "condition: notify all", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "d1 acquire > d1:token/1\n"
      "d1 notify > d1:2\n"
      "d1 release > d1:ok a1:token\n"
      "a2 release > a2:ok b1:token\n", false },
    { "condition: the woken and those that acquire stand in one queue", NOUN_CONDITION,
      NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "d1 acquire > d1:token/1\n"
      "c1 acquire\n"
      "d1 notify a=1 > d1:1\n"
      "c2 acquire\n"
      "d1 notify a=1 > d1:1\n"
      "d1 release > d1:ok c1:token/1\n"
      "c3 release > c3:ok a1:token\n"
      "a2 release > a2:ok c2:token/1\n"
      "c3 release > c3:ok b1:token\n", false },
    { "condition: an rlock comes back as deep as it was", NOUN_CONDITION, NOUN_RLOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire > a1:same/2\n"
      "a1 acquire > a1:same/3\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 notify > b1:1\n"
      "b1 release > b1:ok a1:token\n"
      "a2 state > a2:held/3\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:ok\n"
      "a1 release > a1:ok\n"
      "a2 state > a2:free/0\n", false },
    { "condition: one that dies while it waits is not notified", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "end a > a:ack/0\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "c1 release > c1:ok b1:token\n", false },
    { "condition: one that dies notified passes it on", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "end a > a:ack/0\n"
      "c1 release > c1:ok b1:token\n", false },
    { "condition: one that has the lock again and never sees it passes it on", NOUN_CONDITION,
      NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "c1 release > c1:ok a1:token\n"
      "end a > a:ack/0 b1:token\n", false },
    { "condition: one that was notified and never comes back passes it on", NOUN_CONDITION,
      NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "reload\n"
      "back b\n"
      "again b1\n"
      "back c\n"
      "c1 release > c1:ok\n"
      "expire > b1:token\n", false },
    { "condition: has the lock again, never seen, cancelled: let go again", NOUN_CONDITION,
      NOUN_RLOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire > a1:same/2\n"
      "a1 wait wait=0 > a1:token/timeout\n"
      "b1 acquire\n"
      "cancel a1 > a:ack/1 b1:token/1\n", false },
    { "condition: a wait that is cancelled leaves without the lock", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "cancel a1 > a1:CANCELED a:ack/1\n"
      "a2 release > a2:NOT_OWNER\n"
      "b1 acquire > b1:token/1\n"
      "b1 notify > b1:0\n", false },
    { "condition: waiting over a restart, in the old order", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "restart\n"
      "back b\n"
      "again b1\n"
      "back a\n"
      "again a1\n"
      "back c\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "c1 release > c1:ok a1:token\n"
      "a2 notify a=1 > a2:1\n"
      "a2 release > a2:ok b1:token\n", false },
    { "condition: given up after a restart: it swallows no notification", NOUN_CONDITION,
      NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "restart\n"
      "back a\n"
      "cancel a1 > a:ack/1\n"
      "cancel a1 > a:ack/0\n"
      "back b\n"
      "again b1\n"
      "a2 acquire > a2:token/1\n"
      "a2 notify a=1 > a2:1\n"
      "a2 release > a2:ok b1:token\n", false },
    { "condition: notified before a restart, told after it", NOUN_CONDITION, NOUN_RLOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 acquire > a1:same/2\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 notify > b1:1\n"
      "reload\n"
      "back b\n"
      "b1 release > b1:ok\n"
      "back c\n"
      "c1 acquire > c1:token/1\n"
      "back a\n"
      "again a1\n"
      "c1 release > c1:ok a1:token\n"
      "a2 state > a2:held/2\n", false },
    { "condition: notified while away, has the lock when it is back", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "lose a\n"
      "b1 acquire > b1:token/1\n"
      "b1 notify > b1:1\n"
      "b1 release > b1:ok\n"
      "c1 acquire > c1:token/1\n"
      "back a\n"
      "again a1\n"
      "c1 release > c1:ok a1:token\n"
      "again a1 > a1:same\n", false },
    { "condition: timed out before a restart, told so after it", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait wait=100\n"
      "b1 acquire > b1:token/1\n"
      "turn 100\n"
      "restart\n"
      "back a\n"
      "again a1 wait=0\n"
      "back b\n"
      "b1 release > b1:ok a1:token/timeout\n", false },
    { "condition: asked again without time left", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait wait=100\n"
      "restart\n"
      "back a\n"
      "again a1 wait=0 > a1:token/timeout\n", false },
    { "condition: its lock is deleted: waiters hear of it", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "unlock a > a1:CLOSED a:ack/1 b1:CLOSED\n"
      "c1 notify > c1:CLOSED\n"
      "c1 wait > c1:CLOSED\n", false },
    { "condition: deleted: waiters hear of it, and its lock goes on", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "b1 wait\n"
      "c1 acquire > c1:token/1\n"
      "c1 notify a=1 > c1:1\n"
      "delete a > a1:CLOSED b1:CLOSED a:ack/1\n"
      "c1 release > c1:ok\n"
      "a1 acquire > a1:token/1\n", false },
    { "condition: a transient one is forgotten with its lock", NOUN_CONDITION, NOUN_LOCK, 0,
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "b1 acquire > b1:token/1\n"
      "reload\n"
      "back a\n"
      "again a1 > a1:NOT_OWNER\n"
      "a1 acquire > a1:token/1\n"
      "a1 wait\n"
      "back b\n"
      "b1 acquire > b1:token/1\n"
      "b1 notify > b1:1\n"
      "b1 release > b1:ok a1:token\n", true },

    /* ---- barrier ---- */
    { "barrier: all go on when the last one came, numbered by arrival", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 state > b1:3/1/0/1\n"
      "b1 wait\n"
      "c1 wait > a1:0/1 b1:1/1 c1:2/1\n"
      "a1 state > a1:3/0/0/2\n"
      "c1 wait\n"
      "b1 wait\n"
      "d1 wait > c1:0/2 b1:1/2 d1:2/2\n", false },
    { "barrier: of one party never waits", NOUN_BARRIER, 1, 0,
      "a1 wait wait=0 > a1:0/1\n"
      "a1 wait wait=0 > a1:0/2\n", false },
    { "barrier: the threads of one session are parties", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "a2 wait > a1:0/1 a2:1/1\n", false },
    { "barrier: a time-out breaks it for all", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait wait=100\n"
      "turn 99\n"
      "turn 1 > a1:BROKEN_BARRIER b1:BROKEN_BARRIER\n"
      "c1 wait > c1:BROKEN_BARRIER\n"
      "c1 state > c1:3/0/1/1\n", false },
    { "barrier: a wait of no time breaks it", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "b1 wait wait=0 > a1:0/1 b1:1/1\n"
      "a1 wait wait=0 > a1:BROKEN_BARRIER\n"
      "b1 wait > b1:BROKEN_BARRIER\n", false },
    { "barrier: abort breaks it for all until it is reset", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait\n"
      "c1 abort > c1:ok a1:BROKEN_BARRIER b1:BROKEN_BARRIER\n"
      "c1 wait > c1:BROKEN_BARRIER\n"
      "c1 reset > c1:ok\n"
      "c1 state > c1:3/0/0/2\n"
      "a1 wait\n"
      "b1 wait\n"
      "c1 wait > a1:0/2 b1:1/2 c1:2/2\n", false },
    { "barrier: reset breaks it for those that wait, and it is good again", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "b1 reset > b1:ok a1:BROKEN_BARRIER\n"
      "a1 wait\n"
      "b1 wait > a1:0/2 b1:1/2\n", false },
    { "barrier: a waiter that dies breaks it at once", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait\n"
      "end a > a:ack/0 b1:BROKEN_BARRIER\n"
      "c1 state > c1:3/0/1/1\n", false },
    { "barrier: a waiter whose connection is lost for good breaks it", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait\n"
      "lose a\n"
      "turn 1000\n"
      "expire > b1:BROKEN_BARRIER\n", false },
    { "barrier: one that gives up breaks it", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait\n"
      "cancel a1 > a1:CANCELED a:ack/1 b1:BROKEN_BARRIER\n", false },
    { "barrier: one that closes it breaks it", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait\n"
      "close a > a1:CLOSED a:ack/1 b1:BROKEN_BARRIER\n", false },
    { "barrier: a repeated wait is not a second arrival", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "again a1\n"
      "b1 wait\n"
      "c1 state > c1:3/2/0/1\n"
      "lose a\n"
      "back a\n"
      "again a1\n"
      "c1 wait > a1:0/1 b1:1/1 c1:2/1\n"
      "again a1 > a1:0/1\n", false },
    { "barrier: arrivals survive a restart", NOUN_BARRIER, 3, 0,
      "a1 wait\n"
      "b1 wait\n"
      "reload\n"
      "back c\n"
      "c1 wait > c1:2/1\n"
      "back b\n"
      "again b1 > b1:1/1\n"
      "back a\n"
      "again a1 > a1:0/1\n"
      "again b1 > b1:1/1\n", false },
    { "barrier: given up after a restart: it is broken", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "restart\n"
      "back a\n"
      "cancel a1 > a:ack/1\n"
      "cancel a1 > a:ack/0\n"
      "back b\n"
      "b1 wait > b1:BROKEN_BARRIER\n", false },
    { "barrier: passed while away, told when it is back", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "lose a\n"
      "b1 wait > b1:1/1\n"
      "b2 wait\n"
      "restart\n"
      "back a\n"
      "again a1 > a1:0/1\n"
      "back b\n"
      "again b2\n"
      "a2 wait > b2:0/2 a2:1/2\n", false },
    { "barrier: broken while away, told when it is back, even after a reset", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "lose a\n"
      "b1 abort > b1:ok\n"
      "b1 reset > b1:ok\n"
      "b2 wait\n"
      "back a\n"
      "again a1 > a1:BROKEN_BARRIER\n"
      "reload\n"
      "back a\n"
      "again a1 > a1:BROKEN_BARRIER\n"
      "a2 wait > a2:1/2\n"
      "back b\n"
      "again b2 > b2:0/2\n", false },
    { "barrier: deleted: waiters hear of it", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "delete a > a1:CLOSED a:ack/1\n", false },
    { "barrier: a transient one is empty after a restart", NOUN_BARRIER, 2, 0,
      "a1 wait\n"
      "restart\n"
      "back a\n"
      "a2 state > a2:2/0/0/1\n"
      "again a1\n"
      "back b\n"
      "b1 wait > a1:0/1 b1:1/1\n", true },
};

int
main(void)
{
    return STORIES("events, conditions and barriers", stories, script_test);
}
