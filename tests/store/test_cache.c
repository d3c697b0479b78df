/* test_cache.c - bodies in memory: what stays and what goes
 *
 * Method: a script of calls on a cache with room for three bodies of 1000
 * bytes; `left` lists what can be found afterwards (job.number).
 *   +J.N add   *J.N add pinned   -J.N unpin   ?J.N use   /J prune
 */
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "stories.h"

enum { CACHE_JOBS = 4, CACHE_NUMBERS = 8, CACHE_BODY_BYTES = 1000 };

struct cache_story {
    const char *story;
    const char *script;
    const char *left;
};

static const struct cache_story cache_stories[] = {
    { "room for all", "+1.1 +1.2 +2.1", "1.1 1.2 2.1 " },
    { "the longest unused goes", "+1.1 +1.2 +1.3 +1.4", "1.2 1.3 1.4 " },
    { "use keeps it", "+1.1 +1.2 +1.3 ?1.1 +1.4", "1.1 1.3 1.4 " },
    { "a pin keeps it, whatever the budget", "*1.1 *1.2 *1.3 *1.4 *1.5 -1.1 -1.2 -1.3 -1.4 -1.5",
      "1.3 1.4 1.5 " },
    { "pinned ones push the others out", "+1.1 *1.2 *1.3 *1.4 +2.1 -1.2 -1.3 -1.4",
      "1.2 1.3 1.4 " },
    { "a prune drops one job", "+1.1 +1.2 +2.1 /1", "2.1 " },
    { "a prune of a pinned body", "*1.1 *2.1 /1 -1.1 -2.1", "2.1 " },
    { "a prune of nothing", "+1.1 /3", "1.1 " },
    { "a name used again", "+1.1 +1.1 +1.1 +1.1", "1.1 " },
    { "a pinned name used again", "*1.1 +1.1 -1.1", "1.1 " },
};

static void
cache_do(struct cache *cache, struct cache_body *pins[CACHE_JOBS][CACHE_NUMBERS],
         const char *word)
{
    static const uint8_t bytes[CACHE_BODY_BYTES];
    unsigned             job = 0, number = 0;

    (void)sscanf(word + 1, "%u.%u", &job, &number);
    assert_true(job < CACHE_JOBS && number < CACHE_NUMBERS);
    switch (word[0]) {
    case '+':
        assert_null(cache_add(cache, job, number, slice_of(bytes, sizeof(bytes)), false));
        break;
    case '*':
        pins[job][number] = cache_add(cache, job, number, slice_of(bytes, sizeof(bytes)), true);
        break;
    case '-':
        cache_unpin(cache, pins[job][number]);
        break;
    case '?':
        assert_non_null(cache_get(cache, job, number));
        break;
    case '/':
        cache_prune(cache, job);
        break;
    default:
        fail_msg("%s", word);
    }
}

static void
test_cache(void **state)
{
    const struct cache_story *story = *state;
    struct cache_body        *pins[CACHE_JOBS][CACHE_NUMBERS] = { 0 };
    struct cache              cache;
    struct buffer             left = { 0 };
    char                      script[128];
    char                     *rest = script;
    const char               *word;

    strcpy(script, story->script);
    cache_init(&cache, 3 * (CACHE_BODY_BYTES + 200));
    while ((word = strsep(&rest, " ")) != NULL)
        cache_do(&cache, pins, word);
    for (uint64_t job = 0; job < CACHE_JOBS; job++)
        for (uint64_t number = 0; number < CACHE_NUMBERS; number++)
            if (cache_get(&cache, job, number) != NULL)
                buffer_printf(&left, "%llu.%llu ", (unsigned long long)job,
                              (unsigned long long)number);
    assert_string_equal(buffer_text(&left), story->left);
    buffer_free(&left);
    cache_free(&cache);
}

int
main(void)
{
    return STORIES("store: the cache", cache_stories, test_cache);
}
