/* Forced recoveries: all nodes but one are lost, that one goes on alone, and later the lost ones
 * come back with what they had.
 *
 * What the daemon does about it in its broker (cluster/membership/recovered.c, returning.c) is done
 * in its place by the same calls: the plan's loss, the order's file, and what nodes tell each other
 * of their generations. The order is carried out by the real start. */
#ifndef SIM_RECOVERY_H
#define SIM_RECOVERY_H

#include "sim/sim_node.h"

/* Sites are lost from now on, now and then; only in seeds of that kind. */
void sim_recovery_start(struct sim *s);
/* No site is lost any more; what was begun ends. */
void sim_recovery_settle(struct sim *s);
bool sim_recovery_is_over(struct sim *s, void *unused);

/* Of the groups that were recovered, by the newest order; 0: there was none. */
uint32_t sim_recovery_generation(void);

/* ---- a node's part ---- */

/* Before its storage is opened: carries out the order that its disk has. */
int sim_recovery_run(struct sim_life *life, const struct storage_options *options,
                     struct err_note *note);
/* Its groups are there: with an operator's word that it was lost it takes part in none. */
void sim_recovery_opened(struct sim_life *life);
/* Tells its peers of what generation its groups are, now and then. */
void sim_recovery_tick(struct sim_life *life);
/* A peer has said so: what is of an older one is put aside at the next start. */
void sim_recovery_on_message(void *data, uint32_t from_node_id, struct bytes message,
                             struct buffer *owner);

#endif
