/* The network between the simulated nodes.
 *
 * Between each two nodes and per channel a stream of frames in order, with delay and jitter.
 * Each direction can be cut by itself: frames then wait (as TCP does) or the connection breaks and
 * what was under way is lost. A node that dies breaks its connections; connecting to it is
 * refused until it lives again. */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "base/net.h"
#include "sim/world.h"

#define SIM_NODES_MAX 8

struct sim_net;

struct sim_net *sim_net_create(struct world *world, unsigned node_count);

/* One-way delay between two nodes (both directions), and how much a frame may be later. */
void sim_net_set_delay(struct sim_net *n, unsigned a, unsigned b, uint64_t delay_ns,
                       uint64_t jitter_ns);
/* Bytes per second of one direction; 0: no limit. */
void sim_net_set_rate(struct sim_net *n, unsigned from, unsigned to, uint64_t bytes_per_s);

/* A node (numbered from 0; its node id is number + 1) comes to life: `handler` hears from now on.
 */
void sim_net_join(struct sim_net *n, unsigned node, struct net_handler handler);
/* The network as this node sees it. */
const struct net *sim_net_seam(struct sim_net *n, unsigned node);
/* The node is gone, at once. */
void sim_net_leave(struct sim_net *n, unsigned node);

/* Cuts one direction. `does_break`: connections break and lose what is under way; else frames wait
 * until the cut is healed. */
void sim_net_cut(struct sim_net *n, unsigned from, unsigned to, bool does_break);
void sim_net_heal(struct sim_net *n, unsigned from, unsigned to);
void sim_net_heal_all(struct sim_net *n);
/* One channel of one direction stands still until then; others overtake it. */
void sim_net_stall(struct sim_net *n, unsigned from, unsigned to, enum net_channel channel,
                   uint64_t until_ns);
/* Breaks the connection once: what is under way in both directions is lost. */
void sim_net_reset(struct sim_net *n, unsigned a, unsigned b);

bool sim_net_is_cut(const struct sim_net *n, unsigned from, unsigned to);
/* Frames go that way, and none is held up. */
bool sim_net_is_clear(const struct sim_net *n, unsigned from, unsigned to);
/* Nothing arrives that way, nor is there anything under way that may. */
bool sim_net_is_silent(const struct sim_net *n, unsigned from, unsigned to);

uint64_t sim_net_frame_count(const struct sim_net *n);
uint64_t sim_net_lost_count(const struct sim_net *n);

#endif
