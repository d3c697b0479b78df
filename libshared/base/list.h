/* list.h - a doubly linked ring whose links live in the members */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;     /* both NULL: in no ring */
    struct list *prev;
};

static inline void
list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool
list_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool
list_linked(const struct list *link)
{
    return link->next != NULL;
}

static inline void
list_append(struct list *head, struct list *link)
{
    assert(!list_linked(link));
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void
list_prepend(struct list *head, struct list *link)
{
    assert(!list_linked(link));
    link->prev = head;
    link->next = head->next;
    head->next->prev = link;
    head->next = link;
}

static inline void
list_remove(struct list *link)
{
    assert(list_linked(link));
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

#endif
