/* idset.c - see idset.h
 *
 * 1. Pages ascend by number and none is empty.
 * 2. words == NULL exactly when count == PAGE_BITS.
 * 3. The set's count is the sum of its pages' counts.
 */
#include "idset.h"

#include <assert.h>
#include <stdlib.h>

#include "reader.h"
#include "writer.h"

#define PAGE_BITS  4096u
#define PAGE_WORDS (PAGE_BITS / 64)

void
idset_free(struct idset *set)
{
    for (uint32_t i = 0; i < set->page_count; i++)
        free(set->pages[i].words);
    free(set->pages);
    *set = (struct idset){ 0 };
}

/* Index of the first page whose number is >= `number`; page_count if none is. */
static uint32_t
idset_find(const struct idset *set, uint32_t number)
{
    uint32_t low = 0;
    uint32_t high = set->page_count;

    /* Tasks end roughly in order, so most questions are about the last page. */
    if (high > 0 && set->pages[high - 1].number <= number)
        return set->pages[high - 1].number == number ? high - 1 : high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (set->pages[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct idset_page *
idset_page_of(const struct idset *set, uint32_t member)
{
    uint32_t index = idset_find(set, member / PAGE_BITS);

    if (index == set->page_count || set->pages[index].number != member / PAGE_BITS)
        return NULL;
    return &set->pages[index];
}

static struct idset_page *
idset_page_insert(struct idset *set, uint32_t number)
{
    uint32_t index = idset_find(set, number);
    void    *items = set->pages;

    base_grow(&items, &set->page_capacity, set->page_count + 1, sizeof(*set->pages));
    set->pages = items;
    memmove(&set->pages[index + 1], &set->pages[index],
            (set->page_count - index) * sizeof(*set->pages));
    set->pages[index] = (struct idset_page){ .number = number };
    set->pages[index].words = base_array(PAGE_WORDS, sizeof(uint64_t));
    set->page_count++;
    return &set->pages[index];
}

static void
idset_page_delete(struct idset *set, struct idset_page *page)
{
    size_t index = (size_t)(page - set->pages);

    free(page->words);
    set->page_count--;
    memmove(page, page + 1, (set->page_count - index) * sizeof(*page));
}

static void
idset_page_fill(struct idset_page *page)
{
    free(page->words);
    page->words = NULL;
    page->count = PAGE_BITS;
}

static bool
idset_page_has(const struct idset_page *page, uint32_t bit)
{
    return page->words == NULL || (page->words[bit / 64] >> (bit % 64) & 1) != 0;
}

bool
idset_has(const struct idset *set, uint32_t number)
{
    const struct idset_page *page = idset_page_of(set, number);

    return page != NULL && idset_page_has(page, number % PAGE_BITS);
}

bool
idset_add(struct idset *set, uint32_t number)
{
    struct idset_page *page = idset_page_of(set, number);
    uint32_t           bit = number % PAGE_BITS;

    if (page == NULL)
        page = idset_page_insert(set, number / PAGE_BITS);
    else if (idset_page_has(page, bit))
        return false;
    page->words[bit / 64] |= (uint64_t)1 << (bit % 64);
    page->count++;
    set->count++;
    if (page->count == PAGE_BITS)
        idset_page_fill(page);
    return true;
}

bool
idset_remove(struct idset *set, uint32_t number)
{
    struct idset_page *page = idset_page_of(set, number);
    uint32_t           bit = number % PAGE_BITS;

    if (page == NULL || !idset_page_has(page, bit))
        return false;
    if (page->words == NULL) {
        page->words = base_array(PAGE_WORDS, sizeof(uint64_t));
        memset(page->words, 0xff, PAGE_WORDS * sizeof(uint64_t));
    }
    page->words[bit / 64] &= ~((uint64_t)1 << (bit % 64));
    page->count--;
    set->count--;
    if (page->count == 0)
        idset_page_delete(set, page);
    return true;
}

void
idset_add_range(struct idset *set, uint32_t from, uint32_t last)
{
    uint64_t at = from;

    assert(from <= last);
    while (at <= last) {
        struct idset_page *page;

        if (at % PAGE_BITS != 0 || last - at < PAGE_BITS - 1) {
            idset_add(set, (uint32_t)at++);
            continue;
        }
        page = idset_page_of(set, (uint32_t)at);
        if (page == NULL)
            page = idset_page_insert(set, (uint32_t)at / PAGE_BITS);
        set->count += PAGE_BITS - page->count;
        idset_page_fill(page);
        at += PAGE_BITS;
    }
}

void
idset_remove_range(struct idset *set, uint32_t from, uint32_t last)
{
    uint64_t end = (uint64_t)last + 1;
    uint32_t first = idset_find(set, from / PAGE_BITS);
    uint32_t kept = first;

    assert(from <= last);
    for (uint32_t i = first; i < set->page_count; i++) {
        struct idset_page *page = &set->pages[i];
        uint64_t           begin = (uint64_t)page->number * PAGE_BITS;

        if (begin >= from && begin + PAGE_BITS <= end) {
            set->count -= page->count;
            free(page->words);
            continue;
        }
        set->pages[kept++] = *page;
    }
    set->page_count = kept;
    /* What is left of the range lies in its first and its last page. */
    for (uint64_t at = from; at < end && at / PAGE_BITS == from / PAGE_BITS; at++)
        idset_remove(set, (uint32_t)at);
    for (uint64_t at = last; at > from && at / PAGE_BITS == last / PAGE_BITS; at--)
        idset_remove(set, (uint32_t)at);
}

/* The first bit >= `bit` whose value is `value`; PAGE_BITS when there is none. */
static uint32_t
idset_page_scan(const struct idset_page *page, uint32_t bit, bool value)
{
    if (page->words == NULL)
        return value ? bit : PAGE_BITS;
    while (bit < PAGE_BITS) {
        uint64_t word = value ? page->words[bit / 64] : ~page->words[bit / 64];

        word >>= bit % 64;
        if (word != 0)
            return bit + (uint32_t)__builtin_ctzll(word);
        bit = (bit / 64 + 1) * 64;
    }
    return PAGE_BITS;
}

bool
idset_next(const struct idset *set, uint32_t from, uint32_t *number_out)
{
    uint32_t bit = from % PAGE_BITS;

    for (uint32_t i = idset_find(set, from / PAGE_BITS); i < set->page_count; i++) {
        const struct idset_page *page = &set->pages[i];

        bit = idset_page_scan(page, page->number == from / PAGE_BITS ? bit : 0, true);
        if (bit < PAGE_BITS) {
            *number_out = page->number * PAGE_BITS + bit;
            return true;
        }
    }
    return false;
}

/* The end (first number beyond) of the run that `from` belongs to, as far as
 * `enough`: what lies behind need not be looked at. */
static uint64_t
idset_run_until(const struct idset *set, uint32_t from, uint64_t enough)
{
    uint64_t at = from;

    for (uint32_t i = idset_find(set, from / PAGE_BITS); i < set->page_count && at < enough; i++) {
        const struct idset_page *page = &set->pages[i];
        uint32_t                 bit;

        if (page->number != at / PAGE_BITS)
            break;
        bit = idset_page_scan(page, (uint32_t)(at % PAGE_BITS), false);
        at = (uint64_t)page->number * PAGE_BITS + bit;
        if (bit < PAGE_BITS)
            break;
    }
    return at;
}

uint64_t
idset_run_end(const struct idset *set, uint32_t from)
{
    return idset_run_until(set, from, UINT64_MAX);
}

uint32_t
idset_run(const struct idset *set, uint32_t from, uint32_t max)
{
    uint64_t count = idset_run_until(set, from, (uint64_t)from + max) - from;

    return count < max ? (uint32_t)count : max;
}

static uint64_t
idset_write_runs(const struct idset *set, struct buffer *out)
{
    uint64_t runs = 0;
    uint64_t end = 0;
    uint32_t start;

    while (end <= UINT32_MAX && idset_next(set, (uint32_t)end, &start)) {
        uint64_t gap = start - end;

        end = idset_run_end(set, start);
        runs++;
        if (out != NULL) {
            write_varint(out, gap);
            write_varint(out, end - start);
        }
    }
    return runs;
}

void
idset_write(const struct idset *set, struct buffer *out)
{
    write_varint(out, idset_write_runs(set, NULL));
    idset_write_runs(set, out);
}

bool
idset_read(struct idset *set, struct reader *in)
{
    uint64_t runs = read_varint(in);
    uint64_t end = 0;

    idset_free(set);
    for (uint64_t i = 0; i < runs && !in->bad; i++) {
        uint64_t gap = read_varint(in);
        uint64_t length = read_varint(in);

        if (in->bad || (i > 0 && gap == 0) || length == 0 || end > UINT32_MAX
            || gap > UINT32_MAX - end
            || length > (uint64_t)UINT32_MAX + 1 - end - gap) {
            read_fail(in);
            break;
        }
        idset_add_range(set, (uint32_t)(end + gap), (uint32_t)(end + gap + length - 1));
        end += gap + length;
    }
    if (in->bad)
        idset_free(set);
    return !in->bad;
}
