/* page.h - memory that a worker shares with one child that runs calls
 *
 * The worker sees at any time, without a message, which call runs and since when, and
 * what the child has said; so a child that dies takes nothing along but its own call.
 *
 *   ticket   the call that was begun last, and the number below which calls that were
 *            handed over and not begun are not wanted any more: one word, so that
 *            beginning a call and taking it back cannot both happen
 *   ring     frames from the child; `written` and `read` count bytes for ever
 *   bell     the child has written one byte to its socket since the worker last listened
 *
 * 1. The child writes ticket.begun, started_us, written, bell = 1, room_wanted = 1; the
 *    worker ticket.skip, cancelled, read, bell = 0, room_wanted = 0.
 * 2. The worker believes nothing: a child with a wild pointer may write anything here.
 *    The file cannot shrink, so looking at it is always safe.
 */
#ifndef FUNCTION_PAGE_H
#define FUNCTION_PAGE_H

#include <assert.h>
#include <stdatomic.h>

#include "buffer.h"
#include "errors.h"

enum {
    PAGE_RING_AT    = 4096,
    PAGE_RING_BYTES = 512 * 1024,
    PAGE_BYTES      = PAGE_RING_AT + PAGE_RING_BYTES,
};

struct page {
    _Atomic uint64_t ticket;       /* begun << 32 | skip */
    _Atomic uint64_t started_us;   /* of the call begun last; clock_now_us() */
    _Atomic uint64_t written, read;
    _Atomic uint32_t cancelled;    /* the call that shall stop; 0 = none */
    _Atomic uint32_t overflowed;   /* the call in which the stack overflowed; 0 = none */
    _Atomic uint32_t bell;
    _Atomic uint32_t room_wanted;  /* a futex: the child waits for room in the ring */
};

static_assert(sizeof(struct page) <= PAGE_RING_AT, "the head must lie before the ring");

/* ---- both ---- */
/* Map a page.  NULL: errno tells. */
struct page *page_map(int fd);
void         page_unmap(struct page *page);

static inline uint32_t
page_begun(struct page *page)
{
    return (uint32_t)(atomic_load(&page->ticket) >> 32);
}

/* ---- the worker's side ---- */
/* A file of memory for a new page.  Errors: IO, NO_MEMORY. */
muster_err page_make(int *fd_out, struct muster_error *error);
/* Calls below `next` that are not begun are not wanted any more.  The one begun last. */
uint32_t page_skip(struct page *page, uint32_t next);
/* Append what the child wrote, and give it the room.  False: it wrote nonsense. */
bool     page_take(struct page *page, struct buffer *out);
/* Is there something that page_take() would take? */
bool     page_has(struct page *page);

/* ---- the child's side ---- */
/* False: this call is not wanted any more. */
bool page_begin(struct page *page, uint32_t call, uint64_t now_us);
/* Write all of it, waiting for room; `ring` is called when the worker must be told. */
void page_write(struct page *page, struct slice bytes, void (*ring_bell)(void));
/* Should the worker be told now?  (Then it is told once until it listens.) */
bool page_wants_bell(struct page *page);

#endif
