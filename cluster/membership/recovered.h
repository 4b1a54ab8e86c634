/* Forced recovery while a node runs: who has a new generation says so, who is of an old one steps
 * aside, and whoever has an order to carry out begins again.
 *
 * Every node tells the others, at each handshake and a few times a second, which generations its
 * groups have, once one of them is above 0. A node that hears of a higher one than its own serves
 * that group no more, from that moment; it writes the order to put its replica aside, for all
 * groups that it heard of at once, and begins again: the start carries it out (start/recovery.h).
 *
 * Where group 0 lives, and other groups have lost their majority, as asynchronous ones do with
 * their home site, group 0 orders it (METADATA_RECOVERY): whoever it names writes its own order and
 * begins again, whoever it does not name serves that group no more. The order stands in group 0's
 * state, so it is carried out whoever dies, and whenever the named one comes to it.
 *
 * A replica whose voters all stand in one site asks nobody before it leads. So when its process
 * begins it is held until what group 0 has said by then is applied here: an old home that returns
 * must not acknowledge anything in a generation that is over. Weighed against trusting what it has:
 * cut off from all others, such a group serves on while its node runs, and not after a restart.
 *
 * The message's bytes: recovered_message.h. */
#ifndef CLUSTER_MEMBERSHIP_RECOVERED_H
#define CLUSTER_MEMBERSHIP_RECOVERED_H

#include "broker.h"
#include "start/recovery_order.h"

/* All of them on shard 0, but where it says otherwise. */

/* To one node, or with 0 to all. Nothing is sent while all generations are 0. */
void recovered_tell(struct broker *b, uint32_t node_id);
void recovered_on_message(struct broker *b, uint32_t from_node_id, struct bytes message);
/* Writes the order: from here on there is no way back. The groups of its rows serve no more, and
 * the process begins again after a moment, in which an answer can leave. 0, ERR_BUSY when there is
 * one already, or why it can't be written: then nothing has changed. Blocking: a small file. */
int recovered_begin(struct broker *b, const struct recovery_order *order);
void recovered_tick(struct broker *b);

/* On the group's shard: when its replica was made, and every few milliseconds. */
void recovered_hold(struct broker_group *g);
void recovered_group_tick(struct broker_group *g);

#endif
