/* fuzz_main.c - run a harness over seeds, without a fuzzer
 *
 *   regress_NAME DIR...
 *
 * Every file is given as it is, cut at up to CUTS_MAX places, and spoiled
 * SPOILED times by a generator that starts from the file's bytes: the same
 * seeds give the same inputs on every machine.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "map.h"

#include "fuzz.h"

enum { CUTS_MAX = 256, SPOILED = 256, CHANGES_MAX = 4, FILE_BYTES_MAX = 1024 * 1024 };

static uint64_t inputs;

/* In a block of its own size, so that a sanitizer sees any read behind it. */
static void
run_one(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);

    if (copy == NULL)
        abort();
    if (bytes > 0)
        memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
    inputs++;
}

static uint64_t
run_random(uint64_t *seed)           /* splitmix64 */
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Change a few bytes: to an edge, by one bit, or to anything. */
static void
run_spoiled(const struct buffer *seed_bytes, uint64_t *seed)
{
    static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, ' ', '\n', '=' };
    uint8_t             *copy;
    uint64_t             changes = 1 + run_random(seed) % CHANGES_MAX;

    if (seed_bytes->bytes == 0)
        return;
    copy = malloc(seed_bytes->bytes);
    if (copy == NULL)
        abort();
    memcpy(copy, seed_bytes->data, seed_bytes->bytes);
    for (uint64_t i = 0; i < changes; i++) {
        uint8_t *at = copy + run_random(seed) % seed_bytes->bytes;
        uint64_t what = run_random(seed);

        if (what % 3 == 0)
            *at = edges[what / 3 % sizeof(edges)];
        else if (what % 3 == 1)
            *at = (uint8_t)(*at ^ 1u << (what / 3 % 8));
        else
            *at = (uint8_t)(what >> 8);
    }
    run_one(copy, seed_bytes->bytes);
    free(copy);
}

static void
run_file(const char *path)
{
    struct muster_error error = { 0 };
    struct buffer       bytes = { 0 };
    uint64_t            seed;
    size_t              step;

    if (file_read(path, FILE_BYTES_MAX, &bytes, &error) != MUSTER_OK) {
        fprintf(stderr, "%s\n", error.detail);
        exit(1);
    }
    seed = map_hash(buffer_slice(&bytes));
    step = bytes.bytes / CUTS_MAX + 1;
    run_one(bytes.data, bytes.bytes);
    for (size_t cut = 0; cut < bytes.bytes; cut += step)
        run_one(bytes.data, cut);
    for (int i = 0; i < SPOILED; i++)
        run_spoiled(&bytes, &seed);
    buffer_free(&bytes);
}

static void
run_dir(const char *name)
{
    DIR           *dir = opendir(name);
    struct dirent *entry;
    unsigned       files = 0;

    if (dir == NULL) {
        perror(name);
        exit(1);
    }
    while ((entry = readdir(dir)) != NULL) {
        struct buffer path = { 0 };

        if (entry->d_name[0] == '.')
            continue;
        buffer_printf(&path, "%s/%s", name, entry->d_name);
        run_file(buffer_text(&path));
        buffer_free(&path);
        files++;
    }
    closedir(dir);
    if (files == 0) {
        fprintf(stderr, "%s: no seeds in it\n", name);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIR...\n", argv[0]);
        return 2;
    }
    run_one(NULL, 0);
    for (int i = 1; i < argc; i++)
        run_dir(argv[i]);
    printf("%llu inputs\n", (unsigned long long)inputs);
    return 0;
}
