/* class.c - classes of equal needs, and the order in which their jobs are served
 *
 *   core->classes    classes with ready work, the one with the best line first
 *     class->lines   per owner and priority: highest priority, then the owner
 *                    that was served least, then the oldest job
 *       line->jobs   oldest first
 *       line->shares jobs that share a cap: see cap.c
 *
 * 1. A job is in its line, or in its share of a cap, exactly while
 *    job_runnable() holds and the core runs.
 * 2. A line is in its class's heap exactly while it has jobs, a class in the
 *    core's exactly while it has lines (and is not set aside by the scheduler).
 * 3. What an owner was served only grows, so keys in the heaps are lower
 *    bounds; class_best() brings the first one up to date and looks again.
 */
#include "plant.h"
#include "state.h"

#define RANK_SHIFT 48

/* ---- canonical needs ---- */

static int
slice_compare(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);

    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int
resource_compare(const void *a, const void *b)
{
    return slice_compare(((const struct wire_resource *)a)->name,
                         ((const struct wire_resource *)b)->name);
}

static int
text_compare(const void *a, const void *b)
{
    return slice_compare(((const struct wire_text *)a)->text, ((const struct wire_text *)b)->text);
}

static muster_err
canonical_resources(const struct wire_list *list, struct buffer *out, uint32_t *count_out,
                    const char **what_out)
{
    struct wire_resource items[RESOURCES_MAX];
    struct reader        in = reader_of(list->bytes);
    uint32_t             count = 0;

    assert(list->count <= RESOURCES_MAX);
    for (uint32_t i = 0; i < list->count; i++) {
        if (!wire_get_resource(&in, &items[count]) ||
            !parse_name(items[count].name, NAME_BYTES_MAX)) {
            *what_out = "a resource's name must be of letters, digits, '.', '_' and '-'";
            return MUSTER_ERR_INVALID;
        }
        if (items[count].amount > 0)
            count++;
    }
    if (count > 0)
        qsort(items, count, sizeof(items[0]), resource_compare);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && slice_equal(items[i].name, items[i - 1].name)) {
            *what_out = "a resource is named twice";
            return MUSTER_ERR_INVALID;
        }
        wire_put_resource(out, &items[i]);
    }
    *count_out = count;
    return MUSTER_OK;
}

static muster_err
canonical_labels(const struct wire_list *list, struct buffer *out, uint32_t *count_out,
                 const char **what_out)
{
    struct wire_text items[LABELS_MAX];
    struct reader    in = reader_of(list->bytes);
    uint32_t         count = 0;

    assert(list->count <= LABELS_MAX);
    for (uint32_t i = 0; i < list->count; i++) {
        if (!wire_get_text(&in, &items[i]) || items[i].text.bytes == 0 ||
            items[i].text.bytes > LABEL_BYTES_MAX) {
            *what_out = "a label must have 1 to 128 bytes";
            return MUSTER_ERR_INVALID;
        }
    }
    if (list->count > 0)
        qsort(items, list->count, sizeof(items[0]), text_compare);
    for (uint32_t i = 0; i < list->count; i++) {
        if (i > 0 && slice_equal(items[i].text, items[i - 1].text))
            continue;
        wire_put_text(out, &items[i]);
        count++;
    }
    *count_out = count;
    return MUSTER_OK;
}

muster_err
class_canonical(const struct wire_needs *needs, struct buffer *out, const char **what_out)
{
    struct wire_needs canonical = *needs;
    struct buffer     lists = { 0 };
    size_t            labels_at;
    muster_err        err;

    if (needs->queue.bytes == 0)
        canonical.queue = slice_text("default");
    if (!parse_name(canonical.queue, NAME_BYTES_MAX)) {
        *what_out = "a queue's name must be of letters, digits, '.', '_' and '-'";
        return MUSTER_ERR_INVALID;
    }
    if (needs->function.bytes > 0 && !parse_name(needs->function, NAME_BYTES_MAX)) {
        *what_out = "a function's name must be of letters, digits, '.', '_' and '-'";
        return MUSTER_ERR_INVALID;
    }
    err = canonical_resources(&needs->resources, &lists, &canonical.resources.count, what_out);
    labels_at = lists.bytes;
    if (!err)
        err = canonical_labels(&needs->labels, &lists, &canonical.labels.count, what_out);
    if (!err) {
        canonical.resources.bytes = slice_cut(buffer_slice(&lists), 0, labels_at);
        canonical.labels.bytes = slice_cut(buffer_slice(&lists), labels_at, SIZE_MAX);
        wire_put_needs(out, &canonical);
    }
    buffer_free(&lists);
    return err;
}

/* ---- classes come and go ---- */

static void
class_slot_take(struct core *core, struct class *class)
{
    uint32_t slot = 0;

    while (slot < core->class_slot_count && core->class_slots[slot] != NULL)
        slot++;
    if (slot == core->class_slot_count) {
        base_grow((void **)&core->class_slots, &core->class_slot_capacity, slot + 1,
                  sizeof(struct class *));
        core->class_slot_count++;
    }
    core->class_slots[slot] = class;
    class->slot = slot;
}

static void
class_fill(struct core *core, struct class *class, const struct wire_needs *needs)
{
    struct reader in = reader_of(needs->resources.bytes);

    class->queue = name_take(core, needs->queue);
    class->function = needs->function.bytes > 0 ? name_take(core, needs->function) : NULL;
    class->cpus_milli = needs->cpus_milli;
    class->mem_bytes = needs->mem_bytes;
    for (uint32_t i = 0; i < needs->resources.count; i++) {
        struct wire_resource resource = { 0 };

        wire_get_resource(&in, &resource);
        class->needs[i] = (struct need){ name_take(core, resource.name), resource.amount };
    }
    class->need_count = needs->resources.count;
    in = reader_of(needs->labels.bytes);
    for (uint32_t i = 0; i < needs->labels.count; i++) {
        struct wire_text label = { 0 };

        wire_get_text(&in, &label);
        class->labels[i] = name_take(core, label.text);
    }
    class->label_count = PLANT_LABELS(needs->labels.count);
}

struct class *
class_take(struct core *core, const struct wire_needs *needs)
{
    struct buffer bytes = { 0 };
    struct class *class;
    uint64_t      hash;

    wire_put_needs(&bytes, needs);
    hash = core_hash(core, buffer_slice(&bytes));
    class = map_get(&core->class_map, hash);
    while (class != NULL && !slice_equal(class->bytes, buffer_slice(&bytes)))
        class = class->next;
    if (class == NULL) {
        class = base_alloc(sizeof(*class));
        class->number = ++core->class_last;
        class->hash = hash;
        class->bytes = slice_of(base_text_copy(buffer_slice(&bytes)), bytes.bytes);
        class->next = map_get(&core->class_map, hash);
        map_put(&core->class_map, hash, class);
        class_slot_take(core, class);
        class_fill(core, class, needs);
    }
    buffer_free(&bytes);
    class->refs++;
    return class;
}

static void
class_unhash(struct core *core, struct class *class)
{
    struct class *first = map_get(&core->class_map, class->hash);

    if (first == class) {
        if (class->next != NULL)
            map_put(&core->class_map, class->hash, class->next);
        else
            map_remove(&core->class_map, class->hash);
        return;
    }
    while (first->next != class)
        first = first->next;
    first->next = class->next;
}

/* The slot will mean another class: workers must not remember this one. */
static void
class_slot_drop(struct core *core, struct class *class)
{
    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, all);

        if (class->slot < worker->fits_count)
            worker->fits[class->slot] = 0;
    }
    core->class_slots[class->slot] = NULL;
}

void
class_drop(struct core *core, struct class *class)
{
    size_t       cursor = 0;
    struct line *line;

    assert(class->refs > 0);
    if (--class->refs > 0)
        return;
    assert(class->lines.count == 0 && class->place.place == 0);
    if (core->reserved_for == class)
        schedule_unreserve(core);
    class_unhash(core, class);
    class_slot_drop(core, class);
    while ((line = map_next(&class->line_map, &cursor, NULL)) != NULL) {
        heap_free(&line->jobs);
        heap_free(&line->shares);
        free(line);
    }
    map_free(&class->line_map);
    heap_free(&class->lines);
    name_drop(core, class->queue);
    if (class->function != NULL)
        name_drop(core, class->function);
    for (uint32_t i = 0; i < class->need_count; i++)
        name_drop(core, class->needs[i].name);
    for (uint32_t i = 0; i < class->label_count; i++)
        name_drop(core, class->labels[i]);
    free((void *)(uintptr_t)class->bytes.data);
    free(class);
}

void
classes_free(struct core *core)
{
    assert(core->class_map.count == 0);
    map_free(&core->class_map);
    heap_free(&core->classes);
    free(core->class_slots);
}

/* ---- a class and a worker ---- */

static bool
names_have(struct name *const *names, uint32_t count, const struct name *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (names[i] == name)
            return true;
    }
    return false;
}

static const struct stock *
stock_find(const struct worker *worker, const struct name *name)
{
    for (uint32_t i = 0; i < worker->stock_count; i++) {
        if (worker->stock[i].name == name)
            return &worker->stock[i];
    }
    return NULL;
}

static bool
class_suits_now(const struct class *class, const struct worker *worker)
{
    if (!names_have(worker->queues, worker->queue_count, class->queue))
        return false;
    if (class->function != NULL &&
        !names_have(worker->functions, worker->function_count, class->function))
        return false;
    if (class->cpus_milli > worker->cpus_milli)
        return false;
    if (worker->mem_bytes > 0 && class->mem_bytes > worker->mem_bytes)
        return false;
    for (uint32_t i = 0; i < class->label_count; i++) {
        if (!names_have(worker->labels, worker->label_count, class->labels[i]))
            return false;
    }
    for (uint32_t i = 0; i < class->need_count; i++) {
        const struct stock *stock = stock_find(worker, class->needs[i].name);

        if (stock == NULL || stock->amount < class->needs[i].amount)
            return false;
    }
    return true;
}

bool
class_suits(struct class *class, struct worker *worker)
{
    enum { UNKNOWN, YES, NO };
    uint8_t *fits;

    base_grow((void **)&worker->fits, &worker->fits_count, class->slot + 1, 1);
    fits = &worker->fits[class->slot];
    if (*fits == UNKNOWN)
        *fits = class_suits_now(class, worker) ? YES : NO;
    return *fits == YES;
}

uint32_t
class_room(const struct class *class, const struct worker *worker)
{
    uint64_t room = RUNNING_PER_WORKER_MAX;

    assert(worker->joined);
    room = worker->lease_count < room ? room - worker->lease_count : 0;
    if (class->cpus_milli > 0) {
        int64_t cpus = worker->cpus_free_milli / (int64_t)class->cpus_milli;

        if (cpus <= 0)
            return 0;
        room = (uint64_t)cpus < room ? (uint64_t)cpus : room;
    }
    if (worker->mem_bytes > 0 && class->mem_bytes > 0 &&
        worker->mem_free / class->mem_bytes < room)
        room = worker->mem_free / class->mem_bytes;
    for (uint32_t i = 0; i < class->need_count; i++) {
        const struct stock *stock = stock_find(worker, class->needs[i].name);

        if (stock == NULL)
            return 0;
        if (stock->free / class->needs[i].amount < room)
            room = stock->free / class->needs[i].amount;
    }
    return (uint32_t)room;
}

/* ---- lines ---- */

static uint64_t
line_key(const struct line *line)
{
    uint64_t served = line->user->served;
    uint64_t most = ((uint64_t)1 << RANK_SHIFT) - 1;

    return line->rank << RANK_SHIFT | (served < most ? served : most);
}

struct line *
class_line(const struct job *job)
{
    struct class *class = job->class;
    uint64_t      rank = (uint64_t)(PRIORITY_MAX - job->priority);
    uint64_t      key = job->user->number << 16 | rank;
    struct line  *line = map_get(&class->line_map, key);

    if (line == NULL) {
        line = base_alloc(sizeof(*line));
        line->class = class;
        line->user = job->user;
        line->rank = rank;
        map_put(&class->line_map, key, line);
    }
    return line;
}

static void
class_place(struct core *core, struct class *class)
{
    const struct heap_node *first = heap_first(&class->lines);

    if (first == NULL) {
        if (class->place.place > 0)
            heap_remove(&core->classes, &class->place);
        return;
    }
    if (list_linked(&class->aside))
        return;
    class->place.key = first->key;
    class->place.tie = first->tie;
    heap_update(&core->classes, &class->place);
}

void
class_restore(struct core *core, struct class *class)
{
    assert(!list_linked(&class->aside));
    class_place(core, class);
}

struct line *
class_best(struct core *core, struct class *class)
{
    struct heap_node *first;

    while ((first = heap_first(&class->lines)) != NULL) {
        struct line *line = CONTAINER(first, struct line, place);

        if (first->key == line_key(line)) {
            class_place(core, class);
            return line;
        }
        first->key = line_key(line);
        heap_update(&class->lines, first);
    }
    return NULL;
}

static void
line_enter(struct core *core, struct line *line)
{
    struct user *user = line->user;

    /* Whoever was idle does not get what it did not ask for then. */
    if (user->lines++ == 0 && user->served < core->served)
        user->served = core->served;
    line->place.key = line_key(line);
}

void
class_line_changed(struct core *core, struct line *line)
{
    const struct heap_node *job = heap_first(&line->jobs);
    const struct heap_node *share = heap_first(&line->shares);

    if (job != NULL || share != NULL) {
        if (line->place.place == 0)
            line_enter(core, line);
        line->place.tie = share == NULL || (job != NULL && job->key < share->key) ? job->key
                                                                                  : share->key;
        heap_update(&line->class->lines, &line->place);
    } else if (line->place.place > 0) {
        heap_remove(&line->class->lines, &line->place);
        line->user->lines--;
    }
    class_place(core, line->class);
}

static void
class_enter(struct core *core, struct job *job)
{
    struct line *line = class_line(job);

    core->schedule = true;
    job->ready.key = job->id;
    heap_add(&line->jobs, &job->ready);
    class_line_changed(core, line);
}

void
class_leave(struct core *core, struct job *job)
{
    if (job->ready.place == 0)
        return;
    if (job->member != NULL) {
        cap_exit(core, job);
        return;
    }
    heap_remove(&class_line(job)->jobs, &job->ready);
    class_line_changed(core, class_line(job));
}

void
class_refresh(struct core *core, struct job *job)
{
    if (!core->started)
        return;
    if (job->member != NULL)
        cap_changed(core, job);
    if (job_runnable(core, job) == (job->ready.place > 0))
        return;
    if (job->ready.place > 0)
        class_leave(core, job);
    else if (job->member != NULL)
        cap_enter(core, job);
    else
        class_enter(core, job);
}
