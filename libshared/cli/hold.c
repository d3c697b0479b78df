/* hold.c - see hold.h */
#include "hold.h"

#include <stdlib.h>
#include <string.h>

static uint64_t
held_bytes(const struct held *held)
{
    return held->noted ? sizeof(*held)
                       : sizeof(*held) + held->result.out_bytes + held->result.err_bytes;
}

static const char *
held_copy(char **at, const void *data, size_t bytes)
{
    char *place = *at;

    if (bytes > 0)
        memcpy(place, data, bytes);
    place[bytes] = '\0';
    *at += bytes + 1;
    return place;
}

/* One allocation: the struct, then the texts and outputs it points to. */
static struct held *
held_make(const struct muster_result *result, bool noted)
{
    size_t texts = strlen(result->worker) + strlen(result->host) + strlen(result->reason) + 3;
    size_t bytes = sizeof(struct held);
    struct held *held;
    char        *at;

    if (!noted)
        bytes += texts + result->out_bytes + result->err_bytes + 2;
    held = base_alloc(bytes);
    held->index = result->index;
    held->count = result->count;
    held->noted = noted;
    if (noted)
        return held;
    held->result = *result;
    at = (char *)(held + 1);
    held->result.worker = held_copy(&at, result->worker, strlen(result->worker));
    held->result.host = held_copy(&at, result->host, strlen(result->host));
    held->result.reason = held_copy(&at, result->reason, strlen(result->reason));
    held->result.out = held_copy(&at, result->out, result->out_bytes);
    held->result.err = held_copy(&at, result->err, result->err_bytes);
    return held;
}

void
hold_put(struct hold *hold, const struct muster_result *result)
{
    uint64_t     more = sizeof(struct held) + result->out_bytes + result->err_bytes;
    /* A result of many cancelled tasks cannot be fetched as one again. */
    bool         noted = result->count <= 1 && hold->bytes + more > hold->bytes_max;
    struct held *held = held_make(result, noted);

    held_free(hold_take(hold, result->index));
    hold->bytes += held_bytes(held);
    map_put(&hold->by_index, result->index, held);
}

struct held *
hold_take(struct hold *hold, uint32_t index)
{
    struct held *held = map_remove(&hold->by_index, index);

    if (held != NULL)
        hold->bytes -= held_bytes(held);
    return held;
}

void
held_free(struct held *held)
{
    free(held);
}

static int
index_compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

uint32_t *
hold_indexes(const struct hold *hold, size_t *count_out)
{
    uint32_t *indexes = base_array(hold->by_index.count + 1, sizeof(*indexes));
    size_t    cursor = 0;
    size_t    count = 0;
    uint64_t  key;

    while (map_next(&hold->by_index, &cursor, &key) != NULL)
        indexes[count++] = (uint32_t)key;
    qsort(indexes, count, sizeof(*indexes), index_compare);
    *count_out = count;
    return indexes;
}

void
hold_free(struct hold *hold)
{
    size_t   cursor = 0;
    uint64_t key;

    for (struct held *held; (held = map_next(&hold->by_index, &cursor, &key)) != NULL;)
        held_free(held);
    map_free(&hold->by_index);
    *hold = (struct hold){ 0 };
}
