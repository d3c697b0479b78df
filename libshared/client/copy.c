/* copy.c - see copy.h */
#include "copy.h"

#include <stdlib.h>

#include "handle.h"

const char *
copy_text(const char *text)
{
    return text != NULL ? base_text_copy(slice_text(text)) : NULL;
}

const char *const *
copy_texts(const char *const *texts)
{
    const char **copy;
    size_t       count = 0;

    if (texts == NULL)
        return NULL;
    while (texts[count] != NULL)
        count++;
    copy = base_array(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = copy_text(texts[i]);
    return copy;
}

const struct muster_named *
copy_named(const struct muster_named *named, size_t count)
{
    struct muster_named *copy;

    if (named == NULL)
        return NULL;
    copy = base_array(count, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i].name = copy_text(named[i].name);
        copy[i].data = bytes_copy(slice_of(named[i].data, named[i].bytes));
        copy[i].bytes = named[i].bytes;
    }
    return copy;
}

void
copy_text_free(const void *text)
{
    free((void *)(uintptr_t)text);
}

void
copy_texts_free(const char *const *texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        copy_text_free(texts[i]);
    copy_text_free(texts);
}

void
copy_named_free(const struct muster_named *named, size_t count)
{
    for (size_t i = 0; named != NULL && i < count; i++) {
        copy_text_free(named[i].name);
        copy_text_free(named[i].data);
    }
    copy_text_free(named);
}
