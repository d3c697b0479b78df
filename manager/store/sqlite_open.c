/* sqlite_open.c - opening: is it ours, is it alone, is what it holds durable?
 *
 * 1. Exactly one connection, in this process and in all others: the exclusive
 *    lock is taken here and kept until the end.
 * 2. Nothing is changed in a file that is not ours or that is newer than us.
 * 3. What an earlier process wrote but did not sync looks durable to us.  A
 *    truncating checkpoint makes it so before anything is read.
 * 4. What an earlier process failed to sync looks durable even to a later sync:
 *    Linux counts such pages as clean.  The log is written again before it is
 *    copied, or a power cut could put an older part of it over the newer file.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STORE_APPLICATION_ID = 0x4d555331,         /* "MUS1" */
    STORE_FORMAT         = 1,      /* user_version; raise it with every change below */
    STORE_REWRITE_BYTES  = 64 * 1024,
};

/* Large pages: a turn of a thousand facts is a chain of six instead of
 * twenty-four, and a lone turn still costs one sync.  EXTRA: the very first page
 * goes through a rollback journal, and if the deletion of that were not synced,
 * a power cut would bring it back to empty the file. */
static const char sqlite_new_file[] =
    "PRAGMA page_size = 16384;"
    "PRAGMA auto_vacuum = NONE;"
    "PRAGMA synchronous = EXTRA;";

static const char sqlite_settings[] =
    "PRAGMA synchronous = FULL;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA wal_autocheckpoint = 0;"           /* sqlite.c copies after it acknowledged */
    "PRAGMA journal_size_limit = 33554432;"
    "PRAGMA cache_size = -8192;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA secure_delete = OFF;"              /* Debian's default is to write zeroes over it */
    "PRAGMA trusted_schema = OFF;";

/* Keys only grow, so every table is appended to at its end.  A job's bodies
 * lie side by side, so that dropping them is one walk without a search. */
static const char sqlite_schema[] =
    "BEGIN EXCLUSIVE;"
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), log_first INTEGER NOT NULL);"
    "CREATE TABLE log (turn INTEGER PRIMARY KEY, facts BLOB NOT NULL);"
    "CREATE TABLE objects (kind INTEGER NOT NULL, id INTEGER NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY (kind, id)) WITHOUT ROWID;"
    "CREATE TABLE bodies (job INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY (job, number)) WITHOUT ROWID;"
    "CREATE TABLE doomed (job INTEGER PRIMARY KEY);"
    "INSERT INTO state (one, log_first) VALUES (1, 1);"
    "PRAGMA application_id = 1297437489;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

_Static_assert(STORE_APPLICATION_ID == 1297437489, "as in the schema");
_Static_assert(STORE_PAGE_BYTES == 16384, "as in a new file");

static const char *const sqlite_statements[SQL_COUNT] = {
#define SQLITE_STATEMENT_TEXT(NAME, sql) [SQL_##NAME] = sql,
    SQLITE_STATEMENTS(SQLITE_STATEMENT_TEXT)
#undef SQLITE_STATEMENT_TEXT
};

static const struct {
    int         result;
    muster_err  err;
    const char *text;              /* NULL: SQLite's own */
} sqlite_results[] = {
    { SQLITE_FULL, MUSTER_ERR_NO_SPACE, "the disk is full" },
    { SQLITE_NOMEM, MUSTER_ERR_NO_MEMORY, NULL },
    { SQLITE_BUSY, MUSTER_ERR_EXISTS, "another process has it open" },
    { SQLITE_LOCKED, MUSTER_ERR_EXISTS, "another process has it open" },
    { SQLITE_NOTADB, MUSTER_ERR_INVALID, "it is not a muster store" },
    { SQLITE_CORRUPT, MUSTER_ERR_IO, "it is damaged: restore it from a copy" },
    { SQLITE_CONSTRAINT, MUSTER_ERR_INTERNAL, NULL },
};

muster_err
sqlite_error(const struct sqlite *sqlite, int result, const char *doing,
             struct muster_error *error)
{
    const char *text = NULL;
    muster_err  err = MUSTER_ERR_IO;
    int         number = sqlite->db != NULL ? sqlite3_system_errno(sqlite->db) : errno;

    if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE)
        return MUSTER_OK;
    for (size_t i = 0; i < sizeof(sqlite_results) / sizeof(sqlite_results[0]); i++)
        if (sqlite_results[i].result == (result & 0xff)) {
            err = sqlite_results[i].err;
            text = sqlite_results[i].text;
        }
    if (text == NULL)
        text = sqlite->db != NULL ? sqlite3_errmsg(sqlite->db) : sqlite3_errstr(result);
    if ((result & 0xff) == SQLITE_IOERR && number != 0) {
        errno = number;
        return error_errno(error, err, "%s: %s: %s", sqlite->path, doing, text);
    }
    return error_set(error, err, "%s: %s: %s", sqlite->path, doing, text);
}

static muster_err
sqlite_run(struct sqlite *sqlite, const char *sql, const char *doing, struct muster_error *error)
{
    return sqlite_error(sqlite, sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL), doing, error);
}

/* The one number, or the one word, that a statement gives.  It is run to its end:
 * what it changes is committed only there. */
static muster_err
sqlite_ask(struct sqlite *sqlite, const char *sql, int64_t *number_out, char word_out[16],
           struct muster_error *error)
{
    sqlite3_stmt *statement = NULL;
    int           result = sqlite3_prepare_v2(sqlite->db, sql, -1, &statement, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW && number_out != NULL)
        *number_out = sqlite3_column_int64(statement, 0);
    if (result == SQLITE_ROW && word_out != NULL) {
        const void *text = sqlite3_column_text(statement, 0);

        memset(word_out, 0, 16);
        strncpy(word_out, text != NULL ? text : "", 15);
    }
    if (result == SQLITE_ROW)
        result = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return sqlite_error(sqlite, result, "open", error);
}

/* SQLite would create it readable for all; the files beside it take its mode. */
static muster_err
sqlite_open_file(struct sqlite *sqlite, struct muster_error *error)
{
    struct stat info;
    muster_err  err = MUSTER_OK;
    int         flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int         fd = open(sqlite->path, flags, 0600);

    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open %s", sqlite->path);
    if (fstat(fd, &info) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "look at %s", sqlite->path);
    else if (!S_ISREG(info.st_mode) || info.st_nlink != 1)
        err = error_set(error, MUSTER_ERR_INVALID, "%s is not a plain file with one link",
                        sqlite->path);
    else if ((info.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "close %s to others", sqlite->path);
    close(fd);
    return err;
}

/* Take the lock for good, then tell a new file from ours and from a stranger's. */
static muster_err
sqlite_open_check(struct sqlite *sqlite, bool *new_out, struct muster_error *error)
{
    int64_t    id = 0, format = 0, tables = 0;
    muster_err err = sqlite_run(sqlite, "PRAGMA locking_mode = EXCLUSIVE", "lock", error);

    if (!err)
        err = sqlite_ask(sqlite, "PRAGMA application_id", &id, NULL, error);
    if (!err)
        err = sqlite_ask(sqlite, "PRAGMA user_version", &format, NULL, error);
    if (!err)
        err = sqlite_ask(sqlite, "SELECT count(*) FROM sqlite_schema", &tables, NULL, error);
    if (err)
        return err;
    *new_out = id == 0 && format == 0 && tables == 0;
    if (*new_out)
        return MUSTER_OK;
    if (id != STORE_APPLICATION_ID)
        return error_set(error, MUSTER_ERR_INVALID,
                         "%s is a database of another program; move it away", sqlite->path);
    if (format > STORE_FORMAT)
        return error_set(error, MUSTER_ERR_INVALID,
                         "%s was written by a newer muster (format %lld; this one knows up to %d): "
                         "install that version again", sqlite->path, (long long)format,
                         STORE_FORMAT);
    return MUSTER_OK;
}

static muster_err
sqlite_open_journal(struct sqlite *sqlite, bool new, struct muster_error *error)
{
    char       mode[16];
    muster_err err = new ? sqlite_run(sqlite, sqlite_new_file, "create", error) : MUSTER_OK;

    if (!err)
        err = sqlite_ask(sqlite, "PRAGMA journal_mode = WAL", NULL, mode, error);
    if (!err && strcmp(mode, "wal") != 0)
        err = error_set(error, MUSTER_ERR_IO,
                        "%s: the file system does not allow a write-ahead log", sqlite->path);
    if (!err)
        err = sqlite_run(sqlite, sqlite_settings, "set up", error);
    if (!err && new)
        err = sqlite_run(sqlite, sqlite_schema, "create", error);
    return err;
}

muster_err
sqlite_copy_wal(struct sqlite *sqlite, int mode, const char *doing, struct muster_error *error)
{
    int result = sqlite3_wal_checkpoint_v2(sqlite->db, NULL, mode, NULL, NULL);

    return sqlite_error(sqlite, result, doing, error);
}

/* See 4: the sync must have something to sync. */
static int
sqlite_rewrite(sqlite3_file *file)
{
    uint8_t       *bytes = base_alloc(STORE_REWRITE_BYTES);
    sqlite3_int64  size = 0;
    int            result = file->pMethods->xFileSize(file, &size);

    for (sqlite3_int64 at = 0; at < size && result == SQLITE_OK; at += STORE_REWRITE_BYTES) {
        int part = size - at < STORE_REWRITE_BYTES ? (int)(size - at) : STORE_REWRITE_BYTES;

        result = file->pMethods->xRead(file, bytes, part, at);
        if (result == SQLITE_OK)
            result = file->pMethods->xWrite(file, bytes, part, at);
    }
    if (result == SQLITE_OK && size > 0)
        result = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
    free(bytes);
    return result;
}

static muster_err
sqlite_rewrite_wal(struct sqlite *sqlite, struct muster_error *error)
{
    sqlite3_file *wal = NULL;
    int           result = sqlite3_file_control(sqlite->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER,
                                                &wal);

    if (result == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
        result = sqlite_rewrite(wal);
    return sqlite_error(sqlite, result, "write the log again", error);
}

/* See 3.  A folder entry that is not synced would take the whole file along. */
static muster_err
sqlite_open_durable(struct sqlite *sqlite, const char *dir, struct muster_error *error)
{
    muster_err err = sqlite_rewrite_wal(sqlite, error);
    int        fd;

    if (!err)
        err = sqlite_copy_wal(sqlite, SQLITE_CHECKPOINT_TRUNCATE, "make what it holds durable",
                              error);
    if (err)
        return err;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "sync folder %s", dir);
    if (fd >= 0)
        close(fd);
    return err;
}

static muster_err
sqlite_open_statements(struct sqlite *sqlite, struct muster_error *error)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        int result = sqlite3_prepare_v3(sqlite->db, sqlite_statements[i], -1,
                                        SQLITE_PREPARE_PERSISTENT, &sqlite->statements[i], NULL);

        if (result != SQLITE_OK)
            return sqlite_error(sqlite, result, "prepare", error);
    }
    return MUSTER_OK;
}

muster_err
sqlite_open(struct sqlite *sqlite, const struct store_config *config, struct muster_error *error)
{
    bool       new = false;
    muster_err err = sqlite_open_file(sqlite, error);

    if (err)
        return err;
    err = sqlite_error(sqlite, sqlite3_open_v2(sqlite->path, &sqlite->db,
                                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                                   SQLITE_OPEN_NOMUTEX,
                                               config->vfs), "open", error);
    if (!err)
        err = sqlite_open_check(sqlite, &new, error);
    if (!err)
        err = sqlite_open_journal(sqlite, new, error);
    if (!err)
        err = sqlite_open_durable(sqlite, config->path, error);
    if (!err)
        err = sqlite_open_statements(sqlite, error);
    return err;
}
