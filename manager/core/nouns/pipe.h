/* pipe.h - the inside of a pipe, and what the listener needs of it
 *
 *        SEND b ----> lane of SENDs, left ----> RECEIVE b  (gives, takes what is below b)
 *        answered <-- part b was taken <------- RECEIVE b + n
 *
 * 1. Who is attached to an end is durable; what is on its way is not: the SENDs
 *    that wait are the only copy here, and each is answered when its part was
 *    taken.  After a restart senders and receivers ask again, so that nothing is
 *    lost or doubled while both live.
 * 2. Parts of a direction (a *flow*, named by the end that sends) have numbers
 *    from 1 without gaps.  parts[] tells of each part that was accepted and not
 *    taken whose it is; a part that is not in it is either taken or unheard of.
 * 3. What a session sent that has detached or ended stays in `left` until it is
 *    taken.  A restart loses that; whoever receives is told.
 * 4. An end that was attached and is not any more is closed for good.
 * 5. Nobody's part is taken for another's: one that sends under a number that is
 *    not its own gets an error, never silence.
 */
#ifndef NOUN_PIPE_H
#define NOUN_PIPE_H

#include "object.h"

enum { PIPE_ENDS = 2, PIPE_LANE_RECEIVERS = 2 }; /* lanes 0, 1: SENDs; 2, 3: receivers */

static_assert(PIPE_LANE_RECEIVERS + PIPE_ENDS <= OBJECT_LANES, "every end needs its lanes");

struct holder {
    uint64_t session;
    uint64_t sent;                 /* (v) its last part; 0: none that we know of */
    bool     known;                /* (v) it attached since the start: we know of all its parts */
};

struct side {
    struct holder *holders;        /* by session, ascending */
    uint32_t       count, capacity;
    bool           opened;         /* was attached once */
};

struct part {
    uint64_t session;
    uint32_t bytes;
};

struct left {
    struct list  link;
    uint64_t     number, whole;    /* see pipe_whole() */
    struct slice value;            /* its own copy */
};

struct flow {
    bool         used;             /* something was sent: numbers go on after a restart */
    uint64_t     final;            /* last part sent when the end was closed; 0: not known */
    /* all below (v) */
    bool         known;            /* no restart has made us forget its numbers */
    uint64_t     wanted;           /* parts below it are taken; 0: not known */
    uint64_t     heard;            /* parts from it up to `sent` were all accepted since the start;
                                    * 0: none was */
    uint64_t     sent;             /* last part accepted; 0: none, or not known */
    uint64_t     given;            /* parts below it were given to `receiver` */
    uint64_t     receiver;
    struct part *parts;            /* parts[head] is number sent - count + 1 */
    uint32_t     head, count, capacity;
    uint64_t     bytes;            /* of parts[] */
    struct list  left;             /* by number, ascending */
};

struct pipe {
    struct side sides[PIPE_ENDS];
    struct flow flows[PIPE_ENDS];
};

/* In a pipe that goes one way, end 1 sends. */
static inline bool
pipe_sends(const struct object *object, uint64_t end)
{
    return object->a == 1 || end == 1;
}

/* As RECEIVE tells it: the bytes of the whole message, and whether more of it follows. */
static inline uint64_t
pipe_whole(const struct act *act)
{
    return act->d << 1 | act->c;
}

/* ---- pipe.c ---- */
/* In apply: `end` is 0 or 1 and not closed; a session may be attached already. */
void pipe_attach(struct core *core, struct object *object, uint64_t session, unsigned end);
/* False: it was not attached. */
bool pipe_detach(struct core *core, struct object *object, uint64_t session, unsigned end);

/* ---- pipe_move.c ---- */
typedef void pipe_decide_fn(struct core *core, struct object *object, const struct act *act,
                            struct verdict *v);
pipe_decide_fn pipe_decide_send, pipe_decide_receive, pipe_decide_poll;

/* ---- pipe_flow.c ---- */
struct holder *side_find(const struct side *side, uint64_t session);   /* NULL: not attached */
bool           side_closed(const struct side *side);
void           side_add(struct side *side, uint64_t session, bool known);
/* NULL: taken, or unheard of. */
const struct part *flow_part(const struct flow *flow, uint64_t number);
/* A part was accepted: the next, or the first that is heard of. */
void           flow_push(struct flow *flow, uint64_t number, uint64_t session, size_t bytes);
/* Parts below `number` were taken. */
void           flow_take(struct flow *flow, uint64_t number);
/* Nobody will ever take anything from it. */
void           flow_clear(struct flow *flow);
/* A part outlives the session that sent it: takes the value of the wait over, or
 * copies that of the act. */
void           flow_leave_wait(struct flow *flow, struct wait *wait);
void           flow_leave_copy(struct flow *flow, const struct act *act);
/* What a session sends or receives goes on with these; 0: not known yet. */
uint64_t       flow_next_sent(const struct flow *flow);
uint64_t       flow_next_wanted(const struct flow *flow);
void           flow_verify(const struct flow *flow);

#endif
