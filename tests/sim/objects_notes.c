/* objects_notes.c - see objects_notes.h */
#include "objects_notes.h"

void
objects_note_asked(struct notes *notes, uint64_t session, const struct wire_message *message,
                   uint64_t at_ms)
{
    struct note note = { .type = message->type == MSG_TYPE_OBJECT_SEEN ? NOTE_SEEN : NOTE_ASKED,
                         .session = session, .request = message->request,
                         .wire_type = message->type, .at_ms = at_ms };

    if (message->type == MSG_TYPE_OBJECT_DO || message->type == MSG_TYPE_OBJECT_SEEN)
        history_note_message(notes, note, message->body);
}

void
objects_note_ended(struct noted *noted, struct notes *notes, const struct effects *fx,
                   uint64_t at_ms)
{
    for (; noted->ended < fx->ended_count; noted->ended++) {
        struct note note = { .type = NOTE_ENDED, .session = fx->ended[noted->ended],
                             .at_ms = at_ms };

        history_note(notes, &note);
    }
}

/* Answers that may be those of shared objects; the checker knows which are. */
static void
objects_note_send(struct notes *notes, struct slice message, uint64_t session, uint64_t at_ms)
{
    struct reader in = reader_of(message);
    uint32_t      bytes = read_u32(&in);
    struct note   note = { .type = NOTE_ANSWERED, .session = session,
                           .wire_type = read_u16(&in), .at_ms = at_ms };

    (void)read_u16(&in);
    note.request = read_u64(&in);
    if (note.wire_type == MSG_TYPE_OBJECT_DONE || note.wire_type == MSG_TYPE_OBJECT_OPENED ||
        note.wire_type == MSG_TYPE_ACK || note.wire_type == MSG_TYPE_ERROR)
        history_note_message(notes, note, read_raw(&in, bytes));
}

void
objects_note_effects(struct noted *noted, struct notes *notes, const struct effects *fx,
                     uint64_t at_ms)
{
    objects_note_ended(noted, notes, fx, at_ms);
    for (; noted->sends < fx->send_count; noted->sends++) {
        const struct effect_send *send = &fx->sends[noted->sends];

        objects_note_send(notes, slice_of(fx->out.data + send->offset, send->bytes), send->session,
                          at_ms);
    }
}
