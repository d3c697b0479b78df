/* disk.c - see disk.h */
#include "disk.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "heap.h"

enum { DISK_SECTOR = 512, DISK_NAME_BYTES = 512 };

/* Something that is not synced: bytes within one sector, or a new size. */
struct disk_piece {
    struct list link;
    bool        is_size;
    uint64_t    offset;            /* or the size */
    size_t      bytes;
    uint8_t     data[DISK_SECTOR];
};

struct disk_file {
    struct list   link;
    char          name[DISK_NAME_BYTES];
    bool          there;           /* a reader sees it */
    bool          lasts;           /* its name survives a power cut */
    struct buffer now;
    struct buffer durable;
    struct list   pieces;          /* in the order of the calls */
};

struct disk {
    sqlite3_vfs     vfs;
    sqlite3_vfs    *below;
    struct list     files;
    uint64_t        seed;
    uint64_t        draws;
    uint64_t        operations;
    enum disk_event event;
    uint64_t        event_at;
    bool            happened;
    bool            lie;
};

struct disk_handle {
    sqlite3_file      file;
    struct disk      *disk;
    struct disk_file *of;
};

uint64_t
disk_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b + 0x632be59bd9b4e019u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t
disk_draw(struct disk *disk, uint64_t below)
{
    return disk_mix(disk->seed, disk->draws++) % below;
}

/* ---- bytes ---- */

static void
disk_resize(struct buffer *bytes, uint64_t size)
{
    if (size > bytes->bytes) {
        size_t more = (size_t)size - bytes->bytes;

        memset(buffer_extend(bytes, more), 0, more);
    }
    bytes->bytes = (size_t)size;
}

static void
disk_put(struct buffer *bytes, uint64_t offset, const void *data, size_t count)
{
    if (offset + count > bytes->bytes)
        disk_resize(bytes, offset + count);
    memcpy(bytes->data + offset, data, count);
}

static void
disk_keep_piece(struct disk_file *file, const struct disk_piece *piece, size_t bytes)
{
    if (piece->is_size)
        disk_resize(&file->durable, piece->offset);
    else
        disk_put(&file->durable, piece->offset, piece->data, bytes);
}

/* The power goes, or a sync failed: whole, torn, or gone; a hole may hold anything. */
static void
disk_decide_piece(struct disk *disk, struct disk_file *file, const struct disk_piece *piece,
                  enum disk_loss loss)
{
    uint64_t fate = disk_draw(disk, 8);

    if (loss == LOSS_ALL || fate < 4)
        return;
    if (fate < 7 || piece->is_size)
        disk_keep_piece(file, piece, piece->bytes);
    else
        disk_keep_piece(file, piece, (size_t)disk_draw(disk, piece->bytes + 1));
}

static void
disk_settle(struct disk *disk, struct disk_file *file, enum disk_loss loss)
{
    while (!list_empty(&file->pieces)) {
        struct disk_piece *piece = CONTAINER(file->pieces.next, struct disk_piece, link);

        disk_decide_piece(disk, file, piece, loss);
        list_remove(&piece->link);
        free(piece);
    }
}

static void
disk_synced(struct disk_file *file)
{
    while (!list_empty(&file->pieces)) {
        struct disk_piece *piece = CONTAINER(file->pieces.next, struct disk_piece, link);

        disk_keep_piece(file, piece, piece->bytes);
        list_remove(&piece->link);
        free(piece);
    }
    file->lasts = true;
}

/* ---- files ---- */

static struct disk_file *
disk_find(const struct disk *disk, const char *name)
{
    for (struct list *link = disk->files.next; link != &disk->files; link = link->next) {
        struct disk_file *file = CONTAINER(link, struct disk_file, link);

        if (strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}

static struct disk_file *
disk_create(struct disk *disk, const char *name)
{
    struct disk_file *file = base_alloc(sizeof(*file));

    assert(strlen(name) < DISK_NAME_BYTES);
    strcpy(file->name, name);
    list_init(&file->pieces);
    list_append(&disk->files, &file->link);
    return file;
}

static void
disk_file_free(struct disk_file *file)
{
    while (!list_empty(&file->pieces)) {
        struct disk_piece *piece = CONTAINER(file->pieces.next, struct disk_piece, link);

        list_remove(&piece->link);
        free(piece);
    }
    list_remove(&file->link);
    buffer_free(&file->now);
    buffer_free(&file->durable);
    free(file);
}

/* Count an operation; true when it is the one that goes wrong. */
static bool
disk_strikes(struct disk *disk)
{
    disk->operations++;
    if (disk->event == DISK_NOTHING || disk->operations < disk->event_at)
        return false;
    if (disk->operations > disk->event_at && disk->event == DISK_FAILS_ONCE)
        return false;
    disk->happened = true;
    return true;
}

/* ---- what SQLite calls on a file ---- */

static struct disk_handle *
handle_of(sqlite3_file *file)
{
    return (struct disk_handle *)(void *)file;
}

static int
handle_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int
handle_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 offset)
{
    const struct buffer *now = &handle_of(file)->of->now;
    size_t               have = (size_t)offset < now->bytes ? now->bytes - (size_t)offset : 0;

    if (have >= (size_t)bytes) {
        memcpy(out, now->data + offset, (size_t)bytes);
        return SQLITE_OK;
    }
    memset(out, 0, (size_t)bytes);
    if (have > 0)
        memcpy(out, now->data + offset, have);
    return SQLITE_IOERR_SHORT_READ;
}

/* Remember sector by sector what is not synced. */
static void
handle_apply(struct disk_handle *handle, const uint8_t *data, size_t bytes, uint64_t offset)
{
    if (bytes == 0)
        return;
    disk_put(&handle->of->now, offset, data, bytes);
    while (bytes > 0) {
        struct disk_piece *piece = base_alloc(sizeof(*piece));
        size_t             room = DISK_SECTOR - (size_t)(offset % DISK_SECTOR);

        piece->offset = offset;
        piece->bytes = bytes < room ? bytes : room;
        memcpy(piece->data, data, piece->bytes);
        list_append(&handle->of->pieces, &piece->link);
        data += piece->bytes;
        offset += piece->bytes;
        bytes -= piece->bytes;
    }
}

static int
handle_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    struct disk_handle *handle = handle_of(file);
    struct disk        *disk = handle->disk;

    if (!disk_strikes(disk)) {
        handle_apply(handle, data, (size_t)bytes, (uint64_t)offset);
        return SQLITE_OK;
    }
    /* The first blow may hit in the middle of a write. */
    if (disk->operations == disk->event_at)
        handle_apply(handle, data, (size_t)disk_draw(disk, (uint64_t)bytes), (uint64_t)offset);
    return disk_draw(disk, 2) == 0 ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int
handle_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct disk_handle *handle = handle_of(file);
    struct disk_piece  *piece;

    if (disk_strikes(handle->disk))
        return SQLITE_IOERR_TRUNCATE;
    disk_resize(&handle->of->now, (uint64_t)size);
    piece = base_alloc(sizeof(*piece));
    piece->is_size = true;
    piece->offset = (uint64_t)size;
    list_append(&handle->of->pieces, &piece->link);
    return SQLITE_OK;
}

static int
handle_sync(sqlite3_file *file, int flags)
{
    struct disk_handle *handle = handle_of(file);
    struct disk        *disk = handle->disk;

    (void)flags;
    if (disk_strikes(disk)) {
        if (disk->event != DISK_DIES)
            disk_settle(disk, handle->of, LOSS_RANDOM);
        return SQLITE_IOERR_FSYNC;
    }
    if (!disk->lie)
        disk_synced(handle->of);
    return SQLITE_OK;
}

static int
handle_size(sqlite3_file *file, sqlite3_int64 *size_out)
{
    *size_out = (sqlite3_int64)handle_of(file)->of->now.bytes;
    return SQLITE_OK;
}

/* One process has the disk: locks are always free. */
static int
handle_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int
handle_locked(sqlite3_file *file, int *locked_out)
{
    (void)file;
    *locked_out = 0;
    return SQLITE_OK;
}

static int
handle_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int
handle_sector(sqlite3_file *file)
{
    (void)file;
    return DISK_SECTOR;
}

static int
handle_character(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods handle_methods = {
    .iVersion = 1,
    .xClose = handle_close,
    .xRead = handle_read,
    .xWrite = handle_write,
    .xTruncate = handle_truncate,
    .xSync = handle_sync,
    .xFileSize = handle_size,
    .xLock = handle_lock,
    .xUnlock = handle_lock,
    .xCheckReservedLock = handle_locked,
    .xFileControl = handle_control,
    .xSectorSize = handle_sector,
    .xDeviceCharacteristics = handle_character,
};

/* ---- what SQLite calls on the file system ---- */

static struct disk *
disk_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int
disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *out, int flags, int *flags_out)
{
    struct disk        *disk = disk_of(vfs);
    struct disk_handle *handle = handle_of(out);
    struct disk_file   *file = name != NULL ? disk_find(disk, name) : NULL;

    memset(handle, 0, sizeof(*handle));
    if (name == NULL || ((file == NULL || !file->there) && !(flags & SQLITE_OPEN_CREATE)))
        return SQLITE_CANTOPEN;
    if (file == NULL)
        file = disk_create(disk, name);
    file->there = true;
    handle->disk = disk;
    handle->of = file;
    handle->file.pMethods = &handle_methods;
    if (flags_out != NULL)
        *flags_out = flags;
    return SQLITE_OK;
}

/* Without a sync of the folder the name may come back with the power. */
static int
disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct disk      *disk = disk_of(vfs);
    struct disk_file *file = disk_find(disk, name);

    if (file == NULL || !file->there)
        return SQLITE_IOERR_DELETE_NOENT;
    if (disk_strikes(disk))
        return SQLITE_IOERR_DELETE;
    file->there = false;
    file->now.bytes = 0;
    if (sync && !disk->lie)
        disk_file_free(file);
    return SQLITE_OK;
}

static int
disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    const struct disk_file *file = disk_find(disk_of(vfs), name);

    *out = file != NULL && file->there && (flags != SQLITE_ACCESS_EXISTS || file->now.bytes > 0);
    return SQLITE_OK;
}

static int
disk_path(sqlite3_vfs *vfs, const char *name, int bytes, char *out)
{
    (void)vfs;
    sqlite3_snprintf(bytes, out, "%s", name);
    return SQLITE_OK;
}

/* Salts of the log: from the seed, so that a run can be repeated. */
static int
disk_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (char)disk_draw(disk_of(vfs), 256);
    return bytes;
}

static int
disk_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int
disk_time(sqlite3_vfs *vfs, double *out)
{
    return disk_of(vfs)->below->xCurrentTime(disk_of(vfs)->below, out);
}

static int
disk_last_error(sqlite3_vfs *vfs, int bytes, char *out)
{
    (void)vfs;
    (void)bytes;
    (void)out;
    return 0;
}

/* ---- for the tests ---- */

struct disk *
disk_new(uint64_t seed)
{
    struct disk *disk = base_alloc(sizeof(*disk));

    disk->below = sqlite3_vfs_find(NULL);
    disk->seed = seed;
    list_init(&disk->files);
    disk->vfs = (sqlite3_vfs){ .iVersion = 1,
                               .szOsFile = sizeof(struct disk_handle),
                               .mxPathname = DISK_NAME_BYTES - 1,
                               .zName = DISK_VFS,
                               .pAppData = disk,
                               .xOpen = disk_open,
                               .xDelete = disk_delete,
                               .xAccess = disk_access,
                               .xFullPathname = disk_path,
                               .xRandomness = disk_randomness,
                               .xSleep = disk_sleep,
                               .xCurrentTime = disk_time,
                               .xGetLastError = disk_last_error };
    sqlite3_vfs_register(&disk->vfs, 0);
    return disk;
}

void
disk_free(struct disk *disk)
{
    sqlite3_vfs_unregister(&disk->vfs);
    while (!list_empty(&disk->files))
        disk_file_free(CONTAINER(disk->files.next, struct disk_file, link));
    free(disk);
}

void
disk_plan(struct disk *disk, enum disk_event event, uint64_t at)
{
    disk->event = event;
    disk->event_at = at;
    disk->happened = false;
    disk->operations = 0;
}

uint64_t
disk_operations(const struct disk *disk)
{
    return disk->operations;
}

bool
disk_happened(const struct disk *disk)
{
    return disk->happened;
}

/* One file after the power came back. */
static void
disk_restart_file(struct disk *disk, struct disk_file *file, enum disk_loss loss)
{
    bool deleted = !file->there;

    disk_settle(disk, file, loss);
    if ((!file->lasts && loss == LOSS_ALL) || (deleted && disk_draw(disk, 2) == 0)) {
        disk_file_free(file);
        return;
    }
    file->there = true;
    file->lasts = true;
    buffer_clear(&file->now);
    buffer_append_slice(&file->now, buffer_slice(&file->durable));
}

void
disk_restart(struct disk *disk, enum disk_loss loss)
{
    struct list *next;

    disk_plan(disk, DISK_NOTHING, 0);
    if (loss == LOSS_NONE)
        return;
    for (struct list *link = disk->files.next; link != &disk->files; link = next) {
        next = link->next;
        disk_restart_file(disk, CONTAINER(link, struct disk_file, link), loss);
    }
}

void
disk_lie(struct disk *disk, bool lie)
{
    disk->lie = lie;
}

uint64_t
disk_file_bytes(const struct disk *disk, const char *end)
{
    for (struct list *link = disk->files.next; link != &disk->files; link = link->next) {
        const struct disk_file *file = CONTAINER(link, struct disk_file, link);
        size_t                  name = strlen(file->name);

        if (file->there && name >= strlen(end) &&
            strcmp(file->name + name - strlen(end), end) == 0)
            return file->now.bytes;
    }
    return 0;
}
