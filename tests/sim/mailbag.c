/* mailbag.c - see mailbag.h */
#include "mailbag.h"

#include <stdlib.h>

#include "network.h"

struct mailbag_peer {
    struct outbox    *bag;
    uint64_t          peer;
    struct net_packer packer;
};

static void
mailbag_frame(void *context, struct slice frame)
{
    struct mailbag_peer *to = context;

    net_manager_send(to->bag->sim->net, to->peer, frame);
}

void
outbox_add(struct outbox *bag, uint64_t peer, struct slice message)
{
    struct mailbag_peer *to = map_get(&bag->peers, peer);

    if (to == NULL) {
        to = base_alloc(sizeof(*to));
        to->bag = bag;
        to->peer = peer;
        map_put(&bag->peers, peer, to);
    }
    net_pack(&to->packer, message, mailbag_frame, to);
}

/* Peers are forgotten each time: a turn is a small thing here. */
void
mailbag_empty(struct outbox *bag, bool send)
{
    struct mailbag_peer *to;
    size_t               cursor = 0;
    uint64_t             peer;

    while ((to = map_next(&bag->peers, &cursor, &peer)) != NULL) {
        if (send)
            net_pack_end(&to->packer, mailbag_frame, to);
        map_remove(&bag->peers, peer);
        buffer_free(&to->packer.frame);
        free(to);
    }
}
