/* cell.c - see cell.h */
#include "cell.h"

static_assert(KEY_BYTES_MAX >= BLOCK_ITEMS_MAX, "the flags of a whole block must fit a key");

static uint64_t
reference_id(struct slice value)
{
    struct reader in = reader_of(value);

    return read_u64(&in);
}

bool
cell_allowed(const struct core *core, const struct object *object, const struct act *act,
             struct slice value, bool is_reference, struct verdict *v)
{
    const struct object *other;

    if (value.bytes > VALUE_BYTES_MAX) {
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE, "%zu bytes; a value may have %u",
                      value.bytes, (unsigned)VALUE_BYTES_MAX);
        return false;
    }
    if (!is_reference)
        return true;
    if (value.bytes != REFERENCE_BYTES) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "a reference has 8 bytes");
        return false;
    }
    if (object->transient) {
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "it is transient and can keep no other object alive");
        return false;
    }
    other = object_find(core, reference_id(value));
    if (other == NULL || !object_tied(core, act->session, other)) {
        verdict_error(v, object, MUSTER_ERR_NOT_FOUND,
                      "object %llu, to refer to, is not open in this session",
                      (unsigned long long)reference_id(value));
        return false;
    }
    return true;
}

bool
may_make(const struct core *core, const struct object *object, struct verdict *v)
{
    if (core->objects.count < core->config.objects_max)
        return true;
    verdict_error(v, object, MUSTER_ERR_FULL, "the manager has no room for another object");
    return false;
}

static struct cell *
cell_new(struct core *core, struct object *object, struct slice value, bool is_reference)
{
    struct cell *cell = base_alloc(sizeof(*cell) + value.bytes);

    assert(value.bytes <= VALUE_BYTES_MAX);
    cell->bytes = (uint32_t)value.bytes;
    cell->is_reference = is_reference;
    if (value.bytes > 0)
        memcpy(cell->data, value.data, value.bytes);
    object_bytes(core, object, (int64_t)value.bytes + CELL_COST_BYTES);
    return cell;
}

struct cell *
cell_make(struct core *core, struct object *object, struct slice value, bool is_reference)
{
    struct object *other = NULL;

    if (value.bytes > VALUE_BYTES_MAX)
        return NULL;
    if (is_reference) {
        other = value.bytes == REFERENCE_BYTES ? object_find(core, reference_id(value)) : NULL;
        if (other == NULL || object->transient)
            return NULL;
        object_refer(core, other);
    }
    return cell_new(core, object, value, is_reference);
}

struct cell *
cell_copy(struct core *core, struct object *object, const struct cell *cell)
{
    struct object *other = NULL;

    if (cell->is_reference)
        other = object_find(core, reference_id(cell_slice(cell)));
    if (other != NULL)
        object_refer(core, other);
    return cell_new(core, object, cell_slice(cell), cell->is_reference);
}

void
cell_free(struct core *core, struct object *object, struct cell *cell)
{
    object_bytes(core, object, -((int64_t)cell->bytes + CELL_COST_BYTES));
    if (cell->is_reference)
        object_unrefer(core, reference_id(cell_slice(cell)));
    free(cell);
}

bool
cell_equals(const struct cell *cell, struct slice value, bool is_reference)
{
    return cell->is_reference == is_reference && slice_equal(cell_slice(cell), value);
}

void
cell_answer(const struct cell *cell, struct msg_object_done *answer)
{
    answer->value = cell_slice(cell);
    answer->is_reference = cell->is_reference;
}

void
cell_hand_over(struct core *core, const struct cell *cell, uint64_t session)
{
    struct object *other = NULL;

    if (cell->is_reference && session != 0)
        other = object_find(core, reference_id(cell_slice(cell)));
    if (other != NULL)
        object_tie(core, other, session);
}

void
cell_put(const struct cell *cell, struct buffer *out)
{
    write_u8(out, cell->is_reference);
    record_put_bytes(out, cell_slice(cell));
}

struct cell *
cell_get(struct core *core, struct object *object, struct reader *in)
{
    uint8_t      is_reference = read_u8(in);
    struct slice value = record_get_bytes(in, VALUE_BYTES_MAX);

    if (in->bad || is_reference > 1 || (is_reference == 1 && value.bytes != REFERENCE_BYTES)) {
        read_fail(in);
        return NULL;
    }
    return cell_new(core, object, value, is_reference == 1);
}

/* ---- several ---- */

bool
batch_of(const struct act *act, uint64_t count, uint32_t per, struct batch *batch_out)
{
    const uint8_t *flags = act->key.data;

    if (count > BLOCK_ITEMS_MAX || count * per > BLOCK_ITEMS_MAX ||
        wire_block_check_values(act->value, (uint32_t)count * per) != MUSTER_OK)
        return false;
    if (act->key.bytes != 0 && act->key.bytes != count)
        return false;
    for (size_t i = 0; i < act->key.bytes; i++)
        if (flags[i] > 1)
            return false;
    *batch_out = (struct batch){ act->value, act->key, (uint32_t)count };
    return true;
}

bool
cell_block_add_text(struct cell_block *block, struct slice text)
{
    return wire_block_add_value(&block->block, text);
}

bool
cell_block_add(struct cell_block *block, const struct cell *cell)
{
    if (!wire_block_add_value(&block->block, cell_slice(cell)))
        return false;
    write_u8(&block->flags, cell->is_reference);
    return true;
}

void
cell_block_answer(struct core *core, struct cell_block *block, struct msg_object_done *answer)
{
    size_t value_bytes;

    buffer_clear(&core->scratch);
    wire_block_put(&core->scratch, &block->block);
    value_bytes = core->scratch.bytes;
    buffer_append_slice(&core->scratch, buffer_slice(&block->flags));
    answer->value = slice_of(core->scratch.data, value_bytes);
    answer->key = slice_of(core->scratch.data + value_bytes, block->flags.bytes);
    wire_block_free(&block->block);
    buffer_free(&block->flags);
}

/* ---- verbs ---- */

static const struct data_verb *
data_verb(const struct data_verbs *verbs, uint32_t verb)
{
    uint32_t at = verb - verbs->first;

    return verb >= verbs->first && at < verbs->count ? &verbs->rows[at] : NULL;
}

static bool
carries_only(const struct act *act, uint32_t uses)
{
    uint32_t carried = (act->a != 0 ? USES_A : 0) | (act->b != 0 ? USES_B : 0) |
                       (act->c != 0 ? USES_C : 0) | (act->d != 0 ? USES_D : 0) |
                       (act->key.bytes > 0 ? USES_KEY : 0) |
                       (act->value.bytes > 0 ? USES_VALUE : 0) |
                       (act->is_reference ? USES_REFERENCE : 0);

    return (carried & ~uses) == 0;
}

void
data_decide(const struct data_verbs *verbs, struct core *core, struct object *object,
            const struct act *act, struct verdict *v)
{
    const struct data_verb *row = data_verb(verbs, act->verb);

    assert(row != NULL);
    v->kind = VERDICT_DO;
    if (!carries_only(act, row->uses)) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "%s carries something that it does not use",
                      wire_verb_rule(act->verb)->name);
        return;
    }
    if (row->decide != NULL)
        row->decide(core, object, act, v);
    assert(row->apply != NULL || v->kind != VERDICT_DO);
}

bool
data_apply(const struct data_verbs *verbs, struct core *core, struct object *object,
           const struct act *act, struct msg_object_done *answer)
{
    const struct data_verb *row = data_verb(verbs, act->verb);

    return row != NULL && row->apply != NULL && row->apply(core, object, act, answer);
}
