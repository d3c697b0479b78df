/* page.c - see page.h */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_LOOK_MS = 100 };       /* look again for room, were a wake-up ever lost */

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs atomics without locks");

static uint8_t *
ring_of(struct page *page)
{
    return (uint8_t *)page + PAGE_RING_AT;
}

struct page *
page_map(int fd)
{
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

void
page_unmap(struct page *page)
{
    if (page != NULL)
        munmap(page, PAGE_BYTES);
}

/* ---- the worker's side ---- */

muster_err
page_make(int *fd_out, struct muster_error *error)
{
    int        fd = memfd_create("muster-calls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    muster_err err;

    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "make memory to share with a child");
    if (ftruncate(fd, PAGE_BYTES) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "make memory to share with a child");
        close(fd);
        return err;
    }
    *fd_out = fd;
    return MUSTER_OK;
}

uint32_t
page_skip(struct page *page, uint32_t next)
{
    uint64_t ticket = atomic_load(&page->ticket);

    while (!atomic_compare_exchange_weak(&page->ticket, &ticket,
                                         (ticket & ~(uint64_t)UINT32_MAX) | next))
        continue;
    return (uint32_t)(ticket >> 32);
}

bool
page_has(struct page *page)
{
    return atomic_load(&page->written) != atomic_load(&page->read);
}

bool
page_take(struct page *page, struct buffer *out)
{
    uint64_t written, read = atomic_load(&page->read);
    size_t   at = read % PAGE_RING_BYTES, bytes, first;

    atomic_store(&page->bell, 0);             /* before looking: what comes later rings again */
    written = atomic_load(&page->written);
    if (written - read > PAGE_RING_BYTES)
        return false;
    bytes = (size_t)(written - read);
    first = bytes < PAGE_RING_BYTES - at ? bytes : PAGE_RING_BYTES - at;
    buffer_append(out, ring_of(page) + at, first);
    buffer_append(out, ring_of(page), bytes - first);
    atomic_store(&page->read, written);
    if (atomic_exchange(&page->room_wanted, 0) != 0)
        syscall(SYS_futex, &page->room_wanted, FUTEX_WAKE, 1, NULL, NULL, 0);
    return true;
}

/* ---- the child's side ---- */

bool
page_begin(struct page *page, uint32_t call, uint64_t now_us)
{
    uint64_t ticket = atomic_load(&page->ticket);

    /* Before the ticket: who sees the call sees when it began, or a little earlier. */
    atomic_store(&page->started_us, now_us);
    do {
        if ((uint32_t)ticket > call)
            return false;
    } while (!atomic_compare_exchange_weak(&page->ticket, &ticket,
                                           (uint64_t)call << 32 | (uint32_t)ticket));
    return true;
}

bool
page_wants_bell(struct page *page)
{
    return atomic_load(&page->bell) == 0 && atomic_exchange(&page->bell, 1) == 0;
}

static void
wait_for_room(struct page *page, size_t bytes, void (*ring_bell)(void))
{
    struct timespec soon = { .tv_nsec = PAGE_LOOK_MS * 1000000L };

    while (PAGE_RING_BYTES - (atomic_load(&page->written) - atomic_load(&page->read)) < bytes) {
        atomic_store(&page->room_wanted, 1);
        if (page_wants_bell(page))
            ring_bell();
        if (PAGE_RING_BYTES - (atomic_load(&page->written) - atomic_load(&page->read)) < bytes)
            syscall(SYS_futex, &page->room_wanted, FUTEX_WAIT, 1, &soon, NULL, 0);
    }
}

void
page_write(struct page *page, struct slice bytes, void (*ring_bell)(void))
{
    uint64_t       written = atomic_load(&page->written);
    size_t         at = written % PAGE_RING_BYTES, first = PAGE_RING_BYTES - at;
    const uint8_t *data = bytes.data;

    assert(bytes.bytes <= PAGE_RING_BYTES / 2);
    wait_for_room(page, bytes.bytes, ring_bell);
    if (first > bytes.bytes)
        first = bytes.bytes;
    memcpy(ring_of(page) + at, data, first);
    if (bytes.bytes > first)
        memcpy(ring_of(page), data + first, bytes.bytes - first);
    atomic_store(&page->written, written + bytes.bytes);
}
