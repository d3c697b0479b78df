/* test_pipe.c - what a pipe and a listener promise
 *
 * Method: see link_script.h.  Pipes: a row says which ends are attached at the
 * start.  A RECEIVE shows the parts that it brings as "one|two", with a + behind
 * those that are not the last of their message.
 */
#include "link_script.h"

struct pipe_case {
    const char      *story;
    bool             one_way;
    const char      *attached;     /* "A0 B1" */
    struct link_step steps[LINK_STEPS];
};

#define PIPE(VERB, who_, end, ...) { LINK_DO, who_, VERB_PIPE_##VERB, end, __VA_ARGS__ }
#define ATTACH(who, end, sends, receives) PIPE(ATTACH, who, end, .got_b = sends, .got_c = receives)
#define DETACH(who, end)                  PIPE(DETACH, who, end)
#define SEND(who, end, number, text_, label_) \
    PIPE(SEND, who, end, number, 0, sizeof(text_) - 1, .value = text_, .label = label_, \
         .expect = WAITS)
#define SEND_GETS(who, end, number, code, why) \
    PIPE(SEND, who, end, number, 0, 1, .value = "x", .expect = code, .text = why)
#define RECEIVE(who, end, number, text_) \
    PIPE(RECEIVE, who, end, number, 1000, .text = text_)
#define RECEIVE_WAITS(who, end, number, label_) \
    PIPE(RECEIVE, who, end, number, 1000, .label = label_, .expect = WAITS)
#define RECEIVE_GETS(who, end, number, code, why) \
    PIPE(RECEIVE, who, end, number, 1000, .expect = code, .text = why)
/* One part; those below `taken` are taken. */
#define ASK(who, end, number, taken, label_) \
    PIPE(RECEIVE, who, end, number, 1, taken, .label = label_, .expect = WAITS)
#define POLL(who, end, number) PIPE(POLL, who, end, number, .got_a = 1)
#define POLL_WAITS(who, end, number, label_) \
    PIPE(POLL, who, end, number, .label = label_, .expect = WAITS)
#define POLL_EMPTY(who, end, number) \
    PIPE(POLL, who, end, number, .at_once = true, .expect = MUSTER_ERR_EMPTY)
#define TAKEN(who, label) TOLD(who, label)
#define IS_CLOSED(who, label)  TOLD(who, label, .expect = MUSTER_ERR_CLOSED)
#define IS_END .expect = MUSTER_ERR_END

static const struct pipe_case pipe_cases[] = {
    { "a message is acknowledged when it was taken", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RECEIVE(B, 1, 1, "one"), RECEIVE_WAITS(B, 1, 2, 2),
        TAKEN(A, 1) } },
    { "a receiver waits for it", false, "A0 B1",
      { RECEIVE_WAITS(B, 1, 1, 2), SEND(A, 0, 1, "one", 1), TOLD(B, 2, .text = "one") } },
    { "it goes both ways", false, "A0 B1",
      { SEND(A, 0, 1, "ping", 1), RECEIVE(B, 1, 1, "ping"), SEND(B, 1, 1, "pong", 2),
        RECEIVE(A, 0, 1, "pong"), RECEIVE_WAITS(A, 0, 2, 3), TAKEN(B, 2) } },
    { "the first end of a one-way pipe receives", true, "A0 B1",
      { SEND(B, 1, 1, "one", 1), RECEIVE(A, 0, 1, "one") } },
    { "the wrong way round is an error", true, "A0 B1",
      { SEND_GETS(A, 0, 1, MUSTER_ERR_STATE, "only receives"),
        RECEIVE_GETS(B, 1, 1, MUSTER_ERR_STATE, "only sends"),
        PIPE(POLL, B, 1, 1, .expect = MUSTER_ERR_STATE) } },
    { "boundaries are kept, also of empty messages", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "", 2), SEND(A, 0, 3, "three", 3),
        RECEIVE(B, 1, 1, "one||three"), RECEIVE_WAITS(B, 1, 4, 4), TAKEN(A, 1), TAKEN(A, 2),
        TAKEN(A, 3) } },
    { "a message of several parts says so", false, "A0 B1",
      { PIPE(SEND, A, 0, 1, 1, 5, .value = "ab", .label = 1, .expect = WAITS),
        PIPE(SEND, A, 0, 2, 0, 5, .value = "cde", .label = 2, .expect = WAITS),
        RECEIVE(B, 1, 1, "ab+|cde") } },
    { "as much comes as was asked for, and at least one part", false, "A0 B1",
      { SEND(A, 0, 1, "12345", 1), SEND(A, 0, 2, "67", 2), SEND(A, 0, 3, "8", 3),
        PIPE(RECEIVE, B, 1, 1, 1, .text = "12345"), PIPE(RECEIVE, B, 1, 2, 3, .text = "67|8"),
        TAKEN(A, 1) } },
    { "what was not taken is given again", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RECEIVE(B, 1, 1, "one"), SEND(A, 0, 2, "two", 2),
        RECEIVE(B, 1, 1, "one|two") } },
    { "what was taken is not given again", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RECEIVE(B, 1, 1, "one"), RECEIVE_WAITS(B, 1, 2, 2),
        TAKEN(A, 1), RECEIVE_GETS(B, 1, 1, MUSTER_ERR_STATE, "part 1 was taken") } },
    { "what was never given cannot be taken", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RECEIVE_GETS(B, 1, 2, MUSTER_ERR_INVALID, NULL),
        PIPE(RECEIVE, B, 1, 2, 9, 2, .expect = MUSTER_ERR_INVALID),
        PIPE(RECEIVE, B, 1, 1, 9, 2, .expect = MUSTER_ERR_INVALID), RECEIVE(B, 1, 1, "one") } },
    { "several requests for parts are on their way", false, "A0 B1",
      { ASK(B, 1, 1, 1, 1), ASK(B, 1, 2, 1, 2), ASK(B, 1, 3, 1, 3), SEND(A, 0, 1, "one", 4),
        TOLD(B, 1, .text = "one"), SEND(A, 0, 2, "two", 5), TOLD(B, 2, .text = "two"),
        ASK(B, 1, 4, 3, 6), TAKEN(A, 4), TAKEN(A, 5), SEND(A, 0, 3, "three", 7),
        TOLD(B, 3, .text = "three"), ASK(B, 1, 5, 4, 8), TAKEN(A, 7), SEND(A, 0, 4, "four", 9),
        TOLD(B, 6, .text = "four") } },
    { "each is answered by its own part, whatever their order", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2),
        PIPE(RECEIVE, B, 1, 2, 1, 1, .text = "two"), ASK(B, 1, 4, 1, 4), ASK(B, 1, 3, 1, 3),
        PIPE(RECEIVE, B, 1, 1, 1, 1, .text = "one"), SEND(A, 0, 3, "three", 5),
        TOLD(B, 3, .text = "three"), SEND(A, 0, 4, "four", 6), TOLD(B, 4, .text = "four"),
        RECEIVE_WAITS(B, 1, 5, 7), TAKEN(A, 1), TAKEN(A, 2), TAKEN(A, 5), TAKEN(A, 6) } },
    { "they are asked again after a restart", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2), ASK(B, 1, 1, 1, 3),
        TOLD(B, 3, .text = "one"), ASK(B, 1, 2, 1, 4), TOLD(B, 4, .text = "two"),
        ASK(B, 1, 3, 1, 5), RESTARTS, BACK(B), AGAIN(B, 5), BACK(A), AGAIN(A, 1), AGAIN(A, 2),
        SEND(A, 0, 3, "three", 6), TOLD(B, 5, .text = "three"), RECEIVE_WAITS(B, 1, 4, 7),
        TAKEN(A, 1), TAKEN(A, 2), TAKEN(A, 6) } },
    { "the end comes to all of them", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), ASK(B, 1, 2, 1, 2), ASK(B, 1, 3, 1, 3), QUITS(A),
        TOLD(B, 2, IS_END), TOLD(B, 3, IS_END), RECEIVE(B, 1, 1, "one") } },

    /* ---- the end ---- */
    { "the end comes when all was read", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), DETACH(A, 0), TAKEN(A, 1), RECEIVE(B, 1, 1, "one"),
        RECEIVE_GETS(B, 1, 2, MUSTER_ERR_END, NULL) } },
    { "the end comes to one that waits", false, "A0 B1",
      { RECEIVE_WAITS(B, 1, 1, 1), DETACH(A, 0), TOLD(B, 1, IS_END) } },
    { "the end comes to one that sends", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), DETACH(B, 1), TOLD(A, 1, IS_END),
        SEND_GETS(A, 0, 2, MUSTER_ERR_END, NULL) } },
    { "nobody is at the other end yet: no end", false, "A0",
      { SEND(A, 0, 1, "one", 1), RECEIVE_WAITS(A, 0, 1, 2), ATTACH(B, 1, 1, 1),
        RECEIVE(B, 1, 1, "one") } },
    { "an end that others hold is not closed", false, "A0 B1 C0",
      { SEND(A, 0, 1, "one", 1), DETACH(A, 0), TAKEN(A, 1), RECEIVE(B, 1, 1, "one"),
        RECEIVE_WAITS(B, 1, 2, 2), DETACH(C, 0), TOLD(B, 2, IS_END) } },
    { "a sender that quits: all is read, then the end", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2), QUITS(A),
        RECEIVE(B, 1, 1, "one|two"), RECEIVE_GETS(B, 1, 3, MUSTER_ERR_END, NULL) } },
    { "a sender that dies: all is read, then the end", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RECEIVE(B, 1, 1, "one"), SEND(A, 0, 2, "two", 2), AWAY(A),
        RECEIVE_WAITS(B, 1, 2, 3), LATER(SESSION_MS + 1), TOLD(B, 3, .text = "two"),
        RECEIVE_GETS(B, 1, 3, MUSTER_ERR_END, NULL) } },
    { "a receiver that dies ends it for who sends", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), QUITS(B), TOLD(A, 1, IS_END) } },
    { "closing the object is like quitting", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), CLOSES(A), IS_CLOSED(A, 1), RECEIVE(B, 1, 1, "one"),
        RECEIVE_GETS(B, 1, 2, MUSTER_ERR_END, NULL) } },
    { "a closed end stays closed", false, "A0 B1",
      { DETACH(A, 0), PIPE(ATTACH, C, 0, .expect = MUSTER_ERR_END),
        PIPE(ATTACH, B, 0, .expect = MUSTER_ERR_END) } },

    /* ---- poll ---- */
    { "poll tells whether something is there", false, "A0 B1",
      { POLL_EMPTY(B, 1, 1), SEND(A, 0, 1, "one", 1), POLL(B, 1, 1), RECEIVE(B, 1, 1, "one"),
        POLL_EMPTY(B, 1, 2), POLL(B, 1, 1) } },
    { "poll waits", false, "A0 B1",
      { POLL_WAITS(B, 1, 1, 2), SEND(A, 0, 1, "one", 1), TOLD(B, 2, .got_a = 1) } },
    { "poll and receive wait side by side", false, "A0 B1",
      { POLL_WAITS(B, 1, 1, 2), RECEIVE_WAITS(B, 1, 1, 3), POLL_WAITS(B, 1, 1, 4),
        SEND(A, 0, 1, "one", 1), TOLD(B, 2, .got_a = 1), TOLD(B, 3, .text = "one"),
        TOLD(B, 4, .got_a = 1) } },
    { "to poll, the end is something", false, "A0 B1",
      { POLL_WAITS(B, 1, 1, 2), DETACH(A, 0), TOLD(B, 2, .got_a = 1), POLL(B, 1, 1) } },
    { "the time of a poll and of a receive is over", false, "A0 B1",
      { PIPE(POLL, B, 1, 1, .wait_ms = 50, .label = 1, .expect = WAITS),
        PIPE(RECEIVE, B, 1, 1, 9, .wait_ms = 60, .label = 2, .expect = WAITS), LATER(51),
        TOLD(B, 1, .expect = MUSTER_ERR_EMPTY), LATER(10),
        TOLD(B, 2, .expect = MUSTER_ERR_EMPTY) } },

    /* ---- connections and the manager come and go ---- */
    { "a lost connection neither loses nor doubles", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2),
        PIPE(RECEIVE, B, 1, 1, 1, .text = "one"), AWAY(A), RECEIVE_WAITS(B, 1, 2, 3), BACK(A),
        AGAIN(A, 1), TAKEN(A, 1), AGAIN(A, 2), TOLD(B, 3, .text = "two"),
        RECEIVE_WAITS(B, 1, 3, 4), TAKEN(A, 2) } },
    { "a receiver that comes back asks again", false, "A0 B1",
      { RECEIVE_WAITS(B, 1, 1, 2), AWAY(B), SEND(A, 0, 1, "one", 1), BACK(B), AGAIN(B, 2),
        TOLD(B, 2, .text = "one") } },
    { "a restart neither loses nor doubles: the sender first", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2),
        PIPE(RECEIVE, B, 1, 1, 1, .text = "one"), RESTARTS, BACK(A), AGAIN(A, 1), AGAIN(A, 2),
        BACK(B), RECEIVE(B, 1, 2, "two"), TAKEN(A, 1), RECEIVE_WAITS(B, 1, 3, 3), TAKEN(A, 2),
        SEND(A, 0, 3, "three", 4), TOLD(B, 3, .text = "three") } },
    { "a restart neither loses nor doubles: the receiver first", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2),
        PIPE(RECEIVE, B, 1, 1, 1, .text = "one"), RESTARTS, BACK(B), RECEIVE_WAITS(B, 1, 2, 3),
        BACK(A), AGAIN(A, 1), TAKEN(A, 1), AGAIN(A, 2), TOLD(B, 3, .text = "two") } },
    { "a restart: what was taken meanwhile need not be sent again", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2), SEND(A, 0, 3, "three", 3),
        RECEIVE(B, 1, 1, "one|two|three"), RESTARTS, BACK(A), AGAIN(A, 1), BACK(B),
        RECEIVE_WAITS(B, 1, 4, 4), TAKEN(A, 1), AGAIN(A, 2), TAKEN(A, 2), AGAIN(A, 3),
        TAKEN(A, 3), SEND(A, 0, 4, "four", 5), TOLD(B, 4, .text = "four") } },
    { "a restart from a checkpoint, the same", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RELOADS, BACK(A), AGAIN(A, 1), BACK(B),
        RECEIVE(B, 1, 1, "one"), DETACH(A, 0), TAKEN(A, 1),
        RECEIVE_GETS(B, 1, 2, MUSTER_ERR_END, NULL) } },
    { "a restart keeps what is closed", false, "A0 B1",
      { DETACH(A, 0), RESTARTS, BACK(B), RECEIVE_GETS(B, 1, 1, MUSTER_ERR_END, NULL),
        RELOADS, BACK(B), RECEIVE_GETS(B, 1, 1, MUSTER_ERR_END, NULL) } },
    { "what its sender left is lost by a restart, and that is told", false, "A0 B1 C0",
      { SEND(A, 0, 1, "one", 1), DETACH(A, 0), TAKEN(A, 1), SEND(C, 0, 2, "two", 2), RESTARTS,
        BACK(C), AGAIN(C, 2), BACK(B), RECEIVE_GETS(B, 1, 1, MUSTER_ERR_IO, "part 1") } },
    { "... also when nobody sends any more", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), DETACH(A, 0), TAKEN(A, 1), RESTARTS, BACK(B),
        RECEIVE_GETS(B, 1, 1, MUSTER_ERR_IO, "part 1"),
        RECEIVE_GETS(B, 1, 2, MUSTER_ERR_END, NULL) } },

    /* ---- an end goes from one program to another ---- */
    { "the sending end is handed over", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), ATTACH(C, 0, 2, 1), DETACH(A, 0), TAKEN(A, 1),
        SEND(C, 0, 2, "two", 2), RECEIVE(B, 1, 1, "one|two"), RECEIVE_WAITS(B, 1, 3, 3),
        TAKEN(C, 2) } },
    { "... with all that was sent, though another sends between", false, "A0 B1 C0",
      { SEND(A, 0, 1, "one", 1), SEND(C, 0, 2, "two", 2), SEND(A, 0, 3, "three", 3),
        DETACH(A, 0), TAKEN(A, 1), AWAY(A), RECEIVE(B, 1, 1, "one|two|three") } },
    { "... and with what is asked again later", false, "A0 B1 C0",
      { SEND(A, 0, 1, "one", 1), AWAY(A), BACK(A), DETACH(A, 0), RECEIVE(B, 1, 1, "one"),
        AGAIN(A, 1), TAKEN(A, 1), RECEIVE_WAITS(B, 1, 2, 2) } },
    { "... and nothing is lost when its sender was the last one", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2), AWAY(A), BACK(A), DETACH(A, 0),
        RECEIVE(B, 1, 1, "one|two"), RECEIVE_GETS(B, 1, 3, MUSTER_ERR_END, NULL) } },
    { "the receiving end is handed over with what was not taken", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), SEND(A, 0, 2, "two", 2), RECEIVE(B, 1, 1, "one|two"),
        ATTACH(C, 1, 1, 1), PIPE(DETACH, B, 1, .c = 2), TAKEN(A, 1), ATTACH(C, 1, 1, 2),
        RECEIVE(C, 1, 2, "two") } },
    { "the numbers of an attached end can be asked again", false, "A0 B1",
      { ATTACH(A, 0, 1, 1), SEND(A, 0, 1, "one", 1), ATTACH(A, 0, 2, 1) } },
    { "one program at a time receives", false, "A0 B1 C1",
      { SEND(A, 0, 1, "one", 1), RECEIVE(B, 1, 1, "one"),
        RECEIVE_GETS(C, 1, 1, MUSTER_ERR_STATE, "has not detached"), DETACH(B, 1),
        RECEIVE(C, 1, 1, "one") } },
    { "a part of another's number is refused, not swallowed", false, "A0 B1 C0",
      { SEND(A, 0, 1, "one", 1), SEND_GETS(C, 0, 1, MUSTER_ERR_STATE, "attach this end again"),
        RECEIVE(B, 1, 1, "one"), RECEIVE_WAITS(B, 1, 2, 2), TAKEN(A, 1),
        SEND_GETS(C, 0, 1, MUSTER_ERR_STATE, "attach this end again") } },
    { "... after a restart, too, by those who sent before it", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RESTARTS, BACK(A), AGAIN(A, 1), BACK(B),
        RECEIVE(B, 1, 1, "one"), BACK(C), ATTACH(C, 0, 2, 1), SEND(C, 0, 2, "two", 2),
        RECEIVE(B, 1, 2, "two"), TAKEN(A, 1), RECEIVE_WAITS(B, 1, 3, 3), TAKEN(C, 2),
        SEND_GETS(A, 0, 2, MUSTER_ERR_STATE, "attach this end again") } },
    { "who attaches after a restart waits until the numbers are known", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), RECEIVE(B, 1, 1, "one"), RECEIVE_WAITS(B, 1, 2, 2), TAKEN(A, 1),
        RESTARTS, BACK(C), PIPE(ATTACH, C, 0, .expect = MUSTER_ERR_BUSY), BACK(B),
        RECEIVE_WAITS(B, 1, 2, 3), ATTACH(C, 0, 2, 1), SEND(C, 0, 2, "two", 4),
        TOLD(B, 3, .text = "two") } },
    { "a pipe that nobody used begins after a restart like a new one", false, "A0",
      { RESTARTS, BACK(B), ATTACH(B, 1, 1, 1) } },

    /* ---- what is not right ---- */
    { "who is not attached neither sends nor receives", false, "A0 B1",
      { SEND_GETS(C, 0, 1, MUSTER_ERR_STATE, "not attached"),
        RECEIVE_GETS(A, 1, 1, MUSTER_ERR_STATE, "not attached"),
        PIPE(DETACH, C, 0, .expect = MUSTER_ERR_STATE) } },
    { "there are two ends", false, "A0 B1",
      { PIPE(ATTACH, C, 2, .expect = MUSTER_ERR_INVALID),
        SEND_GETS(A, 7, 1, MUSTER_ERR_INVALID, NULL) } },
    { "parts come in order", false, "A0 B1",
      { SEND_GETS(A, 0, 2, MUSTER_ERR_BUSY, "part 1 comes first"),
        SEND_GETS(A, 0, 0, MUSTER_ERR_INVALID, NULL),
        PIPE(SEND, A, 0, 1, 0, 2, .value = "xyz", .expect = MUSTER_ERR_INVALID),
        PIPE(SEND, A, 0, 1, 2, 3, .value = "xyz", .expect = MUSTER_ERR_INVALID),
        RECEIVE_GETS(B, 1, 0, MUSTER_ERR_INVALID, NULL) } },
    { "a part that was accepted arrives though its sender gave it up", false, "A0 B1",
      { SEND(A, 0, 1, "one", 1), CANCELS(A, 1),
        PIPE(SEND, A, 0, 2, 0, 3, .value = "two", .wait_ms = 50, .label = 2, .expect = WAITS),
        LATER(51), TOLD(A, 2, .expect = MUSTER_ERR_TIMEOUT), SEND(A, 0, 3, "three", 3),
        RECEIVE(B, 1, 1, "one|two|three") } },
};

static void
pipe_story(void **state)
{
    const struct pipe_case *row = *state;
    struct link_world      *link = link_new(NOUN_PIPE, !row->one_way);

    for (const char *at = row->attached; *at != '\0'; at += 2 + (at[2] == ' ')) {
        struct link_step attach = ATTACH((unsigned)(at[0] - 'A'), (unsigned)(at[1] - '0'), 1, 1);

        link_step_run(link, &attach, row->story, 0);
    }
    link_run(link, row->steps, row->story);
    link_free(link);
}

/* ---- sizes ---- */

static int
pipe_send_bytes(struct link_world *link, uint64_t number, size_t bytes, uint64_t total)
{
    char          *value = calloc(1, bytes + 1);
    union wire_any m = { .object_do = { .object = link->object, .verb = VERB_PIPE_SEND,
                                        .b = number, .d = total, .wait_ms = UINT32_MAX,
                                        .value = slice_of(value, bytes) } };
    uint64_t       request = link_ask(link, A, MSG_TYPE_OBJECT_DO, &m);
    int            code = WAITS;

    free(value);
    link_turn(link, 0);
    if (link->told_count > 0)
        code = link_pull(link, link->sessions[A], request, "send").code;
    return code;
}

static struct link_world *
pipe_attached(void)
{
    static const struct link_step ends[] = { ATTACH(A, 0, 1, 1), ATTACH(B, 1, 1, 1) };
    struct link_world            *link = link_new(NOUN_PIPE, 1);

    link_step_run(link, &ends[0], "attach", 0);
    link_step_run(link, &ends[1], "attach", 0);
    return link;
}

static void
pipe_window(void **state)
{
    static const struct link_step more[] = {
        PIPE(RECEIVE, B, 1, 1, UINT32_MAX, .got_a = 1),
        PIPE(RECEIVE, B, 1, 2, UINT32_MAX, .got_a = 1),
    };
    struct link_world *link = pipe_attached();
    uint64_t           parts = PIPE_WINDOW_BYTES / VALUE_BYTES_MAX;

    (void)state;
    for (uint64_t number = 1; number <= parts + 1; number++)
        assert_int_equal(pipe_send_bytes(link, number, VALUE_BYTES_MAX, VALUE_BYTES_MAX), WAITS);
    assert_int_equal(pipe_send_bytes(link, parts + 2, VALUE_BYTES_MAX, VALUE_BYTES_MAX),
                     MUSTER_ERR_BUSY);
    assert_int_equal(pipe_send_bytes(link, parts + 3, 1, 1), MUSTER_ERR_BUSY);
    link_step_run(link, &more[0], "receive", 0);
    link_step_run(link, &more[1], "receive", 0);
    assert_int_equal(link->told_count, 1);           /* the first was taken */
    link->told_count = 0;
    assert_int_equal(pipe_send_bytes(link, parts + 2, VALUE_BYTES_MAX, VALUE_BYTES_MAX), WAITS);
    link_free(link);
}

static void
pipe_too_large(void **state)
{
    struct link_world *link = pipe_attached();

    (void)state;
    assert_int_equal(pipe_send_bytes(link, 1, VALUE_BYTES_MAX + 1, VALUE_BYTES_MAX + 1),
                     MUSTER_ERR_TOO_LARGE);
    assert_int_equal(pipe_send_bytes(link, 1, 1, (uint64_t)MESSAGE_ITEM_BYTES_MAX + 1),
                     MUSTER_ERR_TOO_LARGE);
    assert_int_equal(pipe_send_bytes(link, 1, 1, MESSAGE_ITEM_BYTES_MAX), WAITS);
    link_free(link);
}

/* A restart finds a transient pipe as it was made. */
static void
pipe_transient(void **state)
{
    static const struct link_step steps[] = {
        ATTACH(A, 0, 1, 1), ATTACH(A, 1, 1, 1), SEND(A, 0, 1, "one", 1), DETACH(A, 1),
        TOLD(A, 1, IS_END), RESTARTS, BACK(A), SEND_GETS(A, 0, 1, MUSTER_ERR_STATE, "not attached"),
        ATTACH(A, 1, 1, 1), ATTACH(A, 0, 1, 1), SEND(A, 0, 1, "two", 2), RECEIVE(A, 1, 1, "two"),
        { LINK_END_OF_STORY },
    };
    struct link_world *link = link_new(NOUN_PIPE, 1);
    union wire_any     m = { .object_open = { .noun = NOUN_PIPE, .name = slice_text("brief"),
                                              .a = 1, .transient = 1 } };
    uint64_t           request = link_ask(link, A, MSG_TYPE_OBJECT_OPEN, &m);

    (void)state;
    link_turn(link, 0);
    link->object = link_pull(link, link->sessions[A], request, "open").a;
    link_run(link, steps, "transient");
    link_free(link);
}

/* Thousands of small parts come in blocks, each once and in order. */
static void
pipe_many(void **state)
{
    struct link_world *link = pipe_attached();
    struct world      *world = link->world;
    uint64_t           wanted = 1;
    uint32_t           answers = 0;
    enum { PARTS = 10000 };

    (void)state;
    for (uint64_t number = 1; number <= PARTS; number++) {
        union wire_any m = { .object_do = { .object = link->object, .verb = VERB_PIPE_SEND,
                                            .b = number, .d = sizeof(number),
                                            .wait_ms = UINT32_MAX,
                                            .value = slice_of(&number, sizeof(number)) } };

        link_ask(link, A, MSG_TYPE_OBJECT_DO, &m);
    }
    world_turn(world, 0);
    for (; wanted <= PARTS; answers++) {
        union wire_any m = { .object_do = { .object = link->object, .verb = VERB_PIPE_RECEIVE,
                                            .a = 1, .b = wanted, .c = UINT32_MAX,
                                            .wait_ms = UINT32_MAX } };

        world_next(world);
        link_ask(link, B, MSG_TYPE_OBJECT_DO, &m);
        world_turn(world, 0);
        assert_int_equal(world_take(world, NULL, &m), MSG_TYPE_OBJECT_DONE);
        assert_int_equal(wire_block_check(m.object_done.value, (uint32_t)m.object_done.a),
                         MUSTER_OK);
        for (uint32_t i = 0; i < m.object_done.a; i++, wanted++)
            assert_memory_equal(wire_block_item(m.object_done.value, i).data, &wanted,
                                sizeof(wanted));
        /* What the request before it brought is taken now. */
        assert_int_equal(world->fx.send_count - 1, answers == 0 ? 0 : BLOCK_ITEMS_MAX);
    }
    assert_int_equal(answers, (PARTS + BLOCK_ITEMS_MAX - 1) / BLOCK_ITEMS_MAX);
    link_free(link);
}

/* ---- listeners ---- */

struct listener_case {
    const char      *story;
    uint64_t         backlog;
    struct link_step steps[LINK_STEPS];
};

#define CONNECT(who_, label_) \
    { LINK_DO, who_, VERB_LISTENER_CONNECT, .label = label_, .expect = WAITS }
#define CONNECT_GETS(who_, ...) { LINK_DO, who_, VERB_LISTENER_CONNECT, __VA_ARGS__ }
#define ACCEPT(who_, who_text)  { LINK_DO, who_, VERB_LISTENER_ACCEPT, .text = who_text }
#define ACCEPT_WAITS(who_, label_) \
    { LINK_DO, who_, VERB_LISTENER_ACCEPT, .label = label_, .expect = WAITS }
#define ACCEPT_NOTHING(who_) \
    { LINK_DO, who_, VERB_LISTENER_ACCEPT, .at_once = true, .expect = MUSTER_ERR_TIMEOUT }

static const struct listener_case listener_cases[] = {
    { "a connector waits until it is accepted", 0,
      { CONNECT(A, 1), ACCEPT(B, "ann on host"), TOLD(A, 1), TAKE, SEND(A, 1, 1, "hello", 2),
        RECEIVE(B, 0, 1, "hello"), SEND(B, 0, 1, "welcome", 3), RECEIVE(A, 1, 1, "welcome") } },
    { "an acceptor waits for a connector", 0,
      { ACCEPT_WAITS(B, 1), CONNECT(A, 2), TOLD(B, 1, .text = "ann on host"), TOLD(A, 2), TAKE,
        RECEIVE_WAITS(B, 0, 1, 3), QUITS(A), TOLD(B, 3, IS_END) } },
    { "first come, first accepted", 0,
      { CONNECT(A, 1), CONNECT(C, 2), ACCEPT(B, "ann on host"), TOLD(A, 1),
        ACCEPT(B, "cid on host"), TOLD(C, 2) } },
    { "acceptors take turns", 0,
      { ACCEPT_WAITS(A, 1), ACCEPT_WAITS(B, 2), CONNECT(C, 3), TOLD(A, 1), TOLD(C, 3),
        CONNECT(C, 4), TOLD(B, 2), TOLD(C, 4) } },
    { "everyone gets a pipe of its own", 0,
      { CONNECT(A, 1), ACCEPT(B, NULL), TOLD(A, 1), CONNECT(A, 2), ACCEPT(B, NULL), TOLD(A, 2),
        TAKE, SEND(A, 1, 1, "second", 3), RECEIVE(B, 0, 1, "second") } },
    { "more than the backlog are refused", 1,
      { CONNECT(A, 1), CONNECT_GETS(C, .expect = MUSTER_ERR_FULL), ACCEPT(B, NULL), TOLD(A, 1),
        CONNECT(C, 2) } },
    { "a connector that dies is not accepted", 0,
      { CONNECT(A, 1), CONNECT(C, 2), QUITS(A), ACCEPT(B, "cid on host"), TOLD(C, 2),
        ACCEPT_NOTHING(B) } },
    { "nor one that gave up", 1,
      { CONNECT(A, 1), CANCELS(A, 1), ACCEPT_NOTHING(B), CONNECT(C, 2), CANCELS(C, 2),
        CONNECT(A, 3), CLOSES(A), IS_CLOSED(A, 3), ACCEPT_NOTHING(B) } },
    { "nor one whose time is over", 1,
      { CONNECT_GETS(A, .wait_ms = 50, .label = 1, .expect = WAITS), LATER(51),
        TOLD(A, 1, .expect = MUSTER_ERR_TIMEOUT), ACCEPT_NOTHING(B), CONNECT(C, 2) } },
    { "one that would not wait meets an acceptor that does", 0,
      { CONNECT_GETS(A, .at_once = true, .expect = MUSTER_ERR_TIMEOUT), ACCEPT_WAITS(B, 1),
        CONNECT_GETS(A, .at_once = true), TOLD(B, 1, .text = "ann on host"), TAKE,
        SEND(A, 1, 1, "hello", 2), RECEIVE(B, 0, 1, "hello") } },
    { "the time of an acceptor is over", 0,
      { { LINK_DO, B, VERB_LISTENER_ACCEPT, .wait_ms = 50, .label = 1, .expect = WAITS },
        LATER(51), TOLD(B, 1, .expect = MUSTER_ERR_TIMEOUT), CONNECT(A, 2) } },
    { "an acceptor that died is passed over", 0,
      { ACCEPT_WAITS(B, 1), QUITS(B), ACCEPT_WAITS(C, 2), CONNECT(A, 3), TOLD(C, 2),
        TOLD(A, 3) } },
    { "a connector that is away keeps its place and is accepted when it is back", 0,
      { CONNECT(A, 1), AWAY(A), CONNECT(C, 2), ACCEPT(B, "cid on host"), TOLD(C, 2),
        ACCEPT_WAITS(B, 3), BACK(A), AGAIN(A, 1), TOLD(A, 1), TOLD(B, 3) } },
    { "an answer that was lost comes again", 0,
      { CONNECT(A, 1), ACCEPT_WAITS(B, 2), TOLD(A, 1), TOLD(B, 2), AWAY(A), AWAY(B), BACK(A),
        BACK(B), AGAIN(A, 1), TOLD(A, 1), AGAIN(B, 2), TOLD(B, 2, .text = "ann on host"), TAKE,
        SEND(A, 1, 1, "hello", 3), RECEIVE(B, 0, 1, "hello") } },
    { "a restart keeps those who wait", 0,
      { CONNECT(A, 1), CONNECT(C, 2), RESTARTS, BACK(B), BACK(C), AGAIN(C, 2), BACK(A),
        AGAIN(A, 1), ACCEPT(B, NULL), TOLD(C, 2), ACCEPT(B, "ann on host"), TOLD(A, 1) } },
    { "also from a checkpoint", 1,
      { CONNECT(A, 1), RELOADS, BACK(B), BACK(C), CONNECT_GETS(C, .expect = MUSTER_ERR_FULL),
        BACK(A), AGAIN(A, 1), ACCEPT(B, "ann on host"), TOLD(A, 1), RELOADS, BACK(A), BACK(B),
        AGAIN(A, 1), TOLD(A, 1), TAKE, SEND(A, 1, 1, "hello", 3), RECEIVE(B, 0, 1, "hello") } },
    { "a connector that does not come back after a restart makes room", 1,
      { CONNECT(A, 1), RESTARTS, BACK(B), BACK(C), LATER(SESSION_MS + 1), CONNECT(C, 2),
        ACCEPT(B, "cid on host"), TOLD(C, 2) } },
    { "an acceptor that dies closes its end", 0,
      { CONNECT(A, 1), ACCEPT(B, NULL), TOLD(A, 1), QUITS(B), TAKE,
        RECEIVE_GETS(A, 1, 1, MUSTER_ERR_END, NULL) } },
    { "to connect takes no arguments", 0,
      { CONNECT_GETS(A, .a = 1, .expect = MUSTER_ERR_INVALID),
        CONNECT_GETS(A, .value = "x", .expect = MUSTER_ERR_INVALID) } },
};

static void
listener_story(void **state)
{
    const struct listener_case *row = *state;
    struct link_world          *link = link_new(NOUN_LISTENER, row->backlog);

    link_run(link, row->steps, row->story);
    link_free(link);
}

/* ---- settings ---- */

struct open_case {
    const char *story;
    struct msg_object_open open;
};

static const struct open_case open_cases[] = {
    { "a pipe is one-way or duplex", { .noun = NOUN_PIPE, .a = 2 } },
    { "a pipe has one setting", { .noun = NOUN_PIPE, .b = 1 } },
    { "a backlog has a limit", { .noun = NOUN_LISTENER, .a = 4097 } },
    { "a listener is durable", { .noun = NOUN_LISTENER, .transient = 1 } },
};

static void
open_story(void **state)
{
    const struct open_case *row = *state;
    struct world           *world = world_new();
    uint64_t                ann = world_client(world, "ann");
    union wire_any          m = { .object_open = row->open };

    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_OBJECT_OPEN, &m);
    world_expect_error(world, MUSTER_ERR_INVALID);
    world_quiet(world);
    world_free(world);
}

int
main(void)
{
    static const struct CMUnitTest sizes[] = {
        cmocka_unit_test(pipe_window),
        cmocka_unit_test(pipe_too_large),
        cmocka_unit_test(pipe_many),
        cmocka_unit_test(pipe_transient),
    };

    return STORIES("pipe", pipe_cases, pipe_story) +
           STORIES("listener", listener_cases, listener_story) +
           STORIES("settings of pipes and listeners", open_cases, open_story) +
           cmocka_run_group_tests_name("sizes of a pipe", sizes, NULL, NULL);
}
