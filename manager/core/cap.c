/* cap.c - jobs that share one running_max
 *
 *   cap            max, running of all its jobs; its name is the id of its lead
 *     turns        its shares that have jobs, the one with the job whose turn it is first
 *     share        those of its jobs that stand in one line of a class
 *       jobs       that could run, were there room: oldest first
 *       turns      the same jobs, the one whose turn it is first
 *
 * 1. A cap lives as long as one of its jobs is remembered, its lead or another.
 * 2. Its jobs point at it: the map is asked when a job comes or is loaded only.
 * 3. A share stands in its line exactly while it has jobs and the cap has room:
 *    a cap that is full costs its lines nothing, whatever waits behind it.
 * 4. Among jobs of equal priority it is the turn of the one of which least
 *    runs, and of those, of the one that was served longest ago.
 */
#include "plant.h"
#include "state.h"

enum { TURN_RANK_SHIFT = 32 };     /* above how many run */

/* ---- who shares it ---- */

static struct cap *
cap_find(const struct core *core, uint64_t lead)
{
    return map_get(&core->caps, lead);
}

const struct cap *
cap_of(const struct core *core, uint64_t job)
{
    const struct job *found = job_find(core, job);

    if (found != NULL && found->member != NULL)
        return found->member->cap;
    return cap_find(core, job);
}

bool
cap_possible(const struct core *core, const struct job *job, uint64_t lead)
{
    const struct cap *cap = cap_find(core, lead);
    const struct job *first = job_find(core, lead);

    if (lead == job->id || job->running_max == 0 || job->member != NULL)
        return false;
    if (cap != NULL)
        return cap->user == job->user && cap->max == job->running_max;
    return first == NULL || (first->user == job->user && first->running_max == job->running_max &&
                             first->cap_with == 0);
}

static struct share *
share_take(struct cap *cap, struct line *line)
{
    struct share *share;

    for (struct list *at = cap->shares.next; at != &cap->shares; at = at->next) {
        share = CONTAINER(at, struct share, link);
        if (share->line == line) {
            share->members++;
            return share;
        }
    }
    share = base_alloc(sizeof(*share));
    share->cap = cap;
    share->line = line;
    share->members = 1;
    list_append(&cap->shares, &share->link);
    return share;
}

static void
share_drop(struct share *share)
{
    assert(share->members > 0);
    if (--share->members > 0)
        return;
    assert(share->jobs.count == 0 && share->place.place == 0 && share->turn.place == 0);
    assert(!list_linked(&share->aside));
    list_remove(&share->link);
    heap_free(&share->jobs);
    heap_free(&share->turns);
    free(share);
}

static void
cap_add(struct core *core, struct cap *cap, struct job *job)
{
    struct member *member = base_alloc(sizeof(*member));

    assert(job->member == NULL && job->running_max == cap->max);
    /* It stands in its line as one of many from now on. */
    class_leave(core, job);
    member->cap = cap;
    member->job = job;
    member->share = share_take(cap, class_line(job));
    member->turn.tie = ++cap->turn;
    job->member = member;
    cap->members++;
    cap->running += job->running;
    class_refresh(core, job);
}

void
cap_join(struct core *core, struct job *job, uint64_t lead)
{
    struct cap *cap = cap_find(core, lead);
    struct job *first = job_find(core, lead);

    assert(cap_possible(core, job, lead));
    if (cap == NULL) {
        cap = base_alloc(sizeof(*cap));
        cap->lead = lead;
        cap->user = job->user;
        cap->max = job->running_max;
        list_init(&cap->shares);
        map_put(&core->caps, lead, cap);
        if (first != NULL)
            cap_add(core, cap, first);
    }
    job->cap_with = lead;
    if (PLANT_SHARES(true))
        cap_add(core, cap, job);
}

void
cap_leave(struct core *core, struct job *job)
{
    struct member *member = job->member;
    struct cap    *cap;

    if (member == NULL)
        return;
    assert(job->ready.place == 0 && member->turn.place == 0);
    cap = member->cap;
    assert(cap->members > 0 && cap->running >= job->running);
    cap->running -= job->running;
    share_drop(member->share);
    free(member);
    job->member = NULL;
    if (--cap->members > 0)
        return;
    map_remove(&core->caps, cap->lead);
    heap_free(&cap->turns);
    free(cap);
}

/* ---- its places in the lines ---- */

/* Its first job, or how much of that runs, is another now. */
static void
share_turn(struct share *share)
{
    const struct heap_node *first = heap_first(&share->turns);

    if (list_linked(&share->aside))
        return;
    if (first != NULL) {
        share->turn.key = share->line->rank << TURN_RANK_SHIFT | first->key;
        share->turn.tie = first->tie;
        heap_update(&share->cap->turns, &share->turn);
    } else if (share->turn.place > 0) {
        heap_remove(&share->cap->turns, &share->turn);
    }
}

static void
share_place(struct core *core, struct share *share)
{
    struct line *line = share->line;

    if (share->cap->open && share->jobs.count > 0) {
        core->schedule = core->schedule || share->place.place == 0;
        share->place.key = heap_first(&share->jobs)->key;
        heap_update(&line->shares, &share->place);
    } else if (share->place.place > 0) {
        heap_remove(&line->shares, &share->place);
    }
    class_line_changed(core, line);
}

void
cap_enter(struct core *core, struct job *job)
{
    struct member *member = job->member;

    assert(job->ready.place == 0 && member->turn.place == 0);
    job->ready.key = job->id;
    member->turn.key = job->running;
    heap_add(&member->share->jobs, &job->ready);
    heap_add(&member->share->turns, &member->turn);
    member->cap->ready++;
    share_turn(member->share);
    share_place(core, member->share);
}

void
cap_exit(struct core *core, struct job *job)
{
    struct member *member = job->member;

    heap_remove(&member->share->jobs, &job->ready);
    heap_remove(&member->share->turns, &member->turn);
    member->cap->ready--;
    share_turn(member->share);
    share_place(core, member->share);
}

void
cap_changed(struct core *core, struct job *job)
{
    struct member *member = job->member;
    struct cap    *cap = member->cap;
    bool           open = cap->running < cap->max;

    if (member->turn.place > 0 && member->turn.key != job->running) {
        member->turn.key = job->running;
        heap_update(&member->share->turns, &member->turn);
        share_turn(member->share);
    }
    if (open == cap->open)
        return;
    cap->open = open;
    for (struct list *at = cap->shares.next; at != &cap->shares; at = at->next)
        share_place(core, CONTAINER(at, struct share, link));
}

void
caps_start(struct core *core)
{
    size_t      cursor = 0;
    struct cap *cap;

    while ((cap = map_next(&core->caps, &cursor, NULL)) != NULL) {
        assert(cap->ready == 0);
        cap->open = cap->running < cap->max;
    }
}

/* ---- whose turn it is ---- */

struct job *
cap_turn(struct core *core, const struct share *share)
{
    struct cap   *cap = share->cap;
    struct share *best;

    assert(cap->open && share->turns.count > 0 && !list_linked(&share->line->class->aside));
    for (;;) {
        best = CONTAINER(heap_first(&cap->turns), struct share, turn);
        core_worked(core, 1);
        if (!list_linked(&best->line->class->aside))
            break;
        /* What found no worker in this round gives its turn to the others. */
        heap_remove(&cap->turns, &best->turn);
        list_append(&core->shares_aside, &best->aside);
    }
    /* None of a higher priority: its class would have been asked before. */
    return CONTAINER(heap_first(&best->turns), struct member, turn)->job;
}

void
caps_restore(struct core *core)
{
    while (!list_empty(&core->shares_aside)) {
        struct share *share = CONTAINER(core->shares_aside.next, struct share, aside);

        list_remove(&share->aside);
        share_turn(share);
    }
}

uint32_t
cap_room(const struct cap *cap)
{
    uint32_t room = cap->max - cap->running;

    assert(cap->running < cap->max);
    return cap->ready > 1 && room > cap->ready ? room / cap->ready : cap->ready > 1 ? 1 : room;
}

void
cap_served(struct job *job)
{
    struct member *member = job->member;

    member->turn.tie = ++member->cap->turn;
    if (member->turn.place == 0)
        return;
    heap_update(&member->share->turns, &member->turn);
    share_turn(member->share);
}
