/* logs.c - see logs.h */
#include "logs.h"

#include "state.h"

/* ---- what is kept ---- */

void
logs_init(struct logs *logs, uint64_t bytes_max)
{
    *logs = (struct logs){ .bytes_max = bytes_max > LOG_KEPT_BYTES_MIN ? bytes_max
                                                                       : LOG_KEPT_BYTES_MIN };
    list_init(&logs->lines);
    list_init(&logs->waits);
}

uint64_t
logs_cost(struct slice text)
{
    return sizeof(struct log_line) + text.bytes;
}

static uint64_t
line_cost(const struct log_line *line)
{
    return logs_cost(slice_of(line->text, line->bytes));
}

static struct log_source *
source_find(const struct logs *logs, struct slice name, uint64_t hash)
{
    struct log_source *source = map_get(&logs->sources, hash);

    while (source != NULL && !slice_equal(source->name, name))
        source = source->next;
    return source;
}

static struct log_source *
source_take(struct logs *logs, struct slice name)
{
    uint64_t           hash = map_hash(name);
    struct log_source *source = source_find(logs, name, hash);

    if (source != NULL)
        return source;
    source = base_alloc(sizeof(*source));
    source->name = slice_of(base_text_copy(name), name.bytes);
    source->hash = hash;
    source->next = map_get(&logs->sources, hash);
    list_init(&source->lines);
    map_put(&logs->sources, hash, source);
    return source;
}

static void
source_free(struct logs *logs, struct log_source *source)
{
    struct log_source *first = map_get(&logs->sources, source->hash);

    assert(list_empty(&source->lines) && source->bytes == 0);
    if (first != source) {
        while (first->next != source)
            first = first->next;
        first->next = source->next;
    } else if (source->next != NULL) {
        map_put(&logs->sources, source->hash, source->next);
    } else {
        map_remove(&logs->sources, source->hash);
    }
    free((void *)(uintptr_t)source->name.data);
    free(source);
}

/* Its bytes changed by `bytes`. */
static void
source_count(struct logs *logs, struct log_source *source, uint64_t bytes)
{
    source->bytes += bytes;
    logs->bytes += bytes;
    if (source->bytes == 0) {
        heap_remove(&logs->sizes, &source->size);
        return;
    }
    source->size.key = UINT64_MAX - source->bytes;
    heap_update(&logs->sizes, &source->size);
}

static void
line_drop(struct logs *logs, struct log_line *line)
{
    struct log_source *source = line->source;

    list_remove(&line->all);
    list_remove(&line->own);
    source_count(logs, source, 0 - line_cost(line));
    if (source->bytes == 0)
        source_free(logs, source);
    free(line);
}

void
logs_free(struct logs *logs)
{
    assert(list_empty(&logs->waits));
    while (!list_empty(&logs->lines))
        line_drop(logs, CONTAINER(logs->lines.next, struct log_line, all));
    map_free(&logs->sources);
    heap_free(&logs->sizes);
    heap_free(&logs->ends);
}

static void
logs_make_room(struct logs *logs, uint64_t bytes)
{
    assert(bytes <= logs->bytes_max);
    while (logs->bytes + bytes > logs->bytes_max) {
        struct log_source *most = CONTAINER(heap_first(&logs->sizes), struct log_source, size);

        if (most->bytes > logs->bytes_max / LOG_SHARES)
            line_drop(logs, CONTAINER(most->lines.next, struct log_line, own));
        else
            line_drop(logs, CONTAINER(logs->lines.next, struct log_line, all));
    }
}

void
logs_add(struct logs *logs, struct slice source, uint64_t unix_ms, uint8_t level,
         struct slice text)
{
    struct log_line *line;

    assert(text.bytes <= TEXT_BYTES_MAX && source.bytes <= NAME_BYTES_MAX && level < LOG_LEVELS);
    logs_make_room(logs, logs_cost(text));
    line = base_alloc(sizeof(*line) + text.bytes);
    line->source = source_take(logs, source);
    line->number = ++logs->last;
    line->unix_ms = unix_ms;
    line->level = level;
    line->bytes = (uint32_t)text.bytes;
    if (text.bytes > 0)
        memcpy(line->text, text.data, text.bytes);
    list_append(&logs->lines, &line->all);
    list_append(&line->source->lines, &line->own);
    source_count(logs, line->source, line_cost(line));
    logs->news = true;
}

/* ---- what is read ---- */

/* The first line behind the cursor; &logs->lines when there is none. */
static const struct list *
logs_behind(const struct logs *logs, uint64_t cursor)
{
    const struct list *head = &logs->lines;
    const struct list *at = head;

    if (list_empty(head))
        return head;
    /* From the end that is nearer. */
    if (cursor < CONTAINER(head->next, struct log_line, all)->number)
        return head->next;
    if (logs->last - cursor < cursor - CONTAINER(head->next, struct log_line, all)->number) {
        while (at->prev != head && CONTAINER(at->prev, struct log_line, all)->number > cursor)
            at = at->prev;
        return at;
    }
    at = head->next;
    while (at != head && CONTAINER(at, struct log_line, all)->number <= cursor)
        at = at->next;
    return at;
}

/* Numbers between two lines that are kept: lines that were dropped.  Of an earlier
 * start nobody knows how many there were. */
static uint64_t
logs_gap(uint64_t before, uint64_t number)
{
    if (before >> CORE_EPOCH_SHIFT == number >> CORE_EPOCH_SHIFT)
        return number - before - 1;
    return (number & (((uint64_t)1 << CORE_EPOCH_SHIFT) - 1)) - 1;
}

/* Lines that the wait wants, from its cursor on, which moves behind what was looked at. */
static uint32_t
wait_collect(const struct logs *logs, struct log_wait *wait, struct buffer *out)
{
    const struct list *at = logs_behind(logs, wait->cursor);
    uint32_t           count = 0;

    for (; at != &logs->lines && out->bytes < LOG_PAGE_BYTES && count < LIST_ITEMS_MAX;
         at = at->next) {
        const struct log_line *line = CONTAINER(at, struct log_line, all);

        if (wait->cursor != 0)
            wait->lost += logs_gap(wait->cursor, line->number);
        wait->cursor = line->number;
        if (line->level > wait->level ||
            (wait->source[0] != '\0' && !slice_equals_text(line->source->name, wait->source)))
            continue;
        wire_put_log(out, &(struct wire_log){ .number = line->number,
                                              .unix_ms = line->unix_ms,
                                              .level = line->level,
                                              .source = line->source->name,
                                              .text = slice_of(line->text, line->bytes) });
        count++;
    }
    if (at == &logs->lines)
        wait->cursor = logs->last;
    return count;
}

/* False: there is nothing for it, and it was not asked to answer nevertheless. */
static bool
wait_answer(const struct logs *logs, struct log_wait *wait, bool over, struct effects *fx)
{
    struct buffer  lines = { 0 };
    uint32_t       count = wait_collect(logs, wait, &lines);
    union wire_any m = { .log_lines = { .cursor = wait->cursor, .lost = wait->lost } };

    if (count > 0 || over) {
        m.log_lines.lines = (struct wire_list){ buffer_slice(&lines), count };
        effects_send(fx, wait->session->id, wait->request, MSG_TYPE_LOG_LINES, &m);
    }
    buffer_free(&lines);
    return count > 0 || over;
}

void
log_wait_free(struct core *core, struct log_wait *wait)
{
    list_remove(&wait->link);
    list_remove(&wait->session_link);
    heap_remove(&core->logs.ends, &wait->timer);
    assert(wait->session->poll_count > 0);
    wait->session->poll_count--;
    core->counters.polls--;
    free(wait);
}

void
logs_turn(struct core *core, struct effects *fx)
{
    struct logs      *logs = &core->logs;
    struct heap_node *node;
    struct list      *next;

    for (struct list *at = logs->waits.next; logs->news && at != &logs->waits; at = next) {
        struct log_wait *wait = CONTAINER(at, struct log_wait, link);

        next = at->next;
        if (!wait->session->slow && wait_answer(logs, wait, false, fx))
            log_wait_free(core, wait);
    }
    logs->news = false;
    while ((node = heap_first(&logs->ends)) != NULL && node->key <= core->now_ms) {
        struct log_wait *wait = CONTAINER(node, struct log_wait, timer);

        (void)wait_answer(logs, wait, true, fx);
        log_wait_free(core, wait);
    }
}

/* ---- messages ---- */

void
core_log(struct core *core, uint64_t unix_ms, uint8_t level, struct slice text)
{
    logs_add(&core->logs, slice_text(LOG_OWN_SOURCE), unix_ms, level, text);
}

/* Whoever sends them, the source is who the manager knows it to be. */
static bool
put_good(const struct step *step, const struct msg_log_put *put)
{
    struct reader   in = reader_of(put->lines.bytes);
    struct wire_log line;
    uint64_t        before = 0;

    for (uint32_t i = 0; i < put->lines.count; i++) {
        if (!wire_get_log(&in, &line) || line.source.bytes > 0 || line.number <= before) {
            effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                          "line %u names a source, or its number does not rise", i + 1);
            return false;
        }
        before = line.number;
    }
    return true;
}

static void
put_refill(const struct core *core, struct worker *worker)
{
    uint64_t passed_ms = core->now_ms - worker->log_room_ms;
    uint64_t room = worker->log_room + passed_ms * LOG_BYTES_PER_S / 1000;

    if (worker->log_pid != worker->session->pid) {
        /* Another process counts anew. */
        worker->log_pid = worker->session->pid;
        worker->log_last = 0;
        room = LOG_BYTES_BURST;
    }
    worker->log_room = room < LOG_BYTES_BURST ? room : LOG_BYTES_BURST;
    worker->log_room_ms = core->now_ms;
}

void
step_log_put(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_log_put *put = &m->log_put;
    struct worker            *worker = step->session->worker;
    struct slice              source = worker->name[0] != '\0' ? slice_text(worker->name)
                                                               : step->session->user->name;
    struct reader             in = reader_of(put->lines.bytes);
    struct wire_log           line;

    if (slice_equals_text(source, LOG_OWN_SOURCE)) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_DENIED,
                      "a worker named %s cannot pass on log lines: those are the manager's",
                      LOG_OWN_SOURCE);
        return;
    }
    if (!put_good(step, put))
        return;
    put_refill(core, worker);
    for (uint32_t i = 0; i < put->lines.count && wire_get_log(&in, &line); i++) {
        uint64_t cost = logs_cost(line.text);

        if (line.number <= worker->log_last)
            continue;
        if (cost > worker->log_room)
            break;
        worker->log_room -= cost;
        worker->log_last = line.number;
        logs_add(&core->logs, source, line.unix_ms, line.level, line.text);
    }
    effects_ack(step->fx, step->session->id, step->request, worker->log_last);
}

/* A client that repeats its request wants one answer. */
static void
get_forget(struct core *core, const struct session *session, uint64_t request)
{
    for (struct list *at = session->log_waits.next; at != &session->log_waits; at = at->next) {
        struct log_wait *wait = CONTAINER(at, struct log_wait, session_link);

        if (wait->request == request) {
            log_wait_free(core, wait);
            return;
        }
    }
}

void
step_log_get(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_log_get *get = &m->log_get;
    struct session  *session = step->session;
    struct log_wait *wait;
    struct log_wait  asked = { .session = session, .request = step->request, .level = get->level,
                               .cursor = get->cursor <= core->logs.last ? get->cursor : 0 };

    if (get->source.bytes > 0)
        memcpy(asked.source, get->source.data, get->source.bytes);
    get_forget(core, session, step->request);
    if (wait_answer(&core->logs, &asked, get->wait_ms == 0, step->fx))
        return;
    if (session->poll_count >= core->config.polls_per_session_max) {
        effects_error(step->fx, session->id, step->request, MUSTER_ERR_FULL,
                      "this session waits for %u things already", session->poll_count);
        return;
    }
    wait = base_alloc(sizeof(*wait));
    *wait = asked;
    wait->timer.key = core->now_ms + get->wait_ms;
    wait->timer.tie = session->id;
    list_append(&core->logs.waits, &wait->link);
    list_append(&session->log_waits, &wait->session_link);
    session->poll_count++;
    core->counters.polls++;
    heap_add(&core->logs.ends, &wait->timer);
}

/* ---- check ---- */

void
logs_verify(const struct logs *logs)
{
    uint64_t bytes = 0, before = 0;
    size_t   cursor = 0;

    for (const struct list *at = logs->lines.next; at != &logs->lines; at = at->next) {
        const struct log_line *line = CONTAINER(at, struct log_line, all);

        assert(line->number > before && line->number <= logs->last);
        before = line->number;
        bytes += line_cost(line);
    }
    assert(bytes == logs->bytes && bytes <= logs->bytes_max);
    bytes = 0;
    for (const struct log_source *source; (source = map_next(&logs->sources, &cursor, NULL));) {
        for (; source != NULL; source = source->next) {
            assert(!list_empty(&source->lines) && source->size.place > 0);
            bytes += source->bytes;
        }
    }
    assert(bytes == logs->bytes);
}
