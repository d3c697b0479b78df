/* test_functions_harm.c - children that lie, flood and hang, and a hatchery that is killed
 * or stopped (functions_world.h) */
#include <fcntl.h>

#include "functions_world.h"

#define KILLED "what makes the children for functions was killed"

static const struct functions_story stories[] = {
    { "a call that says that it begins only now has its time limit",
      "start:1 turn ready:0 begin:0 young:0 +3 +150 young:0 +360 young:0 +210 gone:0:-9",
      "made:0 0:1 running:1 signal:0:15 signal:0:9 ended:1/timed-out" },
    { "so has one that tells of calls that it was never handed",
      "start:1 turn ready:0 begin:0 ahead:0 +150 +360 +210 gone:0:-9",
      "made:0 0:1 running:1 signal:0:15 signal:0:9 ended:1/timed-out" },
    { "and one that takes back that it has begun",
      "start:1 turn ready:0 begin:0 +150 unbegun:0 +360 +210 gone:0:-9",
      "made:0 0:1 running:1 signal:0:15 signal:0:9 ended:1/timed-out" },
    { "one that tells that it took ages is not believed",
      "long-ago start:1 turn ready:0 begin:0 done:0", "made:0 0:1 ended:1/succeeded" },
    { "a child that never tells that it began is killed, and the call may have done it",
      "start:1 turn ready:0 +100 +1000 gone:0:-9",
      "made:0 0:1 signal:0:9 "
      "lost:1 (a child had not begun the call that it was handed after 1.0s; it was killed)" },
    { "one that served calls before died of something else",
      "start:1 turn ready:0 begin:0 done:0 start:2 turn gone:0:-9 turn",
      "made:0 0:1 ended:1/succeeded 0:2 made:1 1:2" },
    { "a child that rings without end is killed",
      "start:1 turn ready:0 begin:0 flood:0 gone:0:-9",
      "made:0 0:1 signal:0:9 ended:1/signaled" },
    { "one that closes its socket runs its call to the end, and is given no other",
      "start:1 turn ready:0 begin:0 hang-up:0 +3 said:0 +100 start:2 turn ready:1 begin:1 done:1 "
      "+2000 +2000 gone:0:-9",
      "made:0 0:1 ended:1/succeeded made:1 1:2 ended:2/succeeded signal:0:9" },
    { "start hooks that do not end are killed, though nobody waits for them any more",
      "start:1 turn kill:1 +2000 gone:0:-9", "made:0 0:1 ended:1/cancelled signal:0:9" },
    { "end hooks that do not end are killed",
      "recycle start:1 turn ready:0 begin:0 done:0 turn +2000 +2000 gone:0:-9",
      "made:0 0:1 ended:1/succeeded signal:0:9" },
    { "so is a child into which what its calls left behind prints without end",
      "start:1 turn ready:0 begin:0 done:0 print:0 +2000 gone:0:-9",
      "made:0 0:1 ended:1/succeeded signal:0:9" },
    { "and one that says that it is another process",
      "start:1 turn ready:0 begin:0 pid:0:4712 gone:0:-9",
      "made:0 0:1 signal:0:9 ended:1/signaled" },
    { "the hatchery is killed: what ran is lost, unless it has a result; the rest goes back",
      "start:1 start:2 start:3 start:+4 start:+5 turn ready:0 ready:1 ready:2 begin:0 said:0 "
      "begin:1 begin:2 all-gone",
      "made:0 0:1 made:1 1:2 made:2 2:3 ended:1/succeeded lost:2 (" KILLED ") "
      "lost:3 (" KILLED ") failed:4 (" KILLED ") failed:5 (" KILLED ")" },
    { "a hatchery that answers lives on",
      "turn +5000 pong +5000 pong", "ping ping" },
    { "one that does not is killed",
      "turn +5000 +10000 dies", "ping ping stuck" },
    { "but not for the time in which its worker slept",
      "turn +5000 +12000 pong", "ping ping" },
    { "signals wait for a hatchery that is busy; nobody waits for it",
      "start:1 turn ready:0 begin:0 full kill-hard:1 empty +1 gone:0:-9",
      "made:0 0:1 signal:0:9 ended:1/cancelled" },
};

/* ---- descriptors ---- */

/* The next free descriptor: how many are open, as long as none is closed in between. */
static int
next_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

/* Calls of one description share their argument, however many are started ahead. */
static void
test_argument(void **state)
{
    int before, after;

    (void)state;
    world_open();
    before = next_fd();
    for (unsigned number = 1; number <= 9; number++) {
        struct function_start start = { .task = number, .token = { 1, number, 1, 1 },
                                        .spec = &spec, .argument_fd = open("/dev/null", O_RDONLY),
                                        .ahead = number > 1 };

        functions_start(&w.functions, &start);
    }
    after = next_fd();
    assert_int_equal(after, before + 1);
    for (unsigned number = 1; number <= 9; number++)
        assert_true(functions_kill(&w.functions, number, false, w.now_ms));
    assert_int_equal(next_fd(), before);
    world_close();
    buffer_free(&w.log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_argument) };

    return STORIES("functions and harm", stories, test_story) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
