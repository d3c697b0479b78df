/* list_sort.c - the order of a shared list's items
 *
 *   bytes      as memcmp does, the shorter first where one begins like the other
 *   integers   8 bytes each
 *   doubles    8 bytes each; NaN stands last, whichever the direction
 *   decimals   text: a sign, digits, a point, digits ("-12", "+0.50", ".5"), of any
 *              length and compared exactly; no exponent and no blanks
 *
 * 1. Equals keep their order, also when the direction is descending.
 */
#include "list_cells.h"

#include <math.h>

struct decimal {
    const uint8_t *whole, *fraction;       /* without zeros at the outer ends */
    uint32_t       whole_bytes, fraction_bytes;
    bool           negative;
};

struct sort_key {
    struct cell *cell;
    uint32_t     index;            /* as it was */
    union {
        int64_t        integer;
        double         number;
        struct decimal decimal;
    };
};

/* ---- keys ---- */

static bool
key_of_bytes(struct sort_key *key)
{
    (void)key;
    return true;
}

static bool
key_of_integer(struct sort_key *key)
{
    struct reader in = reader_of(cell_slice(key->cell));

    key->integer = read_i64(&in);
    return read_ended(&in);
}

static bool
key_of_double(struct sort_key *key)
{
    struct reader in = reader_of(cell_slice(key->cell));
    uint64_t      bits = read_u64(&in);

    memcpy(&key->number, &bits, sizeof(bits));
    return read_ended(&in);
}

static uint32_t
digits_at(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *first = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (uint32_t)(at - first);
}

static bool
key_of_decimal(struct sort_key *key)
{
    const uint8_t *at = key->cell->data;
    const uint8_t *end = at + key->cell->bytes;
    struct decimal d = { 0 };

    if (at < end && (*at == '-' || *at == '+'))
        d.negative = *at++ == '-';
    d.whole = at;
    d.whole_bytes = digits_at(at, end);
    at += d.whole_bytes;
    if (at < end && *at == '.')
        at++;
    d.fraction = at;
    d.fraction_bytes = digits_at(at, end);
    at += d.fraction_bytes;
    if (at != end || d.whole_bytes + d.fraction_bytes == 0)
        return false;
    for (; d.whole_bytes > 0 && *d.whole == '0'; d.whole_bytes--)
        d.whole++;
    while (d.fraction_bytes > 0 && d.fraction[d.fraction_bytes - 1] == '0')
        d.fraction_bytes--;
    if (d.whole_bytes + d.fraction_bytes == 0)
        d.negative = false;        /* -0 is 0 */
    key->decimal = d;
    return true;
}

/* ---- comparison: below zero, zero, above ---- */

static int
bytes_compare(const uint8_t *a, uint32_t a_bytes, const uint8_t *b, uint32_t b_bytes)
{
    uint32_t both = a_bytes < b_bytes ? a_bytes : b_bytes;
    int      order = both > 0 ? memcmp(a, b, both) : 0;

    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int
compare_bytes(const struct sort_key *a, const struct sort_key *b)
{
    return bytes_compare(a->cell->data, a->cell->bytes, b->cell->data, b->cell->bytes);
}

static int
compare_integers(const struct sort_key *a, const struct sort_key *b)
{
    return (a->integer > b->integer) - (a->integer < b->integer);
}

static int
compare_doubles(const struct sort_key *a, const struct sort_key *b)
{
    return (a->number > b->number) - (a->number < b->number);
}

static int
compare_decimals(const struct sort_key *key_a, const struct sort_key *key_b)
{
    const struct decimal *a = &key_a->decimal, *b = &key_b->decimal;
    int                   order;

    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    order = (a->whole_bytes > b->whole_bytes) - (a->whole_bytes < b->whole_bytes);
    if (order == 0)
        order = bytes_compare(a->whole, a->whole_bytes, b->whole, b->whole_bytes);
    if (order == 0)
        order = bytes_compare(a->fraction, a->fraction_bytes, b->fraction, b->fraction_bytes);
    return a->negative ? -order : order;
}

static const struct {
    bool (*key)(struct sort_key *key);     /* false: it is no such number */
    int  (*compare)(const struct sort_key *a, const struct sort_key *b);
} kinds[SORT_KINDS] = {
    [SORT_BYTES]    = { key_of_bytes,   compare_bytes },
    [SORT_INTEGERS] = { key_of_integer, compare_integers },
    [SORT_DOUBLES]  = { key_of_double,  compare_doubles },
    [SORT_DECIMALS] = { key_of_decimal, compare_decimals },
};

/* ---- sort ---- */

struct sort_way {
    enum list_sort by;
    bool           descending;
};

static int
sort_order(const void *left, const void *right, void *context)
{
    const struct sort_way *way = context;
    const struct sort_key *a = left, *b = right;
    int                    order = 0;

    if (way->by == SORT_DOUBLES && (isnan(a->number) || isnan(b->number))) {
        order = (isnan(a->number) != 0) - (isnan(b->number) != 0);
    } else {
        order = kinds[way->by].compare(a, b);
        if (way->descending)
            order = -order;
    }
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static bool
sort_key(const struct cells *cells, enum list_sort by, uint32_t index, struct sort_key *key_out)
{
    *key_out = (struct sort_key){ .cell = *cells_at(cells, index), .index = index };
    return !key_out->cell->is_reference && kinds[by].key(key_out);
}

uint32_t
list_sort_check(const struct cells *cells, enum list_sort by)
{
    struct sort_key key;

    assert(by < SORT_KINDS);
    for (uint32_t i = 0; i < cells->count; i++)
        if (!sort_key(cells, by, i, &key))
            return i;
    return UINT32_MAX;
}

void
list_sort(struct cells *cells, enum list_sort by, bool descending)
{
    struct sort_key *keys = base_array(cells->count, sizeof(*keys));
    struct sort_way  way = { by, descending };

    for (uint32_t i = 0; i < cells->count; i++) {
        bool good = sort_key(cells, by, i, &keys[i]);

        assert(good);
    }
    qsort_r(keys, cells->count, sizeof(*keys), sort_order, &way);
    for (uint32_t i = 0; i < cells->count; i++)
        *cells_at(cells, i) = keys[i].cell;
    free(keys);
}
