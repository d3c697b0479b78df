/* manager_notes.c - see manager_notes.h */
#include "manager_notes.h"

bool
notes_answer(const struct effects *fx, uint32_t first, uint64_t session, uint64_t request,
             uint16_t *type_out, union wire_any *m_out)
{
    for (uint32_t i = first; i < fx->send_count; i++) {
        struct reader in = reader_of(slice_of(fx->out.data + fx->sends[i].offset,
                                              fx->sends[i].bytes));
        uint32_t      bytes = read_u32(&in);
        uint16_t      type = read_u16(&in);

        read_u16(&in);
        if (read_u64(&in) != request || fx->sends[i].session != session)
            continue;
        if (wire_decode_any(type, read_raw(&in, bytes), m_out) != MUSTER_OK)
            return false;
        *type_out = type;
        return true;
    }
    return false;
}

uint64_t
notes_key_number(struct slice key)
{
    struct reader in = reader_of(key);

    return read_u64(&in);
}

/* The one range that it names, or all tasks. */
static void
note_range(struct note *note, const struct wire_list *list)
{
    struct reader     in = reader_of(list->bytes);
    struct wire_range range;

    note->all = list->count == 0;
    if (list->count > 0 && wire_get_range(&in, &range)) {
        note->first = range.first;
        note->last = range.last;
    }
}

static void
note_finish(struct note *note, const struct msg_task_finish *m, uint16_t type,
            const union wire_any *answer)
{
    note->type = NOTE_FINISHED;
    note->job = m->token.job;
    note->token = m->token;
    note->answer = type == MSG_TYPE_ERROR ? error_from_number(answer->error.code) : MUSTER_OK;
    note->outcome = m->result.outcome;
}

void
notes_of_answer(struct notes *notes, const struct note *stamp, struct history *history,
                uint16_t asked, const union wire_any *m, uint16_t type,
                const union wire_any *answer)
{
    struct note note = *stamp;

    if (asked == MSG_TYPE_TASK_FINISH) {
        note_finish(&note, &m->task_finish, type, answer);
    } else if (asked == MSG_TYPE_TASK_KEY && type == MSG_TYPE_ACK) {
        note.type = NOTE_KEYED;
        note.job = m->task_key.token.job;
        note.token = m->task_key.token;
        note.number = notes_key_number(m->task_key.key);
    } else if (asked == MSG_TYPE_JOB_SUBMIT && type == MSG_TYPE_JOB_SUBMITTED) {
        note.type = NOTE_SUBMITTED;
        note.job = answer->job_submitted.job;
        note.existed = answer->job_submitted.existed;
        note.plan = history_plan_named(history, m->job_submit.name);
    } else if (asked == MSG_TYPE_JOB_CANCEL && type == MSG_TYPE_ACK) {
        note.type = NOTE_CANCELLED;
        note.job = m->job_cancel.job;
        note.waiting_only = m->job_cancel.waiting_only;
        note_range(&note, &m->job_cancel.tasks);
    } else if (asked == MSG_TYPE_JOB_RETRY && type == MSG_TYPE_ACK && answer->ack.value > 0) {
        note.type = NOTE_RETRIED;
        note.job = m->job_retry.job;
        note.failed_only = m->job_retry.failed_only;
        note_range(&note, &m->job_retry.tasks);
    } else {
        return;
    }
    history_note(notes, &note);
}
