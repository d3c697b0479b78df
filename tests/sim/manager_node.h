/* manager_node.h - the manager: its core, admission and answers, on a disk that crashes
 *
 * Takes the place of the manager's loop.c with the same turns: one is being
 * committed while the next one gathers, and answers leave after the commit.
 */
#ifndef SIM_MANAGER_NODE_H
#define SIM_MANAGER_NODE_H

#include "wire.h"
#include "world.h"

struct manager_node *manager_node_new(struct sim *sim);
void                 manager_node_free(struct manager_node *node);

bool     manager_up(const struct manager_node *node);
uint64_t manager_frozen_until_ms(const struct manager_node *node);

/* ---- the network ---- */
void manager_frame(struct manager_node *node, uint64_t peer, struct slice frame);
void manager_peer_gone(struct manager_node *node, uint64_t peer);

/* ---- the weather ---- */
void manager_crash(struct manager_node *node, uint64_t down_ms);
void manager_stop(struct manager_node *node, uint64_t down_ms);    /* SIGTERM */
void manager_freeze(struct manager_node *node, uint64_t ms);
void manager_space(struct manager_node *node, bool low);
void manager_slow(struct manager_node *node, uint64_t peer, bool slow);
void manager_expel(struct manager_node *node, uint64_t peer);
void manager_heal(struct manager_node *node);

#endif
