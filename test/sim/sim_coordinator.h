/* Consumer groups at the nodes: beside each replica the real coordinator (cluster/consumer/), on a
 * broker that has what a coordinator asks of it and nothing else. */
#ifndef SIM_COORDINATOR_H
#define SIM_COORDINATOR_H

#include "cluster/live_group.h"
#include "sim/sim_node.h"

/* The partition of each raft group that carries consumer groups. */
#define SIM_OFFSETS_PARTITION (SIM_HOME_NUMBERS - 1)

/* Before the nodes start: from here on they have coordinators. */
void sim_coordinators_found(struct sim *s);

/* With the process. 0 or UV_ENOMEM. */
int sim_coordinator_open(struct sim_life *life);
void sim_coordinator_on_role(struct sim_group *g, enum repl_role role, uint64_t term);
/* In the process's tick. */
void sim_coordinator_tick(struct sim_group *g);

/* The number of a connection that the process accepts now. */
uint64_t sim_coordinator_accept(struct sim_life *life);
/* Of the newest. */
uint64_t sim_coordinator_now(const struct sim_life *life);

/* As the daemon's calls to a group (consumer/group_call.c): Kafka's code of why there is no
 * coordinator here, or 0. */
int16_t sim_coordinator_check(struct sim_group *g);
struct group_set *sim_coordinator_groups(struct sim_group *g);
/* Of the replica; NULL while the partition is not open there. */
const struct consumer_table *sim_coordinator_table(struct sim_group *g);

/* Version of the metadata that a commit names. */
uint64_t sim_coordinator_metadata_version(const struct sim_group *g);

#endif
