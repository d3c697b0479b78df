/* names.c - interned names, users, and ids in order
 *
 * 1. A name lives as long as someone counts on it; a user for ever: there are
 *    as many as keys were enrolled.
 * 2. Equal names are equal pointers.
 */
#include "state.h"

static struct name *
name_chain(const struct core *core, struct slice text)
{
    struct name *name = map_get(&core->names, core_hash(core, text));

    while (name != NULL && !slice_equal(name->text, text))
        name = name->next;
    return name;
}

struct name *
name_find(const struct core *core, struct slice text)
{
    assert(core != NULL);
    return name_chain(core, text);
}

struct name *
name_take(struct core *core, struct slice text)
{
    uint64_t     hash = core_hash(core, text);
    struct name *name = name_chain(core, text);

    if (name == NULL) {
        name = base_alloc(sizeof(*name));
        name->number = ++core->name_last;
        name->text = slice_of(base_text_copy(text), text.bytes);
        name->next = map_get(&core->names, hash);
        map_put(&core->names, hash, name);
    }
    name->refs++;
    return name;
}

void
name_drop(struct core *core, struct name *name)
{
    uint64_t     hash = core_hash(core, name->text);
    struct name *first = map_get(&core->names, hash);

    assert(name->refs > 0);
    if (--name->refs > 0)
        return;
    if (first == name) {
        if (name->next != NULL)
            map_put(&core->names, hash, name->next);
        else
            map_remove(&core->names, hash);
    } else {
        while (first->next != name)
            first = first->next;
        first->next = name->next;
    }
    free((void *)(uintptr_t)name->text.data);
    free(name);
}

struct user *
user_find(const struct core *core, struct slice name)
{
    struct user *user = map_get(&core->users, core_hash(core, name));

    while (user != NULL && !slice_equal(user->name, name))
        user = user->next;
    return user;
}

struct user *
user_take(struct core *core, struct slice name)
{
    struct user *user = user_find(core, name);
    uint64_t     hash = core_hash(core, name);

    if (user != NULL)
        return user;
    user = base_alloc(sizeof(*user));
    user->number = ++core->user_last;
    user->name = slice_of(base_text_copy(name), name.bytes);
    user->next = map_get(&core->users, hash);
    map_put(&core->users, hash, user);
    return user;
}

/* ---- ids in order ---- */

uint32_t
order_find(const struct order *order, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = order->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (order_at(order, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void
order_move(struct order *order, uint32_t to, uint32_t from, uint32_t count)
{
    memmove(&order->ids[to], &order->ids[from], count * sizeof(*order->ids));
}

void
order_add(struct order *order, uint64_t id)
{
    uint32_t at = order->count;

    /* Ids rise, so this is the end but for objects that are loaded out of order. */
    if (at > 0 && order_at(order, at - 1) >= id)
        at = order_find(order, id);
    assert(at == order->count || order_at(order, at) != id);
    if (order->head + order->count == order->capacity && order->head > order->count) {
        order_move(order, 0, order->head, order->count);
        order->head = 0;
    }
    base_grow((void **)&order->ids, &order->capacity, order->head + order->count + 1,
              sizeof(*order->ids));
    order_move(order, order->head + at + 1, order->head + at, order->count - at);
    order->ids[order->head + at] = id;
    order->count++;
}

/* The oldest goes first, as a rule. */
void
order_remove(struct order *order, uint64_t id)
{
    uint32_t at = order_find(order, id);

    assert(at < order->count && order_at(order, at) == id);
    order->count--;
    if (at < order->count / 2) {
        order_move(order, order->head + 1, order->head, at);
        order->head++;
    } else {
        order_move(order, order->head + at, order->head + at + 1, order->count - at);
    }
}

void
names_free(struct core *core)
{
    size_t       cursor = 0;
    struct user *user;

    assert(core->names.count == 0);
    map_free(&core->names);
    while ((user = map_next(&core->users, &cursor, NULL)) != NULL) {
        while (user != NULL) {
            struct user *next = user->next;

            free((void *)(uintptr_t)user->name.data);
            free(user->jobs.ids);
            free(user);
            user = next;
        }
    }
    map_free(&core->users);
}
