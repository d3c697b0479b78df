/* test_queue.c - queues, as their clients see them
 *
 * Method: a story is a script of commands (queue_script.h) that three peers give to one
 * queue, separated by semicolons.
 */
#include "queue_script.h"

struct story {
    const char *story;
    uint64_t    maxsize;
    bool        transient;
    const char *script;
};

static void
story_run(void **state)
{
    const struct story *story = *state;
    struct scene        scene;
    const char         *at = story->script;

    scene_begin(&scene, story->story, story->maxsize, story->transient);
    while (*at != '\0') {
        size_t bytes = strcspn(at, ";");

        scene_command(&scene, at, bytes);
        at += bytes + (at[bytes] == ';');
    }
    scene_end(&scene);
}

static const struct story order_stories[] = {
    { "first in, first out", 0, false,
      "A put a b = 2; A put c = 3; B get 2 = a b; C get 9 = c; C get 1 = EMPTY" },
    { "higher priorities first, equal ones in order", 0, false,
      "A put a b; A put c d +p5; A put e +p5; A put f +p1000; B get 9 = f c d e a b" },
    { "a delayed item is not there before its time", 0, false,
      "A put late +d100; A put soon; A size = 2 items, 0 given, 2 unfinished; B get 9 = soon;"
      "B get 1 = EMPTY; time 99; B get 1 = EMPTY; time 1; B get 1 = late" },
    { "the end of a delay wakes who waits", 0, false,
      "A put late +d100; B get 1 +w = ...; time 99; B waits; time 1; B hears = late" },
    { "a delayed item takes the place of its arrival", 0, false,
      "A put a +d100; A put b c; time 100; B get 9 = a b c" },
    { "what nobody got in its time to live is gone", 0, false,
      "A put a +t100; A put b; time 100; A size = 1 items, 0 given, 1 unfinished; B get 9 = b" },
    { "the end of a life counts before the turn has dropped it", 0, false,
      "A put a b +t100; A put c +t101; time 99; B get 1 = a; time 1; B get 9 = c; B seen; time 1;"
      "A size = 0 items, 0 given, 2 unfinished" },
    { "an end that a getter sees first is told, too", 0, false,
      "A put a +t100; later 100; B get 1 = EMPTY; A size = 0 items, 0 given, 0 unfinished" },
    { "the time to live of a delayed item", 0, false,
      "A put a +d200 +t100; B get 1 +w = ...; time 100; A size = 0 items, 0 given, 0 unfinished;"
      "time 200; B waits" },
    { "an item in someone's hands outlives its time, but does not come back", 0, false,
      "A put a +t100; B res 1 +t300 = a; time 200; A size = 0 items, 1 given, 1 unfinished;"
      "time 100; A size = 0 items, 0 given, 0 unfinished; B ack #1 = STALE" },
    { "delays and lives go on over a restart", 0, false,
      "A put a +d1000; A put b +t1000; restart; B get 9 = b; B seen; time 499; B get 1 = EMPTY;"
      "time 1; B get 1 = a" },
    { "time goes on after a restart without anybody asking", 0, false,
      "A put a +t1000; restart; C join +w = ...; time 499; C waits; time 1; C hears = ok" },
    { "nothing is not an item, but an empty item is", 0, false,
      "A put = INVALID; A put long:0 = 1; B get 1 = ," },
    { "at least one", 0, false, "B get 0 = INVALID; B res 0 = INVALID; A done 0 = INVALID" },
    { "bad numbers", 0, false,
      "A put a +p1001 = INVALID; A put a +d2073600001 = INVALID;"
      "A put a +t99999999999999 = INVALID;"
      "B res 1 +t86400001 = INVALID; B ack = INVALID; B get 1 +t5 = INVALID; A size 7 = INVALID" },
    { "for people", 3, false,
      "A put a b; A put c +d50; B get 1 = a; A list = 2: 1 ready, 1 delayed, 1 given, "
      "3 unfinished, maxsize 3; A stop = ok; A list = 2: 1 ready, 1 delayed, 1 given, "
      "3 unfinished, maxsize 3, closed" },
};

static const struct story wait_stories[] = {
    { "getters are served in the order in which they came", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; A put a = 1; B hears = a; C waits; A put b;"
      "C hears = b" },
    { "one put serves several getters", 0, false,
      "B get 1 +w = ...; C get 9 +w = ...; A put a b c = 3; B hears = a; C hears = b c" },
    { "who waits is not overtaken by an impatient one", 0, false,
      "A put late +d100; B get 1 +w = ...; time 99; C get 1 = EMPTY; later 1; C get 1 = EMPTY;"
      "B hears = late" },
    { "a getter's patience ends", 0, false,
      "B get 1 +w100 = ...; time 100; B hears = EMPTY; A put a = 1; B get 1 = a" },
    { "a getter that dies while it waits swallows nothing", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; B dies; A put a = 1; C hears = a" },
    { "a getter that goes away while it waits swallows nothing", 0, false,
      "B get 1 +w = ...; B away; A put a = 1; C get 1 = a" },
    { "a getter that comes back asks again", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; B away; B home; B again = ...; A put a; B hears = a;"
      "C waits; A put b; C hears = b" },
    { "a getter that gives up swallows nothing", 0, false,
      "B get 1 +w = ...; B cancel = CANCELED; B hears = ack 1; A put a = 1; C get 1 = a" },
    { "a getter asks again after a restart", 0, false,
      "B get 1 +w = ...; restart; A put a = 1; B again = a" },
    { "a full queue makes putters wait", 2, false,
      "A put a b = 2; B put c = FULL; B put c +w = ...; C get 1 = a; B hears = 2;"
      "C get 9 = b c" },
    { "all of them or none", 3, false,
      "A put a b; B put c d = FULL; B put c d +w = ...; C get 1 = a; B hears = 3;"
      "C get 9 = b c d" },
    { "putters are served in the order in which they came", 3, false,
      "A put a b; B put c d +w = ...; C put e = FULL; C put e +w = ...; A get 1 = a; B hears = 3;"
      "C waits; A get 1 = b; C hears = 3; A get 9 = c d e" },
    { "more than can ever fit", 2, false, "A put a b c = INVALID; A size = 0 items, 0 given, "
      "0 unfinished" },
    { "a putter's patience ends", 1, false,
      "A put a; B put b +w100 = ...; time 100; B hears = FULL; C get 9 = a" },
    { "delayed items take room", 1, false, "A put a +d100; B put b = FULL" },
    { "an item that comes back may exceed the maxsize", 1, false,
      "A put a; B res 1 = a; A put b = 1; B back #1 = 1; A size = 2 items, 0 given, 2 unfinished;"
      "A put c = FULL; C get 1 = a'1; A put c = FULL; C get 1 = b; A put c = 1" },
    { "the end of a life makes room", 1, false,
      "A put a +t100; B put b +w = ...; time 100; B hears = 1; C get 9 = b" },
};

static const struct story hand_stories[] = {
    { "a getter that dies with its answer unseen gives back", 0, false,
      "A put a b c; B get 2 = a b; B dies; C get 9 = a'1 b'1 c" },
    { "what was seen is gone", 0, false,
      "A put a b; B get 1 = a; B seen; B dies; C get 9 = b" },
    { "a getter that closes the queue has what it got", 0, false,
      "A put a b; B get 1 = a; B close; C get 9 = b" },
    { "a lost answer is told again and nothing is given twice", 0, false,
      "A put a b; B get 1 = a; B away; B home; B again = a; B seen; C get 9 = b" },
    { "a lost answer to a put", 0, false,
      "A put a = 1; A again = 1; A away; A home; A again = 1; B get 9 = a" },
    { "answers are repeated after a restart", 0, false,
      "A put a b; B get 1 = a; restart; B again = a; A again = 2; B seen; C get 9 = b;"
      "restart; C again = b; C seen; C size = 0 items, 0 given, 2 unfinished" },
    { "a get that is given up goes back", 0, false,
      "A put a b; B get 1 = a; B cancel = ack 1; C get 9 = a'1 b" },
    { "a put cannot be given up any more", 0, false, "A put a; A cancel = ack 0; B get 9 = a" },
    { "reserve, acknowledge", 0, false,
      "A put a b; B res 9 = a b; B seen; B ack #1 = 1; A size = 0 items, 1 given, 1 unfinished;"
      "B ack #1 #2 = 1 not #1; B ack #2 = STALE; A size = 0 items, 0 given, 0 unfinished" },
    { "give back: to the old place", 0, false,
      "A put a b c d; B res 3 = a b c; B back #2 = 1; C get 9 = b'1 d; B back #3 #1 = 2;"
      "A put e +p1; C get 9 = e a'1 c'1" },
    { "give back with a delay", 0, false,
      "A put a; B res 1 = a; B back #1 +d100; C get 1 = EMPTY; time 100; C get 1 = a'1" },
    { "given back wakes who waits", 0, false,
      "A put a; B res 1 = a; C get 1 +w = ...; B back #1; C hears = a'1" },
    { "a reserved item comes back when its term is over", 0, false,
      "A put a b; B res 1 +t100 = a; C get 9 = b; C get 1 +w = ...; time 99; C waits; time 1;"
      "C hears = a'1; B ack #1 = STALE" },
    { "the usual term", 0, false,
      "A put a; B res 1 = a; time 29000; C get 1 = EMPTY; time 1000; C get 1 = a'1" },
    { "extend", 0, false,
      "A put a; B res 1 +t100 = a; time 90; B ext #1 +t200 = 1; time 199; C get 1 = EMPTY; time 1;"
      "C res 1 = a'1; B ext #1 = STALE; C ack #1 = 1" },
    { "terms go on over a restart", 0, false,
      "A put a; B res 1 +t1000 = a; restart; time 499; C get 1 = EMPTY; time 1; C get 1 = a'1" },
    { "a consumer that dies returns what it reserved", 0, false,
      "A put a b c; B res 2 = a b; B seen; C get 9 +w = c; C get 1 +w = ...; B dies;"
      "C hears = a'1; C get 9 = b'1" },
    { "closing the queue returns what was reserved", 0, false,
      "A put a; B res 1 = a; B seen; B close; C get 1 = a'1" },
    { "a reserve that is given up goes back", 0, false,
      "A put a; B res 1 = a; B cancel = ack 1; B ack #1 = STALE; C res 1 = a'1" },
    { "a reserve that was partly acknowledged cannot be undone", 0, false,
      "A put a b; B res 2 = a b; B ack #1 = 1; B dies; C get 9 = b'1" },
    { "a repeat tells only what is still there", 0, false,
      "A put a b; B res 2 +t100 = a b; B away; B home; B again = a b; time 100; C get 1 = a'1;"
      "B again = none" },
    { "a repeat does not tell what a later request was given", 0, false,
      "A put a b c; B res 2 +t100 = a b; time 100; B res 1 = a'1; B again 1 = none;"
      "C get 1 = b'1" },
    { "a repeat tells what is left, and not what a later request was given", 0, false,
      "A put a b; B res 2 +t100 = a b; B ext #2 +t200; time 100; B res 1 = a'1; B again = a'1;"
      "B again 2 = b; C get 1 = EMPTY" },
    { "someone else's item", 0, false,
      "A put a b; B res 1 = a; C res 1 = b; C ack #1 = STALE; C back #1 #2 = 1 not #1;"
      "C ext #1 = STALE; C read #1 0 = STALE; C ack #77 = STALE" },
    { "an item of a get may be acknowledged, too", 0, false,
      "A put a b; B get 1 = a; B ack #1 = 1; B dies; C get 9 = b;"
      "A size = 0 items, 1 given, 2 unfinished" },
    { "an item of a get has no term to extend", 0, false,
      "A put a; B get 1 = a; B ext #1 +t1 = 1; time 100; C get 1 = EMPTY" },
    { "many come back in any order and leave in theirs", 0, false,
      "A put a b c d e f; B res 6 = a b c d e f; B back #5; B back #2; B back #6; B back #1;"
      "A put g; C get 9 = a'1 b'1 e'1 f'1 g" },
};

static const struct story join_stories[] = {
    { "join waits for all that was put", 0, false,
      "A join = ok; A put a b; A join = TIMEOUT; C join +w = ...; A join +w = ...; B get 9 = a b;"
      "B done 1 = ok; A waits; B done 1 = ok; A hears = ok; C hears = ok" },
    { "one task done too many", 0, false,
      "A put a; B done 2 = STATE; B get 1 = a; B done 1 = ok; B done 1 = STATE" },
    { "to acknowledge is to be done", 0, false,
      "A put a b; C join +w = ...; B res 2 = a b; B back #1; B ack #2; C waits; B res 1 = a'1;"
      "B ack #1; C hears = ok" },
    { "what came to its end unread is done", 0, false,
      "A put a +t100; C join +w = ...; time 100; C hears = ok" },
    { "task done before what it counts", 0, false,
      "A put a +t100; A done 1 = ok; time 100; A size = 0 items, 0 given, 0 unfinished" },
    { "a join's patience ends", 0, false,
      "A put a; C join +w100 = ...; time 100; C hears = TIMEOUT" },
    { "shutdown: putters fail, getters drain", 0, false,
      "A put a b; A stop; A put c = CLOSED; B get 1 = a; B get 9 = b; B get 1 = CLOSED;"
      "B get 1 +w = CLOSED; A stop = ok" },
    { "shutdown wakes putters", 1, false,
      "A put a; B put b +w = ...; C put c +w = ...; A stop; B hears = CLOSED; C hears = CLOSED;"
      "B get 9 = a" },
    { "shutdown wakes getters", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; A stop; B hears = CLOSED; C hears = CLOSED" },
    { "after a shutdown a delayed item is waited for", 0, false,
      "A put a +d100; B get 1 +w = ...; C get 1 +w = ...; A stop; time 100; B hears = a;"
      "C hears = CLOSED" },
    { "after a shutdown an item may come back", 0, false,
      "A put a; B res 1 = a; A stop; C get 1 = CLOSED; B back #1; C get 1 = a'1" },
    { "shutdown now drops what is in it", 0, false,
      "A put a b c; A put d +d100; B res 1 = a; A stop now; C get 1 = CLOSED;"
      "A size = 0 items, 1 given, 1 unfinished, closed; B ack #1 = 1; A join = ok" },
    { "first drain, then drop", 0, false,
      "A put a b; A stop; B get 1 = a; A stop now; B get 1 = CLOSED; restart; B get 1 = CLOSED" },
    { "shutdown now is done for those who join", 0, false,
      "A put a b; C join +w = ...; A stop now; C hears = ok" },
    { "a shut queue stays shut over a restart", 0, false,
      "A put a; A stop; restart; A put b = CLOSED; B get 9 = a; B get 9 = CLOSED" },
};

static const struct story large_stories[] = {
    { "a large item comes in parts and is read in parts", 0, false,
      "A part 7 0/300000 = ok; A part 7 131072/300000; A part 7 262144/300000; A putpart 7 = 1;"
      "bodies = 3, 0 gone; B get 9 = large:300000; B seen; B read #1 0 = body 0+0 at 0 of 300000;"
      "B read #1 131072 = body 1+0 at 131072 of 300000;"
      "B read #1 299999 = body 2+37855 at 299999 of 300000; B read #1 300000 = RANGE;"
      "B ack #1 = 1; B read #1 0 = STALE; bodies = 3, 1 gone; A size = 0 items, 0 given, "
      "1 unfinished" },
    { "parts may be repeated", 0, false,
      "A part 7 0/300000; A again = ok; A part 7 0/300000 = ok; A part 7 131072/300000;"
      "A part 7 0/300000 = ok; A part 7 262144/300000; A putpart 7 = 1; A again = 1;"
      "bodies = 3, 0 gone; B get 1 = large:300000" },
    { "parts come in order", 0, false,
      "A part 7 131072/300000 = RANGE; A part 7 0/300000; A part 7 262144/300000 = RANGE;"
      "A part 7 131072/400000 = INVALID; A part 7 5/300000 = INVALID;"
      "A part 7 131072/300000 +n5 = INVALID; A part 7 131072/131072 = INVALID" },
    { "an item that is not all there", 0, false,
      "A putpart 7 = NOT_FOUND; A part 7 0/300000; A putpart 7 = STATE; B putpart 7 = NOT_FOUND" },
    { "too large, too small", 0, false,
      "A part 7 0/1073741825 = TOO_LARGE; A part 7 0/16384 = INVALID; A part 7 0/16385 = ok;"
      "A putpart 7 = 1" },
    { "a large item comes alone", 0, false,
      "A put a; A part 7 0/20000; A putpart 7; A put b; B get 9 = a; B get 9 = large:20000;"
      "B get 9 = b" },
    { "what is not small and comes alone is stored, too", 0, false,
      "A put long:16384 = 1; bodies = 0, 0 gone; A put long:16385; bodies = 1, 0 gone;"
      "A put x long:20000; bodies = 1, 0 gone; A put long:131072; bodies = 2, 0 gone;"
      "B res 9 = long:16384; B res 9 = large:16385; B res 9 = x long:20000;"
      "B res 9 = large:131072; B ack #2 #5 = 2; bodies = 2, 2 gone" },
    { "a getter that dies returns a large item", 0, false,
      "A put long:20000; B get 1 = large:20000; B seen; B dies; C res 1 = large:20000'1;"
      "C ack #1 = 1; bodies = 1, 1 gone" },
    { "a large item that was got is no task done", 0, false,
      "A put long:20000; B get 1 = large:20000; B ack #1;"
      "A size = 0 items, 0 given, 1 unfinished" },
    { "a deleted queue leaves nothing", 0, false,
      "A put long:20000; B get 1 = large:20000; A part 7 0/20000; C get 1 +w = ...; A delete;"
      "C hears = CLOSED; bodies = 2, 2 gone; B get 1 = NOT_FOUND" },
    { "the end of its life ends a large item's bodies", 0, false,
      "A put long:20000 +t100; time 100; bodies = 1, 1 gone" },
    { "parts that are dropped leave nothing, also twice", 0, false,
      "A part 7 0/300000; A part 8 0/20000; A part 7 0/0 = ok; A again = ok; bodies = 2, 1 gone;"
      "A part 7 0/0 = ok; A putpart 7 = NOT_FOUND; A part 7 131072/300000 = RANGE;"
      "A putpart 8 = 1; A stop; A part 9 0/0 = ok" },
    { "an unfinished item goes with its session", 0, false,
      "A part 7 0/300000; A part 8 0/20000; B part 7 0/20000; A dies; bodies = 3, 2 gone;"
      "B putpart 7 = 1" },
    { "an unfinished item goes with a shutdown", 0, false,
      "A part 7 0/20000; B stop; bodies = 1, 1 gone; A putpart 7 = CLOSED;"
      "A part 8 0/20000 = CLOSED" },
    { "parts and large items survive a restart", 0, false,
      "A part 7 0/300000; A part 7 131072/300000; restart; A part 7 262144/300000; A putpart 7 = 1;"
      "restart; B get 1 = large:300000; restart; B again = large:300000; B seen;"
      "B read #1 131072 = body 1+0 at 131072 of 300000" },
    { "a large item waits for room", 1, false,
      "A put a; B part 7 0/20000; B putpart 7 +w = ...; C get 1 = a; B hears = 1" },
    { "an answer has no more than fits", 0, false,
      "A put long:16000 long:16000 long:16000 long:16000 long:16000; A put long:16000 long:16000;"
      "A put long:16000 long:16000 long:16000; A put long:16000;"
      "B get 99 = long:16000 long:16000 long:16000 long:16000 long:16000 long:16000 long:16000 "
      "long:16000 long:16000 long:16000; B get 99 = long:16000" },
};

static const struct story transient_stories[] = {
    { "a transient queue is empty after a restart", 0, true,
      "A put a b; A part 7 0/20000; A putpart 7; B res 1 = a; restart;"
      "A size = 0 items, 0 given, 0 unfinished; C get 1 = EMPTY; B ack #1 = STALE; A put c = 1;"
      "C get 9 = c" },
    { "a transient queue is open again after a restart", 2, true,
      "A stop; A put a = CLOSED; restart; A put a b = 2; A put c = FULL" },
    { "a transient queue keeps in memory what comes in one piece", 0, true,
      "A put long:131072; bodies = 0, 0 gone; B get 1 = long:131072" },
    { "in a transient queue, too, nothing is swallowed", 0, true,
      "A put a b; B get 1 = a; B again = a; B dies; C get 9 = a'1 b" },
};

int
main(void)
{
    int failed = 0;

    failed += STORIES("order", order_stories, story_run);
    failed += STORIES("waits", wait_stories, story_run);
    failed += STORIES("in hands", hand_stories, story_run);
    failed += STORIES("join and shutdown", join_stories, story_run);
    failed += STORIES("large", large_stories, story_run);
    failed += STORIES("transient", transient_stories, story_run);
    return failed;
}
