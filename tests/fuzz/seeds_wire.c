/* seeds_wire.c - write the seeds that come from messages.def
 *
 *   seeds_wire DIR
 *
 * DIR/frame, DIR/message, DIR/item and DIR/block get one file per kind of
 * thing and way of filling it.  The seeds that are text lie in tests/fuzz/seeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/wire/fill.h"

enum { SEED_BYTES_MAX = 8192 };        /* larger ones only slow the fuzzer down */

static const char *seeds_dir;

static void
seeds_fail(const char *path)
{
    fprintf(stderr, "seeds_wire: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void
seeds_folder(const char *name)
{
    struct buffer path = { 0 };

    buffer_printf(&path, "%s/%s", seeds_dir, name);
    if (mkdir(buffer_text(&path), 0755) != 0 && errno != EEXIST)
        seeds_fail(buffer_text(&path));
    buffer_free(&path);
}

/* DIR/folder/name: `head`, then `rest`. */
static void
seeds_put(const char *folder, const char *name, const struct buffer *head, struct slice rest)
{
    struct buffer path = { 0 };
    struct buffer bytes = { 0 };
    int           fd;

    buffer_append_slice(&bytes, buffer_slice(head));
    buffer_append_slice(&bytes, rest);
    if (bytes.bytes <= SEED_BYTES_MAX) {
        buffer_printf(&path, "%s/%s/%s", seeds_dir, folder, name);
        fd = open(buffer_text(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, bytes.data, bytes.bytes) != (ssize_t)bytes.bytes || close(fd) != 0)
            seeds_fail(buffer_text(&path));
    }
    buffer_free(&path);
    buffer_free(&bytes);
}

static void
seeds_message(uint8_t place, enum fill_mode mode)
{
    const char    *name = wire_rule(fill_types[place])->name;
    struct fill    fill = { .mode = mode, .seed = place };
    struct buffer  head = { 0 };
    struct buffer  bytes = { 0 };
    struct buffer  file = { 0 };
    union wire_any any;

    buffer_printf(&file, "%s-%d", name, (int)mode);
    fill_any(&fill, fill_types[place], &any);
    wire_frame_begin(&bytes);
    wire_put_any(&bytes, fill_types[place], place, &any);
    wire_frame_end(&bytes, 1);
    seeds_put("frame", buffer_text(&file), &head, buffer_slice(&bytes));

    write_u8(&head, place);
    seeds_put("message", buffer_text(&file), &head,
              slice_cut(buffer_slice(&bytes), FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES, SIZE_MAX));
    buffer_free(&head);
    buffer_free(&bytes);
    buffer_free(&file);
    fill_free(&fill);
}

static void
seeds_item(uint8_t place, enum fill_mode mode, const char *name,
           void (*append)(struct fill *fill, struct buffer *out))
{
    struct fill   fill = { .mode = mode, .seed = place };
    struct buffer head = { 0 };
    struct buffer bytes = { 0 };
    struct buffer file = { 0 };

    buffer_printf(&file, "%s-%d", name, (int)mode);
    write_u8(&head, place);
    append(&fill, &bytes);
    seeds_put("item", buffer_text(&file), &head, buffer_slice(&bytes));
    buffer_free(&head);
    buffer_free(&bytes);
    buffer_free(&file);
    fill_free(&fill);
}

static void
seeds_block(uint16_t items)
{
    struct wire_block block = { 0 };
    struct buffer     head = { 0 };
    struct buffer     bytes = { 0 };
    struct buffer     file = { 0 };

    for (uint16_t i = 0; i < items; i++)
        wire_block_add(&block, slice_cut(slice_text("/usr/include/stdio.h"), 0, i % 21u));
    wire_block_put(&bytes, &block);
    write_u16(&head, items);
    buffer_printf(&file, "block-%u", items);
    seeds_put("block", buffer_text(&file), &head, buffer_slice(&bytes));
    wire_block_free(&block);
    buffer_free(&head);
    buffer_free(&bytes);
    buffer_free(&file);
}

int
main(int argc, char **argv)
{
    static const char *const folders[] = { "", "frame", "message", "item", "block" };
    uint8_t                  place = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: seeds_wire DIR\n");
        return 2;
    }
    seeds_dir = argv[1];
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        seeds_folder(folders[i]);
    for (uint8_t i = 0; i < FILL_TYPES; i++) {
        seeds_message(i, FILL_LEAST);
        seeds_message(i, FILL_MOST);
        seeds_message(i, FILL_MIXED);
    }
#define SEEDS_ITEM(NAME, name)                                    \
    seeds_item(place, FILL_LEAST, #name, fill_append_##name);     \
    seeds_item(place, FILL_MIXED, #name, fill_append_##name);     \
    place++;
    WIRE_ITEMS(SEEDS_ITEM)
    for (uint16_t items = 0; items < 40; items = (uint16_t)(items * 2 + 1))
        seeds_block(items);
    return 0;
}
