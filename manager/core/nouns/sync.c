/* sync.c - what the nouns of synchronisation share: requests, tokens, entries */
#include "sync.h"

/* ---- requests ---- */

bool
sync_plain(const struct object *object, const struct act *act, unsigned used, struct verdict *v)
{
    bool plain = (act->a == 0 || (used & SYNC_A) != 0) && act->b == 0 && act->c == 0 &&
                 act->d == 0 && !act->is_reference && act->key.bytes == 0 && act->value.bytes == 0;

    if (!plain)
        verdict_error(v, object, MUSTER_ERR_INVALID, "\"%s\" takes no such arguments",
                      wire_verb_rule(act->verb)->name);
    return plain;
}

bool
sync_settings(const struct msg_object_open *m, uint64_t a_min, uint64_t a_max, uint64_t b_max,
              struct verdict *v)
{
    if (m->a >= a_min && m->a <= a_max && m->b <= b_max && m->value.bytes == 0)
        return true;
    v->error = MUSTER_ERR_INVALID;
    if (m->value.bytes > 0 || m->b > b_max)
        snprintf(v->text, sizeof(v->text), "a %s has no such setting", wire_noun_name(m->noun));
    else if (a_max == 0)
        snprintf(v->text, sizeof(v->text), "a %s has no settings", wire_noun_name(m->noun));
    else
        snprintf(v->text, sizeof(v->text), "a %s is made with %llu to %llu, not %llu",
                 wire_noun_name(m->noun), (unsigned long long)a_min, (unsigned long long)a_max,
                 (unsigned long long)m->a);
    return false;
}

void
sync_no_verb(const struct object *object, struct verdict *v)
{
    verdict_error(v, object, MUSTER_ERR_INVALID, "a %s cannot do that",
                  wire_noun_name(object->noun));
}

uint64_t
sync_token(const struct core *core, uint64_t last)
{
    uint64_t least = core->epoch << CORE_EPOCH_SHIFT;

    assert(core->epoch > 0);
    return last + 1 > least ? last + 1 : least;
}

void
sync_who(const struct core *core, uint64_t session, char text[OBJECT_TEXT_BYTES])
{
    const struct session *holder = map_get(&core->sessions, session);

    if (holder == NULL)
        snprintf(text, OBJECT_TEXT_BYTES, "session %llu", (unsigned long long)session);
    else
        snprintf(text, OBJECT_TEXT_BYTES, "%.*s%s%s (session %llu%s)",
                 SLICE_ARGS(holder->user->name), holder->host[0] != '\0' ? " on " : "",
                 holder->host, (unsigned long long)session,
                 holder->connected ? "" : ", not connected");
}

/* ---- entries ---- */

struct sync_party {                /* the entries of one session */
    struct list entries;
    struct map  requests;          /* request -> entry */
};

struct sync_entry *
sync_find(const struct sync_entries *entries, uint64_t session, uint64_t request)
{
    const struct sync_party *party = map_get(&entries->sessions, session);

    return party != NULL ? map_get(&party->requests, request) : NULL;
}

struct sync_entry *
sync_enter(struct sync_entries *entries, struct list *ring, uint64_t session, uint64_t request,
           uint64_t thread)
{
    struct sync_party *party = map_get(&entries->sessions, session);
    struct sync_entry *entry;

    if (party != NULL && map_get(&party->requests, request) != NULL)
        return NULL;
    if (party == NULL) {
        party = base_alloc(sizeof(*party));
        list_init(&party->entries);
        map_put(&entries->sessions, session, party);
    }
    entry = base_alloc(sizeof(*entry));
    entry->session = session;
    entry->request = request;
    entry->thread = thread;
    list_append(ring, &entry->ring);
    list_append(&party->entries, &entry->of_session);
    map_put(&party->requests, request, entry);
    entries->count++;
    return entry;
}

void
sync_leave(struct sync_entries *entries, struct sync_entry *entry)
{
    struct sync_party *party = map_get(&entries->sessions, entry->session);
    const void        *gone;

    assert(party != NULL && entries->count > 0);
    gone = map_remove(&party->requests, entry->request);
    assert(gone == entry);
    (void)gone;
    list_remove(&entry->ring);
    list_remove(&entry->of_session);
    entries->count--;
    if (list_empty(&party->entries)) {
        map_remove(&entries->sessions, entry->session);
        map_free(&party->requests);
        free(party);
    }
    free(entry);
}

struct sync_entry *
sync_first(const struct sync_entries *entries, uint64_t session)
{
    const struct sync_party *party = map_get(&entries->sessions, session);

    return party != NULL ? CONTAINER(party->entries.next, struct sync_entry, of_session) : NULL;
}

void
sync_free(struct sync_entries *entries)
{
    struct sync_party *party;
    size_t             cursor = 0;

    while ((party = map_next(&entries->sessions, &cursor, NULL)) != NULL) {
        for (struct list *at = party->entries.next, *next; at != &party->entries; at = next) {
            next = at->next;
            free(CONTAINER(at, struct sync_entry, of_session));
        }
        map_free(&party->requests);
        free(party);
    }
    map_free(&entries->sessions);
    entries->count = 0;
}

bool
sync_linked(const struct core *core, const struct object *object,
            const struct sync_entries *entries)
{
    size_t   cursor = 0;
    uint64_t session;

    while (map_next(&entries->sessions, &cursor, &session) != NULL) {
        if (!object_tied(core, session, object))
            return false;
    }
    return true;
}

void
sync_put(const struct list *ring, struct buffer *out)
{
    uint64_t count = 0;

    for (const struct list *at = ring->next; at != ring; at = at->next)
        count++;
    write_varint(out, count);
    for (struct list *at = ring->next; at != ring; at = at->next) {
        const struct sync_entry *entry = sync_at(at);

        write_varint(out, entry->session);
        write_varint(out, entry->request);
        write_varint(out, entry->thread);
        write_varint(out, entry->number);
        write_varint(out, entry->generation);
        write_u8(out, entry->state);
    }
}

bool
sync_get(struct sync_entries *entries, struct list *ring, unsigned allowed, struct reader *in)
{
    uint64_t count = read_varint(in);

    for (uint64_t i = 0; i < count && !in->bad; i++) {
        uint64_t           session = read_varint(in);
        uint64_t           request = read_varint(in);
        uint64_t           thread = read_varint(in);
        struct sync_entry *entry = in->bad ? NULL
                                           : sync_enter(entries, ring, session, request, thread);

        if (entry == NULL)
            return false;
        entry->number = read_varint(in);
        entry->generation = read_varint(in);
        entry->state = read_u8(in);
        if (entry->state > 7 || (allowed >> entry->state & 1) == 0)
            return false;
    }
    return !in->bad;
}
