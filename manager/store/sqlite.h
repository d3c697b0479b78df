/* sqlite.h - what the two files of the SQLite backend share */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "backend.h"
#include "space.h"

/* One row per prepared statement. */
#define SQLITE_STATEMENTS(X)                                                       \
    X(BEGIN,        "BEGIN IMMEDIATE")                                             \
    X(COMMIT,       "COMMIT")                                                      \
    X(STATE_GET,    "SELECT log_first FROM state")                                 \
    X(STATE_SET,    "UPDATE state SET log_first = ?1")                             \
    X(TURN_LAST,    "SELECT max(turn) FROM log")                                   \
    X(LOG_ADD,      "INSERT INTO log (turn, facts) VALUES (?1, ?2)")               \
    X(LOG_ALL,      "SELECT turn, facts FROM log WHERE turn >= ?1 ORDER BY turn")  \
    X(LOG_OLD,      "SELECT turn, length(facts) FROM log WHERE turn < ?1 "        \
                    "ORDER BY turn LIMIT ?2")                                      \
    X(LOG_DROP,     "DELETE FROM log WHERE turn <= ?1")                            \
    X(OBJECT_ALL,   "SELECT kind, id, bytes FROM objects ORDER BY kind, id")       \
    X(OBJECT_PUT,   "INSERT INTO objects (kind, id, bytes) VALUES (?1, ?2, ?3) "   \
                    "ON CONFLICT DO UPDATE SET bytes = excluded.bytes")            \
    X(OBJECT_DROP,  "DELETE FROM objects WHERE kind = ?1 AND id = ?2")             \
    X(BODY_ADD,     "INSERT INTO bodies (job, number, bytes) VALUES (?1, ?2, ?3)") \
    X(BODY_GET,     "SELECT bytes FROM bodies WHERE job = ?1 AND number = ?2 "     \
                    "AND NOT EXISTS (SELECT 1 FROM doomed WHERE doomed.job = ?1)") \
    X(BODIES_DROP,  "DELETE FROM bodies WHERE job = ?1 AND number < coalesce("     \
                    "(SELECT number FROM bodies WHERE job = ?1 ORDER BY number "   \
                    "LIMIT 1 OFFSET ?2), 9223372036854775807)")                    \
    X(DOOMED_ADD,   "INSERT OR IGNORE INTO doomed (job) VALUES (?1)")              \
    X(DOOMED_FIRST, "SELECT job FROM doomed LIMIT 1")                              \
    X(DOOMED_DROP,  "DELETE FROM doomed WHERE job = ?1")                           \
    X(FREE_PAGES,   "PRAGMA freelist_count")

enum { STORE_PAGE_BYTES = 16384 };

enum sqlite_statement {
#define SQLITE_STATEMENT_ENUM(NAME, sql) SQL_##NAME,
    SQLITE_STATEMENTS(SQLITE_STATEMENT_ENUM)
#undef SQLITE_STATEMENT_ENUM
    SQL_COUNT
};

struct sqlite {
    struct backend backend;
    sqlite3       *db;
    sqlite3_stmt  *statements[SQL_COUNT];
    char          *path;
    struct space   space;
    uint64_t       log_first;      /* turns below it are in the objects */
    uint64_t       turn_last;
    bool           log_old;        /* dropped turns still lie in the file */
    bool           doomed;         /* bodies of pruned jobs still do */
    int            wal_pages;      /* written since the last copy into the file */
    int            wal_pages_max;
};

/* Fill `error` from SQLite's result; OK for SQLITE_OK, ROW and DONE. */
muster_err sqlite_error(const struct sqlite *sqlite, int result, const char *doing,
                        struct muster_error *error);
/* Open and check the file, leave the connection as TRAPS of SQLite demand it.
 * On an error the caller closes what there is. */
muster_err sqlite_open(struct sqlite *sqlite, const struct store_config *config,
                       struct muster_error *error);
/* Copy the write-ahead log into the file; `mode` is one of SQLITE_CHECKPOINT_*. */
muster_err sqlite_copy_wal(struct sqlite *sqlite, int mode, const char *doing,
                           struct muster_error *error);

#endif
