/* sqlite.c - turns, objects and bodies in one SQLite file
 *
 * 1. Turns are appended; a checkpoint moves state.log_first in the same
 *    transaction that writes its objects, so that load and replay always fit.
 * 2. What a checkpoint or a prune made useless is invisible at once and taken
 *    out in slices while there is time: no turn waits for a large deletion.
 * 3. The write-ahead log is copied into the file after the turns in it were
 *    acknowledged, and stays short.
 * 4. Numbers are at most INT64_MAX: SQLite's integers have a sign.
 */
#include "sqlite.h"

#include <assert.h>
#include <stdlib.h>

enum {
    STORE_WAL_PAGES     = 256,                /* 4 MiB, then it is copied into the file */
    STORE_WAL_PAGES_MIN = 32,                 /* while space is tight, and cut off then */
    STORE_PRUNE_ROWS    = 64,                 /* bodies of a job dropped with the turn itself */
    STORE_SLICE_ROWS    = 1024,
    STORE_SLICE_BODIES  = 32,
    STORE_SLICE_BYTES   = 4 * 1024 * 1024,
};

static struct sqlite *
sqlite_of(struct backend *backend)
{
    return (struct sqlite *)(void *)backend;
}

/* ---- statements ---- */

static void
sqlite_bind_number(struct sqlite *sqlite, enum sqlite_statement at, int place, uint64_t number)
{
    assert(number <= INT64_MAX);
    sqlite3_bind_int64(sqlite->statements[at], place, (int64_t)number);
}

/* Not copied: the bytes live until the statement has run. */
static void
sqlite_bind_bytes(struct sqlite *sqlite, enum sqlite_statement at, int place, struct slice bytes)
{
    sqlite3_bind_blob64(sqlite->statements[at], place, bytes.bytes > 0 ? bytes.data : "",
                        bytes.bytes, SQLITE_STATIC);
}

static struct slice
sqlite_column_bytes(struct sqlite *sqlite, enum sqlite_statement at, int column)
{
    const void *data = sqlite3_column_blob(sqlite->statements[at], column);

    return slice_of(data, (size_t)sqlite3_column_bytes(sqlite->statements[at], column));
}

static uint64_t
sqlite_column_number(struct sqlite *sqlite, enum sqlite_statement at, int column)
{
    return (uint64_t)sqlite3_column_int64(sqlite->statements[at], column);
}

/* Run to its end a statement that gives no rows. */
static muster_err
sqlite_do(struct sqlite *sqlite, enum sqlite_statement at, const char *doing,
          struct muster_error *error)
{
    int        result = sqlite3_step(sqlite->statements[at]);
    muster_err err = sqlite_error(sqlite, result, doing, error);

    sqlite3_reset(sqlite->statements[at]);
    return err;
}

/* The next row; false at the end and on an error.  The caller resets. */
static bool
sqlite_row(struct sqlite *sqlite, enum sqlite_statement at, const char *doing, muster_err *err,
           struct muster_error *error)
{
    int result = sqlite3_step(sqlite->statements[at]);

    *err = sqlite_error(sqlite, result, doing, error);
    return result == SQLITE_ROW;
}

static void
sqlite_reset(struct sqlite *sqlite, enum sqlite_statement at)
{
    sqlite3_reset(sqlite->statements[at]);
}

/* ---- reading it all back ---- */

static muster_err
sqlite_load(struct backend *backend, store_object_fn *each, void *context,
            struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    muster_err     err = MUSTER_OK;

    while (!err && sqlite_row(sqlite, SQL_OBJECT_ALL, "load", &err, error)) {
        struct store_object object = { (uint32_t)sqlite_column_number(sqlite, SQL_OBJECT_ALL, 0),
                                       sqlite_column_number(sqlite, SQL_OBJECT_ALL, 1),
                                       sqlite_column_bytes(sqlite, SQL_OBJECT_ALL, 2) };

        if (object.bytes.data == NULL)         /* SQLite's way to say empty; ours says gone */
            object.bytes = slice_of("", 0);
        err = each(context, &object);
    }
    sqlite_reset(sqlite, SQL_OBJECT_ALL);
    return err;
}

static muster_err
sqlite_replay(struct backend *backend, store_turn_fn *each, void *context,
              struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    uint64_t       expected = sqlite->log_first;
    muster_err     err = MUSTER_OK;

    sqlite_bind_number(sqlite, SQL_LOG_ALL, 1, sqlite->log_first);
    while (!err && sqlite_row(sqlite, SQL_LOG_ALL, "replay", &err, error)) {
        uint64_t turn = sqlite_column_number(sqlite, SQL_LOG_ALL, 0);

        if (turn != expected)
            err = error_set(error, MUSTER_ERR_IO,
                            "%s: turn %llu is missing: restore it from a copy", sqlite->path,
                            (unsigned long long)expected);
        else
            err = each(context, turn, sqlite_column_bytes(sqlite, SQL_LOG_ALL, 1));
        expected++;
    }
    sqlite_reset(sqlite, SQL_LOG_ALL);
    return err;
}

static muster_err
sqlite_read(struct backend *backend, uint64_t job, uint64_t number, struct buffer *out,
            struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    muster_err     err = MUSTER_OK;

    sqlite_bind_number(sqlite, SQL_BODY_GET, 1, job);
    sqlite_bind_number(sqlite, SQL_BODY_GET, 2, number);
    if (sqlite_row(sqlite, SQL_BODY_GET, "read a body", &err, error))
        buffer_append_slice(out, sqlite_column_bytes(sqlite, SQL_BODY_GET, 0));
    else if (!err)
        err = error_set(error, MUSTER_ERR_NOT_FOUND, "no body %llu of job %llu",
                        (unsigned long long)number, (unsigned long long)job);
    sqlite_reset(sqlite, SQL_BODY_GET);
    return err;
}

/* ---- one turn ---- */

static muster_err
sqlite_begin(struct backend *backend, struct muster_error *error)
{
    return sqlite_do(sqlite_of(backend), SQL_BEGIN, "begin", error);
}

static muster_err
sqlite_commit(struct backend *backend, struct muster_error *error)
{
    return sqlite_do(sqlite_of(backend), SQL_COMMIT, "commit", error);
}

static muster_err
sqlite_write_body(struct sqlite *sqlite, const struct store_body *body, struct muster_error *error)
{
    sqlite_bind_number(sqlite, SQL_BODY_ADD, 1, body->job);
    sqlite_bind_number(sqlite, SQL_BODY_ADD, 2, body->number);
    sqlite_bind_bytes(sqlite, SQL_BODY_ADD, 3, body->bytes);
    return sqlite_do(sqlite, SQL_BODY_ADD, "add a body", error);
}

/* Drop up to `rows` bodies of the job; *all_out: there are no more. */
static muster_err
sqlite_drop_bodies(struct sqlite *sqlite, uint64_t job, int rows, bool *all_out,
                   struct muster_error *error)
{
    muster_err err;

    sqlite_bind_number(sqlite, SQL_BODIES_DROP, 1, job);
    sqlite_bind_number(sqlite, SQL_BODIES_DROP, 2, (uint64_t)rows);
    err = sqlite_do(sqlite, SQL_BODIES_DROP, "drop bodies", error);
    *all_out = sqlite3_changes(sqlite->db) < rows;
    return err;
}

/* Most jobs have few bodies: those go now.  The rest waits for sqlite_tend(). */
static muster_err
sqlite_write_prune(struct sqlite *sqlite, uint64_t job, struct muster_error *error)
{
    bool       all = false;
    muster_err err = sqlite_drop_bodies(sqlite, job, STORE_PRUNE_ROWS, &all, error);

    if (err || all)
        return err;
    sqlite->doomed = true;
    sqlite_bind_number(sqlite, SQL_DOOMED_ADD, 1, job);
    return sqlite_do(sqlite, SQL_DOOMED_ADD, "drop bodies", error);
}

static muster_err
sqlite_write_object(struct sqlite *sqlite, const struct store_object *object,
                    struct muster_error *error)
{
    enum sqlite_statement at = object->bytes.data != NULL ? SQL_OBJECT_PUT : SQL_OBJECT_DROP;

    sqlite_bind_number(sqlite, at, 1, object->kind);
    sqlite_bind_number(sqlite, at, 2, object->id);
    if (at == SQL_OBJECT_PUT)
        sqlite_bind_bytes(sqlite, at, 3, object->bytes);
    return sqlite_do(sqlite, at, "checkpoint an object", error);
}

/* A turn that ends with a checkpoint leaves nothing in the log. */
static muster_err
sqlite_write_log(struct sqlite *sqlite, uint64_t number, const struct store_turn *turn,
                 struct muster_error *error)
{
    if (!turn->checkpoint) {
        sqlite_bind_number(sqlite, SQL_LOG_ADD, 1, number);
        sqlite_bind_bytes(sqlite, SQL_LOG_ADD, 2, turn->facts);
        return sqlite_do(sqlite, SQL_LOG_ADD, "append a turn", error);
    }
    sqlite->log_first = number + 1;
    sqlite->log_old = true;
    sqlite_bind_number(sqlite, SQL_STATE_SET, 1, sqlite->log_first);
    return sqlite_do(sqlite, SQL_STATE_SET, "checkpoint", error);
}

static muster_err
sqlite_write(struct backend *backend, uint64_t number, const struct store_turn *turn,
             struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    muster_err     err;

    assert(number == sqlite->turn_last + 1);
    err = sqlite_write_log(sqlite, number, turn, error);
    for (uint32_t i = 0; i < turn->body_count && !err; i++)
        err = sqlite_write_body(sqlite, &turn->bodies[i], error);
    for (uint32_t i = 0; i < turn->pruned_count && !err; i++)
        err = sqlite_write_prune(sqlite, turn->pruned_jobs[i], error);
    for (uint32_t i = 0; i < turn->object_count && !err; i++)
        err = sqlite_write_object(sqlite, &turn->objects[i], error);
    sqlite->turn_last = number;
    return err;
}

/* ---- what may wait ---- */

/* Drop the oldest turns that the checkpoint made useless, a slice at a time. */
static muster_err
sqlite_sweep_log(struct sqlite *sqlite, struct muster_error *error)
{
    uint64_t   bytes = 0, last = 0, rows = 0;
    muster_err err = MUSTER_OK;

    sqlite_bind_number(sqlite, SQL_LOG_OLD, 1, sqlite->log_first);
    sqlite_bind_number(sqlite, SQL_LOG_OLD, 2, STORE_SLICE_ROWS);
    while (bytes < STORE_SLICE_BYTES &&
           sqlite_row(sqlite, SQL_LOG_OLD, "drop turns", &err, error)) {
        last = sqlite_column_number(sqlite, SQL_LOG_OLD, 0);
        bytes += sqlite_column_number(sqlite, SQL_LOG_OLD, 1);
        rows++;
    }
    sqlite_reset(sqlite, SQL_LOG_OLD);
    if (err)
        return err;
    sqlite->log_old = bytes >= STORE_SLICE_BYTES || rows == STORE_SLICE_ROWS;
    if (rows == 0)
        return MUSTER_OK;
    sqlite_bind_number(sqlite, SQL_LOG_DROP, 1, last);
    return sqlite_do(sqlite, SQL_LOG_DROP, "drop turns", error);
}

static muster_err
sqlite_sweep_bodies(struct sqlite *sqlite, struct muster_error *error)
{
    uint64_t   job = 0;
    bool       all = false;
    muster_err err = MUSTER_OK;

    sqlite->doomed = sqlite_row(sqlite, SQL_DOOMED_FIRST, "drop bodies", &err, error);
    if (sqlite->doomed)
        job = sqlite_column_number(sqlite, SQL_DOOMED_FIRST, 0);
    sqlite_reset(sqlite, SQL_DOOMED_FIRST);
    if (err || !sqlite->doomed)
        return err;

    err = sqlite_drop_bodies(sqlite, job, STORE_SLICE_BODIES, &all, error);
    if (err || !all)
        return err;
    sqlite_bind_number(sqlite, SQL_DOOMED_DROP, 1, job);
    return sqlite_do(sqlite, SQL_DOOMED_DROP, "drop bodies", error);
}

static muster_err
sqlite_sweep(struct sqlite *sqlite, struct muster_error *error)
{
    muster_err err = sqlite_begin(&sqlite->backend, error);

    if (!err && sqlite->log_old)
        err = sqlite_sweep_log(sqlite, error);
    if (!err && sqlite->doomed)
        err = sqlite_sweep_bodies(sqlite, error);
    if (!err)
        err = sqlite_commit(&sqlite->backend, error);
    return err;
}

/* Called by SQLite after each commit. */
static int
sqlite_committed(void *context, sqlite3 *db, const char *name, int pages)
{
    struct sqlite *sqlite = context;

    (void)db;
    (void)name;
    sqlite->wal_pages = pages;
    return SQLITE_OK;
}

static muster_err
sqlite_tend(struct backend *backend, bool *more_out, struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    bool           tight = sqlite->space.tight;
    muster_err     err = MUSTER_OK;

    if (sqlite->log_old || sqlite->doomed)
        err = sqlite_sweep(sqlite, error);
    if (!err && sqlite->wal_pages >= (tight ? STORE_WAL_PAGES_MIN : sqlite->wal_pages_max)) {
        sqlite->wal_pages = 0;
        err = sqlite_copy_wal(sqlite, tight ? SQLITE_CHECKPOINT_TRUNCATE
                                            : SQLITE_CHECKPOINT_PASSIVE, "copy the log", error);
    }
    *more_out = sqlite->log_old || sqlite->doomed;
    return err;
}

static muster_err
sqlite_space_low(struct backend *backend, bool *low_out, struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    uint64_t       pages = 0;
    muster_err     err = MUSTER_OK;

    if (sqlite_row(sqlite, SQL_FREE_PAGES, "look for free space", &err, error))
        pages = sqlite_column_number(sqlite, SQL_FREE_PAGES, 0);
    sqlite_reset(sqlite, SQL_FREE_PAGES);
    *low_out = !err && space_look(&sqlite->space, pages * STORE_PAGE_BYTES);
    return err;
}

/* ---- opening and closing ---- */

static muster_err
sqlite_close(struct backend *backend, bool failed, struct muster_error *error)
{
    struct sqlite *sqlite = sqlite_of(backend);
    muster_err     err = MUSTER_OK;

    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(sqlite->statements[i]);
    if (sqlite->db != NULL && !failed)
        err = sqlite_copy_wal(sqlite, SQLITE_CHECKPOINT_TRUNCATE, "close", error);
    /* Closing would copy the log once more: after a failure nothing is tried again. */
    if (sqlite->db != NULL && (failed || err))
        sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(sqlite->db);
    space_close(&sqlite->space);
    free(sqlite->path);
    free(sqlite);
    return err;
}

/* Where the log begins and ends.  Leftovers of an earlier run are looked for. */
static muster_err
sqlite_open_log(struct sqlite *sqlite, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    if (sqlite_row(sqlite, SQL_STATE_GET, "open", &err, error))
        sqlite->log_first = sqlite_column_number(sqlite, SQL_STATE_GET, 0);
    sqlite_reset(sqlite, SQL_STATE_GET);
    if (!err && sqlite->log_first == 0)
        return error_set(error, MUSTER_ERR_IO, "%s: it is damaged: restore it from a copy",
                         sqlite->path);
    if (!err && sqlite_row(sqlite, SQL_TURN_LAST, "open", &err, error))
        sqlite->turn_last = sqlite_column_number(sqlite, SQL_TURN_LAST, 0);
    sqlite_reset(sqlite, SQL_TURN_LAST);
    if (sqlite->turn_last + 1 < sqlite->log_first)
        sqlite->turn_last = sqlite->log_first - 1;
    sqlite->log_old = true;
    sqlite->doomed = true;
    return err;
}

/* Copying the log may take as much room again as it has: four of it must fit
 * under the mark, or a small disk would be full before the mark is seen. */
static int
sqlite_wal_pages(uint64_t free_bytes_min)
{
    uint64_t pages = free_bytes_min / (4 * STORE_PAGE_BYTES);

    if (free_bytes_min == 0 || pages > STORE_WAL_PAGES)
        return STORE_WAL_PAGES;
    return pages < STORE_WAL_PAGES_MIN ? STORE_WAL_PAGES_MIN : (int)pages;
}

static const struct backend_rules sqlite_rules = {
    .durable = true,
    .load = sqlite_load,
    .replay = sqlite_replay,
    .begin = sqlite_begin,
    .write = sqlite_write,
    .commit = sqlite_commit,
    .tend = sqlite_tend,
    .read = sqlite_read,
    .space_low = sqlite_space_low,
    .close = sqlite_close,
};

muster_err
store_open_sqlite(const struct store_config *config, struct store **store_out,
                  struct muster_error *error)
{
    struct sqlite *sqlite = base_alloc(sizeof(*sqlite));
    struct buffer  path = { 0 };
    muster_err     err;

    assert(config->path != NULL);
    sqlite->backend.rules = &sqlite_rules;
    sqlite->space.reserve_fd = -1;
    sqlite->wal_pages_max = sqlite_wal_pages(config->free_bytes_min);
    buffer_printf(&path, "%s/%s", config->path, STORE_FILE_NAME);
    sqlite->path = base_text_copy(buffer_slice(&path));
    buffer_free(&path);

    err = space_open(&sqlite->space, config->path, config->free_bytes_min, error);
    if (!err)
        err = sqlite_open(sqlite, config, error);
    if (!err)
        err = sqlite_open_log(sqlite, error);
    if (err) {
        (void)sqlite_close(&sqlite->backend, true, NULL);
        return err;
    }
    sqlite3_wal_hook(sqlite->db, sqlite_committed, sqlite);
    return store_front_open(&sqlite->backend, config, sqlite->turn_last, store_out, error);
}
