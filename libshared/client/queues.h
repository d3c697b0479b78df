/* queues.h - what queue.c, queue_parts.c and queue_async.c share
 *
 * An item of at most VALUE_BYTES_MAX travels in one message.  A larger one travels in
 * parts, a window of them at a time: PUT_PART ..., PUT; and the other way round GET
 * (which lends it), READ_PART ..., ACK_ITEMS.
 */
#ifndef CLIENT_QUEUES_H
#define CLIENT_QUEUES_H

#include "handle.h"

enum {
    QUEUE_CLASS_PUT, QUEUE_CLASS_ACK, QUEUE_CLASSES,     /* of batches, see queue_async.c */
};

struct muster_queue {
    struct handle handle;
    uint64_t      maxsize;
    /* Of calls without waiting; under the session's lock. */
    uint32_t      refs;                  /* the application's, and one for each such call */
    bool          closed;
    struct batch *open[QUEUE_CLASSES];   /* unsent, and takes more; NULL: none */
    uint32_t      flying[QUEUE_CLASSES]; /* batches that were sent and not answered */
    struct list   getters;               /* struct getter, for whom nothing is asked yet */
    struct fetch *fetch;                 /* unsent, and takes more; NULL: none */
    uint32_t      fetches;               /* under way that may wait */
};

/* Numbers of a PUT.  INVALID. */
muster_err queue_put_options(const struct muster_put *options, struct msg_object_do *m,
                             struct muster_error *error);
/* A number for an item in parts: different for all of a session. */
uint64_t   queue_part_number(void);
/* The items of an answer to GET or RESERVE; false: it does not add up.  A large one
 * has no data: *large_out is its bytes then, else 0. */
bool       queue_items(const struct msg_object_done *done, struct muster_item *items_out,
                       size_t max, size_t *count_out, uint64_t *large_out);
/* What was brought of an item that will not be put; without waiting for the answer.  With
 * the lock held. */
void       queue_drop_parts(const struct handle *handle, uint64_t number);
/* Say something about one item, without waiting for the answer.  With the lock held. */
void       queue_tell(const struct handle *handle, uint8_t verb, uint64_t id);

/* ---- queue_async.c, queue_fetch.c; with the lock held ---- */

enum { ASYNC_CALLS_MAX = 1024 * 1024 };
#define ASYNC_BYTES_MAX (128u * MIB)

/* One call more, which puts so many bytes.  FULL: as many as may be are under way. */
muster_err queue_async_begin(struct muster_session *session, size_t bytes,
                             struct muster_error *error);
void       queue_async_end(struct muster_session *session, uint64_t calls, uint64_t bytes);

/* The application's handle is gone. */
void       queue_async_close(struct muster_queue *queue);
/* One call less; the last one frees it. */
void       queue_unref(struct muster_queue *queue);
/* Getters for whom nothing was asked end with this error. */
void       queue_getters_end(struct muster_queue *queue, const struct muster_error *error);

/* What an asynchronous getter waits for. */
struct getter {
    struct list         link;
    struct callback     callback;
    struct muster_queue *queue;
    uint8_t             verb;
    uint32_t            term_ms;
    uint64_t            until_ms;
    muster_queue_got   *got;
    void               *context;
    struct muster_item  item;
    struct muster_error error;
};
/* It has its item, or `error`: post its callback. */
void       getter_end(struct getter *getter, const struct muster_error *error);

/* ---- queue_large.c: what large items need, without waiting ---- */

/* Copies the item.  Without the lock. */
muster_err upload_begin(struct muster_queue *queue, struct slice item,
                        const struct msg_object_do *m, uint32_t timeout_ms,
                        muster_queue_done *done, void *context, struct muster_error *error);
/* Read getter->item, of `bytes` bytes, then end it.  With the lock held. */
void       download_begin(struct getter *getter, uint64_t bytes);

/* ---- queue_parts.c ---- */

/* Bring all parts under `number`; PUT is the caller's. */
muster_err parts_put(struct handle *handle, uint64_t number, struct slice item, uint64_t until_ms,
                     struct muster_error *error);
/* Read item `id`, of `bytes` bytes, in order. */
muster_err parts_read(struct handle *handle, uint64_t id, uint64_t bytes, uint64_t until_ms,
                      muster_item_sink *sink, void *context, struct muster_error *error);

#endif
