/* test_agent_keys.c - a task that gets a key of its own waits for it (agent_play.h) */
#include "agent_play.h"

static const struct agent_case cases[] = {
    { "a task with a key starts when the manager knows it", 0, 0,
      BEGIN "lease:7 key:7 key-ack:7 end:7 ack:7",
      BEGUN "KEY:7 TASK_KEY:7 START:7 FINISH:7 RELEASE:7" },
    { "it has its room while it waits for that", 0, 0,
      BEGIN "lease:7 lease:0 lease:1 key:7 key-ack:7 +250",
      BEGUN "KEY:7 START:0 TASK_KEY:7 START:7 RETURN:1/late" },
    { "who looks on sees it from its start", 0, 0, BEGIN "lease:7 watch:7 key:7 key-ack:7",
      BEGUN "KEY:7 TASK_KEY:7 START:7 WATCH:7" },
    { "a key is sent again until it is answered", 0, 0,
      BEGIN "lease:7 key:7 +2000 beat-ack +2000 beat-ack +1000 key-ack:7 key-ack:7",
      BEGUN "KEY:7 TASK_KEY:7 BEAT BEAT TASK_KEY:7 START:7" },
    { "a busy manager gets it soon", 0, 0, BEGIN "lease:7 key:7 key-error:7:8 +500 key-ack:7",
      BEGUN "KEY:7 TASK_KEY:7 TASK_KEY:7 START:7" },
    { "a key over a reconnection", 0, 0,
      BEGIN "lease:7 key:7 down +10 up welcome joined key-ack:7",
      BEGUN "KEY:7 TASK_KEY:7 HELLO/5 JOIN/7 BEAT TASK_KEY:7 START:7" },
    { "a key that was made while the manager was away", 0, 0,
      BEGIN "lease:7 down key:7 +10 up welcome joined key-ack:7",
      BEGUN "KEY:7 HELLO/5 JOIN/7 BEAT TASK_KEY:7 START:7" },
    { "a task that runs keeps its key over a reconnection", 0, 0,
      BEGIN "lease:7 key:7 key-ack:7 down +10 up welcome joined",
      BEGUN "KEY:7 TASK_KEY:7 START:7 HELLO/5 JOIN/7 BEAT" },
    { "a lease that is lost while it waits for its key", 0, 0,
      BEGIN "lease:7 key:7 down up welcome lost:7 key-ack:7 lease:9",
      BEGUN "KEY:7 TASK_KEY:7 HELLO/5 JOIN/7 RELEASE:7 BEAT START:9" },
    { "its lease was stale already", 0, 0, BEGIN "lease:7 key:7 key-error:7:5 lease:9",
      BEGUN "KEY:7 TASK_KEY:7 RELEASE:7 START:9" },
    { "its lease runs out meanwhile", 0, 0, BEGIN "lease:7 =60000 key:7",
      BEGUN "KEY:7 RELEASE:7 RECONNECT" },
    { "cancelled while it waits for its key", 0, 0, BEGIN "lease:7 key:7 kill:7 ack:7",
      BEGUN "KEY:7 TASK_KEY:7 FINISH:7/cancelled RELEASE:7" },
    { "a key that cannot be made", 0, 0, BEGIN "lease:7 failed:7",
      BEGUN "KEY:7 RETURN:7/fault(full) RELEASE:7" },
    { "a key that is somebody else's", 0, 0, BEGIN "lease:7 key:7 key-error:7:21",
      BEGUN "KEY:7 TASK_KEY:7 RETURN:7/fault(the key that it made is somebody else's) RELEASE:7" },
    { "a manager that knows no keys of tasks", 0, 0, BEGIN "lease:7 key:7 key-error:7:25 ack:7",
      BEGUN "KEY:7 TASK_KEY:7 FINISH:7 RELEASE:7" },
    { "told to end while one waits for its key", 0, 0, BEGIN "lease:7 key:7 drain goodbye-ack",
      BEGUN "KEY:7 TASK_KEY:7 DRAIN RETURN:7/draining RELEASE:7 GOODBYE EXIT:OK" },
    { "manager lost, finish: what waits for its key does not run", AGENT_LOST_FINISH, 0,
      BEGIN "lease:7 down +9000", BEGUN "KEY:7 RELEASE:7 EXIT:UNREACHABLE" },
};

int
main(void)
{
    return STORIES("keys of tasks", cases, test_agent);
}
