/* data_nouns.h - requests to shared lists and dicts, as words */
#ifndef DATA_NOUNS_H
#define DATA_NOUNS_H

#include "data_world.h"

/* ---- lists ---- */

enum { END = INT64_MAX };

static inline struct msg_object_do
list_do(uint64_t list, unsigned verb, int64_t a, int64_t b, const char *value)
{
    return (struct msg_object_do){ .object = list, .verb = (uint8_t)verb, .a = (uint64_t)a,
                                   .b = (uint64_t)b, .value = slice_text(value) };
}

static inline struct msg_object_do
list_batch(struct data *data, uint64_t list, unsigned verb, int64_t a, int64_t b,
           const char *words)
{
    struct msg_object_do m = list_do(list, verb, a, b, "");
    uint32_t             count = data_block(data, words);

    m.value = buffer_slice(&data->block);
    if (memchr(words, '*', strlen(words)) != NULL)
        m.key = buffer_slice(&data->flags);
    if (verb == VERB_LIST_EXTEND)
        m.a = count;
    else
        m.c = count;
    return m;
}

/* Everything that is in it, as words. */
static inline const char *
list_words(struct data *data, uint64_t list)
{
    struct msg_object_done done = data_done(data, data->ann,
                                            list_do(list, VERB_LIST_SLICE, 0, END, ""));
    const char            *words = data_words(data, &done, (uint32_t)done.b, 1);

    assert_int_equal(done.a, done.b);
    done = data_done(data, data->ann, list_do(list, VERB_LIST_LEN, 0, 0, ""));
    return words;
}

static inline uint64_t
list_new(struct data *data, const char *name, const char *words)
{
    uint64_t list = data_open(data, data->ann, NOUN_LIST, name, 0, 0);

    if (*words != 0)
        data_done(data, data->ann, list_batch(data, list, VERB_LIST_EXTEND, 0, 0, words));
    return list;
}

static inline struct msg_object_do
list_refer(struct data *data, uint64_t list, unsigned verb, int64_t a, uint64_t object)
{
    struct msg_object_do m = list_do(list, verb, a, 0, "");

    m.value = data_u64(data, object);
    m.is_reference = 1;
    return m;
}

/* ---- dicts ---- */

enum { KEYS = 1, VALUES = 2, BOTH = 3 };       /* of ITEMS */

static inline struct msg_object_do
dict_do(uint64_t dict, unsigned verb, const char *key, const char *value)
{
    return (struct msg_object_do){ .object = dict, .verb = (uint8_t)verb, .key = slice_text(key),
                                   .value = slice_text(value) };
}

static inline struct msg_object_do
dict_update(struct data *data, uint64_t dict, const char *words)
{
    struct msg_object_do m = dict_do(dict, VERB_DICT_UPDATE, "", "");

    m.a = data_block(data, words) / 2;
    m.value = buffer_slice(&data->block);
    return m;
}

static inline const char *
dict_words(struct data *data, uint64_t dict)
{
    struct msg_object_do   m = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct msg_object_done done;

    m.b = BOTH;
    done = data_done(data, data->ann, m);
    assert_int_equal(done.a, 0);
    return data_words(data, &done, (uint32_t)done.b, 2);
}

static inline uint64_t
dict_new_of(struct data *data, const char *name, const char *words)
{
    uint64_t dict = data_open(data, data->ann, NOUN_DICT, name, 0, 0);

    if (*words != 0)
        data_done(data, data->ann, dict_update(data, dict, words));
    return dict;
}

static inline struct msg_object_do
dict_refer(struct data *data, uint64_t dict, unsigned verb, const char *key, uint64_t object)
{
    struct msg_object_do m = dict_do(dict, verb, key, "");

    m.value = data_u64(data, object);
    m.is_reference = 1;
    return m;
}

/* ---- chance, from a seed ---- */

static inline uint32_t
data_random(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

#endif
